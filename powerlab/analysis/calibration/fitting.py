"""One form through calibration points: what points allow, their weights, the fit.

Abscissas are readings and ordinates what the reference says, so a fitted form corrects a
reading directly. Both are uncertain (York's maximum likelihood); the reference's error that is
common to all points is no part of the fit (GUM H.3.6: it is added to what comes out).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from powerlab.analysis.calibration.forms import FormCurve, parameter_count, shape_columns
from powerlab.analysis.errors_in_both import fit_curve_both
from powerlab.errors import ConfigError
from powerlab.records import FloatArray, freeze_arrays
from powerlab.records.calibration import CalibrationPoint
from powerlab.records.correction import CorrectionFit, CorrectionForm, CorrectionModel

SPARE = 2
"""Points beyond the number of parameters: one leaves a residual, two allow AICc."""

LEVELS = {
    CorrectionModel.ZERO: 0,
    CorrectionModel.GAIN: 1,
    CorrectionModel.GAIN_OFFSET: 2,
    CorrectionModel.PER_RANGE: 2,
    CorrectionModel.QUADRATIC: 3,
    CorrectionModel.PIECEWISE: 1,
}
"""Different levels that fix a model (in each range, on each piece); one more puts it to proof."""

LEAST_WARMING_K = 5.0
"""Difference of temperature between points from which a temperature term can be fitted."""

HOMOGENEOUS = 0.01
"""Probability of Bartlett's test below which the points of a range scatter differently."""

BAND = 0.95
"""Probability of the band in which chi-squared must lie (method section 4)."""


class TooFewPoints(ConfigError, ValueError):
    """The points cannot support the model that was asked for; ``reason`` says why."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            f"{what} cannot be fitted: {reason}",
            hint="calibrate at 10, 30, 50, 70 and 90 % of the range at least, up and down, "
            "or take a model with fewer terms",
        )
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PointArrays:
    """Points as columns, float64 ``(n,)`` each, in the order of the points.

    ``u_reading`` is pooled within a range where the points of it scatter alike. Where no point
    states an uncertainty (``stated`` False) the variances are those of unit weights.
    ``scatter_dof`` is how many degrees of freedom the scatter of all readings has.
    """

    full_scale: FloatArray
    nominal: FloatArray
    reading: FloatArray
    reference: FloatArray
    var_reading: FloatArray
    var_reference: FloatArray
    covariance: FloatArray
    temperature_c: FloatArray
    stated: bool
    scatter_dof: float

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def variances(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Get u² of the readings, u² of the reference's values, and their covariances."""
        return self.var_reading, self.var_reference, self.covariance

    def curve(self, form: CorrectionForm) -> FormCurve:
        """Get a form as a curve through these points."""
        return FormCurve(form, self.full_scale, self.temperature_c)


def point_arrays(points: Sequence[CalibrationPoint]) -> PointArrays:
    """Get points as columns. Raises ValueError for none, or for points of several quantities."""
    if len({point.quantity for point in points}) != 1:
        raise ValueError("a fit takes points of one quantity, and one at least")

    def column(name: str) -> FloatArray:
        return np.array([getattr(point, name) for point in points], dtype=np.float64)

    full_scale, u_reference = column("full_scale"), column("u_reference")
    own = column("u_reading")
    stated = bool((np.hypot(own, u_reference) > 0).all())
    u_reading = _pooled(own, column("readings"), full_scale) if stated else np.zeros_like(own)
    return PointArrays(
        full_scale=full_scale,
        nominal=column("nominal"),
        reading=column("reading"),
        reference=column("reference"),
        var_reading=u_reading**2,
        var_reference=u_reference**2 if stated else np.ones_like(own),
        covariance=column("correlation") * u_reading * u_reference,
        temperature_c=column("temperature_c"),
        stated=stated,
        scatter_dof=float(np.maximum(0.0, column("readings") - 1).sum()),
    )


def chi_squared_band(dof: int, arrays: PointArrays) -> tuple[float, float]:
    """Get the 95 % band of chi-squared where the points' uncertainties are right.

    That of F where these rest on the scatter of few readings, of chi-squared where on none.
    """
    ends = ((1 - BAND) / 2, (1 + BAND) / 2)
    if not arrays.scatter_dof:
        low, high = (float(special.chdtri(dof, 1 - end)) for end in ends)
    else:
        low, high = (dof * float(special.fdtri(dof, arrays.scatter_dof, end)) for end in ends)
    return low, high


def _pooled(u: FloatArray, readings: FloatArray, full_scale: FloatArray) -> FloatArray:
    """Pool the scatter of the points of each range, where Bartlett's test does not object.

    A scatter of ten readings is itself uncertain by a quarter; ten points know it by 8 %.
    """
    pooled = u.copy()
    for item in np.unique(full_scale):
        on = np.flatnonzero((full_scale == item) & (readings > 1))
        variance, dof = readings[on] * u[on] ** 2, readings[on] - 1
        if len(on) < 2 or not (variance > 0).all():
            continue
        together = float(np.dot(dof, variance) / dof.sum())
        statistic = dof.sum() * math.log(together) - float(np.dot(dof, np.log(variance)))
        bias = 1 + (np.sum(1 / dof) - 1 / dof.sum()) / (3 * (len(on) - 1))
        if special.chdtrc(len(on) - 1, max(0.0, statistic) / bias) > HOMOGENEOUS:
            pooled[on] = np.sqrt(together / readings[on])
    return pooled


def form_of(
    model: CorrectionModel,
    arrays: PointArrays,
    *,
    temperature: bool = False,
    knots: Sequence[float] = (),
    proven: bool = True,
) -> CorrectionForm:
    """Get a model with its constants for these points. Raises TooFewPoints (see ``shortage``)."""
    reason = shortage(model, arrays, temperature=temperature, knots=knots, proven=proven)
    if reason:
        raise TooFewPoints(f"the model {model.value}", reason)
    low, high = float(arrays.reading.min()), float(arrays.reading.max())
    return CorrectionForm(
        model=model,
        temperature=temperature,
        full_scales=tuple(np.unique(arrays.full_scale).tolist()),
        knots=tuple(sorted(knots)) if model is CorrectionModel.PIECEWISE else (),
        centre=(low + high) / 2,
        half_width=(high - low) / 2 or abs(high) or 1.0,
    )


def shortage(
    model: CorrectionModel,
    arrays: PointArrays,
    *,
    temperature: bool = False,
    knots: Sequence[float] = (),
    proven: bool = True,
) -> str:
    """Say what points lack for a model, "" where they support it.

    Two points more than parameters; 1 level for zero, 2 for gain, 3 for gain and offset (per
    range: in each of two ranges or more), 4 for quadratic, 2 on each piece of a piecewise line,
    points and levels one less where the model need not be ``proven``; temperatures that differ
    by 5 K for a temperature term.
    """
    if temperature and not np.ptp(arrays.temperature_c) >= LEAST_WARMING_K:
        return f"it takes temperatures that differ by {LEAST_WARMING_K:g} K"
    ranges = np.unique(arrays.full_scale)
    count = parameter_count(model, temperature=temperature, ranges=len(ranges), knots=len(knots))
    if model is CorrectionModel.PER_RANGE and len(ranges) < 2:
        return "there is only one range"
    if model is CorrectionModel.PIECEWISE and not knots:
        return "no knot is given"
    least = count + (SPARE if proven else 1)
    if len(arrays.reading) < least:
        return f"it takes {least} points, there are {len(arrays.reading)}"
    needed = LEVELS[model] + proven
    for where, chosen in _pieces(model, arrays, ranges, knots):
        levels = len(np.unique(arrays.nominal[chosen]))
        if levels < needed:
            return f"it takes {needed} different levels{where}, there are {levels}"
    return ""


def _pieces(
    model: CorrectionModel, arrays: PointArrays, ranges: FloatArray, knots: Sequence[float]
) -> list[tuple[str, np.ndarray]]:
    """List the parts that each need levels of their own, with words for where they are."""
    if model is CorrectionModel.PER_RANGE:
        return [(f" in range {item:g}", arrays.full_scale == item) for item in ranges]
    if model is CorrectionModel.PIECEWISE:
        ends = [-math.inf, *sorted(knots), math.inf]
        return [
            (f" between {low:g} and {high:g}", (arrays.reading > low) & (arrays.reading <= high))
            for low, high in itertools.pairwise(ends)
        ]
    return [("", np.ones(len(arrays.reading), dtype=bool))]


def fit_form(form: CorrectionForm, arrays: PointArrays) -> CorrectionFit:
    """Fit a form to points; where they scatter beyond the 95 % band, their scatter is u.

    Then, and where no point states an uncertainty, the covariance is scaled by chi-squared
    over its degrees of freedom (Birge). Raises TooFewPoints where the points do not tell the
    terms apart.
    """
    curve = arrays.curve(form)
    start = _start(form, arrays)
    try:
        found = fit_curve_both(curve, start, arrays.reading, arrays.reference, arrays.variances)
    except ValueError as error:
        raise TooFewPoints(f"the model {form.model.value}", str(error)) from error
    dof = len(arrays.reading) - len(start)
    residual = arrays.reference - curve.value(arrays.reading, found.parameters)
    stated = arrays.stated and found.chi_squared <= chi_squared_band(dof, arrays)[1]
    scale = 1.0 if stated else found.chi_squared / dof
    return CorrectionFit(
        form=form,
        parameters=found.parameters,
        covariance=scale * found.root @ found.root.T,
        chi_squared=found.chi_squared,
        dof=dof,
        stated=stated,
        residual_sd=math.sqrt(float(np.dot(residual, residual)) / dof),
    )


def _start(form: CorrectionForm, arrays: PointArrays) -> FloatArray:
    """Get the parameters of plain least squares, with alpha 0."""
    columns = shape_columns(form, arrays.reading, arrays.full_scale)
    zero = form.model is CorrectionModel.ZERO
    height = arrays.reference - arrays.reading if zero else arrays.reference
    start = np.asarray(np.linalg.lstsq(columns, height, rcond=None)[0], dtype=np.float64)
    return np.append(start, 0.0) if form.temperature else start


def fit_correction(
    model: CorrectionModel,
    points: Sequence[CalibrationPoint],
    *,
    temperature: bool = False,
    knots: Sequence[float] = (),
) -> CorrectionFit:
    """Fit one model to points. Raises TooFewPoints where they do not support it."""
    arrays = point_arrays(points)
    return fit_form(form_of(model, arrays, temperature=temperature, knots=knots), arrays)
