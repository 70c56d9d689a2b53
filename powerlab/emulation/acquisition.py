"""A multimeter's readings coming in over time, into a buffer, in real time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.reading_buffer import ReadingBuffer
from powerlab.emulation.sampling import Readings
from powerlab.emulation.scpi import OVERLOAD
from powerlab.emulation.site import LiveMeter
from powerlab.records import Int64Array

_AT_ONCE = 20_000
Spans = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Acquisition:
    """Readings of one meter from one start on, up to ``most`` of them or without end.

    ``delivered`` counts the readings taken so far, those that a gap swallowed included.
    """

    meter: LiveMeter
    buffer: ReadingBuffer
    watch: FaultWatch
    most: int | None
    delivered: int = 0

    @property
    def done(self) -> bool:
        """Tell whether the last reading is in; a full buffer has ended it for good."""
        return self.most is not None and self.delivered >= self.most

    def advance(self, at_ns: int) -> None:
        """Store every reading that has become available by a host instant."""
        ready = int(self.meter.clock.completed(np.array(at_ns, dtype=np.int64)))
        if self.most is not None:
            ready = min(ready, self.most)
        while self.delivered < ready and not self.done:
            count = min(_AT_ONCE, ready - self.delivered)
            self._store(self.meter.sample(self.delivered, count))
            self.delivered += count
            if self.buffer.full:
                self.most = self.delivered

    def finish(self, count: int) -> None:
        """Let it end with the reading number ``count``."""
        self.most = max(count, self.delivered)

    def due_ns(self, count: int) -> int:
        """Get the host instant at which the next ``count`` readings have come in."""
        last = self.delivered + max(count, 1) - 1
        return int(self.meter.clock.available_ns(np.array(last, dtype=np.int64)))

    def _store(self, readings: Readings) -> None:
        values = np.where(np.isnan(readings.values[:, 0]), OVERLOAD, readings.values[:, 0])
        over = _within(readings, self.watch.windows("overrange", OVERRANGE_S))
        kept = ~_within(readings, self.watch.windows("gap", GAP_S))
        self.buffer.append(np.where(over, OVERLOAD, values)[kept], readings.device_ns[kept])


def _within(readings: Readings, spans: Spans) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which readings touch any of the spans of host time."""
    touched = np.zeros(readings.start_ns.size, dtype=np.bool_)
    for start_ns, stop_ns in spans:
        touched |= _overlap(readings.start_ns, readings.stop_ns, start_ns, stop_ns)
    return touched


def _overlap(
    start: Int64Array, stop: Int64Array, start_ns: int, stop_ns: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((stop > start_ns) & (start < stop_ns))
