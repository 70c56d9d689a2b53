"""Aliasing of pulsed loads: a meter that looks at the same part of every inference.

A meter that means over its whole interval cannot alias. One that takes points, or means
over a part, locks on where the inference period and its sample period are in a simple
ratio: the same few phases are seen again and again. 100 points a second of an inference
every 50 ms err by 13 %; 97.3 points a second by 0.1 % (method section 2.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from powerlab.findings import Finding, Severity
from powerlab.records import Averaging, FloatArray

TOLERANCE = 0.02
"""Relative distance from a rational ratio that counts as near (method section 2.3)."""

LOW_ORDER = 5
"""Phases of the inference, or inferences per sample, up to which a ratio counts as simple."""

JITTER = 0.25
"""Wander of the phase from one look to the next, in periods, that breaks a lock by itself."""

BEATS = 100
"""Beats within a run after which a near ratio has averaged out to 0.3 % of the swing."""

HARMLESS = 1e-3
"""Part of the load's swing that a locked mean may be off by without a finding."""

TWO_LEVELS = 0.9
"""Share of variance between two levels above which readings are two-level: normal ones have
0.64, evenly spread ones 0.75."""

SWING = 0.05
"""Distance of the two levels, as a fraction of the mean, below which it does not matter."""

FEWEST = 20
"""Readings below which their histogram says nothing."""


@dataclass(frozen=True, slots=True)
class Lock:
    """``phases`` sample periods are nearly ``inferences`` inference periods.

    ``distance`` is the relative distance from that ratio; ``beat_s`` the time in which the
    samples sweep over all of an inference, infinite for an exact ratio.
    """

    phases: int
    inferences: int
    distance: float
    beat_s: float


def find_lock(
    inference_s: float, interval_s: float, length_s: float, jitter_s: float = 0.0
) -> Lock | None:
    """Get the simplest ratio at which samples lock on to inferences, None without a lock.

    With ``m = interval / inference`` and q = 1 to 5 phases: q m within 2 % of an integer p
    (for p beyond 5, within a tenth of a period). ``jitter_s`` is the standard deviation of one
    inference period: phases that wander by a quarter period between looks do not lock.
    A ratio whose beat fits into ``length_s`` a hundred times has averaged out.
    """
    per_sample = interval_s / inference_s
    for phases in range(1, LOW_ORDER + 1):
        turns = phases * per_sample
        inferences = round(turns)
        if inferences < 1:
            continue
        away = abs(turns - inferences)
        if away > TOLERANCE * min(inferences, LOW_ORDER):
            continue
        if jitter_s / inference_s * math.sqrt(turns) > JITTER:
            return None
        beat_s = interval_s / away if away > 0 else math.inf
        if BEATS * beat_s < length_s:
            continue
        return Lock(phases, inferences, away / inferences, beat_s)
    return None


@dataclass(frozen=True, slots=True)
class TwoLevels:
    """The best split of readings into a low and a high level (Otsu 1979).

    ``share`` is the share of readings on the high level, ``between`` that of the variance
    that the split explains.
    """

    low: float
    high: float
    share: float
    between: float


def two_levels(readings: FloatArray) -> TwoLevels:
    """Split readings ``(n >= 2,)`` where the variance between the two groups is largest."""
    ordered = np.sort(np.asarray(readings, dtype=np.float64))
    count = len(ordered)
    deviation = ordered - ordered.mean()
    below = np.arange(1, count, dtype=np.float64)
    sums = np.cumsum(deviation)[:-1]
    between = sums**2 * count / (below * (count - below))
    best = int(np.argmax(between))
    total = float(np.dot(deviation, deviation))
    return TwoLevels(
        low=float(ordered[: best + 1].mean()),
        high=float(ordered[best + 1 :].mean()),
        share=(count - best - 1) / count,
        between=float(between[best]) / total if total > 0 else 0.0,
    )


def aliasing(
    averaging: Averaging,
    interval_s: float,
    aperture_s: float,
    latency_s: FloatArray,
    power_w: FloatArray,
) -> tuple[Finding, ...]:
    """List what speaks for aliasing in one run: a lock of the periods, readings on two levels.

    ``latency_s`` is float64 ``(passes,)``, back to back; ``power_w`` the samples inside the
    run. Nothing for meters that mean over their whole interval.
    """
    gapless = averaging in (Averaging.BOXCAR, Averaging.COUNTER)
    if gapless or len(latency_s) < 2 or not interval_s > 0:
        return ()
    return (
        *_lock_findings(interval_s, aperture_s, latency_s),
        *_level_findings(aperture_s, latency_s, power_w),
    )


def _lock_findings(
    interval_s: float, aperture_s: float, latency_s: FloatArray
) -> Iterable[Finding]:
    inference_s = float(np.mean(latency_s))
    jitter_s = float(np.std(latency_s, ddof=1))
    lock = find_lock(inference_s, interval_s, float(np.sum(latency_s)), jitter_s)
    if lock is None:
        return
    passed = locked_error(aperture_s, inference_s, lock.phases)
    if passed < HARMLESS:
        return
    yield Finding(
        code="aliasing",
        severity=Severity.WARNING,
        message=f"{lock.phases} samples take the time of {lock.inferences} inferences within "
        f"{lock.distance:.1%}: the meter sees the same {lock.phases} parts of an inference "
        f"again and again, and the mean may be off by {passed:.1%} of the load's swing",
        hint="let the inference period vary (dithering), change the sample interval by 3 % or "
        "more, or use a meter that averages over its whole interval",
        evidence={
            "inference_s": inference_s,
            "interval_s": interval_s,
            "jitter_s": jitter_s,
            "phases": lock.phases,
            "inferences": lock.inferences,
            "distance": lock.distance,
            "passed": passed,
        },
    )


def locked_error(aperture_s: float, inference_s: float, phases: int) -> float:
    """Bound the error of a locked mean, in units of the swing of a two-level load.

    ``1 / q`` for q phases of points; an aperture a lets the harmonic of period T/q, which
    is the lowest to alias, pass by ``T / (pi q a)`` at most.
    """
    averaged = math.pi * phases * aperture_s / inference_s
    return min(1.0, 1 / averaged) / phases if averaged > 0 else 1 / phases


def _level_findings(
    aperture_s: float, latency_s: FloatArray, power_w: FloatArray
) -> Iterable[Finding]:
    """Compare the histogram of the readings with a load of two levels.

    A load that switches faster than the aperture shows its mean; readings on two levels
    were taken one or the other, and the mean rests on how many fell on which: binomial,
    ``u = (high - low) sqrt(share (1 - share) / n)`` if they are independent.
    """
    if len(power_w) < FEWEST or aperture_s > float(np.mean(latency_s)):
        return
    found = two_levels(power_w)
    mean = float(np.mean(power_w))
    if found.between < TWO_LEVELS or found.high - found.low < SWING * abs(mean):
        return
    u = (found.high - found.low) * math.sqrt(found.share * (1 - found.share) / len(power_w))
    yield Finding(
        code="pulsed-load",
        severity=Severity.WARNING,
        message=f"the readings lie on two levels, {found.low:.3g} W and {found.high:.3g} W: the "
        f"mean rests on the {found.share:.0%} that fell on the higher one "
        f"(± {2 * u / abs(mean):.1%} if they fell at random)",
        hint="use a meter that averages over its whole interval, a faster one, or longer runs "
        "with a varying inference period",
        evidence={
            "low_w": found.low,
            "high_w": found.high,
            "share_high": found.share,
            "between": found.between,
            "u_w": u,
        },
    )
