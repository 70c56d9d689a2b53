"""One measurement session: board, meter and clocks, from set-up to results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from powerlab.acquire import Meters, Sink, Tee
from powerlab.agent.edges import run_tag
from powerlab.analysis.conclude import conclude
from powerlab.analysis.joined import joined
from powerlab.catalog.tools import TOOL_FORMATS
from powerlab.circumstances import latest_price, roofs, timebase, work
from powerlab.conductor import Conductor, Option
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.job import Job
from powerlab.progress import Progress, Watch
from powerlab.recipes import build_workload, cache_dir, main_file
from powerlab.recipes.counted import counted
from powerlab.records import Aligned, Capture, Result, Truth
from powerlab.station import Known, open_station
from powerlab.store.calibrations import CalibrationStore


@dataclass(frozen=True, slots=True)
class Finished:
    """A measurement brought to its end; ``capture`` is what the result was concluded from."""

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

    Jobs have one board, workload and protocol. Those of one ``slot`` are one option as each
    measuring point of the bench sees it. Everything that comes in reaches the sink of each job
    at once, so a failure loses nothing. What the lab's ``calibrations`` know of the meters is
    applied and kept with each capture. Raises the family of whatever fails; meters and agent
    are stopped in any case. Returns a capture for each job.
    """
    first, everyone = jobs[0], Tee(sinks)
    with ExitStack() as stack:
        when = timebase()
        known = Known(calibrations, when.anchor_utc[:10])
        places, slots = (_grouped(jobs, sinks, by) for by in ("place", "slot"))
        models = {
            slot: build_workload(own[0].workload, own[0].model_format(), cache_dir())
            for slot, (own, _) in slots.items()
        }
        everyone.event("timebase", when)
        stations = {
            place: open_station(own[0], Tee(told), stack, known)
            for place, (own, told) in places.items()
        }
        board = stack.enter_context(open_board(first.bench))
        if first.bench.line:
            board.open_line(first.bench.line)
        everyone.event("board", board.hello())
        emulated = any(station.emulated for station in stations.values())
        options = {
            slot: _load(board, own[0], models[slot], Tee(told), meter_emulated=emulated)
            for slot, (own, told) in slots.items()
        }
        meters = [meter for station in stations.values() for meter in station.meters]
        for meter in reversed(meters):  # a voltmeter reads before the ammeter that it serves
            stack.enter_context(meter)
        main, pace = stations[first.place], Meters(meters)
        watch = stack.enter_context(
            Watch(
                protocol=first.protocol,
                wiring=main.wiring,
                setup=pace.setup,
                acquisition=pace,
                progress=progress,
                options=len(options),
            )
        )
        conductor = Conductor(
            board,
            tuple(options.values()),
            pace,
            watch,
            when,
            main.wiring,
            seen=lambda capture: joined(main.seen(capture, main.so_far())),
        )
        conductor.conduct()
        read = {place: station.finish() for place, station in stations.items()}
        return tuple(
            stations[job.place].seen(
                conductor.capture(options[job.slot], read[job.place][0]), read[job.place]
            )
            for job in jobs
        )


def _grouped(
    jobs: Sequence[Job], sinks: Sequence[Sink], by: str
) -> dict[int, tuple[list[Job], list[Sink]]]:
    """Sort jobs and their sinks by a number that they carry, in order of appearance."""
    groups: dict[int, tuple[list[Job], list[Sink]]] = {}
    for job, sink in zip(jobs, sinks, strict=True):
        own, told = groups.setdefault(getattr(job, by), ([], []))
        own.append(job)
        told.append(sink)
    return groups


def finish(
    job: Job,
    capture: Capture,
    truth: Callable[[Mapping[int, int]], Truth] | None = None,
) -> Finished:
    """Conclude a capture and, under emulation, join the truth to the frozen result.

    ``truth`` is asked only after the result is frozen, for the runs of a job by their tags on
    the board.
    """
    result, aligned = conclude(
        capture, run=job.run, request=job.request(), price=latest_price(job.device)
    )
    if truth is not None:
        counted = {run_tag(job.slot, run.index): run.inferences for run in result.runs}
        result = replace(result, truth=truth(counted))
    return Finished(result, joined(capture), aligned)


def _load(
    board: BoardLink,
    job: Job,
    files: Mapping[str, Path],
    sink: Sink,
    *,
    meter_emulated: bool,
) -> Option:
    """Load the model of a job, and say what could be possible at all where speed is real."""
    target = board.load(
        files,
        main=main_file(files),
        runtime=job.runtime,
        threads=job.threads,
        batch=job.batch,
        slot=job.slot,
        command=job.workload.command if job.runtime in ("command", *TOOL_FORMATS) else (),
        queries=job.queries(),
    )
    sink.event("target", target)
    sink.event("batch", job.batch)
    sink.event("scenario", job.scenario())
    option = Option(job, job.slot, target, sink)
    if not (target.emulated or meter_emulated):
        found = counted(job.workload, cache_dir())
        option.work = found.least_work(job.batch) if found else work(job.workload, job.batch)
        option.roofs = roofs(job.device, job.workload.precision, job.runtime)
        sink.event("work", option.work)
        sink.event("roofs", option.roofs)
    return option
