"""A straight line through values of which each is only known to lie between two bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from powerlab.records import FloatArray

_STEPS = np.linspace(-4.0, 4.0, 13)
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class BoundedLine:
    """``intercept + slope * x``, with the standard uncertainty of the intercept."""

    intercept: float
    u_intercept: float
    slope: float


def fit_bounded(x: FloatArray, low: FloatArray, high: FloatArray, *, finest: float) -> BoundedLine:
    """Fit a line to values between ``low`` and ``high``, float64 ``(n,)`` each, at ``x``.

    Values scatter normally about the line by an unknown amount of at least ``finest``, which is
    also the least half-width of a pair of bounds. The probability that all lie within theirs is
    averaged over that amount (flat in its logarithm), intercept and slope, on grids that close
    in on it. Where bounds are wider than the scatter they rule each other's lines out, so the
    line is known far better than from the middles of the bounds.
    """
    lever = max(float(np.abs(x).max()), 1e-300)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, finest)
    origin = float(np.median(middle))
    columns = np.stack((np.ones_like(x), x / lever), axis=1)
    centre, *_ = np.linalg.lstsq(columns, middle - origin, rcond=None)
    scatter = max(float((middle - origin - columns @ centre).std()), finest)
    least, most = math.log(finest), math.log(2 * scatter)
    centre = np.append(centre, (least + most) / 2)
    u = scatter * np.sqrt(np.diag(np.linalg.pinv(columns.T @ columns)))
    u = np.append(u, (most - least) / 8)
    for _ in range(_ROUNDS):
        grid = centre[:, np.newaxis] + u[:, np.newaxis] * _STEPS
        lines = grid[0][:, np.newaxis, np.newaxis] + grid[1][:, np.newaxis] * columns[:, 1]
        weight = _weights(lines - (middle - origin), half, np.exp(np.maximum(grid[2], least)))
        marginal = np.stack([weight.sum(axis=others) for others in ((1, 2), (0, 2), (0, 1))])
        centre = np.sum(marginal * grid, axis=1)
        spread = np.sqrt(np.sum(marginal * (grid - centre[:, np.newaxis]) ** 2, axis=1))
        # A grid tells no less than half a step; the next one is that much finer.
        u = np.maximum(spread, (grid[:, 1] - grid[:, 0]) / 2)
    return BoundedLine(origin + float(centre[0]), float(u[0]), float(centre[1]) / lever)


def _weights(off: FloatArray, half: FloatArray, scatters: FloatArray) -> FloatArray:
    """Get the probability of each intercept, slope and scatter, float64 of three axes.

    ``off`` is how far a line of some intercept and slope lies from the middle of each pair of
    bounds, ``(intercepts, slopes, n)``.
    """
    away, scale = off[:, :, np.newaxis], scatters[:, np.newaxis]
    inside = special.ndtr((away + half) / scale) - special.ndtr((away - half) / scale)
    logarithm = np.log(np.maximum(inside, 1e-300)).sum(axis=-1)
    weight = np.exp(logarithm - logarithm.max())
    return np.asarray(weight / weight.sum())
