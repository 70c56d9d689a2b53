"""What stops a command, in one line and a hint on stderr, and its exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from powerlab.cli._style import columns, folded, styled
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
    if isinstance(error, OSError) and _is_of_output(error):
        _say(f"the output cannot be written: {error.strerror}", "make room where it goes")
        return 3
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
    width = columns(sys.stderr)
    # folded as plain text, since colours have no width
    for lead, text, colour in (
        ("Error: ", message, "red"),
        *(("       ", note, None) for note in notes),
        *([("Hint:  ", hint, None)] if hint else []),
    ):
        lines = folded(lead + text, width)[len(lead) :]
        shown = styled(lead.rstrip(), fg=colour, bold=True) + lead[len(lead.rstrip()) :]
        click.echo((shown if lead.strip() else lead) + lines, err=True)


def _is_of_output(error: OSError) -> bool:
    """Tell whether an error came from printing, and if so have nothing more printed."""
    frames = traceback.walk_tb(error.__traceback__)
    if not any(frame.f_code is click.echo.__code__ for frame, _ in frames):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # or the interpreter would try again, and complain, as it ends
    os.close(nowhere)
    return True
