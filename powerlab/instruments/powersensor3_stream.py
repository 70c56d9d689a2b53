"""The PowerSensor3's stream: 20,000 sets of levels a second, no I/O here.

Everything is two bytes, the first with its top bit set, the second without. A set begins with a
time (``1111TTTT 01TTTTTT``, microseconds, ten bits) and has one level of ten bits for each
sensor (``1iiiLLLL 0mLLLLLL``, m the marker, of sensor 0 only). Layout: the firmware in
nlesc-recruit/PowerSensor3. No other two bytes in a row look like a time, so a set is found at
any byte; one that is not whole is lost. The time wraps every 1024 us: a loss of 20 sets or more
is told but for whole turns of it, which ``count_watch`` finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.instruments.powersensor3_config import SENSORS
from powerlab.records import Int64Array

INTERVAL_US = 50
TURN_US = 1024
SET_BYTES = 2 * (1 + SENSORS)
LEAST_US = 37
"""A step of the time that is shorter is one turn and that much."""


@dataclass(frozen=True, slots=True)
class Sets:
    """Whole sets: ``levels`` int64 ``(n, 8)``, ``marker`` bool and ``time_us`` ``(n,)``.

    ``time_us`` counts from the first set of the stream on, without wraps, and ``damaged`` how
    many beginnings of sets were no sets.
    """

    time_us: Int64Array
    levels: Int64Array
    marker: np.ndarray
    damaged: int


class SetReader:
    """Bytes in, sets out; a set that is not whole yet stays inside."""

    def __init__(self) -> None:
        self._rest = b""
        self._last: int | None = None
        self._time_us = 0

    def feed(self, data: bytes) -> Sets:
        """Take bytes as they came, in pieces of any length."""
        received = self._rest + data
        raw = np.frombuffer(received, dtype=np.uint8)
        begins = np.flatnonzero((raw[:-1] >> 4 == 0xF) & (raw[1:] >> 6 == 1))
        whole = begins[begins + SET_BYTES <= len(raw)]
        keep = begins[len(whole)] if len(whole) < len(begins) else None
        if keep is None:  # nothing more has begun, but for half a beginning
            keep = len(raw) - (len(raw) > 0 and raw[-1] >> 4 == 0xF)
        self._rest = received[keep:]
        rows = raw[whole[:, np.newaxis] + np.arange(SET_BYTES)].reshape(-1, SET_BYTES // 2, 2)
        good = _are_sets(rows)
        rows = rows[good].astype(np.int64)
        stamps = (rows[:, 0, 0] & 0xF) << 6 | rows[:, 0, 1] & 0x3F
        return Sets(
            time_us=self._unwrapped(stamps),
            levels=(rows[:, 1:, 0] & 0xF) << 6 | rows[:, 1:, 1] & 0x3F,
            marker=(rows[:, 1, 1] & 0x40) > 0,
            damaged=int(len(whole) - good.sum()),
        )

    def _unwrapped(self, stamps: Int64Array) -> Int64Array:
        if not len(stamps):
            return stamps
        before = self._last if self._last is not None else int(stamps[0]) - INTERVAL_US
        steps = np.diff(stamps, prepend=before) % TURN_US
        steps = np.where(steps < LEAST_US, steps + TURN_US, steps)
        if self._last is None:
            self._time_us = -INTERVAL_US
        times = self._time_us + np.cumsum(steps)
        self._last, self._time_us = int(stamps[-1]), int(times[-1])
        return times


def _are_sets(rows: np.ndarray) -> np.ndarray:
    """Tell which rows ``(n, 9, 2)`` have every sensor in its place, bool ``(n,)``."""
    first, second = rows[:, 1:, 0], rows[:, 1:, 1]
    number = 8 | np.arange(SENSORS, dtype=np.uint8)
    right = (first >> 4 == number) & (second & 0x80 == 0)
    unmarked = (second[:, 1:] & 0x40 == 0).all(axis=1)
    return np.asarray(right.all(axis=1) & unmarked)
