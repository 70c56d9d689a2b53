"""What stops a command, in one line and a hint on stderr, and its exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import click

from powerlab.cli._style import styled
from powerlab.errors import Interrupted, PowerlabError

INTERRUPTED = Interrupted.exit_code


def exit_code_of(error: BaseException, arguments: Sequence[str] | None) -> int:
    """Tell the user of an error and get the exit code of its family.

    With ``--debug`` the traceback comes first.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if "--debug" in words and not isinstance(error, click.UsageError):
        traceback.print_exception(error)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        _say("interrupted", "")
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, PowerlabError):
        _say(error.message, error.hint, *getattr(error, "__notes__", ()))
        return error.exit_code
    if isinstance(error, OSError):
        _say(str(error), "check that path, its permissions and the space on its disk")
        return 3
    _say(
        f"this is a defect of powerlab: {type(error).__name__}: {error}",
        "run the command again as `powerlab --debug ...` and report the traceback",
    )
    return 1


def _say(message: str, hint: str, *notes: str) -> None:
    """Write message, notes and hint to stderr."""
    click.echo(f"{styled('Error:', fg='red', bold=True)} {message}", err=True)
    for note in notes:
        click.echo(f"       {note}", err=True)
    if hint:
        click.echo(f"{styled('Hint:', bold=True)}  {hint}", err=True)
