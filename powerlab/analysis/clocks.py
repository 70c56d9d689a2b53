"""Joining clocks: the board's and the meter's, each mapped to the host's.

Every instant a computer stamps arrives late, never early, so the truth runs along the
lower edge of a cloud of delays. That edge is a line under all points which maximises
their sum (Moon, Skelly and Towsley 1999); it is the segment of the lower convex hull
above which the mean abscissa lies (Zhang, Liu and Xia 2002).
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from powerlab.records import (
    ClockExchanges,
    ClockFit,
    FloatArray,
    Int64Array,
    MeterTrace,
    SampleClock,
)
from powerlab.units import NS_PER_S, nanoseconds

BURST_GAP_NS = NS_PER_S // 2
"""Exchanges further apart than this belong to different bursts."""


def lower_envelope(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Fit the line ``y = intercept + slope * x`` that lies under all points, closest to them.

    ``x`` need not be sorted; two arrays of equal length, at least one point. With points at
    a single abscissa the slope is 0. Returns ``(intercept, slope)``.
    """
    order = np.lexsort((y, x))
    hull: list[tuple[float, float]] = []
    for px, py in zip(x[order].tolist(), y[order].tolist(), strict=True):
        if hull and px == hull[-1][0]:
            continue
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], (px, py)):
            hull.pop()
        hull.append((px, py))
    if len(hull) == 1:
        return hull[0][1], 0.0
    centre = float(np.mean(x))
    straddles = (edge for edge in itertools.pairwise(hull) if edge[1][0] >= centre)
    (x0, y0), (x1, y1) = next(straddles)
    slope = (y1 - y0) / (x1 - x0)
    return y0 - slope * x0, slope


def _turns_down(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def offset_and_delay(exchanges: ClockExchanges) -> tuple[Int64Array, Int64Array]:
    """Get the offset (board minus host) and the round trip of each exchange, in ns.

    Cristian's and NTP's algebra (RFC 5905 section 8); |error| of an offset is at most
    half of its round trip.
    """
    forward = exchanges.t2_board_ns - exchanges.t1_ns
    backward = exchanges.t3_board_ns - exchanges.t4_ns
    delay = forward - backward
    return (forward + backward) // 2, delay


def fit_board_clock(exchanges: ClockExchanges) -> ClockFit:
    """Fit the board's clock against the host's from all exchanges of a measurement.

    A line first: slope and level from the lower envelopes of the forward and of the
    backward delays. Then the test of that line: each burst bounds the offset from both
    sides (no message arrives before it was sent), and where the line leaves a burst's
    bounds the clock's rate has moved, so the offset is interpolated between the bursts.
    """
    reference = int(exchanges.t1_ns.mean())
    offset, delay = offset_and_delay(exchanges)
    base = int(offset[np.argmin(delay)])
    forward = (exchanges.t2_board_ns - exchanges.t1_ns - base).astype(np.float64)
    backward = (exchanges.t4_ns - exchanges.t3_board_ns + base).astype(np.float64)
    sent = (exchanges.t1_ns - reference).astype(np.float64)
    received = (exchanges.t4_ns - reference).astype(np.float64)
    level_f, slope_f = lower_envelope(sent, forward)
    level_b, slope_b = lower_envelope(received, backward)
    level, slope = (level_f - level_b) / 2, (slope_f - slope_b) / 2
    at, low, high = _burst_bounds((sent + received) / 2, -backward, forward)
    deviation = (low + high) / 2 - (level + slope * at)
    straight = bool(np.all(np.abs(deviation) <= (high - low) / 2 + 1))
    shortest = int(delay.min())
    spread = _spread(deviation) if straight else _curvature(at, deviation)
    u_offset = math.hypot(shortest / 2 / math.sqrt(3), spread)
    span = max(float(np.ptp(sent)), 1.0)
    return ClockFit(
        reference_ns=reference,
        offset_ns=base + round(level),
        skew_ppm=slope * 1e6,
        u_offset_ns=u_offset,
        u_skew_ppm=u_offset * math.sqrt(2) / span * 1e6,
        round_trip_min_ns=shortest,
        residual_ns=float(np.max(np.abs(deviation))),
        exchanges=len(offset),
        bend=() if straight else tuple(zip(at.tolist(), deviation.tolist(), strict=True)),
    )


def _burst_bounds(
    middle: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Get, for each burst, its middle instant and the tightest bounds of the offset."""
    breaks = np.flatnonzero(np.diff(middle) > BURST_GAP_NS) + 1
    bursts = np.split(np.arange(len(middle)), breaks)
    return (
        np.array([middle[burst].mean() for burst in bursts]),
        np.array([low[burst].max() for burst in bursts]),
        np.array([high[burst].min() for burst in bursts]),
    )


def _spread(deviation: FloatArray) -> float:
    return float(np.sqrt(np.mean(deviation**2)))


def _curvature(at: FloatArray, deviation: FloatArray) -> float:
    """Get how far bursts lie from the chord of their neighbours: what interpolation may miss."""
    if len(at) < 3:
        return _spread(deviation)
    part = (at[1:-1] - at[:-2]) / (at[2:] - at[:-2])
    chord = deviation[:-2] + part * (deviation[2:] - deviation[:-2])
    return _spread(deviation[1:-1] - chord) / math.sqrt(1.5)


def board_to_host(fit: ClockFit, board_ns: Int64Array) -> Int64Array:
    """Map board instants to host instants, int64 nanoseconds of any shape."""
    since = (board_ns - (fit.offset_ns + fit.reference_ns)).astype(np.float64)
    elapsed = since / (1 + fit.skew_ppm * 1e-6)
    if fit.bend:
        at, deviation = np.array(fit.bend).T
        elapsed = elapsed - np.interp(elapsed, at, deviation)
    host: Int64Array = fit.reference_ns + np.rint(elapsed).astype(np.int64)
    return host


def fit_sample_clock(trace: MeterTrace) -> SampleClock:
    """Find when each sample of a meter was taken, on the host's clock.

    A meter with a clock of its own is bracketed by its polls: reading ``completed - 1``
    was available before the reply arrived, reading ``completed`` was not when the poll
    was sent. The two envelopes of these bounds enclose the meter's clock. Without one,
    a sample is stamped by its arrival.
    """
    if trace.device_ns is None:
        return _arrival_clock(trace)
    device = trace.device_ns
    before = _bound(trace.poll_completed - 1, trace.poll_received_ns, device)
    after = _bound(trace.poll_completed, trace.poll_sent_ns, device)
    origin = int(trace.poll_sent_ns[0]) - int(device[0])
    x_before, y_before = _excess(*before, origin)
    x_after, y_after = _excess(*after, origin)
    top, slope_top = lower_envelope(x_before, y_before)
    if len(x_after):
        bottom, slope_bottom = lower_envelope(x_after, -y_after)
        bottom, slope_bottom = -bottom, -slope_bottom
    else:
        bottom, slope_bottom = top - trace.setup.interval_s * NS_PER_S, slope_top
    level, slope = (top + bottom) / 2, (slope_top + slope_bottom) / 2
    centre = float(np.mean(x_before))
    gap = abs((top - bottom) + (slope_top - slope_bottom) * centre) / 2
    available = device + origin + np.rint(level + slope * device).astype(np.int64)
    u_ns = math.hypot(gap, trace.setup.latency_limit_s * NS_PER_S) / math.sqrt(3)
    span = max(float(np.ptp(device)), 1.0)
    return _sample_clock(
        trace,
        available,
        u_ns=u_ns,
        rate_ppm=slope * 1e6,
        u_rate_ppm=gap * 2 / span / math.sqrt(3) * 1e6,
    )


def _bound(
    index: Int64Array, instant: Int64Array, device: Int64Array
) -> tuple[Int64Array, Int64Array]:
    usable = (index >= 0) & (index < len(device))
    return device[index[usable]], instant[usable]


def _excess(device: Int64Array, host: Int64Array, origin: int) -> tuple[FloatArray, FloatArray]:
    return device.astype(np.float64), (host - device - origin).astype(np.float64)


def _arrival_clock(trace: MeterTrace) -> SampleClock:
    middle = (trace.poll_sent_ns + trace.poll_received_ns) // 2
    poll = np.searchsorted(trace.poll_completed, np.arange(len(trace.values)), side="right")
    arrival = middle[np.minimum(poll, len(middle) - 1)]
    # A reading that is asked for has waited for up to one interval since it was taken.
    half_wait_ns = trace.setup.interval_s * NS_PER_S / 2
    u_ns = math.hypot(half_wait_ns, trace.setup.latency_limit_s * NS_PER_S) / math.sqrt(3)
    available = arrival - round(half_wait_ns)
    return _sample_clock(trace, available, u_ns=u_ns, rate_ppm=0.0, u_rate_ppm=0.0)


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
