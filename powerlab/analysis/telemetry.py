"""What the board's telemetry says of the runs: throttling, a moving clock rate, rising heat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from powerlab.analysis.lines import fit_line
from powerlab.analysis.uncertainty import COVERAGE, student_t
from powerlab.findings import Finding, Severity
from powerlab.records import Capture, Telemetry

HELD_RATE = ("performance", "userspace")
"""Governors that hold the clock at one rate; under others an idle board's rate tells nothing."""

RATE_LIMIT = 0.02
"""Relative change of the clock rate between runs that is a finding."""

WARMING_LIMIT_K_PER_MIN = 1.0
"""Rise of temperature over the runs that is a finding (method section 2.5)."""


def telemetry_findings(capture: Capture) -> tuple[Finding, ...]:
    """List what the readings beside the runs speak against; nothing where there are none."""
    return (*_throttling(capture), *_clock_rate(capture), *_warming(capture))


def _beside_runs(capture: Capture) -> tuple[int, Sequence[Telemetry]]:
    """Get the first run's start and the readings from just before it to just after the last."""
    runs = [phase for phase in capture.phases if phase.kind == "run"]
    if not runs:
        return 0, ()
    start_ns, stop_ns = runs[0].start_board_ns, runs[-1].stop_board_ns
    at_ns = [reading.at_board_ns for reading in capture.telemetry]
    first = max(0, int(np.searchsorted(at_ns, start_ns)) - 1)
    return start_ns, capture.telemetry[first : int(np.searchsorted(at_ns, stop_ns)) + 1]


def _throttling(capture: Capture) -> Iterable[Finding]:
    start_ns, readings = _beside_runs(capture)
    told = [one for one in readings if one.at_board_ns > start_ns and one.throttled]
    if told:
        reasons = ", ".join(dict.fromkeys(reason for one in told for reason in one.throttled))
        yield Finding(
            code="throttled",
            severity=Severity.BLOCKING,
            message=f"the board held its clock down between the runs' start and end: {reasons}",
            hint="cool the board or give it a stronger supply, and measure again",
            evidence={"readings": len(told), "reasons": reasons},
        )


def _clock_rate(capture: Capture) -> Iterable[Finding]:
    _, readings = _beside_runs(capture)
    rates = np.array([one.frequency_hz for one in readings if one.governor in HELD_RATE])
    rates = rates[np.isfinite(rates)]
    if len(rates) and np.ptp(rates) > RATE_LIMIT * np.median(rates):
        yield Finding(
            code="clock-rate-moved",
            severity=Severity.WARNING,
            message=f"the processors' clock moved between {rates.min() / 1e6:.0f} MHz and "
            f"{rates.max() / 1e6:.0f} MHz from run to run",
            hint="fix the rate on the board: governor performance, turbo off, enough cooling",
            evidence={"least_hz": float(rates.min()), "most_hz": float(rates.max())},
        )


def _warming(capture: Capture) -> Iterable[Finding]:
    _, told = _beside_runs(capture)
    readings = [one for one in told if math.isfinite(one.temperature_c)]
    heat = np.array([one.temperature_c for one in readings])
    if len(heat) < 3 or np.ptp(heat) == 0:
        return
    minutes = np.array([one.at_board_ns - readings[0].at_board_ns for one in readings]) / 6e10
    line = fit_line(minutes, heat)
    surely = line.slope - student_t(COVERAGE, line.dof) * line.u_slope
    resolution = float(np.diff(np.unique(heat)).min())
    if surely > WARMING_LIMIT_K_PER_MIN and line.slope * float(np.ptp(minutes)) > resolution:
        yield Finding(
            code="warming",
            severity=Severity.WARNING,
            message=f"the board warmed by {line.slope:.1f} K per minute over the runs, to "
            f"{heat[-1]:.0f} °C",
            hint="warm up longer, or cool the board: its power rises with its temperature",
            evidence={"k_per_min": line.slope, "temperature_c": float(heat[-1])},
        )
