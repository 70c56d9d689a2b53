"""A calibration and the check of a known load as JSON documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powerlab.analysis.calibration.control import normalised_error
from powerlab.analysis.calibration.forms import physical
from powerlab.analysis.calibration.plan import UNITS
from powerlab.calibration.worth import Worth
from powerlab.cli._calibration_view import points_at, with_worth
from powerlab.findings import Finding
from powerlab.records.calibration import CalibrationRecord, StepResponse
from powerlab.records.correction import Correction
from powerlab.store.certified import is_emulated

if TYPE_CHECKING:
    from powerlab.cli._known_load import KnownLoad

RESULT_SCHEMA = "powerlab.calibration-result/1"
CHECK_SCHEMA = "powerlab.calibration-check/1"


def record_document(
    record: CalibrationRecord, worths: Sequence[Worth], path: Path
) -> dict[str, Any]:
    """Get what a calibration found as JSON; the file it names holds every figure."""
    return {
        "schema": RESULT_SCHEMA,
        "certificate": record.certificate,
        "file": str(path),
        "instrument": record.instrument,
        "serial": record.serial,
        "performed": record.performed,
        "due": record.due,
        "evidence": "emulated" if is_emulated(record) else "measured",
        "points": len(record.points),
        "ranges": [
            {
                **asdict(worth),
                "unit": UNITS[worth.quantity],
                "points": len(points_at(record, worth)),
                "model": correction.chosen.form.model.value,
                "parameters": _parameters(correction),
                "reference": correction.common.certificate,
            }
            for correction, worth in with_worth(record, worths)
        ],
        "terms": [asdict(term) for term in record.terms],
        "step": _step_document(record.step),
        "findings": _finding_documents(record.findings),
    }


def _parameters(correction: Correction) -> dict[str, dict[str, float]]:
    names, estimates = physical(correction.chosen)
    return {
        name: {"value": float(value), "u": float(own)}
        for name, value, own in zip(names, estimates.values, estimates.u, strict=True)
    }


def _step_document(step: StepResponse | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {**asdict(step), "averaging": step.averaging and step.averaging.value}


def _finding_documents(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "message": finding.message,
            "hint": finding.hint,
        }
        for finding in findings
    ]


def check_document(outcome: KnownLoad) -> dict[str, Any]:
    """Get the check of a known load as JSON."""
    return {
        "schema": CHECK_SCHEMA,
        "certificate": outcome.check.certificate,
        "full_scale": outcome.check.full_scale,
        "nominal": outcome.check.nominal,
        **asdict(outcome.check.point),
        "e_n": normalised_error(outcome.check.point),
        "checks": len(outcome.chart),
        "findings": _finding_documents(outcome.findings),
    }
