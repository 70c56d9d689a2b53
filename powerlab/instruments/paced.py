"""Reports that a meter sends at a steady pace and without a time: when each was sent; no I/O.

Arrival is late by what host and bus take, never early, and several may come at once behind a
stall. Counting tells what arrival alone cannot: where as many reports came as the time had room
for, none is missing and all lie evenly; where fewer came, nobody knows which, so none of those
that came together has a time, and they count as lost with the missing ones. Where more came, the
one that the time is counted from had come late itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from powerlab.records import SampleBlock, SampleFlag

R = TypeVar("R")

WINDOW = 150
"""Reports of which the promptest sets the pace: 6 s of an FNIRSI's, in which a clock that is
100 ppm off moves by 0.6 ms.
"""

LEAST_STEP = 0.25
"""Paces between two reports below which one has no place of its own there."""


@dataclass(frozen=True, slots=True)
class Paced(Generic[R]):
    """A report and the host instant it belongs to; None for one that is lost."""

    report: R | None
    at_ns: int


class Pace(Generic[R]):
    """Places the reports of one stream, which come in order.

    ``pace_ns`` is the time from one to the next. ``lost`` counts the places without a report.
    """

    def __init__(self, pace_ns: int) -> None:
        self._pace_ns = pace_ns
        self._last_ns: int | None = None
        self._arrived_ns = 0
        self._held: list[R] = []
        self._due_ns = 0
        self._late: deque[int] = deque(maxlen=WINDOW)
        self.lost = 0

    def take(self, report: R, arrived_ns: int) -> list[Paced[R]]:
        """Get what can be placed now that a report has come; perhaps nothing yet."""
        spacing_ns, self._arrived_ns = arrived_ns - self._arrived_ns, arrived_ns
        if self._last_ns is None:
            return self._begun([Paced(report, arrived_ns)])
        late_ns = arrived_ns - self._last_ns - self._pace_ns
        self._held.append(report)
        if len(self._held) == 1 and abs(late_ns) <= self._pace_ns / 2:
            return self._going_on(arrived_ns)
        room = round((arrived_ns - self._last_ns) / self._pace_ns)
        # What follows another at less than half the pace has waited somewhere: for how long is
        # not known. One that does not came in its own time.
        if len(self._held) < 2 or spacing_ns < self._pace_ns / 2 or room < 1:
            return []
        if room == len(self._held):
            return self._going_on(arrived_ns)
        if room < len(self._held):
            return self._backwards(arrived_ns, self._last_ns)
        self._held.clear()
        self.lost += room - 1
        step_ns = (arrived_ns - self._last_ns) / room
        times = [self._last_ns + round(number * step_ns) for number in range(1, room)]
        lost: list[Paced[R]] = [Paced(None, at_ns) for at_ns in times]
        return self._begun([*lost, Paced(report, arrived_ns)])

    def _going_on(self, arrived_ns: int) -> list[Paced[R]]:
        """Place what is held at the next places, the last of them having come in its own time."""
        held, self._held = self._held, []
        first_ns = self._due_ns + self._pace_ns
        self._due_ns += len(held) * self._pace_ns
        self._late.append(arrived_ns - self._due_ns)
        first_ns += min(self._late)
        return self._placed(
            [Paced(item, first_ns + number * self._pace_ns) for number, item in enumerate(held)]
        )

    def _backwards(self, arrived_ns: int, last_ns: int) -> list[Paced[R]]:
        """Place what is held at the pace before the last of them, which came in its own time.

        Those for which there is no place after ``last_ns`` share what is left behind it.
        """
        held, self._held = self._held, []
        room = min(len(held), math.ceil((arrived_ns - last_ns) / self._pace_ns - LEAST_STEP))
        first_ns = arrived_ns - (room - 1) * self._pace_ns
        crowded = len(held) - room
        step_ns = (first_ns - last_ns) / (crowded + 1)
        times = [last_ns + round(number * step_ns) for number in range(1, crowded + 1)]
        times += [first_ns + number * self._pace_ns for number in range(room)]
        return self._begun([Paced(item, at_ns) for item, at_ns in zip(held, times, strict=True)])

    def _begun(self, placed: list[Paced[R]]) -> list[Paced[R]]:
        """Count the pace anew from the last of these."""
        self._due_ns = placed[-1].at_ns
        self._late.clear()
        self._late.append(0)
        return self._placed(placed)

    def _placed(self, placed: list[Paced[R]]) -> list[Paced[R]]:
        self._last_ns = placed[-1].at_ns
        return placed


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one report, oldest first: float64 ``(n, channels)`` and uint8 ``(n,)``."""

    values: np.ndarray
    flags: np.ndarray


def paced_blocks(
    placed: Iterable[Paced[Samples]], each: int, interval_ns: int, channels: Sequence[str]
) -> Iterator[SampleBlock]:
    """Get a block for each sample of reports, ``each`` to a report, ``interval_ns`` apart.

    The last of a report's samples belongs to the report's own instant. They are nearer to each
    other where the report before is.
    """
    delivered, last_ns = 0, None
    for item in placed:
        step_ns = interval_ns
        if last_ns is not None:
            step_ns = min(interval_ns, (item.at_ns - last_ns) // each)
        last_ns = item.at_ns
        values = np.full((each, len(channels)), math.nan)
        flags = np.full(each, SampleFlag.LOST, dtype=np.uint8)
        if item.report is not None:
            values, flags = item.report.values, item.report.flags
        for number in range(each):
            delivered += 1
            at_ns = item.at_ns - (each - 1 - number) * step_ns
            yield SampleBlock(
                values=values[number : number + 1].copy(),
                device_ns=None,
                flags=flags[number : number + 1].copy(),
                sent_ns=at_ns,
                received_ns=at_ns,
                completed=delivered,
            )
