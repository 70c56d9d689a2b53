"""How a calibrated range is used: how long after its calibration, and how fast it drifts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from powerlab.analysis.calibration.correction import past_calibration
from powerlab.analysis.calibration.drift import drift_from_history, drift_from_limits, years_between
from powerlab.records import Accuracy
from powerlab.records.calibration import CalibrationRecord, PastCalibration
from powerlab.records.correction import Correction, Drift, Use

SPECIFIED_DAYS = 365.0
"""How long a specified limit holds where the profile does not say: data sheets state a year."""


def use_of(
    record: CalibrationRecord,
    correction: Correction,
    limit: Accuracy,
    *,
    on: str,
    temperature_c: float,
    gain_per_k: float,
) -> Use:
    """Get how a range of a record is used on an ISO date at a temperature (NaN: not known).

    ``limit`` is the range's specified one, ``gain_per_k`` the limit of its temperature
    coefficient.
    """
    return Use(
        limit=limit,
        drift=drift_of(record, correction, limit),
        years=max(0.0, years_between(record.performed, on)),
        temperature_c=temperature_c,
        gain_per_k=gain_per_k,
    )


def drift_of(record: CalibrationRecord, correction: Correction, limit: Accuracy) -> Drift:
    """Get how fast a range drifts: by its history where that has two dates, else by its limit."""
    own = [
        past
        for past in (*record.history, *history_of([record]))
        if past.quantity == correction.quantity and math.isclose(past.full_scale, limit.full_scale)
    ]
    try:
        return drift_from_history(own)
    except ValueError:
        return drift_from_limits({SPECIFIED_DAYS: limit})


def history_of(past: Sequence[CalibrationRecord]) -> Iterable[PastCalibration]:
    """Yield what calibrations found on each of their ranges."""
    for record in past:
        for correction in record.corrections:
            for span in correction.spans:
                yield past_calibration(correction, span.full_scale, record.performed)
