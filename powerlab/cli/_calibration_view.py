"""A calibration as text: points as they come, what it is worth, what it found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from powerlab.analysis.calibration.control import BASELINE, control_limits, normalised_error
from powerlab.analysis.calibration.forms import physical
from powerlab.analysis.calibration.plan import UNITS
from powerlab.calibration.worth import Worth
from powerlab.cli._style import columns, folded
from powerlab.findings import Finding
from powerlab.records.calibration import (
    CalibrationPoint,
    CalibrationRecord,
    Direction,
    Settling,
    StepResponse,
)
from powerlab.records.correction import Candidate, Correction, CorrectionForm, CorrectionModel
from powerlab.store.certified import is_emulated
from powerlab.units import prefixed, with_uncertainty

if TYPE_CHECKING:
    from powerlab.calibration.conduct import Progress
    from powerlab.cli._known_load import KnownLoad

EMULATED = "EMULATED: not a calibration. Meter, reference and load are models."

MODELS = {
    CorrectionModel.ZERO: "zero alone",
    CorrectionModel.GAIN: "gain alone",
    CorrectionModel.GAIN_OFFSET: "gain and offset",
    CorrectionModel.PER_RANGE: "gain and offset of each range",
    CorrectionModel.QUADRATIC: "gain, offset and curvature",
    CorrectionModel.PIECEWISE: "straight pieces between knots",
}

ARROWS = {Direction.UP: "↑", Direction.DOWN: "↓"}


def time_text(length_s: float) -> str:
    """Get a time to wait in words."""
    if length_s < 90:
        return f"{length_s:.0f} s"
    return f"{math.ceil(length_s / 60)} min"


def point_text(progress: Progress) -> str:
    """Get the line of a point as it comes."""
    point, unit = progress.point, UNITS[progress.point.quantity]
    error, u = point.reading - point.reference, _u_error(point)
    place = f"{progress.number}/{progress.count}"
    rest = "" if point.settling is Settling.SETTLED else ", NOT SETTLED"
    left = f", {time_text(progress.remaining_s)} left" if progress.remaining_s else ""
    return (
        f"{place:>7s}  {ARROWS[point.direction]} {point.nominal:<6g} {unit}  "
        f"reference {point.reference:.6g} {unit}  reading {point.reading:.6g} {unit}  "
        f"error {with_uncertainty(error, u, unit)}{rest}{left}"
    )


def _u_error(point: CalibrationPoint) -> float:
    """Get the u of reading less reference, without what all points share."""
    both = 2 * point.correlation * point.u_reading * point.u_reference
    return math.sqrt(max(0.0, point.u_reading**2 + point.u_reference**2 - both))


# --- a record ------------------------------------------------------------------------------


def record_text(record: CalibrationRecord, worths: Sequence[Worth], path: Path) -> str:
    """Get what a calibration found as text, folded to the terminal's width."""
    blocks = [
        "\n".join(_head(record)),
        "\n".join(_ranges(record, worths)),
        "\n".join(_setup(record)),
        "\n".join(findings_text(record.findings)),
    ]
    text = folded("\n\n".join(block for block in blocks if block), columns())
    return f"{text}\n\nrecord  {path}"  # on one line, to be copied


def _head(record: CalibrationRecord) -> Iterator[str]:
    if is_emulated(record):
        yield EMULATED
    yield f"calibration {record.certificate} of {record.instrument}, serial {record.serial}"
    by = f" by {record.operator}" if record.operator else ""
    yield f"{record.performed}{by}, due {record.due}; ± is the half-width of the 95 % interval"
    for reference in record.references:
        rests = reference.certificate or "its specified limits, no certificate"
        yield f"against {reference.model} {reference.serial}, {rests}"


def _ranges(record: CalibrationRecord, worths: Sequence[Worth]) -> Iterator[str]:
    for correction, worth in with_worth(record, worths):
        unit, count = UNITS[worth.quantity], len(points_at(record, worth))
        yield f"{worth.quantity}, range {worth.full_scale:g} {unit}, {count} points"
        before, after, at_due = (
            f"{100 * part / worth.level:.2g}" for part in (worth.before, worth.after, worth.at_due)
        )
        yield (
            f"  at {worth.level:.3g} {unit}: about {before} % -> {after} % "
            f"({worth.before / worth.after:.1f} times less), {at_due} % on {record.due}"
        )
        yield f"  corrected for {_model(correction.chosen.form)}: {_equation(correction, unit)}"
        yield f"  chosen because {_reason(correction)}"


def with_worth(
    record: CalibrationRecord, worths: Sequence[Worth]
) -> Iterator[tuple[Correction, Worth]]:
    """Yield each calibrated range's correction with what it is worth."""
    for worth in worths:
        for correction in record.corrections:
            scales = [span.full_scale for span in correction.spans]
            if correction.quantity == worth.quantity and worth.full_scale in scales:
                yield correction, worth


def points_at(record: CalibrationRecord, worth: Worth) -> list[CalibrationPoint]:
    """Get the points of a range."""
    return [
        point
        for point in record.points
        if point.quantity == worth.quantity and point.full_scale == worth.full_scale
    ]


def _model(form: CorrectionForm) -> str:
    return MODELS[form.model] + (", with temperature" if form.temperature else "")


def _equation(correction: Correction, unit: str) -> str:
    """Get the chosen correction's parameters as they are read."""
    names, estimates = physical(correction.chosen)
    units = {"offset": unit, "gain": "", "curvature": f"1/{unit}", "alpha": "1/K"}
    parts = [
        f"{name} {with_uncertainty(float(value), 2 * float(own), units.get(name.split()[0], ''))}"
        for name, value, own in zip(names, estimates.values, estimates.u, strict=True)
    ]
    return ", ".join(parts)


def _reason(correction: Correction) -> str:
    """Say why this form was chosen among those that were weighed."""
    weighed = [item for item in correction.candidates if not item.reason]
    best = min(weighed, key=lambda item: item.aicc)
    chosen = next(item for item in weighed if _is_of(item, correction))
    others = f"of {len(weighed)} forms that the points allow"
    if chosen is best:
        return f"its AICc is the lowest {others}"
    return (
        f"{MODELS[best.model]} (lowest AICc {others}) explains more only by chance "
        f"(F-test, p = {chosen.f_probability:.2f})"
    )


def _is_of(candidate: Candidate, correction: Correction) -> bool:
    form = correction.chosen.form
    return candidate.model is form.model and candidate.temperature is form.temperature


def _setup(record: CalibrationRecord) -> Iterator[str]:
    if record.terms or record.step:
        yield f"Set-up{f' ({record.cable_set})' if record.cable_set else ''}:"
    for term in record.terms:
        value = with_uncertainty(term.value, 2 * term.u, term.unit)
        yield f"  {term.name}: {value} ({term.source})"
    if record.step is not None:
        yield from _step(record.step)


def _step(step: StepResponse) -> Iterator[str]:
    latency = with_uncertainty(step.latency_s, 2 * step.u_latency_s, "s")
    aperture = with_uncertainty(step.aperture_s, 2 * step.u_aperture_s, "s")
    kind = step.averaging.value if step.averaging is not None else "averaging not told"
    yield f"  latency {latency}, aperture {aperture} ({kind}), from {step.steps} steps"
    yield f"  {1 / step.interval_s:.3g} measured readings a second"


def findings_text(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield findings with what to do, one after another."""
    if findings:
        yield "Findings:"
    for finding in findings:
        yield f"  {finding.severity.value}: {finding.message}"
        if finding.hint:
            yield f"    {finding.hint}"


def record_row(record: CalibrationRecord, today: str) -> dict[str, object]:
    """Get one line of the list of calibrations."""
    ranges = [
        f"{correction.quantity} {span.full_scale:g} {UNITS[correction.quantity]}"
        for correction in record.corrections
        for span in correction.spans
    ]
    late = " (past)" if record.due < today else ""
    return {
        "certificate": record.certificate,
        "instrument": record.instrument,
        "serial": record.serial,
        "performed": record.performed,
        "due": record.due + late,
        "evidence": "emulated" if is_emulated(record) else "measured",
        "ranges": ", ".join(ranges),
    }


# --- the check of a known load -------------------------------------------------------------


def check_text(outcome: KnownLoad) -> str:
    """Get the check of a known load as text."""
    check, point = outcome.check, outcome.check.point
    unit, error = UNITS[point.quantity], normalised_error(point)
    agrees = "agrees" if abs(error) <= 1 else "does NOT agree"
    lines = [
        f"{point.quantity}, range {check.full_scale:g} {unit}, by calibration {check.certificate}",
        f"  corrected  {with_uncertainty(point.value, point.expanded, unit)}",
        f"  reference  {with_uncertainty(point.reference, point.expanded_reference, unit)}",
        f"  E_n = {error:+.2f}: {agrees}",
        f"  {_chart(outcome)}",
        *findings_text(outcome.findings),
    ]
    return folded("\n".join(lines), columns())


def _chart(outcome: KnownLoad) -> str:
    count, unit = len(outcome.chart), UNITS[outcome.check.point.quantity]
    if count <= BASELINE:
        return f"check {count} of this load; the control chart has limits after {BASELINE}"
    limits = control_limits([item.point for item in outcome.chart])
    factor, shown = prefixed(max(abs(limits.low), abs(limits.high)), unit)
    ends = f"{limits.low * factor:+.3g} to {limits.high * factor:+.3g} {shown}"
    return f"check {count} of this load; control limits {ends}"
