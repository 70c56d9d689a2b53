"""What a board does in virtual time, and what the host's clock exchanges with it look like."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from powerlab.catalog.workload_profile import ProtocolPreset
from powerlab.emulation import noise
from powerlab.emulation.clock import BoardClock, BusyTime
from powerlab.emulation.world import WARM_UP_TAG, Edges
from powerlab.records import ClockExchanges, FloatArray, Int64Array, Phase
from powerlab.units import NS_PER_S, nanoseconds

FIRST_BURST, BURST = 200, 60
"""Clock exchanges at both ends, and between any two runs, as in a real session."""

_SPACING_NS = 1_000_000
_COMMAND_NS = 500_000  # from the end of one phase to the begin of the next
_ONE_WAY_NS = 100_000
_ASYMMETRY = 0.2  # the shortest delays of the two directions differ from the mean by at most this
_TAIL_NS = 60_000
_ANSWER_NS = 20_000
_STEADY_SHARE = 0.97  # of an inference's mean duration; the rest has an exponential tail


@dataclass(frozen=True, slots=True)
class Stretch:
    """One phase in host time; ``done_ns`` int64 ``(passes,)`` ends with its stop."""

    kind: str
    index: int
    start_ns: int
    stop_ns: int
    done_ns: Int64Array


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
    t_ns: int
    stretches: list[Stretch] = field(default_factory=list)
    bursts: list[Int64Array] = field(default_factory=list)
    records: list[tuple[int, int, int]] = field(default_factory=list)

    def idle(self, kind: str, index: int, length_s: float) -> None:
        """Append a phase without work."""
        stop_ns = self.t_ns + nanoseconds(length_s)
        done = np.empty(0, dtype=np.int64)
        self.stretches.append(Stretch(kind, index, self.t_ns, stop_ns, done))
        self.t_ns = stop_ns + _COMMAND_NS

    def busy(self, kind: str, index: int, length_s: float) -> None:
        """Append as many passes as fill about ``length_s``; the last one ends the phase."""
        count = max(1, round(length_s / self.inference_s))
        tail = noise.exponentials(self.seed, f"passes/{kind}/{index}", 0, count)
        took_s = self.inference_s * (_STEADY_SHARE + (1 - _STEADY_SHARE) * tail)
        done = self.t_ns + np.rint(np.cumsum(took_s) * NS_PER_S).astype(np.int64)
        stop_ns = int(done[-1])
        tag = index if kind == "run" else WARM_UP_TAG
        self.records += [(self.t_ns, 1, tag), (stop_ns, 0, tag)]
        self.stretches.append(Stretch(kind, index, self.t_ns, stop_ns, done))
        self.t_ns = stop_ns + _COMMAND_NS

    def exchange(self, count: int) -> None:
        """Append a burst of exchanges: a fixed delay each way, not quite the same, and tails."""
        skew = _ASYMMETRY * (2 * noise.uniform(self.seed, "asymmetry") - 1)
        first = 3 * FIRST_BURST * len(self.bursts)
        tails = noise.exponentials(self.seed, "exchanges", first, 3 * count).reshape(3, count)
        fixed = np.array([_ONE_WAY_NS * (1 + skew), _ANSWER_NS, _ONE_WAY_NS * (1 - skew)])
        spread = np.array([_TAIL_NS, _ANSWER_NS, _TAIL_NS])
        steps: FloatArray = fixed[:, np.newaxis] + spread[:, np.newaxis] * tails
        took = np.rint(steps).astype(np.int64)
        sent = self.t_ns + np.arange(count) * _SPACING_NS
        sent[1:] += np.cumsum(took.sum(axis=0))[:-1]
        self.bursts.append(np.concatenate((sent[np.newaxis], sent + np.cumsum(took, axis=0))))
        self.t_ns = int(self.bursts[-1][-1, -1]) + _COMMAND_NS


def lay_out(
    protocol: ProtocolPreset, guard_s: float, seed: int, origin_ns: int, inference_s: float
) -> Timetable:
    """Lay a protocol out in the order of a real session, from ``origin_ns`` (host) on.

    Idle, the warm-up and a guard, each run between two guards, idle; a burst of exchanges
    before and after each of these. ``inference_s`` is the mean duration of a pass.
    """
    layout = _Layout(seed=seed, inference_s=inference_s, t_ns=origin_ns)
    layout.exchange(FIRST_BURST)
    layout.idle("idle", 0, protocol.idle_s)
    layout.exchange(BURST)
    layout.busy("warm-up", 0, protocol.warm_up_limit_s)
    layout.idle("guard", 0, guard_s)
    for index in range(protocol.runs):
        layout.exchange(BURST)
        layout.idle("guard", 2 * index + 1, guard_s)
        layout.busy("run", index, protocol.run_s)
        layout.idle("guard", 2 * index + 2, guard_s)
    layout.exchange(BURST)
    layout.idle("idle", 1, protocol.idle_s)
    layout.exchange(FIRST_BURST)
    return Timetable(
        edges=Edges.of(layout.records),
        stretches=tuple(layout.stretches),
        exchanges_ns=np.concatenate(layout.bursts, axis=1),
        start_ns=origin_ns,
        stop_ns=layout.t_ns,
    )


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
            passes=stretch.done_ns.size,
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
