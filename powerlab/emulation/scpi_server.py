"""A TCP socket on loopback in front of an SCPI instrument, and the faults of its link."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Protocol

from powerlab.emulation.faults import LATE_REPLY_S, FaultWatch
from powerlab.emulation.process import PARENT
from powerlab.units import NS_PER_S, nanoseconds, now_ns

TICK_S = 0.02
_MOST_LINE = 1 << 16


class ClientGone(Exception):
    """The client has closed the connection while the instrument was busy for it."""


class Instrument(Protocol):
    """What the socket needs of an instrument."""

    def handle(self, line: str) -> bytes:
        """Carry out one program message and get its reply, empty where it asks nothing."""
        ...

    def tick(self) -> None:
        """Follow the world; called at least every 20 ms."""
        ...


class ScpiServer:
    """Serves one client at a time; others wait in the queue of the operating system."""

    def __init__(self, watch: FaultWatch) -> None:
        self._watch = watch
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0), backlog=1)
        self._client: socket.socket | None = None
        self._received = b""
        self._instrument: Instrument | None = None
        self._leaving = False

    @property
    def port(self) -> int:
        """Get the port it listens on."""
        if self._listener is None:
            return 0
        return int(self._listener.getsockname()[1])

    def serve(self, instrument: Instrument) -> None:
        """Serve until the parent closes our standard input."""
        self._instrument = instrument
        try:
            while not self._leaving:
                self._turn(TICK_S)
        finally:
            self._hang_up()
            self._stop_listening()

    def wait_until(self, at_ns: int) -> None:
        """Let time pass while a command holds the client; ``ClientGone`` once it has left."""
        while (left_ns := at_ns - now_ns()) > 0:
            watched: list[int | socket.socket] = [PARENT]
            watched += [] if self._client is None else [self._client]
            ready, _, _ = select.select(watched, [], [], min(TICK_S, left_ns / NS_PER_S))
            if self._instrument is not None:
                self._instrument.tick()
            if PARENT in ready:
                self._leaving = True
                raise ClientGone
            if self._client in ready:
                self._take_in()

    def _turn(self, wait_s: float) -> None:
        watched: list[int | socket.socket] = [PARENT]
        watched += [item for item in (self._client or self._listener,) if item is not None]
        ready, _, _ = select.select(watched, [], [], wait_s)
        if self._instrument is not None:
            self._instrument.tick()
        if PARENT in ready:
            self._leaving = True
        elif self._listener in ready and self._listener is not None:
            self._client, _ = self._listener.accept()
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elif self._client in ready:
            with contextlib.suppress(ClientGone):
                self._take_in()
                self._answer()

    def _take_in(self) -> None:
        """Receive what is there; ``ClientGone`` at the end of the connection."""
        if self._client is None:
            raise ClientGone
        try:
            data = self._client.recv(_MOST_LINE)
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            raise ClientGone
        self._received += data

    def _answer(self) -> None:
        while b"\n" in self._received and self._instrument is not None:
            line, _, self._received = self._received.partition(b"\n")
            reply = self._instrument.handle(line.decode("ascii", "replace").strip())
            if reply:
                self._reply(reply)

    def _reply(self, reply: bytes) -> None:
        if self._watch.strikes("late-reply", now_ns()):
            self.wait_until(now_ns() + nanoseconds(LATE_REPLY_S))
        cut = self._watch.strikes("unplug", now_ns())
        if cut:  # before the client can notice: it must not find the way back
            self._stop_listening()
        if self._client is not None:
            try:
                self._client.sendall(reply[: len(reply) // 2] if cut else reply)
            except OSError:
                self._hang_up()
        if cut:
            self._hang_up()
            raise ClientGone

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client, self._received = None, b""

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = None
