"""What load steps tell of a meter: its latency, and over how long a reading is the mean.

A reading at ``t`` stands for the mean over ``[t - latency - aperture, t - latency]``, so a step
at ``s`` is in it by the fraction ``clip((t - latency - s) / aperture, 0, 1)``. Many steps at odd
phases put readings all over that ramp, however slow the meter is.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from powerlab.analysis.calibration.true_rate import measured_readings
from powerlab.analysis.lines import fit_line
from powerlab.records import Averaging, FloatArray, Int64Array, freeze_arrays
from powerlab.records.calibration import StepResponse
from powerlab.units import NS_PER_S

FEWEST_STEPS = 4
LEAST_STEP = 5.0
"""Standard deviations of a reading that a step must be high."""

GRID = 41
ZOOMS = 6
NEGLIGIBLE = 1e-6
"""Probability over the highest that is outside of the next grid."""

POSSIBLE = 0.1
"""Likelihood of a point meter over the best boxcar's from which it is possible."""

POINT_PART = 0.1
"""Part of an interval below which an aperture is a point (method section 2.1)."""

FULL_PART = 0.95
"""Part of an interval from which an aperture fills it."""


@dataclass(frozen=True, slots=True)
class _Ramp:
    """Readings around steps: delay after the step, how much of it they show, and that's u.

    ``u_each_s`` is the standard uncertainty of each step's instant on its own.
    """

    delay_s: FloatArray
    shown: FloatArray
    u: FloatArray
    steps: int
    u_each_s: float

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def between(self, low_s: float, high_s: float) -> _Ramp:
        """Get the readings with delays in an open interval."""
        near = (self.delay_s > low_s) & (self.delay_s < high_s)
        return replace(self, delay_s=self.delay_s[near], shown=self.shown[near], u=self.u[near])


def step_response(
    at_ns: Int64Array,
    values: FloatArray,
    steps_ns: Int64Array,
    *,
    resolution: float,
    u_common_s: float,
    u_each_s: float,
) -> StepResponse:
    """Fit a boxcar to the readings around load steps.

    ``at_ns`` and ``values`` are consecutive readings ``(n,)``, ``steps_ns`` the instants on the
    same clock at which the load stepped up and down by turns, with the standard uncertainties
    ``u_common_s`` that all of them share (the load's own delay) and ``u_each_s`` of each alone.
    The load's rise must be short against the aperture. Latency and aperture are means over all
    that the readings allow (flat prior), so a meter too slow for its steps gets a large u.
    Raises ValueError for fewer than four steps with readings on both sides.
    """
    real = measured_readings(values, resolution)
    count = np.arange(len(at_ns), dtype=np.float64)
    line = fit_line(count, (at_ns - at_ns[0]) / NS_PER_S)
    interval_s = real.each * line.slope
    chosen = slice(real.first, None, real.each)
    ramp = _ramp(at_ns[chosen], values[chosen], steps_ns, resolution, u_each_s)
    if ramp is None:
        raise ValueError(f"a step response takes {FEWEST_STEPS} steps with readings around each")
    (latency_s, u_latency_s), (aperture_s, u_aperture_s), reduced = _fit_ramp(ramp, interval_s)
    # Several readings on one step's ramp share its jitter, which the fit takes as their own.
    shared_s = u_each_s / math.sqrt(ramp.steps) if aperture_s > interval_s else 0.0
    return StepResponse(
        latency_s=latency_s,
        u_latency_s=math.hypot(u_latency_s, u_common_s, shared_s),
        aperture_s=aperture_s,
        u_aperture_s=u_aperture_s,
        interval_s=interval_s,
        u_interval_s=real.each * line.u_slope,
        delivered_s=line.slope,
        averaging=_averaging(aperture_s, u_aperture_s, interval_s),
        steps=ramp.steps,
        chi_squared_reduced=reduced,
    )


def _ramp(
    at_ns: Int64Array,
    values: FloatArray,
    steps_ns: Int64Array,
    resolution: float,
    u_each_s: float,
) -> _Ramp | None:
    """Collapse the readings around all steps; levels are those far from any step."""
    edges = np.concatenate(([at_ns[0]], steps_ns, [at_ns[-1]]))
    levels = [
        values[(at_ns > start + (stop - start) // 2) & (at_ns <= stop)]
        for start, stop in itertools.pairwise(edges)
    ]
    known = [level for level in levels if len(level) > 1]
    variance = float(np.mean([level.var(ddof=1) for level in known])) if known else math.inf
    noise = math.sqrt(variance + resolution**2 / 12)
    parts: list[FloatArray] = []
    for index, step in enumerate(steps_ns):
        before, after = levels[index], levels[index + 1]
        if min(len(before), len(after)) < 2:
            continue
        height = float(after.mean() - before.mean())
        if not abs(height) > LEAST_STEP * noise:
            continue
        low, high = (edges[index] + step) // 2, (step + edges[index + 2]) // 2
        near = (at_ns > low) & (at_ns <= high)
        u = noise / abs(height) * math.sqrt(1 + 1 / min(len(before), len(after)))
        delay_s = (at_ns[near] - step) / NS_PER_S
        shown = (values[near] - before.mean()) / height
        parts.append(np.stack((delay_s, shown, np.full_like(delay_s, u))))
    if len(parts) < FEWEST_STEPS:
        return None
    delay_s, shown, each = np.concatenate(parts, axis=1)
    return _Ramp(delay_s, shown, each, len(parts), u_each_s)


Figures = tuple[float, float]


def _fit_ramp(ramp: _Ramp, interval_s: float) -> tuple[Figures, Figures, float]:
    """Get latency and aperture, each with u, and the reduced chi-squared near the ramp.

    The posterior on a grid, zoomed in until it fills the grid. Where a point meter is possible,
    it is as likely as any boxcar.
    """
    reach_s = interval_s + 3 * ramp.u_each_s
    low_s = float(np.min(ramp.delay_s[ramp.shown > 0.1], initial=math.inf)) - reach_s
    high_s = float(np.max(ramp.delay_s[ramp.shown < 0.9], initial=-math.inf)) + reach_s
    latency, aperture = (low_s, high_s), (0.0, high_s - low_s)
    for _ in range(ZOOMS):
        starts, widths = np.linspace(*latency, GRID), np.linspace(*aperture, GRID)
        # Readings beyond all of the ramps tell none from another.
        beyond_s = 6 * (ramp.u_each_s + starts[1] - starts[0] + widths[1] - widths[0])
        near = ramp.between(starts[0] - beyond_s, starts[-1] + widths[-1] + beyond_s)
        weight, reduced = _posterior(near, starts, widths)
        latency = _kept(starts, weight.sum(axis=1), -math.inf)
        aperture = _kept(widths, weight.sum(axis=0), 0.0)
    starting = weight.sum(axis=1)
    point = weight[:, 0].max() / weight.max() if widths[0] == 0 else 0.0
    if point > POSSIBLE:
        starting = starting + weight[:, 0] / weight[:, 0].sum()
    return (
        _moments(starts, starting / starting.sum()),
        _moments(widths, weight.sum(axis=0)),
        reduced,
    )


def _posterior(ramp: _Ramp, starts: FloatArray, widths: FloatArray) -> tuple[FloatArray, float]:
    """Get the normalised weights ``(starts, widths)`` and the best reduced chi-squared.

    Half a cell of the grid counts as jitter: a peak between the nodes of a coarse one shows.
    """
    cell_s = float(starts[1] - starts[0] + widths[1] - widths[0])
    jitter_s = math.hypot(ramp.u_each_s, cell_s / 4)
    width = np.maximum(widths, cell_s / 4)
    cost = np.empty((len(starts), len(widths)))
    for row, start in enumerate(starts):
        along = (ramp.delay_s - start)[:, None] / width
        likely = _likelihood(along, jitter_s / width, ramp)
        cost[row] = -2 * np.sum(np.log(np.maximum(likely, 1e-300)), axis=0)
    row, column = divmod(int(np.argmin(cost)), len(widths))
    along = (ramp.delay_s - starts[row]) / width[column]
    misfit = (ramp.shown - np.clip(along, 0.0, 1.0)) ** 2
    jitter = ramp.u_each_s / width[column]
    jitter = np.where((along > -2 * jitter) & (along < 1 + 2 * jitter), jitter, 0.0)
    reduced = float(np.mean(misfit / (ramp.u**2 + jitter**2)))
    weight = np.exp(-(cost - cost[row, column]) / 2)
    return weight / weight.sum(), reduced


def _likelihood(along: FloatArray, jitter: FloatArray, ramp: _Ramp) -> FloatArray:
    """Get the density of what each reading shows, given how far along the ramp it is.

    ``along`` ``(n, widths)`` and its standard deviation ``jitter`` ``(widths,)`` are in units
    of the aperture. Along is clipped to 0..1, then noise comes on top: two normal densities
    at the ends, and between them the product of both, integrated in closed form.
    """
    shown, u = ramp.shown[:, None], ramp.u[:, None]
    both = np.hypot(jitter, u)
    middle = (along * u**2 + shown * jitter**2) / both**2
    narrow = jitter * u / both
    between = special.ndtr((1 - middle) / narrow) - special.ndtr(-middle / narrow)
    result: FloatArray = (
        special.ndtr(-along / jitter) * _normal(shown / u) / u
        + special.ndtr((along - 1) / jitter) * _normal((shown - 1) / u) / u
        + between * _normal((shown - along) / both) / both
    )
    return result


def _normal(z: FloatArray) -> FloatArray:
    result: FloatArray = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return result


def _kept(values: FloatArray, weight: FloatArray, floor: float) -> tuple[float, float]:
    """Get the part of a grid that holds the posterior, one cell wider on either side."""
    held = np.flatnonzero(weight > NEGLIGIBLE * weight.max())
    cell = float(values[1] - values[0])
    return max(floor, float(values[held[0]]) - cell), float(values[held[-1]]) + cell


def _moments(values: FloatArray, weight: FloatArray) -> Figures:
    mean = float(np.dot(values, weight))
    cell = float(values[1] - values[0])
    spread = math.sqrt(float(np.dot((values - mean) ** 2, weight)))
    return mean, math.hypot(spread, cell / math.sqrt(12))


def _averaging(aperture_s: float, u_s: float, interval_s: float) -> Averaging | None:
    """Get what a reading stands for, None where the steps leave it open."""
    low, high = ((aperture_s + side * 2 * u_s) / interval_s for side in (-1, 1))
    if high < POINT_PART:
        return Averaging.POINT
    if low > FULL_PART or (high >= 1 and low > 1 - POINT_PART):
        return Averaging.BOXCAR
    if low > POINT_PART and high < FULL_PART:
        return Averaging.GATED
    return None
