"""The least-squares fit of a drawn pattern to samples, by variable projection.

The model of a sample is ``idle + drift + step * T(delay, asymmetry, lag)``, with ``T`` the
template of ``lagged``. Levels and drift are linear and eliminated exactly (Golub and Pereyra
1973, in Kaufman's form); delay and asymmetry go by Gauss-Newton from the coarse peak. The
lag is scanned, because its information fades as it gets short against the samples: the
answer is the mean over all lags that the trace allows, weighted by their likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from powerlab.analysis.lagged import Pattern, Samples, Template, template
from powerlab.records import FloatArray

DRIFT_ORDER = 2
"""Warming up moves the levels: a parabola over the marker takes that up."""

MOST_STEPS = 12
CONVERGED = 1e-4
"""Promised fall of chi-squared below which Gauss-Newton stops: a hundredth of u."""

FIRST_NODES = 5
LAG_NODES = 7
MOST_HALVINGS = 24
REACH = 16.0
"""Lags whose chi-squared is within this of the best one count: four standard deviations."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The non-linear parameters: start delay, longer busy stretches, first-order lag."""

    delay_s: float
    asymmetry_s: float
    lag_s: float


@dataclass(frozen=True, eq=False)
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

    def explained(self, solution: Solution) -> float:
        """Get the share of the trace's variance that a fit explains, drift left aside."""
        total = float(np.dot(self._power, self._power))
        return 1 - solution.misfit / total if total > 0 else 0.0

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
            if promised <= CONVERGED * best.misfit / self.dof:
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
    """The fits at the lags that a trace allows.

    ``lag_s`` rises, ``weight`` sums to 1; ``settled`` tells whether enough of them count.
    """

    lag_s: FloatArray
    weight: FloatArray
    solutions: tuple[Solution, ...]
    best: Solution
    settled: bool

    def mean_and_u(self, values: FloatArray) -> tuple[float, float]:
        """Get the mean of one value per lag and its standard deviation over the lags."""
        mean = float(np.dot(self.weight, values))
        return mean, math.sqrt(float(np.dot(self.weight, (values - mean) ** 2)))


def scan_lags(problem: Problem, start: Shape, limit_s: float) -> Lags:
    """Fit at all lags from 0 to ``limit_s`` that the trace allows, equally likely beforehand.

    The start's lag does not matter, its group delay does.
    """
    nodes = limit_s * np.linspace(0.0, 1.0, FIRST_NODES) ** 2
    first = problem.solve(float(nodes[1]), start)
    return weigh_lags(problem, [problem.solve(lag_s, first) for lag_s in nodes.tolist()], 1.0)


def weigh_lags(problem: Problem, known: Sequence[Solution], temper: float) -> Lags:
    """Weigh the lags between those of known fits, which rise, adding fits where they count.

    A weight is ``exp(-misfit / 2 s²)`` with ``s²`` the best fit's misfit per degree of freedom
    times ``temper``. Intervals next to lags that count are halved until these are enough.
    """
    solutions = list(known)
    nodes = [one.shape.lag_s for one in solutions]
    for _ in range(MOST_HALVINGS):
        excess = _excess(solutions, problem.dof, temper)
        counting = int(np.count_nonzero(excess < REACH))
        if counting >= LAG_NODES:
            break
        for at in reversed(range(1, len(nodes))):
            if min(excess[at - 1], excess[at]) < REACH / 2:
                middle = (nodes[at - 1] + nodes[at]) / 2
                nearer = solutions[at - 1] if excess[at - 1] < excess[at] else solutions[at]
                nodes.insert(at, middle)
                solutions.insert(at, problem.solve(middle, nearer))
    excess = _excess(solutions, problem.dof, temper)
    gaps = np.diff(nodes, prepend=nodes[0], append=nodes[-1])
    weight = np.exp(-excess / 2) * (gaps[1:] + gaps[:-1])
    return Lags(
        lag_s=np.array(nodes),
        weight=weight / weight.sum(),
        solutions=tuple(solutions),
        best=solutions[int(np.argmin(excess))],
        settled=counting >= LAG_NODES,
    )


def _excess(solutions: list[Solution], dof: int, temper: float) -> FloatArray:
    """Get how much each fit's chi-squared lies above the best one's."""
    misfit = np.array([one.misfit for one in solutions])
    scale = max(float(misfit.min()) / dof * temper, 1e-300)
    return np.asarray((misfit - misfit.min()) / scale)
