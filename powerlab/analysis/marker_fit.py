"""From samples around a marker to everything that its fit tells, means and points alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

from powerlab.analysis.correlate import Stretches
from powerlab.analysis.lagged import Pattern, samples_of
from powerlab.analysis.marker_model import Lags, Problem, Shape, scan_lags, weigh_lags
from powerlab.analysis.marker_spread import Noise, Spread, noise_of, spread_of
from powerlab.records import FloatArray

TEMPERED = 1.5
"""Scatter of edges over that of samples from which on it weighs the lags, too."""

POINT_EDGES = 16
"""A point tells on which side of an edge it lies; this many edges shall have one near."""

MOST_CHI_SQUARED = 3.0
"""Reduced chi-squared above which a trace does not follow a marker."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fit at all lags that the trace allows, with its noise and spread.

    ``stand_in_s`` is the length of stretches that stand in for points, 0 for others: lags
    that are short against it cannot be told.
    """

    problem: Problem
    lags: Lags
    noise: Noise
    spread: Spread
    stand_in_s: float

    @property
    def lag_s(self) -> tuple[float, float]:
        """Get the mean lag and its standard deviation."""
        mean_s, u_s = self.lags.mean_and_u(self.lags.lag_s)
        return mean_s, math.hypot(u_s, self.stand_in_s / math.sqrt(12))


def fit_means(stretches: Stretches, pattern: Pattern, start: Shape, lag_limit_s: float) -> Fitted:
    """Fit samples that are the means of their stretches."""
    samples = samples_of(stretches.start_s, stretches.stop_s, stretches.power_w)
    return _fit(Problem(samples, pattern), start, lag_limit_s)


def fit_points(
    at_s: FloatArray,
    power_w: FloatArray,
    pattern: Pattern,
    start: Shape,
    *,
    lag_limit_s: float,
    interval_s: float,
) -> Fitted:
    """Fit points as such where the lag gives them a slope to follow, else as means.

    Without a lag a point only tells on which side of an edge it lies: it then stands for a
    stretch around it, wide enough that ``POINT_EDGES`` edges fall into one.
    """
    edges = len(pattern.edges_s)
    width_s = interval_s * min(1.0, POINT_EDGES / edges)
    for wide_s in (interval_s, width_s):
        samples = samples_of(at_s - wide_s / 2, at_s + wide_s / 2, power_w)
        problem = Problem(samples, pattern)
        start = problem.solve(start.lag_s, start).shape
    exact = _fit(Problem(samples_of(at_s, at_s, power_w), pattern), start, lag_limit_s)
    lag_s, u_lag_s = exact.lag_s
    sloped = lag_s - 3 * u_lag_s > POINT_EDGES / 4 * interval_s / edges
    if sloped and exact.lags.settled and exact.spread.chi_squared_reduced <= MOST_CHI_SQUARED:
        return exact
    return _fit(problem, start, lag_limit_s, stand_in_s=width_s)


def _fit(problem: Problem, start: Shape, lag_limit_s: float, *, stand_in_s: float = 0.0) -> Fitted:
    """Fit at all lags; where the edges scatter more than noise explains, weigh lags so too."""
    lags = scan_lags(problem, start, lag_limit_s)
    noise = noise_of(problem, lags.best)
    spread = spread_of(problem, lags, noise, stand_in=stand_in_s > 0)
    if spread.temper > TEMPERED:
        lags = weigh_lags(problem, lags.solutions, spread.temper)
        spread = spread_of(problem, lags, noise, stand_in=stand_in_s > 0)
    return Fitted(problem, lags, noise, spread, stand_in_s)
