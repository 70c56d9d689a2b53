"""The uncertainty of a ratio: performance per watt, energy of A over energy of B.

A ratio of two means is not symmetric and, where the denominator may be zero, not even
bounded. Fieller's interval is exact there; the delta and the log method are its limits
for a denominator that is known well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from powerlab.analysis.uncertainty import COVERAGE, student_t

DELTA_LIMIT = 0.01
"""``g`` above which first order is not good enough (method section 3.3)."""


@dataclass(frozen=True, slots=True)
class Operands:
    """Numerator ``x`` and denominator ``y``, their standard uncertainties and covariance.

    ``dof`` are those of the uncertainties, None where infinite: n - 1 for two means of the
    same n runs, ``relative_dof`` for independent ones.
    """

    x: float
    y: float
    u_x: float
    u_y: float
    covariance: float = 0.0
    dof: float | None = None

    @property
    def ratio(self) -> float:
        """Get ``x / y``."""
        return self.x / self.y

    @property
    def u(self) -> float:
        """Get the standard uncertainty of ``x / y`` to first order (GUM 5.2.2).

        ``sqrt(u_x² - 2 R u_xy + R² u_y²) / |y|``, which needs no ``x`` other than 0.
        """
        ratio = self.ratio
        variance = self.u_x**2 - 2 * ratio * self.covariance + (ratio * self.u_y) ** 2
        return math.sqrt(max(0.0, variance)) / abs(self.y)


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """A ratio and the values of it that are not excluded.

    ``pieces`` are closed intervals in rising order, with infinite ends where unbounded: one
    finite piece; or all but an open interval, as two; or everything, as one. ``g`` is the
    squared relative half-width of the denominator: 1 and more makes it unbounded.
    """

    value: float
    u: float
    g: float
    pieces: tuple[tuple[float, float], ...]
    method: str

    @property
    def bounded(self) -> bool:
        """Tell whether the interval has two finite ends."""
        return len(self.pieces) == 1 and all(map(math.isfinite, self.pieces[0]))

    @property
    def low(self) -> float | None:
        """Get the lower end, None where there is none."""
        return self.pieces[0][0] if math.isfinite(self.pieces[0][0]) else None

    @property
    def high(self) -> float | None:
        """Get the upper end, None where there is none."""
        return self.pieces[-1][1] if math.isfinite(self.pieces[-1][1]) else None


def ratio_interval(operands: Operands, p: float = COVERAGE) -> RatioInterval:
    """Get the interval of ``x / y``: log method where both are known well, else Fieller's.

    Well is a squared relative half-width of at most 0.01, which is ``g`` of the denominator.
    """
    t2 = student_t(p, operands.dof) ** 2
    well_known = (
        t2 * operands.u_x**2 <= DELTA_LIMIT * operands.x**2
        and t2 * operands.u_y**2 <= DELTA_LIMIT * operands.y**2
    )
    return log_interval(operands, p) if well_known else fieller_interval(operands, p)


def fieller_interval(
    operands: Operands, p: float = COVERAGE, *, k: float | None = None
) -> RatioInterval:
    """Get all ``R`` with ``(x - R y)² <= t² (u_x² - 2 R u_xy + R² u_y²)`` (Fieller 1954).

    ``k`` takes the place of Student's t where ``x - R y`` is of another distribution.

    The roots of ``a R² - 2 b R + c`` with ``a = y² - t² u_y²``, ``b = x y - t² u_xy``,
    ``c = x² - t² u_x²``: the piece between them for ``a > 0`` (``g < 1``), all but it for
    ``a < 0``, everything where there are none. Raises ZeroDivisionError for ``y = 0``.
    """
    t, x, y = student_t(p, operands.dof) if k is None else k, operands.x, operands.y
    a = (y - t * operands.u_y) * (y + t * operands.u_y)
    b = x * y - t**2 * operands.covariance
    c = (x - t * operands.u_x) * (x + t * operands.u_x)
    # b² - a c without the x² y² that cancels in it and would take half of the digits.
    determinant = (operands.u_x * operands.u_y) ** 2 - operands.covariance**2
    root = (t * y**2 * operands.u) ** 2 - t**4 * determinant
    return _interval(operands, t, _pieces(a, b, c, root), "fieller")


def _pieces(a: float, b: float, c: float, root: float) -> tuple[tuple[float, float], ...]:
    """Solve ``a R² - 2 b R + c <= 0``; ``root`` is ``b² - a c``."""
    if a == 0:
        if b == 0:
            return ((-math.inf, math.inf),)
        return ((c / (2 * b), math.inf),) if b > 0 else ((-math.inf, c / (2 * b)),)
    if root < 0 and a < 0:
        return ((-math.inf, math.inf),)
    larger = b + math.copysign(math.sqrt(max(root, 0.0)), b)
    ends = (larger / a, c / larger) if larger else (0.0, 0.0)
    low, high = min(ends), max(ends)
    return ((low, high),) if a > 0 else ((-math.inf, low), (high, math.inf))


def delta_interval(operands: Operands, p: float = COVERAGE) -> RatioInterval:
    """Get the symmetric interval ``R ± t u`` of the first-order method (GUM 5.2.2)."""
    value, t = operands.ratio, student_t(p, operands.dof)
    half = t * operands.u
    return _interval(operands, t, ((value - half, value + half),), "delta")


def log_interval(operands: Operands, p: float = COVERAGE) -> RatioInterval:
    """Get the interval ``R exp(± t u / R)``: first order in the logarithm, never across 0."""
    value, t = operands.ratio, student_t(p, operands.dof)
    factor = math.exp(t * operands.u / abs(value))
    ends = sorted((value / factor, value * factor))
    return _interval(operands, t, ((ends[0], ends[1]),), "log")


def probability_greater(operands: Operands) -> float:
    """Get the probability that ``x`` is above ``y`` (method section 3.4).

    ``Phi((x - y) / sqrt(u_x² + u_y² - 2 u_xy))``, t for finite dof: an error common to both,
    as of one meter, cancels. 0.5, 0 or 1 where the difference is exact.
    """
    difference = operands.x - operands.y
    variance = operands.u_x**2 + operands.u_y**2 - 2 * operands.covariance
    if variance <= 0:
        return 0.5 if difference == 0 else float(difference > 0)
    z = difference / math.sqrt(variance)
    return float(special.ndtr(z) if operands.dof is None else special.stdtr(operands.dof, z))


def relative_dof(operands: Operands, dof_x: float, dof_y: float) -> float:
    """Get the Welch-Satterthwaite degrees of freedom of the ratio of independent means.

    GUM G.4.2 in relative terms; infinite for operands that are exact.
    """
    a, b = (operands.u_x / operands.x) ** 2, (operands.u_y / operands.y) ** 2
    finite = a**2 / dof_x + b**2 / dof_y
    return (a + b) ** 2 / finite if finite > 0 else math.inf


def _interval(
    operands: Operands, t: float, pieces: tuple[tuple[float, float], ...], method: str
) -> RatioInterval:
    g = (t * operands.u_y / operands.y) ** 2
    return RatioInterval(operands.ratio, operands.u, g, pieces, method)
