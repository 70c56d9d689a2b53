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


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """Power over contiguous stretches: int64 ``start_ns``, ``stop_ns`` and float64 ``power_w``.

    Stretches rise in time and do not overlap; between two of them there may be a gap.
    Unusable samples are absent.
    """

    start_ns: Int64Array
    stop_ns: Int64Array
    power_w: FloatArray

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


def power_trace(clock: SampleClock, power_w: FloatArray, usable: np.ndarray) -> PowerTrace:
    """Join a sample clock and the powers of its usable samples.

    ``usable`` is bool ``(samples,)``; ``power_w`` has one value per usable sample.
    """
    return PowerTrace(
        start_ns=clock.start_ns[usable], stop_ns=clock.stop_ns[usable], power_w=power_w
    )


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

    Fractions at the edges are exact. A stretch without samples, inside the window or at
    its ends, is filled with the mean of the powers on both sides and reported as a gap.
    """
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


def mean_inside(trace: PowerTrace, start_ns: int, stop_ns: int) -> tuple[float, int]:
    """Get the mean power of the samples wholly inside a window, and how many they are.

    Weighted by the stretch of each; NaN where there is none.
    """
    chosen = trace.inside(start_ns, stop_ns)
    power = trace.power_w[chosen]
    if not len(power):
        return float("nan"), 0
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
