"""How late a meter's trace shows what the board drew: electrical markers, no wires.

The board draws a known pattern of busy and idle and says when; the meter's trace shows it
later, by its own latency, by errors of both clocks and by the lag of the supply. Their sum,
the group delay, is estimated by fitting the pattern, averaged over exactly the stretch that
each sample stands for (method section 1.5). A fit says whether it is to be believed, and
two markers must agree: what cannot be trusted is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from powerlab.analysis.correlate import Found, Stretches, find_pattern
from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.lagged import Pattern, drawn_pattern, samples_of
from powerlab.analysis.marker_model import Lags, Problem, Shape, scan_lags, weigh_lags
from powerlab.analysis.marker_spread import Noise, Spread, noise_of, spread_of
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray, Int64Array
from powerlab.units import NS_PER_S

SEARCH_NS = NS_PER_S
LAG_LIMIT_S = 0.02
MOST_SAMPLES = 2048
MOST_POINTS = 32768
"""Points above this number are joined to means, eight or more at a time; below they stay
points, as the mean of a few is not that of their stretch."""

FEWEST_EDGES = 6
FEWEST_SAMPLES = 24
LEAST_COVERED = 0.8

LEAST_PEAK_DB = 6.0
"""Peak to sidelobe below which a marker is not found (method section 1.5)."""

LEAST_STEP = 8.0
"""Correlation over what chance gives, below which noise may look like a marker."""

MOST_CHI_SQUARED = 3.0

MOST_JITTER = 8
"""Single edges may scatter by one in this many of the shortest chip."""

POINT_EDGES = 16
"""A point tells on which side of an edge it lies; this many edges shall have one near."""

AGREEMENT = 3.0
"""Standard uncertainties by which two markers may differ (method section 1.5)."""


@dataclass(frozen=True, slots=True)
class MarkerFit:
    """What one marker tells; positive delays mean that the trace shows the load later.

    ``delay_ns`` is the group delay: the start's plus the lag's, mean of rising and falling
    edges, at the marker's middle. ``lag_s`` is the supply's time constant with the
    standard deviation ``u_lag_s`` of what the trace allows, ``asymmetry_s`` by how much
    falling edges come later than rising ones, ``jitter_s`` by how much single edges scatter
    beyond the noise. ``noise_w`` is the standard deviation of a
    sample away from edges, ``chi_squared_reduced`` the misfit against it. ``reason`` says
    why the fit is not to be believed, empty where it is; figures that could not be had are
    NaN.
    """

    delay_ns: float
    u_delay_ns: float
    lag_s: float
    u_lag_s: float
    asymmetry_s: float
    u_asymmetry_s: float
    jitter_s: float
    idle_w: float
    step_w: float
    noise_w: float
    chi_squared_reduced: float
    peak_to_sidelobe_db: float
    edges: int
    samples: int
    believed: bool
    reason: str


def fit_marker(
    trace: PowerTrace,
    edges_ns: Int64Array,
    levels: Sequence[int] | NDArray[np.int_],
    *,
    search_ns: tuple[int, int] = (-SEARCH_NS, SEARCH_NS),
    lag_limit_s: float = LAG_LIMIT_S,
    aperture_s: float | None = None,
) -> MarkerFit:
    """Fit the pattern that a board drew to a meter's trace.

    ``edges_ns`` are the instants, mapped to the trace's clock, at which the load turned to
    ``levels`` (1 busy, 0 idle); the board was idle before. The delay is looked for between
    the two of ``search_ns``, the lag between 0 and ``lag_limit_s``. ``aperture_s`` is for a
    gated meter, whose samples stand for that much before their ``stop_ns``. Total: what is
    wrong becomes the reason not to believe the fit.
    """
    pattern = drawn_pattern(edges_ns, levels)
    if pattern is None or len(pattern.edges_s) < FEWEST_EDGES:
        return _refused("the board drew too few edges for a marker")
    search_s = (search_ns[0] / NS_PER_S, search_ns[1] / NS_PER_S)
    # Correlation looks further than the search, for sidelobes.
    reach_s = 12 * pattern.shortest_s + lag_limit_s
    wide = _stretches(trace, pattern.origin_ns, aperture_s).within(
        search_s[0] - reach_s, float(pattern.edges_s[-1]) + search_s[1] + reach_s
    )
    if len(wide.power_w) < FEWEST_SAMPLES:
        return _refused("the trace has hardly a sample where the marker was drawn")
    found = find_pattern(wide.joined(MOST_SAMPLES), pattern, search_s, 2 * pattern.shortest_s)
    near = wide.within(*_window(pattern, found.delay_s))
    doubt = _not_found(near, pattern, found)
    if doubt:
        return _refused(doubt, found.peak_to_sidelobe_db)
    start = Shape(found.delay_s, 0.0, 0.0)
    if trace.point_interval_ns and len(near.power_w) <= MOST_POINTS:
        points = _points(trace, pattern, found.delay_s)
        interval_s = trace.point_interval_ns / NS_PER_S
        fitted = _fit_points(*points, pattern, start, lag_limit_s, interval_s)
    else:
        near = near.joined(MOST_SAMPLES)
        problem = Problem(samples_of(near.start_s, near.stop_s, near.power_w), pattern)
        fitted = _fit(problem, start, lag_limit_s)
    return _judged(_marker_fit(fitted, found), fitted, pattern)


def _refused(reason: str, peak_to_sidelobe_db: float = math.nan) -> MarkerFit:
    unknown = (math.nan,) * 11
    return MarkerFit(*unknown, peak_to_sidelobe_db, 0, 0, believed=False, reason=reason)


def _window(pattern: Pattern, delay_s: float) -> tuple[float, float]:
    """Get the stretch to fit: the pattern where it was found, and two chips of idle around."""
    margin_s = 2 * pattern.shortest_s
    return delay_s - margin_s, delay_s + float(pattern.edges_s[-1]) + margin_s


# --- samples around the marker ---------------------------------------------------------


def _since(instants_ns: Int64Array, origin_ns: int) -> FloatArray:
    return (instants_ns - origin_ns).astype(np.float64) / NS_PER_S


def _stretches(trace: PowerTrace, origin_ns: int, aperture_s: float | None) -> Stretches:
    """Get the stretches of all samples; a point stands for halfway to its neighbours."""
    stop_s = _since(trace.stop_ns, origin_ns)
    if trace.point_interval_ns and len(stop_s):
        half_s = trace.point_interval_ns / NS_PER_S / 2
        middle = (stop_s[1:] + stop_s[:-1]) / 2
        left = np.maximum(np.concatenate(([-np.inf], middle)), stop_s - 1.5 * half_s)
        right = np.minimum(np.concatenate((middle, [np.inf])), stop_s + 1.5 * half_s)
        return Stretches(left, right, trace.power_w)
    start_s = _since(trace.start_ns, origin_ns)
    if aperture_s is not None:
        start_s = np.maximum(start_s, stop_s - aperture_s)
    return Stretches(start_s, stop_s, trace.power_w)


def _points(trace: PowerTrace, pattern: Pattern, delay_s: float) -> tuple[FloatArray, FloatArray]:
    at_s = _since(trace.stop_ns, pattern.origin_ns)
    start_s, stop_s = _window(pattern, delay_s)
    chosen = (at_s >= start_s) & (at_s <= stop_s)
    return at_s[chosen], trace.power_w[chosen]


def _not_found(near: Stretches, pattern: Pattern, found: Found) -> str:
    """Say why the pattern is not in the trace, or nothing."""
    start_s, stop_s = _window(pattern, found.delay_s)
    if len(near.power_w) < FEWEST_SAMPLES:
        return "the trace has hardly a sample where the marker was drawn"
    spacing = np.diff(near.stop_s)
    usual = float(np.median(spacing))
    covered = float(np.minimum(spacing, 1.5 * usual).sum()) + usual
    share = min(1.0, covered / max(stop_s - start_s - usual, usual))
    if share < LEAST_COVERED:
        return f"usable samples cover only {share:.0%} of the marker"
    if found.peak_to_sidelobe_db < LEAST_PEAK_DB:
        return (
            "the trace does not show the marker: its best place stands out by "
            f"{found.peak_to_sidelobe_db:.1f} dB, {LEAST_PEAK_DB:.0f} dB are needed"
        )
    chance = math.sqrt((1 - found.correlation**2) / len(near.power_w))
    if found.correlation < LEAST_STEP * chance:
        return "the marker's step is not clear of the noise"
    return ""


# --- fitting ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fitted:
    problem: Problem
    lags: Lags
    noise: Noise
    spread: Spread
    stand_in_s: float


def _fit(problem: Problem, start: Shape, lag_limit_s: float, *, stand_in_s: float = 0.0) -> _Fitted:
    """Fit at all lags; where the edges scatter more than noise explains, weigh lags so too.

    ``stand_in_s`` is the length of stretches that stand in for points, 0 for others.
    """
    lags = scan_lags(problem, start, lag_limit_s)
    noise = noise_of(problem, lags.best)
    spread = spread_of(problem, lags.best, noise, stand_in=stand_in_s > 0)
    if spread.temper > 1.5:
        lags = weigh_lags(problem, lags.solutions, spread.temper)
    return _Fitted(problem, lags, noise, spread, stand_in_s)


def _fit_points(
    at_s: FloatArray,
    power_w: FloatArray,
    pattern: Pattern,
    start: Shape,
    lag_limit_s: float,
    interval_s: float,
) -> _Fitted:
    """Fit points as such where the lag gives them a slope to follow, else as means.

    Without a lag a point only tells on which side of an edge it lies: it then stands for a
    stretch around it, wide enough that ``POINT_EDGES`` edges fall into one, and lags that
    are short against that stretch cannot be told.
    """
    edges = len(pattern.edges_s)
    width_s = interval_s * min(1.0, POINT_EDGES / edges)
    for wide_s in (interval_s, width_s):
        samples = samples_of(at_s - wide_s / 2, at_s + wide_s / 2, power_w)
        problem = Problem(samples, pattern)
        start = problem.solve(start.lag_s, start).shape
    exact = _fit(Problem(samples_of(at_s, at_s, power_w), pattern), start, lag_limit_s)
    lag_s, u_lag_s = exact.lags.mean_and_u(exact.lags.lag_s)
    sloped = lag_s - 3 * u_lag_s > POINT_EDGES / 4 * interval_s / edges
    if sloped and exact.spread.chi_squared_reduced <= MOST_CHI_SQUARED:
        return exact
    return _fit(problem, start, lag_limit_s, stand_in_s=width_s)


def _marker_fit(fitted: _Fitted, found: Found) -> MarkerFit:
    """Get the figures of a fit, averaged over the lags that the trace allows."""
    lags, spread, samples = fitted.lags, fitted.spread, fitted.problem.samples
    group = np.array([one.group_s for one in lags.solutions])
    delay_s, u_over_lags_s = lags.mean_and_u(group)
    lag_s, u_lag_s = lags.mean_and_u(lags.lag_s)
    step_w, value = lags.best.step_w, lags.best.model.value
    return MarkerFit(
        delay_ns=delay_s * NS_PER_S,
        u_delay_ns=math.hypot(spread.u(0), u_over_lags_s) * NS_PER_S,
        lag_s=lag_s,
        u_lag_s=math.hypot(u_lag_s, fitted.stand_in_s / math.sqrt(12)),
        asymmetry_s=lags.best.shape.asymmetry_s,
        u_asymmetry_s=spread.u(1),
        jitter_s=spread.jitter_s,
        idle_w=float(samples.power_w.mean() - step_w * value.mean()),
        step_w=step_w,
        noise_w=fitted.noise.mean_w,
        chi_squared_reduced=spread.chi_squared_reduced,
        peak_to_sidelobe_db=found.peak_to_sidelobe_db,
        edges=len(fitted.problem.pattern.edges_s),
        samples=len(samples.power_w),
        believed=True,
        reason="",
    )


def _judged(fit: MarkerFit, fitted: _Fitted, pattern: Pattern) -> MarkerFit:
    """Refuse a fit that does not hold."""
    reason = ""
    if fitted.noise.clipped:
        reason = "the busy level is clipped: it repeats the meter's highest value"
    elif not math.isfinite(fit.chi_squared_reduced):
        reason = "no sample lies clear of the marker's edges: its chips are too short"
    elif fit.chi_squared_reduced > MOST_CHI_SQUARED:
        reason = (
            "the trace does not follow the marker: reduced chi-squared is "
            f"{fit.chi_squared_reduced:.1f}, at most {MOST_CHI_SQUARED:.0f} is allowed"
        )
    elif not fit.jitter_s < pattern.shortest_s / MOST_JITTER:
        reason = f"the edges scatter by {fit.jitter_s * 1e3:.2g} ms against the drawn ones"
    elif not fitted.lags.settled:
        reason = "the fit did not settle on a lag of the supply"
    elif not fit.u_delay_ns < pattern.shortest_s / 4 * NS_PER_S:
        reason = f"too much noise: the delay is known to {fit.u_delay_ns / 1e6:.2g} ms only"
    return replace(fit, believed=not reason, reason=reason)


# --- two markers -----------------------------------------------------------------------


def agree(first: MarkerFit, second: MarkerFit, u_between_ns: float = 0.0) -> bool:
    """Get whether two markers are believed and tell one delay within 3 u.

    ``u_between_ns`` is what the clocks may have drifted between them, standard uncertainty.
    """
    if not (first.believed and second.believed):
        return False
    u_ns = math.hypot(first.u_delay_ns, second.u_delay_ns, u_between_ns)
    return abs(second.delay_ns - first.delay_ns) <= AGREEMENT * u_ns


def marker_findings(
    first: MarkerFit, second: MarkerFit, u_between_ns: float = 0.0
) -> tuple[Finding, ...]:
    """List what stands against two markers; nothing where both hold and agree."""
    doubts = tuple(
        Finding(
            code="marker-not-believed",
            severity=Severity.BLOCKING,
            message=f"the marker {place} the runs was not believed: {fit.reason}",
            hint="keep the board idle otherwise and the meter's range wide enough; a longer "
            "marker or a faster meter finds smaller steps",
            evidence={"peak_to_sidelobe_db": fit.peak_to_sidelobe_db},
        )
        for place, fit in (("before", first), ("after", second))
        if not fit.believed
    )
    if doubts or agree(first, second, u_between_ns):
        return doubts
    apart_ns = second.delay_ns - first.delay_ns
    u_ns = math.hypot(first.u_delay_ns, second.u_delay_ns, u_between_ns)
    return (
        Finding(
            code="markers-disagree",
            severity=Severity.BLOCKING,
            message=f"the marker after the runs shows the meter {apart_ns / 1e6:+.3g} ms later "
            f"than the one before, known to ± {u_ns / 1e6:.2g} ms",
            hint="a clock was stepped or runs off, or samples were lost uncounted: look at the "
            "gaps of the trace and measure again",
            evidence={"apart_ns": apart_ns, "u_ns": u_ns},
        ),
    )
