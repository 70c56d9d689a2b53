"""From a capture to one clock: the board's windows and the meter's samples side by side."""

from __future__ import annotations

import numpy as np

from powerlab.analysis.clocks import board_to_host, fit_board_clock, fit_sample_clock
from powerlab.analysis.marking import read_markers
from powerlab.findings import Finding, Severity
from powerlab.records import Aligned, Capture, ClockFit, Phase, Window
from powerlab.units import NS_PER_S

STEP_NS = 1_000_000
DRIFT_LIMIT_PPM = 50.0
"""Between two bursts a crystal moves by its rate; a change beyond that and 1 ms is a step."""


def align(capture: Capture) -> Aligned:
    """Map every phase and every sample of a capture to the host's clock."""
    board_clock = fit_board_clock(capture.exchanges)
    samples = fit_sample_clock(capture.trace)
    markers, doubts = read_markers(capture, samples, board_clock)
    return Aligned(
        clock=samples,
        values=capture.trace.values,
        flags=capture.trace.flags,
        windows=tuple(_window(phase, board_clock, capture.batch) for phase in capture.phases),
        board_clock=board_clock,
        findings=(*_clock_findings(board_clock), *doubts),
        markers=markers,
    )


def _window(phase: Phase, clock: ClockFit, batch: int) -> Window:
    ends = np.array([phase.start_board_ns, phase.stop_board_ns], dtype=np.int64)
    edges = board_to_host(clock, np.concatenate((ends, phase.done_board_ns)))
    rate = (1 + clock.skew_ppm * 1e-6) * NS_PER_S
    begun = phase.begun_board_ns
    if not len(begun):
        begun = np.concatenate(([phase.start_board_ns], phase.done_board_ns[:-1]))
        begun = begun[: len(phase.done_board_ns)]
    latency_s = (phase.done_board_ns - begun) / rate
    busy_s = float(latency_s.sum()) if phase.passes else 0.0
    length_s = (phase.stop_board_ns - phase.start_board_ns) / rate
    return Window(
        kind=phase.kind,
        index=phase.index,
        start_ns=int(edges[0]),
        stop_ns=int(edges[1]),
        inferences=phase.passes * batch,
        latency_s=latency_s,
        done_ns=edges[2:].copy(),
        pause_s=max(0.0, length_s - busy_s) if len(phase.begun_board_ns) else 0.0,
        cpu_s=phase.cpu_s,
    )


def _clock_findings(clock: ClockFit) -> tuple[Finding, ...]:
    jump_ns = _largest_jump(clock)
    if jump_ns <= 0:
        return ()
    return (
        Finding(
            code="clock-step",
            severity=Severity.BLOCKING,
            message=f"the board's clock left its line by {clock.residual_ns / 1e6:.1f} ms",
            hint="it was stepped, suspended or read late; keep the board awake and idle "
            "otherwise, and measure again",
            evidence={"residual_ns": clock.residual_ns, "jump_ns": jump_ns},
        ),
    )


def _largest_jump(clock: ClockFit) -> float:
    """Get the largest change of offset between two bursts that no crystal explains, in ns."""
    if not clock.bend:
        return 0.0
    at, deviation = np.array(clock.bend).T
    jumps = np.abs(np.diff(deviation))
    drift = DRIFT_LIMIT_PPM * 1e-6 * np.diff(at) + clock.round_trip_min_ns
    return float(np.max(np.where(jumps > drift + STEP_NS, jumps, 0.0), initial=0.0))
