"""Polynomials through points: QR on Chebyshev columns, coefficients by exact arithmetic.

Powers of an abscissa like 150,000 to 3,000,000 make columns that differ in nothing but
rounding. Chebyshev polynomials on the scaled interval stay nearly orthogonal, and the way
back to powers, where terms cancel, is done in rational numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from powerlab.records import FloatArray, freeze_arrays


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A fitted ``y = sum(c_k x**k)``.

    ``basis`` holds the coefficients of the Chebyshev polynomials of ``(x - centre) / half``
    and ``root`` a matrix with ``root @ root.T`` their covariance; ``coefficients`` and
    ``covariance`` are those of the powers of ``x``, lowest first. ``chi_squared``, ``dof``
    and ``stated`` as in ``powerlab.analysis.lines.Line``.
    """

    centre: float
    half: float
    basis: FloatArray
    root: FloatArray
    coefficients: FloatArray
    covariance: FloatArray
    chi_squared: float
    dof: int
    stated: bool

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def u_coefficients(self) -> FloatArray:
        """Get the standard uncertainties of the coefficients."""
        u: FloatArray = np.sqrt(np.diag(self.covariance))
        return u

    @property
    def residual_sd(self) -> float:
        """Get the scatter of the points around the curve, infinite where none is left over."""
        return math.sqrt(self.chi_squared / self.dof) if self.dof > 0 else math.inf


def fit_polynomial(
    x: FloatArray, y: FloatArray, degree: int, u_y: FloatArray | None = None
) -> Polynomial:
    """Fit a polynomial by least squares, weighted by ``1 / u_y**2`` where ``u_y`` is given.

    Arrays ``(n,)``. Without ``u_y`` the uncertainties come from the residuals, as in NIST
    StRD. One step of refinement follows the QR solution. Raises ValueError for fewer
    different ``x`` than coefficients and for a ``u_y`` that is not positive.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(np.unique(x)) < degree + 1:
        raise ValueError(f"degree {degree} needs {degree + 1} different x")
    weight = np.ones(len(x)) if u_y is None else 1 / np.asarray(u_y, dtype=np.float64)
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("every point needs an uncertainty above 0")
    centre, half = _interval(x)
    columns = np.polynomial.chebyshev.chebvander((x - centre) / half, degree) * weight[:, None]
    orthogonal, triangle = np.linalg.qr(columns)
    basis = np.linalg.solve(triangle, orthogonal.T @ (y * weight))
    basis = basis + np.linalg.solve(triangle, orthogonal.T @ (y * weight - columns @ basis))
    residual = y * weight - columns @ basis
    chi_squared = math.fsum((residual**2).tolist())
    dof = len(x) - degree - 1
    root = np.linalg.inv(triangle)
    if u_y is None:
        root = root * math.sqrt(chi_squared / dof) if dof > 0 else np.full_like(root, math.inf)
    powers = _powers(centre, half, degree)
    root_of_powers = np.stack([_exact(powers, column) for column in root.T], axis=1)
    return Polynomial(
        centre=centre,
        half=half,
        basis=basis,
        root=root,
        coefficients=_exact(powers, basis),
        covariance=root_of_powers @ root_of_powers.T,
        chi_squared=chi_squared,
        dof=dof,
        stated=u_y is not None,
    )


def evaluate(polynomial: Polynomial, x: float) -> tuple[float, float]:
    """Get the curve's value at ``x`` and its standard uncertainty (confidence band)."""
    scaled = (x - polynomial.centre) / polynomial.half
    row = np.polynomial.chebyshev.chebvander(np.array([scaled]), len(polynomial.basis) - 1)[0]
    return float(row @ polynomial.basis), float(np.linalg.norm(row @ polynomial.root))


def _interval(x: FloatArray) -> tuple[float, float]:
    """Get centre and half-width of the interval of ``x``, which maps it to [-1, 1]."""
    low, high = float(x.min()), float(x.max())
    return (low + high) / 2, (high - low) / 2 or 1.0


def _powers(centre: float, half: float, degree: int) -> list[list[Fraction]]:
    """List the Chebyshev polynomials of ``(x - centre) / half`` by their powers of ``x``.

    ``T0 = 1``, ``T1 = t``, ``T(k+1) = 2 t T(k) - T(k-1)``; exact.
    """
    scale = 1 / Fraction(half)
    offset = -Fraction(centre) * scale
    rows = [[Fraction(1)], [offset, scale]]
    while len(rows) <= degree:
        last, before = rows[-1], rows[-2]
        row = [2 * offset * value for value in last] + [Fraction(0)]
        for power, value in enumerate(last):
            row[power + 1] += 2 * scale * value
        for power, value in enumerate(before):
            row[power] -= value
        rows.append(row)
    return rows[: degree + 1]


def _exact(powers: list[list[Fraction]], basis: FloatArray) -> FloatArray:
    """Turn coefficients of the Chebyshev polynomials into those of the powers of ``x``."""
    total = [Fraction(0)] * len(powers)
    if not np.isfinite(basis).all():
        return np.full(len(powers), math.inf)
    for row, weight in zip(powers, basis.tolist(), strict=True):
        for power, value in enumerate(row):
            total[power] += value * Fraction(weight)
    return np.array([float(value) for value in total])
