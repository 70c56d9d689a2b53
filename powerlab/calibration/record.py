"""From the points of a calibration to its record: fitted, checked, with all that was found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from powerlab import __version__
from powerlab.analysis.calibration.checks import check_fit
from powerlab.analysis.calibration.plan import UNITS, CalibrationPlan, Leg
from powerlab.analysis.calibration.points import check_points
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.calibration.use import history_of
from powerlab.analysis.calibration.validity import check_record
from powerlab.analysis.uncertainty import rectangular
from powerlab.calibration.reference import Believed
from powerlab.calibration.setup import tares
from powerlab.calibration.subject import Subject, item_of
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError
from powerlab.findings import Finding, Severity
from powerlab.instruments.contract import accuracy_of
from powerlab.records import Accuracy
from powerlab.records.calibration import (
    CalibrationPoint,
    CalibrationRecord,
    Reference,
    SetupTerm,
    StepResponse,
)
from powerlab.records.correction import CommonError, Correction
from powerlab.store.calibration_file import certificate_id
from powerlab.store.certified import EMULATED

WEAK = 1 / 3
"""Part of the meter's own limit that a reference's should not exceed (a ratio of 3 : 1)."""

WORSE = 1.1
"""Times the meter's own limit beyond which a reference would make the meter worse."""

SATURATED = "calibration-load-saturated"

TYPICAL = 0.5
"""Part of the highest level at which the gain of a calibration is told."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a calibration found: its points in the order of its plan, and the set-up's terms."""

    plan: CalibrationPlan
    points: tuple[CalibrationPoint, ...]
    terms: tuple[SetupTerm, ...]
    step: StepResponse | None
    findings: tuple[Finding, ...]


def build_record(
    subject: Subject,
    found: Found,
    references: Sequence[Believed],
    past: Sequence[CalibrationRecord],
) -> CalibrationRecord:
    """Fit and check every range of a calibration, and make its record.

    ``past`` are the meter's calibrations before, oldest first. Raises TooFewPoints where a
    range's points support no correction.
    """
    certificate = certificate_id(
        subject.profile.id, subject.serial, subject.performed, found.points
    )
    corrections: list[Correction] = []
    believed_in = [item.reference for item in references]
    findings = [
        *_emulated(subject),
        *_uncertified(believed_in),
        *weak_references(subject.profile, found.plan, references),
        *found.findings,
    ]
    terms = list(found.terms)
    for leg in found.plan.legs:
        points = points_of(found.points, leg)
        common = references[leg.reference].error(leg)
        limit = accuracy_of(range_of(subject.profile, leg))
        correction = choose_correction(points, common, certificate=certificate)
        told = (
            *point_findings(points, limit, common),
            *check_fit(correction, points),
        )
        several = len(found.plan.legs) > 1
        findings += [_of_range(item, leg) if several else item for item in told]
        zero = tares(points, UNITS[leg.quantity])
        if zero is not None:
            name = f"{zero.name}-{leg.full_scale:g}" if _repeated(found.plan, leg) else zero.name
            terms.append(replace(zero, name=name))
        corrections.append(correction)
    record = CalibrationRecord(
        certificate=certificate,
        instrument=subject.profile.id,
        item=item_of(subject),
        serial=subject.serial,
        firmware=subject.firmware,
        performed=subject.performed,
        due=subject.due,
        operator=subject.operator,
        laboratory=subject.laboratory,
        customer=subject.customer,
        software=f"powerlab {__version__}",
        environment=subject.environment,
        cable_set=subject.cable_set,
        references=tuple(believed_in),
        points=found.points,
        corrections=tuple(corrections),
        terms=tuple(terms),
        step=found.step,
        history=tuple(history_of(past)),
        findings=(),
    )
    own = check_record(record, serial=subject.serial, on=subject.performed)
    return replace(record, findings=(*findings, *own, *_left_out(found.plan)))


def point_findings(
    points: Sequence[CalibrationPoint], limit: Accuracy, common: CommonError
) -> Iterable[Finding]:
    """Yield what ``check_points`` finds, a saturated load among the loaded points alone.

    With its input off a load draws nothing, with it on its offset too: the first step up from
    zero is no measure of how it follows.
    """
    for finding in check_points(points, limit, common):
        if finding.code != SATURATED:
            yield finding
    loaded = [point for point in points if point.nominal]
    for finding in check_points(loaded, limit, common):
        if finding.code == SATURATED:
            yield finding


def points_of(points: Iterable[CalibrationPoint], leg: Leg) -> tuple[CalibrationPoint, ...]:
    """Get the points of one range, in the order in which they were taken."""
    return tuple(
        point
        for point in points
        if point.quantity == leg.quantity and math.isclose(point.full_scale, leg.full_scale)
    )


def range_of(profile: InstrumentProfile, leg: Leg) -> Range:
    """Get the range of the meter that a leg calibrates: see ``range_named``."""
    return range_named(profile, leg.quantity, leg.full_scale)


def range_named(profile: InstrumentProfile, quantity: str, full_scale: float) -> Range:
    """Get a range by its full scale. Raises ConfigError where the profile has it no more."""
    for item in profile.ranges(quantity):
        if math.isclose(item.full_scale, full_scale):
            return item
    raise ConfigError(
        f"the profile {profile.id} has no {quantity} range of {full_scale:g} {UNITS[quantity]} "
        "any more",
        hint="take the profile that the calibration was planned with, or calibrate anew",
    )


def _repeated(plan: CalibrationPlan, leg: Leg) -> bool:
    return sum(other.quantity == leg.quantity for other in plan.legs) > 1


def _of_range(finding: Finding, leg: Leg) -> Finding:
    name = f"{leg.quantity} range {leg.full_scale:g} {UNITS[leg.quantity]}"
    return replace(finding, message=f"{name}: {finding.message}")


def _emulated(subject: Subject) -> Iterable[Finding]:
    if subject.emulated:
        yield Finding(
            code=EMULATED,
            severity=Severity.INFO,
            message="EMULATED: meter, reference and load are models; no meter was calibrated",
            hint="leave out --emulate to calibrate a real one",
        )


def _uncertified(references: Sequence[Reference]) -> Iterable[Finding]:
    for reference in references:
        if not reference.certificate:
            yield Finding(
                code="reference-uncertified",
                severity=Severity.WARNING,
                message=f"the reference {reference.model} {reference.serial} has no certificate: "
                "its specified limits are believed",
                hint="give its certificate with --reference-certificate FILE; without one the "
                "calibration is traceable to nothing",
                evidence={"serial": reference.serial},
            )


def weak_references(
    profile: InstrumentProfile, plan: CalibrationPlan, references: Sequence[Believed]
) -> tuple[Finding, ...]:
    """Get a finding for each range whose reference is hardly better than the meter, or worse.

    They are known before anything is measured; one that is worse is blocking.
    """
    found = []
    for leg in plan.legs:
        limit = accuracy_of(range_of(profile, leg))
        level, common = TYPICAL * leg.top, references[leg.reference].error(leg)
        own = rectangular(limit.gain_limit * level + limit.offset_limit)
        theirs = common.u_gain * level + common.u_offset
        if theirs <= WEAK * own:
            continue
        worse = theirs > WORSE * own
        told = (
            f"{theirs / own:.1f} times worse" if worse else f"only {own / theirs:.1f} times better"
        )
        finding = Finding(
            code="reference-worse" if worse else "reference-weak",
            severity=Severity.BLOCKING if worse else Severity.WARNING,
            message=f"the reference is {told} than the meter's own limit at {level:.3g} "
            f"{UNITS[leg.quantity]}",
            hint="give its certificate with --reference-certificate, end at levels that a smaller "
            "range of it carries (--points), or take a better reference",
            evidence={"ratio": own / theirs},
        )
        found.append(_of_range(finding, leg) if len(plan.legs) > 1 else finding)
    return tuple(found)


def _left_out(plan: CalibrationPlan) -> Iterable[Finding]:
    for reason in plan.left_out:
        yield Finding(
            code="calibration-left-out",
            severity=Severity.INFO,
            message=f"not calibrated: {reason}",
            hint="beyond the calibrated span, the uncertainty grows to the specified limit",
        )
