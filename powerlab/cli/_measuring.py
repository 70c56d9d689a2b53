"""One session from resolved profiles to finished run folders and their reports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from powerlab import session
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import load_catalog
from powerlab.cli._entry import load_entry
from powerlab.cli._output import check_run_root
from powerlab.cli._plan import Outcome, Plan
from powerlab.cli._progress import View
from powerlab.cli._reporting import check_report, report_paths
from powerlab.cli._resolve import Wanted, choose, choose_bench
from powerlab.errors import Interrupted
from powerlab.job import Job, labels
from powerlab.records import Evidence, Truth
from powerlab.store.archive import run_root
from powerlab.store.calibrations import CalibrationStore
from powerlab.store.manifest import RECORDING
from powerlab.store.run_folder import RunWriter

TruthOf = Callable[[Mapping[int, int]], Truth]


def prepare(wanted: Wanted, *, lab: Path | None, report: Path | None, lang: str) -> Plan:
    """Find everything that was named, and every path that will be written to.

    Raises ConfigError, SetupError or ReportError; nothing is measured or left behind then.
    """
    catalog = load_catalog(lab)
    chosen = choose(catalog, wanted)
    if not wanted.emulate:
        choose_bench(catalog, wanted)
    options = tuple((runtime, batch) for runtime in chosen.runtimes for batch in wanted.batches)
    reports = report_paths(report, labels(options))
    for path in reports:
        check_report(path, lang)
    root = run_root(lab)
    check_run_root(root)
    return Plan(catalog, wanted, chosen, options, root, reports, lang)


def measure_all(plan: Plan, view: View) -> Iterator[Outcome]:
    """Measure every option in one session, on the bench that was asked for, emulated or real.

    Raises whatever stops it; what was recorded until then is kept as partial runs.
    """
    writers: list[RunWriter] = []
    with _bench(plan, view) as (name, bench, truth), _recorded(writers):
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
        view.note("preparing the model, the meter and the board")
        with view.live() as update:
            captures = session.measure(
                jobs,
                sinks=writers,
                progress=update,
                calibrations=CalibrationStore(plan.root.parent),
            )
        parts = zip(jobs, writers, captures, strict=True)
        for slot, (job, writer, capture) in enumerate(parts):
            finished = session.finish(job, capture, truth, slot)
            writer.finish(capture, finished.result)
            yield Outcome(job, finished, writer.folder)


def _jobs(plan: Plan, name: str, bench: Bench) -> Iterator[Job]:
    catalog, wanted, chosen = plan.catalog, plan.wanted, plan.chosen
    for (runtime, batch), label in zip(plan.options, labels(plan.options), strict=True):
        yield Job(
            run="",
            bench_name=name,
            bench=bench,
            device=chosen.device,
            instrument=catalog.instrument(bench.meter[0].model),
            workload=chosen.workload,
            protocol=chosen.protocol,
            runtime=runtime,
            batch=batch,
            threads=wanted.threads,
            precision=wanted.precision,
            dither=wanted.dither,
            label=label,
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
