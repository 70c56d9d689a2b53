"""Amperes of one meter and volts of another, brought to the same samples.

Volts fall with the current that is drawn, and a voltmeter may be far slower than the ammeter
beside it. So its readings are taken as a straight line in the current, each with the mean
current of its own aperture, and what that line leaves is interpolated in time: the volts of
every current sample then follow its own current, however short it is. Where volts and current
are not related, the line is level and only the interpolation is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from powerlab.analysis.readings import UNUSABLE
from powerlab.analysis.sample_clock import fit_sample_clock
from powerlab.findings import Finding, Severity
from powerlab.records import (
    Capture,
    FlagArray,
    FloatArray,
    Joined,
    MeterSetup,
    MeterTrace,
    Phase,
    SampleClock,
    SampleFlag,
)
from powerlab.units import NS_PER_S, nanoseconds

LEAST_READINGS = 8
"""Readings of volts from which a line in the current is fitted."""

SIGNIFICANT = 3.0
"""Standard uncertainties by which a slope must differ from none to be used."""

BRIDGED = 3.0
"""Usual spacings of the voltmeter's readings between two of them beyond which the volts count as
lost. Between readings they follow the current, so that one late poll costs nothing."""

MAD_TO_DEVIATION = 1.4826
"""Standard deviation of normal values over the median of their absolute deviations."""


@dataclass(frozen=True, slots=True)
class _Line:
    """Volts at no current [V], their fall with the current [ohm], and what is left [V].

    ``left_v`` is float64 ``(readings,)``. ``u_ohm`` is the standard uncertainty of the fall,
    which turns about the mean current ``mean_a`` of the readings.
    """

    level_v: float
    ohm: float
    left_v: FloatArray
    u_ohm: float = 0.0
    mean_a: float = 0.0


def joined(capture: Capture) -> Capture:
    """Get a capture whose trace has the other meter's volts as its channel "voltage".

    The same capture where there is no other meter or its volts are joined already. Samples for
    which it has no volts are flagged ``NOT_AVAILABLE``.
    """
    other, trace = capture.voltmeter, capture.trace
    if other is None or trace.setup.joined is not None:
        return capture
    clock, told = fit_sample_clock(trace), _Readings.of(other)
    amperes = trace.values[:, trace.setup.channels.index("current")]
    usable = ((trace.flags & UNUSABLE) == 0) & np.isfinite(amperes)
    if not (len(told.volts) and usable.any()):
        return replace(capture, trace=_without_volts(trace, other))
    line = _fit(told, _mean_over(clock, amperes, usable, told))
    middle = ((clock.start_ns + clock.stop_ns) // 2 - told.origin_ns).astype(np.float64)
    volts = line.level_v - line.ohm * amperes + np.interp(middle, told.middle, line.left_v)
    seen = _covered(middle, told, round(BRIDGED * told.spacing_ns))
    u_v = _u_joining(capture, line, amperes[usable], math.hypot(clock.u_ns, told.clock.u_ns))
    setup = _joined_setup(trace.setup, other, Joined(other.identity, u_v, line.ohm))
    return replace(capture, trace=_with_volts(trace, setup, np.where(seen, volts, math.nan), seen))


def joined_findings(capture: Capture) -> tuple[Finding, ...]:
    """Get what is to be said of volts that another meter read."""
    how, other = capture.trace.setup.joined, capture.voltmeter
    if how is None or other is None:
        return ()
    serial = f" ({how.identity.serial})" if how.identity.serial else ""
    return (
        Finding(
            code="volts-joined",
            severity=Severity.INFO,
            message="volts of another meter were brought to the samples of the current "
            f"(u = {how.u_v * 1e3:.2g} mV; {how.source_ohm * 1e3:.3g} mV for each ampere): "
            f"{how.identity.name}{serial}",
            hint="a voltmeter as quick as the ammeter, or one meter that reads both, "
            "leaves less to bring together",
            evidence={"u_v": how.u_v, "source_ohm": how.source_ohm},
        ),
    )


@dataclass(frozen=True, slots=True)
class _Readings:
    """The usable readings of a voltmeter: volts and when, relative to ``origin_ns``, ``(n,)``."""

    origin_ns: int
    start: FloatArray
    stop: FloatArray
    volts: FloatArray
    clock: SampleClock

    @property
    def middle(self) -> FloatArray:
        return np.asarray((self.start + self.stop) / 2)

    @property
    def spacing_ns(self) -> float:
        """Get how far apart readings usually are: a host that is late polls less often."""
        return float(np.median(np.diff(self.stop))) if len(self.stop) > 1 else 0.0

    @classmethod
    def of(cls, trace: MeterTrace) -> _Readings:
        clock = fit_sample_clock(trace)
        volts = trace.values[:, trace.setup.channels.index("voltage")]
        usable = ((trace.flags & UNUSABLE) == 0) & np.isfinite(volts)
        origin_ns = int(clock.stop_ns[0]) if len(clock.stop_ns) else 0
        # A meter that waits between its apertures has seen only the end of each interval.
        aperture_ns = nanoseconds(min(trace.setup.aperture_s, trace.setup.interval_s))
        stop = (clock.stop_ns[usable] - origin_ns).astype(np.float64)
        return cls(origin_ns, stop - aperture_ns, stop, volts[usable], clock)


def _mean_over(
    clock: SampleClock, amperes: FloatArray, usable: np.ndarray, told: _Readings
) -> FloatArray:
    """Get the mean current over each reading's aperture, float64 ``(readings,)``.

    Where no current was sampled, the next sample stands for it.
    """
    stop = (clock.stop_ns[usable] - told.origin_ns).astype(np.float64)
    first = float(clock.start_ns[usable][0] - told.origin_ns)
    ends = np.concatenate(([first], stop))
    charge = np.concatenate(([0.0], np.cumsum(amperes[usable] * np.diff(ends))))
    span = np.maximum(told.stop - told.start, 1.0)
    means = (np.interp(told.stop, ends, charge) - np.interp(told.start, ends, charge)) / span
    inside = (told.start >= first) & (told.stop <= stop[-1])
    return np.where(inside, means, math.nan)


def _fit(told: _Readings, amperes: FloatArray) -> _Line:
    """Fit volts as a line in the current by least squares; level where no slope is shown."""
    known = np.isfinite(amperes)
    current, volts = amperes[known], told.volts[known]
    if not known.any():
        level_v = float(told.volts.mean())
        return _Line(level_v, 0.0, told.volts - level_v)
    mean_a, level_v, ohm, u_ohm = float(current.mean()), float(volts.mean()), 0.0, 0.0
    if len(volts) >= LEAST_READINGS and np.ptp(current) > 0:
        about = current - mean_a
        slope = float(about @ volts / (about @ about))
        rest = volts - level_v - slope * about
        u_slope = math.sqrt(float(rest @ rest) / (len(volts) - 2) / float(about @ about))
        if abs(slope) > SIGNIFICANT * u_slope:
            ohm, u_ohm = -slope, u_slope
            level_v -= slope * mean_a
        else:
            u_ohm = math.hypot(slope, u_slope)
    filled = np.where(known, amperes, np.interp(told.middle, told.middle[known], current))
    return _Line(level_v, ohm, told.volts - (level_v - ohm * filled), u_ohm, mean_a)


def _covered(middle: FloatArray, told: _Readings, reach_ns: int) -> np.ndarray:
    """Tell for which instants volts are known: between readings no further apart than that."""
    times = told.middle
    after = np.searchsorted(times, middle)
    low = times[np.maximum(after - 1, 0)]
    high = times[np.minimum(after, len(times) - 1)]
    beyond = (after == 0) | (after == len(times))
    near = np.minimum(np.abs(middle - low), np.abs(high - middle)) <= reach_ns
    covered: np.ndarray = np.where(beyond, near, high - low <= reach_ns)
    return covered


def _u_joining(capture: Capture, line: _Line, amperes: FloatArray, u_ns: float) -> float:
    """Get the u of the mean volts of a run from the joining: scatter, line, clocks that differ.

    Around edges the line leaves what the clocks differ by: the median passes over those few.
    Interpolation lays half of what it leaves at an edge on the run's side of it.
    """
    runs_s = [_length_s(phase) for phase in capture.phases if phase.kind == "run"]
    run_s = float(np.mean(runs_s)) if runs_s else 1.0
    voltmeter = capture.voltmeter
    readings = run_s / voltmeter.setup.interval_s if voltmeter is not None else 1.0
    noise_v = MAD_TO_DEVIATION * float(np.median(np.abs(line.left_v - np.median(line.left_v))))
    scatter_v = noise_v / math.sqrt(max(1.0, readings))
    loaded = amperes[amperes >= (amperes.min() + amperes.max()) / 2]
    # A run that holds many readings has its volts from them, a short one from the line alone.
    line_v = line.u_ohm * abs(float(loaded.mean()) - line.mean_a) * min(1.0, 1 / readings)
    shifted_v = 0.5 * abs(line.ohm) * float(np.ptp(amperes)) * u_ns / NS_PER_S / run_s
    return math.hypot(scatter_v, line_v, shifted_v)


def _length_s(phase: Phase) -> float:
    return (phase.stop_board_ns - phase.start_board_ns) / NS_PER_S


def _joined_setup(setup: MeterSetup, other: MeterTrace, how: Joined) -> MeterSetup:
    limit = other.setup.accuracy[other.setup.channels.index("voltage")]
    return replace(
        setup,
        channels=("voltage", *setup.channels),
        accuracy=(limit, *setup.accuracy),
        joined=how,
    )


def _with_volts(
    trace: MeterTrace, setup: MeterSetup, volts: FloatArray, seen: np.ndarray
) -> MeterTrace:
    missing = np.where(seen, 0, int(SampleFlag.NOT_AVAILABLE)).astype(np.uint8)
    flags: FlagArray = trace.flags | missing
    values = np.column_stack((volts, trace.values))
    return replace(trace, setup=setup, values=values, flags=flags)


def _without_volts(trace: MeterTrace, other: MeterTrace) -> MeterTrace:
    """Get a trace that no volts belong to at all: nothing in it is usable."""
    count = len(trace.flags)
    setup = _joined_setup(trace.setup, other, Joined(other.identity, 0.0, 0.0))
    return _with_volts(trace, setup, np.full(count, math.nan), np.zeros(count, dtype=bool))
