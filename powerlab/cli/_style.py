"""Colour on stderr and stdout, only where a person sees it."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

import click

UNLIMITED = 100_000
"""The width of what is no terminal: a file or another program folds for itself."""


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


def columns(stream: TextIO | None = None) -> int:
    """Get the width of a terminal (stdout by default), UNLIMITED where it is none."""
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else UNLIMITED


def count_text(value: float) -> str:
    """Get a number, of readings in a second or the like, without an exponent: 100,000; 12.35."""
    return f"{value:,.0f}" if 1e4 <= value < 1e15 else f"{value:.4g}"


def folded(text: str, width: int) -> str:
    """Fold each line at words, its rest indented by two more; no word is broken."""
    return "\n".join(_folded_line(line, max(width, 20)) for line in text.splitlines())


def _folded_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
