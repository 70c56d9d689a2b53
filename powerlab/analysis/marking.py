"""Markers read from the meter's trace: whether it shows the load where the clocks put it."""

from __future__ import annotations

import math

import numpy as np

from powerlab.analysis.clocks import board_to_host
from powerlab.analysis.integrate import PowerTrace, power_trace
from powerlab.analysis.markers import MarkerFit, fit_marker, marker_findings
from powerlab.findings import Finding, Severity
from powerlab.records import (
    Averaging,
    Capture,
    ClockFit,
    LineReading,
    MarkerReading,
    Phase,
    SampleClock,
)
from powerlab.units import NS_PER_S, nanoseconds

EXPECTED = 3.0
"""Standard uncertainties by which trace and clocks may differ."""


def read_markers(
    capture: Capture, samples: SampleClock, board: ClockFit, line: LineReading | None = None
) -> tuple[tuple[MarkerReading, ...], tuple[Finding, ...]]:
    """Fit every marker that the board drew, and list what speaks against the clocks.

    The trace is the meter's last channel as read, the trigger line aside: a marker needs its
    shape, not its watts. Where ``line`` is believed the samples are corrected by it, and what
    is left of a marker's delay is told against it.
    """
    phases = [phase for phase in capture.phases if phase.kind == "marker"]
    if not phases:
        return (), ()
    trace = _trace(capture, samples)
    u_rate = math.hypot(samples.u_rate_ppm, board.u_skew_ppm) * 1e-6
    fits = [_fit(capture, trace, board, phase, u_rate) for phase in phases]
    findings: tuple[Finding, ...] = ()
    if len(fits) == 2:
        findings = marker_findings(fits[0], fits[1], _u_between_ns(phases, samples, board))
    off = _off(capture, [fit for fit in fits if fit.believed], samples, board, line)
    return tuple(_reading(fit) for fit in fits), (*findings, *off)


def _trace(capture: Capture, samples: SampleClock) -> PowerTrace:
    setup = capture.trace.setup
    last = max(at for at, channel in enumerate(setup.channels) if channel != "line")
    values = capture.trace.values[:, last]
    usable = np.isfinite(values) & (capture.trace.flags == 0)
    point_ns = nanoseconds(setup.interval_s) if setup.averaging is Averaging.POINT else 0
    return power_trace(samples, values[usable], usable, point_ns)


def _fit(
    capture: Capture, trace: PowerTrace, board: ClockFit, phase: Phase, u_rate: float
) -> MarkerFit:
    setup = capture.trace.setup
    edges_ns = board_to_host(board, phase.done_board_ns)
    levels = [(index + 1) % 2 for index in range(len(edges_ns))]
    gated = setup.averaging is Averaging.GATED
    aperture_s = setup.aperture_s if gated else None
    return fit_marker(trace, edges_ns, levels, aperture_s=aperture_s, u_rate=u_rate)


def _u_between_ns(phases: list[Phase], samples: SampleClock, board: ClockFit) -> float:
    """Get what both clocks may have moved between the first and the last marker."""
    apart_ns = phases[-1].start_board_ns - phases[0].start_board_ns
    return math.hypot(samples.u_rate_ppm * 1e-6 * apart_ns, math.sqrt(2) * board.u_offset_ns)


def _reading(fit: MarkerFit) -> MarkerReading:
    return MarkerReading(
        delay_ns=fit.delay_ns,
        u_delay_ns=fit.u_delay_ns,
        lag_s=fit.lag_s,
        u_lag_s=fit.u_lag_s,
        peak_to_sidelobe_db=fit.peak_to_sidelobe_db,
        believed=fit.believed,
        reason=fit.reason,
    )


def _off(
    capture: Capture,
    believed: list[MarkerFit],
    samples: SampleClock,
    board: ClockFit,
    line: LineReading | None,
) -> tuple[Finding, ...]:
    """Find a delay that neither the clocks, or the line, nor the supply's lag explain."""
    if not believed:
        return ()
    delay_ns = residual_ns(believed)
    judge, u_clocks_ns = "clocks put", math.hypot(samples.u_ns, board.u_offset_ns)
    hint = "the meter's latency is not what its profile says: correct the profile"
    if line is not None and line.believed:
        judge, u_clocks_ns = "trigger line puts", line.u_delay_ns
        hint = "the supply lags by more than the device's supply_lag_limit_s, or the meter filters"
    lag_ns = capture.wiring.supply_lag_limit_s * NS_PER_S
    u_fit_ns = max(fit.u_delay_ns for fit in believed)
    allowed_ns = EXPECTED * math.hypot(u_clocks_ns, lag_ns / math.sqrt(12), u_fit_ns)
    if abs(delay_ns - lag_ns / 2) <= allowed_ns:
        return ()
    return (
        Finding(
            code="marker-off",
            severity=Severity.WARNING,
            message=f"the markers show the load {delay_ns / 1e6:+.1f} ms from where the {judge} "
            f"it, {allowed_ns / 1e6:.1f} ms are explained",
            hint=hint,
            evidence={"delay_ns": delay_ns},
        ),
    )


def residual_ns(markers: list[MarkerFit] | list[MarkerReading]) -> float:
    """Get the mean delay of some markers: the trace against the clocks."""
    return math.fsum(marker.delay_ns for marker in markers) / len(markers)
