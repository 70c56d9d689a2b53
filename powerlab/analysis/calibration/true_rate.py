"""How often a meter really measures: many deliver more readings than they take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.records import FloatArray

MOST_REPEATED = 16
"""Readings to each measured one that are looked for."""

FEWEST_CHANGES = 8
"""Changes between measured readings that it takes to tell that others are made of them."""

TELLING = 4.0
"""Steps of resolution by which neighbours differ where an interpolation can be told."""

MADE = 0.98
"""Part of the readings in between that must be what repetition or interpolation gives."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Which of the readings delivered were measured: every ``each``-th, from index ``first``."""

    each: int
    first: int


def measured_readings(values: FloatArray, resolution: float) -> Measured:
    """Find the readings that are not made of their neighbours, by repetition or straight lines.

    ``values`` are consecutive readings ``(n,)`` of a load that changes; the most thinned-out
    pattern is taken that explains all changes to within the ``resolution`` (method section 1.4:
    100 readings a second of a USB tester that measures 25).
    """
    for each in range(MOST_REPEATED, 1, -1):
        for first in range(each):
            if _made(values[first:], each, resolution):
                return Measured(each, first)
    return Measured(1, 0)


def _made(values: FloatArray, each: int, resolution: float) -> bool:
    """Tell whether all but every ``each``-th value follow from these."""
    count = (len(values) - 1) // each
    if count < FEWEST_CHANGES:
        return False
    knots = values[: count * each + 1 : each]
    between = values[: count * each].reshape(count, each)[:, 1:]
    change = np.diff(knots)
    telling = np.abs(change) > TELLING * resolution
    if np.count_nonzero(telling) < FEWEST_CHANGES:
        return False
    start, fraction = knots[:-1][telling, None], np.arange(1, each) / each
    for guess in (start, start + change[telling, None] * fraction):
        off = np.abs(between[telling] - guess) > 1.01 * resolution
        if np.mean(off) <= 1 - MADE:
            return True
    return False
