"""Energy from samples: exact fractions at the edges, idle to idle, gaps named.

A sample of a boxcar, gated or counting meter is the mean over its stretch, so its energy
is power times stretch and a window takes the fraction it covers: exact, where a trapezoid
would smear every edge by half a sample (method section 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.records import FloatArray, Int64Array, SampleClock, freeze_arrays
from powerlab.units import NS_PER_S

GAP_FACTOR = 1.5
"""An interval longer than this many nominal ones is a gap (method section 2.2)."""


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """Power over time: int64 ``start_ns``, ``stop_ns`` and float64 ``power_w``, all ``(n,)``.

    A mean stands for its stretch; stretches rise in time and do not overlap, and between two
    of them there may be a gap. A point sample has ``start_ns == stop_ns``, and
    ``point_interval_ns`` is the nominal interval of such samples, 0 for means. Unusable
    samples are absent.
    """

    start_ns: Int64Array
    stop_ns: Int64Array
    power_w: FloatArray
    point_interval_ns: int = 0

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def between(self, start_ns: int, stop_ns: int) -> slice:
        """Get the slice of the samples that touch a window."""
        first = int(np.searchsorted(self.stop_ns, start_ns, side="right"))
        last = int(np.searchsorted(self.start_ns, stop_ns, side="left"))
        return slice(first, max(first, last))

    def inside(self, start_ns: int, stop_ns: int) -> slice:
        """Get the slice of the samples that lie wholly in a window."""
        first = int(np.searchsorted(self.start_ns, start_ns, side="left"))
        last = int(np.searchsorted(self.stop_ns, stop_ns, side="right"))
        return slice(first, max(first, last))


def power_trace(
    clock: SampleClock, power_w: FloatArray, usable: np.ndarray, point_interval_ns: int = 0
) -> PowerTrace:
    """Join a sample clock and the powers of its usable samples.

    ``usable`` is bool ``(samples,)``; ``power_w`` has one value per usable sample. With
    ``point_interval_ns`` the samples are points at the end of their stretch.
    """
    stop_ns = clock.stop_ns[usable]
    start_ns = stop_ns.copy() if point_interval_ns else clock.start_ns[usable]
    return PowerTrace(start_ns, stop_ns, power_w, point_interval_ns)


@dataclass(frozen=True, slots=True)
class Integral:
    """The energy of a window: what samples covered, and the part no sample covered.

    ``energy_j`` includes ``gap_j``, interpolated between the neighbours of each gap over
    ``gap_s`` in total.
    """

    energy_j: float
    gap_j: float
    gap_s: float


def integrate(trace: PowerTrace, start_ns: int, stop_ns: int) -> Integral:
    """Integrate power over ``[start_ns, stop_ns]``.

    Means by rectangles with exact fractions at the edges; points by the trapezoid with
    linear interpolation at the edges. A stretch without samples, inside the window or at
    its ends, is filled from both sides and reported as a gap.
    """
    if trace.point_interval_ns:
        return _trapezoids(trace, start_ns, stop_ns)
    return _rectangles(trace, start_ns, stop_ns)


def _rectangles(trace: PowerTrace, start_ns: int, stop_ns: int) -> Integral:
    chosen = trace.between(start_ns, stop_ns)
    start = np.maximum(trace.start_ns[chosen], start_ns)
    stop = np.minimum(trace.stop_ns[chosen], stop_ns)
    power = trace.power_w[chosen]
    if not len(power):
        return Integral(energy_j=0.0, gap_j=0.0, gap_s=(stop_ns - start_ns) / NS_PER_S)
    covered = float(np.dot(power, (stop - start).astype(np.float64))) / NS_PER_S
    holes = np.concatenate(
        ([start[0] - start_ns], start[1:] - stop[:-1], [stop_ns - stop[-1]])
    ).astype(np.float64)
    sides = np.concatenate(([power[0]], (power[1:] + power[:-1]) / 2, [power[-1]]))
    gap_j = float(np.dot(holes, sides)) / NS_PER_S
    return Integral(energy_j=covered + gap_j, gap_j=gap_j, gap_s=float(holes.sum()) / NS_PER_S)


def _trapezoids(trace: PowerTrace, start_ns: int, stop_ns: int) -> Integral:
    """Integrate points; beyond the first and the last one, power is held."""
    if not len(trace.power_w) or stop_ns <= start_ns:
        return Integral(0.0, 0.0, (stop_ns - start_ns) / NS_PER_S)
    first = max(0, int(np.searchsorted(trace.stop_ns, start_ns, side="right")) - 1)
    last = int(np.searchsorted(trace.stop_ns, stop_ns, side="left")) + 1
    at = (trace.stop_ns[first:last] - start_ns).astype(np.float64)
    power = trace.power_w[first:last]
    width = float(stop_ns - start_ns)
    inner = (at > 0) & (at < width)
    knots = np.concatenate(([0.0], at[inner], [width]))
    height = np.concatenate(
        ([np.interp(0.0, at, power)], power[inner], [np.interp(width, at, power)])
    )
    pieces = np.diff(knots) * (height[1:] + height[:-1]) / 2
    nominal = float(trace.point_interval_ns)
    # A piece at an edge belongs to the whole interval between the samples around it.
    spans = np.concatenate(([min(at[0], 0.0)], at[inner], [max(at[-1], width)]))
    gap = np.diff(spans) > GAP_FACTOR * nominal
    return Integral(
        energy_j=float(pieces.sum()) / NS_PER_S,
        gap_j=float(pieces[gap].sum()) / NS_PER_S,
        gap_s=float(np.diff(knots)[gap].sum()) / NS_PER_S,
    )


def mean_inside(trace: PowerTrace, start_ns: int, stop_ns: int) -> tuple[float, int]:
    """Get the mean power of the samples wholly inside a window, and how many they are.

    Means are weighted by their stretch, points alike; NaN where there is none.
    """
    chosen = trace.inside(start_ns, stop_ns)
    power = trace.power_w[chosen]
    if not len(power):
        return float("nan"), 0
    if trace.point_interval_ns:
        return float(power.mean()), len(power)
    stretch = (trace.stop_ns[chosen] - trace.start_ns[chosen]).astype(np.float64)
    return float(np.dot(power, stretch) / stretch.sum()), len(power)


def standard_error(values: FloatArray) -> float:
    """Get the standard uncertainty of a mean of autocorrelated values.

    ``s * sqrt(tau / n)`` with the integrated autocorrelation time ``tau`` by Geyer's initial
    positive sequence (method section 2.5). NaN for fewer than two values.
    """
    count = len(values)
    if count < 2:
        return float("nan")
    deviation = values - values.mean()
    variance = float(np.dot(deviation, deviation)) / count
    if variance == 0:
        return 0.0
    size = 1 << (2 * count - 1).bit_length()
    spectrum = np.fft.rfft(deviation, size)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, size)[:count] / count
    rho = covariance / variance
    pairs = rho[: count - count % 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    kept = pairs[: negative[0] if len(negative) else len(pairs)]
    tau = max(2 * float(kept.sum()) - 1, 1.0)
    return float(np.sqrt(variance * count / (count - 1) * tau / count))
