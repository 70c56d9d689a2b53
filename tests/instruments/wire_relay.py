"""A relay between a driver and its meter's emulator that hurts what they tell each other."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import tempfile
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path

from powerlab.transport.packet_socket import short_path
from powerlab.units import now_ns

CUT = None
"""In place of bytes: both ends are closed, and nobody can connect again."""

Piece = tuple[float, bytes | None]
Shape = Callable[[bytes], list[Piece]]

Ends = tuple[int, int]
Place = tuple[str, int] | str


def whole(answer: bytes) -> list[Piece]:
    """Pass an answer on as it came."""
    return [(0.0, answer)]


def untouched(request: bytes) -> bytes:
    """Pass a request on as it came."""
    return request


class WireRelay:
    """Pumps between ``resource``, which a driver opens, and an emulator's own resource.

    ``shape`` makes of each answer the pieces to be sent, each after so many seconds; ``request``
    changes what the driver sends. Both may be set while the relay runs. ``asked`` is what was
    sent last, ``formed_ns`` are the host instants at which answers came from the emulator. A
    terminal stands in front of a terminal, a socket of streams or of packets in front of its
    like. An answer is what one read brings: mostly a whole line, always a whole packet,
    anything of a stream.
    """

    def __init__(self, behind: str) -> None:
        self.shape: Shape = whole
        self.request: Callable[[bytes], bytes] = untouched
        self.asked = b""
        self.formed_ns: list[int] = []
        self._stalled_until_s = 0.0
        self._due: deque[tuple[float, bytes | None]] = deque()
        self._keep: list[int] = []
        self._back = self._front = -1
        self._listener: socket.socket | None = None
        self._family = socket.AF_INET
        self._kind = socket.SOCK_STREAM
        self._place: Place = ""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.resource = self._open(behind)
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._pump)
        self._thread.start()

    def stall(self, seconds: float) -> None:
        """Take nothing from the emulator for so long: what it cannot keep, it loses."""
        self._stalled_until_s = time.monotonic() + seconds

    def close(self) -> None:
        """End the relay."""
        os.close(self._stop)
        self._thread.join(10)
        os.close(self._wake)
        if self._folder is not None:
            self._folder.cleanup()
        assert not self._thread.is_alive()

    def _open(self, behind: str) -> str:
        kind, _, rest = behind.partition(":")
        if kind == "serial":
            path, mark, options = rest.partition("?")
            return f"serial:{self._terminals(path)}{mark}{options}"
        if kind == "packets":
            self._family, self._kind, self._place = socket.AF_UNIX, socket.SOCK_SEQPACKET, rest
            self._folder = tempfile.TemporaryDirectory()
            path = Path(self._folder.name) / "relay"
            self._listener = socket.socket(self._family, self._kind)
            with short_path(path) as short:
                self._listener.bind(short)
            self._listener.listen(1)
            return f"packets:{path}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        here = self._listener.getsockname()[1]
        if kind == "otii":
            host, _, port = rest.partition(":")
            self._place = host, int(port)
            return f"otii:127.0.0.1:{here}"
        _, host, port, _ = behind.split("::")
        self._place = host, int(port)
        return f"TCPIP0::127.0.0.1::{here}::SOCKET"

    def _terminals(self, path: str) -> str:
        self._back = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._back)
        self._front, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._front, False)
        self._keep = [slave]
        return os.ttyname(slave)

    def _pump(self) -> None:
        while True:
            ready, full = self._look()
            if self._wake in ready:
                self._hang_up(forever=True)
                return
            if self._listener in ready:
                self._connect()
            for end in (self._front, self._back):
                if end >= 0 and end in ready:
                    self._pass_on(end)
            self._send_due(full)

    def _look(self) -> tuple[list[object], bool]:
        """Wait for what is to be done; get what can be read, and whether nothing can be sent."""
        watched: list[int | socket.socket] = [self._wake]
        watched += [self._front] if self._front >= 0 else []
        stalled = time.monotonic() < self._stalled_until_s
        watched += [self._back] if self._back >= 0 and not stalled else []
        if self._listener is not None and self._front < 0:
            watched.append(self._listener)
        wait_s = 0.02 if self._back >= 0 else None  # to see the end of a stall
        sending = []
        if self._due:
            wait_s = min(0.02, max(0.0, self._due[0][0] - time.monotonic()))
            if wait_s == 0.0 and self._front >= 0:
                sending, wait_s = [self._front], 0.02
        ready, free, _ = select.select(watched, sending, [], wait_s)
        return ready, bool(sending) and not free

    def _connect(self) -> None:
        assert self._listener is not None
        front, _ = self._listener.accept()
        back = socket.socket(self._family, self._kind)
        try:
            if isinstance(self._place, str):
                with short_path(Path(self._place)) as short:
                    back.connect(short)
            else:
                front.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back.connect(self._place)
        except OSError:  # nobody there: the driver finds a connection that ends at once
            front.close()
            back.close()
            return
        self._front, self._back = front.detach(), back.detach()
        os.set_blocking(self._front, False)

    def _pass_on(self, end: int) -> None:
        try:
            data = os.read(end, 1 << 16)
        except OSError:
            data = b""
        if not data:
            self._hang_up(forever=self._listener is None)
        elif end == self._front:
            self.asked = data
            with contextlib.suppress(OSError):  # the emulator has gone: its end is read next
                os.write(self._back, self.request(data))
        else:
            self.formed_ns.append(now_ns())
            for delay_s, piece in self.shape(data):
                earliest = self._due[-1][0] if self._due else time.monotonic()
                self._due.append((max(earliest, time.monotonic()) + delay_s, piece))

    def _send_due(self, full: bool) -> None:  # noqa: FBT001 - what select has found
        while self._due and self._due[0][0] <= time.monotonic() and not full:
            at_s, piece = self._due.popleft()
            if piece is CUT:
                self._hang_up(forever=True)
            elif self._front >= 0:
                sent = self._send(piece)
                if sent < len(piece):
                    self._due.appendleft((at_s, piece[sent:]))
                    return

    def _send(self, piece: bytes) -> int:
        try:
            return os.write(self._front, piece)
        except BlockingIOError:
            return 0
        except OSError:  # the driver has gone
            return len(piece)

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
