"""Lines and other curves where both coordinates are uncertain, and may be correlated.

Uncertainties are those of maximum likelihood at the adjusted points (York et al. 2004),
the same as ISO/TS 28037 gives; Kalantar's of 1992, at the observed points, are smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from powerlab.analysis.lines import Line, fit_line
from powerlab.records import FloatArray, freeze_arrays

ITERATIONS = 500
CONVERGED = 1e-14
ACCEPTED = 1e-10
"""Last change of the slope, over the points' height by width: to stop at, to refuse above.

For curves the norm of the whitened step over that of the whitened heights."""

INDEPENDENT = 1e-11
"""Part of a column, over the largest, that must not be explained by the columns before it."""


@dataclass(frozen=True, slots=True)
class _Points:
    """Points, for a line around their centre, with variances and covariance of each."""

    x: FloatArray
    y: FloatArray
    var_x: FloatArray
    var_y: FloatArray
    common: FloatArray


def fit_line_both(
    x: FloatArray,
    y: FloatArray,
    u_x: FloatArray,
    u_y: FloatArray,
    correlation: FloatArray | float = 0.0,
) -> Line:
    """Fit ``y = a + b x`` with standard uncertainties of ``x`` and ``y`` at every point.

    Arrays ``(n,)``; ``correlation`` between the errors of one point's ``x`` and ``y``.
    York, Evensen, Martinez and De Basabe Delgado, Am. J. Phys. 72 (2004) 367, in its form
    by variances, ``W = 1 / (u_y² + b² u_x² - 2 b r u_x u_y)``: a point may be exact in one
    coordinate; Deming's regression is the case of a constant ratio. Raises ValueError for
    points exact in both, fewer than two different ``x``, or no convergence.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    u_x, u_y = np.asarray(u_x, dtype=np.float64), np.asarray(u_y, dtype=np.float64)
    if not (np.hypot(u_x, u_y) > 0).all():
        raise ValueError("every point needs an uncertainty in one coordinate at least")
    start = fit_line(x, y)
    points = _Points(
        x - start.centre, y - start.level, u_x**2, u_y**2, np.asarray(correlation * u_x * u_y)
    )
    slope, steepness = start.slope, float(np.ptp(y) / np.ptp(x))
    change = math.inf
    for _ in range(ITERATIONS):
        weight, centroid, height, beta = _adjusted(points, slope)
        up, across = points.y - height, points.x - centroid
        moved = float(np.dot(weight * beta, up) / np.dot(weight * beta, across))
        change, slope = abs(moved - slope), moved
        if not change > CONVERGED * steepness:
            break
    if not change <= ACCEPTED * steepness:
        raise ValueError("the line through points uncertain in both coordinates does not converge")
    weight, centroid, height, beta = _adjusted(points, slope)
    residual = points.y - height - slope * (points.x - centroid)
    away = float(np.dot(weight, beta) / weight.sum())
    return Line(
        centre=start.centre + centroid + away,
        level=start.level + height + slope * away,
        slope=slope,
        weight=float(weight.sum()),
        spread=float(np.dot(weight, (beta - away) ** 2)),
        chi_squared=float(np.dot(weight, residual**2)),
        dof=len(x) - 2,
        stated=True,
    )


def _adjusted(points: _Points, slope: float) -> tuple[FloatArray, float, float, FloatArray]:
    """Get weights, the centroid, and how far each adjusted ``x`` lies from it, for a slope."""
    weight = 1 / (points.var_y + slope**2 * points.var_x - 2 * slope * points.common)
    total = weight.sum()
    centroid = float(np.dot(weight, points.x) / total)
    height = float(np.dot(weight, points.y) / total)
    across, up = points.x - centroid, points.y - height
    beta = weight * (
        across * points.var_y + slope * up * points.var_x - (slope * across + up) * points.common
    )
    return weight, centroid, height, beta


def fit_line_joint(x: FloatArray, y: FloatArray, covariance: FloatArray) -> Line:
    """Fit ``y = a + b x`` with the full covariance ``(2n, 2n)`` of all ``x``, then all ``y``.

    Generalised Gauss-Markov regression (ISO/TS 28037 section 10): the true abscissas are
    parameters beside ``a`` and ``b``; Gauss-Newton on the whitened residuals. Raises
    LinAlgError for a covariance that is not positive definite, ValueError where it does
    not converge.
    """
    start = fit_line(x, y)
    count = len(x)
    data = np.concatenate((np.asarray(x) - start.centre, np.asarray(y) - start.level))
    whitener = np.linalg.inv(np.linalg.cholesky(np.asarray(covariance, dtype=np.float64)))
    true_x, level, slope = data[:count].copy(), 0.0, start.slope
    steepness = float(np.ptp(y) / np.ptp(x))
    change = math.inf
    for _ in range(ITERATIONS):
        jacobian = whitener @ _jacobian(true_x, slope)
        model = np.concatenate((true_x, level + slope * true_x))
        step = np.linalg.lstsq(jacobian, whitener @ (data - model), rcond=None)[0]
        true_x = true_x + step[:count]
        level, slope = level + float(step[-2]), slope + float(step[-1])
        change = abs(float(step[-1]))
        if not change > CONVERGED * steepness:
            break
    if not change <= ACCEPTED * steepness:
        raise ValueError("the line through correlated points does not converge")
    residual = whitener @ (data - np.concatenate((true_x, level + slope * true_x)))
    # The last block of R holds the information on level and slope alone: its first row is
    # 0 for a step that turns the line around its centre, which lies ``away`` from the start's.
    triangle = np.linalg.qr(whitener @ _jacobian(true_x, slope)).R[-2:, -2:]
    away = float(triangle[0, 1] / triangle[0, 0])
    return Line(
        centre=start.centre + away,
        level=start.level + level + slope * away,
        slope=slope,
        weight=float(triangle[0, 0] ** 2),
        spread=float(triangle[1, 1] ** 2),
        chi_squared=float(np.dot(residual, residual)),
        dof=count - 2,
        stated=True,
    )


def _jacobian(true_x: FloatArray, slope: float) -> FloatArray:
    """Get the derivatives of all ``x`` and ``y`` by the true abscissas, level and slope."""
    count = len(true_x)
    jacobian = np.zeros((2 * count, count + 2))
    diagonal = np.arange(count)
    jacobian[diagonal, diagonal] = 1.0
    jacobian[count + diagonal, diagonal] = slope
    jacobian[count:, count] = 1.0
    jacobian[count:, count + 1] = true_x
    return jacobian


class Curve(Protocol):
    """A curve through ``n`` given points: value, slope and derivatives by its ``p`` parameters."""

    def value(self, x: FloatArray, parameters: FloatArray) -> FloatArray:
        """Get the height at each abscissa, ``(n,)``."""

    def slope(self, x: FloatArray, parameters: FloatArray) -> FloatArray:
        """Get the derivative by the abscissa, ``(n,)``."""

    def columns(self, x: FloatArray, parameters: FloatArray) -> FloatArray:
        """Get the derivatives by the parameters, ``(n, p)``."""


@dataclass(frozen=True, slots=True)
class CurveFit:
    """Fitted parameters ``(p,)``, and ``root`` with ``root @ root.T`` their covariance."""

    parameters: FloatArray
    root: FloatArray
    chi_squared: float

    def __post_init__(self) -> None:
        freeze_arrays(self)


def fit_curve_both(
    curve: Curve,
    start: FloatArray,
    x: FloatArray,
    y: FloatArray,
    covariances: tuple[FloatArray, FloatArray, FloatArray],
) -> CurveFit:
    """Fit a curve by maximum likelihood, from the parameters ``start``.

    ``covariances`` are u²(x), u²(y) and the covariance of both at every point, ``(n,)`` each.
    Gauss-Newton: around the adjusted abscissas the curve is a tangent, on which York's weights
    ``1 / (u_y² + b² u_x² - 2 b c)`` hold with its own slope ``b``; the parameters follow by QR.
    Raises ValueError for columns that are not independent and for no convergence.
    """
    points = _Points(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), *covariances)
    parameters, adjusted = np.asarray(start, dtype=np.float64), points.x
    moved = math.inf
    for _ in range(ITERATIONS):
        tangent = _tangent(curve, parameters, adjusted, points)
        orthogonal, triangle = np.linalg.qr(tangent.columns)
        if not np.abs(np.diag(triangle)).min() > INDEPENDENT * np.abs(triangle).max():
            raise ValueError("the points cannot tell the terms of the curve apart")
        projected = orthogonal.T @ tangent.residual
        parameters = parameters + np.linalg.solve(triangle, projected)
        after = (tangent.residual - orthogonal @ projected) * tangent.deviation
        adjusted = points.x + tangent.pull * after
        last, moved = moved, float(np.linalg.norm(projected))
        # Rounding may hold the last steps above the limit: they then stop to shrink.
        if moved <= CONVERGED * tangent.size or last <= moved <= ACCEPTED * tangent.size:
            break
    else:
        raise ValueError("the curve through points uncertain in both coordinates does not converge")
    final = _tangent(curve, parameters, adjusted, points)
    root = np.linalg.inv(np.linalg.qr(final.columns).R)
    return CurveFit(parameters, root, math.fsum((final.residual**2).tolist()))


@dataclass(frozen=True, slots=True)
class _Tangent:
    """A curve straightened around adjusted abscissas.

    Whitened columns and residuals, the norm ``size`` of the whitened heights; for each point
    the standard ``deviation`` of its residual, and the ``pull`` of a residual on its abscissa.
    """

    columns: FloatArray
    residual: FloatArray
    size: float
    deviation: FloatArray
    pull: FloatArray


def _tangent(curve: Curve, parameters: FloatArray, at: FloatArray, points: _Points) -> _Tangent:
    """Linearise the curve at the adjusted abscissas ``at``."""
    slope = curve.slope(at, parameters)
    variance = points.var_y + slope**2 * points.var_x - 2 * slope * points.common
    if not (variance > 0).all():
        raise ValueError("every point needs an uncertainty in one coordinate at least")
    deviation = np.sqrt(variance)
    residual = points.y - curve.value(at, parameters) - slope * (points.x - at)
    return _Tangent(
        columns=curve.columns(at, parameters) / deviation[:, None],
        residual=residual / deviation,
        size=float(np.linalg.norm(points.y / deviation)),
        deviation=deviation,
        pull=(slope * points.var_x - points.common) / variance,
    )
