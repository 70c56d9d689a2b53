"""The DMM6500's buffer as a ring: what it holds, what was overwritten, when each was taken.

Indices count from 1 and start again behind the last one; ``ACT:STAR`` is that of the oldest
reading, ``ACT:END`` that of the newest. No I/O here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.instruments.scpi import broken
from powerlab.instruments.scpi_block import decode_floats
from powerlab.records import FloatArray, Int64Array
from powerlab.units import NS_PER_S

PACE_MOST, FEW = 1.01, 10
"""By which factor and count more readings may have come than the host's clock has time for."""

SLACK_S = 1.0
"""By how much a gap between two replies may exceed the time that has passed on the host."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A buffer of ``capacity`` readings that has taken ``total`` of them, old ones overwritten."""

    capacity: int
    total: int = 0

    def grown(self, newest: int, oldest: int, expected: float, most: float) -> Ring | None:
        """Get the ring as its two indices tell; None where it was cleared or is another.

        The oldest was told after the newest, and more readings may have come in between, up to
        a quarter of the buffer. ``expected`` is about how many have come since ``total``, which
        decides how often the ring has turned; for more than ``most`` there was no time by the
        host's clock, whatever an index says. Indices of 0 mean that it is empty.
        """
        ring = self._told(newest, oldest, expected)
        possible = ring is not None and ring.total <= self.total + PACE_MOST * most + FEW
        return ring if possible else None

    def _told(self, newest: int, oldest: int, expected: float) -> Ring | None:
        if not newest:
            return None if self.total else self
        between = (oldest - 1 - newest) % self.capacity
        if between > self.capacity // 4:
            unturned = oldest == 1 and newest >= self.total
            return Ring(self.capacity, newest) if unturned else None
        turns = max(0, round((self.total + expected - newest) / self.capacity))
        total = newest + self.capacity * turns
        return Ring(self.capacity, total + self.capacity * (total < self.total))

    def lost_after(self, delivered: int, margin: int) -> int:
        """Get how many readings behind ``delivered`` are lost: overwritten, or about to be.

        ``margin`` is how many may come in before the oldest ones are read.
        """
        lost = self.total - self.capacity + margin - delivered
        return min(max(lost, 0), self.total - delivered)

    def spans(self, first: int, last: int, most: int) -> list[tuple[int, int]]:
        """Get the indices from ... to of readings number ``first`` to ``last`` (0 is the first).

        Each span holds up to ``most`` readings and lies before the end of the buffer.
        """
        found = []
        while first <= last:
            begin = first % self.capacity
            count = min(last - first + 1, most, self.capacity - begin)
            found.append((begin + 1, begin + count))
            first += count
        return found


def decode_pairs(command: str, payload: bytes, count: int) -> tuple[FloatArray, FloatArray]:
    """Get ``count`` readings [A or V] and their relative times [s], both float64 ``(count,)``.

    Pairs of little-endian doubles: ``FORM:DATA REAL``, ``FORM:BORD SWAP``, ``READ,REL``.
    """
    numbers = decode_floats(command, payload, 8, "little")
    if len(numbers) != 2 * count:
        why = f"holds {len(numbers)} numbers where {2 * count} were asked"
        raise broken(command, repr(payload[:20]), why)
    values, seconds = numbers[0::2].copy(), numbers[1::2].copy()
    if not np.all(np.isfinite(seconds)):
        raise broken(command, repr(payload[:20]), "holds a time that cannot be")
    if np.any(np.diff(seconds) <= 0):
        raise broken(command, repr(payload[:20]), "holds times that do not rise")
    return values, seconds


class RelativeTime:
    """The meter's own time out of its relative times, whose origin may move between replies.

    They count from an entry of the buffer that is itself overwritten in the end. Within a reply
    their differences are exact; from one reply to the next they are believed if they can be,
    else one interval has passed.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._last_s = math.nan
        self._last_ns: int | None = None

    def place(self, seconds: FloatArray, elapsed_s: float) -> Int64Array:
        """Get the meter's time of a reply's readings [ns], int64 ``(n,)``.

        ``elapsed_s`` has passed on the host since the last reply.
        """
        start_ns = 0
        if self._last_ns is not None:
            start_ns = self._last_ns + round(NS_PER_S * self._step_s(seconds, elapsed_s))
        placed: Int64Array = start_ns + np.rint((seconds - seconds[0]) * NS_PER_S).astype(np.int64)
        self._last_s, self._last_ns = float(seconds[-1]), int(placed[-1])
        return placed

    def lost(self, count: int) -> Int64Array:
        """Get about when the next ``count`` readings, which were lost, were taken [ns]."""
        interval_ns = self._interval_s * NS_PER_S
        before_ns = -interval_ns if self._last_ns is None else self._last_ns
        placed: Int64Array = np.rint(before_ns + np.arange(1, count + 1) * interval_ns).astype(
            np.int64
        )
        if count:
            self._last_s, self._last_ns = self._last_s + count * self._interval_s, int(placed[-1])
        return placed

    def _step_s(self, seconds: FloatArray, elapsed_s: float) -> float:
        told_s = float(seconds[0]) - self._last_s  # no number where nothing was told before
        if self._interval_s / 2 <= told_s <= self._interval_s + elapsed_s + SLACK_S:
            return told_s
        return self._interval_s
