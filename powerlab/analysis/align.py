"""From a capture to one clock: the board's windows and the meter's samples side by side."""

from __future__ import annotations

import numpy as np

from powerlab.analysis.clocks import board_to_host, fit_board_clock, fit_sample_clock
from powerlab.findings import Finding, Severity
from powerlab.records import Aligned, Capture, ClockFit, Phase, Window
from powerlab.units import NS_PER_S

STEP_LIMIT_NS = 2_000_000
"""A burst this far off the line is no crystal's drift: the clock was stepped or suspended."""


def align(capture: Capture) -> Aligned:
    """Map every phase and every sample of a capture to the host's clock."""
    board_clock = fit_board_clock(capture.exchanges)
    return Aligned(
        clock=fit_sample_clock(capture.trace),
        values=capture.trace.values,
        flags=capture.trace.flags,
        windows=tuple(_window(phase, board_clock, capture.batch) for phase in capture.phases),
        board_clock=board_clock,
        findings=_clock_findings(board_clock),
    )


def _window(phase: Phase, clock: ClockFit, batch: int) -> Window:
    edges = board_to_host(clock, np.array([phase.start_board_ns, phase.stop_board_ns]))
    stamps = np.concatenate(([phase.start_board_ns], phase.done_board_ns))
    rate = 1 + clock.skew_ppm * 1e-6
    return Window(
        kind=phase.kind,
        index=phase.index,
        start_ns=int(edges[0]),
        stop_ns=int(edges[1]),
        inferences=phase.passes * batch,
        latency_s=np.diff(stamps) / (NS_PER_S * rate),
    )


def _clock_findings(clock: ClockFit) -> tuple[Finding, ...]:
    if clock.residual_ns <= max(STEP_LIMIT_NS, 5 * clock.round_trip_min_ns):
        return ()
    return (
        Finding(
            code="clock-step",
            severity=Severity.BLOCKING,
            message=f"the board's clock left its line by {clock.residual_ns / 1e6:.1f} ms",
            hint="it was stepped, suspended or read late; keep the board awake and idle "
            "otherwise, and measure again",
            evidence={"residual_ns": clock.residual_ns, "exchanges": clock.exchanges},
        ),
    )
