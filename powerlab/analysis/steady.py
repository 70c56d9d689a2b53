"""Where a warm-up ends, and whether what follows is steady: on latency and on power alike.

Two views that fail differently: MSER-5 finds the truncation that makes the mean of the
rest most certain, a self-normalised CUSUM test finds the last change of level whatever the
noise's colour. "No steady state" is a result, None, not an error (Barrett et al., OOPSLA
2017: fewer than half of the benchmarks they tried reach one).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from powerlab.analysis.integrate import standard_error
from powerlab.analysis.lines import fit_line
from powerlab.analysis.uncertainty import COVERAGE, student_t
from powerlab.records import FloatArray, Int64Array

BATCH = 5
"""Values to a batch mean: the 5 of MSER-5."""

TOLERANCE = 0.005
"""Relative change over the window that still counts as steady (method section 2.5)."""

HIDDEN = 0.1
"""Relative change so large that a series is not called steady while noise may hide it."""

ALARM = 0.99
"""Confidence of a drift before it is called one: several tests are made of every window."""

FEWEST = 20
"""Values below which neither a change nor a slope can be told from noise."""

FEWEST_TO_SETTLE = 2 * FEWEST
"""Values below which no start can be told: what follows it, half of them, must be enough."""

BINS = 200
"""Values to which a long series is condensed: 40 batches of MSER-5."""

CRITICAL = 68.6
"""99 % point of the statistic under no change (Shao and Zhang, JASA 105 (2010) 1228, table 1)."""

MOST_SPIKES = 0.1
"""Share of values that may be spikes; what happens more often belongs to the series."""

SPIKE = 3.0
"""Times the largest deviation of all others at which one is clipped before a test, never in a
result: five standard deviations of normal noise."""

SPIKE_REACH = 5
"""Neighbours on each side of which the median tells a spike, or a short burst, from a step."""


class Verdict(StrEnum):
    """Whether a window is steady; undetermined where noise hides a change that matters."""

    STEADY = "steady"
    DRIFTING = "drifting"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How much a window changes from its start to its end, as a fraction of its mean.

    ``change`` is slope times length, ``thirds`` the last third less the middle one, each
    with its standard uncertainty, autocorrelation kept.
    """

    verdict: Verdict
    change: float
    u_change: float
    thirds: float
    u_thirds: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level: ``index`` is the first value after it; means on both sides."""

    index: int
    before: float
    after: float


def mser5(values: FloatArray) -> int | None:
    """Get how many leading values to leave out, a multiple of 5, by MSER-5; None if too many.

    The d that minimises ``sum((x_i - mean)²) / (n - d)²`` over the batch means from d on,
    ``d <= n / 2`` (White 1997; method section 2.5). A minimum at that end means that the
    series is too short for its warm-up.
    """
    count = len(values) // BATCH
    if count < 2:
        return None
    batches = np.asarray(values[: count * BATCH], dtype=np.float64).reshape(count, BATCH)
    means = batches.mean(axis=1)
    means = means - means.mean()
    left = np.arange(count, 0, -1)
    sums, squares = (np.cumsum(part[::-1])[::-1] for part in (means, means**2))
    criterion = (squares - sums**2 / left) / left.astype(np.float64) ** 2
    allowed = count // 2
    best = int(np.argmin(criterion[: allowed + 1]))
    return None if best == allowed else best * BATCH


def change_of_level(values: FloatArray) -> Change | None:
    """Get the most significant change of mean, None where there is none at 99 %.

    Self-normalised CUSUM of Shao and Zhang (2010): ``max_k D_k² / V_k``, ``D_k`` the scaled
    CUSUM at k and ``V_k`` the scatter of the partial sums on both sides around their own
    lines. No variance and no correlation time enters, so coloured noise raises no alarm.
    """
    series = np.asarray(values, dtype=np.float64)
    count = len(series)
    if count < FEWEST or np.ptp(series) == 0:
        return None
    scaled = (series - series.mean()) / np.ptp(series)
    sums = np.cumsum(scaled)[:-1]
    forward = _scatter_around_lines(scaled)[:-1]
    backward = _scatter_around_lines(scaled[::-1])[:-1][::-1]
    scatter = (forward + backward) / count**2
    with np.errstate(divide="ignore"):
        statistic = sums**2 / count / np.maximum(scatter, np.finfo(np.float64).tiny)
    best = int(np.argmax(statistic))
    if not statistic[best] > CRITICAL:
        return None
    index = best + 1
    return Change(index, float(series[:index].mean()), float(series[index:].mean()))


def _scatter_around_lines(scaled: FloatArray) -> FloatArray:
    """Get for each k ``sum over i <= k of (S_i - i/k S_k)²``, S the partial sums; ``(n,)``."""
    sums = np.cumsum(scaled)
    steps = np.arange(1, len(scaled) + 1, dtype=np.float64)
    squares, cross = np.cumsum(sums**2), np.cumsum(steps * sums)
    slope = sums / steps
    scatter = squares - 2 * slope * cross + slope**2 * np.cumsum(steps**2)
    result: FloatArray = np.maximum(scatter, 0.0)
    return result


def last_change(values: FloatArray, tolerance: float = TOLERANCE) -> Change | None:
    """Get the last change of level that exceeds ``tolerance`` of the level after it."""
    found: Change | None = None
    start = 0
    while (change := change_of_level(values[start:])) is not None:
        if abs(change.after - change.before) <= tolerance * abs(change.after):
            break
        start += change.index
        found = Change(start, change.before, change.after)
    return found


def is_steady(
    at: FloatArray | Int64Array, values: FloatArray, tolerance: float = TOLERANCE
) -> Steadiness:
    """Judge a window by the slope of its values and by its last two thirds.

    ``at`` are the instants ``(n,)`` of the values, in any unit. Steady where the whole 95 %
    interval of the relative change lies within ``tolerance``, drifting where all of the 99 %
    interval lies outside (or the thirds differ so), else undetermined: also without a mean to
    compare with, or with fewer than ``FEWEST`` values.
    """
    series = np.asarray(values, dtype=np.float64)
    mean = float(series.mean()) if len(series) >= FEWEST else 0.0
    if mean == 0 or not math.isfinite(mean):
        nan = math.nan
        return Steadiness(Verdict.UNDETERMINED, nan, nan, nan, nan)
    instants = np.asarray(at - at[0], dtype=np.float64)
    line = fit_line(instants, series)
    length = float(np.ptp(instants))
    residual = series - line.level - line.slope * (instants - line.centre)
    tau = _correlation_time(residual)
    change, u_change = line.slope * length / mean, line.u_slope * length * math.sqrt(tau)
    u_change /= abs(mean)
    third = len(series) // 3
    middle, last = series[third : 2 * third], series[2 * third :]
    thirds = float(last.mean() - middle.mean()) / mean
    u_thirds = math.hypot(standard_error(middle), standard_error(last)) / abs(mean)
    dof = max(len(series) / tau - 2, 1.0)
    k = student_t(ALARM, dof)
    surplus = max(abs(change) - k * u_change, abs(thirds) - k * u_thirds)
    if surplus > tolerance:
        verdict = Verdict.DRIFTING
    elif abs(change) + student_t(COVERAGE, dof) * u_change <= tolerance:
        verdict = Verdict.STEADY
    else:
        verdict = Verdict.UNDETERMINED
    return Steadiness(verdict, change, u_change, thirds, u_thirds)


def _correlation_time(residual: FloatArray) -> float:
    """Get the integrated autocorrelation time in samples, 1 for white noise."""
    naive = float(residual.std(ddof=1)) / math.sqrt(len(residual))
    return max((standard_error(residual) / naive) ** 2, 1.0) if naive > 0 else 1.0


def in_bins(
    at: Int64Array, values: FloatArray, average: Callable[[FloatArray], FloatArray]
) -> tuple[Int64Array, FloatArray]:
    """Condense a series ``(n,)`` to ``BINS`` values or somewhat more, at rising instants.

    Each is the ``average`` over the last axis of equally many neighbours, at the instant of
    the first of them: ``middle_mean`` of latencies, ``plain_mean`` of
    powers. The first few values
    are left out where the rest is a whole number of bins. A series of fewer than two values
    to a bin is returned as it is.
    """
    size = len(values) // BINS
    if size < 2:
        return at, values
    left_out = len(values) % size
    return at[left_out::size], average(values[left_out:].reshape(-1, size))


def plain_mean(values: FloatArray) -> FloatArray:
    """Get the mean over the last axis."""
    return np.asarray(values.mean(axis=-1))


def middle_mean(values: FloatArray) -> FloatArray:
    """Get the mean of the middle half over the last axis.

    Spikes do not move it; unlike the median it does not jump where values have two levels.
    """
    size = values.shape[-1]
    outside = size // 4
    ordered = np.partition(values, [outside, size - outside - 1], axis=-1)
    return plain_mean(ordered[..., outside : size - outside])


def steady_from(values: FloatArray, tolerance: float = TOLERANCE) -> int | None:
    """Get the index from which a series is steady; None for no steady state.

    The later of MSER-5 and the last change of level, if it lies in the first half and what
    follows does not drift; else the middle, if nothing changes after it. None also where noise
    may hide a change of ``HIDDEN``, and for fewer than ``FEWEST_TO_SETTLE`` values. MSER-5
    alone is no reason to deny: without any trend its minimum lies at the middle in one short
    series of ten. Spikes and short bursts are clipped for this decision alone.
    """
    if len(values) < FEWEST_TO_SETTLE:
        return None
    series = without_spikes(np.asarray(values, dtype=np.float64))
    middle = len(series) // 2
    truncation, change = mser5(series), last_change(series, tolerance)
    start = max(middle if truncation is None else truncation, change.index if change else 0)
    for begin in (start, middle):
        if start <= middle and _settled(series[begin:], tolerance):
            return begin
    return None


def _settled(values: FloatArray, tolerance: float) -> bool:
    found = is_steady(np.arange(len(values)), values, tolerance)
    known = abs(found.change) + 2 * found.u_change <= HIDDEN
    return known and found.verdict is not Verdict.DRIFTING


def steady_since(
    *series: tuple[Int64Array, FloatArray], tolerance: float = TOLERANCE
) -> int | None:
    """Get the instant from which all of several series are steady, None if one is not.

    Each series is ``(instants_ns, values)``, both ``(n,)``: the latency of each pass and the
    power of each sample, say, which need not have the same instants.
    """
    starts = [(at, steady_from(values, tolerance)) for at, values in series]
    if any(start is None for _, start in starts):
        return None
    return max(int(at[start]) for at, start in starts)


def without_spikes(series: FloatArray) -> FloatArray:
    """Clip what leaves the median of its neighbourhood; a step of level is kept whole."""
    reach = SPIKE_REACH
    around = np.lib.stride_tricks.sliding_window_view(series, 2 * reach + 1)
    middle = np.pad(np.median(around, axis=1), reach, mode="edge")
    away = series - middle
    limit = SPIKE * float(np.quantile(np.abs(away), 1 - MOST_SPIKES))
    return np.asarray(middle + np.clip(away, -limit, limit))
