"""A POWER-Z meter's sequence numbers, 16 bits of milliseconds, as a time that goes on; no I/O.

They wrap every 65.536 s, at every sample rate. How often they did between two replies is told by
the host's clock, which needs to be right to half of that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from powerlab.records import Int64Array

WRAP = 1 << 16
NS_PER_TICK = 1_000_000

SLACK_TICKS = 3000
"""By how much a reply may be older or newer than the time since the last one lets expect.

The newest sample of a reply is one tick old, or as old as the meter's memory is long.
"""


class TickClock:
    """Unwraps the sequence numbers of one graph, reply by reply."""

    def __init__(self) -> None:
        self.last: int | None = None
        """The tick of the last sample taken, None before the first."""
        self._last_host_ns = 0

    def place(
        self, sequence: NDArray[np.uint16], received_ns: int
    ) -> tuple[Int64Array, NDArray[np.bool_]] | None:
        """Get each sample's tick and which samples are new; None where the numbers fit no time.

        ``received_ns`` is the host's instant of the reply. What is not newer than all before it
        is a duplicate; numbers that run backwards within a reply are no times at all. The first
        sample ever has its own sequence number for a tick.
        """
        if not len(sequence):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_)
        steps = np.diff(sequence).astype(np.int16)
        if (steps < 0).any():
            return None
        since_first = np.concatenate(([0], np.cumsum(steps, dtype=np.int64)))
        first, last = int(sequence[0]), int(sequence[0]) - 1
        if self.last is not None:
            last = self.last
            expected = (received_ns - self._last_host_ns) / NS_PER_TICK
            step = (int(sequence[-1]) - last) % WRAP
            step += WRAP * round((expected - step) / WRAP)
            if abs(step - expected) > SLACK_TICKS:
                return None
            first = last + step - int(since_first[-1])
        ticks = first + since_first
        fresh = ticks > np.concatenate(([last], np.maximum(ticks[:-1], last)))
        if fresh.any():
            self.last = int(ticks[-1])
            self._last_host_ns = received_ns
        return ticks, fresh
