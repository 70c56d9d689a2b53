"""Straight lines through points: weights or none, correlated points, gain only; and back again.

A line is kept at its centre, the weighted mean abscissa, where level and slope are
uncorrelated. Columns are centred before they are projected, which is the QR decomposition
of two columns written out: no digits go to a large offset in ``x`` or ``y``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from powerlab.records import FloatArray


@dataclass(frozen=True, slots=True)
class Line:
    """The line ``y = level + slope * (x - centre)`` fitted to points.

    ``weight`` is the sum of weights, infinite where the line was held at the origin, and
    ``spread`` the weighted sum of squares of ``x`` around the centre. ``chi_squared`` is the
    weighted sum of squared residuals, with ``dof`` degrees of freedom. ``stated`` tells
    that the points came with uncertainties; without, these are taken from the residuals.
    """

    centre: float
    level: float
    slope: float
    weight: float
    spread: float
    chi_squared: float
    dof: int
    stated: bool

    @property
    def residual_sd(self) -> float:
        """Get the scatter of the points around the line, infinite where none is left over."""
        return math.sqrt(self.chi_squared / self.dof) if self.dof > 0 else math.inf

    @property
    def parameter_dof(self) -> int | None:
        """Get the degrees of freedom of the uncertainties, None (infinite) if u was stated."""
        return None if self.stated else self.dof

    @property
    def u_level(self) -> float:
        """Get the standard uncertainty of the level at the centre."""
        if math.isinf(self.weight):
            return 0.0
        return self._unit / math.sqrt(self.weight)

    @property
    def u_slope(self) -> float:
        """Get the standard uncertainty of the slope."""
        return self._unit / math.sqrt(self.spread)

    @property
    def intercept(self) -> float:
        """Get the value at ``x = 0``."""
        return self.level - self.slope * self.centre

    @property
    def u_intercept(self) -> float:
        """Get the standard uncertainty of the intercept."""
        return math.hypot(self.u_level, self.centre * self.u_slope)

    @property
    def covariance(self) -> float:
        """Get the covariance of intercept and slope."""
        return -self.centre * self.u_slope**2

    @property
    def correlation(self) -> float:
        """Get the correlation of intercept and slope, 0 for a line held at the origin."""
        u = self.u_intercept
        return -self.centre * self.u_slope / u if u > 0 else 0.0

    @property
    def r_squared(self) -> float:
        """Get the share of the sum of squares that the line explains (NIST StRD)."""
        explained = self.slope**2 * self.spread
        return explained / (explained + self.chi_squared)

    @property
    def tail_probability(self) -> float:
        """Get the probability of a chi-squared as large as this one, if the stated u are right.

        Below 0.05 the points do not fit their uncertainties (ISO/TS 28037 6.3); above
        0.975 these are too large. NaN where none were stated or no points are left over.
        """
        if not self.stated or self.dof < 1:
            return math.nan
        return float(special.chdtrc(self.dof, self.chi_squared))

    @property
    def _unit(self) -> float:
        return 1.0 if self.stated else self.residual_sd


def fit_line(x: FloatArray, y: FloatArray, u_y: FloatArray | None = None) -> Line:
    """Fit ``y = a + b x`` by least squares, weighted by ``1 / u_y**2`` where ``u_y`` is given.

    Arrays ``(n,)``. Weighted as ISO/TS 28037 section 6; without ``u_y`` the uncertainties
    come from the residuals (GUM H.3, ISO/TS 28037 annex E). Raises ValueError for fewer
    than two different ``x`` and for a ``u_y`` that is not positive.
    """
    whitener = np.ones(len(x)) if u_y is None else _reciprocals(u_y)
    return _project(x, y, whitener, stated=u_y is not None)


def fit_line_correlated(x: FloatArray, y: FloatArray, covariance_y: FloatArray) -> Line:
    """Fit ``y = a + b x`` with a full covariance matrix ``(n, n)`` of ``y`` (Gauss-Markov).

    ISO/TS 28037 section 9: points and unit column are multiplied by the inverse of the
    Cholesky factor, then fitted as uncorrelated ones. A gain error common to all points
    is not for this matrix: fit without it and add it to the result (GUM H.3.6).
    """
    inverse = np.linalg.inv(np.linalg.cholesky(_float(covariance_y)))
    return _project(x, y, _float(inverse), stated=True)


def fit_through_origin(x: FloatArray, y: FloatArray, u_y: FloatArray | None = None) -> Line:
    """Fit ``y = b x``: a gain without an offset (NIST StRD NoInt1).

    ``b = sum(w x y) / sum(w x x)``; uncertainties as in ``fit_line``. Raises ValueError
    where all ``x`` are 0.
    """
    scale = np.ones(len(x)) if u_y is None else _reciprocals(u_y)
    column, values = _float(x) * scale, _float(y) * scale
    spread = _dot(column, column)
    if not spread > 0:
        raise ValueError("a gain needs at least one x that is not 0")
    slope = _dot(column, values) / spread
    residual = values - slope * column
    return Line(
        centre=0.0,
        level=0.0,
        slope=slope,
        weight=math.inf,
        spread=spread,
        chi_squared=_dot(residual, residual),
        dof=len(column) - 1,
        stated=u_y is not None,
    )


def predict(line: Line, x: float, u_x: float = 0.0) -> tuple[float, float]:
    """Get the line's value at ``x`` and its standard uncertainty (confidence band).

    ``u² = u²(level) + (x - centre)² u²(slope) + slope² u²(x)``, which is GUM H.3.4 without
    its covariance. For a single new reading (prediction band) add its own u in quadrature.
    """
    away = x - line.centre
    u = math.hypot(line.u_level, away * line.u_slope, line.slope * u_x)
    return line.level + line.slope * away, u


def invert(line: Line, y: float, u_y: float = 0.0) -> tuple[float, float]:
    """Get the ``x`` at which the line reads ``y``, and its standard uncertainty.

    ``u² = [u²(y) + u²(level) + (x - centre)² u²(slope)] / slope²`` (ISO/TS 28037 section
    11.1, method section 4). Raises ValueError for a slope of 0.
    """
    if line.slope == 0:
        raise ValueError("a level line cannot be inverted")
    away = (y - line.level) / line.slope
    u = math.hypot(u_y, line.u_level, away * line.u_slope) / abs(line.slope)
    return line.centre + away, u


def _project(x: FloatArray, y: FloatArray, whitener: FloatArray, *, stated: bool) -> Line:
    """Fit by Gram-Schmidt on the whitened, centred columns; ``whitener`` is a diagonal or full."""
    x, y = _float(x), _float(y)
    if not (len(x) == len(y) == len(whitener)) or len(x) < 2 or np.ptp(x) == 0:
        raise ValueError("a line needs as many y and u as x, and two different x")
    middle, height = _mean(x), _mean(y)
    unit = _whiten(whitener, np.ones(len(x)))
    across, up = _whiten(whitener, x - middle), _whiten(whitener, y - height)
    weight = _dot(unit, unit)
    shift = _dot(unit, across) / weight
    across = across - shift * unit
    spread = _dot(across, across)
    level = _dot(unit, up) / weight
    slope = _dot(across, up) / spread
    residual = up - level * unit - slope * across
    return Line(
        centre=middle + shift,
        level=height + level,
        slope=slope,
        weight=weight,
        spread=spread,
        chi_squared=_dot(residual, residual),
        dof=len(x) - 2,
        stated=stated,
    )


def _whiten(whitener: FloatArray, column: FloatArray) -> FloatArray:
    result: FloatArray = whitener * column if whitener.ndim == 1 else whitener @ column
    return result


def _reciprocals(u: FloatArray) -> FloatArray:
    values = _float(u)
    if not (values > 0).all():
        raise ValueError("every point needs an uncertainty above 0")
    return 1 / values


def _float(values: FloatArray) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _mean(values: FloatArray) -> float:
    return math.fsum(values.tolist()) / len(values)


def _dot(a: FloatArray, b: FloatArray) -> float:
    return math.fsum((a * b).tolist())
