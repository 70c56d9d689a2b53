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

from powerlab.analysis.uncertainty import COVERAGE, student_t
from powerlab.findings import Finding, Severity
from powerlab.records import Averaging, FloatArray, MeterSetup

TOLERANCE = 0.02
"""Relative distance from a rational ratio that counts as near (method section 2.3)."""

LOW_ORDER = 5
"""Phases of the inference, or inferences per sample, up to which a ratio counts as simple."""

FRESH_LOOKS = 30
"""Independent looks within a run, at phases that wander, from which they are a random sample."""

BEATS = 100
"""Beats within a run after which a near ratio has averaged out to 0.3 % of the swing."""

FEWEST_LOOKS = 3
"""Independent looks below which readings that agree say nothing of the load's swing."""

HARMLESS = 1e-3
"""Part of the load's swing that a locked mean may be off by without a finding."""

TWO_LEVELS = 0.9
"""Share of variance between two levels above which readings are two-level: normal ones have
0.64, evenly spread ones 0.75."""

SWING = 0.05
"""Distance of the two levels, as a fraction of the mean, below which it does not matter."""

FEWEST = 20
"""Readings below which their histogram says nothing."""


MATTERS = 1 / 3
"""Part of the stated U above which a possible error is a warning: it would widen U by 5 %."""


@dataclass(frozen=True, slots=True)
class Stakes:
    """What aliasing could spoil: the load's swing and the stated U, both relative to the mean.

    ``swing`` is active less idle power over active power, the most that an inference may
    swing; ``relative_u`` that of the energy of an inference.
    """

    swing: float
    relative_u: float

    def severity(self, error: float) -> Severity:
        """Get how much a relative error of this size weighs beside U."""
        return Severity.INFO if error < MATTERS * self.relative_u else Severity.WARNING


@dataclass(frozen=True, slots=True)
class Lock:
    """``phases`` sample periods are nearly ``inferences`` inference periods.

    ``distance`` is the relative distance from that ratio; ``beat_s`` the time in which the
    samples sweep over all of an inference, infinite for an exact ratio; ``fresh_looks`` how
    many looks at one of the phases are worth as independent ones, because they wander.
    """

    phases: int
    inferences: int
    distance: float
    beat_s: float
    fresh_looks: float


def find_lock(
    inference_s: float, interval_s: float, length_s: float, jitter_s: float = 0.0
) -> Lock | None:
    """Get the simplest ratio at which samples lock on to inferences, None without a lock.

    With ``m = interval / inference`` and q = 1 to 5 phases: q m within 2 % of an integer p
    (for p beyond 5, within a tenth of a period). ``jitter_s`` is the standard deviation of one
    inference period: it lets the phases wander, and enough of them in ``length_s`` that do not
    hang together are no lock. A ratio whose beat fits into it a hundred times has averaged out.
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
        wander = jitter_s / inference_s * math.sqrt(turns)
        fresh = _fresh_looks(phases, wander, length_s / (phases * interval_s))
        if fresh > FRESH_LOOKS:
            return None
        beat_s = interval_s / away if away > 0 else math.inf
        if BEATS * beat_s < length_s:
            continue
        return Lock(phases, inferences, away / inferences, beat_s, fresh)
    return None


def _fresh_looks(phases: int, wander: float, looks: float) -> float:
    """Get how many of the looks at one part of an inference are independent.

    ``wander`` is the standard deviation of the phase from one to the next, in periods. The
    harmonic q, the lowest that q phases alias, keeps ``rho = exp(-2 (pi q wander)²)`` of its
    coherence, and n values with that autocorrelation are worth ``n (1 - rho) / (1 + rho)``.
    """
    return looks * math.tanh((math.pi * phases * wander) ** 2)


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
    setup: MeterSetup, period_s: FloatArray, power_w: FloatArray, stakes: Stakes
) -> tuple[Finding, ...]:
    """List what speaks for aliasing in one run: a lock of the periods, readings on two levels.

    ``period_s`` is float64 ``(passes - 1,)``, from the end of a pass to that of the next one,
    pauses included; ``power_w`` the samples inside the run. Nothing for meters that mean over
    their whole interval.
    """
    gapless = setup.averaging in (Averaging.BOXCAR, Averaging.COUNTER)
    if gapless or len(period_s) < 2 or not setup.interval_s > 0:
        return ()
    return (
        *_lock_findings(setup, period_s, power_w, stakes),
        *_level_findings(setup, period_s, power_w, stakes),
    )


def _lock_findings(
    setup: MeterSetup, period_s: FloatArray, power_w: FloatArray, stakes: Stakes
) -> Iterable[Finding]:
    inference_s, length_s = float(np.mean(period_s)), float(np.sum(period_s))
    jitter_s = float(np.std(period_s, ddof=1))
    lock = find_lock(inference_s, setup.interval_s, length_s, jitter_s)
    if lock is None:
        return
    swept = min(1.0, lock.beat_s / (math.pi * length_s))
    passed = swept * locked_error(setup.aperture_s, inference_s, lock.phases)
    if passed < HARMLESS:
        return
    worst = min(passed * stakes.swing, _shown_error(power_w, lock.fresh_looks))
    yield Finding(
        code="aliasing",
        severity=stakes.severity(worst),
        message=f"{_counted(lock.phases, 'sample')} {'takes' if lock.phases == 1 else 'take'} the "
        f"time of {_counted(lock.inferences, 'inference')} within {lock.distance:.1%}: the meter "
        f"looks at {_counted(lock.phases, 'part')} of an inference again and again, and the energy "
        f"may be off by {worst:.2%} at most (U is {stakes.relative_u:.2%})",
        hint="let the inference period vary (dithering), change the sample interval by 3 % or "
        "more, or use a meter that averages over its whole interval",
        evidence={
            "inference_s": inference_s,
            "interval_s": setup.interval_s,
            "jitter_s": jitter_s,
            "phases": lock.phases,
            "inferences": lock.inferences,
            "distance": lock.distance,
            "passed": passed,
            "worst": worst,
        },
    )


def _shown_error(power_w: FloatArray, fresh_looks: float) -> float:
    """Bound the relative error of a mean by what readings at phases that wander show.

    Student's t for their scatter over as many independent looks as there were; infinite where
    there were too few to have seen the load's swing.
    """
    if fresh_looks <= FEWEST_LOOKS or len(power_w) < FEWEST:
        return math.inf
    scatter = float(np.std(power_w, ddof=1)) / abs(float(np.mean(power_w)))
    return student_t(COVERAGE, fresh_looks - 1) * scatter / math.sqrt(fresh_looks)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def locked_error(aperture_s: float, inference_s: float, phases: int) -> float:
    """Bound the error of a locked mean, in units of the swing of a two-level load.

    ``1 / q`` for q phases of points; an aperture a lets the harmonic of period T/q, which
    is the lowest to alias, pass by ``T / (pi q a)`` at most.
    """
    averaged = math.pi * phases * aperture_s / inference_s
    return min(1.0, 1 / averaged) / phases if averaged > 0 else 1 / phases


def _level_findings(
    setup: MeterSetup, period_s: FloatArray, power_w: FloatArray, stakes: Stakes
) -> Iterable[Finding]:
    """Compare the histogram of the readings with a load of two levels.

    A load that switches faster than the aperture shows its mean, and one that is looked at
    often in each inference shows its shape. Other readings on two levels were taken one or
    the other, and the mean rests on how many fell on which: binomial,
    ``u = (high - low) sqrt(share (1 - share) / n)`` if they are independent.
    """
    inference_s = float(np.mean(period_s))
    resolved = LOW_ORDER * setup.interval_s < inference_s
    if resolved or len(power_w) < FEWEST or setup.aperture_s > inference_s:
        return
    found = two_levels(power_w)
    mean = float(np.mean(power_w))
    if found.between < TWO_LEVELS or found.high - found.low < SWING * abs(mean):
        return
    u = (found.high - found.low) * math.sqrt(found.share * (1 - found.share) / len(power_w))
    relative = 2 * u / abs(mean)
    yield Finding(
        code="pulsed-load",
        severity=stakes.severity(relative),
        message=f"the readings lie on two levels, {found.low:.3g} W and {found.high:.3g} W: the "
        f"mean rests on the {found.share:.0%} that fell on the higher one, ± {relative:.2%} if "
        f"they fell at random (U is {stakes.relative_u:.2%})",
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
