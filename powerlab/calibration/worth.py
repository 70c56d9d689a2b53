"""What a calibration is worth: uncertainty before and after, and the check of a known load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.calibration.correction import calibration_budget, corrected_values
from powerlab.analysis.calibration.plan import UNITS
from powerlab.analysis.calibration.use import use_of
from powerlab.analysis.uncertainty import component, expanded_uncertainty, joined, rectangular
from powerlab.calibration.record import TYPICAL
from powerlab.findings import Finding, Severity
from powerlab.records import Component, Distribution
from powerlab.records.calibration import (
    CalibrationPoint,
    CalibrationRecord,
    ControlPoint,
    SpecifiedRange,
)
from powerlab.records.correction import CommonError, Correction, Use
from powerlab.store.certified import specified

USELESS = 2.0
"""Times what the specified limit leaves unknown from which a calibration is not to be used."""


@dataclass(frozen=True, slots=True)
class Worth:
    """The expanded uncertainty (95 %) of a range at one ``level``, in the quantity's unit.

    ``before`` by the specified limit alone, ``after`` on the day of the calibration, ``at_due``
    on its last.
    """

    quantity: str
    full_scale: float
    level: float
    before: float
    after: float
    at_due: float


def worths(record: CalibrationRecord) -> tuple[Worth, ...]:
    """Get what the calibration of each range is worth, in the middle of its span.

    Raises KeyError for a range of which the record does not say what it is specified for.
    """
    found = []
    for correction in record.corrections:
        for span in correction.spans:
            level = max(span.low, TYPICAL * span.high)
            limit = _specified(record, correction.quantity, span.full_scale).limit
            before = [
                component(name, "B", rectangular(part), Distribution.RECTANGULAR)
                for name, part in (
                    ("gain", limit.gain_limit * level),
                    ("offset", limit.offset_limit),
                )
            ]
            after, at_due = (
                _expanded(record, correction, span.full_scale, level, on)
                for on in (record.performed, record.due)
            )
            found.append(
                Worth(
                    correction.quantity,
                    span.full_scale,
                    level,
                    expanded_uncertainty(before),
                    after,
                    at_due,
                )
            )
    return tuple(found)


def useless(found: Iterable[Worth]) -> Iterator[Finding]:
    """Yield a blocking finding for each range of which less would be known than is specified."""
    for worth in found:
        if worth.after < USELESS * worth.before:
            continue
        unit = UNITS[worth.quantity]
        before, after = (
            f"{100 * part / worth.level:.2g} %" for part in (worth.before, worth.after)
        )
        yield Finding(
            code="calibration-worse",
            severity=Severity.BLOCKING,
            message=f"{worth.quantity} range {worth.full_scale:g} {unit}: its uncertainty at "
            f"{worth.level:.3g} {unit} would grow from {before} to {after}",
            hint="take more levels (--points 10,30,50,70,90), more readings, or a better reference",
            evidence={"ratio": worth.after / worth.before},
        )


def _expanded(
    record: CalibrationRecord, correction: Correction, full_scale: float, level: float, on: str
) -> float:
    room_c = record.environment.temperature_c
    use = _use(record, correction, full_scale, on=on, temperature_c=room_c)
    return expanded_uncertainty(joined(calibration_budget(correction, level, use)))


def _use(
    record: CalibrationRecord,
    correction: Correction,
    full_scale: float,
    *,
    on: str,
    temperature_c: float,
) -> Use:
    """Get how a range is used by what the record says it is specified for; see ``use_of``."""
    chosen = _specified(record, correction.quantity, full_scale)
    return use_of(
        record,
        correction,
        chosen.limit,
        on=on,
        temperature_c=temperature_c,
        gain_per_k=chosen.gain_per_k,
    )


def _specified(record: CalibrationRecord, quantity: str, full_scale: float) -> SpecifiedRange:
    found = specified(record.item, quantity, full_scale)
    if found is None:
        raise KeyError(f"nothing is specified for {quantity}, range {full_scale:g}")
    return found


# --- the check of a known load -----------------------------------------------------------


def control_point(
    point: CalibrationPoint,
    record: CalibrationRecord,
    correction: Correction,
    common: CommonError,
    *,
    on: str,
) -> ControlPoint:
    """Compare a corrected reading with the reference, on an ISO date.

    What the calibration took over from the same certificate errs alike on both sides and is
    left out of both uncertainties.
    """
    use = _use(record, correction, point.full_scale, on=on, temperature_c=point.temperature_c)
    shared = common.certificate == correction.common.certificate
    budget = calibration_budget(correction, point.reading, use)
    if shared:
        budget = [line for line in budget if not line.input.startswith(f"{common.certificate}/")]
    budget.append(component("readings", "A", point.u_reading))
    return ControlPoint(
        performed=on,
        quantity=point.quantity,
        value=float(corrected_values(correction, np.array([point.reading]), use)[0]),
        expanded=expanded_uncertainty(joined(budget)),
        reference=point.reference,
        expanded_reference=expanded_uncertainty(_reference_budget(point, common, shared=shared)),
    )


def _reference_budget(
    point: CalibrationPoint, common: CommonError, *, shared: bool
) -> Sequence[Component]:
    lines = [component("readings", "A", point.u_reference)]
    if not shared:
        gain = common.u_gain * abs(point.reference)
        lines.append(component("gain", "B", gain, common.distribution))
        lines.append(component("offset", "B", common.u_offset, common.distribution))
    return lines
