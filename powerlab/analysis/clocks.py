"""The board's clock on the host's: fitted from bursts of exchanges, and mapped.

A line first, from the lower envelopes of the delays there and back. Where the bursts show
that it is none (boards warm under load and their crystals move) the offset runs from burst
to burst instead.
"""

from __future__ import annotations

import math

import numpy as np

from powerlab.analysis.bursts import Bursts, Delays, bursts_of, delays_of, envelope_line
from powerlab.records import ClockExchanges, ClockFit, FloatArray, Int64Array, RunClock

Bend = tuple[tuple[float, float], ...]

SWING_PPM = 5.0
"""By how much a board's rate commonly moves with its load; bursts farther apart than the load
lasts cannot tell it."""

CRYSTAL_PPM = 100.0
"""What a crystal promises: exchanges too few or too close to tell a rate better tell none."""


def fit_board_clock(exchanges: ClockExchanges) -> ClockFit:
    """Fit the board's clock against the host's from all exchanges of a measurement.

    At least one exchange, in any order. ``u_offset_ns`` is for instants between the first
    burst and the last: half the shortest round trip (rectangular: an asymmetry of the two
    ways cannot be seen), what the bursts leave, and what the rate may do between them.
    """
    delays = delays_of(exchanges)
    bursts = bursts_of(delays)
    level, slope, u_slope = _line(delays, bursts)
    deviation = bursts.middle - (level + (slope - bursts.rate) * bursts.at)
    left = float(np.sqrt(np.mean(deviation**2)))
    bend: Bend = ()
    if not _is_straight(deviation, bursts.u_middle):
        smooth, u_smooth = _smooth(bursts.at, deviation, bursts.u_middle)
        bend = tuple(zip(bursts.at.tolist(), smooth.tolist(), strict=True))
        left = float(np.sqrt(np.mean(u_smooth**2)))
        u_slope = _u_between(bursts.at, u_smooth)
    asymmetry = delays.round_trip_min_ns / 2 / math.sqrt(3)
    return ClockFit(
        reference_ns=delays.reference_ns,
        offset_ns=delays.base_ns + round(level),
        skew_ppm=slope * 1e6,
        u_offset_ns=math.hypot(asymmetry, left, _u_inside(bursts.at, _swing(bend))),
        u_skew_ppm=u_slope * 1e6,
        round_trip_min_ns=delays.round_trip_min_ns,
        residual_ns=float(np.max(np.abs(deviation))),
        exchanges=len(delays.sent),
        bend=bend,
    )


def _line(delays: Delays, bursts: Bursts) -> tuple[float, float, float]:
    """Get level, slope and the slope's u of the line between the two envelopes of delays."""
    level, slope = envelope_line(delays)
    weight = 1 / np.maximum(bursts.u_middle, 1.0) ** 2
    arm = bursts.at - np.average(bursts.at, weights=weight)
    u_slope = 1 / math.sqrt(max(float(np.sum(weight * arm**2)), 1e-30))
    if len(bursts.at) == 1:
        # Each half of a burst sets its bounds with about twice the error of the whole.
        u_slope = 8 * float(bursts.u_middle[0]) / max(float(np.ptp(delays.sent)), 1.0)
    limit = CRYSTAL_PPM * 1e-6 / math.sqrt(3)
    if u_slope < limit:
        return level, slope, u_slope
    offsets = bursts.middle + bursts.rate * bursts.at
    return float(np.average(offsets, weights=weight)), 0.0, limit


def _is_straight(deviation: FloatArray, u: FloatArray) -> bool:
    """Tell whether the bursts lie on the line within their noise (chi-squared, 3 sigma).

    Two are on a line in any case.
    """
    count = len(deviation)
    if count < 3:
        return True
    chi_squared = float(np.sum((deviation / np.maximum(u, 1.0)) ** 2))
    return chi_squared <= count + 3 * math.sqrt(2 * count)


def _smooth(at: FloatArray, deviation: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weigh each burst against its neighbours; returns the deviations and their u.

    The rate of each stretch between bursts differs from the line's by ``SWING_PPM`` or so: a
    Kalman smoother of a random walk (Rauch, Tung and Striebel 1965), which follows narrow
    bursts and bridges wide ones.
    """
    step = (SWING_PPM * 1e-6 * np.diff(at)) ** 2
    variance = np.maximum(u, 1.0) ** 2
    forth = _filter(deviation, variance, step)
    back = _filter(deviation[::-1], variance[::-1], step[::-1])
    # Each direction's prediction of a burst from the others, and the burst itself.
    weights = np.stack((1 / variance, forth[1], back[1][::-1]))
    values = np.stack((deviation, forth[0], back[0][::-1]))
    total = weights.sum(axis=0)
    return (weights * values).sum(axis=0) / total, 1 / np.sqrt(total)


def _filter(
    values: FloatArray, variance: FloatArray, step: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Predict each value of a random walk from those before it; values and weights."""
    predicted, weight = np.zeros(len(values)), np.zeros(len(values))
    for index in range(1, len(values)):
        before = 1 / variance[index - 1] + weight[index - 1]
        gain = 1 / variance[index - 1] / before
        predicted[index] = predicted[index - 1] + gain * (values[index - 1] - predicted[index - 1])
        weight[index] = 1 / (1 / before + step[index - 1])
    return predicted, weight


def _u_between(at: FloatArray, u: FloatArray) -> float:
    """Get the u of the rate between neighbouring bursts, over the measurement."""
    span = np.diff(at)
    return math.sqrt(float(np.average((u[1:] ** 2 + u[:-1] ** 2) / span**2, weights=span)))


def _u_inside(at: FloatArray, swing: float) -> float:
    """Get how far the clock may leave the chord between two bursts, on average.

    At ``g`` of a stretch ``L`` it leaves it by ``swing * g * (L - g) / L`` at most, for a rate
    that changes once; the mean square of that over the stretch is ``(swing * L)**2 / 30``.
    """
    span = np.diff(at)
    if not len(span):
        return 0.0
    return swing * math.sqrt(float(np.average(span**2, weights=span)) / 90)


def board_to_host(fit: ClockFit, board_ns: Int64Array) -> Int64Array:
    """Map board instants to host instants, int64 nanoseconds of any shape."""
    since = (board_ns - (fit.offset_ns + fit.reference_ns)).astype(np.float64)
    elapsed = since / (1 + fit.skew_ppm * 1e-6)
    if fit.bend:
        at, deviation = np.array(fit.bend).T
        elapsed = elapsed - np.interp(elapsed, at, deviation)
    host: Int64Array = fit.reference_ns + np.rint(elapsed).astype(np.int64)
    return host


def u_of_mapped(fit: ClockFit, exchanges: ClockExchanges, host_ns: Int64Array) -> FloatArray:
    """Get the standard uncertainty of mapped instants, float64 ns of the same shape.

    ``host_ns`` is where they lie. Between the exchanges it is that of the fit; beyond the first
    and the last of them it grows by what the rate may do there.
    """
    first, last = exchanges.t1_ns.min(), exchanges.t4_ns.max()
    beyond = np.maximum(0, np.maximum(first - host_ns, host_ns - last))
    since = (host_ns - fit.reference_ns) * (fit.u_skew_ppm * 1e-6 if not fit.bend else 0.0)
    u: FloatArray = np.sqrt(fit.u_offset_ns**2 + since**2 + (_swing(fit.bend) * beyond) ** 2)
    return u


def clock_at(fit: ClockFit, host_ns: int) -> RunClock:
    """Get how the board's clock stood to the host's at one instant between the exchanges.

    The rate is the mean between the bursts around the instant, the residual how far these
    lie off the straight line (off a line that holds: the farthest burst). The rate at the very
    instant may be another by what the load does to it, which its u holds.
    """
    since = float(host_ns - fit.reference_ns)
    offset, skew_ppm, residual = 0.0, fit.skew_ppm, fit.residual_ns
    if fit.bend:
        at, deviation = np.array(fit.bend).T
        after = int(np.clip(np.searchsorted(at, since), 1, len(at) - 1))
        near = slice(after - 1, after + 1)
        offset = float(np.interp(since, at, deviation))
        skew_ppm += float(np.diff(deviation[near])[0] / np.diff(at[near])[0]) * 1e6
        residual = float(np.abs(deviation[near]).max())
    return RunClock(
        offset_ns=fit.offset_ns + round(fit.skew_ppm * 1e-6 * since + offset),
        u_offset_ns=fit.u_offset_ns,
        skew_ppm=skew_ppm,
        u_skew_ppm=math.hypot(fit.u_skew_ppm, _swing(fit.bend) * 1e6 / math.sqrt(12)),
        residual_ns=residual,
    )


def _swing(bend: Bend) -> float:
    """Get how far rates in a measurement lie apart, as a fraction; the usual at least."""
    usual = SWING_PPM * 1e-6
    if not bend:
        return usual
    at, deviation = np.array(bend).T
    return max(usual, float(np.ptp(np.diff(deviation) / np.diff(at))))
