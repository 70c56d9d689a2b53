"""Traces of drawn markers made in code, with a known delay, by sums over single edges."""

from dataclasses import dataclass

import numpy as np

from powerlab.analysis.codes import MarkerPlan
from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.markers import MarkerFit, fit_marker
from powerlab.units import NS_PER_S

START_NS = 4 * 10**14
"""Where markers begin: days of uptime, as instants really are."""


@dataclass(frozen=True)
class Drawn:
    """A trace, the edges that the board reported, and the truth."""

    trace: PowerTrace
    edges_ns: np.ndarray
    levels: np.ndarray
    group_s: float
    lag_s: float


def fit(drawn: Drawn, **options) -> MarkerFit:
    """Fit a drawn marker to its own trace."""
    return fit_marker(drawn.trace, drawn.edges_ns, drawn.levels, **options)


def rms(values):
    """Get the root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def drawn_edges(plan: MarkerPlan) -> tuple[np.ndarray, np.ndarray]:
    """Get the edges of a plan in seconds after its first one, and their levels."""
    lengths = np.array([length for _, length in plan.pattern])
    levels = np.array([level for level, _ in plan.pattern])[1:]
    at = np.cumsum(lengths)[:-1]
    return at - at[0], levels


def ramp(since, lag_s):
    """Integrate the response to one step, 0 before it."""
    since = np.maximum(since, 0.0)
    return since + lag_s * np.expm1(-since / lag_s) if lag_s > 0 else since


def step(since, lag_s):
    """Get the response to one step, 0 before it."""
    if lag_s == 0:
        return (since >= 0).astype(float)
    return np.where(since >= 0, -np.expm1(-np.maximum(since, 0.0) / lag_s), 0.0)


def draw(
    seed,
    plan,
    *,
    points=False,
    gated=False,
    lag_s=None,
    delay_s=None,
    idle_w=3.0,
    step_w=2.0,
    noise_w=0.02,
    jitter_s=0.0,
    asymmetry_s=0.0,
    warming_w=0.0,
    margin_s=None,
):
    """Draw one marker and let a meter of the plan's interval see it.

    Delay and lag are drawn from ±0.3 s and 0 to 5 ms unless given; the meter's phase, its
    noise and the jitter of the electrical edges always are.
    """
    random = np.random.default_rng(seed)
    lag = random.uniform(0.0, 0.005) if lag_s is None else lag_s
    delay = random.uniform(-0.3, 0.3) if delay_s is None else delay_s
    edges, levels = drawn_edges(plan)
    signs = np.where(levels > 0, 1.0, -1.0)
    shown = edges + delay + random.normal(0, jitter_s, len(edges)) - signs * asymmetry_s / 2
    margin = margin_s or max(2.0, 8 * plan.chip_s)
    grid = np.arange(-margin, edges[-1] + margin, plan.interval_s)
    grid_ns = np.rint((grid + random.uniform(0, plan.interval_s)) * NS_PER_S).astype(np.int64)
    stop = grid_ns[1:] / NS_PER_S
    start = stop - plan.aperture_s if gated else grid_ns[:-1] / NS_PER_S
    power = idle_w + warming_w * -np.expm1(-(stop + margin) / 30)
    for at, sign in zip(shown, signs, strict=True):
        if points:
            power += step_w * sign * step(stop - at, lag)
        else:
            power += step_w * sign * (ramp(stop - at, lag) - ramp(start - at, lag)) / (stop - start)
    power += random.normal(0, noise_w, len(power))
    grid_ns += START_NS
    first = grid_ns[1:].copy() if points else grid_ns[:-1].copy()
    interval_ns = round(plan.interval_s * NS_PER_S) if points else 0
    return Drawn(
        trace=PowerTrace(first, grid_ns[1:].copy(), power, interval_ns),
        edges_ns=START_NS + np.rint(edges * NS_PER_S).astype(np.int64),
        levels=levels,
        group_s=delay + lag,
        lag_s=lag,
    )
