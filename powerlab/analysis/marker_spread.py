"""How far a marker's fit may be off: noise by level, misfit, and scatter of the edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from powerlab.analysis.marker_model import Lags, Problem, Solution
from powerlab.records import FloatArray

Mask = NDArray[np.bool_]

FLAT = 0.02
"""A sample whose response stays this near to a level, in steps, shows the noise there."""

MOST_OUTLYING = 0.2
"""Share of flat samples that may be far off without spoiling the estimate of their noise."""

MODEL_TOLERANCE = 0.005
"""Share of the step by which a real board may leave the model without being doubted."""


JITTER_CLEAR = 6.0
"""Standard deviations of chance above which the edges' scatter is taken as their own."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What samples clear of all edges show.

    ``idle_w`` and ``busy_w`` are their standard deviations at either level, NaN if there are
    none; ``wrong`` is the share of chips that lie nearer to the other level; ``clipped``
    tells that the busy level repeats one and the same highest value.
    """

    idle_w: float
    busy_w: float
    wrong: float
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
        wrong=_wrong_share(problem, solution, idle, busy),
        clipped=_top_share(power[busy]) >= 0.3 and _top_share(-power[idle]) < 0.15,
    )


def _wrong_share(problem: Problem, solution: Solution, idle: Mask, busy: Mask) -> float:
    """Get how many stretches between edges read nearer to the other level.

    The share of the stretches or of their samples, whichever is larger.
    """
    edges = problem.pattern.edges_s + solution.group_s
    stretch = np.searchsorted(edges, problem.samples.middle_s)
    above = solution.residual_w * (idle.astype(np.float64) - busy)
    total = np.bincount(stretch, weights=above, minlength=len(edges) + 1)
    count = np.bincount(stretch, weights=idle | busy, minlength=len(edges) + 1)
    wrong = total > count * (solution.step_w / 2)
    stretches = float(np.sum(wrong)) / max(1, int(np.sum(count > 0)))
    return max(stretches, float(count[wrong].sum()) / max(1.0, float(count.sum())))


def _robust_deviation(values: FloatArray) -> float:
    """Get the standard deviation of values, those beyond five of a first guess left out.

    The guess is from the quantile that ``MOST_OUTLYING`` leaves, as of a normal density.
    """
    if len(values) < 4:
        return math.nan
    aside = np.abs(values - np.median(values))
    guess = float(np.quantile(aside, 1 - MOST_OUTLYING)) / float(
        special.ndtri(1 - MOST_OUTLYING / 2)
    )
    kept = values[aside <= 5 * guess]
    return float(np.std(kept, ddof=1)) if len(kept) > 1 else 0.0


def _top_share(values: FloatArray) -> float:
    """Get the share of values that equal their highest but for rounding."""
    if len(values) < 4:
        return 0.0
    top = float(values.max())
    return float(np.mean(values >= top - 1e-9 * abs(top)))


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
    """How far the group delay and the asymmetry may be off, and what the fit leaves.

    ``temper`` is by how much the edges scatter more than their samples' variance explains,
    1 at least, in what they tell of the lag. ``jitter_s`` is the standard deviation of
    single edges beyond noise, and ``jitter_clear`` whether chance would hardly show so much;
    ``chi_squared_reduced`` is the misfit once every edge may lie where it likes, against the
    noise away from edges.
    """

    u_group_s: float
    u_asymmetry_s: float
    temper: float
    jitter_s: float
    jitter_clear: bool
    chi_squared_reduced: float


@dataclass(frozen=True, slots=True)
class _Edges:
    """The samples around the best fit, told apart by the edge that each is nearest to."""

    nearest: NDArray[np.intp]
    count: int
    residual_w: FloatArray
    own_w2: FloatArray

    def sums(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.nearest, values, self.count), dtype=np.float64)

    def variance(self, influence: FloatArray, parameters: int) -> float:
        """Get the variance of an estimate that changes by ``influence`` per residual.

        The larger one of two: with every sample's variance independent, or from how the
        edges scatter, each one's samples together (cluster-robust: Liang and Zeger 1986),
        which sees jitter of the edges and noise that lasts.
        """
        few = self.count / max(1, self.count - parameters)
        edges = few * float(np.sum(self.sums(influence * self.residual_w) ** 2))
        return max(float(np.dot(influence**2, self.own_w2)), edges)


def spread_of(problem: Problem, lags: Lags, noise: Noise, *, stand_in: bool) -> Spread:
    """Get the spread of a fit; ``stand_in`` where stretches stand in for points."""
    best = lags.best
    at_s = problem.pattern.edges_s + best.group_s
    open_w2 = _stand_in_variance(best) if stand_in else np.zeros_like(best.residual_w)
    edges = _Edges(
        nearest=np.searchsorted((at_s[1:] + at_s[:-1]) / 2, problem.samples.middle_s),
        count=len(at_s),
        residual_w=best.residual_w,
        own_w2=max(best.misfit - float(open_w2.sum()), 0.0) / problem.dof + open_w2,
    )
    influence = best.jacobian @ best.inverse
    by_lag = _by_lag(lags)
    explained = float(np.dot(by_lag**2, edges.own_w2))
    scattered = float(np.sum(edges.sums(by_lag * best.residual_w) ** 2))
    temper = max(1.0, scattered / explained) if explained > 0 else 1.0
    told = float(np.dot(by_lag, by_lag))
    follows, left_s2 = _lag_part(lags, temper * explained / told**2 if told > 0 else math.inf)
    group = influence[:, 0] + (follows / told * by_lag if told > 0 else 0.0)
    expected_w2 = _level_variance(best, noise) + open_w2
    jitter_s, jitter_clear, left_w = _without_jitter(best, edges, expected_w2)
    floor_w2 = (MODEL_TOLERANCE * best.step_w) ** 2
    chi_squared = float(np.sum(left_w**2 / (expected_w2 + floor_w2)))
    return Spread(
        u_group_s=math.sqrt(edges.variance(group, 4) + left_s2),
        u_asymmetry_s=math.sqrt(edges.variance(influence[:, 1], 3)),
        temper=temper,
        jitter_s=jitter_s,
        jitter_clear=jitter_clear,
        chi_squared_reduced=chi_squared / max(1, problem.dof - edges.count),
    )


def _by_lag(lags: Lags) -> FloatArray:
    """Get the samples' change (W/s) with the lag, after all else has followed."""
    best = lags.solutions.index(lags.best)
    low = lags.solutions[max(best - 1, 0)]
    high = lags.solutions[min(best + 1, len(lags.solutions) - 1)]
    return np.asarray((low.residual_w - high.residual_w) / (high.shape.lag_s - low.shape.lag_s))


def _lag_part(lags: Lags, variance_s2: float) -> tuple[float, float]:
    """Get how the group delay follows what the trace tells of the lag, and what it leaves open.

    ``variance_s2`` is that of the lag by the trace alone. As the weights end at 0 and at the
    limit, the mean lag follows the trace by a part only; the other part of its variance
    stays, and adds to that of the delay.
    """
    group = np.array([one.group_s for one in lags.solutions])
    _, u_lag_s = lags.mean_and_u(lags.lag_s)
    mean_s, u_over_lags_s = lags.mean_and_u(group)
    if u_lag_s == 0:
        return 0.0, 0.0
    away = lags.lag_s - float(np.dot(lags.weight, lags.lag_s))
    slope = float(np.dot(lags.weight, away * (group - mean_s))) / u_lag_s**2
    part = min(1.0, u_lag_s**2 / variance_s2)
    bent = max(0.0, u_over_lags_s**2 - (slope * u_lag_s) ** 2)
    return slope * part, (1 - part) * (slope * u_lag_s) ** 2 + bent


def _without_jitter(
    best: Solution, edges: _Edges, expected_w2: FloatArray
) -> tuple[float, bool, FloatArray]:
    """Let every edge lie where it likes: get how far they scatter, and what residual is left.

    The scatter (s) is what exceeds the expected variances; the flag tells that it does so
    clearly.
    """
    slope = best.jacobian[:, 0]
    told = edges.sums(slope**2)
    known = np.where(told > 0, told, np.inf)
    score = edges.sums(slope * best.residual_w)
    chance = float(np.sum(edges.sums(slope**2 * expected_w2) / known))
    beyond = float(np.sum(score**2 / known)) - chance
    jitter_s = math.sqrt(max(0.0, beyond) / max(float(told.sum()), 1e-300))
    clear = beyond > JITTER_CLEAR * math.sqrt(2 / edges.count) * chance
    return jitter_s, clear, best.residual_w - slope * (score / known)[edges.nearest]
