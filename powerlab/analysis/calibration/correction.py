"""A correction at work: corrected values, their uncertainty, and what it leaves to the history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.analysis.calibration.inputs import InUse, calibration_inputs, fit_inputs
from powerlab.analysis.uncertainty import component
from powerlab.records import Accuracy, Component, FloatArray, freeze_arrays
from powerlab.records.calibration import PastCalibration
from powerlab.records.correction import Correction, Drift, Use

KEPT = 5
"""Readings along a span at which the history keeps a correction."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """Corrected values and their standard uncertainties, float64 of one shape."""

    value: FloatArray
    u: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def corrected_values(correction: Correction, readings: FloatArray, use: Use) -> FloatArray:
    """Correct readings, float64 of any one-dimensional shape.

    Raises KeyError for a range that was not calibrated.
    """
    return InUse(correction, use).value(correction.chosen, readings)


def corrected(
    correction: Correction, readings: FloatArray, use: Use, u_reading: FloatArray | float = 0.0
) -> Corrected:
    """Correct readings ``(n,)``, each with the standard uncertainty of the result.

    ``u² = sum over the inputs of error² + (slope u_reading)²``: the confidence band with the
    reference's common error, drift and temperature, and the reading's own noise (``u_reading``,
    one figure or ``(n,)``). Raises KeyError for a range that was not calibrated.
    """
    work = InUse(correction, use)
    variance = np.sum(
        [item.error(readings) ** 2 for item in calibration_inputs(correction, use)], axis=0
    )
    noise = work.slope(readings) * u_reading
    value = work.value(correction.chosen, readings)
    return Corrected(value, np.sqrt(variance + noise**2))


def calibration_budget(correction: Correction, reading: float, use: Use) -> list[Component]:
    """Get the lines of a budget of one corrected reading, in the quantity's unit."""
    at = np.array([reading])
    return [
        component(
            item.name,
            "B" if item.dof is None else "A",
            float(item.error(at)[0]),
            item.distribution,
            dof=item.dof,
            source=item.source,
            input_=item.input,
        )
        for item in calibration_inputs(correction, use)
    ]


def past_calibration(correction: Correction, full_scale: float, performed: str) -> PastCalibration:
    """Get what a calibration of one range leaves to the history: its corrections along the span.

    Raises KeyError for a range that was not calibrated.
    """
    limit = Accuracy(correction.quantity, full_scale, 0.0, 0.0, "", performed, estimated=False)
    work = InUse(correction, Use(limit, Drift(0.0, 0.0, ""), 0.0))
    readings = np.linspace(work.span.low, work.span.high, KEPT)
    return PastCalibration(
        performed=performed,
        certificate=correction.certificate,
        quantity=correction.quantity,
        full_scale=full_scale,
        readings=readings,
        corrections=work.value(correction.chosen, readings) - readings,
        u=np.sqrt(np.sum([item.error(readings) ** 2 for item in fit_inputs(work)], axis=0)),
    )
