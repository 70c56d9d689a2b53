"""Latency percentiles with bounds that need no distribution: order statistics only.

How many of ``q`` independent latencies exceed the true percentile is binomial. MLPerf's
early-stopping estimate is a one-sided bound of that kind; the interval here is two-sided.
Both take latencies as independent: a slow drift makes them too narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from powerlab.records import FloatArray

MLPERF_CONFIDENCE = 0.99
"""Of the early-stopping rule (MLPerf inference rules, appendix Early Stopping)."""


def overlatency_limit(
    queries: int,
    percentile: float,
    confidence: float = MLPERF_CONFIDENCE,
    tolerance: float = 0.0,
) -> int | None:
    """Get how many queries may exceed a latency that is to bound the percentile.

    The largest t with ``P(Bin(queries, 1 - percentile + tolerance) <= t) <= 1 - confidence``
    (MLPerf inference rules; ``percentile`` is a fraction, as 0.9); None where even 0 is too
    many, for fewer queries than ``minimum_queries(percentile, 0)``.
    """
    low, high = -1, queries - 1  # low passes (vacuously at -1), high + 1 does not
    while low < high:
        middle = (low + high + 1) // 2
        if _tail(queries, middle, percentile - tolerance) <= 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low if low >= 0 else None


def minimum_queries(
    percentile: float, overlatency: int, confidence: float = MLPERF_CONFIDENCE
) -> int:
    """Get the fewest queries of which ``overlatency`` may exceed the percentile's bound.

    With MLPerf's early stopping, which needs one to discard: 64 for 0.9, 662 for 0.99.
    """
    low, high = overlatency, overlatency + 1
    while _tail(high, overlatency, percentile) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _tail(middle, overlatency, percentile) <= 1 - confidence:
            high = middle
        else:
            low = middle
    return high


def _tail(queries: int, overlatency: int, percentile: float) -> float:
    """Get ``P(Bin(queries, 1 - percentile) <= overlatency)`` by the incomplete beta function."""
    if overlatency >= queries:
        return 1.0
    return float(special.betainc(queries - overlatency, overlatency + 1, percentile))


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """MLPerf's bound of a percentile: ``discarded`` highest latencies, then the next one."""

    value: float
    discarded: int


def early_stopping(
    latency_s: FloatArray,
    percentile: float,
    confidence: float = MLPERF_CONFIDENCE,
    tolerance: float = 0.0,
) -> EarlyStopping | None:
    """Get MLPerf's early-stopping estimate: a bound above the percentile with ``confidence``.

    With t of ``overlatency_limit``, the t - 1 highest latencies are discarded and the
    highest of the rest is reported. None for fewer queries than
    ``minimum_queries(percentile - tolerance, 1)``.
    """
    allowed = overlatency_limit(len(latency_s), percentile, confidence, tolerance)
    if not allowed:
        return None
    place = len(latency_s) - allowed
    return EarlyStopping(float(np.partition(latency_s, place)[place]), allowed - 1)


def queries_for_margin(percentile: float, confidence: float, margin: float) -> int:
    """Get how many queries hold the percentile's rank within ± ``margin``.

    ``n = z² p (1 - p) / m²``, the normal limit of the binomial, to the nearest (MLPerf).
    """
    z = float(special.ndtri((1 + confidence) / 2))
    return round(z**2 * percentile * (1 - percentile) / margin**2)


def quantile(latency_s: FloatArray, fraction: float) -> float:
    """Get the smallest latency that at least a ``fraction`` of them does not exceed."""
    return float(np.quantile(latency_s, fraction, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class PercentileInterval:
    """A percentile and the two latencies that enclose it; None where there are too few.

    ``coverage`` is the exact probability of the interval, 1 where an end is None.
    """

    value: float
    low: float | None
    high: float | None
    coverage: float


def percentile_interval(
    latency_s: FloatArray, percentile: float, p: float = 0.95
) -> PercentileInterval:
    """Get a percentile (a fraction) with its order-statistic interval of at least ``p``.

    ``P(x_(l) <= Q < x_(u)) = P(l <= Bin(n, percentile) < u)``, at most ``(1 - p) / 2`` beyond
    each end. The value is that of ``quantile``.
    """
    ordered = np.sort(np.asarray(latency_s, dtype=np.float64))
    count, tail = len(ordered), (1 - p) / 2
    below = _largest_rank(count, percentile, tail)
    above = count + 1 - _largest_rank(count, 1 - percentile, tail)
    lower_tail = _cumulative(count, percentile, below - 1) if below >= 1 else 0.0
    upper_tail = 1 - _cumulative(count, percentile, above - 1) if above <= count else 0.0
    return PercentileInterval(
        value=quantile(ordered, percentile),
        low=float(ordered[below - 1]) if below >= 1 else None,
        high=float(ordered[above - 1]) if above <= count else None,
        coverage=1 - lower_tail - upper_tail,
    )


def _cumulative(count: int, probability: float, successes: int) -> float:
    """Get ``P(Bin(count, probability) <= successes)``."""
    return _tail(count, successes, 1 - probability) if successes >= 0 else 0.0


def _largest_rank(count: int, probability: float, tail: float) -> int:
    """Get the largest l with ``P(Bin(count, probability) < l) <= tail``, from 0."""
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        if _cumulative(count, probability, middle - 1) <= tail:
            low = middle
        else:
            high = middle - 1
    return low


def nearest_rank(latency_s: FloatArray, percentile: float) -> float:
    """Get the plain percentile as MLPerf logs it: the sorted latency at ``floor(n p)``."""
    place = min(math.floor(len(latency_s) * percentile), len(latency_s) - 1)
    return float(np.partition(latency_s, place)[place])
