"""A pseudo-terminal in front of a meter that answers commands with frames, and its faults."""

from __future__ import annotations

import contextlib
import os
import select
import tty
from collections import deque
from typing import Protocol

from powerlab.emulation.faults import GAP_S, LATE_REPLY_S, FaultWatch
from powerlab.emulation.noise import uniforms
from powerlab.emulation.process import PARENT
from powerlab.units import NS_PER_S, nanoseconds, now_ns

TICK_S = 0.02


class CommandedMeter(Protocol):
    """What the link needs of a meter."""

    reply_delay_s: tuple[float, float]

    def tick(self) -> None:
        """Follow the world; called at least every 20 ms."""
        ...

    def take(self, data: bytes) -> int:
        """Take what the host sent; get how many answers it now asks for."""
        ...

    def answer(self) -> bytes:
        """Get the frame that answers a request now."""
        ...


class CommandLink:
    """The meter's end of a pseudo-terminal: commands in, answers out after the meter's delay."""

    def __init__(self, meter: CommandedMeter, watch: FaultWatch, seed: int) -> None:
        self._meter = meter
        self._watch = watch
        self._seed = seed
        self._answers = 0
        self._due: deque[tuple[int, bytes]] = deque()
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def serve(self) -> None:
        """Serve until the parent closes our standard input."""
        while True:
            watched = [PARENT] if self._master < 0 else [PARENT, self._master]
            ready, _, _ = select.select(watched, [], [], self._wait_s())
            self._meter.tick()
            if PARENT in ready:
                self._unplug()
                return
            if self._master in ready:
                self._requests()
            self._send_due()

    def _wait_s(self) -> float:
        if not self._due:
            return TICK_S
        return min(TICK_S, max(0.0, (self._due[0][0] - now_ns()) / NS_PER_S))

    def _requests(self) -> None:
        try:
            data = os.read(self._master, 256)
        except OSError:
            return
        for _ in range(self._meter.take(data)):
            self._schedule()

    def _schedule(self) -> None:
        """Plan an answer; a late one holds back those after it, as a serial link does."""
        at_ns = now_ns()
        if any(start <= at_ns < stop for start, stop in self._watch.windows("gap", GAP_S)):
            return
        low, high = self._meter.reply_delay_s
        share = float(uniforms(self._seed, "serial reply", self._answers, 1)[0])
        delay_s = low + (high - low) * share
        if self._watch.strikes("late-reply", at_ns):
            delay_s = LATE_REPLY_S
        self._answers += 1
        earliest_ns = self._due[-1][0] if self._due else 0
        due_ns = max(at_ns + nanoseconds(delay_s), earliest_ns)
        self._due.append((due_ns, self._meter.answer()))

    def _send_due(self) -> None:
        while self._due and self._master >= 0 and self._due[0][0] <= now_ns():
            _, answer = self._due.popleft()
            cut = self._watch.strikes("unplug", now_ns())
            with contextlib.suppress(OSError):  # nobody reads: the link's buffer is full
                os.write(self._master, answer[: len(answer) // 2] if cut else answer)
            if cut:
                self._unplug()

    def _unplug(self) -> None:
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
        self._master = self._slave = -1
        self._due.clear()
