"""How late a meter's samples show a trigger line: the board's edges without the supply's lag.

The board sets a GPIO at every busy and idle edge that it stamps, and the meter samples the
GPIO together with the current. So the line shows the delay of the meter's own samples, which
a marker in the power shows only together with the lag of the supply (method section 1.6).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from powerlab.analysis.bounded import fit_bounded
from powerlab.analysis.clocks import board_to_host
from powerlab.findings import Finding, Severity
from powerlab.records import (
    Averaging,
    Capture,
    ClockFit,
    FloatArray,
    Int64Array,
    LineReading,
    Phase,
    SampleClock,
    SampleFlag,
    freeze_arrays,
)
from powerlab.units import NS_PER_S, nanoseconds

TOGGLE_LIMIT_NS = 20_000.0
"""The pin follows its stamp by one system call: 0 to this, an estimate for a slow Arm core
under Python. Rectangular, and not corrected for."""

SEARCH_NS = NS_PER_S
"""How far the samples may be off, five intervals where that is more."""

JITTER_NS = 200_000.0
"""Edges may scatter by so much about their delay, or by an interval where that is more."""

FEWEST_EDGES = 4
MOST_UNMATCHED = 0.1

MOST_CHANGES = 2.0
"""A line that changes so many times as often as the board set it is a loose wire's."""

MOST_EDGES = 512
"""More edges add nothing but time; those used are spread over the measurement."""

ROUNDING_NS = 50.0
"""Stamps and the instants of samples are rounded."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges of a line, in ns after a common origin, rising in time.

    Each happened between ``first_ns`` and ``last_ns``, float64 ``(n,)``; ``rising`` is bool.
    """

    first_ns: FloatArray
    last_ns: FloatArray
    rising: np.ndarray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def chosen(self, which: np.ndarray) -> Edges:
        """Get some of them, by index or by mask."""
        return Edges(self.first_ns[which], self.last_ns[which], self.rising[which])


def read_line(capture: Capture, samples: SampleClock, board: ClockFit) -> LineReading | None:
    """Compare the line's edges in the samples with the board's, mapped to the host's clock.

    None where no line was sampled. Edges too close together for the meter are left out.
    The delay is that at the middle of the runs; its u holds the scatter and the resolution of
    the edges, the toggling of the pin, the board clock's u, and what the sample clock's rate
    leaves at the runs' edges. Total: what is wrong becomes the reason not to believe it.
    """
    setup = capture.trace.setup
    if "line" not in setup.channels:
        return None
    origin_ns = int(samples.stop_ns[0])
    seen = _seen_edges(capture, samples, origin_ns)
    count = sum(len(_stamps(phase)) for phase in capture.phases)
    if len(seen.rising) > max(FEWEST_EDGES, MOST_CHANGES * count):
        return _refused(f"it changed {len(seen.rising)} times, the board set it {count} times")
    slack_ns = _slack_ns(setup.interval_s, samples, board)
    apart_ns = max(2 * setup.interval_s * NS_PER_S, slack_ns)
    span_ns = float(samples.stop_ns[-1] - origin_ns)
    expected = _expected_edges(capture.phases, board, origin_ns, apart_ns, span_ns)
    if len(expected.rising) < FEWEST_EDGES:
        return _refused("the board set it fewer than four times that this meter can tell apart")
    delay_ns = _search(expected, seen, max(SEARCH_NS, 5 * setup.interval_s * NS_PER_S), slack_ns)
    matches = _match(expected, seen, delay_ns, slack_ns)
    matched = len(matches.at_ns)
    if matched < max(FEWEST_EDGES, (1 - MOST_UNMATCHED) * len(expected.rising)):
        return _refused(
            f"only {matched} of {len(expected.rising)} edges that the board set are in the samples",
            matched,
        )
    return _reading(capture, board, matches, origin_ns)


def line_findings(line: LineReading | None) -> tuple[Finding, ...]:
    """Say that a line was sampled and why it is not used, where that is so."""
    if line is None or line.believed:
        return ()
    return (
        Finding(
            code="line-not-believed",
            severity=Severity.WARNING,
            message=f"the trigger line is not used: {line.reason}",
            hint="check its wire and ground, and line and line_input in the bench",
            evidence={"edges": line.edges},
        ),
    )


def _refused(reason: str, edges: int = 0) -> LineReading:
    return LineReading(math.nan, math.nan, edges, believed=False, reason=reason)


def _slack_ns(interval_s: float, samples: SampleClock, board: ClockFit) -> float:
    """Get how far an edge may lie from where one delay for all of them puts it."""
    drift_ns = samples.u_rate_ppm * 1e-6 * float(samples.stop_ns[-1] - samples.stop_ns[0]) / 2
    return interval_s * NS_PER_S / 2 + JITTER_NS + 3 * math.hypot(drift_ns, board.u_offset_ns)


# --- the edges -----------------------------------------------------------------------


def _expected_edges(
    phases: Iterable[Phase], board: ClockFit, origin_ns: int, apart_ns: float, span_ns: float
) -> Edges:
    """Get the edges that the board stamped, those that stand alone in the samples' span."""
    stamps = np.concatenate([np.empty(0, dtype=np.int64), *(_stamps(phase) for phase in phases)])
    rising = np.arange(len(stamps)) % 2 == 0
    order = np.argsort(stamps, kind="stable")
    at = (board_to_host(board, stamps[order]) - origin_ns).astype(np.float64)
    free = np.concatenate(([math.inf], np.diff(at), [math.inf])) >= apart_ns
    alone = np.flatnonzero(free[:-1] & free[1:] & (at > 0) & (at < span_ns))
    if len(alone) > MOST_EDGES:
        alone = alone[np.unique(np.linspace(0, len(alone) - 1, MOST_EDGES).astype(int))]
    return Edges(at[alone], at[alone], rising[order][alone])


def _stamps(phase: Phase) -> Int64Array:
    """Get the board instants at which a phase turned the line high and low, by turns."""
    if phase.kind == "marker":
        return phase.done_board_ns
    if phase.kind not in ("run", "warm-up", "other"):
        return np.empty(0, dtype=np.int64)
    ends = np.array([phase.start_board_ns, phase.stop_board_ns], dtype=np.int64)
    if not len(phase.begun_board_ns):
        return ends
    done, begun = phase.done_board_ns[:-1], phase.begun_board_ns[1:]
    paused = begun > done
    inside = np.stack((done[paused], begun[paused]), axis=1).ravel()
    return np.concatenate((ends[:1], inside, ends[1:]))


def _seen_edges(capture: Capture, samples: SampleClock, origin_ns: int) -> Edges:
    """Get the edges of the sampled line, as narrowly as each pair of samples tells them.

    A part between 0 and 1 places its edge exactly within the aperture; two samples of 0 and 1
    place it between them.
    """
    setup = capture.trace.setup
    level = capture.trace.values[:, setup.channels.index("line")]
    flags = capture.trace.flags
    lost = SampleFlag.LOST | SampleFlag.REPEATED | SampleFlag.NOT_AVAILABLE
    usable = np.isfinite(level) & ((flags & lost) == 0)
    part = level[usable]
    stop = (samples.stop_ns[usable] - origin_ns).astype(np.float64)
    width = 0.0 if setup.averaging is Averaging.POINT else setup.aperture_s * NS_PER_S
    near = np.diff(stop) <= 1.5 * nanoseconds(setup.interval_s)
    whole = (part < 1e-6) | (part > 1 - 1e-6)
    high = part > 0.5
    between = np.flatnonzero(near & whole[:-1] & whole[1:] & (high[:-1] != high[1:]))
    within = 1 + np.flatnonzero(
        near[:-1] & near[1:] & whole[:-2] & whole[2:] & ~whole[1:-1] & (high[:-2] != high[2:])
    )
    up = high[within + 1] if len(within) else np.empty(0, dtype=bool)
    share = np.where(up, part[within], 1 - part[within])
    exact = stop[within] - share * width
    first = np.concatenate((stop[between], exact))
    last = np.concatenate((np.maximum(stop[between + 1] - width, stop[between]), exact))
    rising = np.concatenate((high[between + 1], up))
    order = np.argsort(first, kind="stable")
    return Edges(first[order], last[order], rising[order])


# --- matching ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Matches:
    """Edges expected ``at_ns`` and seen later by ``low_ns`` to ``high_ns``, float64 ``(n,)``."""

    at_ns: FloatArray
    low_ns: FloatArray
    high_ns: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def _alike(expected: Edges, seen: Edges) -> Iterable[tuple[Edges, Edges]]:
    """Yield the rising edges of both, then the falling ones; nothing where none were seen."""
    for rising in (True, False):
        shown = seen.chosen(seen.rising == rising)
        if len(shown.rising):
            yield expected.chosen(expected.rising == rising), shown


def _search(expected: Edges, seen: Edges, reach_ns: float, slack_ns: float) -> float:
    """Get the delay on which most pairs of an expected and a seen edge agree, NaN without any."""
    low, high = [np.empty(0)], [np.empty(0)]
    for some, shown in _alike(expected, seen):
        for at in some.first_ns:
            bounds = np.searchsorted(shown.first_ns, (at - reach_ns, at + reach_ns))
            low.append(shown.first_ns[slice(*bounds)] - at)
            high.append(shown.last_ns[slice(*bounds)] - at)
    bounds = np.concatenate((np.concatenate(low) - slack_ns, np.concatenate(high) + slack_ns))
    if not len(bounds):
        return math.nan
    order = np.argsort(bounds, kind="stable")
    agree = np.cumsum(np.where(order < len(bounds) // 2, 1, -1))
    best = int(np.argmax(agree))
    return float(bounds[order[best]] + bounds[order[best + 1]]) / 2


def _match(expected: Edges, seen: Edges, delay_ns: float, slack_ns: float) -> Matches:
    """Match each expected edge with the nearest one seen of its kind, within the slack."""
    found = [np.empty((3, 0))]
    for some, shown in _alike(expected, seen):
        middle = (shown.first_ns + shown.last_ns) / 2
        target = some.first_ns + delay_ns
        after = np.searchsorted(middle, target)
        beside = np.concatenate(([-math.inf], middle, [math.inf]))
        closer = target - beside[after] < beside[after + 1] - target
        nearest = np.where(closer, after - 1, after)
        low, high = shown.first_ns[nearest] - some.first_ns, shown.last_ns[nearest] - some.first_ns
        fits = (low - slack_ns <= delay_ns) & (delay_ns <= high + slack_ns)
        found.append(np.stack((some.first_ns, low, high))[:, fits])
    return Matches(*np.concatenate(found, axis=1))


# --- the delay -----------------------------------------------------------------------


def _reading(capture: Capture, board: ClockFit, matches: Matches, origin_ns: int) -> LineReading:
    runs = [_stamps(phase)[[0, -1]] for phase in capture.phases if phase.kind == "run"]
    ends = matches.at_ns
    if runs:
        ends = (board_to_host(board, np.concatenate(runs)) - origin_ns).astype(np.float64)
    since = matches.at_ns - ends.mean()
    line = fit_bounded(since, matches.low_ns, matches.high_ns, finest=ROUNDING_NS)
    left = (matches.low_ns + matches.high_ns) / 2 - line.intercept - line.slope * since
    drift_ns, toggle_ns = line.slope * float(ends.std()), TOGGLE_LIMIT_NS / math.sqrt(3)
    reading = LineReading(
        delay_ns=line.intercept,
        u_delay_ns=math.hypot(line.u_intercept, board.u_offset_ns, toggle_ns, drift_ns),
        edges=len(since),
        believed=True,
        reason="",
    )
    spread_ns = float(left.std())
    if spread_ns <= max(capture.trace.setup.interval_s * NS_PER_S, JITTER_NS):
        return reading
    reason = f"its edges scatter by {spread_ns / 1e6:.2g} ms about their delay"
    return replace(reading, believed=False, reason=reason)
