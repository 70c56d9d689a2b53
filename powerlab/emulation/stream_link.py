"""A pseudo-terminal in front of a meter that sends by itself, and its faults.

What the host does not fetch waits in the terminal, then in the device's own memory; what does
not fit there either is lost, in whole pieces, as on the real thing.
"""

from __future__ import annotations

import contextlib
import os
import select
import tty
from typing import Protocol

from powerlab.emulation.faults import LATE_REPLY_S, FaultWatch
from powerlab.emulation.process import PARENT
from powerlab.units import NS_PER_S, nanoseconds, now_ns

IDLE_S = 0.02


class StreamingMeter(Protocol):
    """What the link needs of a meter."""

    memory_bytes: int
    tick_s: float

    @property
    def running(self) -> bool:
        """Tell whether it sends."""
        ...

    def take(self, data: bytes) -> bytes:
        """Take what the host sent; get the answer to it."""
        ...

    def produce(self, at_ns: int) -> bytes:
        """Get what it has to send by now; called at every tick."""
        ...


class StreamLink:
    """The meter's end of a pseudo-terminal; ``overruns`` counts the pieces that were lost."""

    def __init__(self, meter: StreamingMeter, watch: FaultWatch) -> None:
        self._meter = meter
        self._watch = watch
        self._pending = bytearray()
        self._held_until_ns = 0
        self._owed_bytes = 0
        self._turned_ns = now_ns()
        self.overruns = 0
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def serve(self) -> None:
        """Serve until the parent closes our standard input."""
        next_ns = now_ns()
        while True:
            watched = [PARENT] if self._master < 0 else [PARENT, self._master]
            wait_s = max(0.0, (next_ns - now_ns()) / NS_PER_S)
            ready, _, _ = select.select(watched, [], [], wait_s)
            if PARENT in ready:
                self._unplug()
                return
            if self._master in ready:
                self._commands()
            if now_ns() >= next_ns:
                tick_s = self._meter.tick_s if self._meter.running else IDLE_S
                next_ns = max(next_ns + nanoseconds(tick_s), now_ns())
            self.turn()

    def turn(self) -> None:
        """Move what is due from the meter to the terminal."""
        at_ns = now_ns()
        piece = self._meter.produce(at_ns)
        if self._master < 0:
            return
        if not self._pending:
            self._owed_bytes = 0
        late_s = (at_ns - self._turned_ns) / NS_PER_S - IDLE_S
        if late_s > 0:  # this process had no processor: what it owes is no fault of the host
            self._owed_bytes += len(piece)
        self._turned_ns = at_ns
        if self._watch.strikes("late-reply", at_ns):
            self._held_until_ns = at_ns + nanoseconds(LATE_REPLY_S)
        room = self._meter.memory_bytes + self._owed_bytes - len(self._pending)
        if piece and len(piece) > room:
            self.overruns += 1
        else:
            self._pending += piece
        if at_ns < self._held_until_ns:
            return
        if self._watch.strikes("unplug", at_ns):
            self._send(bytes(self._pending[: len(self._pending) // 2 + 1]))
            self._unplug()
            return
        if self._pending:
            del self._pending[: self._send(bytes(self._pending))]

    def _commands(self) -> None:
        with contextlib.suppress(OSError):
            self._pending += self._meter.take(os.read(self._master, 4096))

    def _send(self, data: bytes) -> int:
        sent = 0
        with contextlib.suppress(OSError):  # nobody reads: the terminal is full
            while sent < len(data):
                sent += os.write(self._master, data[sent : sent + 4096])
        return sent

    def _unplug(self) -> None:
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
        self._master = self._slave = -1
        self._pending.clear()
