"""What a calibration is worth: uncertainty before and after, and the check of a known load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.calibration.correction import calibration_budget, corrected_values
from powerlab.analysis.calibration.drift import drift_from_history, drift_from_limits, years_between
from powerlab.analysis.uncertainty import component, expanded_uncertainty, joined, rectangular
from powerlab.calibrate_record import TYPICAL, history_of, range_named
from powerlab.calibrate_reference import SPECIFIED_DAYS
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.instruments.contract import accuracy_of
from powerlab.records import Accuracy, Component, Distribution
from powerlab.records.calibration import (
    CalibrationPoint,
    CalibrationRecord,
    ControlPoint,
    PastCalibration,
)
from powerlab.records.correction import CommonError, Correction, Drift, Use


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


def worths(record: CalibrationRecord, profile: InstrumentProfile) -> tuple[Worth, ...]:
    """Get what the calibration of each range is worth, in the middle of its span."""
    found = []
    for correction in record.corrections:
        for span in correction.spans:
            chosen = range_named(profile, correction.quantity, span.full_scale)
            level = TYPICAL * span.high if span.high > span.low else span.high
            limit = accuracy_of(chosen)
            before = [
                component(name, "B", rectangular(part), Distribution.RECTANGULAR)
                for name, part in (
                    ("gain", limit.gain_limit * level),
                    ("offset", limit.offset_limit),
                )
            ]
            after, at_due = (
                _expanded(record, correction, chosen, level, on)
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


def _expanded(
    record: CalibrationRecord, correction: Correction, chosen: Range, level: float, on: str
) -> float:
    use = use_of(record, correction, chosen, on=on, temperature_c=record.environment.temperature_c)
    return expanded_uncertainty(joined(calibration_budget(correction, level, use)))


def use_of(
    record: CalibrationRecord,
    correction: Correction,
    chosen: Range,
    *,
    on: str,
    temperature_c: float,
) -> Use:
    """Get how a range of a record is used on an ISO date at a temperature (NaN: not known)."""
    return Use(
        limit=accuracy_of(chosen),
        drift=drift_of(record, correction, accuracy_of(chosen)),
        years=max(0.0, years_between(record.performed, on)),
        temperature_c=temperature_c,
        gain_per_k=chosen.temperature_percent_per_k / 100,
    )


def drift_of(record: CalibrationRecord, correction: Correction, limit: Accuracy) -> Drift:
    """Get how fast a range drifts: by its history where that has two dates, else by its limit."""
    own: list[PastCalibration] = [
        past
        for past in (*record.history, *history_of([record]))
        if past.quantity == correction.quantity and math.isclose(past.full_scale, limit.full_scale)
    ]
    try:
        return drift_from_history(own)
    except ValueError:
        return drift_from_limits({SPECIFIED_DAYS: limit})


# --- the check of a known load -----------------------------------------------------------


def control_point(
    point: CalibrationPoint,
    record: CalibrationRecord,
    correction: Correction,
    profile: InstrumentProfile,
    common: CommonError,
    *,
    on: str,
) -> ControlPoint:
    """Compare a corrected reading with the reference, on an ISO date.

    What the calibration took over from the same certificate errs alike on both sides and is
    left out of both uncertainties.
    """
    chosen = range_named(profile, point.quantity, point.full_scale)
    use = use_of(record, correction, chosen, on=on, temperature_c=point.temperature_c)
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
