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
    """Get the standard deviation of values, those beyond five of a first guess left out."""
    if len(values) < 4:
        return math.nan
    aside = np.abs(values - np.median(values))
    kept = values[aside <= 5 * MAD_TO_SD * np.median(aside)]
    return float(np.std(kept, ddof=1)) if len(kept) > 1 else 0.0


def _top_share(values: FloatArray) -> float:
    return float(np.mean(values == values.max())) if len(values) >= 4 else 0.0


def _level_variance(solution: Solution, noise: Noise) -> FloatArray:
    """Get the variance (W²) of every sample's noise, between those of its two levels."""
    share = np.clip(solution.model.value, 0.0, 1.0)
    return np.asarray(noise.idle_w**2 * (1 - share) + noise.busy_w**2 * share)


def _stand_in_variance(solution: Solution) -> FloatArray:
    """Get the squared residual (W²) of a point that a stretch around it stands in for.

    A point before a step that divides its stretch into ``f`` and ``1 - f`` differs from the
    stretch's mean by the lesser of these; a slope leaves less.
    """
    model = solution.model
    aside = np.minimum(np.abs(model.after - model.value), np.abs(model.value - model.before))
    return np.asarray((solution.step_w * aside) ** 2)


@dataclass(frozen=True, slots=True)
class Spread:
    """Covariances of delay and asymmetry (s²) at one lag, and what the fit leaves.

    ``samples`` takes every sample's variance as independent; ``edges`` is from how the
    edges scatter, each one's samples together (the cluster-robust form of Liang and Zeger
    1986): it sees jitter of the edges and noise that lasts. ``jitter_s`` is the standard
    deviation of single edges beyond what noise explains; ``chi_squared_reduced`` the misfit
    once every edge may lie where it likes, against the noise away from edges.
    """

    samples: FloatArray
    edges: FloatArray
    jitter_s: float
    chi_squared_reduced: float

    @property
    def temper(self) -> float:
        """Get by how much the edges scatter more than the samples' own noise explains."""
        own = float(self.samples[0, 0])
        return max(1.0, float(self.edges[0, 0]) / own) if own > 0 else 1.0

    def u(self, place: int) -> float:
        """Get the standard uncertainty of delay (0) or asymmetry (1): the larger one."""
        return math.sqrt(max(float(self.samples[place, place]), float(self.edges[place, place])))


def spread_of(problem: Problem, solution: Solution, noise: Noise, *, stand_in: bool) -> Spread:
    """Get the spread of a fit; ``stand_in`` where stretches stand in for points."""
    jacobian, inverse, residual = solution.jacobian, solution.inverse, solution.residual_w
    edges = problem.pattern.edges_s + solution.group_s
    cluster = np.searchsorted((edges[1:] + edges[:-1]) / 2, problem.samples.middle_s)

    def per_edge(values: FloatArray) -> FloatArray:
        return np.bincount(cluster, weights=values, minlength=len(edges))

    scores = np.array([per_edge(column * residual) for column in jacobian.T])
    meat = scores @ scores.T * (len(edges) / max(1, len(edges) - 3))
    open_w2 = _stand_in_variance(solution) if stand_in else np.zeros_like(residual)
    own = max(solution.misfit - float(open_w2.sum()), 0.0) / problem.dof
    weighted = jacobian * (own + open_w2)[:, None]
    expected = _level_variance(solution, noise) + open_w2
    slope = jacobian[:, 0]
    told = per_edge(slope**2)
    known = np.where(told > 0, told, np.inf)
    shifts = scores[0] / known
    beyond = scores[0] ** 2 / known - per_edge(slope**2 * expected) / known
    jitter_s2 = max(0.0, float(beyond.sum())) / max(float(told.sum()), 1e-300)
    left = residual - slope * shifts[cluster]
    floor = (MODEL_TOLERANCE * solution.step_w) ** 2
    chi_squared = float(np.sum(left**2 / (expected + floor)))
    return Spread(
        samples=inverse @ (jacobian.T @ weighted) @ inverse,
        edges=inverse @ meat @ inverse,
        jitter_s=math.sqrt(jitter_s2),
        chi_squared_reduced=chi_squared / max(1, problem.dof - len(edges)),
    )
