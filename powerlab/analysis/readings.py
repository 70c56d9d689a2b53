"""From what a meter told to readings that count: usable, corrected, with the power of each.

A calibration corrects the readings before anything is summed; what may err in it is an input
of the budget later (``inputs``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from powerlab.analysis.calibration.correction import corrected_values
from powerlab.analysis.dense import BLOCK
from powerlab.analysis.electrics import boundary_power, nominal_circuit
from powerlab.analysis.integrate import PowerTrace, mean_inside, power_trace
from powerlab.analysis.reduction import Readings
from powerlab.analysis.timeline import Span, Timeline
from powerlab.records import Aligned, Averaging, Capture, FloatArray, MeterSetup, SampleFlag
from powerlab.records.correction import ChannelCalibration
from powerlab.units import nanoseconds

UNUSABLE = SampleFlag.LOST | SampleFlag.OVERRANGE | SampleFlag.SATURATED | SampleFlag.NOT_AVAILABLE


@dataclass(frozen=True, slots=True)
class Levels:
    """The mean readings of a channel in the idle phases and in the runs, as the meter told them.

    NaN where no sample lies inside.
    """

    idle: float
    active: float


@dataclass(frozen=True, slots=True)
class CorrectedReadings:
    """The usable readings, corrected; ``active_current_a`` is the mean current under load.

    ``levels`` has those of each channel that a calibration corrects, by its name.
    """

    readings: Readings
    active_current_a: float
    levels: dict[str, Levels]


def usable_samples(aligned: Aligned) -> np.ndarray:
    """Tell which samples count, bool ``(n,)``: flagged neither lost nor beyond a range, finite."""
    usable: np.ndarray = (aligned.flags & UNUSABLE) == 0
    for channel in aligned.values.T:
        usable &= np.isfinite(channel)
    return usable


def corrected_readings(
    capture: Capture, aligned: Aligned, usable: np.ndarray, when: Timeline
) -> CorrectedReadings:
    """Correct the usable samples by the calibrations of their channels and get their power."""
    setup = capture.trace.setup
    point_ns = nanoseconds(setup.interval_s) if setup.averaging is Averaging.POINT else 0
    told = aligned.values if usable.all() else aligned.values[usable]
    trace = power_trace(aligned.clock, told[:, 0], usable, point_ns)
    calibrated = {item.channel: item for item in capture.calibrations if item.correction}
    levels = {
        name: _levels(trace, told[:, setup.channels.index(name)], when) for name in calibrated
    }
    values = corrected_samples(told, setup, calibrated.values())
    active_a = 0.0
    if "current" in setup.channels:
        current = replace(trace, power_w=values[:, setup.channels.index("current")])
        active_a = _mean(current, [(run.start_ns, run.stop_ns) for run in when.runs])
    circuit, power_w = nominal_circuit(setup, capture.wiring), np.empty(len(values))
    for block in _blocks(len(values)):
        power_w[block] = boundary_power(values[block], setup, capture.wiring, circuit, active_a)
    readings = Readings(values, setup, replace(trace, power_w=power_w))
    return CorrectedReadings(readings, active_a, levels)


def corrected_samples(
    told: FloatArray, setup: MeterSetup, calibrations: Iterable[ChannelCalibration]
) -> FloatArray:
    """Correct samples, float64 ``(n, channels)``: the same array where nothing is to be done."""
    values = told
    for item in calibrations:
        if item.correction is None:
            continue
        if values is told:
            values = told.copy()
        column = setup.channels.index(item.channel)
        for block in _blocks(len(told)):
            values[block, column] = corrected_values(item.correction, told[block, column], item.use)
    return values


def _blocks(count: int) -> Iterable[slice]:
    return (slice(at, at + BLOCK) for at in range(0, count, BLOCK))


def _levels(trace: PowerTrace, readings: FloatArray, when: Timeline) -> Levels:
    channel = replace(trace, power_w=readings)
    return Levels(_mean(channel, when.idle), _mean(channel, when.inside))


def _mean(trace: PowerTrace, spans: Iterable[Span]) -> float:
    """Get the mean of the means over some spans, NaN where none holds a sample."""
    means = np.array([mean_inside(trace, *span)[0] for span in spans])
    known = means[np.isfinite(means)]
    return float(known.mean()) if len(known) else math.nan
