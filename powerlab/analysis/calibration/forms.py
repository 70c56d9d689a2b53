"""The shapes of a correction as linear algebra: columns, slopes, and what they mean.

Parameters belong to columns scaled to the span of the readings, so that the equations are well
conditioned for microamperes and kilovolts alike; ``physical`` turns them into the offset, gain
and curvature that people read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.analysis.moments import Estimates
from powerlab.records import FloatArray, freeze_arrays
from powerlab.records.correction import (
    REFERENCE_TEMPERATURE_C,
    CorrectionFit,
    CorrectionForm,
    CorrectionModel,
)


def shape_columns(form: CorrectionForm, reading: FloatArray, full_scale: FloatArray) -> FloatArray:
    """Get the columns of a form at readings ``(n,)`` on their ranges ``(n,)``; ``(n, p)``."""
    t = (reading - form.centre) / form.half_width
    one = np.ones_like(t)
    match form.model:
        case CorrectionModel.ZERO:
            columns = [one]
        case CorrectionModel.GAIN:
            columns = [reading / form.half_width]
        case CorrectionModel.QUADRATIC:
            columns = [one, t, 2 * t * t - 1]
        case CorrectionModel.PIECEWISE:
            columns = [one, t, *(np.maximum(0.0, t - knot) for knot in _knots(form))]
        case CorrectionModel.PER_RANGE:
            inside = [np.isclose(full_scale, item, rtol=1e-9) for item in form.full_scales]
            columns = [part for on in inside for part in (one * on, t * on)]
        case _:
            columns = [one, t]
    return np.stack(columns, axis=1)


def shape_slopes(form: CorrectionForm, reading: FloatArray, full_scale: FloatArray) -> FloatArray:
    """Get the derivatives of the columns by the reading, ``(n, p)``."""
    t = (reading - form.centre) / form.half_width
    one, zero = np.ones_like(t), np.zeros_like(t)
    match form.model:
        case CorrectionModel.ZERO:
            columns = [zero]
        case CorrectionModel.GAIN:
            columns = [one]
        case CorrectionModel.QUADRATIC:
            columns = [zero, one, 4 * t]
        case CorrectionModel.PIECEWISE:
            columns = [zero, one, *(one * (t > knot) for knot in _knots(form))]
        case CorrectionModel.PER_RANGE:
            inside = [np.isclose(full_scale, item, rtol=1e-9) for item in form.full_scales]
            columns = [part for on in inside for part in (zero, one * on)]
        case _:
            columns = [zero, one]
    return np.stack(columns, axis=1) / form.half_width


def _knots(form: CorrectionForm) -> tuple[float, ...]:
    return tuple((knot - form.centre) / form.half_width for knot in form.knots)


@dataclass(frozen=True, slots=True)
class FormCurve:
    """A form at given readings' ranges and temperatures (float64 ``(n,)``): a curve to fit.

    A temperature that is not known (NaN) is taken as the reference temperature.
    """

    form: CorrectionForm
    full_scale: FloatArray
    temperature_c: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def value(self, x: FloatArray, parameters: FloatArray) -> FloatArray:
        """Get the corrected values of the readings ``x``."""
        return self._inner(x, parameters) * self._factor(parameters)

    def slope(self, x: FloatArray, parameters: FloatArray) -> FloatArray:
        """Get the derivative of the corrected values by the readings."""
        slopes = shape_slopes(self.form, x, self.full_scale) @ self._shape(parameters)
        own = 1.0 if self.form.model is CorrectionModel.ZERO else 0.0
        result: FloatArray = (own + slopes) * self._factor(parameters)
        return result

    def columns(self, x: FloatArray, parameters: FloatArray) -> FloatArray:
        """Get the derivatives of the corrected values by the parameters."""
        columns = shape_columns(self.form, x, self.full_scale)
        if not self.form.temperature:
            return columns
        columns = columns * self._factor(parameters)[:, None]
        last = self._inner(x, parameters) * self._warmth
        return np.concatenate((columns, last[:, None]), axis=1)

    def _inner(self, x: FloatArray, parameters: FloatArray) -> FloatArray:
        columns = shape_columns(self.form, x, self.full_scale)
        result: FloatArray = columns @ self._shape(parameters)
        return x + result if self.form.model is CorrectionModel.ZERO else result

    def _shape(self, parameters: FloatArray) -> FloatArray:
        return parameters[:-1] if self.form.temperature else parameters

    def _factor(self, parameters: FloatArray) -> FloatArray:
        if not self.form.temperature:
            return np.ones_like(self.temperature_c)
        result: FloatArray = 1 + parameters[-1] * self._warmth
        return result

    @property
    def _warmth(self) -> FloatArray:
        return np.nan_to_num(self.temperature_c - REFERENCE_TEMPERATURE_C, nan=0.0)


def parameter_count(
    model: CorrectionModel, *, temperature: bool, ranges: int = 1, knots: int = 0
) -> int:
    """Get how many parameters a model has."""
    count = {
        CorrectionModel.ZERO: 1,
        CorrectionModel.GAIN: 1,
        CorrectionModel.GAIN_OFFSET: 2,
        CorrectionModel.PER_RANGE: 2 * ranges,
        CorrectionModel.QUADRATIC: 3,
        CorrectionModel.PIECEWISE: 2 + knots,
    }[model]
    return count + temperature


CONTAINED: dict[CorrectionModel, frozenset[CorrectionModel]] = {
    CorrectionModel.ZERO: frozenset(),
    CorrectionModel.GAIN: frozenset(),
    CorrectionModel.GAIN_OFFSET: frozenset({CorrectionModel.ZERO, CorrectionModel.GAIN}),
}
"""The models that each has as special cases; those not named here have all three of these."""


def contains(large: CorrectionForm, small: CorrectionForm) -> bool:
    """Tell whether every correction of the small form is one of the large form, too."""
    if small.temperature and not large.temperature:
        return False
    within = CONTAINED.get(large.model, frozenset(CONTAINED))
    return small.model is large.model or small.model in within


def physical(fit: CorrectionFit) -> tuple[tuple[str, ...], Estimates]:
    """Get a fit's parameters as they are read, with their covariance: names and estimates.

    ``x_true = offset + gain r + curvature r²``; "gain change at K" for knots, "offset of F" and
    "gain of F" for ranges, and "alpha" (1/K) where temperature is a term.
    """
    form = fit.form
    names: list[str] = []
    rows: list[FloatArray] = []
    ranges = form.full_scales if form.model is CorrectionModel.PER_RANGE else form.full_scales[:1]
    for item in ranges:
        suffix = f" of {item:g}" if form.model is CorrectionModel.PER_RANGE else ""
        origin, scale = np.zeros(1), np.full(1, item)
        if form.model is not CorrectionModel.GAIN:
            names.append("offset" + suffix)
            rows.append(shape_columns(form, origin, scale)[0])
        if form.model is not CorrectionModel.ZERO:
            names.append("gain" + suffix)
            rows.append(shape_slopes(form, origin, scale)[0])
    extra = {
        CorrectionModel.QUADRATIC: ["curvature"],
        CorrectionModel.PIECEWISE: [f"gain change at {knot:g}" for knot in form.knots],
    }.get(form.model, [])
    width = len(rows[0])
    for place, name in enumerate(extra, start=2):
        row = np.zeros(width)
        row[place] = 2 / form.half_width**2 if name == "curvature" else 1 / form.half_width
        names.append(name)
        rows.append(row)
    matrix = np.stack(rows)
    if form.temperature:
        names.append("alpha")
        matrix = np.block([[matrix, np.zeros((len(rows), 1))], [np.zeros((1, width)), np.eye(1)]])
    return tuple(names), Estimates(matrix @ fit.parameters, matrix @ fit.covariance @ matrix.T)
