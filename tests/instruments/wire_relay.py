"""A relay between a driver and its meter's emulator that hurts the answers on their way."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
import tty
from collections import deque
from collections.abc import Callable

CUT = None
"""In place of bytes: both ends are closed, and nobody can connect again."""

Piece = tuple[float, bytes | None]
Shape = Callable[[bytes], list[Piece]]


def whole(answer: bytes) -> list[Piece]:
    """Pass an answer on as it came."""
    return [(0.0, answer)]


class WireRelay:
    """Pumps bytes between ``resource``, which a driver opens, and an emulator's own resource.

    ``shape`` makes of each answer the pieces to be sent, each after so many seconds. It may be
    replaced while the relay runs. A terminal in front of a terminal, a socket before a socket.
    """

    def __init__(self, behind: str) -> None:
        self.shape: Shape = whole
        self._behind = behind
        self._due: deque[tuple[float, bytes | None]] = deque()
        self._keep: list[int] = []
        self._back = self._front = -1
        self._listener: socket.socket | None = None
        if behind.startswith("serial:"):
            self._back = os.open(behind.removeprefix("serial:"), os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self._back)
            self._front, slave = os.openpty()
            tty.setraw(slave)
            self._keep = [slave]
            self.resource = f"serial:{os.ttyname(slave)}"
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.resource = f"TCPIP0::127.0.0.1::{self._listener.getsockname()[1]}::SOCKET"
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._pump)
        self._thread.start()

    def close(self) -> None:
        """End the relay."""
        os.close(self._stop)
        self._thread.join(10)
        os.close(self._wake)
        assert not self._thread.is_alive()

    def _pump(self) -> None:
        while True:
            watched: list[int | socket.socket] = [self._wake]
            watched += [end for end in (self._front, self._back) if end >= 0]
            if self._listener is not None and self._front < 0:
                watched.append(self._listener)
            wait_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            ready, _, _ = select.select(watched, [], [], wait_s)
            if self._wake in ready:
                self._hang_up(forever=True)
                return
            if self._listener in ready:
                self._connect()
            for end in (self._front, self._back):
                if end >= 0 and end in ready:
                    self._pass_on(end)
            self._send_due()

    def _connect(self) -> None:
        assert self._listener is not None
        accepted, _ = self._listener.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _, host, port, _ = self._behind.split("::")
        self._front = accepted.detach()
        self._back = socket.create_connection((host, int(port))).detach()

    def _pass_on(self, end: int) -> None:
        try:
            data = os.read(end, 1 << 16)
        except OSError:
            data = b""
        if not data:
            self._hang_up(forever=self._listener is None)
        elif end == self._front:
            os.write(self._back, data)
        else:
            for delay_s, piece in self.shape(data):
                earliest = self._due[-1][0] if self._due else time.monotonic()
                self._due.append((max(earliest, time.monotonic()) + delay_s, piece))

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, piece = self._due.popleft()
            if piece is CUT:
                self._hang_up(forever=True)
            elif self._front >= 0:
                with contextlib.suppress(OSError):  # the driver has gone
                    os.write(self._front, piece)

    def _hang_up(self, *, forever: bool) -> None:
        self._due.clear()
        for end in (self._front, self._back, *self._keep):
            if end >= 0:
                os.close(end)
        self._front = self._back = -1
        self._keep = []
        if forever and self._listener is not None:
            self._listener.close()
            self._listener = None
