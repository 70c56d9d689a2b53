"""Colour on stderr and stdout, only where a person sees it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click


def styled(
    text: str, *, stream: TextIO | None = None, fg: str | None = None, bold: bool = False
) -> str:
    """Colour a text for a terminal (stderr by default); plain with NO_COLOR or without one."""
    if os.environ.get("NO_COLOR") or not is_live(stream or sys.stderr):
        return text
    return click.style(text, fg=fg, bold=bold)


def is_live(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
