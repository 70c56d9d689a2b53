"""How often a meter's readings are really new: repeated values and straight lines between them.

A meter may hand out readings faster than it makes them, the last one again or points on a line
to the next one. Both have a rhythm. A steady load seen with a coarse resolution repeats values
too, but without one, so the rhythm is what proves it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from powerlab.records import FloatArray

FEWEST_GAPS = 8
"""Between changes: fewer show no rhythm."""

FEWEST_FOLDS = 20
"""Of a beat: with fewer the kinks of noise stand out by chance."""

RHYTHM = 0.9
"""Share of the gaps that keep the beat where there is one."""

LONGEST = 200
"""Readings that one renewal may be spread over."""

PROMINENT = 3.0
"""By what factor kinks stand out from the bends of a line whose points are rounded."""


class Pattern(StrEnum):
    """How the readings of a channel follow each other."""

    EACH = "each new"
    IRREGULAR = "some repeated"
    REPEATED = "repeated"
    INTERPOLATED = "interpolated"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the readings of a channel show.

    ``readings`` hold one renewal, on average; ``repeats`` is the share of readings equal to the
    one before.
    """

    pattern: Pattern
    readings: float
    repeats: float


def find_renewal(values: FloatArray, resolution: float) -> Renewal:
    """Find how many readings share one renewal. ``values`` (n,) are in order, finite.

    ``resolution`` is the step of the readings in their unit.
    """
    steps = np.diff(values)
    if not len(steps) or not steps.any():
        return Renewal(Pattern.CONSTANT, math.inf, 1.0)
    repeats = float(np.mean(steps == 0))
    beat = _beat(np.flatnonzero(steps))
    # Single steps of the resolution in a rhythm are those of a slow change, not of the meter.
    if beat and np.median(np.abs(steps[steps != 0])) > 1.5 * resolution:
        return Renewal(Pattern.REPEATED, beat, repeats)
    line = _line_beat(values, steps, resolution)
    if line:
        return Renewal(Pattern.INTERPOLATED, line, repeats)
    pattern = Pattern.IRREGULAR if repeats > 0 else Pattern.EACH
    return Renewal(pattern, 1 / (1 - repeats), repeats)


def _line_beat(values: FloatArray, steps: FloatArray, resolution: float) -> float:
    """Get the beat of the kinks between straight stretches, 0 where there is none."""
    bends = np.abs(np.diff(steps))
    exact = 1e-9 * float(np.abs(values).max())
    kinks = bends > exact
    if np.mean(kinks) < 0.6 and np.mean(np.abs(steps[1:][~kinks]) > exact) > 0.5:
        beat = _beat(np.flatnonzero(kinks))
        if beat:
            return beat
    return _rounded_line_beat(bends, resolution)


def _rounded_line_beat(bends: FloatArray, resolution: float) -> float:
    """Get the beat of kinks among bends that rounding makes everywhere, else 0.

    Folded by the beat, one place of it has the kinks and all others have none. An edge of a
    load bends twice, in two places next to each other.
    """
    for beat in range(2, min(len(bends) // FEWEST_FOLDS, LONGEST) + 1):
        folded = bends[: len(bends) // beat * beat].reshape(-1, beat)
        *_, second, first = np.sort(np.median(folded, axis=0)).tolist()
        if first > PROMINENT * max(second, resolution):
            return float(beat)
    return 0.0


def _beat(places: np.ndarray) -> float:
    """Get the distance of events that come in a rhythm of 2 readings or more, else 0.

    Either the distances are multiples of one number, as where a renewal now and then changes
    nothing; or all are next to their mean, as where two rates do not divide each other.
    """
    gaps = np.diff(places)
    if len(gaps) < FEWEST_GAPS:
        return 0.0
    for beat in range(min(int(gaps.max()), LONGEST), 1, -1):
        slack = 0 if beat < 5 else 1
        off = np.minimum(gaps % beat, -gaps % beat)
        near = np.abs(gaps - beat) <= slack
        if np.mean(off <= slack) >= RHYTHM and np.mean(near) >= 0.5:
            return float(gaps[near].mean())
    mean = float(gaps.mean())
    if mean >= 1.9 and np.mean(np.abs(gaps - mean) < 1) >= RHYTHM:
        return mean
    return 0.0
