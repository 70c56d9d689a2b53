"""One command on the emulated board: a real process, its pipes tied to an SSH channel.

The pipes are read on the event loop as soon as they are readable and go straight to the channel:
a ping's answer waits for nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh

from powerlab.emulation.process import USER, die_with_parent
from powerlab.emulation.relay import FrameRelay

_CHUNK = 1 << 18


class Command:
    """One command of one session: a child in its own process group, its pipes on the loop."""

    def __init__(
        self,
        words: list[str],
        box: Path,
        cores: tuple[int, ...],
        channel: Any,
        *,
        rewrite: Callable[[object], object],
        ended: Callable[[Command], None],
    ) -> None:
        self._channel = channel
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._relay = FrameRelay(rewrite)
        self._pending = bytearray()
        self._ending = False
        self._child = subprocess.Popen(  # noqa: S603
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=box,
            env=environment(box),
            start_new_session=True,
            preexec_fn=partial(_enter_the_box, cores),  # noqa: PLW1509 -- this process has one thread
        )
        self._stdin = _descriptor(self._child.stdin)
        self._open = {_descriptor(self._child.stdout), _descriptor(self._child.stderr)}
        for descriptor in (self._stdin, *self._open):
            os.set_blocking(descriptor, False)
        stdout, stderr = _descriptor(self._child.stdout), _descriptor(self._child.stderr)
        self._loop.add_reader(stdout, self._pump, stdout, self._relay.feed, None)
        self._loop.add_reader(stderr, self._pump, stderr, bytes, asyncssh.EXTENDED_DATA_STDERR)
        self._handle = os.pidfd_open(self._child.pid)
        self._loop.add_reader(self._handle, self._exited)

    def feed(self, data: bytes) -> None:
        """Give the child what the client sent."""
        if self._pending:
            self._pending += data
            return
        self._pending += data[self._write(data) :]
        if self._pending:
            self._loop.add_writer(self._stdin, self._flush)

    def feed_eof(self) -> None:
        """Close the child's standard input once everything is written."""
        self._ending = True
        if not self._pending:
            self._close_stdin()

    def kill(self) -> None:
        """Kill the child and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _write(self, data: bytes | bytearray) -> int:
        if self._stdin < 0:
            return len(data)
        try:
            return os.write(self._stdin, data)
        except BlockingIOError:
            return 0
        except OSError:  # the child has closed it or is gone
            self._close_stdin()
            return len(data)

    def _flush(self) -> None:
        del self._pending[: self._write(self._pending)]
        if not self._pending and self._stdin >= 0:
            self._loop.remove_writer(self._stdin)
            if self._ending:
                self._close_stdin()

    def _close_stdin(self) -> None:
        if self._stdin >= 0 and self._child.stdin is not None:
            self._loop.remove_writer(self._stdin)
            self._stdin = -1
            with contextlib.suppress(OSError):
                self._child.stdin.close()

    def _pump(self, source: int, through: Callable[[bytes], bytes], kind: int | None) -> None:
        try:
            data = os.read(source, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._send(through(data), kind)
            return
        self._loop.remove_reader(source)
        self._open.discard(source)
        if kind is None:
            self._send(self._relay.rest(), kind)

    def _send(self, data: bytes, kind: int | None) -> None:
        with contextlib.suppress(OSError, asyncssh.Error):
            if data:
                self._channel.write(data, kind)

    def _exited(self) -> None:
        """Drain what the child left in its pipes, then tell the client how it ended."""
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        code = self._child.wait()
        self.kill()  # whatever it started and left behind in its group
        for stream, through, kind in (
            (self._child.stdout, self._relay.feed, None),
            (self._child.stderr, bytes, asyncssh.EXTENDED_DATA_STDERR),
        ):
            source = _descriptor(stream)
            while source in self._open and _readable(source):
                self._pump(source, through, kind)
            self._loop.remove_reader(source)
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.close()
        self._close_stdin()
        self._ended(self)
        with contextlib.suppress(OSError, asyncssh.Error):
            if code < 0:
                name = signal.Signals(-code).name.removeprefix("SIG")
                self._channel.exit_with_signal(name, core_dumped=False)
            else:
                self._channel.exit(code)


def environment(box: Path) -> dict[str, str]:
    """Get the environment of a command on the board: its own, with nothing of the host's user."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    place = {"HOME": str(box), "TMPDIR": str(box), "PWD": str(box)}
    return {**kept, **place, "USER": USER, "LANG": "C.UTF-8", "POWERLAB_EMULATED": "1"}


def _enter_the_box(cores: tuple[int, ...]) -> None:
    die_with_parent(signal.SIGKILL)
    if cores:
        os.sched_setaffinity(0, cores)


def _descriptor(stream: Any) -> int:
    return int(stream.fileno())


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])
