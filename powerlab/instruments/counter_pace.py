"""How often a board's counter is read, and what one reading then stands for."""

from __future__ import annotations

from dataclasses import dataclass

from powerlab.catalog.instrument_profile import Sampling
from powerlab.instruments.counter_frames import ENERGY, CounterFacts
from powerlab.terms import Averaging

UPDATES_PER_READ = 2
"""Of a counter of energy that is not followed: fewer, and a stretch may hold no update."""

LEAST_FOLLOWED_S = 0.02
"""Updates from which on each one is waited for; quicker ones would cost too many looks."""

LOOKS_PER_UPDATE = 5.382
"""No whole number, so that looks come at ever other places within an update."""

LEAST_LOOK_S = 0.005

FILLS = 0.99


@dataclass(frozen=True, slots=True)
class Pace:
    """When the board reads, which of its reads become rows, and what a row then stands for.

    It reads every ``look_s``. With a ``follows_s`` those reads are rows that bring a new update,
    which come about so often; without, each read is one. A row is ``latency_s`` old, give or
    take ``latency_limit_s``.
    """

    interval_s: float
    look_s: float
    follows_s: float
    aperture_s: float
    averaging: Averaging
    latency_s: float
    latency_limit_s: float


def pace_of(facts: CounterFacts, sampling: Sampling, observed_s: float) -> Pace:
    """Plan the reads of a source whose readings were seen to change every ``observed_s``.

    What the board's driver states of the update goes before what was observed, 0 each where not
    known. A row that waits for its update is placed where that was made, between two looks; any
    other read is between none and one update old; where no update is known, the profile says how
    old. A mean over longer than an interval is placed at its middle; where nobody knows whether
    it is one, half way to there, and it may be off by as much.
    """
    update_s = facts.update_s or observed_s
    interval_s, look_s, follows_s = _reads(facts, sampling, update_s)
    if follows_s:
        late_s, limit_s = 0.0, look_s / 2
    elif update_s:
        late_s, limit_s = update_s / 2, update_s / 2
    else:
        late_s, limit_s = sampling.latency_s, sampling.latency_limit_s
    averaging, aperture_s = _stands_for(facts, sampling, update_s, interval_s)
    if averaging is not Averaging.POINT:
        late_s += max(0.0, aperture_s - interval_s) / 2
    elif facts.mean_of_s is None:
        perhaps_s = max(0.0, facts.mean_limit_s - interval_s) / 4
        late_s, limit_s = late_s + perhaps_s, limit_s + perhaps_s
    return Pace(interval_s, look_s, follows_s, aperture_s, averaging, late_s, limit_s)


def _reads(facts: CounterFacts, sampling: Sampling, update_s: float) -> tuple[float, float, float]:
    """Get the interval of rows, that of looks, and the update that is followed, 0 for none."""
    if update_s >= LEAST_FOLLOWED_S and not facts.pushes:
        return update_s, max(LEAST_LOOK_S, update_s / LOOKS_PER_UPDATE), update_s
    fewest = UPDATES_PER_READ if facts.quantity == ENERGY else 1
    interval_s = max(sampling.interval_s, fewest * update_s)
    return interval_s, interval_s, 0.0


def _stands_for(
    facts: CounterFacts, sampling: Sampling, update_s: float, interval_s: float
) -> tuple[Averaging, float]:
    """Get what a row is of its interval, and over how long it means."""
    if facts.quantity == ENERGY:
        return Averaging.COUNTER, interval_s
    perhaps_point = facts.mean_limit_s > 0 or sampling.averaging is Averaging.POINT
    if facts.mean_of_s == 0 or (facts.mean_of_s is None and perhaps_point):
        return Averaging.POINT, min(sampling.aperture_s, interval_s)
    if facts.mean_of_s:
        aperture_s = facts.mean_of_s
    elif sampling.averaging is Averaging.BOXCAR:  # a chip that means from update to update
        aperture_s = (0.0 if facts.pushes else update_s) or interval_s
    else:
        aperture_s = min(sampling.aperture_s, interval_s)
    fills = aperture_s >= FILLS * interval_s
    return Averaging.BOXCAR if fills else Averaging.GATED, aperture_s
