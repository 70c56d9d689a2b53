"""A socket that keeps packets whole in front of a USB meter's emulation, and its faults.

It stands in for USB bulk transfers and HID reports: one packet is one transfer or one report.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from powerlab.emulation.faults import LATE_REPLY_S, FaultWatch
from powerlab.emulation.noise import uniforms
from powerlab.emulation.process import PARENT
from powerlab.transport.packet_socket import LARGEST, short_path
from powerlab.units import NS_PER_S, nanoseconds, now_ns

NAME = "meter.packets"
MOST_WAITING = 8
"""Packets that wait behind a late one; what a meter sends by itself meanwhile is lost."""


class PacketMeter(Protocol):
    """What the link needs of a meter.

    ``reply_delay_s`` are the bounds of what an answer takes, ``tick_s`` how often the meter has
    to be looked after.
    """

    reply_delay_s: tuple[float, float]
    tick_s: float

    def connect(self) -> None:
        """Learn that a host has opened the device."""
        ...

    def take(self, packet: bytes) -> Sequence[bytes]:
        """Take a packet of the host; get the packets that answer it, formed now."""
        ...

    def push(self) -> Sequence[bytes]:
        """Follow the world; get the packets that the meter sends by itself."""
        ...


class PacketServer:
    """The meter's end of the socket: one host at a time."""

    def __init__(self, meter: PacketMeter, watch: FaultWatch, directory: Path, seed: int) -> None:
        self._meter = meter
        self._watch = watch
        self._seed = seed
        self._answers = 0
        self._due: deque[tuple[int, bytes]] = deque()
        self._host: socket.socket | None = None
        self._listener: socket.socket | None = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.path = directory / NAME
        with short_path(self.path) as short:
            self._listener.bind(short)
        self._listener.listen(1)

    def serve(self) -> None:
        """Serve until the parent closes our standard input."""
        while True:
            watched: list[int | socket.socket] = [PARENT]
            watched += [end for end in (self._host or self._listener,) if end is not None]
            ready, _, _ = select.select(watched, [], [], self._wait_s())
            if PARENT in ready:
                self._unplug()
                return
            if self._host is not None and self._host in ready:
                self._requests(self._host)
            elif self._listener is not None and self._listener in ready:
                self._host, _ = self._listener.accept()
                self._host.settimeout(0.0)
                self._meter.connect()
            self._pushes()
            self._send_due()

    def _wait_s(self) -> float:
        if not self._due:
            return self._meter.tick_s
        return min(self._meter.tick_s, max(0.0, (self._due[0][0] - now_ns()) / NS_PER_S))

    def _requests(self, host: socket.socket) -> None:
        try:
            packet = host.recv(LARGEST)
        except OSError:
            packet = b""
        if not packet:
            host.close()
            self._host = None
            self._due.clear()
            return
        low, high = self._meter.reply_delay_s
        for answer in self._meter.take(packet):
            share = float(uniforms(self._seed, "packet reply", self._answers, 1)[0])
            self._answers += 1
            self._schedule(answer, low + (high - low) * share)

    def _pushes(self) -> None:
        for packet in self._meter.push():
            held_back = bool(self._due) and self._due[-1][0] > now_ns()
            if self._host is not None and not (held_back and len(self._due) >= MOST_WAITING):
                self._schedule(packet, 0.0)

    def _schedule(self, packet: bytes, delay_s: float) -> None:
        """Plan a packet; a late one holds back those after it, as a pipe does."""
        at_ns = now_ns()
        if self._watch.strikes("late-reply", at_ns):
            delay_s = LATE_REPLY_S
        earliest_ns = self._due[-1][0] if self._due else 0
        self._due.append((max(at_ns + nanoseconds(delay_s), earliest_ns), packet))

    def _send_due(self) -> None:
        while self._due and self._host is not None and self._due[0][0] <= now_ns():
            _, packet = self._due.popleft()
            cut = self._watch.strikes("unplug", now_ns())
            with contextlib.suppress(OSError):  # the host takes nothing, or is gone
                self._host.send(packet[: max(1, len(packet) // 2)] if cut else packet)
            if cut:
                self._unplug()

    def _unplug(self) -> None:
        for end in (self._listener, self._host):
            if end is not None:
                end.close()
        self._host = self._listener = None
        self._due.clear()
        self.path.unlink(missing_ok=True)
