"""How far a marker's fit may be off: noise by level, misfit, and scatter of the edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.marker_model import Lags, Problem, Solution
from powerlab.records import FloatArray

FLAT = 0.02
"""A sample whose response stays this near to a level, in steps, shows the noise there."""

MAD_TO_SD = 1.482602218505602
"""Median absolute deviation of a normal density to its standard deviation: 1/ndtri(3/4)."""

MODEL_TOLERANCE = 0.005
"""Share of the step by which a real board may leave the model without being doubted."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviation of samples away from edges, at either level; NaN if there are none.

    ``clipped`` tells that the busy level repeats one and the same highest value.
    """

    idle_w: float
    busy_w: float
    clipped: bool

    @property
    def mean_w(self) -> float:
        """Get the root mean square of both."""
        return math.sqrt((self.idle_w**2 + self.busy_w**2) / 2)


def noise_of(problem: Problem, solution: Solution) -> Noise:
    """Get the noise of flat stretches, robust against those that the pattern gets wrong."""
    model, residual = solution.model, solution.residual_w
    idle = np.maximum(model.before, model.after) < FLAT
    busy = np.minimum(model.before, model.after) > 1 - FLAT
    power = problem.samples.power_w
    return Noise(
        idle_w=_robust_deviation(residual[idle]),
        busy_w=_robust_deviation(residual[busy]),
        clipped=_top_share(power[busy]) >= 0.3 and _top_share(-power[idle]) < 0.15,
    )


def _robust_deviation(values: FloatArray) -> float:
    if len(values) < 4:
        return math.nan
    return MAD_TO_SD * float(np.median(np.abs(values - np.median(values))))


def _top_share(values: FloatArray) -> float:
    return float(np.mean(values == values.max())) if len(values) >= 4 else 0.0


def variances(solution: Solution, noise: Noise) -> FloatArray:
    """Get the variance expected of every sample (W²), float64 ``(n,)``.

    The noise of its level, and what its stretch leaves open where a point stands for it:
    a quantity within ``[a, b]`` of mean ``m`` has a variance of at most ``(b - m)(m - a)``
    (Bhatia and Davis 2000).
    """
    share = np.clip(solution.model.value, 0.0, 1.0)
    return np.asarray(noise.idle_w**2 * (1 - share) + noise.busy_w**2 * share)


def within_stretch(solution: Solution) -> FloatArray:
    """Bound the variance (W²) of a point taken anywhere within each sample's stretch.

    A quantity within ``[a, b]`` of mean ``m`` has at most ``(b - m)(m - a)`` (Bhatia and
    Davis 2000), which a step attains.
    """
    model = solution.model
    spread = (model.after - model.value) * (model.value - model.before)
    return np.asarray(solution.step_w**2 * np.maximum(spread, 0.0))


@dataclass(frozen=True, slots=True)
class Spread:
    """Covariances of delay and asymmetry (s²) at one lag, and the misfit there.

    ``samples`` takes every sample's variance as independent; ``edges`` is from how the
    edges scatter, each one's samples together (the cluster-robust form of Liang and Zeger
    1986): it sees jitter of the edges and noise that lasts.
    """

    samples: FloatArray
    edges: FloatArray
    chi_squared_reduced: float

    @property
    def temper(self) -> float:
        """Get by how much the edges scatter more than the samples' own noise explains."""
        own = float(self.samples[0, 0])
        return max(1.0, float(self.edges[0, 0]) / own) if own > 0 else 1.0

    def u(self, place: int) -> float:
        """Get the standard uncertainty of delay (0) or asymmetry (1): the larger one."""
        return math.sqrt(max(float(self.samples[place, place]), float(self.edges[place, place])))


def spread_of(problem: Problem, solution: Solution, noise: Noise, *, points: bool) -> Spread:
    """Get the covariances of a fit; ``points`` where stretches stand in for points."""
    jacobian, inverse, residual = solution.jacobian, solution.inverse, solution.residual_w
    open_w2 = within_stretch(solution) if points else np.zeros_like(residual)
    own = max(solution.misfit - float(open_w2.sum()), 0.0) / problem.dof
    weighted = jacobian * (own + open_w2)[:, None]
    edges = problem.pattern.edges_s + solution.group_s
    cluster = np.searchsorted((edges[1:] + edges[:-1]) / 2, problem.samples.middle_s)
    scores = [
        np.bincount(cluster, weights=jacobian[:, place] * residual, minlength=len(edges))
        for place in (0, 1)
    ]
    meat = np.array([[float(np.dot(a, b)) for a in scores] for b in scores])
    meat *= len(edges) / max(1, len(edges) - 3)
    floor = (MODEL_TOLERANCE * solution.step_w) ** 2
    expected = variances(solution, noise) + open_w2 + floor
    return Spread(
        samples=inverse @ (jacobian.T @ weighted) @ inverse,
        edges=inverse @ meat @ inverse,
        chi_squared_reduced=float(np.sum(residual**2 / expected)) / problem.dof,
    )
