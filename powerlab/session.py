"""One measurement session: board, meter and clocks, from set-up to results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from powerlab.acquire import Acquisition, Sink, Tee
from powerlab.agent.edges import run_tag
from powerlab.analysis.conclude import conclude
from powerlab.calibrated import Occasion, SetUp, calibrated
from powerlab.circumstances import latest_price, meter_request, roofs, timebase, wiring, work
from powerlab.conductor import Conductor, Option
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.errors import ConfigError
from powerlab.instruments.contract import open_meter
from powerlab.job import Job
from powerlab.progress import Progress, Watch
from powerlab.recipes import build_workload, cache_dir
from powerlab.records import Aligned, Capture, Result, Truth
from powerlab.store.calibrations import CalibrationStore

MAIN_FILE = {"tflite": "model.tflite", "openvino-ir": "model.xml", "command": ""}


@dataclass(frozen=True, slots=True)
class Finished:
    """A measurement brought to its end."""

    result: Result
    capture: Capture
    aligned: Aligned


def measure(
    jobs: Sequence[Job],
    *,
    sinks: Sequence[Sink],
    progress: Callable[[Progress], None],
    calibrations: CalibrationStore,
) -> tuple[Capture, ...]:
    """Measure one or several options in one session: open everything, conduct the protocol.

    Jobs have one bench, device, workload and protocol. Everything that comes in reaches the
    sink of each job at once, so a failure loses nothing. What the lab's ``calibrations`` know
    of the meter is applied and kept with each capture. Raises the family of whatever fails;
    the meter and the agent are stopped in any case. Returns a capture for each job.
    """
    first, everyone = jobs[0], Tee(sinks)
    bench, device = first.bench, first.device
    if len(bench.meter) > 1:
        raise ConfigError(
            f"the bench {first.bench_name} names {len(bench.meter)} meters; one is read so far",
            hint="keep the meter of the current, and write the volts under [bench.NAME.supply]",
        )
    models = [build_workload(job.workload, job.model_format(), cache_dir()) for job in jobs]
    with ExitStack() as stack:
        meter = stack.enter_context(closing(open_meter(first.instrument, bench.meter[0])))
        setup = meter.configure(meter_request(device))
        board = stack.enter_context(open_board(bench))
        if bench.line:
            board.open_line(bench.line)
        when = timebase()
        occasion = Occasion(first.instrument, bench, meter.identity, when.anchor_utc[:10])
        known = calibrated(calibrations, occasion, SetUp(setup, wiring(bench, device)))
        setup, circuit = known.setup, known.wiring
        everyone.event("timebase", when)
        everyone.event("wiring", circuit)
        everyone.event("meter", {"identity": meter.identity, "setup": setup})
        everyone.event("calibrations", known.channels)
        options = [
            _load(board, slot, job, files, sink, meter_emulated=meter.identity.emulated)
            for slot, (job, files, sink) in enumerate(zip(jobs, models, sinks, strict=True))
        ]
        acquisition = stack.enter_context(Acquisition(meter, setup, everyone))
        watch = stack.enter_context(
            Watch(
                protocol=first.protocol,
                wiring=circuit,
                setup=setup,
                acquisition=acquisition,
                progress=progress,
                options=len(options),
            )
        )
        conductor = Conductor(board, options, acquisition, watch, when, circuit, known.channels)
        conductor.conduct()
        trace = acquisition.finish()
    return tuple(conductor.capture(option, trace) for option in options)


def finish(
    job: Job,
    capture: Capture,
    truth: Callable[[Mapping[int, int]], Truth] | None = None,
    slot: int = 0,
) -> Finished:
    """Conclude a capture and, under emulation, join the truth to the frozen result.

    ``truth`` is asked only after the result is frozen, for the runs of a job by their tags on
    the board, whose ``slot`` is the job's place in its session.
    """
    result, aligned = conclude(
        capture, run=job.run, request=job.request(), price=latest_price(job.device)
    )
    if truth is not None:
        counted = {run_tag(slot, run.index): run.inferences for run in result.runs}
        result = replace(result, truth=truth(counted))
    return Finished(result, capture, aligned)


def _load(
    board: BoardLink,
    slot: int,
    job: Job,
    files: Mapping[str, Path],
    sink: Sink,
    *,
    meter_emulated: bool,
) -> Option:
    """Load the model of a job, and say what could be possible at all where speed is real."""
    target = board.load(
        files,
        main=MAIN_FILE[job.model_format()],
        runtime=job.runtime,
        threads=job.threads,
        batch=job.batch,
        slot=slot,
        command=job.workload.command if job.runtime == "command" else (),
    )
    sink.event("target", target)
    sink.event("batch", job.batch)
    option = Option(job, slot, target, sink)
    if not (target.emulated or meter_emulated):
        option.work = work(job.workload, job.batch)
        option.roofs = roofs(job.device, job.workload.precision)
        sink.event("work", option.work)
        sink.event("roofs", option.roofs)
    return option
