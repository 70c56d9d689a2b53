"""The agent's parent process on the board: a crash of the runtime leaves nothing behind.

The agent runs in a forked child. Its parent only waits: it passes signals on, removes what
a crashed child could not remove itself, and says on stderr by which signal the child ended,
which ssh alone would not tell.
"""

import contextlib
import os
import signal
import tempfile
from typing import Any, List, Sequence

from powerlab.agent import edges, facts, models
from powerlab.agent.counters import serve
from powerlab.agent.facts import read_text
from powerlab.agent.loop import Agent, take_streams

ENDED_BY_SIGNAL = "powerlab-agent: ended with signal"
"""What stderr says, followed by the signal's number and name."""

NO_ROOM = 97
"""The exit status where the board's temporary directory has no place for the edge file."""

COUNTERS = "counters"

ORPHANS_LIMIT = 1000
"""How many processes that the agent started are killed after it, each in its turn."""

PATIENCE_S = 0.5
"""For the child to act on a signal; it cannot while a native call holds Python's lock."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36


def main(words: Sequence[str] = ()) -> None:
    """Start the agent on this process's stdin and stdout; never returns.

    With the words "counters KIND key=value ..." it reads the board's counters instead.
    """
    for orphan in edges.remove_orphans():  # its parent was killed together with it
        _remove_files_of(orphan)
    parent = os.getpid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        _die_with(parent)
        receive_fd, send_fd = take_streams()
        if words[:1] == [COUNTERS]:
            serve.serve(receive_fd, send_fd, list(words[1:]))
        facts.pin_to_cores(1)
        _agent(receive_fd, send_fd).serve()
    _forward_signals(child)
    _, status = os.waitpid(child, 0)
    os._exit(_clean_up_after(child, status))


def _agent(receive_fd: int, send_fd: int) -> Agent:
    """Get the agent; where its edge file finds no place, say so and end."""
    try:
        return Agent(receive_fd, send_fd)
    except OSError as error:
        place = tempfile.gettempdir()
        text = f"powerlab-agent: {place} cannot hold the edge file of 4 MiB: {error.strerror}\n"
        os.write(2, text.encode("utf-8", "replace"))
        os._exit(NO_ROOM)


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
    """Remove what the child left; get the exit status that tells how it ended."""
    _kill_orphans()
    _remove_files_of(child)
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    os.write(2, f"\n{ENDED_BY_SIGNAL} {number} ({signal.Signals(number).name})\n".encode())
    return 128 + number


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent is killed; closing stdin does it elsewhere."""
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) and os.getppid() != parent:
        os._exit(0)


def _prctl(option: int, value: int) -> bool:
    try:
        import ctypes  # noqa: PLC0415  (some boards' Pythons are built without it)

        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except Exception:
        return False


def _kill_orphans() -> None:
    """Kill what the child started: as the nearest subreaper this process inherits it."""
    for _ in range(ORPHANS_LIMIT):
        for process in _own_children():
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _own_children() -> List[int]:
    own, found = os.getpid(), []
    for name in os.listdir("/proc"):
        # The name in parentheses may hold anything; the parent is the second field after it.
        fields = read_text(f"/proc/{name}/stat").rpartition(")")[2].split()
        if name.isdigit() and len(fields) > 1 and int(fields[1]) == own:
            found.append(int(name))
    return found
