"""From two streams of readings at one level to a calibration point.

Both meters are read over the same time, the faster one averaged over the spans of the slower
one's readings. What the load wanders is then the same in both: their correlation tells it, and
their difference has settled as soon as neither meter follows the last change any more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.calibration.setup_terms import zero_of
from powerlab.analysis.uncertainty import student_t
from powerlab.records import Figure, FloatArray, Int64Array, freeze_arrays

AGREE = 0.99
"""Probability with which the halves of settled readings agree."""

SURE = 0.99
"""Probability with which readings that share nothing correlate less than these."""

MOST_CORRELATED = 0.95
"""A correlation of few readings is never known to be whole."""

FEWEST = 4
"""Readings below which neither scatter nor a trend can be told."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Good readings of one quantity: values ``(n,)``, and the span of time each stands for."""

    values: FloatArray
    start_ns: Int64Array
    stop_ns: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def pace_ns(self) -> float:
        """Get the mean time between readings, infinite for fewer than two."""
        if len(self.stop_ns) < 2:
            return math.inf
        return float(self.stop_ns[-1] - self.stop_ns[0]) / (len(self.stop_ns) - 1)

    def since(self, start_ns: int) -> Readings:
        """Get the readings that began after an instant."""
        return self[int(np.searchsorted(self.start_ns, start_ns)) :]

    def __getitem__(self, chosen: slice) -> Readings:
        return Readings(self.values[chosen], self.start_ns[chosen], self.stop_ns[chosen])


@dataclass(frozen=True, slots=True)
class Pair:
    """What meter and reference read over the same time, and how their errors correlate.

    ``readings`` are those of the slower one of both.
    """

    meter: Figure
    reference: Figure
    readings: int
    correlation: float
    settled: bool


def pair_at(
    meter: Readings, reference: Readings, count: int, *, first: int, steps: tuple[float, float]
) -> Pair | None:
    """Get the pair over the time of ``count`` readings of the slower meter, from its ``first``.

    ``steps`` are the resolutions of the meter and of the reference. None while there are not
    enough readings of both.
    """
    slower, faster = meter, reference
    if reference.pace_ns > meter.pace_ns:
        slower, faster = reference, meter
    chosen = slower[first : first + count]
    if len(chosen.values) < count or not len(faster.stop_ns):
        return None
    if faster.stop_ns[-1] < chosen.stop_ns[-1]:
        return None
    inside, means = _means_within(faster, chosen)
    if int(inside.sum()) < FEWEST:
        return None
    read = [chosen.values[inside], means]
    if slower is reference:
        read.reverse()
    return Pair(
        meter=zero_of(read[0], steps[0]),
        reference=zero_of(read[1], steps[1]),
        readings=len(means),
        correlation=shared_wander(read[0], read[1]),
        settled=is_settled(read[0] - read[1], max(steps)),
    )


def _means_within(faster: Readings, slower: Readings) -> tuple[np.ndarray, FloatArray]:
    """Get the means of the faster readings over each of the slower ones, and which have one."""
    middle = faster.start_ns + (faster.stop_ns - faster.start_ns) // 2
    low = np.searchsorted(middle, slower.start_ns)
    high = np.searchsorted(middle, slower.stop_ns)
    inside = high > low
    origin = float(faster.values[0])
    total = np.concatenate(([0.0], np.cumsum(faster.values - origin)))
    means = origin + (total[high] - total[low])[inside] / (high - low)[inside]
    return inside, means


def is_settled(values: FloatArray, resolution: float) -> bool:
    """Tell whether the second half of values ``(n,)`` agrees with the first (Student's t).

    Their noise is taken from the differences of neighbours (von Neumann, 1941), which a tail
    hardly adds to; it has about two thirds of the degrees of freedom. A change within one step
    of the resolution is none.
    """
    half = len(values) // 2
    change = abs(float(values[-half:].mean() - values[:half].mean()))
    variance = float(np.mean(np.diff(values) ** 2)) / 2
    limit = student_t(AGREE, 2 * (len(values) - 1) / 3) * math.sqrt(2 * variance / half)
    return change <= max(limit, resolution)


def shared_wander(meter: FloatArray, reference: FloatArray) -> float:
    """Get the correlation of readings ``(n,)`` of one wandering level, 0 where none is sure.

    What so few readings may show by chance counts as none: the point is then less certain than
    it might be, never more.
    """
    if not (np.ptp(meter) > 0 and np.ptp(reference) > 0):
        return 0.0
    found = float(np.corrcoef(meter, reference)[0, 1])
    t = student_t(SURE, len(meter) - 2)
    if abs(found) <= t / math.sqrt(len(meter) - 2 + t * t):
        return 0.0
    return math.copysign(min(abs(found), MOST_CORRELATED), found)
