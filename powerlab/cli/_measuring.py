"""One measurement from resolved profiles to a finished run folder and its report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from powerlab import session
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.circumstances import timebase, wiring
from powerlab.cli._entry import load_entry
from powerlab.cli._output import check_run_root
from powerlab.cli._plan import Outcome, Plan
from powerlab.cli._progress import View
from powerlab.cli._reporting import check_report, report_paths
from powerlab.cli._resolve import Chosen, Wanted, choose, choose_bench
from powerlab.errors import Interrupted
from powerlab.records import Evidence, Truth
from powerlab.session import Job
from powerlab.store.archive import run_root
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
    reports = report_paths(report, wanted.batches)
    for path in reports.values():
        check_report(path, lang)
    root = run_root(lab)
    check_run_root(root)
    return Plan(catalog, wanted, chosen, root, reports, lang)


def measure_all(plan: Plan, view: View) -> Iterator[Outcome]:
    """Measure at each batch size, on the bench that was asked for, emulated or real.

    Raises whatever stops it; what was recorded until then is kept as a partial run.
    """
    for batch in plan.wanted.batches:
        yield _measure_once(plan, batch, view)


def _measure_once(plan: Plan, batch: int, view: View) -> Outcome:
    catalog, wanted, chosen = plan.catalog, plan.wanted, plan.chosen
    with _bench(catalog, wanted, chosen, view) as (name, bench, truth):
        job = Job(
            run="",
            bench_name=name,
            bench=bench,
            device=chosen.device,
            instrument=catalog.instrument(bench.meter[0].model),
            workload=chosen.workload,
            protocol=chosen.protocol,
            runtime=chosen.runtime,
            batch=batch,
            threads=wanted.threads,
            precision=wanted.precision,
        )
        writer = RunWriter(
            plan.root,
            request=job.request(),
            configuration=configuration(job),
            evidence=Evidence.EMULATED if wanted.emulate else None,
        )
        job = replace(job, run=writer.run)
        with _recorded(writer):
            writer.event("timebase", timebase())
            writer.event("wiring", wiring(bench, chosen.device))
            writer.event("batch", batch)
            view.note("preparing the model, the meter and the board")
            with view.live() as update:
                finished = session.measure(job, sink=writer, progress=update, truth=truth)
            writer.finish(finished.capture, finished.result)
    return Outcome(job, finished, writer.folder)


def configuration(job: Job) -> dict[str, object]:
    """Get the bench and the profiles of a job as plain values, to be kept with its run."""
    parts = {
        "bench": job.bench,
        "device": job.device,
        "instrument": job.instrument,
        "workload": job.workload,
        "protocol": job.protocol,
    }
    return {name: part.model_dump(mode="json", by_alias=True) for name, part in parts.items()}


@contextlib.contextmanager
def _bench(
    catalog: Catalog, wanted: Wanted, chosen: Chosen, view: View
) -> Iterator[tuple[str, Bench, TruthOf | None]]:
    """Get the bench by name for a ``with`` block, and what tells the truth about it."""
    if not wanted.emulate:
        yield *choose_bench(catalog, wanted), None
        return
    emulated_bench = load_entry("powerlab.emulation", "bench")
    view.note("starting the emulated bench")
    with emulated_bench(
        catalog,
        chosen.device.id,
        wanted.meter,
        seed=wanted.seed,
        faults=wanted.faults,
        runtime=chosen.runtime,
    ) as emulated:
        yield f"{chosen.device.id}-emulated", emulated.bench, emulated.truth


@contextlib.contextmanager
def _recorded(writer: RunWriter) -> Iterator[None]:
    """Keep what was recorded as a partial run, whatever ends the block early.

    A run without a sample is removed: there is nothing in it to look at.
    """
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as error:
        if writer.discard():
            raise Interrupted(
                "interrupted before the first reading", hint="no run was kept; measure again"
            ) from error
        writer.mark_partial("interrupted by the user or by a signal")
        raise Interrupted(
            "interrupted",
            hint=f"what was recorded is kept as a partial run in {writer.folder}",
            context={"run": writer.run},
        ) from error
    except BaseException as error:
        if not writer.discard():
            writer.mark_partial(str(error))
            if str(writer.folder) not in str(error):
                error.add_note(f"what was recorded is kept as a partial run in {writer.folder}")
        raise
