"""A child process of the agent's: its lines with the instant of each, and its end.

It has a process group of its own, which is killed as a whole; the kernel kills it when the
agent dies, and the agent's supervisor what it started.
"""

import contextlib
import os
import select
import signal
import subprocess
from typing import Any, List, Set, Tuple

from powerlab.agent.clock import now_ns
from powerlab.agent.faults import AgentError

KEPT = 8192
"""Bytes of each of its two outputs that are kept for an error message, the last ones."""

_READ_SIZE = 1 << 16
_LINE_LIMIT = 4096
_LOOK_MS = 250.0
_END_LIMIT_S = 5.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# Process groups that may still run; leaving the agent kills them.
_living: Set[int] = set()


def kill_all() -> None:
    """Kill every child that may still run, and what each started itself."""
    for group in list(_living):
        _kill(group)


class Child:
    """One process, started by its words without a shell; ``close`` it in any case.

    ``lines`` holds those lines of its output, with the instant of their arrival in ns of the
    board's clock, that begin with ``prefix``; ``at_end`` says that no more will come.
    """

    def __init__(self, words: List[str], prefix: bytes) -> None:
        """Start it; raises AgentError where that is not possible."""
        self.lines: List[Tuple[bytes, int]] = []
        self.at_end = False
        self._prefix = prefix
        self._partial = bytearray()
        self._said = bytearray()
        self._complained = bytearray()
        self._complaining = True
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(  # noqa: S603
                words,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                bufsize=0,
                start_new_session=True,
                preexec_fn=_dying_with_the_agent(),  # noqa: PLW1509 -- one C function, no Python
            )
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or str(error)
            raise AgentError(
                "command-not-started",
                f"{words[0]!r} cannot be started on the board: {told}",
                "give its path on the board, make it executable (chmod +x), and check that it "
                "was built for this processor",
                f"{type(error).__name__}: {error}",
            ) from error
        _living.add(self._process.pid)
        streams: Any = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._streams = streams
        self._input, self._output, self._errors = (stream.fileno() for stream in streams)
        os.set_blocking(self._errors, False)

    def fileno(self) -> int:
        """Get the descriptor of its output, readable when it has written or ended."""
        return int(self._output)

    def tell(self, line: bytes) -> None:
        """Write a line to its standard input; it may read nothing, and have closed that."""
        with contextlib.suppress(OSError):
            os.write(self._input, line + b"\n")

    def receive(self, deadline_ns: int) -> bool:
        """Take in what it writes next; get False where nothing came until the deadline."""
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        if self._complaining:
            poll.register(self._errors, select.POLLIN)
        ready: Set[int] = set()
        while not ready and not self.at_end:
            left_ms = (deadline_ns - now_ns()) / 1e6
            if left_ms <= 0:
                return False
            ready = {descriptor for descriptor, _ in poll.poll(min(left_ms, _LOOK_MS))}
            # What it started itself may keep its output open after its own end.
            self.at_end = not ready and self._process.poll() is not None
        if self._output in ready:
            data = os.read(self._output, _READ_SIZE)
            at_ns = now_ns()
            self.at_end = not data
            self._split(data, at_ns)
        if self._errors in ready:
            self._complain()
        return True

    def end(self) -> int:
        """Kill it if it has not ended; get its status, negative for the signal that did it."""
        if self.at_end:  # it closed its output, so it is about to end by itself
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_LIMIT_S)
        _kill(self._process.pid)
        return int(self._process.wait())

    def close(self) -> None:
        """Kill it, and whatever it started; idempotent."""
        self.end()
        self._complain()
        _living.discard(self._process.pid)
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.close()
        self._complaining = False

    def words(self) -> Tuple[str, str]:
        """Get the end of what it wrote to its standard error, and to its standard output."""
        return _text(self._complained), _text(self._said)

    def _split(self, data: bytes, at_ns: int) -> None:
        self._partial += data
        *lines, rest = bytes(self._partial).split(b"\n")
        self._partial = bytearray(rest[-_LINE_LIMIT:])
        for line in lines:
            if line.startswith(self._prefix):
                self.lines.append((line.rstrip(b"\r"), at_ns))
            else:
                self._said += line + b"\n"
                del self._said[:-KEPT]

    def _complain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._complaining:
                data = os.read(self._errors, _READ_SIZE)
                self._complaining = bool(data)
                self._complained += data
                del self._complained[:-KEPT]


def _text(data: bytearray) -> str:
    return bytes(data).decode("utf-8", "replace")


def _kill(group: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def _dying_with_the_agent() -> Any:
    """Get what a child calls before its program: the kernel kills it when the agent dies."""
    try:
        import ctypes  # noqa: PLC0415  (some boards' Pythons are built without it)

        prctl = ctypes.PyDLL(None).prctl
    except Exception:
        return None
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
