"""A memory that an emulated meter fills in real time, and that its client empties."""

from __future__ import annotations

import numpy as np

from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.sampling import Readings
from powerlab.emulation.site import LiveMeter
from powerlab.records import FloatArray

_AT_ONCE = 20_000


class LiveLog:
    """The readings of one meter from one start on; ``capacity`` of them wait at the most.

    Older ones are overwritten, which ``overflowed`` tells. Readings out of range are NaN. Those
    in a gap are never taken, and nothing tells of that.
    """

    def __init__(self, meter: LiveMeter, watch: FaultWatch, capacity: int) -> None:
        self.meter = meter
        self.capacity = capacity
        self.overflowed = False
        self.taken = 0
        self._watch = watch
        self._seen = 0
        self._waiting: FloatArray = np.empty((0, len(meter.channels)))

    @property
    def waiting(self) -> int:
        """Get how many readings can be had."""
        return len(self._waiting)

    def advance(self, at_ns: int, most: int | None = None) -> None:
        """Take every reading that has become available by a host instant, ``most`` in all."""
        ready = int(self.meter.clock.completed(np.array(at_ns, dtype=np.int64)))
        ready = ready if most is None else min(ready, most)
        if self._seen >= ready:
            return
        parts = [self._waiting]
        while self._seen < ready:
            count = min(_AT_ONCE, ready - self._seen)
            parts.append(self._kept(self.meter.sample(self._seen, count)))
            self._seen += count
        waiting = np.concatenate(parts)
        self.taken += len(waiting) - len(self._waiting)
        self.overflowed |= len(waiting) > self.capacity
        self._waiting = waiting[-self.capacity :]

    def take(self, count: int) -> FloatArray:
        """Get, and forget, the oldest readings: up to ``count`` of them, ``(n, channels)``."""
        told, self._waiting = self._waiting[:count], self._waiting[count:]
        return told

    def look(self) -> FloatArray:
        """Get all that waits, ``(n, channels)``, and keep it."""
        return self._waiting

    def due_ns(self, count: int) -> int:
        """Get the host instant at which ``count`` more readings have come in, if none is lost."""
        last = self._seen + max(count, 1) - 1
        return int(self.meter.clock.available_ns(np.array(last, dtype=np.int64)))

    def _kept(self, readings: Readings) -> FloatArray:
        values = readings.values.copy()
        current = np.array([item.quantity == "current" for item in self.meter.channels])
        for start_ns, stop_ns in self._watch.windows("overrange", OVERRANGE_S):
            over = (readings.stop_ns > start_ns) & (readings.start_ns < stop_ns)
            values[np.ix_(over, current)] = np.nan
        kept = np.ones(len(values), dtype=np.bool_)
        for start_ns, stop_ns in self._watch.windows("gap", GAP_S):
            kept &= (readings.stop_ns <= start_ns) | (readings.start_ns >= stop_ns)
        return values[kept]
