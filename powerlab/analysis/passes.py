"""The energy of single passes, where a meter is fast enough to tell them.

Passes follow each other without a pause, so their edges do not matter to a run's energy; what
they show is how much one inference differs from the next.
"""

from __future__ import annotations

import itertools

import numpy as np

from powerlab.analysis.dense import EvenSamples, window_energies
from powerlab.analysis.integrate import GAP_FACTOR, PowerTrace, integrate
from powerlab.records import FloatArray, Int64Array, PassEnergies, Window

FEWEST_SAMPLES = 10
"""Samples per average pass from which passes are told apart."""

EVEN_NS = 2
"""Instants on whole nanoseconds are even where none is further than this off its place."""


def pass_energies(trace: PowerTrace, run: Window) -> PassEnergies | None:
    """Get how the energies of a run's passes are distributed, None where the meter is too slow.

    A pass lasts from the end of the one before it, pauses included; one that no sample covers
    in part is left out.
    """
    chosen = trace.between(run.start_ns, run.stop_ns)
    passes, samples = len(run.done_ns), chosen.stop - chosen.start
    if not passes or samples < FEWEST_SAMPLES * passes:
        return None
    edges = np.concatenate(([run.start_ns], run.done_ns))
    around = slice(max(0, chosen.start - 1), chosen.stop + 1)
    energies = np.concatenate([_energies(part, edges) for part in _unbroken(trace, around)])
    if not len(energies):
        return None
    in_a_pass = run.inferences / passes
    low, median, high = (float(q) for q in np.percentile(energies / in_a_pass, (5, 50, 95)))
    return PassEnergies(median_j=median, p05_j=low, p95_j=high, samples=samples / passes)


def _unbroken(trace: PowerTrace, chosen: slice) -> list[PowerTrace]:
    """Cut some samples of a trace at its gaps."""
    start, stop, power = trace.start_ns[chosen], trace.stop_ns[chosen], trace.power_w[chosen]
    gaps = np.flatnonzero(start[1:] - stop[:-1] > GAP_FACTOR * trace.point_interval_ns) + 1
    ends = itertools.pairwise([0, *gaps.tolist(), len(power)])
    return [PowerTrace(start[a:b], stop[a:b], power[a:b], trace.point_interval_ns) for a, b in ends]


def _energies(trace: PowerTrace, edges_ns: Int64Array) -> FloatArray:
    """Get the energies between consecutive edges, of those that the samples span."""
    spanned = (edges_ns >= trace.start_ns[0]) & (edges_ns <= trace.stop_ns[-1])
    edges = edges_ns[spanned]
    even = _even(trace)
    if even is not None:
        return window_energies(even, edges[:-1], edges[1:])
    pairs = itertools.pairwise(edges.tolist())
    return np.array([integrate(trace, start, stop).energy_j for start, stop in pairs])


def _even(trace: PowerTrace) -> EvenSamples | None:
    """Get a trace as evenly spaced samples, None where it is not.

    A point stands for half an interval to either side: the trapezoid, but for the edges.
    """
    half_ns = trace.point_interval_ns // 2
    first, last = int(trace.start_ns[0]) - half_ns, int(trace.stop_ns[-1]) + half_ns
    place = np.linspace(0, last - first, len(trace.stop_ns) + 1)[1:]
    even = np.abs(trace.stop_ns + half_ns - first - place).max() <= EVEN_NS
    return EvenSamples(first, last, (trace.power_w,)) if even else None
