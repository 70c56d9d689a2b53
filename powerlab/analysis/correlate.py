"""Finding a drawn pattern in a power trace: where it correlates best, and how uniquely.

Only the whereabouts come from here, good to a sixth of a chip: the peak of a correlation is
not interpolated, as a parabola through it is biased and has a floor of variance at any
signal to noise (method section 1.5). The fit that follows starts from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.lagged import Pattern, respond
from powerlab.records import FloatArray, Int64Array, freeze_arrays
from powerlab.units import NS_PER_S

CELLS_PER_CHIP = 6
MOST_CELLS = 1 << 16
SIDE_CHIPS = 8
"""Shifts this far beyond the searched ones count as sidelobes too, so that there are some."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Mean power over stretches, seconds after the pattern's first edge; rising, may gap."""

    start_s: FloatArray
    stop_s: FloatArray
    power_w: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)

    def within(self, start_s: float, stop_s: float) -> Stretches:
        """Get those that lie wholly in a window."""
        first = int(np.searchsorted(self.start_s, start_s, side="left"))
        last = max(first, int(np.searchsorted(self.stop_s, stop_s, side="right")))
        chosen = slice(first, last)
        return Stretches(self.start_s[chosen], self.stop_s[chosen], self.power_w[chosen])

    def joined(self, most: int) -> Stretches:
        """Get at most ``most`` stretches, by joining neighbours; those across a gap are left out.

        A shorter sample places an edge no better than its noise does, and takes as long.
        """
        size = -(-len(self.power_w) // most)
        if size <= 1:
            return self
        first = np.arange(0, len(self.power_w) - size + 1, size)
        width = self.stop_s - self.start_s
        energy = np.add.reduceat(self.power_w * width, first)
        covered = np.add.reduceat(width, first)
        if len(self.power_w) % size:
            end = slice(int(first[-1]), int(first[-1]) + size)
            energy[-1] = float(np.dot(self.power_w[end], width[end]))
            covered[-1] = float(width[end].sum())
        start, stop = self.start_s[first], self.stop_s[first + size - 1]
        whole = stop - start < covered + width[first] / 2
        return Stretches(start[whole], stop[whole], (energy / covered)[whole])


def stretches_of(trace: PowerTrace, origin_ns: int, aperture_s: float | None) -> Stretches:
    """Get what the samples of a trace stand for, in seconds after ``origin_ns``.

    Their own stretch, or ``aperture_s`` before its end; a point stands for halfway to its
    neighbours, three quarters of an interval at most.
    """
    stop_s = seconds_since(trace.stop_ns, origin_ns)
    if trace.point_interval_ns and len(stop_s):
        reach_s = 0.75 * trace.point_interval_ns / NS_PER_S
        middle = (stop_s[1:] + stop_s[:-1]) / 2
        left = np.maximum(np.concatenate(([-np.inf], middle)), stop_s - reach_s)
        right = np.minimum(np.concatenate((middle, [np.inf])), stop_s + reach_s)
        return Stretches(left, right, trace.power_w)
    start_s = seconds_since(trace.start_ns, origin_ns)
    if aperture_s is not None:
        start_s = np.maximum(start_s, stop_s - aperture_s)
    return Stretches(start_s, stop_s, trace.power_w)


def seconds_since(instants_ns: Int64Array, origin_ns: int) -> FloatArray:
    """Get instants as seconds after an origin near to them."""
    return np.asarray((instants_ns - origin_ns).astype(np.float64) / NS_PER_S)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a pattern fits best.

    ``delay_s`` is how late the trace shows it; ``correlation`` the coefficient there, -1
    to 1; ``peak_to_sidelobe_db`` compares it to the largest one two chips off or more.
    """

    delay_s: float
    correlation: float
    peak_to_sidelobe_db: float


def find_pattern(
    stretches: Stretches, pattern: Pattern, search_s: tuple[float, float], margin_s: float
) -> Found:
    """Find the delay within ``search_s`` at which a trace follows a pattern best.

    The pattern and ``margin_s`` of idle on either side are compared with the trace by the
    correlation coefficient, at shifts of a sixth of a chip. Beyond its ends the
    trace is held; there must be one stretch at least.
    """
    widest = float(np.median(stretches.stop_s - stretches.start_s))
    lobe = 2 * max(pattern.chip_s, widest)
    side = SIDE_CHIPS * lobe / 2
    support = pattern.edges_s[-1] + 2 * margin_s
    span = search_s[1] - search_s[0] + 2 * side
    cell = max(pattern.chip_s / CELLS_PER_CHIP, (support + span) / MOST_CELLS)
    length, shifts = math.ceil(support / cell), math.ceil(span / cell) + 1
    origin = search_s[0] - side - margin_s
    edges = np.arange(length + 1) * cell - margin_s
    code = np.diff(respond(pattern, 0.0, edges).area_s)
    trace = np.diff(_energy(stretches, origin + np.arange(length + shifts) * cell)) / cell
    coefficient = _coefficients(code - code.mean(), trace)
    delays = search_s[0] - side + np.arange(shifts) * cell
    allowed = (delays >= search_s[0] - cell / 2) & (delays <= search_s[1] + cell / 2)
    best = int(np.argmax(np.where(allowed, coefficient, -np.inf)))
    aside = np.abs(coefficient[np.abs(delays - delays[best]) >= lobe])
    peak, highest = max(float(coefficient[best]), 1e-9), max(float(aside.max()), 1e-9)
    return Found(
        delay_s=float(delays[best]),
        correlation=float(coefficient[best]),
        peak_to_sidelobe_db=20 * math.log10(peak / highest),
    )


def _energy(stretches: Stretches, at_s: FloatArray) -> FloatArray:
    """Integrate a trace up to each instant; gaps take the mean of their sides."""
    power = stretches.power_w
    far = float(at_s[-1] - at_s[0]) + float(stretches.stop_s[-1] - stretches.start_s[0])
    knots = np.empty(2 * len(power) + 2)
    knots[1:-1:2], knots[2:-1:2] = stretches.start_s, stretches.stop_s
    knots[0] = min(knots[1], float(at_s[0])) - far
    knots[-1] = max(knots[-2], float(at_s[-1])) + far
    height = np.empty(2 * len(power) + 1)
    height[1::2] = power
    height[2:-1:2] = (power[1:] + power[:-1]) / 2
    height[0], height[-1] = power[0], power[-1]
    energy = np.concatenate(([0.0], np.cumsum(height * np.diff(knots))))
    return np.interp(at_s, knots, energy)


def _coefficients(code: FloatArray, trace: FloatArray) -> FloatArray:
    """Correlate a code of zero mean with every stretch of a trace as long as itself."""
    length, shifts = len(code), len(trace) - len(code) + 1
    level = trace - trace.mean()
    size = 1 << (len(trace) - 1).bit_length()
    spectrum = np.fft.rfft(level, size) * np.conj(np.fft.rfft(code, size))
    product = np.fft.irfft(spectrum, size)[:shifts]
    sums = np.concatenate(([0.0], np.cumsum(level)))
    squares = np.concatenate(([0.0], np.cumsum(level**2)))
    mean = (sums[length:] - sums[:-length]) / length
    energy = squares[length:] - squares[:-length] - length * mean**2
    # Integrating and differencing leaves a little where a trace does not change at all.
    floor = length * max(1e-9 * float(np.abs(trace).max()), 1e-150) ** 2
    scale = np.sqrt(np.maximum(energy, floor) * float(np.dot(code, code)))
    return np.asarray(np.where(energy > floor, product / scale, 0.0))
