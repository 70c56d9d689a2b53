"""What may err in a correction at work, as independent inputs.

A budget perturbs independent inputs one by one. The parameters of a fit are not independent;
its principal components are, and with the reference's error, drift and temperature they stand
in the place of the specified limits of gain and offset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.calibration.forms import FormCurve
from powerlab.analysis.uncertainty import rectangular
from powerlab.records import Distribution, FloatArray
from powerlab.records.correction import (
    REFERENCE_TEMPERATURE_C,
    Correction,
    CorrectionFit,
    CorrectionModel,
    Span,
    Use,
)

UNKNOWN_K = 5.0
"""How far a temperature that nobody wrote down may be from another (23 ± 5 °C, IEC 62301)."""

STRAIGHT = frozenset({CorrectionModel.ZERO, CorrectionModel.GAIN, CorrectionModel.GAIN_OFFSET})
"""The models of one range that have no term for a curvature."""


@dataclass(frozen=True, slots=True)
class CalibrationInput:
    """One thing that may err in a correction, independent of the others.

    ``error`` gets the change of the corrected values for one standard uncertainty, at readings
    float64 ``(n,)``; it is signed. ``input`` is its identity in the world, as in ``Component``.
    """

    name: str
    input: str
    distribution: Distribution
    dof: float | None
    source: str
    error: Callable[[FloatArray], FloatArray]


def span_of(correction: Correction, full_scale: float) -> Span | None:
    """Get what one range was calibrated over, None where it was not."""
    for span in correction.spans:
        if math.isclose(span.full_scale, full_scale, rel_tol=1e-9):
            return span
    return None


def calibration_inputs(correction: Correction, use: Use) -> tuple[CalibrationInput, ...]:
    """Get what may err in a correction, as independent inputs that a budget can perturb.

    Principal components of the wider fit's covariance, its difference to the chosen fit, gain
    and offset of the reference, drift, temperature, a curvature that the points could not show,
    and what lies beyond the span. Raises KeyError for a range that was not calibrated.
    """
    work = InUse(correction, use)
    return (*fit_inputs(work), *other_inputs(work))


@dataclass(frozen=True, slots=True)
class InUse:
    """A correction on the range and at the temperature of its use.

    Everything raises KeyError for a range that was not calibrated.
    """

    correction: Correction
    use: Use

    @property
    def span(self) -> Span:
        """Get what the range was calibrated over."""
        span = span_of(self.correction, self.use.limit.full_scale)
        if span is None:
            raise KeyError(f"range {self.use.limit.full_scale:g} is not calibrated")
        return span

    @property
    def identity(self) -> str:
        """Get the name of the calibrated range in the world."""
        correction = self.correction
        return f"{correction.certificate}/{correction.quantity}/{self.span.full_scale:g}"

    @property
    def middle_c(self) -> float:
        """Get the middle of the temperatures of the calibration, NaN where not known."""
        return (self.span.coldest_c + self.span.warmest_c) / 2

    @property
    def temperature_c(self) -> float:
        """Get the temperature at which the correction is evaluated."""
        for known in (self.use.temperature_c, self.middle_c):
            if math.isfinite(known):
                return known
        return REFERENCE_TEMPERATURE_C

    @property
    def away_k(self) -> float:
        """Get how far the temperature may be from where the correction holds."""
        now, span = self.use.temperature_c, self.span
        if self.correction.wider.form.temperature and math.isfinite(now):
            return max(0.0, span.coldest_c - now, now - span.warmest_c)
        away = abs(now - self.middle_c)
        return away if math.isfinite(away) else UNKNOWN_K

    def curve(self, fit: CorrectionFit, readings: FloatArray) -> FormCurve:
        """Get one of the correction's fits as a curve at readings ``(n,)``."""
        alike = np.ones_like(readings)
        return FormCurve(fit.form, alike * self.span.full_scale, alike * self.temperature_c)

    def value(self, fit: CorrectionFit, readings: FloatArray) -> FloatArray:
        """Get the values that one of the correction's fits gives readings."""
        return self.curve(fit, readings).value(readings, fit.parameters)

    def slope(self, readings: FloatArray) -> FloatArray:
        """Get the derivative of the corrected value by the reading."""
        fit = self.correction.chosen
        return self.curve(fit, readings).slope(readings, fit.parameters)

    def along(self, direction: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Get the error that the wider fit's parameters cause when they err in a direction."""
        fit = self.correction.wider

        def error(readings: FloatArray) -> FloatArray:
            columns = self.curve(fit, readings).columns(readings, fit.parameters)
            result: FloatArray = columns @ direction
            return result

        return error

    def scaled(self, gain: float, offset: float) -> Callable[[FloatArray], FloatArray]:
        """Get the error ``gain * value + offset``."""
        fit = self.correction.chosen
        return lambda readings: gain * self.value(fit, readings) + offset

    def choice(self, readings: FloatArray) -> FloatArray:
        """Get by how much the wider fit differs from the chosen one."""
        wider, chosen = self.correction.wider, self.correction.chosen
        return self.value(wider, readings) - self.value(chosen, readings)

    def beyond(self, readings: FloatArray) -> FloatArray:
        """Get the error that may grow outside the span, up to the specified limit.

        From nothing at the span's end to the whole limit half a span further on.
        """
        limit, span = self.use.limit, self.span
        outside = np.maximum(0.0, np.maximum(span.low - readings, readings - span.high))
        width = span.high - span.low or abs(span.high) or limit.full_scale
        share = np.minimum(1.0, 2 * outside / width)
        whole = limit.gain_limit * np.abs(readings) + limit.offset_limit
        result: FloatArray = rectangular(1.0) * share * whole
        return result

    @property
    def straight(self) -> bool:
        """Tell whether the wider fit has no term that bends: too few levels to show any."""
        return self.correction.wider.form.model in STRAIGHT

    def bend(self, readings: FloatArray) -> FloatArray:
        """Get by how much the meter may leave the chord of its span, in one standard deviation.

        A parabola that departs from a straight line by the specified offset limit in the middle
        of full scale departs from the chord of a part of it by the square of that part.
        """
        limit, span = self.use.limit, self.span
        inside = np.maximum(0.0, (readings - span.low) * (span.high - readings))
        result: FloatArray = rectangular(limit.offset_limit) * 4 * inside / limit.full_scale**2
        return result


def fit_inputs(work: InUse) -> Iterable[CalibrationInput]:
    """Yield what may err in the fit alone: principal components, and the choice of the form."""
    correction, own = work.correction, work.identity
    wider, quantity = correction.wider, correction.quantity
    fitted = Distribution.NORMAL if wider.stated else Distribution.T
    dof = None if wider.stated else float(wider.dof)
    certificate = f"calibration {correction.certificate}"
    spread, directions = np.linalg.eigh(wider.covariance)
    for number, direction in enumerate((directions * np.sqrt(np.maximum(spread, 0.0))).T):
        yield CalibrationInput(
            f"{quantity} calibration",
            f"{own}/fit {number}",
            fitted,
            dof,
            certificate,
            work.along(direction),
        )
    if wider.form != correction.chosen.form:
        yield CalibrationInput(
            f"{quantity} calibration model",
            f"{own}/model",
            Distribution.NORMAL,
            None,
            f"{wider.form.model.value} less {correction.chosen.form.model.value}",
            work.choice,
        )


def other_inputs(work: InUse) -> Iterable[CalibrationInput]:
    """Yield what may err beside the fit: reference, drift, temperature, linearity, span."""
    correction, use, own = work.correction, work.use, work.identity
    common, quantity = correction.common, correction.quantity
    theirs = f"{common.certificate}/{quantity}"
    flat = Distribution.RECTANGULAR
    drift_gain, drift_offset = (
        rectangular(rate * use.years) for rate in (use.drift.gain, use.drift.offset)
    )
    warm_gain, warm_offset = (
        rectangular(rate * work.away_k) for rate in (use.gain_per_k, use.offset_per_k)
    )
    reference = f"certificate {common.certificate}"
    warmth = f"{work.away_k:.1f} K from the calibration's temperature"
    shared = common.distribution
    for name, input_, distribution, source, gain, offset in (
        ("reference gain", f"{theirs}/gain", shared, reference, common.u_gain, 0.0),
        ("reference offset", f"{theirs}/offset", shared, reference, 0.0, common.u_offset),
        ("drift gain", f"{own}/drift gain", flat, use.drift.source, drift_gain, 0.0),
        ("drift offset", f"{own}/drift offset", flat, use.drift.source, 0.0, drift_offset),
        ("temperature gain", f"{own}/temperature gain", flat, warmth, warm_gain, 0.0),
        ("temperature offset", f"{own}/temperature offset", flat, warmth, 0.0, warm_offset),
    ):
        if gain or offset:
            yield CalibrationInput(
                f"{quantity} {name}", input_, distribution, None, source, work.scaled(gain, offset)
            )
    if work.straight:
        yield CalibrationInput(
            f"{quantity} linearity",
            f"{own}/linearity",
            flat,
            None,
            "too few levels to show a curvature: specified offset limit",
            work.bend,
        )
    yield CalibrationInput(
        f"{quantity} extrapolation",
        f"{own}/extrapolation",
        flat,
        None,
        f"readings beyond {work.span.low:g} to {work.span.high:g}",
        work.beyond,
    )
