"""Mean, scatter and correlation of repeated readings, to the last digits a double holds.

Two passes with exactly rounded sums: readings around 10,000,000 that differ in the last
digit lose nothing (NIST StRD NumAcc). Simultaneous readings of several inputs keep their
covariance, and a model of them carries it on (GUM H.2).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from powerlab.records import FloatArray, freeze_arrays

STEP = 1e-2
"""Step of a numerical derivative in units of the input's u; the formula errs by its 4th power."""

SMALLEST_STEP = 1e-4
"""The same in units of the input's value, for inputs known so well that rounding would rule."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, sample standard deviation (n - 1) and lag-1 autocorrelation; NaN where undefined."""

    mean: float
    sd: float
    lag1: float


def moments(values: FloatArray) -> Moments:
    """Get mean, standard deviation and lag-1 autocorrelation of at least one reading.

    ``lag1 = sum(d_i d_(i+1)) / sum(d_i²)`` with ``d`` the deviations from the mean, as NIST
    StRD defines it.
    """
    readings = np.asarray(values, dtype=np.float64)
    rough = math.fsum(readings.tolist()) / len(readings)
    deviation = readings - rough
    shift = math.fsum(deviation.tolist()) / len(readings)
    deviation = deviation - shift
    squares = math.fsum((deviation**2).tolist())
    products = math.fsum((deviation[1:] * deviation[:-1]).tolist())
    return Moments(
        mean=rough + shift,
        sd=math.sqrt(squares / (len(readings) - 1)) if len(readings) > 1 else math.nan,
        lag1=products / squares if squares > 0 else math.nan,
    )


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimates ``values`` ``(k,)`` with their covariance matrix ``(k, k)``."""

    values: FloatArray
    covariance: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def u(self) -> FloatArray:
        """Get the standard uncertainties, ``(k,)``."""
        result: FloatArray = np.sqrt(np.diag(self.covariance))
        return result

    @property
    def correlation(self) -> FloatArray:
        """Get the correlation matrix, NaN where an estimate is exact."""
        with np.errstate(invalid="ignore", divide="ignore"):
            result: FloatArray = self.covariance / np.outer(self.u, self.u)
        return result


def estimates(observations: FloatArray) -> Estimates:
    """Get the means of simultaneous observations ``(n, k)`` and the covariance of the means.

    ``u(a, b) = sum((a_i - mean a)(b_i - mean b)) / (n (n - 1))`` (GUM 5.2.3); n - 1 degrees
    of freedom. NaN covariance for a single observation.
    """
    table = np.asarray(observations, dtype=np.float64)
    count, width = table.shape
    means = np.array([moments(column).mean for column in table.T])
    if count < 2:
        return Estimates(means, np.full((width, width), math.nan))
    deviation = table - means
    covariance = deviation.T @ deviation / (count * (count - 1))
    return Estimates(means, covariance)


def propagate(model: Callable[[FloatArray], FloatArray], inputs: Estimates) -> Estimates:
    """Carry estimates through ``y = model(x)``, from ``(k,)`` to ``(m,)``, with all covariances.

    ``U_y = C U_x C^T`` (JCGM 102 6.2, GUM H.2.3), the sensitivities ``C`` by the five-point
    central difference. First order: for models that bend within u, use Monte Carlo.
    """
    sensitivity = np.stack(
        [_derivative(model, inputs, index) for index in range(len(inputs.values))], axis=1
    )
    covariance: FloatArray = sensitivity @ inputs.covariance @ sensitivity.T
    return Estimates(np.asarray(model(inputs.values), dtype=np.float64), covariance)


def second_order_variance(model: Callable[[FloatArray], float], inputs: Estimates) -> float:
    """Get what the bend of ``y = model(x)`` adds to its variance, from ``(k,)`` to a number.

    ``sum over i, j of [(1/2) f_ij² + f_i f_ijj] u_i² u_j²`` for independent normal inputs (GUM
    5.1.2, note), by central differences over whole standard uncertainties: exact for models
    of second degree.
    """

    def slope(along: FloatArray, from_: FloatArray) -> float:
        ahead, behind = (model(inputs.values + from_ + step) for step in (along, -along))
        return float(ahead - behind) / 2

    total = 0.0
    for first, second in itertools.product(np.diag(inputs.u), repeat=2):
        here, above, below = (slope(first, step * second) for step in (0, 1, -1))
        total += ((above - below) / 2) ** 2 / 2 + here * (above - 2 * here + below)
    return total


def _derivative(
    model: Callable[[FloatArray], FloatArray], inputs: Estimates, index: int
) -> FloatArray:
    """Differentiate by one input: ``(8 (f₊ - f₋) - (f₊₊ - f₋₋)) / 12h``."""
    value = float(inputs.values[index])
    step = max(STEP * float(inputs.u[index]), SMALLEST_STEP * abs(value)) or STEP

    def at(shift: float) -> FloatArray:
        moved = inputs.values.copy()
        moved[index] = value + shift
        return np.asarray(model(moved), dtype=np.float64)

    near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
    result: FloatArray = (8 * near - far) / (12 * step)
    return result
