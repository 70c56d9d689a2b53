"""The inputs of the measurement model: what may err, by how much, and where else it errs.

Each input carries an identity. Two measurements that name the same one share its error: the
gain of one meter on one range, the volts read once in a session, the host's clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from powerlab.analysis.calibration.correction import corrected_values
from powerlab.analysis.calibration.inputs import calibration_inputs
from powerlab.analysis.energies import Inputs, Model
from powerlab.analysis.readings import Levels
from powerlab.analysis.uncertainty import rectangular
from powerlab.records import Accuracy, Capture, Distribution
from powerlab.records.correction import ChannelCalibration

HOST_CLOCK_LIMIT_PPM = 50.0
"""A computer's crystal against the true second (method section 1.3)."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One input of the model: its standard uncertainty, and the inputs moved by ``+x``.

    ``input`` is its identity in the world (see ``records.Component``); ``dof`` are the degrees
    of freedom of ``u``, None where it is known.
    """

    name: str
    u: float
    distribution: Distribution
    source: str
    input: str
    moved: Callable[[float], Inputs]
    dof: float | None = None


def perturbations(model: Model, inputs: Inputs, u_idle_w: float) -> Iterable[Perturbation]:
    """Yield all inputs around a setting of them; ``u_idle_w`` is that of the idle level."""
    yield from _meter(model, inputs)
    yield from _circuit(model.capture, inputs)
    yield from _time(model, inputs)
    yield Perturbation(
        "idle level",
        u_idle_w,
        Distribution.NORMAL,
        "scatter and change of the idle phases",
        _idle_phases(model.capture),
        lambda x: replace(inputs, idle_shift_w=inputs.idle_shift_w + x),
    )


def host_clock(capture: Capture) -> str:
    """Get the identity of the clock that all durations rest on."""
    return f"{capture.timebase.boot_id}/clock rate"


def _session(capture: Capture) -> str:
    """Get the identity of what lasts from a session's set-up to its end: supply, leads, clocks."""
    return f"{capture.timebase.boot_id}/{capture.timebase.anchor_ns}"


def _range(capture: Capture, channel: str) -> str:
    """Get the identity of one range of the meter.

    A meter that tells no serial number is known for its session only, and an emulated one
    exists in its own world only.
    """
    identity, setup = capture.trace.identity, capture.trace.setup
    if channel == "voltage" and setup.joined is not None:
        identity = setup.joined.identity
    full_scale = setup.accuracy[setup.channels.index(channel)].full_scale
    owner = identity.serial or _session(capture)
    if identity.emulated:
        owner = f"{owner}@{capture.timebase.boot_id}"
    return f"{identity.model}/{owner}/{channel}/{full_scale:g}"


def _idle_phases(capture: Capture) -> str:
    """Get the identity of the idle phases: options of one session rest on the same ones."""
    first = min(phase.start_board_ns for phase in capture.phases if phase.kind == "idle")
    return f"{capture.timebase.boot_id}/{first}/idle level"


def _meter(model: Model, inputs: Inputs) -> Iterable[Perturbation]:
    """Yield what a channel's calibration leaves open, or else the meter's specified limits."""
    setup = model.capture.trace.setup
    calibrated = {item.channel: item for item in model.capture.calibrations if item.correction}
    for channel, limit in zip(setup.channels, setup.accuracy, strict=True):
        if channel in calibrated:
            yield from _calibrated(calibrated[channel], model.levels[channel], inputs)
        else:
            yield from _specified(model.capture, channel, limit, inputs)


def _specified(
    capture: Capture, channel: str, limit: Accuracy, inputs: Inputs
) -> Iterable[Perturbation]:
    source = "estimate: " + limit.source if limit.estimated else limit.source
    for what, half_width, moved in (
        ("gain", limit.gain_limit, _with_gain),
        ("offset", limit.offset_limit, _with_offset),
    ):
        yield Perturbation(
            f"meter {channel} {what}",
            rectangular(half_width),
            Distribution.RECTANGULAR,
            source,
            f"{_range(capture, channel)}/{what}",
            partial(moved, inputs, channel),
        )


def _calibrated(
    calibration: ChannelCalibration, levels: Levels, inputs: Inputs
) -> Iterable[Perturbation]:
    """Yield the inputs of a correction, each as the line through its error at both levels.

    An error is a function of the reading. Power is idle and active by turns, and the line is
    exact at the mean of either; what it bends between them is too small to count.
    """
    correction, channel = calibration.correction, calibration.channel
    if correction is None or not math.isfinite(levels.idle + levels.active):
        return
    told = np.array([levels.idle, levels.active])
    value = corrected_values(correction, told, calibration.use)
    for item in calibration_inputs(correction, calibration.use):
        error = item.error(told)
        gain = float((error[1] - error[0]) / (value[1] - value[0])) if value[1] != value[0] else 0.0
        yield Perturbation(
            item.name,
            1.0,
            item.distribution,
            item.source,
            item.input,
            partial(_with_line, inputs, channel, gain, float(error[1] - gain * value[1])),
            dof=item.dof,
        )


def _with_line(inputs: Inputs, channel: str, gain: float, offset: float, times: float) -> Inputs:
    circuit = inputs.circuit.with_gain(channel, 1 + times * gain)
    return replace(inputs, circuit=circuit.with_offset(channel, times * offset))


def _with_gain(inputs: Inputs, channel: str, error: float) -> Inputs:
    return replace(inputs, circuit=inputs.circuit.with_gain(channel, 1 + error))


def _with_offset(inputs: Inputs, channel: str, error: float) -> Inputs:
    return replace(inputs, circuit=inputs.circuit.with_offset(channel, error))


def _circuit(capture: Capture, inputs: Inputs) -> Iterable[Perturbation]:
    """Yield what lies between the supply, the meter and the board."""
    setup, wiring, circuit = capture.trace.setup, capture.wiring, inputs.circuit

    def shifted(field: str) -> Callable[[float], Inputs]:
        def moved(error: float) -> Inputs:
            changed: dict[str, Any] = {field: getattr(circuit, field) + error}
            return replace(inputs, circuit=replace(circuit, **changed))

        return moved

    if setup.joined is not None:
        yield Perturbation(
            "volts joined",
            setup.joined.u_v,
            Distribution.NORMAL,
            "volts of another meter brought to the samples of the current",
            f"{_session(capture)}/volts joined",
            lambda x: replace(
                inputs, circuit=circuit.with_offset("voltage", circuit.offset["voltage"] + x)
            ),
        )
    if "voltage" not in setup.channels:
        origin = wiring.supply_voltage_origin
        yield Perturbation(
            "supply voltage",
            wiring.u_supply_voltage_v,
            Distribution.RECTANGULAR if origin == "nominal" else Distribution.NORMAL,
            "nominal" if origin == "nominal" else "read once at the board",
            f"{_session(capture)}/supply voltage",
            shifted("supply_voltage_v"),
        )
    if "voltage" not in setup.channels and "current" in setup.channels:
        yield Perturbation(
            "supply resistance",
            wiring.u_source_ohm,
            Distribution.RECTANGULAR,
            "the supply's output resistance, from the bench",
            f"{_session(capture)}/supply resistance",
            shifted("source_ohm"),
        )
        yield Perturbation(
            "burden voltage",
            rectangular(setup.burden_limit_ohm),
            Distribution.RECTANGULAR,
            "the meter's series resistance, from its profile",
            f"{_range(capture, 'current')}/burden",
            shifted("burden_ohm"),
        )
    yield Perturbation(
        "cable drop",
        wiring.u_cable_ohm,
        Distribution.RECTANGULAR,
        "loop resistance of the leads, from the bench",
        f"{_session(capture)}/cable",
        shifted("cable_ohm"),
    )


def _time(model: Model, inputs: Inputs) -> Iterable[Perturbation]:
    """Yield the inputs of time: edges, sample clock, clock rates."""
    capture = model.capture
    lag_limit = capture.wiring.supply_lag_limit_s
    yield Perturbation(
        "supply lag",
        rectangular(lag_limit / 2),
        Distribution.RECTANGULAR,
        f"the board's input delays its load by 0 to {lag_limit * 1e3:g} ms",
        f"{_session(capture)}/supply lag",
        lambda x: replace(inputs, supply_lag_s=inputs.supply_lag_s + x),
    )
    yield Perturbation(
        "sample clock",
        alignment_ns(model),
        Distribution.RECTANGULAR,
        "meter and board instants on the host's clock",
        f"{_session(capture)}/sample clock",
        lambda x: replace(inputs, sample_shift_ns=inputs.sample_shift_ns + x),
    )
    yield Perturbation(
        "clock rate",
        rectangular(HOST_CLOCK_LIMIT_PPM * 1e-6),
        Distribution.RECTANGULAR,
        f"the host's crystal within {HOST_CLOCK_LIMIT_PPM:g} ppm",
        host_clock(capture),
        lambda x: replace(inputs, time_scale=inputs.time_scale * (1 + x)),
    )


def alignment_ns(model: Model) -> float:
    """Get the standard uncertainty of the samples' instants against the runs', common to all.

    The meter's clock and the board's on the host's; or, where a trigger line is believed, that
    line's alone, because it stamps both on the board's clock.
    """
    aligned = model.aligned
    if aligned.line is not None and aligned.line.believed:
        return aligned.line.u_delay_ns
    return math.hypot(aligned.clock.u_ns, aligned.board_clock.u_offset_ns)
