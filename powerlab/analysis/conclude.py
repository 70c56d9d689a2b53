"""A capture brought to its result: the one call that measuring and re-analysing share."""

from __future__ import annotations

import math

import numpy as np

from powerlab.analysis.align import align
from powerlab.analysis.cost import performance_per_cost
from powerlab.analysis.estimate import Estimate, estimate
from powerlab.analysis.joined import joined, joined_findings
from powerlab.analysis.judge import judge
from powerlab.analysis.marking import residual_ns
from powerlab.analysis.scenarios import QueryRun, scenario_figures, scenario_findings
from powerlab.findings import Severity
from powerlab.records import (
    Aligned,
    CalibrationUsed,
    Capture,
    Evidence,
    MeterSummary,
    Price,
    Request,
    Result,
    SampleFlag,
    Sync,
)
from powerlab.records.scenario import ScenarioFigures
from powerlab.units import NS_PER_S

FEWEST_RUNS = 2
"""A scatter needs two."""


def conclude(
    capture: Capture, *, run: str, request: Request, price: Price | None
) -> tuple[Result, Aligned]:
    """Align, integrate, estimate and judge a capture.

    Whatever is wrong with the capture becomes a finding; only one that was cut short before
    its second run holds nothing to conclude from and raises ValueError. The same capture
    gives the same result, on any machine.
    """
    kinds = [phase.kind for phase in capture.phases]
    if kinds.count("run") < FEWEST_RUNS or "idle" not in kinds:
        raise ValueError(f"a capture needs an idle phase and {FEWEST_RUNS} runs to conclude from")
    capture = joined(capture)
    aligned = align(capture)
    done = estimate(capture, aligned)
    quantities = dict(done.quantities)
    if price is not None:
        quantities["performance_per_cost"] = performance_per_cost(quantities["throughput"], price)
    findings = (*joined_findings(capture), *aligned.findings, *judge(capture, done, price))
    figures = _scenario(capture, done)
    if figures is not None:
        findings += tuple(scenario_findings(figures))
    meters = [trace for trace in (capture.trace, capture.voltmeter) if trace is not None]
    emulated = capture.target.emulated or any(trace.identity.emulated for trace in meters)
    result = Result(
        run=run,
        request=request,
        evidence=Evidence.EMULATED if emulated else Evidence.MEASURED,
        boundary=capture.wiring.boundary,
        valid=not any(finding.severity is Severity.BLOCKING for finding in findings),
        quantities=quantities,
        runs=done.energies.runs,
        sync=Sync(
            offset_ns=aligned.board_clock.offset_ns,
            u_offset_ns=aligned.board_clock.u_offset_ns,
            skew_ppm=aligned.board_clock.skew_ppm,
            marker_residual_ns=_marker_residual_ns(aligned),
        ),
        meter=_meter_summary(capture, done),
        findings=findings,
        truth=None,
        price=price,
        latency=done.latency,
        scenario=figures,
    )
    return result, aligned


def _scenario(capture: Capture, done: Estimate) -> ScenarioFigures | None:
    scenario = capture.scenario
    # Ends of passes that are spread evenly over a run have no percentile, only a rate.
    if scenario is None or (not capture.target.passes_timed and scenario.name != "offline"):
        return None
    runs = [
        QueryRun(run.latency_s, run.inferences, (run.stop_ns - run.start_ns) / NS_PER_S)
        for run in done.model.runs
    ]
    return scenario_figures(scenario, runs)


def _marker_residual_ns(aligned: Aligned) -> float | None:
    believed = [marker for marker in aligned.markers if marker.believed]
    return residual_ns(believed) if believed else None


def _meter_summary(capture: Capture, done: Estimate) -> MeterSummary:
    clock = done.model.aligned.clock
    span_s = (int(clock.stop_ns[-1]) - int(clock.start_ns[0])) / NS_PER_S
    lost = np.count_nonzero(capture.trace.flags & (SampleFlag.LOST | SampleFlag.NOT_AVAILABLE))
    return MeterSummary(
        samples=len(capture.trace.flags),
        lost=int(lost),
        gap_s=math.fsum(run.gap_s for run in done.energies.runs),
        rate_hz=len(capture.trace.flags) / span_s if span_s > 0 else 0.0,
        calibrations=tuple(
            CalibrationUsed(item.channel, item.correction.certificate, item.performed, item.due)
            for item in capture.calibrations
            if item.correction is not None
        ),
    )
