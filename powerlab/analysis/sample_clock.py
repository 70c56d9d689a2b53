"""The meter's samples on the host's clock."""

from __future__ import annotations

import math

import numpy as np

from powerlab.analysis.bracket import line_between
from powerlab.records import FloatArray, Int64Array, MeterTrace, SampleClock
from powerlab.units import NS_PER_S, nanoseconds

HOST_LIMIT_PPM = 100.0
"""By how much the host's own crystal may be off, on top of the meter's."""

LEAST_MARGIN_NS = 1000.0
"""Bounds that contradict each other by so little are an affair of stamps, not of clocks."""


def fit_sample_clock(trace: MeterTrace) -> SampleClock:
    """Find when each sample of a meter was taken, on the host's clock.

    A meter with a clock of its own is bracketed by its polls: reading ``completed - 1``
    was available before the reply arrived, reading ``completed`` was not when the poll
    was sent. Without one, a sample is stamped by its arrival.
    """
    if trace.device_ns is None:
        return _arrival_clock(trace)
    elapsed = trace.device_ns - trace.device_ns[0]
    origin = int(trace.poll_sent_ns[0])
    upper = _bound(trace.poll_completed - 1, trace.poll_received_ns - origin, elapsed)
    lower = _bound(trace.poll_completed, trace.poll_sent_ns - origin, elapsed)
    if not len(lower[0]):
        # Only the last reading was polled: it had not waited for longer than one interval.
        lower = upper[0], upper[1] - trace.setup.interval_s * NS_PER_S
    limit_ppm = trace.setup.clock_limit_ppm + HOST_LIMIT_PPM
    line = line_between(upper, lower, limit_ppm * 1e-6, LEAST_MARGIN_NS)
    late = np.rint(line.level + line.slope * elapsed).astype(np.int64)
    return _sample_clock(
        trace,
        elapsed + origin + late,
        u_ns=math.hypot(line.u_value, trace.setup.latency_limit_s * NS_PER_S / math.sqrt(3)),
        rate_ppm=line.slope * 1e6,
        u_rate_ppm=line.u_slope * 1e6,
    )


def _bound(
    index: Int64Array, instant: Int64Array, elapsed: Int64Array
) -> tuple[FloatArray, FloatArray]:
    """Get, for the readings that a bound speaks of, the meter's time and the host's lead."""
    usable = (index >= 0) & (index < len(elapsed))
    at = elapsed[index[usable]]
    return at.astype(np.float64), (instant[usable] - at).astype(np.float64)


def _arrival_clock(trace: MeterTrace) -> SampleClock:
    """Place each sample by the first poll that brought it.

    A reading that is asked for has waited for up to one interval since it was taken, and its
    answer was formed at any instant of the exchange.
    """
    taken = trace.poll_received_ns - trace.poll_sent_ns
    middle = trace.poll_sent_ns + taken // 2
    poll = np.searchsorted(trace.poll_completed, np.arange(len(trace.values)), side="right")
    arrival = middle[np.minimum(poll, len(middle) - 1)]
    half_wait_ns = trace.setup.interval_s * NS_PER_S / 2
    limits = (half_wait_ns, float(taken.min()) / 2, trace.setup.latency_limit_s * NS_PER_S)
    return _sample_clock(
        trace,
        arrival - round(half_wait_ns),
        u_ns=math.hypot(*limits) / math.sqrt(3),
        rate_ppm=0.0,
        u_rate_ppm=0.0,
    )


def _sample_clock(
    trace: MeterTrace, available: Int64Array, *, u_ns: float, rate_ppm: float, u_rate_ppm: float
) -> SampleClock:
    stop = available - nanoseconds(trace.setup.latency_s)
    start = stop - nanoseconds(trace.setup.interval_s)
    near = np.diff(stop) <= nanoseconds(1.5 * trace.setup.interval_s)
    start[1:] = np.where(near, stop[:-1], start[1:])
    return SampleClock(
        start_ns=start, stop_ns=stop, u_ns=u_ns, rate_ppm=rate_ppm, u_rate_ppm=u_rate_ppm
    )
