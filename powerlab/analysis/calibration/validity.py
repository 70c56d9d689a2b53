"""Whether a calibration holds for a measurement: same meter, range, leads, in time."""

from __future__ import annotations

from collections.abc import Iterable

from powerlab.analysis.calibration.drift import years_between
from powerlab.analysis.calibration.inputs import span_of
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import CalibrationRecord
from powerlab.records.correction import Correction

WARMER_K = 5.0
"""Kelvin from the calibration's temperatures beyond which it is told (23 ± 5 °C)."""


def check_record(record: CalibrationRecord, *, serial: str, on: str) -> tuple[Finding, ...]:
    """Check that a record is of this meter, and in time on the ISO date ``on``.

    Another meter's serial number is blocking. Past due is a warning: the uncertainty has grown
    with time already. So is a reference that was itself past due.
    """
    return (*_meter(record, serial), *_dates(record, on))


def _meter(record: CalibrationRecord, serial: str) -> Iterable[Finding]:
    if record.serial != serial:
        yield Finding(
            code="calibration-other-meter",
            severity=Severity.BLOCKING,
            message=f"the calibration is of meter {record.serial or '(no serial number)'}, "
            f"this one is {serial or '(no serial number)'}",
            hint="calibrate this meter, or attach the one that was calibrated",
            evidence={"calibrated": record.serial, "attached": serial},
        )


def _dates(record: CalibrationRecord, on: str) -> Iterable[Finding]:
    late = years_between(record.due, on)
    if late > 0:
        yield Finding(
            code="calibration-overdue",
            severity=Severity.WARNING,
            message=f"the calibration {record.certificate} was due on {record.due}",
            hint="calibrate the set-up again; until then its uncertainty grows with time",
            evidence={"due": record.due, "years": late},
        )
    if years_between(record.performed, on) < 0:
        yield Finding(
            code="calibration-later",
            severity=Severity.WARNING,
            message=f"the calibration of {record.performed} was made after the measurement",
            hint="take the calibration that was valid then, or check this computer's clock",
            evidence={"performed": record.performed},
        )
    for reference in record.references:
        if years_between(reference.due, record.performed) > 0:
            yield Finding(
                code="reference-overdue",
                severity=Severity.WARNING,
                message=f"the reference's certificate {reference.certificate} was due on "
                f"{reference.due}, before it was used on {record.performed}",
                hint="have the reference calibrated, then calibrate the set-up again",
                evidence={"due": reference.due},
            )


def check_conditions(
    record: CalibrationRecord,
    correction: Correction | None,
    *,
    full_scale: float,
    cable_set: str,
    temperature_c: float,
) -> tuple[Finding, ...]:
    """Check that a quantity is used on a calibrated range, with its leads, at its temperature.

    ``correction`` is that of the quantity, None where the record has none; ``temperature_c``
    NaN where it is not known.
    """
    span = span_of(correction, full_scale) if correction else None
    if span is None:
        return (
            Finding(
                code="calibration-range",
                severity=Severity.WARNING,
                message=f"the range {full_scale:g} is not calibrated: its specified limit counts",
                hint="calibrate this range, or measure on one that is calibrated",
                evidence={"full_scale": full_scale},
            ),
        )
    found = []
    if cable_set != record.cable_set:
        found.append(
            Finding(
                code="calibration-cables",
                severity=Severity.WARNING,
                message=f"calibrated with the leads {record.cable_set!r}, used with {cable_set!r}",
                hint="use the same leads, or measure their loop resistance again",
            )
        )
    away = max(span.coldest_c - temperature_c, temperature_c - span.warmest_c)
    if away > WARMER_K:
        found.append(
            Finding(
                code="calibration-warmth",
                severity=Severity.WARNING,
                message=f"used at {temperature_c:.1f} °C, {away:.1f} K from the temperatures of "
                "the calibration",
                hint="calibrate at this temperature, too; until then the uncertainty is larger",
                evidence={"away_k": away},
            )
        )
    return tuple(found)
