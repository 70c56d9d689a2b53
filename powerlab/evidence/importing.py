"""Evidence made into a run folder: labelled imported, usable wherever a measured run is.

The run holds the power over time, the windows, the figures of powerlab's method with their
budgets and the findings of the audit; the originals stay where they are and their sha256 is kept.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powerlab.evidence.audit import Audit
from powerlab.evidence.contract import Evidence
from powerlab.evidence.document import document
from powerlab.evidence.files import damaged, sha256
from powerlab.evidence.imported_capture import capture_of, slug
from powerlab.evidence.reckoning import Reckoned, clock_offset, samples_inside
from powerlab.evidence.recording import EMULATED
from powerlab.findings import Finding, Severity
from powerlab.records import (
    Capture,
    MeterSummary,
    Request,
    Result,
    Sync,
    WindowEnergy,
)
from powerlab.records import Evidence as Worth
from powerlab.store.archive import list_runs
from powerlab.store.manifest import read_manifest
from powerlab.store.run_folder import RunWriter, attach
from powerlab.units import NS_PER_S

BENCH = "imported"
AUDIT = "audit.json"


@dataclass(frozen=True, slots=True)
class Names:
    """What the user calls the parts of an imported run; empty where the evidence names them."""

    device: str = ""
    workload: str = ""
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """An imported run: its folder, and whether it was there before."""

    folder: Path
    result: Result | None
    known: bool


def import_evidence(done: Audit, root: Path, names: Names) -> Imported:
    """Make a run folder below ``root`` of one audited evidence, or find the one made before.

    Raises ConfigError where nothing is counted in the evidence or where it is an export of an
    emulated run, SetupError where the folder cannot be written.
    """
    evidence = done.evidence
    if any(each.code == EMULATED for each in evidence.findings):
        raise damaged(
            evidence.path,
            "is exported from an EMULATED run, and would pass for a measurement as an imported one",
            hint="`powerlab results list` shows the run that it comes from",
        )
    if "energy_per_inference" not in done.reckoned.quantities:
        raise damaged(
            evidence.path,
            "counts no inferences in any window: there is nothing to compare",
            hint="name windows and inferences in a mapping (docs/how-to/audit.md)",
        )
    originals = [_original(path) for path in evidence.files]
    key = _key(evidence, originals)
    before = _imported_before(root, key)
    if before is not None:
        return Imported(before, None, known=True)
    request = _request(evidence, names)
    capture = capture_of(evidence)
    writer = RunWriter(
        root,
        request=request,
        configuration={
            "imported": {
                "format": evidence.format,
                "path": str(evidence.path.absolute()),
                "key": key,
                "files": originals,
            },
            "device": {"name": evidence.device},
        },
        evidence=Worth.IMPORTED,
    )
    result = _result(done, writer.run, request)
    try:
        _tell(writer, capture)
        writer.finish(capture, result)
    except BaseException:
        writer.mark_partial("the import was cut short")
        raise
    _attach_audit(writer.folder, document(done))
    return Imported(writer.folder, result, known=False)


def _tell(writer: RunWriter, capture: Capture) -> None:
    for kind, payload in (
        ("timebase", capture.timebase),
        ("wiring", capture.wiring),
        ("target", capture.target),
        ("meter", {"identity": capture.trace.identity, "setup": capture.trace.setup}),
        ("batch", capture.batch),
    ):
        writer.event(kind, payload)


def _attach_audit(folder: Path, told: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / AUDIT
        path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
        attach(folder, AUDIT, path)


def _original(path: Path) -> dict[str, Any]:
    return {"path": str(path.absolute()), "bytes": path.stat().st_size, "sha256": sha256(path)}


def _key(evidence: Evidence, originals: list[dict[str, Any]]) -> str:
    """Get what tells evidence apart: its format, title, and the hashes of its files."""
    return "/".join([evidence.format, evidence.title, *sorted(o["sha256"] for o in originals)])


def _imported_before(root: Path, key: str) -> Path | None:
    for entry in list_runs(root) if root.is_dir() else ():
        if entry.evidence != Worth.IMPORTED.value:
            continue
        kept = read_manifest(entry.folder).get("configuration", {}).get("imported", {})
        if kept.get("key") == key and entry.status == "complete":
            return entry.folder
    return None


# --- the result ----------------------------------------------------------------------


def _request(evidence: Evidence, names: Names) -> Request:
    return Request(
        device=slug(names.device or evidence.device),
        bench=BENCH,
        instrument=slug(evidence.meter.model or "unknown"),
        workload=slug(names.workload or evidence.workload),
        runtime=slug(names.runtime or evidence.runtime),
        batch=1,
        threads=0,
        protocol=slug(f"{evidence.format} {evidence.scenario}"),
    )


def _result(done: Audit, run: str, request: Request) -> Result:
    evidence, reckoned = done.evidence, done.reckoned
    offset = clock_offset(evidence.clocks)
    first = evidence.traces[0]
    return Result(
        run=run,
        request=request,
        evidence=Worth.IMPORTED,
        boundary=evidence.boundary,
        valid=done.valid,
        quantities=reckoned.quantities,
        runs=tuple(_window(evidence, reckoned, i) for i in range(len(evidence.windows))),
        sync=Sync(
            offset_ns=round(offset.middle_s * NS_PER_S) if offset else 0,
            u_offset_ns=(offset.high_s - offset.low_s) / 2 / math.sqrt(3) * NS_PER_S
            if offset
            else math.nan,
            skew_ppm=math.nan,
            marker_residual_ns=None,
        ),
        meter=MeterSummary(
            samples=sum(len(each.power.power_w) for each in evidence.traces),
            lost=sum(len(each.unusable_ns) for each in evidence.traces),
            gap_s=float(reckoned.gap_s.sum()),
            rate_hz=NS_PER_S / first.interval_ns,
        ),
        findings=(_origin(done), *done.findings),
        truth=None,
        price=None,
    )


def _origin(done: Audit) -> Finding:
    evidence = done.evidence
    claim = evidence.claims[0] if evidence.claims else None
    told = "nothing was published of it"
    if claim is not None and claim.published is not None:
        how = "agrees with" if claim.agrees else "differs from"
        told = f"its own rule {how} what was published"
    return Finding(
        "imported",
        Severity.INFO,
        f"imported from {evidence.format} evidence, recomputed by powerlab's method; {told}",
        f"{AUDIT} in the run folder has the whole audit, run.json the hashes of the originals",
    )


def _window(evidence: Evidence, reckoned: Reckoned, index: int) -> WindowEnergy:
    span = evidence.windows[index]
    energy_j = float(reckoned.energy_j[index])
    return WindowEnergy(
        index=index,
        start_ns=span.start_ns,
        stop_ns=span.stop_ns,
        inferences=round(span.inferences),
        energy_j=energy_j,
        interior_j=energy_j,
        wide_j=energy_j,
        tail_j=0.0,
        samples=sum(len(samples_inside(each, span)) for each in evidence.traces),
        gap_s=float(reckoned.gap_s[index]),
    )
