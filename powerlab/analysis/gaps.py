"""What gaps may hide: a limit of the energy that no sample covers (method section 2.2).

A gap is priced by what is known of the board around it. Well inside a run the board is at
work, and well outside it is idle: there its power is among those seen in the same stretch.
Near an edge it may be anything from idle to load.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from powerlab.analysis.integrate import Gaps, PowerTrace
from powerlab.analysis.timeline import Timeline
from powerlab.records import FloatArray

LEAST_FREEDOM = 5
"""Degrees of freedom from which a scatter of samples is known well enough to price a gap."""


def gap_limit_j(power: PowerTrace, timeline: Timeline, gaps: Sequence[Gaps]) -> float:
    """Get the half-width of the energy that the gaps of all runs may hide together, in joule.

    ``gaps`` has those of each run with its guards. Beyond the trace's ends, with samples on
    one side only, a gap may hide all of the step from idle to load, else half of it.
    """
    if not any(len(found.start_ns) for found in gaps):
        return 0.0
    swing_w = _swing_w(power, timeline)
    limits_w = [np.where(found.left == found.right, swing_w, swing_w / 2) for found in gaps]
    busy, idle = (
        [power.power_w[power.inside(*span)] for span in spans]
        for spans in (timeline.inside, [*timeline.before, *timeline.after, *timeline.idle])
    )
    count = len(timeline.runs)
    for spans, levels, noise_w in (
        (timeline.inside, busy, _pooled_deviation(busy)),
        (timeline.before, idle[:count], _pooled_deviation(idle)),
        (timeline.after, idle[count : 2 * count], _pooled_deviation(idle)),
    ):
        for limit_w, found, span, level in zip(limits_w, gaps, spans, levels, strict=True):
            within = (found.start_ns >= span[0]) & (found.stop_ns <= span[1])
            if within.any() and len(level) and noise_w is not None:
                limit_w[within] = _reach(found.only(within), power, level, noise_w)
    pairs = zip(limits_w, gaps, strict=True)
    return math.fsum(float(np.dot(limit_w, found.length_s)) for limit_w, found in pairs)


def _swing_w(power: PowerTrace, timeline: Timeline) -> float:
    """Get the difference of the highest and the lowest power of the runs and around them."""
    spans = [*timeline.whole, *timeline.idle]
    levels = [power.power_w[power.between(*span)] for span in spans]
    seen = [level for level in levels if len(level)]
    if not seen:
        return 0.0
    return float(max(level.max() for level in seen) - min(level.min() for level in seen))


def _reach(gaps: Gaps, power: PowerTrace, level_w: FloatArray, noise_w: float) -> FloatArray:
    """Get how far a stretch's lowest and highest power are from what each gap was filled with.

    Few samples show too small a range: at least the limits of a rectangle as wide as the
    difference of two samples scatters.
    """
    filled_w = gaps.energy_j(power.power_w) / gaps.length_s
    reach_w = np.maximum(level_w.max() - filled_w, filled_w - level_w.min())
    return np.asarray(np.maximum(reach_w, math.sqrt(3) * math.sqrt(2) * noise_w))


def _pooled_deviation(levels: Sequence[FloatArray]) -> float | None:
    """Get the standard deviation of samples around the mean of their stretch.

    None where too few samples tell it.
    """
    seen = [level for level in levels if len(level)]
    freedom = sum(len(level) - 1 for level in seen)
    if freedom < LEAST_FREEDOM:
        return None
    return math.sqrt(math.fsum(len(level) * float(level.var()) for level in seen) / freedom)
