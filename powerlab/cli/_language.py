"""The language of a report: asked for, or that of the user's locale."""

from __future__ import annotations

import os

import click


def language(_ctx: click.Context, _option: click.Parameter, lang: str | None) -> str:
    """Get the language asked for, else that of the locale (POSIX: the first that is set)."""
    if lang is not None:
        return lang
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, named), "").lower().startswith("zh") else "en"
