"""One session from resolved profiles to finished run folders and their reports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from powerlab import session
from powerlab.bench_check import check_bench, check_emulated
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.catalog.measuring_points import measuring_points, point_name
from powerlab.cli._entry import load_entry
from powerlab.cli._output import check_run_root
from powerlab.cli._plan import Outcome, Plan, Refused
from powerlab.cli._progress import View
from powerlab.cli._reporting import check_report, report_paths
from powerlab.cli._resolve import Chosen, choose, choose_bench
from powerlab.cli._wanted import Wanted
from powerlab.cli._witness import Witness
from powerlab.errors import Interrupted, TargetError
from powerlab.findings import Severity
from powerlab.job import Job, labels
from powerlab.records import Capture, Evidence, Truth
from powerlab.store.archive import run_root
from powerlab.store.calibrations import CalibrationStore
from powerlab.store.manifest import RECORDING
from powerlab.store.run_folder import RunWriter

TruthOf = Callable[[Mapping[int, int]], Truth]


def prepare(
    wanted: Wanted, *, lab: Path | None, report: Path | None, lang: str, view: View
) -> Plan:
    """Find everything that was named, and every path that will be written to.

    Raises ConfigError, SetupError or ReportError; nothing is measured or left behind then. A meter
    that the board would destroy is refused when emulated, too.
    """
    catalog = load_catalog(lab)
    chosen = choose(catalog, wanted)
    for model, volts in ((wanted.meter, False), (wanted.voltmeter, True)):
        if wanted.emulate and model is not None:
            check_emulated(chosen.device, catalog.instrument(model), volts=volts)
    points = ("",) if wanted.emulate else _points(catalog, wanted, chosen, view)
    options = tuple((runtime, batch) for runtime in chosen.runtimes for batch in chosen.batches)
    reports = report_paths(report, labels(options, points))
    for path in reports:
        check_report(path, lang)
    root = run_root(lab)
    check_run_root(root)
    return Plan(catalog, wanted, chosen, options, root, reports, lang, points=points)


def _points(catalog: Catalog, wanted: Wanted, chosen: Chosen, view: View) -> tuple[str, ...]:
    """Check the bench that was asked for and get the names of its measuring points.

    Raises SetupError for a bench that is not safe to switch on.
    """
    name, bench = choose_bench(catalog, wanted)
    for finding in check_bench(bench, chosen.device, catalog.instruments, name):
        if finding.severity is Severity.WARNING:
            view.note(f"warning: {finding.message}")
    places = measuring_points(bench)
    return tuple(map(point_name, places)) if len(places) > 1 else ("",)


def measure_all(plan: Plan, view: View, *, alone: bool = False) -> Iterator[Outcome | Refused]:
    """Measure every option in one session, on the bench that was asked for, emulated or real.

    An option that the board cannot run is told as such, and the session is begun again
    without it; a single one raises its error unless ``alone`` says that it is told as well.
    Raises whatever else stops it; what was recorded until then is kept as partial runs.
    """
    while plan.options:
        session_of = _Attempt(plan, view)
        try:
            yield from session_of.outcomes()
        except TargetError as error:
            slot = session_of.culprit(error)
            if slot is None or (len(plan.options) == 1 and not alone):
                raise
            yield Refused(plan.options[slot], error, session_of.kept(slot))
            rest = plan.options[:slot] + plan.options[slot + 1 :]
            plan = replace(plan, options=rest)
        else:
            return


class _Attempt:
    """One session of a plan's options."""

    def __init__(self, plan: Plan, view: View) -> None:
        self._plan, self._view = plan, view
        self._writers: list[RunWriter] = []
        self._witness: Witness | None = None
        self._slots: list[int] = []
        self._concluding = False

    def outcomes(self) -> Iterator[Outcome]:
        """Measure, and get the outcome of each option as it is concluded."""
        plan, writers = self._plan, self._writers
        with _bench(plan, self._view) as (name, bench, truth), _recorded(writers):
            jobs = []
            for job in _jobs(plan, name, bench):
                writer = RunWriter(
                    plan.root,
                    request=job.request(),
                    configuration=job.configuration(),
                    evidence=Evidence.EMULATED if plan.wanted.emulate else None,
                )
                writers.append(writer)
                jobs.append(replace(job, run=writer.run))
            captures = self._captures(jobs)
            self._concluding = True
            parts = zip(jobs, writers, captures, strict=True)
            for job, writer, capture in parts:
                finished = session.finish(job, capture, truth)
                writer.finish(capture, finished.result)
                yield Outcome(job, finished, writer.folder)

    def culprit(self, error: TargetError) -> int | None:
        """Get the slot of the option that the board could not run, None where it was not that."""
        if self._witness is None or self._concluding:
            return None
        number = self._witness.culprit(error)
        return None if number is None else self._slots[number]

    def kept(self, slot: int) -> Path | None:
        """Get the folder of what an option recorded, None where there was nothing to keep."""
        folder = self._writers[self._slots.index(slot)].folder
        return folder if folder.is_dir() else None

    def _captures(self, jobs: Sequence[Job]) -> Sequence[Capture]:
        self._slots = [job.slot for job in jobs]
        self._witness = Witness(self._writers, [job.label for job in jobs])
        self._view.note("preparing the model, the meter and the board")
        with self._view.live() as update:
            return session.measure(
                jobs,
                sinks=self._witness.sinks,
                progress=self._witness.watching(update),
                calibrations=CalibrationStore(self._plan.root.parent),
            )


def _jobs(plan: Plan, name: str, bench: Bench) -> Iterator[Job]:
    catalog, wanted, chosen = plan.catalog, plan.wanted, plan.chosen
    points = measuring_points(bench)
    named = labels(plan.options, plan.points)
    for (runtime, batch, place), label in zip(plan.parts, named, strict=True):
        point = points[place]
        models = [catalog.instrument(meter.model) for meter in point.meter]
        yield Job(
            run="",
            bench_name=name,
            bench=point,
            device=chosen.device,
            instrument=models[0],
            voltmeter=models[1] if len(models) > 1 else None,
            workload=chosen.workload,
            protocol=chosen.protocol,
            runtime=runtime,
            batch=batch,
            threads=wanted.threads,
            precision=wanted.precision,
            dither=wanted.dither,
            label=label,
            slot=plan.options.index((runtime, batch)),
            place=place,
            study=plan.study,
        )


@contextlib.contextmanager
def _bench(plan: Plan, view: View) -> Iterator[tuple[str, Bench, TruthOf | None]]:
    """Get the bench by name for a ``with`` block, and what tells the truth about it."""
    catalog, wanted, device = plan.catalog, plan.wanted, plan.chosen.device
    if not wanted.emulate:
        yield *choose_bench(catalog, wanted), None
        return
    emulated_bench = load_entry("powerlab.emulation", "bench")
    view.note("starting the emulated bench")
    with emulated_bench(
        catalog,
        device.id,
        wanted.meter,
        voltmeter_id=wanted.voltmeter,
        seed=wanted.seed,
        faults=wanted.faults,
        runtimes=plan.chosen.runtimes,
    ) as emulated:
        yield f"{device.id}-emulated", emulated.bench, emulated.truth


@contextlib.contextmanager
def _recorded(writers: list[RunWriter]) -> Iterator[None]:
    """Keep what was recorded as partial runs, whatever ends the block early.

    Runs without a sample are removed: there is nothing in them to look at.
    """
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as error:
        kept = _keep_partial(writers, "interrupted by the user or by a signal")
        if not kept:
            raise Interrupted(
                "interrupted before the first reading", hint="no run was kept; measure again"
            ) from error
        raise Interrupted(
            "interrupted",
            hint=_told(kept),
            context={"runs": [writer.run for writer in kept]},
        ) from error
    except BaseException as error:
        kept = _keep_partial(writers, str(error))
        if kept and not any(str(writer.folder) in str(error) for writer in kept):
            error.add_note(_told(kept))
        raise


def _keep_partial(writers: list[RunWriter], reason: str) -> list[RunWriter]:
    """Mark as partial what is not complete, and get what was kept so."""
    kept = [writer for writer in writers if writer.status == RECORDING and not writer.discard()]
    for writer in kept:
        writer.mark_partial(reason)
    return kept


def _told(kept: list[RunWriter]) -> str:
    runs = "a partial run" if len(kept) == 1 else "partial runs"
    folders = " and ".join(str(writer.folder) for writer in kept)
    return f"what was recorded is kept as {runs} in {folders}"
