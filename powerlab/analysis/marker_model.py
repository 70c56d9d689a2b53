"""The least-squares fit of a drawn pattern to samples, by variable projection.

The model of a sample is ``idle + drift + step * T(delay, asymmetry, lag)``, with ``T`` the
template of ``lagged``. Levels and drift are linear and eliminated exactly (Golub and Pereyra
1973, in Kaufman's form); delay and asymmetry go by Gauss-Newton from the coarse peak. The
lag is scanned, because its information fades as it gets short against the samples: the
answer is the mean over all lags that the trace allows, weighted by their likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from powerlab.analysis.lagged import Pattern, Samples, Template, template
from powerlab.records import FloatArray

DRIFT_ORDER = 2
"""Warming up moves the levels: a parabola over the marker takes that up."""

MOST_STEPS = 12
LAG_NODES = 9
MOST_ZOOMS = 8
REACH = 16.0
"""Lags whose chi-squared is within this of the best one count: four standard deviations."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The non-linear parameters: start delay, longer busy stretches, first-order lag."""

    delay_s: float
    asymmetry_s: float
    lag_s: float


@dataclass(frozen=True)
class Solution:
    """A fitted model at one lag: where it is, its misfit, and its linearisation there.

    ``jacobian`` float64 ``(n, 2)`` is the samples' change (W/s) with delay and asymmetry
    after the levels have followed; ``residual_w`` float64 ``(n,)``.
    """

    shape: Shape
    model: Template
    step_w: float
    residual_w: FloatArray
    jacobian: FloatArray

    @cached_property
    def misfit(self) -> float:
        """Get the sum of squared residuals (W²)."""
        return float(np.dot(self.residual_w, self.residual_w))

    @property
    def group_s(self) -> float:
        """Get the group delay: start delay plus lag."""
        return self.shape.delay_s + self.shape.lag_s

    @cached_property
    def inverse(self) -> FloatArray:
        """Get the inverse normal matrix of delay and asymmetry (s²/W²)."""
        return np.asarray(np.linalg.pinv(self.jacobian.T @ self.jacobian))


class Problem:
    """Samples, the pattern drawn, and what of it is linear, projected out once."""

    def __init__(self, samples: Samples, pattern: Pattern) -> None:
        self.samples = samples
        self.pattern = pattern
        half = (samples.middle_s[-1] - samples.middle_s[0]) / 2 or 1.0
        place = (samples.middle_s - samples.middle_s.mean()) / half
        self._drift, _ = np.linalg.qr(np.vander(place, DRIFT_ORDER + 1, increasing=True))
        self._power = self._aside(samples.power_w)
        self._widest = 0.4 * pattern.shortest_s

    @property
    def dof(self) -> int:
        """Get the samples less the parameters: drift, step, delay, asymmetry and lag."""
        return max(1, len(self.samples.power_w) - (DRIFT_ORDER + 1) - 4)

    def _aside(self, columns: FloatArray) -> FloatArray:
        """Get columns less their part in the level and its drift."""
        return np.asarray(columns - self._drift @ (self._drift.T @ columns))

    def at(self, shape: Shape) -> Solution:
        """Solve the levels for one shape."""
        model = template(
            self.samples,
            self.pattern,
            delay_s=shape.delay_s,
            lag_s=shape.lag_s,
            asymmetry_s=shape.asymmetry_s,
        )
        columns = self._aside(np.column_stack((model.value, model.by_delay, model.by_asymmetry)))
        value = columns[:, 0]
        norm = float(np.dot(value, value))
        step_w = float(np.dot(value, self._power)) / norm if norm > 0 else 0.0
        slopes = columns[:, 1:] - np.outer(value, value @ columns[:, 1:]) / (norm or 1.0)
        return Solution(shape, model, step_w, self._power - step_w * value, step_w * slopes)

    def solve(self, lag_s: float, start: Solution | Shape) -> Solution:
        """Fit delay and asymmetry at one lag, from a start of about the same group delay."""
        shape = start if isinstance(start, Shape) else start.shape
        shape = Shape(shape.delay_s + shape.lag_s - lag_s, shape.asymmetry_s, lag_s)
        best = self.at(shape)
        limit_s = float(np.median(self.samples.width_s)) / 2 or self._widest
        for _ in range(MOST_STEPS):
            change = best.inverse @ (best.jacobian.T @ best.residual_w)
            change = np.clip(change, -limit_s, limit_s)
            promised = float(change @ (best.jacobian.T @ best.residual_w))
            if promised <= 1e-6 * best.misfit / self.dof:
                break
            moved = best.shape.asymmetry_s + float(change[1])
            new = self.at(
                Shape(
                    best.shape.delay_s + float(change[0]),
                    min(self._widest, max(-self._widest, moved)),
                    lag_s,
                )
            )
            if new.misfit < best.misfit:
                best = new
            else:
                limit_s = float(np.abs(change).max()) / 4
        return best


@dataclass(frozen=True, slots=True)
class Lags:
    """The fits at the lags a trace allows: rising ``lag_s``, their weights (sum 1), the best."""

    lag_s: FloatArray
    weight: FloatArray
    solutions: tuple[Solution, ...]
    best: Solution

    def mean_and_u(self, values: FloatArray) -> tuple[float, float]:
        """Get the mean of one value per lag and its standard deviation over the lags."""
        mean = float(np.dot(self.weight, values))
        return mean, math.sqrt(float(np.dot(self.weight, (values - mean) ** 2)))


def scan_lags(problem: Problem, start: Shape, limit_s: float, temper: float = 1.0) -> Lags:
    """Fit at all lags from 0 to ``limit_s`` that the trace allows, equally likely beforehand.

    A lag's weight is ``exp(-misfit / 2 s²)`` with ``s²`` the best fit's misfit per degree of
    freedom times ``temper``. Nodes close in on where the weights are until there are enough.
    """
    first = problem.solve(limit_s / 16, start)
    lags = limit_s * np.linspace(0.0, 1.0, LAG_NODES) ** 2
    for _ in range(MOST_ZOOMS):
        solutions = _solve_all(problem, lags, first)
        misfit = np.array([one.misfit for one in solutions])
        first = solutions[int(np.argmin(misfit))]
        scale = max(first.misfit / problem.dof * temper, 1e-300)
        excess = (misfit - first.misfit) / scale
        left, right = _closer(lags, excess, limit_s)
        if _enough(excess, left < lags[0], right > lags[-1]):
            break
        lags = np.linspace(left, right, LAG_NODES)
    gaps = np.diff(lags, prepend=lags[0], append=lags[-1])
    weight = np.exp(-excess / 2) * (gaps[1:] + gaps[:-1])
    if not weight.sum() > 0:
        weight = (excess == 0).astype(np.float64)
    return Lags(lags, weight / weight.sum(), tuple(solutions), first)


def _solve_all(problem: Problem, lags: FloatArray, start: Solution) -> list[Solution]:
    """Fit at every lag, each from the fit at the lag before it, outwards from the start's."""
    solutions: list[Solution] = []
    for lag_s in lags.tolist():
        solutions.append(problem.solve(lag_s, solutions[-1] if solutions else start))
    return solutions


def _enough(excess: FloatArray, more_left: bool, more_right: bool) -> bool:
    """Get whether the nodes reach out to where lags no longer count, and resolve the rest."""
    if (more_left and excess[0] < REACH / 2) or (more_right and excess[-1] < REACH / 2):
        return False
    return int(np.count_nonzero(excess < REACH)) > LAG_NODES // 2


def _closer(lags: FloatArray, excess: FloatArray, limit_s: float) -> tuple[float, float]:
    """Get where to put nodes next: around the best lag, as wide as a parabola tells.

    Where the best lies at an end, further out, within 0 and the limit.
    """
    best = int(np.argmin(excess))
    span = float(lags[-1] - lags[0])
    if best == 0 and lags[0] > 0:
        return max(0.0, float(lags[0]) - span), float(lags[1])
    if best == len(lags) - 1 and lags[-1] < limit_s:
        return float(lags[-2]), min(limit_s, float(lags[-1]) + span)
    near = np.arange(best - 1, best + 2)
    near = near + max(0, -int(near[0])) - max(0, int(near[-1]) - len(lags) + 1)
    curve, slope, _ = np.polyfit((lags[near] - lags[best]) / span, excess[near], 2)
    centre = float(lags[best])
    low, high = float(lags[near[0]]), float(lags[near[-1]])
    if curve > 0:
        centre = min(high, max(low, centre - span * slope / (2 * curve)))
        reach = max(span * math.sqrt(REACH / curve) * 1.2, 0.05 * (high - low))
    else:
        reach = high - low
    return max(0.0, centre - reach), min(limit_s, centre + reach)
