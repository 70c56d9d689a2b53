"""What a board does in virtual time, and what the host's clock exchanges with it look like."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from powerlab.agent.edges import MARKER_TAG
from powerlab.analysis.codes import MarkerPlan
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.emulation import noise
from powerlab.emulation.clock import BoardClock, BusyTime
from powerlab.emulation.world import WARM_UP_TAG, Edges
from powerlab.records import ClockExchanges, FloatArray, Int64Array, Phase
from powerlab.units import NS_PER_S, nanoseconds

WARM_UP_SLICES = 4
"""The warm-up comes in so many parts, each a quarter of its limit."""

_COMMAND_NS = 500_000  # from the end of one phase to the begin of the next
_ANSWER_S = 2e-5
_STEADY_SHARE = 0.97  # of an inference's mean duration; the rest has an exponential tail


@dataclass(frozen=True, slots=True)
class Network:
    """How long the clock exchanges take, and how many there are of them.

    Each way takes at least ``one_way_s``, in one direction more and in the other less by a
    share of up to ``asymmetry`` that a world draws once, and an exponential tail of mean
    ``tail_s``. ``first_burst`` exchanges at both ends and ``burst`` between any two runs follow
    each other by ``spacing_s``, as in a real session.
    """

    one_way_s: float = 1e-4
    asymmetry: float = 0.2
    tail_s: float = 6e-5
    spacing_s: float = 1e-3
    first_burst: int = 200
    burst: int = 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """One phase in host time.

    ``done_ns`` int64 ``(n,)`` holds the ends of its ``passes``, the last of which is its stop,
    or the edges of a marker.
    """

    kind: str
    index: int
    start_ns: int
    stop_ns: int
    done_ns: Int64Array
    passes: int


@dataclass(frozen=True, slots=True)
class Timetable:
    """A measurement from the first exchange to the last, in host time.

    ``exchanges_ns`` is int64 ``(4, n)``: sent, received by the board, answered, answer received.
    """

    edges: Edges
    stretches: tuple[Stretch, ...]
    exchanges_ns: Int64Array
    start_ns: int
    stop_ns: int

    @property
    def runs(self) -> tuple[Stretch, ...]:
        """Get the runs in order."""
        return tuple(item for item in self.stretches if item.kind == "run")


@dataclass
class _Layout:
    """A timetable being laid out: everything is appended at ``t_ns``."""

    seed: int
    inference_s: float
    network: Network
    t_ns: int
    stretches: list[Stretch] = field(default_factory=list)
    bursts: list[Int64Array] = field(default_factory=list)
    records: list[tuple[int, int, int]] = field(default_factory=list)

    def idle(self, kind: str, index: int, length_s: float) -> None:
        """Append a phase without work."""
        stop_ns = self.t_ns + nanoseconds(length_s)
        self._append(kind, index, stop_ns, np.empty(0, dtype=np.int64), 0)

    def guard(self, length_s: float) -> None:
        """Append a guard; guards are counted as they come."""
        self.idle("guard", sum(item.kind == "guard" for item in self.stretches), length_s)

    def busy(self, kind: str, index: int, length_s: float) -> None:
        """Append as many passes as fill about ``length_s``; the last one ends the phase."""
        count = max(1, round(length_s / self.inference_s))
        done = self._passes(f"{kind}/{index}", count)
        stop_ns = int(done[-1])
        tag = index if kind == "run" else WARM_UP_TAG
        self.records += [(self.t_ns, 1, tag), (stop_ns, 0, tag)]
        self._append(kind, index, stop_ns, done, count)

    def draw(self, index: int, plan: MarkerPlan) -> None:
        """Append a marker: its chips keep a schedule, a busy stretch ends with a pass."""
        start_ns, until_ns = self.t_ns, self.t_ns
        edges: list[int] = []
        for number, (level, length_s) in enumerate(plan.pattern):
            until_ns += nanoseconds(length_s)
            if not level:
                self.t_ns = max(self.t_ns, until_ns)
                continue
            most = int((until_ns - self.t_ns) * 1e-9 / (_STEADY_SHARE * self.inference_s)) + 2
            done = self._passes(f"marker/{index}/{number}", most)
            stop_ns = int(done[np.searchsorted(done, until_ns)])
            edges += [self.t_ns, stop_ns]
            self.t_ns = stop_ns
        stop_ns, self.t_ns = self.t_ns, start_ns
        self.records += [(at, 1 - i % 2, MARKER_TAG) for i, at in enumerate(edges)]
        self._append("marker", index, stop_ns, np.array(edges, dtype=np.int64), 0)

    def exchange(self, count: int) -> None:
        """Append a burst of exchanges: a fixed delay each way, not quite the same, and tails."""
        net = self.network
        skew = net.asymmetry * (2 * noise.uniform(self.seed, "asymmetry") - 1)
        first = 3 * net.first_burst * len(self.bursts)
        tails = noise.exponentials(self.seed, "exchanges", first, 3 * count).reshape(3, count)
        fixed_s = np.array([net.one_way_s * (1 + skew), _ANSWER_S, net.one_way_s * (1 - skew)])
        spread_s = np.array([net.tail_s, _ANSWER_S, net.tail_s])
        steps_s: FloatArray = fixed_s[:, np.newaxis] + spread_s[:, np.newaxis] * tails
        took = np.rint(steps_s * NS_PER_S).astype(np.int64)
        sent = self.t_ns + np.arange(count) * nanoseconds(net.spacing_s)
        sent[1:] += np.cumsum(took.sum(axis=0))[:-1]
        self.bursts.append(np.concatenate((sent[np.newaxis], sent + np.cumsum(took, axis=0))))
        self.t_ns = int(self.bursts[-1][-1, -1]) + _COMMAND_NS

    def _passes(self, stream: str, count: int) -> Int64Array:
        """Get the instants at which ``count`` passes from now on are done."""
        tail = noise.exponentials(self.seed, f"passes/{stream}", 0, count)
        took_s = self.inference_s * (_STEADY_SHARE + (1 - _STEADY_SHARE) * tail)
        return np.asarray(self.t_ns + np.rint(np.cumsum(took_s) * NS_PER_S).astype(np.int64))

    def _append(self, kind: str, index: int, stop_ns: int, done: Int64Array, passes: int) -> None:
        self.stretches.append(Stretch(kind, index, self.t_ns, stop_ns, done, passes))
        self.t_ns = stop_ns + _COMMAND_NS


def lay_out(
    protocol: ProtocolPreset,
    *,
    guard_s: float,
    marker: MarkerPlan | None,
    seed: int,
    origin_ns: int,
    inference_s: float,
    network: Network,
) -> Timetable:
    """Lay a protocol out in the order of a real session, from ``origin_ns`` (host) on.

    Idle, the warm-up and a guard, a marker, each run between two guards, a marker, idle; a
    burst of exchanges before and after each of these. ``inference_s`` is the mean duration of
    a pass; without a ``marker`` there is none.
    """
    layout = _Layout(seed=seed, inference_s=inference_s, network=network, t_ns=origin_ns)
    layout.exchange(network.first_burst)
    layout.idle("idle", 0, protocol.idle_s)
    layout.exchange(network.burst)
    for part in range(WARM_UP_SLICES):
        layout.busy("warm-up", part, protocol.warm_up_limit_s / WARM_UP_SLICES)
    layout.guard(guard_s)
    _mark(layout, 0, marker, guard_s)
    for index in range(protocol.runs):
        layout.exchange(network.burst)
        layout.guard(guard_s)
        layout.busy("run", index, protocol.run_s)
        layout.guard(guard_s)
    _mark(layout, 1, marker, guard_s)
    layout.exchange(network.burst)
    layout.idle("idle", 1, protocol.idle_s)
    layout.exchange(network.first_burst)
    return Timetable(
        edges=Edges.of(layout.records),
        stretches=tuple(layout.stretches),
        exchanges_ns=np.concatenate(layout.bursts, axis=1),
        start_ns=origin_ns,
        stop_ns=layout.t_ns,
    )


def _mark(layout: _Layout, index: int, plan: MarkerPlan | None, guard_s: float) -> None:
    if plan is None:
        return
    layout.exchange(layout.network.burst)
    layout.draw(index, plan)
    layout.guard(guard_s)


def phases(timetable: Timetable, clock: BoardClock) -> tuple[Phase, ...]:
    """Get the phases as the board reports them, on its own clock."""
    busy = BusyTime(timetable.edges)

    def on_board(stretch: Stretch) -> Phase:
        ends = np.array([stretch.start_ns, stretch.stop_ns], dtype=np.int64)
        mapped = clock.board_ns(np.concatenate((ends, stretch.done_ns)), busy)
        return Phase(
            kind=stretch.kind,
            index=stretch.index,
            start_board_ns=int(mapped[0]),
            stop_board_ns=int(mapped[1]),
            passes=stretch.passes,
            done_board_ns=mapped[2:].copy(),
        )

    return tuple(on_board(item) for item in timetable.stretches)


def exchanges(timetable: Timetable, clock: BoardClock) -> ClockExchanges:
    """Get all exchanges as the host records them, the board's instants on its own clock."""
    busy = BusyTime(timetable.edges)
    t1, t2, t3, t4 = timetable.exchanges_ns
    return ClockExchanges(
        t1_ns=t1.copy(),
        t2_board_ns=clock.board_ns(t2, busy),
        t3_board_ns=clock.board_ns(t3, busy),
        t4_ns=t4.copy(),
    )
