"""Walks the board through the protocol: idle, warm-up, runs and idle again.

Clocks are exchanged, and the board's telemetry is read, between phases and never inside one.
Several options share one session: each is warmed up, then their runs follow in randomised
complete blocks, every option once in each, so that whatever drifts meets all of them alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from powerlab.acquire import Acquisition, Meters, Sink, Tee
from powerlab.agent.edges import CAPACITY
from powerlab.analysis.align import align
from powerlab.analysis.codes import MarkerPlan, plan_marker
from powerlab.analysis.estimate import estimate, first_stage_plan
from powerlab.analysis.joined import joined
from powerlab.analysis.precision import MOST_RUNS, RunPlan, Unreachable
from powerlab.analysis.warm import warm_up_state
from powerlab.devices.link import BoardLink
from powerlab.job import Job
from powerlab.pacing import (
    Pauses,
    pass_duration_s,
    passes_in,
    plan_pauses,
    randomised_blocks,
    run_deadline_s,
)
from powerlab.progress import Watch
from powerlab.records import (
    Capture,
    ClockExchanges,
    MeterTrace,
    Phase,
    Roofs,
    TargetFacts,
    Telemetry,
    Timebase,
    Wiring,
    Work,
)
from powerlab.units import now_ns, seconds

FIRST_BURST, BURST = 200, 60
"""Clock exchanges before the first phase, and between any two runs."""

WARM_UP_SLICES = 4
"""A warm-up is looked at after each part but the first; it ends as soon as it is steady."""

EDGES_FOR_PAUSES = 3 * CAPACITY // 4


@dataclass
class Option:
    """One of the options of a session, loaded into a slot of the agent.

    ``phases`` is the session as this option sees it: what the others do is of kind "other".
    ``work`` and ``roofs`` are None where the speed is not the device's own.
    """

    job: Job
    slot: int
    target: TargetFacts
    sink: Sink
    work: Work | None = None
    roofs: Roofs | None = None
    phases: list[Phase] = field(default_factory=list)
    passes: int = 1
    deadline_s: float = 30.0
    pauses: Pauses | None = None

    def keep(self, phase: Phase) -> None:
        """Record a phase; those that belong to no run of a number are counted as they come."""
        if phase.kind in ("guard", "other", "warm-up"):
            before = sum(1 for earlier in self.phases if earlier.kind == phase.kind)
            phase = replace(phase, index=before)
        self.phases.append(phase)
        self.sink.event("phase", phase)


@dataclass
class Conductor:
    """Walks one board through the protocol that all options share.

    ``seen`` makes of a capture what the decisions on the way go by.
    """

    board: BoardLink
    options: Sequence[Option]
    acquisition: Acquisition | Meters
    watch: Watch
    timebase: Timebase
    wiring: Wiring
    seen: Callable[[Capture], Capture] = joined
    bursts: list[ClockExchanges] = field(default_factory=list)
    telemetry: list[Telemetry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.protocol = self.options[0].job.protocol
        self._everyone = Tee([option.sink for option in self.options])

    def conduct(self) -> None:
        """Idle, warm up, run and idle again; every phase is recorded as it ends."""
        self._exchange(FIRST_BURST)
        self._idle(0)
        paces_s = [self._warm_up(option) for option in self.options]
        quickest = int(np.argmin(paces_s))
        marker = self._plan_marker(paces_s[quickest])
        self._draw(0, marker, self.options[quickest])
        first = range(self.protocol.runs)
        self._run_all({option.slot: first for option in self.options})
        self._run_all(self._further_runs())
        self._draw(1, marker, self.options[quickest])
        self._exchange(BURST)
        self._idle(1)
        self._exchange(FIRST_BURST)
        self.acquisition.wait_until(now_ns())

    # --- phases --------------------------------------------------------------------------

    def _idle(self, index: int) -> None:
        self.watch.enter("idle", index, 2)
        self._keep(self.board.idle(self.protocol.idle_s, index))

    def _guard(self) -> None:
        self._keep(replace(self.board.idle(self.watch.guard_s, 0), kind="guard"))

    def _warm_up(self, option: Option) -> float:
        """Warm up until the second half is steady or the limit is reached; plan the runs.

        Returns how long a pass takes, in seconds.
        """
        self._exchange(BURST)
        self.watch.enter("warm-up", option.slot, len(self.options), option.job.label)
        limit_s = self.protocol.warm_up_limit_s
        slices: list[Phase] = []
        left_s = limit_s
        while left_s > 0 and not (len(slices) > 1 and self._is_warm(option)):
            slices.append(
                self.board.warm_up(min(limit_s / WARM_UP_SLICES, left_s), slot=option.slot)
            )
            self._keep(slices[-1], option)
            left_s -= seconds(slices[-1].stop_board_ns - slices[-1].start_board_ns)
        self._guard()
        pace_s = pass_duration_s(slices)
        if option.job.dither:
            option.pauses = self._plan_pauses(pace_s)
            option.sink.event("dither", option.pauses)
        option.passes = passes_in(self.protocol, pace_s, option.pauses, option.job.batch)
        option.deadline_s = run_deadline_s(self.protocol, option.passes, pace_s)
        return pace_s

    def _is_warm(self, option: Option) -> bool:
        """Tell whether the second half of the warm-up so far was steady.

        The meter is not waited for: that would let the board cool down again.
        """
        capture = self.seen(self.capture(option, self.acquisition.so_far()))
        return warm_up_state(capture, align(capture)).steady_since_ns is not None

    def _plan_pauses(self, pace_s: float) -> Pauses:
        most = MOST_RUNS if self.options[0].job.precision else self.protocol.runs
        runs = most * len(self.options)
        return plan_pauses(
            pace_s,
            self.acquisition.setup.interval_s,
            run_s=self.protocol.run_s,
            most=EDGES_FOR_PAUSES // 2 // runs,
        )

    def _plan_marker(self, pace_s: float) -> MarkerPlan | None:
        """Plan a marker that this meter can see and this workload can draw, if there is one."""
        budget_s = self.protocol.marker_s
        setup = self.acquisition.setup
        chosen_by = [one.target.environment.get("inferences_chosen_by") for one in self.options]
        if not budget_s or "the program" in chosen_by:
            return None
        return plan_marker(
            setup.interval_s, setup.aperture_s, budget_s=budget_s, shortest_chip_s=3 * pace_s
        )

    def _draw(self, index: int, plan: MarkerPlan | None, option: Option) -> None:
        if plan is None:
            return
        self._exchange(BURST)
        self.watch.enter("marker", index, 2)
        self._keep(self.board.draw(index, plan.levels, plan.chip_s, slot=option.slot))
        self._guard()

    # --- runs ----------------------------------------------------------------------------

    def _run_all(self, wanted: Mapping[int, range]) -> None:
        """Make the runs of these indices, by slot, in randomised blocks."""
        order = randomised_blocks(wanted, random.SystemRandom())
        if len(self.options) > 1 and order:
            runs = [[self.options[slot].job.run, index] for slot, index in order]
            self._everyone.event("order", runs)
        done = sum(runs.start for runs in wanted.values())
        for number, (slot, index) in enumerate(order, start=done):
            begun_ns = now_ns()
            self._exchange(BURST)
            self._run(self.options[slot], index, number, done + len(order))
            self.watch.took(seconds(now_ns() - begun_ns))

    def _run(self, option: Option, index: int, number: int, count: int) -> None:
        self.watch.enter("run", number, count, option.job.label)
        pauses = option.pauses or Pauses(0.0, 1)
        for phase in self.board.run(
            index,
            option.passes,
            option.deadline_s,
            self.watch.guard_s,
            slot=option.slot,
            dither_s=pauses.longest_s,
            dither_every=pauses.every,
        ):
            self._keep(phase, option)

    def _further_runs(self) -> dict[int, range]:
        """Fix the number of runs of each option, once, and get those still to be made.

        By the runs so far and the precision asked for; one out of reach gets no more.
        """
        first, target = self.protocol.runs, self.options[0].job.precision
        if not target:
            return {}
        self.acquisition.wait_until(now_ns())
        trace = self.acquisition.so_far()
        wanted, notes = {}, []
        for option in self.options:
            capture = self.seen(self.capture(option, trace))
            plan = first_stage_plan(estimate(capture, align(capture)), first, target)
            option.sink.event("first_stage", first)
            option.sink.event("precision", target)
            runs = first if isinstance(plan, Unreachable) else plan.runs
            wanted[option.slot] = range(first, runs)
            notes.append(_plan_text(plan, target, option.job.label))
        self.watch.more_runs(sum(map(len, wanted.values())))
        self.watch.say("; ".join(notes) + f"; about {_duration(self.watch.remaining_s())} more")
        return wanted

    # --- what is recorded ----------------------------------------------------------------

    def _keep(self, phase: Phase, owner: Option | None = None) -> None:
        """Record a phase of all options, or of one of them, which is "other" to the rest."""
        self.acquisition.check()
        for option in self.options:
            own = owner in (None, option) or phase.kind == "guard"
            option.keep(phase if own else replace(phase, kind="other"))

    def _exchange(self, count: int) -> None:
        """Exchange clocks, then read the board's telemetry."""
        burst = self.board.exchange_clocks(count)
        self.bursts.append(burst)
        self._everyone.event("exchanges", burst)
        told = self.board.telemetry()
        self.telemetry.append(told)
        self._everyone.event("telemetry", told)

    def capture(self, option: Option, trace: MeterTrace) -> Capture:
        """Get everything recorded so far of an option, with the meter's trace up to now."""
        job = option.job
        return Capture(
            timebase=self.timebase,
            trace=trace,
            exchanges=self.exchanges(),
            phases=tuple(option.phases),
            wiring=self.wiring,
            target=option.target,
            batch=job.batch,
            first_stage=self.protocol.runs if job.precision else 0,
            precision=job.precision,
            telemetry=tuple(self.telemetry),
            work=option.work,
            roofs=option.roofs,
            scenario=job.scenario(),
        )

    def exchanges(self) -> ClockExchanges:
        """Get all bursts joined."""
        return ClockExchanges(
            t1_ns=np.concatenate([burst.t1_ns for burst in self.bursts]),
            t2_board_ns=np.concatenate([burst.t2_board_ns for burst in self.bursts]),
            t3_board_ns=np.concatenate([burst.t3_board_ns for burst in self.bursts]),
            t4_ns=np.concatenate([burst.t4_ns for burst in self.bursts]),
        )


def _plan_text(plan: RunPlan | Unreachable, target: float, label: str) -> str:
    """Get in words what the first runs decided."""
    wanted, whose = f"U ≤ {100 * target:g} %", f" of {label}" if label else ""
    if isinstance(plan, Unreachable):
        best = f"{plan.term} leaves {100 * plan.best_relative_u:.2g} %"
        reach = f"{wanted}{whose} is out of reach: even after {MOST_RUNS} runs, {best}"
        return f"{reach}. No further runs; to get there, {plan.remedy}"
    return f"{plan.runs} runs in all{whose} for {wanted}"


def _duration(length_s: float) -> str:
    """Get a time to wait in words, to 5 s beyond the first minute."""
    if length_s < 60:
        return f"{length_s:.0f} s"
    minutes, rest_s = divmod(5 * round(length_s / 5), 60)
    return f"{minutes} min {rest_s} s" if rest_s else f"{minutes} min"
