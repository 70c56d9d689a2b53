"""The agent on this computer: the same agent, in a child process, over pipes."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from powerlab.agent.bundle import command
from powerlab.agent.supervise import NO_ROOM
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.ends import explain_agent_end, no_room
from powerlab.devices.line import AgentLine
from powerlab.devices.ssh import PYTHON_TOO_OLD, python_too_old
from powerlab.errors import ConfigError, PowerlabError
from powerlab.transport.process import ProcessChannel

LOCAL_HOST = "local"


def local_python(python: str) -> list[str]:
    """Get the words that start the bench's Python here.

    This program's own, which has the runtimes installed with it, where the bench names
    none or the default ``python3``; whoever wants another one gives its path. Raises
    ConfigError where that one is not there.
    """
    words = shlex.split(python)
    if words in ([], ["python3"]):
        return [sys.executable]
    program = str(Path(words[0]).expanduser())
    if shutil.which(program):
        return [program, *words[1:]]
    raise ConfigError(
        f"the bench's Python {python} does not exist on this computer",
        hint="correct python in the bench, or leave it out for powerlab's own",
    )


def open_locally(bench: Bench, words: Sequence[str] = ()) -> AgentLine:
    """Start the agent's first stage as a child process; the agent is not sent yet.

    ``words`` say what it is to be; see ``powerlab.agent.bundle.command``.
    """
    python = local_python(bench.python)

    def explain_end(stderr: str, returncode: int, *, started: bool) -> PowerlabError:
        del started
        if returncode == PYTHON_TOO_OLD:
            return python_too_old("this computer", stderr)
        if returncode == NO_ROOM:
            return no_room("this computer", stderr)
        return explain_agent_end("this computer", stderr, returncode)

    try:
        channel = ProcessChannel([*python, *command(python[0], words)[1:]])
    except OSError as error:
        raise ConfigError(
            f"{python[0]} cannot be started: {error.strerror}",
            hint="correct python in the bench, or leave it out for powerlab's own",
        ) from error
    return AgentLine("this computer", channel, explain_end)
