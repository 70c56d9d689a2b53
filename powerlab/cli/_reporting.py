"""What a report needs before and after a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powerlab.cli._output import check_output_file
from powerlab.errors import ConfigError, PowerlabError, ProfileError
from powerlab.store.archive import StoredRun
from powerlab.store.manifest import versions
from powerlab.store.run_folder import attach
from powerlab.store.verifiable import verifiable_files

if TYPE_CHECKING:
    from powerlab.cli._plan import Outcome, Plan
    from powerlab.cli._progress import View

SAMPLE = {"en": "energy", "zh": "能耗"}


def check_report(path: Path, lang: str, option: str = "--report") -> None:
    """Make sure that a report can be written, before anything is measured.

    Raises ConfigError or SetupError for the path, SetupError or ReportError for a library
    or a font that is missing.
    """
    if path.suffix.lower() != ".pdf" and not path.is_dir():
        raise ConfigError(
            f"{option} {path} does not end in .pdf, and a report is a PDF",
            hint=f"write {option} {path.with_suffix('.pdf') if path.name else 'report.pdf'}",
        )
    check_output_file(path, option)
    from powerlab.report.fonts import choose_fonts  # noqa: PLC0415  seconds to import
    from powerlab.report.pdf import load_weasyprint  # noqa: PLC0415

    load_weasyprint()
    choose_fonts(SAMPLE[lang])


def report_paths(report: Path | None, labels: Sequence[str]) -> tuple[Path, ...]:
    """Get where reports go, by option: of several, ``report.pdf`` is ``report-batch-2.pdf``."""
    if report is None:
        return ()
    ends = ["".join(f"-{word}" for word in label.replace(",", "").split()) for label in labels]
    return tuple(report.parent / f"{report.stem}{end}{report.suffix}" for end in ends)


def write_reports(plan: Plan, outcomes: Sequence[Outcome], view: View) -> Iterator[Path]:
    """Write the report of each measurement, add it to its run folder, and get its path.

    Raises what ``write_report`` raises; the measurement itself is complete by then.
    """
    if not plan.reports:
        return
    from powerlab.report.write import write_report  # noqa: PLC0415  seconds to import

    for outcome, path in zip(outcomes, plan.reports, strict=False):
        finished, job = outcome.finished, outcome.job
        view.note("writing the report")
        try:
            write_report(
                path,
                result=finished.result,
                capture=finished.capture,
                aligned=finished.aligned,
                device=job.device,
                instrument=job.instrument,
                workload=job.workload,
                protocol=job.protocol,
                lang=plan.lang,
                versions=versions(),
                kept=verifiable_files(outcome.folder),
            )
        except PowerlabError as error:
            error.add_note(
                f"the measurement is complete and kept in {outcome.folder}; "
                f"`powerlab report {job.run} -o {path}` tries again"
            )
            raise
        attach(outcome.folder, "report.pdf", path)
        yield path


def write_stored_report(stored: StoredRun, path: Path, lang: str) -> None:
    """Write the report of a stored run from what its own folder holds.

    Raises ConfigError for a run that has no result, and what ``write_report`` raises.
    """
    from powerlab.analysis.align import align  # noqa: PLC0415
    from powerlab.catalog.device_profile import DeviceProfile  # noqa: PLC0415
    from powerlab.catalog.instrument_profile import InstrumentProfile  # noqa: PLC0415
    from powerlab.catalog.protocol_preset import ProtocolPreset  # noqa: PLC0415
    from powerlab.catalog.workload_profile import WorkloadProfile  # noqa: PLC0415
    from powerlab.records import Evidence  # noqa: PLC0415
    from powerlab.report.write import write_report  # noqa: PLC0415

    run = stored.manifest["run"]
    if stored.result is None or stored.capture is None:
        raise ConfigError(
            f"the run {run} is {stored.manifest['status']} and has no result to report",
            hint="measure again; `powerlab results list` shows the complete runs",
        )
    if stored.changed:
        raise ConfigError(
            f"the run {run} is not as it was written: {', '.join(stored.changed)} changed",
            hint="restore it from a copy; a report of changed data would not be evidence",
        )
    if stored.result.evidence is Evidence.IMPORTED:
        raise ConfigError(
            f"the run {run} was imported: another tool measured it, it has no report of its own",
            hint="`powerlab results show` prints it, `powerlab report --plan` compares it",
        )
    kept: Mapping[str, Any] = stored.manifest["configuration"]
    write_report(
        path,
        result=stored.result,
        capture=stored.capture,
        aligned=align(stored.capture),
        device=kept_profile(DeviceProfile, kept, "device"),
        instrument=kept_profile(InstrumentProfile, kept, "instrument"),
        workload=kept_profile(WorkloadProfile, kept, "workload"),
        protocol=kept_profile(ProtocolPreset, kept, "protocol"),
        lang=lang,
        versions=stored.manifest["versions"],
        kept=verifiable_files(stored.folder),
    )


def kept_profile(model: Any, kept: Mapping[str, Any], name: str) -> Any:
    """Read a profile that was kept with the run, strict as if from its own file.

    Raises ProfileError.
    """
    from powerlab.catalog.reading import check  # noqa: PLC0415

    profile, problems = check(model, kept.get(name, {}), Path("run.json"))
    if profile is None:
        raise ProfileError(
            problems, hint="report the run with the version of powerlab that measured it"
        )
    return profile
