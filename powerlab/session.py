"""The conductor of one measurement: board, meter and clocks, from set-up to result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

import numpy as np

from powerlab.acquire import Acquisition, Sink
from powerlab.analysis.align import align
from powerlab.analysis.codes import MarkerPlan, plan_marker
from powerlab.analysis.conclude import conclude
from powerlab.analysis.estimate import estimate, first_stage_plan
from powerlab.analysis.precision import Unreachable
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.workload_profile import ProtocolPreset, WorkloadProfile
from powerlab.circumstances import latest_price, timebase, wiring
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.errors import ConfigError
from powerlab.instruments.contract import MeterRequest, open_meter
from powerlab.progress import Progress, Watch
from powerlab.recipes import build_workload, cache_dir
from powerlab.records import (
    Aligned,
    Capture,
    ClockExchanges,
    MeterTrace,
    Phase,
    Request,
    Result,
    TargetFacts,
    Truth,
)
from powerlab.units import NS_PER_S, now_ns

PEAK_MARGIN = 1.5
"""The meter's range carries this many times the profile's active current."""

FIRST_BURST, BURST = 200, 60
"""Clock exchanges before the first phase, and between any two runs."""

MAIN_FILE = {"tflite": "model.tflite", "openvino-ir": "model.xml"}


@dataclass(frozen=True, slots=True)
class Finished:
    """A measurement brought to its end."""

    result: Result
    capture: Capture
    aligned: Aligned


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that one measurement needs to know before it starts.

    ``precision`` is the relative U wanted of the energy per inference: the protocol's runs
    are then a first stage that fixes their number. 0 keeps to the protocol's.
    """

    run: str
    bench_name: str
    bench: Bench
    device: DeviceProfile
    instrument: InstrumentProfile
    workload: WorkloadProfile
    protocol: ProtocolPreset
    runtime: str
    batch: int
    threads: int
    precision: float = 0.0

    def request(self) -> Request:
        """Get what was asked for, as the result records it."""
        return Request(
            device=self.device.id,
            bench=self.bench_name,
            instrument=self.instrument.id,
            workload=self.workload.id,
            runtime=self.runtime,
            batch=self.batch,
            threads=self.threads,
            protocol=self.protocol.id,
        )


def measure(
    job: Job,
    *,
    sink: Sink,
    progress: Callable[[Progress], None],
    truth: Callable[[Mapping[int, int]], Truth] | None = None,
) -> Finished:
    """Measure once: open everything, conduct the protocol, conclude.

    Everything that comes in reaches ``sink`` at once, so a failure loses nothing.
    Raises the family of whatever fails; the meter and the agent are stopped in any case.
    ``truth`` is asked only after the result is frozen.
    """
    if len(job.bench.meter) > 1:
        raise ConfigError(
            f"the bench {job.bench_name} names {len(job.bench.meter)} meters; one is read so far",
            hint="keep the meter of the current, and write the volts under [bench.NAME.supply]",
        )
    format_ = _model_format(job)
    files = build_workload(job.workload, format_, cache_dir())
    with ExitStack() as stack:
        meter = stack.enter_context(closing(open_meter(job.instrument, job.bench.meter[0])))
        setup = meter.configure(MeterRequest(expected_peak_a=_expected_peak_a(job.device)))
        board = stack.enter_context(open_board(job.bench))
        target = board.load(
            files,
            main=MAIN_FILE[format_],
            runtime=job.runtime,
            threads=job.threads,
            batch=job.batch,
        )
        sink.event("meter", {"identity": meter.identity, "setup": setup})
        sink.event("target", target)
        acquisition = stack.enter_context(Acquisition(meter, setup, sink))
        watch = stack.enter_context(
            Watch(
                protocol=job.protocol,
                wiring=wiring(job.bench, job.device),
                setup=setup,
                acquisition=acquisition,
                progress=progress,
            )
        )
        conductor = _Conductor(job, board, target, acquisition, sink, watch)
        conductor.conduct()
        trace = acquisition.finish()
    return finish(job, conductor.capture(trace), truth)


def finish(
    job: Job, capture: Capture, truth: Callable[[Mapping[int, int]], Truth] | None
) -> Finished:
    """Conclude a capture and, under emulation, join the truth to the frozen result."""
    result, aligned = conclude(
        capture, run=job.run, request=job.request(), price=latest_price(job.device)
    )
    if truth is not None:
        counted = {run.index: run.inferences for run in result.runs}
        result = replace(result, truth=truth(counted))
    return Finished(result, capture, aligned)


@dataclass
class _Conductor:
    """Walks the board through the protocol, with clock exchanges between its phases."""

    job: Job
    board: BoardLink
    target: TargetFacts
    acquisition: Acquisition
    sink: Sink
    watch: Watch
    phases: list[Phase] = field(default_factory=list)
    bursts: list[ClockExchanges] = field(default_factory=list)

    def conduct(self) -> None:
        """Idle, warm up, run and idle again; every phase is recorded as it ends."""
        protocol = self.job.protocol
        self._exchange(FIRST_BURST)
        self._idle("idle", 0, protocol.idle_s)
        self._exchange(BURST)
        self.watch.enter("warm-up", 0, 1)
        warm = self._keep(self.board.warm_up(protocol.warm_up_limit_s))
        self._idle("guard", 0, self.watch.guard_s)
        pace_s = pass_duration_s(warm)
        passes = max(1, math.ceil(protocol.run_s / pace_s))
        marker = self._plan_marker(pace_s)
        self._draw(0, marker)
        self._run_all(range(protocol.runs), passes)
        self._run_all(range(protocol.runs, self._runs_in_all()), passes)
        self._draw(1, marker)
        self._exchange(BURST)
        self._idle("idle", 1, protocol.idle_s)
        self._exchange(FIRST_BURST)
        self.acquisition.wait_until(now_ns())

    def _run_all(self, indices: range, passes: int) -> None:
        for index in indices:
            self._exchange(BURST)
            self._run(index, indices.stop, passes)

    def _runs_in_all(self) -> int:
        """Fix the number of runs, once, by the runs so far and the precision asked for."""
        runs = self.job.protocol.runs
        if not self.job.precision:
            return runs
        self.acquisition.wait_until(now_ns())
        capture = self.capture(self.acquisition.so_far())
        done = estimate(capture, align(capture))
        plan = first_stage_plan(done, runs, self.job.precision)
        self.sink.event("first_stage", runs)
        self.sink.event("precision", self.job.precision)
        if isinstance(plan, Unreachable):
            return runs
        self.watch.more_runs(plan.runs - runs)
        return plan.runs

    def _run(self, index: int, count: int, passes: int) -> None:
        self.watch.enter("run", index, count)
        deadline_s = 4 * self.job.protocol.run_s + 30
        for phase in self.board.run(index, passes, deadline_s, self.watch.guard_s):
            self._keep(phase)

    def _plan_marker(self, pace_s: float) -> MarkerPlan | None:
        """Plan a marker that this meter can see and this workload can draw, if there is one."""
        budget_s = self.job.protocol.marker_s
        setup = self.acquisition.setup
        if not budget_s:
            return None
        return plan_marker(
            setup.interval_s, setup.aperture_s, budget_s=budget_s, shortest_chip_s=3 * pace_s
        )

    def _draw(self, index: int, plan: MarkerPlan | None) -> None:
        if plan is None:
            return
        self._exchange(BURST)
        self.watch.enter("marker", index, 2)
        self._keep(self.board.draw(index, plan.levels, plan.chip_s))
        # The runs' guards count up from 1, and how many there will be is not known yet.
        self._idle("guard", -1 - index, self.watch.guard_s)

    def _idle(self, kind: str, index: int, duration_s: float) -> None:
        if kind == "idle":
            self.watch.enter(kind, index, 2)
        phase = self.board.idle(duration_s, index)
        self._keep(replace(phase, kind=kind))

    def _keep(self, phase: Phase) -> Phase:
        self.acquisition.check()
        self.phases.append(phase)
        self.sink.event("phase", phase)
        return phase

    def _exchange(self, count: int) -> None:
        burst = self.board.exchange_clocks(count)
        self.bursts.append(burst)
        self.sink.event("exchanges", burst)

    def capture(self, trace: MeterTrace) -> Capture:
        """Get everything recorded so far, with the meter's trace up to now."""
        job = self.job
        return Capture(
            timebase=timebase(),
            trace=trace,
            exchanges=self.exchanges(),
            phases=tuple(self.phases),
            wiring=wiring(job.bench, job.device),
            target=self.target,
            batch=job.batch,
            first_stage=job.protocol.runs if job.precision else 0,
            precision=job.precision,
        )

    def exchanges(self) -> ClockExchanges:
        """Get all bursts joined."""
        return ClockExchanges(
            t1_ns=np.concatenate([burst.t1_ns for burst in self.bursts]),
            t2_board_ns=np.concatenate([burst.t2_board_ns for burst in self.bursts]),
            t3_board_ns=np.concatenate([burst.t3_board_ns for burst in self.bursts]),
            t4_ns=np.concatenate([burst.t4_ns for burst in self.bursts]),
        )


def pass_duration_s(warm_up: Phase) -> float:
    """Get how long a pass takes, from the second half of the warm-up."""
    stamps = np.concatenate(([warm_up.start_board_ns], warm_up.done_board_ns))
    late = stamps[len(stamps) // 2 :] if len(stamps) > 3 else stamps
    return max(float(late[-1] - late[0]), 1.0) / NS_PER_S / max(len(late) - 1, 1)


def _model_format(job: Job) -> str:
    """Get the file format that the runtime loads, or say which runtimes the workload has."""
    chosen = job.workload.formats.get(job.runtime)
    if chosen is None:
        known = ", ".join(sorted(job.workload.formats))
        raise ConfigError(
            f"{job.workload.name} has no file for the runtime {job.runtime}",
            hint=f"choose one of --runtime {known}",
        )
    return chosen


def _expected_peak_a(device: DeviceProfile) -> float:
    power = device.power
    return PEAK_MARGIN * power.active_w.value / power.supply_voltage_v.value
