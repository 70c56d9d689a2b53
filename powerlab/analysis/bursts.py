"""Bursts of clock exchanges: the bounds that each sets to the offset, and steps between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.envelope import lower_envelope
from powerlab.records import ClockExchanges, FloatArray, Int64Array, freeze_arrays
from powerlab.units import NS_PER_S

BURST_GAP_NS = NS_PER_S // 2
"""Exchanges further apart than this belong to different bursts."""

BURST_NS = 2 * NS_PER_S
"""A longer burst is taken apart: the rate may change in it."""

LEAST_EXCHANGES = 5
"""A burst has as many: fewer rarely hold one that nothing delayed."""

RATE_LIMIT_PPM = 500.0
"""No clock that a computer runs on is further off (RFC 5905 section 7.2, MAXFREQ)."""

RATE_CHANGE_LIMIT_PPM = 20.0
"""By how much a crystal's rate can differ between two parts of one measurement.

AT-cut crystals of the trade keep within ±20 ppm from -20 to +70 °C, of which a board that
warms passes a part.
"""


@dataclass(frozen=True, slots=True)
class Delays:
    """Exchanges in order of time, as float64 ``(n,)`` nanoseconds small enough to be exact.

    ``sent`` and ``received`` are host instants after ``reference_ns``, ``forward`` and
    ``backward`` the times that request and answer seem to take for a board clock
    ``base_ns`` ahead of the host's.
    """

    reference_ns: int
    base_ns: int
    round_trip_min_ns: int
    sent: FloatArray
    received: FloatArray
    forward: FloatArray
    backward: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Bursts:
    """What each burst tells of the board's offset, float64 ``(bursts,)`` nanoseconds.

    At ``at`` (host, after the reference) the offset less ``rate`` times ``at`` lies between
    ``low`` and ``high``: no message arrives before it was sent. ``u_middle`` is the standard
    uncertainty of the middle between them, but for an asymmetry common to all bursts.
    ``rate`` is the board's typical rate error, a fraction.
    """

    at: FloatArray
    low: FloatArray
    high: FloatArray
    u_middle: FloatArray
    rate: float

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def middle(self) -> FloatArray:
        """Get the middle between the bounds."""
        return (self.low + self.high) / 2


def offset_and_delay(exchanges: ClockExchanges) -> tuple[Int64Array, Int64Array]:
    """Get the offset (board minus host) and the round trip of each exchange, in ns.

    Cristian's and NTP's algebra (RFC 5905 section 8); |error| of an offset is at most
    half of its round trip.
    """
    forward = exchanges.t2_board_ns - exchanges.t1_ns
    backward = exchanges.t3_board_ns - exchanges.t4_ns
    delay = forward - backward
    return backward + delay // 2, delay


def delays_of(exchanges: ClockExchanges) -> Delays:
    """Sort exchanges by time, drop repeated ones, and take large numbers off."""
    stamps = (exchanges.t1_ns, exchanges.t2_board_ns, exchanges.t3_board_ns, exchanges.t4_ns)
    t1, t2, t3, t4 = np.unique(np.stack(stamps), axis=1)
    reference = int(t1[0]) + round(float((t1 - t1[0]).mean()))
    offset, delay = offset_and_delay(exchanges)
    base = int(offset[np.argmin(delay)])
    return Delays(
        reference_ns=reference,
        base_ns=base,
        round_trip_min_ns=int(delay.min()),
        sent=(t1 - reference).astype(np.float64),
        received=(t4 - reference).astype(np.float64),
        forward=(t2 - t1 - base).astype(np.float64),
        backward=(t4 - t3 + base).astype(np.float64),
    )


def bursts_of(delays: Delays) -> Bursts:
    """Group exchanges into bursts and find the tightest bounds that each sets."""
    groups = _groups(delays.sent)
    rate = 0.0
    if len(delays.sent) >= LEAST_EXCHANGES:
        rate = _possible(envelope_line(delays)[1])
    if len(groups) > 1:
        # A step has pulled the line: the median of what it leaves between the bursts has not.
        rate = _possible(rate + _median_rate(_bounds(delays, groups, rate)))
    return _bounds(delays, groups, rate)


def _possible(rate: float) -> float:
    limit = RATE_LIMIT_PPM * 1e-6
    return min(max(rate, -limit), limit)


def envelope_line(delays: Delays) -> tuple[float, float]:
    """Get level and slope of the offset: the line midway between the two envelopes."""
    level_f, slope_f = lower_envelope(delays.sent, delays.forward)
    level_b, slope_b = lower_envelope(delays.received, delays.backward)
    return (level_f - level_b) / 2, (slope_f - slope_b) / 2


def _groups(sent: FloatArray) -> list[Int64Array]:
    starts = [0]
    for index in range(LEAST_EXCHANGES, len(sent)):
        first = starts[-1]
        apart = sent[index] - sent[index - 1] > BURST_GAP_NS
        if index - first >= LEAST_EXCHANGES and (apart or sent[index] - sent[first] > BURST_NS):
            starts.append(index)
    if len(starts) > 1 and len(sent) - starts[-1] < LEAST_EXCHANGES:
        starts.pop()
    return np.split(np.arange(len(sent)), starts[1:])


def _bounds(delays: Delays, groups: list[Int64Array], rate: float) -> Bursts:
    above = delays.forward - rate * delays.sent
    below = delays.backward + rate * delays.received
    high = np.array([above[group].min() for group in groups])
    low = np.array([-below[group].min() for group in groups])
    width = high - low
    noise = np.array([_u_of_middle(above[group], below[group]) for group in groups])
    return Bursts(
        at=np.array([(delays.sent[g] + delays.received[g]).mean() / 2 for g in groups]),
        low=low,
        high=high,
        # What a burst is wider than the narrowest may lie on either side.
        u_middle=np.hypot(noise, (width - width.min()) / math.sqrt(12)),
        rate=rate,
    )


def _u_of_middle(above: FloatArray, below: FloatArray) -> float:
    if len(above) == 1:
        return float(above[0] + below[0]) / math.sqrt(12)
    return math.hypot(_u_of_least(above), _u_of_least(below)) / 2


def _u_of_least(values: FloatArray) -> float:
    """Get how far the least of some delays lies above their bound, from the next ones.

    Exponential tails leave gaps between the least values which are as long, on average, as
    that between the bound and the first.
    """
    count = max(1, round(math.sqrt(len(values))))
    least = np.partition(values, count)[: count + 1]
    return float(least.max() - least.min()) / count


def _median_rate(bursts: Bursts) -> float:
    """Get the median over time of the rates between neighbouring bursts, less ``bursts.rate``."""
    span = np.diff(bursts.at)
    rates = np.diff(bursts.middle) / span
    order = np.argsort(rates)
    half = np.searchsorted(np.cumsum(span[order]), span.sum() / 2)
    return float(rates[order][half])


def largest_step(exchanges: ClockExchanges) -> float:
    """Get the largest change of offset that no crystal explains, in ns; 0 without one.

    It lies between the bounds of two neighbouring bursts, or within one, after all that the
    rate can have changed is taken off. A single late exchange sets no bound, so it is none.
    """
    delays = delays_of(exchanges)
    bursts = bursts_of(delays)
    change = RATE_CHANGE_LIMIT_PPM * 1e-6
    between = np.maximum(bursts.low[1:] - bursts.high[:-1], bursts.low[:-1] - bursts.high[1:])
    between -= change * np.diff(bursts.at)
    spans = np.array([np.ptp(delays.sent[group]) for group in _groups(delays.sent)])
    within = bursts.low - bursts.high - change * spans
    return float(np.max(np.concatenate((between, within)), initial=0.0))
