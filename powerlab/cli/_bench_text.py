"""What a bench answered, and what is to be said of it: as text and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from powerlab.analysis.meter_check import MeterCheck, Verdict
from powerlab.cli._bench_meters import Tried
from powerlab.cli._bench_probe import Probe
from powerlab.findings import Finding
from powerlab.records import MeterIdentity


def probe_document(name: str, done: Probe, others: Sequence[Tried] = ()) -> dict[str, Any]:
    """Get what a bench answered, for JSON."""
    return {
        "schema": "powerlab.bench-check/1",
        "bench": name,
        "board": done.board,
        "meter": {**_identity(done.identity), "checks": _checks(done.checks)},
        "other_meters": [
            {**_identity(each.identity), "checks": _checks(each.checks)} for each in others
        ],
        "idle_w": done.idle_w,
        "load_w": done.load_w,
        "samples": done.samples,
        "bad": done.bad,
        "remarks": list(done.remarks),
        "findings": [finding_document(finding) for finding in done.findings],
    }


def probe_text(done: Probe, others: Sequence[Tried] = ()) -> str:
    """Get what a bench answered, as text."""
    board = done.board
    emulated = " (EMULATED)" if done.identity.emulated or board.get("emulated") else ""
    lines = [
        (
            f"board  {board['hostname']}: {board['cpu']}, {board['machine']}, "
            f"Python {board['python']}{emulated}"
        ),
        *(_meter_line(identity) for identity in (done.identity, *(o.identity for o in others))),
        f"idle   about {done.idle_w:.3g} W",
        f"load   about {done.load_w:.3g} W",
        f"read   {done.samples} samples, {done.bad} bad",
        *(f"warning: {remark}" for remark in done.remarks),
        *_failed_lines(done.identity, done.checks),
        *(line for each in others for line in _failed_lines(each.identity, each.checks)),
        *findings_lines(done.findings),
    ]
    return "\n".join(lines)


def any_failed(done: Probe, others: Sequence[Tried]) -> bool:
    """Tell whether a check of a meter failed."""
    checks = (*done.checks, *(check for each in others for check in each.checks))
    return any(check.verdict is Verdict.FAIL for check in checks)


def _meter_line(meter: MeterIdentity) -> str:
    serial = meter.serial or "not told"
    return f"meter  {meter.manufacturer} {meter.name}, serial {serial}, at {meter.resource}"


def _failed_lines(meter: MeterIdentity, checks: Sequence[MeterCheck]) -> Iterator[str]:
    for check in checks:
        if check.verdict is Verdict.FAIL:
            yield f"failed: {check.name} of {meter.name}: {check.found}"
            yield f"  {check.advice}"


def _identity(meter: MeterIdentity) -> dict[str, Any]:
    return {
        "model": meter.model,
        "serial": meter.serial,
        "firmware": meter.firmware,
        "resource": meter.resource,
        "emulated": meter.emulated,
    }


def _checks(checks: Sequence[MeterCheck]) -> dict[str, str]:
    return {check.name: str(check.verdict) for check in checks}


def dry_document(name: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Get what the files alone say of a bench, for JSON."""
    return {
        "schema": "powerlab.bench-check/1",
        "bench": name,
        "findings": [finding_document(finding) for finding in findings],
    }


def dry_text(findings: Sequence[Finding]) -> str:
    """Get what the files alone say of a bench, as text."""
    return "\n".join(findings_lines(findings)) or "nothing speaks against it in the files"


def finding_document(finding: Finding) -> dict[str, Any]:
    """Get a finding for JSON."""
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        "hint": finding.hint,
        "evidence": dict(finding.evidence),
    }


def findings_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Get findings as lines: what was found, and below it what to do."""
    for finding in findings:
        yield f"{finding.severity}: {finding.message}"
        yield f"  {finding.hint}"
