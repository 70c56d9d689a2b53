"""Current and volts of an Otii, sampled at different rates, brought to the same rows, no I/O here.

The volts have a quarter of the current's samples or fewer. At each sample of the current they
are what lies on the straight line between the two around it, so a row waits until the later of
them has come. A value is taken as the mean from its time stamp on, which is an estimate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from powerlab.instruments.rows import Rows, joined_rows, lost_rows
from powerlab.records import FloatArray, Int64Array, SampleFlag
from powerlab.units import NS_PER_S

APART = 1.5
"""Intervals between two values beyond which samples are missing between them."""


@dataclass(frozen=True, slots=True)
class Values:
    """Consecutive values of one channel: the first one's time [s], their spacing [s], them."""

    start_s: float
    interval_s: float
    values: FloatArray

    @property
    def middle_ns(self) -> Int64Array:
        """Get the middle of each value's own stretch on the recording's clock."""
        index = np.arange(len(self.values)) + 0.5
        at_ns = (self.start_s + index * self.interval_s) * NS_PER_S
        return np.asarray(np.rint(at_ns).astype(np.int64))


class Polls:
    """When the values of the current were found, which ties the recording to the host's clock.

    A row may wait for its volts long after that, through a pause of the recording too.
    """

    def __init__(self, begun_ns: int) -> None:
        self._found = deque([(0, begun_ns, begun_ns)])

    def found(self, ready: int, sent_ns: int, received_ns: int) -> None:
        """Take what was asked for and told between two instants: so many values there are."""
        if ready > self._found[-1][0]:
            self._found.append((ready, sent_ns, received_ns))

    def between(self, taken: int) -> tuple[int, int]:
        """Get an instant before which the value after the first ``taken`` was not there yet.

        And one by which all of the first ``taken`` were. Call it with numbers that do not fall.
        """
        while len(self._found) > 1 and self._found[1][0] <= taken:
            self._found.popleft()
        ready, sent_ns, received_ns = self._found[0]
        return sent_ns, received_ns if ready == taken else self._found[1][2]


@dataclass(slots=True)
class Joiner:
    """Takes values of both channels as they come; gives rows of volts and amperes."""

    interval_ns: int
    _amperes: list[tuple[Int64Array, FloatArray]] = field(default_factory=list)
    _volts: list[tuple[Int64Array, FloatArray]] = field(default_factory=list)
    _last_ns: int | None = None
    _spacing_ns: int = 0
    rows: int = 0
    taken: int = 0
    """How many values of the current are in the rows so far."""

    def current(self, told: Values) -> None:
        """Take values of the current."""
        self._amperes.append((told.middle_ns, told.values))

    def voltage(self, told: Values) -> None:
        """Take values of the volts."""
        self._spacing_ns = round(told.interval_s * NS_PER_S)
        self._volts.append((told.middle_ns, told.values))

    @property
    def covered(self) -> bool:
        """Tell whether every value of the current has volts behind it by now."""
        if not self._amperes or not self._volts:
            return not self._amperes
        return bool(self._amperes[-1][0][-1] <= self._volts[-1][0][-1])

    def take(self) -> Rows | None:
        """Get the rows that are complete by now, with rows for what is missing between them."""
        if not self._amperes or not self._volts:
            return None
        at, amperes = (np.concatenate(parts) for parts in zip(*self._amperes, strict=True))
        volts_at, volts = (np.concatenate(parts) for parts in zip(*self._volts, strict=True))
        ready = int(np.searchsorted(at, volts_at[-1], side="right"))
        if not ready:
            return None
        done, told = at[:ready], np.interp(at[:ready], volts_at, volts)
        between = np.clip(np.searchsorted(volts_at, done), 1, max(len(volts_at) - 1, 1))
        if len(volts_at) > 1:
            span = volts_at[between] - volts_at[between - 1]
            told[span > 2 * APART * self._spacing_ns] = np.nan
        rows = self._with_gaps(done, np.column_stack((told, amperes[:ready])))
        self._amperes = [(at[ready:], amperes[ready:])] if ready < len(at) else []
        keep = max(0, int(np.searchsorted(volts_at, done[-1])) - 1)
        self._volts = [(volts_at[keep:], volts[keep:])]
        self.rows += len(rows.flags)
        self.taken += ready
        return rows

    def _with_gaps(self, at: Int64Array, values: FloatArray) -> Rows:
        before = int(at[0]) - self.interval_ns if self._last_ns is None else self._last_ns
        steps = np.diff(at, prepend=before)
        unknown = np.asarray(np.isnan(values).any(axis=1))
        flags = np.where(unknown, SampleFlag.LOST, SampleFlag.GOOD).astype(np.uint8)
        values = np.where(unknown[:, np.newaxis], np.nan, values)
        parts, begin = [], 0
        for gap in np.flatnonzero(steps > APART * self.interval_ns).tolist():
            parts.append(Rows(values[begin:gap], flags[begin:gap], at[begin:gap]))
            missing = round(int(steps[gap]) / self.interval_ns) - 1
            first_ns = int(at[gap] - steps[gap]) + self.interval_ns
            parts.append(lost_rows(missing, 2, first_ns, self.interval_ns))
            begin = gap
        self._last_ns = int(at[-1])
        return joined_rows([*parts, Rows(values[begin:], flags[begin:], at[begin:])])
