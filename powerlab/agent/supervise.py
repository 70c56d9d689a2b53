"""The agent's parent process on the board: a crash of the runtime leaves nothing behind.

The agent runs in a forked child. Its parent only waits: it passes signals on, removes what
a crashed child could not remove itself, and says on stderr by which signal the child ended,
which ssh alone would not tell.
"""

import contextlib
import os
import signal
from typing import Any

from powerlab.agent import edges, facts, models
from powerlab.agent.loop import Agent, take_streams

ENDED_BY_SIGNAL = "powerlab-agent: ended with signal"
"""What stderr says, followed by the signal's number and name."""

PATIENCE_S = 0.5
"""For the child to act on a signal; it cannot while a native call holds Python's lock."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Start the agent on this process's stdin and stdout; never returns."""
    for orphan in edges.remove_orphans():  # its parent was killed together with it
        _remove_files_of(orphan)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _die_with(parent)
        facts.pin_to_cores(1)
        receive_fd, send_fd = take_streams()
        Agent(receive_fd, send_fd).serve()
    _forward_signals(child)
    _, status = os.waitpid(child, 0)
    os._exit(_clean_up_after(child, status))


def _remove_files_of(child: int) -> None:
    edges.remove(edges.edge_path(child))
    models.remove_temporary(child)


def _forward_signals(child: int) -> None:
    def forward(number: int, _frame: Any) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)

    def lose_patience(_number: int, _frame: Any) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, lose_patience)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)


def _clean_up_after(child: int, status: int) -> int:
    """Remove the child's files; get the exit status that tells how it ended."""
    _remove_files_of(child)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    os.write(2, f"\n{ENDED_BY_SIGNAL} {number} ({signal.Signals(number).name})\n".encode())
    return 128 + number


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent is killed; closing stdin does it elsewhere."""
    try:
        import ctypes  # noqa: PLC0415  (some boards' Pythons are built without it)

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except Exception:
        return
    if os.getppid() != parent:
        os._exit(0)
