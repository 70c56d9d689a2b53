"""``--command``: a program on the board that makes the inferences and marks them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from powerlab.catalog.tools import TOOL_FORMATS
from powerlab.catalog.workload_profile import COMMAND, WorkloadProfile
from powerlab.errors import ConfigError


def with_command(workload: WorkloadProfile, text: str | None) -> WorkloadProfile:
    """Get the workload as inferred by the program that ``--command`` names, if it does.

    The words are told apart as a shell would, quotes and backslashes included; nothing in
    them is replaced by anything.
    """
    if text is None:
        return workload
    try:
        words = shlex.split(text)
        "".join(words).encode()
    except ValueError as error:
        raise ConfigError(
            f"--command {text!r} cannot be split into words: {error}",
            hint="close every quote, as in --command \"./infer 'my model.bin'\"",
        ) from error
    if not words or "\0" in "".join(words):
        raise ConfigError(
            f"--command {text!r} names no program",
            hint='write the program on the board and its arguments: --command "./infer model"',
        )
    return workload.with_command(words)


def check_command(
    text: str | None, runtimes: Sequence[str], *, batches: Sequence[int], dither: bool
) -> None:
    """Refuse what a program that counts its inferences itself cannot be asked for."""
    if COMMAND not in runtimes:
        if text is not None and not set(runtimes) & set(TOOL_FORMATS):
            raise ConfigError(
                "--command is not among the runtimes",
                hint="add it to them, as in --runtime command, or leave out --command",
            )
        return
    if tuple(batches) != (1,) or dither:
        raise ConfigError(
            "a command makes its inferences itself: it takes no --batch and no --dither",
            hint="leave them out; the program counts the inputs it infers in its markers",
        )


def no_command() -> ConfigError:
    """Get the error for the runtime "command" without a program."""
    return ConfigError(
        "the runtime 'command' needs the program that it starts on the board",
        hint='give it, as in --command "./infer model", or as `command` in the workload\'s file',
    )
