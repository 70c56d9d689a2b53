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

from powerlab.analysis.correlate import (
    Found,
    Stretches,
    find_pattern,
    seconds_since,
    stretches_of,
)
from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.lagged import Pattern, drawn_pattern
from powerlab.analysis.marker_fit import MOST_CHI_SQUARED, Fitted, fit_means, fit_points
from powerlab.analysis.marker_model import Shape
from powerlab.findings import Finding, Severity
from powerlab.records import Int64Array
from powerlab.units import NS_PER_S

SEARCH_NS = NS_PER_S
LAG_LIMIT_S = 0.02

MARGIN_CHIPS = 2
"""Chips of idle on either side of a pattern that are looked at."""

MOST_SAMPLES = 2048
MOST_POINTS = 32768
"""Points above this number are joined to means, 16 or more at a time; below they stay
points, as the mean of a few is not that of their stretch."""

FEWEST_EDGES = 6
FEWEST_SAMPLES = 24

LEAST_COVERED = 0.8
"""Share of a marker that samples must cover."""

LEAST_PEAK_DB = 6.0
"""Peak to sidelobe below which a marker is not found (method section 1.5)."""

LEAST_STEP = 8.0
"""Correlation over what chance gives, below which noise may look like a marker."""

LEAST_EXPLAINED = 0.75
"""Share of the trace's variance below which noise, or another pattern, is too much of it."""

MOST_WRONG = 0.03
"""Share of the chips that may read nearer to the other level."""

MOST_JITTER_S = 0.002
"""No board's edges scatter more against what it says of them."""

AGREEMENT = 3.0
"""Standard uncertainties by which two markers may differ (method section 1.5)."""


@dataclass(frozen=True, slots=True)
class MarkerFit:
    """What one marker tells; positive delays mean that the trace shows the load later.

    ``delay_ns`` is the group delay: the start's plus the lag's, mean of rising and falling
    edges, at the marker's middle. ``lag_s`` is the supply's time constant with the
    standard deviation ``u_lag_s`` of what the trace allows, ``asymmetry_s`` by how much
    falling edges come later than rising ones, ``jitter_s`` by how much single edges scatter
    beyond the noise. ``noise_w`` is the standard deviation of a sample away from edges,
    ``chi_squared_reduced`` the misfit against it. ``reason`` says why the fit is not to be
    believed, empty where it is; figures that could not be had are NaN.
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
    u_rate: float = 0.0,
) -> MarkerFit:
    """Fit the pattern that a board drew to a meter's trace.

    ``edges_ns`` are the instants, mapped to the trace's clock, at which the load turned to
    ``levels`` (1 busy, 0 idle); the board was idle before. The delay is looked for between
    the two of ``search_ns``, the lag between 0 and ``lag_limit_s``. ``aperture_s`` is for a
    gated meter, whose samples stand for that much before their ``stop_ns``; ``u_rate`` is the
    standard uncertainty of the trace's rate against the edges', a ratio. Total: what is
    wrong becomes the reason not to believe the fit.
    """
    pattern = drawn_pattern(edges_ns, levels)
    if pattern is None or len(pattern.edges_s) < FEWEST_EDGES:
        return _refused("the board drew too few edges for a marker")
    search_s = (search_ns[0] / NS_PER_S, search_ns[1] / NS_PER_S)
    margin_s = MARGIN_CHIPS * pattern.chip_s
    # Correlation looks further than the search, for sidelobes.
    reach_s = 6 * margin_s + lag_limit_s
    wide = stretches_of(trace, pattern.origin_ns, aperture_s).within(
        search_s[0] - reach_s, float(pattern.edges_s[-1]) + search_s[1] + reach_s
    )
    if len(wide.power_w) < FEWEST_SAMPLES:
        return _refused("the trace has hardly a sample where the marker was drawn")
    found = find_pattern(wide.joined(MOST_SAMPLES), pattern, search_s, margin_s)
    near = wide.within(
        found.delay_s - margin_s, found.delay_s + float(pattern.edges_s[-1]) + margin_s
    )
    doubt = _not_found(near, pattern, found)
    if doubt:
        return _refused(doubt, found.peak_to_sidelobe_db)
    fitted = _fitted(trace, near, pattern, found.delay_s, lag_limit_s)
    return _judged(_marker_fit(fitted, found), fitted, pattern, u_rate)


def _refused(reason: str, peak_to_sidelobe_db: float = math.nan) -> MarkerFit:
    unknown = (math.nan,) * 11
    return MarkerFit(*unknown, peak_to_sidelobe_db, 0, 0, believed=False, reason=reason)


def _not_found(near: Stretches, pattern: Pattern, found: Found) -> str:
    """Say why the pattern is not in the trace, or nothing."""
    if len(near.power_w) < FEWEST_SAMPLES:
        return "the trace has hardly a sample where the marker was drawn"
    spacing = np.diff(near.stop_s)
    usual = float(np.median(spacing))
    covered = float(np.minimum(spacing, 1.5 * usual).sum())
    whole = float(pattern.edges_s[-1]) + 2 * MARGIN_CHIPS * pattern.chip_s - 2 * usual
    share = min(1.0, covered / max(whole, usual))
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


def _fitted(
    trace: PowerTrace, near: Stretches, pattern: Pattern, delay_s: float, lag_limit_s: float
) -> Fitted:
    start = Shape(delay_s, 0.0, 0.0)
    if not trace.point_interval_ns or len(near.power_w) > MOST_POINTS:
        return fit_means(near.joined(MOST_SAMPLES), pattern, start, lag_limit_s)
    at_s = seconds_since(trace.stop_ns, pattern.origin_ns)
    chosen = (at_s >= near.start_s[0]) & (at_s <= near.stop_s[-1])
    return fit_points(
        at_s[chosen],
        trace.power_w[chosen],
        pattern,
        start,
        lag_limit_s=lag_limit_s,
        interval_s=trace.point_interval_ns / NS_PER_S,
    )


def _marker_fit(fitted: Fitted, found: Found) -> MarkerFit:
    """Get the figures of a fit, averaged over the lags that the trace allows."""
    lags, spread, samples = fitted.lags, fitted.spread, fitted.problem.samples
    delay_s, _ = lags.mean_and_u(np.array([one.group_s for one in lags.solutions]))
    lag_s, u_lag_s = fitted.lag_s
    step_w = lags.best.step_w
    return MarkerFit(
        delay_ns=delay_s * NS_PER_S,
        u_delay_ns=spread.u_group_s * NS_PER_S,
        lag_s=lag_s,
        u_lag_s=u_lag_s,
        asymmetry_s=lags.best.shape.asymmetry_s,
        u_asymmetry_s=spread.u_asymmetry_s,
        jitter_s=spread.jitter_s,
        idle_w=float(samples.power_w.mean() - step_w * lags.best.model.value.mean()),
        step_w=step_w,
        noise_w=fitted.noise.mean_w,
        chi_squared_reduced=spread.chi_squared_reduced,
        peak_to_sidelobe_db=found.peak_to_sidelobe_db,
        edges=len(fitted.problem.pattern.edges_s),
        samples=len(samples.power_w),
        believed=True,
        reason="",
    )


def _judged(fit: MarkerFit, fitted: Fitted, pattern: Pattern, u_rate: float) -> MarkerFit:
    """Refuse a fit that does not hold."""
    # Clocks that run apart scatter the edges by the drift over the pattern.
    most_jitter_s = MOST_JITTER_S + u_rate * float(pattern.edges_s[-1])
    explained = fitted.problem.explained(fitted.lags.best)
    reason = ""
    if fitted.noise.clipped:
        reason = "the busy level is clipped: it repeats the meter's highest value"
    elif explained < LEAST_EXPLAINED:
        reason = f"the marker explains only {explained:.0%} of what the trace shows"
    elif fitted.noise.wrong > MOST_WRONG:
        reason = f"{fitted.noise.wrong:.0%} of the marker's chips are not as they were drawn"
    elif not math.isfinite(fit.chi_squared_reduced):
        reason = "no sample lies clear of the marker's edges: its chips are too short"
    elif fit.chi_squared_reduced > MOST_CHI_SQUARED:
        reason = (
            "the trace does not follow the marker: reduced chi-squared is "
            f"{fit.chi_squared_reduced:.1f}, at most {MOST_CHI_SQUARED:.0f} is allowed"
        )
    elif fit.jitter_s > most_jitter_s and fitted.spread.jitter_clear:
        reason = f"the edges scatter by {fit.jitter_s * 1e3:.2g} ms against the drawn ones"
    elif not fitted.lags.settled:
        reason = "the fit did not settle on a lag of the supply"
    elif not fit.u_delay_ns < pattern.chip_s / 4 * NS_PER_S:
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
            message=f"the meter lags by {apart_ns / 1e6:+.3g} ms more after the runs than before, "
            f"known to ± {u_ns / 1e6:.2g} ms",
            hint="a clock was stepped or runs off, or samples were lost uncounted: look at the "
            "gaps of the trace and measure again",
            evidence={"apart_ns": apart_ns, "u_ns": u_ns},
        ),
    )
