"""Bytes in and out of a child process's pipes, with a deadline on every wait."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from powerlab.units import NS_PER_S, nanoseconds, now_ns

READ_SIZE = 1 << 18
STDERR_KEPT = 16_384
"""Bytes of the child's stderr that are kept for an error message, the last ones."""

_POLL_MS_PER_NS = 1e-6


class ProcessChannel:
    """One child process in a session of its own, spoken to over its pipes.

    Whoever waits also drains stderr, so that the child never blocks on it and no thread
    is needed. When this process dies, however it dies, the child's stdin ends, which is
    the signal to stop for every child started here. (A parent-death signal would be tied
    to the thread that opened the channel, and needs code between fork and exec.)
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        """Start the child; raises OSError where it cannot be started."""
        self.argv = tuple(argv)
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(  # noqa: S603
            self.argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            start_new_session=True,
            env=None if env is None else dict(env),
        )
        streams = (self._child.stdin, self._child.stdout, self._child.stderr)
        self._streams = [stream for stream in streams if stream is not None]
        self._stdin, self._stdout, self._stderr = (stream.fileno() for stream in self._streams)
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._stderr_kept = bytearray()
        self._stderr_open = True
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Get the child's process id, which is also its process group's."""
        return self._child.pid

    @property
    def stderr_tail(self) -> str:
        """Get the last of what the child wrote to stderr."""
        if not self._closed:
            self._drain_stderr()
        return self._stderr_kept.decode("utf-8", errors="replace").replace("\r\n", "\n")

    def read(self, deadline_ns: int) -> bytes:
        """Get what the child wrote, once there is anything; ``b""`` at the end of its output.

        Raises TimeoutError at ``deadline_ns`` (host nanoseconds).
        """
        while True:
            self._wait_for(self._stdout, select.POLLIN, deadline_ns)
            try:
                return os.read(self._stdout, READ_SIZE)
            except BlockingIOError:
                continue

    def write(self, data: bytes, deadline_ns: int) -> None:
        """Write all of ``data``.

        Raises TimeoutError at ``deadline_ns`` and BrokenPipeError where the child reads no
        longer.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._stdin, rest) :]
            except BlockingIOError:
                self._wait_for(self._stdin, select.POLLOUT, deadline_ns)

    def close(self, grace_s: float = 3.0) -> int:
        """End the child: by the end of its stdin, else SIGTERM, else SIGKILL, each in turn.

        Returns its exit status (negative: the signal that ended it). Idempotent.
        """
        if not self._closed:
            self._streams[0].close()
            self._await_end(grace_s)
            self._drain_stderr()
            self._closed = True
            for stream in self._streams[1:]:
                stream.close()
        status = self._child.returncode
        return -signal.SIGKILL if status is None else status

    def _await_end(self, grace_s: float) -> None:
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._child.pid, number)
            if self._ended_within(grace_s):
                return

    def _ended_within(self, limit_s: float) -> bool:
        """Wait for the child's end while emptying its pipes, which could hold it up."""
        deadline_ns = now_ns() + nanoseconds(limit_s)
        try:
            while self.read(deadline_ns):
                pass
        except TimeoutError:
            return self._child.poll() is not None
        left_s = max(0.0, (deadline_ns - now_ns()) / NS_PER_S)
        try:
            self._child.wait(left_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _wait_for(self, descriptor: int, event: int, deadline_ns: int) -> None:
        while True:
            poll = select.poll()
            poll.register(descriptor, event)
            if self._stderr_open:
                poll.register(self._stderr, select.POLLIN)
            left_ns = deadline_ns - now_ns()
            ready = poll.poll(max(0.0, left_ns * _POLL_MS_PER_NS))
            if any(which == descriptor for which, _ in ready):
                return
            if ready:
                self._drain_stderr()
            elif left_ns <= 0:
                raise TimeoutError(f"no answer from {self.argv[0]} in time")

    def _drain_stderr(self) -> None:
        while self._stderr_open:
            try:
                data = os.read(self._stderr, READ_SIZE)
            except BlockingIOError:
                return
            self._stderr_open = bool(data)
            self._stderr_kept += data
            del self._stderr_kept[:-STDERR_KEPT]
