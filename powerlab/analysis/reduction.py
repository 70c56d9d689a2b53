"""Windows reduced to sums over their samples: all that the corrections act on.

Power is a weighted sum of a few terms of the readings (``electrics.readings_basis``), so the
energy of a window is that same sum of the terms' integrals. These are taken once; another
gain, offset or resistance changes the weights alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.dense import BLOCK
from powerlab.analysis.electrics import readings_basis
from powerlab.analysis.integrate import Gaps, PowerTrace, inside_weights, quadrature
from powerlab.analysis.timeline import Span, Timeline
from powerlab.records import FloatArray, Int64Array, MeterSetup, freeze_arrays
from powerlab.units import NS_PER_S

RESOLVED = 10
"""Points within the trim from which on they show how the load's edge goes, and are all used."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The usable samples of a meter: ``values`` is float64 ``(n, channels)``.

    ``power`` has their instants, and the power of each with every correction at its best
    estimate.
    """

    values: FloatArray
    setup: MeterSetup
    power: PowerTrace

    def weighted(self, chosen: slice, weight: FloatArray) -> FloatArray:
        """Get the weighted sum of each term over some samples, by blocks: ``(terms,)``."""
        values = self.values[chosen]
        blocks = [slice(at, at + BLOCK) for at in range(0, max(len(weight), 1), BLOCK)]
        terms = (readings_basis(values[block], self.setup) for block in blocks)
        pairs = zip(terms, blocks, strict=True)
        sums = [np.einsum("ij,j->i", part, weight[block]) for part, block in pairs]
        return np.asarray(np.sum(sums, axis=0))

    def mean(self, start_ns: int, stop_ns: int) -> FloatArray:
        """Get the mean of each term over the samples wholly inside, NaN without any."""
        chosen, weight = inside_weights(self.power, start_ns, stop_ns)
        mean = self.weighted(chosen, weight)
        return mean if len(weight) else np.full_like(mean, np.nan)


@dataclass(frozen=True, slots=True)
class WindowTerms:
    """The terms of a measurement's windows, a row each: float64 ``(windows, terms)``.

    ``whole`` is their integral over each run and its guards, in seconds times their units,
    ``around`` their means over the idle in those guards (NaN where they hold too little),
    ``inside`` and ``idle`` those inside each run and each idle phase. ``samples``, int64
    ``(runs,)``, counts the samples inside a run, ``gaps`` are those of ``whole``.
    """

    whole: FloatArray
    around: FloatArray
    inside: FloatArray
    idle: FloatArray
    samples: Int64Array
    gaps: tuple[Gaps, ...]

    def __post_init__(self) -> None:
        freeze_arrays(self)


def reduce_windows(
    readings: Readings, timeline: Timeline, *, lag_ns: int, shift_ns: int = 0
) -> WindowTerms:
    """Reduce samples that were taken ``shift_ns`` later than they say.

    A gap over an edge of a run is filled from both sides of that edge, which the trace shows
    ``lag_ns`` after the board.
    """
    whole, gaps = [], []
    resolved = RESOLVED * readings.power.point_interval_ns < timeline.trim_ns
    unclear_ns = 0 if resolved else timeline.trim_ns
    for run, (start, stop) in zip(timeline.runs, timeline.whole, strict=True):
        edges = [edge + lag_ns - shift_ns for edge in (run.start_ns, run.stop_ns)]
        rule = quadrature(
            readings.power,
            start - shift_ns,
            stop - shift_ns,
            edges,
            unclear_ns,
        )
        whole.append(readings.weighted(rule.chosen, rule.weight_ns) / NS_PER_S)
        gaps.append(rule.gaps)
    around = [_around(readings, spans, shift_ns) for spans in timeline.around]
    inside = [(start - shift_ns, stop - shift_ns) for start, stop in timeline.inside]
    idle = [(start - shift_ns, stop - shift_ns) for start, stop in timeline.idle]
    counts = [readings.power.inside(*span) for span in inside]
    return WindowTerms(
        whole=np.array(whole),
        around=np.array(around),
        inside=np.array([readings.mean(*span) for span in inside]),
        idle=np.array([readings.mean(*span) for span in idle]),
        samples=np.array([chosen.stop - chosen.start for chosen in counts], dtype=np.int64),
        gaps=tuple(gaps),
    )


def _around(readings: Readings, spans: Sequence[Span], shift_ns: int) -> FloatArray:
    """Get the mean of each term over the idle around a run, NaN where samples do not cover it."""
    lengths_ns = [max(0, stop - start) for start, stop in spans]
    rules = [
        quadrature(readings.power, start - shift_ns, stop - shift_ns)
        for start, stop in spans
        if stop > start
    ]
    if not rules or any(len(rule.gaps.start_ns) for rule in rules):
        return np.full(len(readings_basis(readings.values[:1], readings.setup)), np.nan)
    sums = [readings.weighted(rule.chosen, rule.weight_ns) for rule in rules]
    result: FloatArray = np.sum(sums, axis=0) / sum(lengths_ns)
    return result
