"""Deciding a plan and printing the answer, for every verb that takes ``--plan``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from powerlab.cli._decision_json import decision_document
from powerlab.cli._decision_text import decision_text
from powerlab.cli._output import print_json
from powerlab.cli._procuring import Procured, check_answerable, procure


def print_decision(path: Path, runs: Sequence[str], root: Path, *, as_json: bool) -> None:
    """Decide a plan and print the answer; raises ConfigError where there is none."""
    done = procure(path, runs, root)
    if as_json:
        print_document(done)
    else:
        click.echo(decision_text(done))
    check_answerable(done)


def print_document(done: Procured) -> None:
    """Print a decision as JSON."""
    print_json(decision_document(done))
