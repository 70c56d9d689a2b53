"""The report of an audit: what was audited, handed on to be written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powerlab.errors import ConfigError
from powerlab.evidence.audit import Audit, Audited, readers
from powerlab.evidence.contract import Claim, Trace
from powerlab.evidence.document import document
from powerlab.evidence.files import sha256
from powerlab.store.manifest import utc_now, versions
from powerlab.units import NS_PER_S

if TYPE_CHECKING:
    from powerlab.report.audit import AuditedRun, Original, Recorded, Stated, Stretch

SCHEMA = "powerlab.audit-report/1"

MOST_RUNS = 60
"""Runs that one report has room for, a page or two each."""


def check_size(read: Audited) -> None:
    """Raise ConfigError where one report cannot hold all runs."""
    if len(read.audits) > MOST_RUNS:
        raise ConfigError(
            f"{len(read.audits)} runs are more than the {MOST_RUNS} that one report holds",
            hint="report a folder further down; --json has all of them",
        )


def write_report(read: Audited, source: Path, path: Path, lang: str) -> None:
    """Write the report of an audit; raises ConfigError and what ``write_audit`` raises."""
    check_size(read)
    _write(read, str(source), path, lang, created=utc_now(), made_with=versions())


def rewrite_report(read: Audited, told: Mapping[str, Any], path: Path, lang: str) -> None:
    """Write the report of an audit as an attached document says it was written."""
    _write(
        read, str(told["path"]), path, lang, created=str(told["created"]),
        made_with=told["versions"],
    )  # fmt: skip


def _write(
    read: Audited,
    source: str,
    path: Path,
    lang: str,
    *,
    created: str,
    made_with: Mapping[str, str],
) -> None:
    from powerlab.report.audit import AuditEvidence, write_audit  # noqa: PLC0415

    titles = {name: reader.title for name, reader in readers().items()}
    originals = [_originals(done) for done in read.audits]
    plain = report_document(read.audits, originals, source)
    plain = {**plain, "created": created, "versions": dict(made_with)}
    content = (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode()
    runs = tuple(
        _run(done, titles, files) for done, files in zip(read.audits, originals, strict=True)
    )
    evidence = AuditEvidence(
        path=source,
        runs=runs,
        failed=tuple(error.message for error in read.failed),
        document=content,
        created=created,
        versions=made_with,
    )
    write_audit(path, evidence, lang)


def report_document(
    audits: Sequence[Audit], originals: Sequence[tuple[Original, ...]], source: str
) -> dict[str, Any]:
    """Get what the report attaches: every audit's document with the hashes of its originals."""
    return {
        "schema": SCHEMA,
        "path": source,
        "audits": [
            {
                **document(done),
                "originals": [
                    {"path": each.path, "bytes": each.bytes, "sha256": each.sha256}
                    for each in files
                ],
            }
            for done, files in zip(audits, originals, strict=True)
        ],
    }


def _originals(done: Audit) -> tuple[Original, ...]:
    from powerlab.report.audit import Original  # noqa: PLC0415

    return tuple(
        Original(_below(path, done.evidence.path), path.stat().st_size, sha256(path))
        for path in dict.fromkeys(done.evidence.files)
    )


def _below(path: Path, run: Path) -> str:
    """Get a path from the run on, or from the folder of the run's file; whole where outside."""
    root = run if run.is_dir() else run.parent
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _run(done: Audit, titles: dict[str, str], originals: tuple[Original, ...]) -> AuditedRun:
    from powerlab.report.audit import AuditedRun  # noqa: PLC0415

    evidence, meter = done.evidence, done.evidence.meter
    starts = [int(each.power.start_ns[0]) for each in evidence.traces if len(each.power.power_w)]
    starts += [evidence.windows[0].start_ns] if evidence.windows else []
    origin_ns = min(starts, default=0)
    return AuditedRun(
        title=evidence.title,
        format=evidence.format,
        format_title=titles.get(evidence.format, evidence.format),
        path=str(evidence.path),
        valid=done.valid,
        meter=meter.model,
        serial=meter.serial,
        meter_source=meter.source,
        calibration=meter.calibration,
        boundary=evidence.boundary,
        timebase=evidence.timebase,
        assumptions=evidence.assumptions,
        stated=tuple(_stated(claim) for claim in evidence.claims),
        recomputed=done.recomputed,
        windows=tuple(_stretch(done, i, origin_ns) for i in range(len(evidence.windows))),
        traces=tuple(_recorded(trace) for trace in evidence.traces),
        origin_ns=origin_ns,
        findings=done.findings,
        originals=originals,
    )


def _stated(claim: Claim) -> Stated:
    from powerlab.report.audit import Stated  # noqa: PLC0415

    return Stated(
        quantity=claim.quantity,
        unit=claim.unit,
        value=claim.value,
        rule=claim.rule,
        published=claim.published,
        agrees=claim.agrees,
        source=claim.source,
    )


def _stretch(done: Audit, index: int, origin_ns: int) -> Stretch:
    from powerlab.report.audit import Stretch  # noqa: PLC0415

    span = done.evidence.windows[index]
    return Stretch(
        start_s=(span.start_ns - origin_ns) / NS_PER_S,
        stop_s=(span.stop_ns - origin_ns) / NS_PER_S,
        inferences=span.inferences,
        integral_j=float(done.reckoned.energy_j[index]),
        rule_j=span.energy_j,
        published_j=span.published_j,
    )


def _recorded(trace: Trace) -> Recorded:
    from powerlab.report.audit import Recorded  # noqa: PLC0415

    return Recorded(
        name=trace.name,
        samples=len(trace.power.power_w),
        unusable=len(trace.unusable_ns),
        interval_s=trace.interval_ns / NS_PER_S,
        power=trace.power,
    )
