"""The report of a procurement: what stands behind its runs, collected and handed on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from powerlab.catalog.layers import lab_layers
from powerlab.cli._procuring import Procured
from powerlab.store.archive import StoredRun
from powerlab.store.manifest import versions
from powerlab.store.verifiable import VERIFIABLE, verifiable_files
from powerlab.units import NS_PER_S

if TYPE_CHECKING:
    from powerlab.records import Aligned, Capture, Result
    from powerlab.report.procurement import PowerOverTime, Roof, RunEvidence


def write_report(done: Procured, path: Path, lang: str, lab: Path | None) -> None:
    """Write the report; raises what ``write_procurement`` raises."""
    from powerlab.report.procurement import (  # noqa: PLC0415  seconds to import
        ProcurementEvidence,
        write_procurement,
    )

    evidence = ProcurementEvidence(
        plan_name=done.path.name,
        plan_file=done.content,
        runs=tuple(run_evidence(option, run) for option, run in done.runs.items()),
        versions=versions(),
    )
    write_procurement(done.plan, done.decision, evidence, path, lang, labs=lab_layers(lab))


def run_evidence(option: str, run: StoredRun) -> RunEvidence:
    """Get what a stored run shows for an option: meter, checks, power over time, files."""
    from powerlab.analysis.align import align  # noqa: PLC0415
    from powerlab.records import Evidence  # noqa: PLC0415
    from powerlab.report.evidence import collect_evidence  # noqa: PLC0415
    from powerlab.report.procurement import RunEvidence  # noqa: PLC0415

    manifest, result, capture = run.manifest, run.result, run.capture
    if result is None or capture is None:
        raise ValueError(f"the run {manifest['run']} has no result")
    aligned = align(capture)
    kept = verifiable_files(run.folder)
    collected = collect_evidence(result, capture, aligned, manifest["versions"], kept)
    identity = capture.trace.identity
    return RunEvidence(
        option=option,
        run=result.run,
        created=manifest["created"],
        evidence=result.evidence,
        boundary=result.boundary,
        meter=f"{identity.manufacturer} {identity.name}".strip(),
        serial=identity.serial,
        valid=result.valid,
        calibrations=result.meter.calibrations,
        findings=result.findings,
        quantities=result.quantities,
        files={
            name: entry["sha256"] for name, entry in manifest["files"].items() if name in VERIFIABLE
        },
        power=None if result.evidence is Evidence.IMPORTED else _power(capture, aligned),
        roof=_roof(capture, result),
        attached=tuple(replace(item, name=f"{option}-{item.name}") for item in collected.files),
    )


def _power(capture: Capture, aligned: Aligned) -> PowerOverTime | None:
    from powerlab.analysis.energies import (  # noqa: PLC0415
        build_model,
        evaluate,
        nominal_inputs,
    )
    from powerlab.report.procurement import PowerOverTime  # noqa: PLC0415

    trace = evaluate(build_model(capture, aligned), nominal_inputs(capture)).power
    if not len(trace.power_w):
        return None
    begun = trace.start_ns[0]
    middle_s = ((trace.start_ns - begun) + (trace.stop_ns - begun)) / 2 / NS_PER_S
    return PowerOverTime(middle_s, trace.power_w)


def _roof(capture: Capture, result: Result) -> Roof | None:
    """Get the device's roofs and what was reached, None where one of them is not known."""
    from powerlab.report.procurement import Roof  # noqa: PLC0415

    work, roofs, rate = capture.work, capture.roofs, result.quantities.get("throughput")
    if work is None or roofs is None or rate is None or not work.memory_bytes:
        return None
    if roofs.operations_per_s is None or roofs.memory_bytes_per_s is None:
        return None
    operations = 2 * work.macs
    return Roof(
        operations_per_s=roofs.operations_per_s.value,
        bytes_per_s=roofs.memory_bytes_per_s.value,
        intensity=operations / work.memory_bytes,
        reached_per_s=operations * rate.value,
    )
