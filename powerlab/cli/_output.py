"""Answers on stdout, and paths that are known to be writable before they are needed."""

from __future__ import annotations

import json
import shutil
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from powerlab.cli._style import columns
from powerlab.errors import ConfigError, SetupError

LEAST_FREE_BYTES = 50_000_000
"""A run takes one to ten megabytes; a disk this full is about to fail."""

LEAST_LAST_COLUMN = 20
"""The width that the last column of a table keeps in the narrowest terminal."""


def print_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(rows: Sequence[Mapping[str, object]], *, empty: str) -> None:
    """Print rows as a plain table under their keys; ``empty`` is the sentence for none.

    Written by hand since the lists of the catalogue must not wait for pandas.
    """
    if not rows:
        click.echo(empty)
        return
    names = list(rows[0])
    cells = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(names))]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = max(columns() - before, LEAST_LAST_COLUMN)
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False))
        lead = "".join(f"{cell}  " for cell in padded)
        _print_folded(lead, line[-1], room)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print one fact a line, the values aligned."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        first, *others = str(value).splitlines() or [""]
        room = max(columns() - width - 2, LEAST_LAST_COLUMN)
        _print_folded(f"{name.ljust(width)}  ", first, room)
        for line in others:
            _print_folded(f"{' ' * width}  ", line, room)


def _print_folded(lead: str, text: str, room: int) -> None:
    """Print a text after ``lead``, the rest of it below its own beginning."""
    first, *rest = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    click.echo(f"{lead}{first}".rstrip())
    for line in rest:
        click.echo(f"{' ' * len(lead)}{line}")


def check_output_file(path: Path, option: str) -> None:
    """Make sure that a file can be written at ``path``, leaving nothing there.

    Raises ConfigError for a path that cannot be one, SetupError where the system refuses.
    """
    folder = path.absolute().parent
    if path.exists() and not path.is_file():
        raise ConfigError(
            f"{option} {path} is a {'directory' if path.is_dir() else 'special file'}",
            hint="give the path of a file, such as report.pdf",
        )
    if not folder.is_dir():
        raise ConfigError(
            f"{option} {path}: there is no directory {folder}",
            hint=f"make it first: mkdir -p {folder}",
        )
    try:
        if path.exists():
            path.open("ab").close()
        _try_writing(folder)
    except OSError as error:
        raise SetupError(
            f"{option} {path} cannot be written: {error.strerror}",
            hint="choose a place that you may write to and that has room",
        ) from error


def check_run_root(root: Path) -> None:
    """Make the directory that runs go to, and make sure that it takes one.

    Raises SetupError.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        _try_writing(root)
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise SetupError(
            f"runs cannot be kept in {root}: {error.strerror}",
            hint="correct its permissions, or keep them elsewhere with --lab DIR",
        ) from error
    if free < LEAST_FREE_BYTES:
        raise SetupError(
            f"the disk of {root} has {free // 1_000_000} MB left",
            hint="make room for at least 50 MB, or keep runs elsewhere with --lab DIR",
        )


def _try_writing(folder: Path) -> None:
    """Write a file without a name into a folder. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"powerlab")
        file.flush()
