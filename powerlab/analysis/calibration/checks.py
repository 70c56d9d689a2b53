"""Whether points and fit can be believed: each doubt is a finding, none stops anything.

Influences (direction, time, temperature) are tested as terms that the fit does not have: what a
constant and a gain-like term of each would explain of the residuals, the strongest first, so
that an hour of drift is not told a second time as hysteresis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from powerlab.analysis.calibration.fitting import (
    PointArrays,
    chi_squared_band,
    point_arrays,
    shortage,
)
from powerlab.analysis.uncertainty import student_t
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray, freeze_arrays
from powerlab.records.calibration import CalibrationPoint, Direction
from powerlab.records.correction import Correction, CorrectionFit, CorrectionModel

RUNS = 0.025
"""Probability of as few runs of one sign, by chance, below which residuals show a pattern."""

INFLUENCE = 0.005
"""Probability below which what an influence explains of the residuals is no chance."""

PREDICTED = 0.9973
"""Probability with which a point lies within 3 u of the fit of the others (method section 4);
a little more than 3 where u rests on few readings."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """What a fit leaves of its points; float64 ``(n,)``, columns ``(n, p)``.

    ``deviation`` is the u of each point alone, reading and reference together; ``whitened`` the
    residuals over it, ``columns`` the fit's columns over it. ``predicted`` is how far each
    point lies off the fit of all others over the u of that (leave-one-out), NaN for a point
    which alone fixes a parameter.
    """

    deviation: FloatArray
    whitened: FloatArray
    columns: FloatArray
    predicted: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def residuals(fit: CorrectionFit, points: Sequence[CalibrationPoint]) -> Residuals:
    """Get what a fit leaves of the points it was made from.

    Leave-one-out follows from the leverage ``h``: ``z = e / sqrt(1 - h)``, in units of the
    scatter where the points state no uncertainty or scatter beyond it.
    """
    arrays = point_arrays(points)
    curve = arrays.curve(fit.form)
    slope = curve.slope(arrays.reading, fit.parameters)
    var_x, var_y, common = arrays.variances
    deviation = np.sqrt(var_y + slope**2 * var_x - 2 * slope * common)
    whitened = (arrays.reference - curve.value(arrays.reading, fit.parameters)) / deviation
    columns = curve.columns(arrays.reading, fit.parameters) / deviation[:, None]
    leverage = np.sum(np.linalg.qr(columns).Q ** 2, axis=1)
    left = np.where(leverage < 1 - 1e-9, 1 - leverage, math.nan)
    unit = 1.0 if arrays.stated else math.sqrt(fit.chi_squared / fit.dof)
    return Residuals(deviation, whitened, columns, whitened / np.sqrt(left) / unit)


def check_fit(correction: Correction, points: Sequence[CalibrationPoint]) -> tuple[Finding, ...]:
    """Check the chosen fit of a correction against the points that it was made from.

    Chi-squared in its 95 % band, runs of one sign; on what the wider fit leaves, influence of
    direction, time and temperature, and leave-one-out prediction; and whether curvature could
    be told at all.
    """
    fit = correction.chosen
    arrays = point_arrays(points)
    left = residuals(correction.wider, points)
    return (
        *_scatter(fit, arrays),
        *_runs(residuals(fit, points), arrays),
        *_influences(left, arrays, points),
        *_predictions(left, arrays, points),
        *_linearity(correction, arrays),
    )


def _scatter(fit: CorrectionFit, arrays: PointArrays) -> Iterable[Finding]:
    if not arrays.stated:
        return
    low, high = chi_squared_band(fit.dof, arrays)
    reduced = fit.chi_squared / fit.dof
    evidence = {"chi_squared": fit.chi_squared, "dof": fit.dof, "low": low, "high": high}
    if fit.chi_squared > high:
        yield Finding(
            code="calibration-scatter",
            severity=Severity.WARNING,
            message=f"the points scatter {math.sqrt(reduced):.1f} times their uncertainty around "
            f"the {fit.form.model.value} correction; its u was widened by that",
            hint="look for loose contacts, a load that wanders or a form with too few terms",
            evidence=evidence,
        )
    elif fit.chi_squared < low:
        yield Finding(
            code="calibration-scatter-small",
            severity=Severity.INFO,
            message=f"the points scatter only {math.sqrt(reduced):.1f} times their uncertainty",
            hint="the points' uncertainties are stated too large, or count an error that is "
            "common to all points",
            evidence=evidence,
        )


def _runs(left: Residuals, arrays: PointArrays) -> Iterable[Finding]:
    """Yield a finding where residuals in the order of the readings keep their sign too long."""
    order = np.argsort(arrays.reading, kind="stable")
    signs = left.whitened[order] > 0
    runs = 1 + int(np.count_nonzero(np.diff(signs)))
    chance = chance_of_runs(int(signs.sum()), int((~signs).sum()), runs)
    if chance < RUNS:
        yield Finding(
            code="calibration-pattern",
            severity=Severity.WARNING,
            message=f"the residuals of {len(signs)} points keep their sign in {runs} runs: "
            "the form does not follow the meter",
            hint="calibrate at more levels, so that a form with more terms is supported",
            evidence={"runs": runs, "probability": chance},
        )


def chance_of_runs(above: int, below: int, runs: int) -> float:
    """Get the probability of ``runs`` or fewer runs in a random order (Wald and Wolfowitz)."""
    if not (above and below):
        return 1.0
    total = math.comb(above + below, above)
    ways = 0
    for count in range(2, runs + 1):
        half, odd = divmod(count, 2)
        if odd:
            ways += math.comb(above - 1, half) * math.comb(below - 1, half - 1)
            ways += math.comb(above - 1, half - 1) * math.comb(below - 1, half)
        else:
            ways += 2 * math.comb(above - 1, half - 1) * math.comb(below - 1, half - 1)
    return ways / total


INFLUENCES: Mapping[str, tuple[str, str]] = {
    "direction": (
        "calibration-hysteresis",
        "wait longer at each level, and load the meter to its full scale before",
    ),
    "time": (
        "calibration-drift",
        "let meter, reference and load warm up for half an hour, then calibrate again",
    ),
    "temperature": (
        "calibration-temperature",
        "calibrate at two temperatures 5 K apart, so that a temperature term is supported",
    ),
}
"""The finding's code and hint by the influence that residuals are tested against."""


def _influences(
    left: Residuals, arrays: PointArrays, points: Sequence[CalibrationPoint]
) -> Iterable[Finding]:
    """Yield what residuals depend on, the strongest first and the others only beside it."""
    amounts = {
        "direction": np.array([1.0 if p.direction is Direction.UP else -1.0 for p in points]),
        "time": np.array([p.at_utc_ns - points[0].at_utc_ns for p in points], dtype=np.float64),
        "temperature": arrays.temperature_c,
    }
    terms = {
        name: _terms(amount, arrays.reading) / left.deviation[:, None]
        for name, amount in amounts.items()
        if np.ptp(amount) > 0
    }
    columns = left.columns
    while terms:
        chances = {name: _chance(columns, left.whitened, more) for name, more in terms.items()}
        name = min(chances, key=lambda key: chances[key])
        if not chances[name] < INFLUENCE:
            return
        code, hint = INFLUENCES[name]
        yield Finding(
            code=code,
            severity=Severity.WARNING,
            message=f"the residuals of the points depend on {name}",
            hint=hint,
            evidence={"probability": chances[name]},
        )
        columns = np.concatenate((columns, terms.pop(name)), axis=1)


def _terms(amount: FloatArray, reading: FloatArray) -> FloatArray:
    """Get an amount and its product with the reading, both scaled, as columns ``(n, 2)``."""
    centred = (amount - amount.mean()) / np.ptp(amount)
    return np.stack((centred, centred * reading / np.abs(reading).max()), axis=1)


def _chance(columns: FloatArray, residual: FloatArray, terms: FloatArray) -> float:
    """Get the chance that further whitened terms explain as much of the residuals as they do.

    Chi-squared with as many degrees of freedom as terms, over what the residuals scatter
    without them where that is more than their u.
    """
    known = np.linalg.qr(columns).Q
    left = residual - known @ (known.T @ residual)
    fresh, scale, _ = np.linalg.svd(terms - known @ (known.T @ terms), full_matrices=False)
    fresh = fresh[:, scale > 1e-6 * np.linalg.norm(terms)]
    more = fresh.shape[1]
    spare = len(residual) - known.shape[1] - more
    if not more or spare < 1:
        return 1.0
    explained = float(np.sum((fresh.T @ left) ** 2))
    scatter = max(1.0, (float(left @ left) - explained) / spare)
    return float(special.chdtrc(more, explained / scatter))


def _predictions(
    left: Residuals, arrays: PointArrays, points: Sequence[CalibrationPoint]
) -> Iterable[Finding]:
    """Yield a finding where a point does not agree with the fit of all others."""
    limit = student_t(PREDICTED, arrays.scatter_dof or None)
    if not (np.abs(left.predicted) >= limit).any():
        return
    worst = int(np.nanargmax(np.abs(left.predicted)))
    away = float(left.predicted[worst])
    yield Finding(
        code="calibration-outlier",
        severity=Severity.WARNING,
        message=f"the point at {points[worst].nominal:g} lies {away:+.1f} u off what the other "
        "points predict",
        hint="look at that point's readings and take it again",
        evidence={"point": worst, "nominal": points[worst].nominal, "z": away},
    )


def _linearity(correction: Correction, arrays: PointArrays) -> Iterable[Finding]:
    """Yield a finding where the points could not have shown a curvature."""
    reason = shortage(CorrectionModel.QUADRATIC, arrays)
    if reason and not correction.chosen.form.knots:
        yield Finding(
            code="calibration-linearity",
            severity=Severity.WARNING,
            message="the points cannot show whether the meter is linear between them: "
            f"for a curvature {reason}",
            hint="calibrate at 10, 30, 50, 70 and 90 % of the range at least",
        )
