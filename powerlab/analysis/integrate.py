"""Energy from samples: exact fractions at the edges, gaps filled and named.

A sample of a boxcar, gated or counting meter is the mean over its stretch, so its energy
is power times stretch and a window takes the fraction it covers: exact, where a trapezoid
would smear every edge by half a sample. Points are joined by straight lines (method section
2.1). Both are one rule: power is constant on a stretch and linear between stretches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from powerlab.analysis.dense import product_sum
from powerlab.records import FloatArray, Int64Array, SampleClock, freeze_arrays
from powerlab.units import NS_PER_S

GAP_FACTOR = 1.5
"""An interval longer than this many nominal ones is a gap (method section 2.2)."""

MOST_VALUES = 1 << 14
"""Values beyond which an autocorrelation is taken of the means of neighbours."""


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """Power over time: int64 ``start_ns``, ``stop_ns`` and float64 ``power_w``, all ``(n,)``.

    A mean stands for its stretch; stretches rise in time and do not overlap, and between two
    of them there may be a gap. A point sample has ``start_ns == stop_ns``, and
    ``point_interval_ns`` is the nominal interval of such samples, 0 for means. Unusable
    samples are absent.
    """

    start_ns: Int64Array
    stop_ns: Int64Array
    power_w: FloatArray
    point_interval_ns: int = 0

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def between(self, start_ns: int, stop_ns: int) -> slice:
        """Get the slice of the samples that touch a window."""
        first = int(np.searchsorted(self.stop_ns, start_ns, side="right"))
        last = int(np.searchsorted(self.start_ns, stop_ns, side="left"))
        return slice(first, max(first, last))

    def inside(self, start_ns: int, stop_ns: int) -> slice:
        """Get the slice of the samples that lie wholly in a window."""
        first = int(np.searchsorted(self.start_ns, start_ns, side="left"))
        last = int(np.searchsorted(self.stop_ns, stop_ns, side="right"))
        return slice(first, max(first, last))


def power_trace(
    clock: SampleClock, power_w: FloatArray, usable: np.ndarray, point_interval_ns: int = 0
) -> PowerTrace:
    """Join a sample clock and the powers of its usable samples.

    ``usable`` is bool ``(samples,)``; ``power_w`` has one value per usable sample. With
    ``point_interval_ns`` the samples are points at the end of their stretch.
    """
    # Long traces are seldom broken: none is copied for nothing.
    chosen = slice(None) if usable.all() else usable
    stop_ns = clock.stop_ns[chosen]
    start_ns = stop_ns if point_interval_ns else clock.start_ns[chosen]
    return PowerTrace(start_ns, stop_ns, power_w, point_interval_ns)


@dataclass(frozen=True, slots=True)
class Gaps:
    """Parts of a window that lie between samples; arrays ``(gaps,)``.

    ``left`` and ``right`` are the samples around a gap, as indices into the trace, and
    ``left_ns`` and ``right_ns`` the time in which the power of each stands in for the gap's.
    """

    start_ns: Int64Array
    stop_ns: Int64Array
    left: Int64Array
    right: Int64Array
    left_ns: FloatArray
    right_ns: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def length_s(self) -> FloatArray:
        """Get how long each gap is."""
        return np.asarray((self.stop_ns - self.start_ns) / NS_PER_S)

    def energy_j(self, power_w: FloatArray) -> FloatArray:
        """Get the energy with which each gap was filled, from the power of all samples."""
        if not len(power_w):
            return np.zeros(len(self.left))
        filled = self.left_ns * power_w[self.left] + self.right_ns * power_w[self.right]
        return np.asarray(filled / NS_PER_S)

    def only(self, chosen: np.ndarray) -> Gaps:
        """Get those that a bool mask ``(gaps,)`` chooses."""
        return Gaps(*(getattr(self, item.name)[chosen] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class Quadrature:
    """How the integral over a window follows from samples: the sum of weight times power.

    ``weight_ns`` is float64 ``(n,)``, one for each of the ``chosen`` samples of the trace, so
    that one quadrature serves every quantity that was sampled with them.
    """

    chosen: slice
    weight_ns: FloatArray
    gaps: Gaps

    def __post_init__(self) -> None:
        freeze_arrays(self)


def quadrature(
    trace: PowerTrace,
    start_ns: int,
    stop_ns: int,
    steps_ns: Sequence[int] = (),
    unclear_ns: int = 0,
) -> Quadrature:
    """Get the weights of the samples in the integral over ``[start_ns, stop_ns]``.

    Beyond the ends of the trace power is held, but a window wholly beyond them has no
    weights. A gap that holds one of ``steps_ns``, where the load is known to change, takes
    the power of its left side up to there and that of its right side from there on. So do two
    points around a step; those within ``unclear_ns`` of it, which may show either side, have
    no weight.
    """
    count = len(trace.stop_ns)
    if not count or stop_ns <= trace.start_ns[0] or start_ns >= trace.stop_ns[-1]:
        return _without_samples(start_ns, max(start_ns, stop_ns))
    # One sample more on either side: from there power runs into the window.
    first = max(0, int(np.searchsorted(trace.stop_ns, start_ns, side="right")) - 1)
    last = min(count, int(np.searchsorted(trace.start_ns, stop_ns, side="left")) + 1)
    begin, end = trace.start_ns[first:last], trace.stop_ns[first:last]
    weight_ns = (np.minimum(end, stop_ns) - np.maximum(begin, start_ns)).astype(np.float64)
    np.maximum(weight_ns, 0.0, out=weight_ns)
    chosen: slice | Int64Array = slice(first, last)
    if trace.point_interval_ns and unclear_ns:
        apart_ns = np.abs(np.subtract.outer(trace.stop_ns[first:last], np.array(steps_ns)))
        chosen = first + np.flatnonzero(np.all(apart_ns >= unclear_ns, axis=1))
    joins, is_gap = _joins(trace, chosen, start_ns, stop_ns, steps_ns)
    np.add.at(weight_ns, joins.left - first, joins.left_ns)
    np.add.at(weight_ns, joins.right - first, joins.right_ns)
    return Quadrature(slice(first, last), weight_ns, joins.only(is_gap))


def _joins(
    trace: PowerTrace,
    chosen: slice | Int64Array,
    start_ns: int,
    stop_ns: int,
    steps_ns: Sequence[int],
) -> tuple[Gaps, np.ndarray]:
    """Get all parts of a window that lie between samples, and which of them are gaps."""
    begin, end = trace.start_ns[chosen], trace.stop_ns[chosen]
    ends = np.concatenate(([min(begin[0], start_ns)], end))
    begins = np.concatenate((begin, [max(end[-1], stop_ns)]))
    join = np.flatnonzero(begins > ends)
    apart_ns = begins[join] - ends[join]
    start = np.maximum(ends[join], start_ns)
    length_ns = np.maximum(np.minimum(begins[join], stop_ns) - start, 0)
    right_ns = length_ns * ((start - ends[join] + length_ns / 2) / apart_ns)
    left, right = np.maximum(join - 1, 0), np.minimum(join, len(begin) - 1)
    if isinstance(chosen, slice):
        left, right = left + chosen.start, right + chosen.start
    else:
        left, right = chosen[left], chosen[right]
    most_ns = (GAP_FACTOR + np.maximum(right - left - 1, 0)) * trace.point_interval_ns
    for step in steps_ns:
        after_ns = start + length_ns - step
        holds = (start < step) & (after_ns > 0)
        right_ns = np.where(holds, after_ns, right_ns)
    is_gap = (apart_ns > most_ns) & (length_ns > 0)
    joins = Gaps(
        start_ns=start,
        stop_ns=start + length_ns,
        left=left,
        right=right,
        left_ns=length_ns - right_ns,
        right_ns=right_ns,
    )
    return joins, is_gap


def _without_samples(start_ns: int, stop_ns: int) -> Quadrature:
    """Get the quadrature of a window that no sample tells of: all gap, and no energy."""
    none, nothing = np.zeros(1, dtype=np.int64), np.zeros(1)
    gaps = Gaps(none + start_ns, none + stop_ns, none, none.copy(), nothing, nothing.copy())
    return Quadrature(slice(0, 0), np.empty(0), gaps)


@dataclass(frozen=True, slots=True)
class Integral:
    """The energy of a window: what samples covered, and the part no sample covered.

    ``energy_j`` includes ``gap_j``, with which gaps of ``gap_s`` in total were filled.
    """

    energy_j: float
    gap_j: float
    gap_s: float


def integrate(trace: PowerTrace, start_ns: int, stop_ns: int) -> Integral:
    """Integrate power over ``[start_ns, stop_ns]``, as ``quadrature`` has it."""
    rule = quadrature(trace, start_ns, stop_ns)
    return Integral(
        energy_j=product_sum(rule.weight_ns, trace.power_w[rule.chosen]) / NS_PER_S,
        gap_j=float(rule.gaps.energy_j(trace.power_w).sum()),
        gap_s=float(rule.gaps.length_s.sum()),
    )


def inside_weights(trace: PowerTrace, start_ns: int, stop_ns: int) -> tuple[slice, FloatArray]:
    """Get the samples wholly inside a window, and the weight of each in their mean.

    Means by their stretch, points alike: float64 ``(n,)``, the sum 1; empty where there is none.
    """
    chosen = trace.inside(start_ns, stop_ns)
    stretch = (trace.stop_ns[chosen] - trace.start_ns[chosen]).astype(np.float64)
    if trace.point_interval_ns:
        stretch[:] = 1.0
    return chosen, stretch / stretch.sum() if len(stretch) else stretch


def mean_inside(trace: PowerTrace, start_ns: int, stop_ns: int) -> tuple[float, int]:
    """Get the mean power of the samples wholly inside a window, NaN without, and their number."""
    chosen, weight = inside_weights(trace, start_ns, stop_ns)
    mean = product_sum(weight, trace.power_w[chosen]) if len(weight) else float("nan")
    return mean, len(weight)


def standard_error(values: FloatArray) -> float:
    """Get the standard uncertainty of a mean of autocorrelated values.

    ``s * sqrt(tau / n)`` with the integrated autocorrelation time ``tau`` by Geyer's initial
    positive sequence (method section 2.5), of many values over the means of neighbours. NaN
    for fewer than two values.
    """
    group = -(-len(values) // MOST_VALUES)
    if group > 1:
        values = values[: len(values) // group * group].reshape(-1, group).mean(axis=1)
    count = len(values)
    if count < 2:
        return float("nan")
    deviation = values - values.mean()
    variance = float(np.dot(deviation, deviation)) / count
    if variance == 0:
        return 0.0
    size = 1 << (2 * count - 1).bit_length()
    spectrum = np.fft.rfft(deviation, size)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, size)[:count] / count
    rho = covariance / variance
    pairs = rho[: count - count % 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    kept = pairs[: negative[0] if len(negative) else len(pairs)]
    tau = max(2 * float(kept.sum()) - 1, 1.0)
    return float(np.sqrt(variance * count / (count - 1) * tau / count))
