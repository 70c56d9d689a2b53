"""A reading buffer as bench multimeters have it: fixed size, filled once or round and round."""

from __future__ import annotations

import numpy as np

from powerlab.records import FloatArray, Int64Array
from powerlab.units import NS_PER_S


class ReadingBuffer:
    """Readings with the meter's own times, addressed from 1; wraps only if ``continuous``.

    Times count from the first reading stored since the last ``clear``.
    """

    def __init__(self, capacity: int, *, continuous: bool = True) -> None:
        self.continuous = continuous
        self._values = np.empty(capacity)
        self._device_ns = np.empty(capacity, dtype=np.int64)
        self._stored = 0
        self._origin_ns = 0

    @property
    def capacity(self) -> int:
        """Get how many readings fit."""
        return self._values.size

    @property
    def stored(self) -> int:
        """Get how many readings came in since the last clear, overwritten ones included."""
        return self._stored

    @property
    def actual(self) -> int:
        """Get how many readings are there."""
        return min(self._stored, self.capacity)

    @property
    def full(self) -> bool:
        """Tell whether it takes no more."""
        return not self.continuous and self._stored >= self.capacity

    @property
    def first(self) -> int:
        """Get the index of the oldest reading, 0 where there is none."""
        if self._stored > self.capacity:
            return self._stored % self.capacity + 1
        return min(1, self._stored)

    @property
    def last(self) -> int:
        """Get the index of the newest reading, 0 where there is none."""
        return (self._stored - 1) % self.capacity + 1 if self._stored else 0

    def clear(self) -> None:
        """Forget all readings; the next one is at time 0 again."""
        self._stored = 0

    def append(self, values: FloatArray, device_ns: Int64Array) -> None:
        """Store readings ``(n,)`` with their instants on the meter's clock."""
        if not self.continuous:
            room = self.capacity - self._stored
            values, device_ns = values[:room], device_ns[:room]
        if values.size == 0:
            return
        if self._stored == 0:
            self._origin_ns = int(device_ns[0])
        place = (self._stored + np.arange(values.size)) % self.capacity
        self._values[place] = values
        self._device_ns[place] = device_ns
        self._stored += values.size

    def slice(self, first: int, last: int) -> tuple[FloatArray, FloatArray]:
        """Get values and times (s) of the indices ``first`` to ``last``, both from 1."""
        chosen = slice(first - 1, last)
        relative_s = (self._device_ns[chosen] - self._origin_ns) / NS_PER_S
        return self._values[chosen].copy(), relative_s
