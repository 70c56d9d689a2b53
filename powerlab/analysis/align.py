"""From a capture to one clock: the board's windows and the meter's samples side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from powerlab.analysis.bursts import largest_step
from powerlab.analysis.clocks import board_to_host, fit_board_clock, u_of_mapped
from powerlab.analysis.marking import read_markers
from powerlab.analysis.sample_clock import fit_sample_clock
from powerlab.analysis.trigger_line import line_findings, read_line
from powerlab.findings import Finding, Severity
from powerlab.records import (
    Aligned,
    Capture,
    ClockExchanges,
    ClockFit,
    LineReading,
    Phase,
    SampleClock,
    Window,
)
from powerlab.units import NS_PER_S


def align(capture: Capture) -> Aligned:
    """Map every phase and every sample of a capture to the host's clock.

    Where a trigger line was recorded with the samples and is believed, they are placed by it.
    """
    fit = fit_board_clock(capture.exchanges)
    windows = tuple(_window(phase, fit, capture.batch) for phase in capture.phases)
    runs = [window for window in windows if window.kind == "run"]
    board_clock = _at_runs(fit, capture.exchanges, runs)
    samples = fit_sample_clock(capture.trace)
    line = read_line(capture, samples, board_clock)
    if line is not None and line.believed:
        samples = _placed_by(line, samples)
    markers, doubts = read_markers(capture, samples, board_clock, line)
    return Aligned(
        clock=samples,
        values=capture.trace.values,
        flags=capture.trace.flags,
        windows=windows,
        board_clock=board_clock,
        findings=(
            *_step(capture.exchanges, board_clock),
            *_exchanges_inside(capture.exchanges, runs, board_clock),
            *line_findings(line),
            *doubts,
        ),
        markers=markers,
        line=line,
    )


def _placed_by(line: LineReading, samples: SampleClock) -> SampleClock:
    """Get the samples as much earlier as they show the line late, with the line's u alone."""
    late = round(line.delay_ns)
    return replace(
        samples,
        start_ns=samples.start_ns - late,
        stop_ns=samples.stop_ns - late,
        u_ns=line.u_delay_ns,
    )


def _window(phase: Phase, clock: ClockFit, batch: int) -> Window:
    ends = np.array([phase.start_board_ns, phase.stop_board_ns], dtype=np.int64)
    edges = board_to_host(clock, np.concatenate((ends, phase.done_board_ns)))
    rate = (1 + clock.skew_ppm * 1e-6) * NS_PER_S
    begun = phase.begun_board_ns
    if not len(begun):
        begun = np.concatenate(([phase.start_board_ns], phase.done_board_ns[:-1]))
        begun = begun[: len(phase.done_board_ns)]
    service_s = (phase.done_board_ns - begun) / rate
    due = phase.due_board_ns
    latency_s = (phase.done_board_ns - due) / rate if len(due) else service_s
    busy_s = float(service_s.sum()) if phase.passes else 0.0
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
        open_loop=len(due) > 0,
    )


def _at_runs(fit: ClockFit, exchanges: ClockExchanges, runs: list[Window]) -> ClockFit:
    """Get the fit with the u of the runs' edges: they may lie beyond the exchanges."""
    edges = np.array([edge for run in runs for edge in (run.start_ns, run.stop_ns)], dtype=np.int64)
    u_edges = u_of_mapped(fit, exchanges, edges)
    return replace(fit, u_offset_ns=float(np.max(u_edges, initial=fit.u_offset_ns)))


def _step(exchanges: ClockExchanges, clock: ClockFit) -> tuple[Finding, ...]:
    step_ns = largest_step(exchanges)
    if not step_ns:
        return ()
    return (
        Finding(
            code="clock-step",
            severity=Severity.BLOCKING,
            message=f"the board's clock jumped by {step_ns / 1e6:.2f} ms or more against this "
            "computer's",
            hint="one of them was suspended, or its clock was stepped; keep both awake, and "
            "measure again",
            evidence={"step_ns": step_ns, "residual_ns": clock.residual_ns},
        ),
    )


def _exchanges_inside(
    exchanges: ClockExchanges, runs: list[Window], clock: ClockFit
) -> tuple[Finding, ...]:
    """Find exchanges during a run: traffic costs the board energy and time of its own."""
    edge_ns = round(clock.u_offset_ns)
    inside = np.zeros(len(exchanges.t1_ns), dtype=bool)
    for run in runs:
        inside |= (exchanges.t4_ns > run.start_ns + edge_ns) & (
            exchanges.t1_ns < run.stop_ns - edge_ns
        )
    count = int(inside.sum())
    if not count:
        return ()
    return (
        Finding(
            code="exchanges-inside",
            severity=Severity.WARNING,
            message=f"{count} clock exchanges were made while a run was being measured",
            hint="exchange clocks before and after the runs only: the board's answers are part "
            "of the energy",
            evidence={"exchanges": count},
        ),
    )
