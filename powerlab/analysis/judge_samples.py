"""What the samples say of a measurement: lost, beyond the range, too few, looked at in step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from powerlab.analysis.aliasing import Stakes, aliasing
from powerlab.analysis.estimate import Estimate
from powerlab.analysis.inputs import alignment_ns
from powerlab.findings import Finding, Severity
from powerlab.records import Capture, Int64Array, MeterSetup, SampleFlag
from powerlab.units import NS_PER_S

GAP_LIMIT = 1e-3
"""Share of energy that gaps may hide before a result is not valid (method section 2.2)."""

UNSEEN_LIMIT = 0.01
"""Share of the runs' time without a sample from which their level is taken on trust."""

FEWEST_SAMPLES = 5
"""Samples wholly inside a run below which its level is not established."""

USUAL_PRECISION = 0.01
"""Relative U that a run is to be long enough for where none was asked for."""


def sample_findings(capture: Capture, done: Estimate) -> Iterable[Finding]:
    """Yield the findings on the samples and on the runs that hold them."""
    yield from _over_range(capture, done)
    yield from _gaps(capture, done)
    yield from _too_slow(done)
    yield from _tail(done)
    yield from _dithered(done)
    yield from _aliasing(done)


def too_few_samples(done: Estimate) -> bool:
    """Tell whether a run holds too few samples of the meter to establish its level."""
    return min((run.samples for run in done.energies.runs), default=0) < FEWEST_SAMPLES


def needed_run_s(done: Estimate) -> float:
    """Get the length of a run that this meter could measure, in seconds.

    It holds the fewest samples inside the stretches at both ends where edges may still show;
    and it keeps ``dP δ / P`` within the wanted relative U of its energy, δ being the standard
    uncertainty of the samples' instants against the run's (method section 1.7).
    """
    model, setup = done.model, done.model.capture.trace.setup
    stop_ns = model.aligned.clock.stop_ns
    spacing_s = float(np.median(np.diff(stop_ns))) / NS_PER_S if len(stop_ns) > 1 else 0.0
    interval_s = max(setup.interval_s, spacing_s)
    whole_s = FEWEST_SAMPLES * interval_s + setup.aperture_s + 2 * model.trim_ns / NS_PER_S
    lag_s = model.capture.wiring.supply_lag_limit_s / math.sqrt(12)
    delta_s = math.hypot(alignment_ns(model) / NS_PER_S, lag_s)
    precision = model.capture.precision or USUAL_PRECISION
    return max(whole_s, _swing(done) * delta_s / precision)


def _swing(done: Estimate) -> float:
    """Get active less idle power over active power; 1, the most there is, where not known."""
    active, idle = (done.quantities[name].value for name in ("power_active", "power_idle"))
    return min(max(0.0, 1 - idle / active), 1.0) if active > 0 and math.isfinite(idle) else 1.0


def _length_s(done: Estimate) -> float:
    return math.fsum((run.stop_ns - run.start_ns) / NS_PER_S for run in done.model.runs)


def _over_range(capture: Capture, done: Estimate) -> Iterable[Finding]:
    flags = capture.trace.flags
    over = int(np.count_nonzero(flags & (SampleFlag.OVERRANGE | SampleFlag.SATURATED)))
    if not over:
        return
    used = done.energies.unusable_inside
    yield Finding(
        code="over-range",
        severity=Severity.BLOCKING if used else Severity.WARNING,
        message=f"{over} of {len(flags)} samples were beyond the meter's range"
        + ("" if used else ", none of them in what the energies rest on"),
        hint="correct the power under load in the device profile, which chooses the range, "
        "or take a meter with a larger one",
        evidence={"samples": over},
    )


def _gaps(capture: Capture, done: Estimate) -> Iterable[Finding]:
    lost = int(np.count_nonzero(capture.trace.flags & (SampleFlag.LOST | SampleFlag.NOT_AVAILABLE)))
    gap_s = math.fsum(run.gap_s for run in done.energies.runs)
    if not lost and gap_s <= 0:
        return
    gross = done.quantities["energy_per_inference"].value
    hidden = done.energies.gap_limit_j / gross if gross else math.inf
    unseen = gap_s / _length_s(done)
    too_much = hidden > GAP_LIMIT or unseen > UNSEEN_LIMIT
    yield Finding(
        code="gap",
        severity=Severity.BLOCKING if too_much else Severity.WARNING,
        message=f"no sample covers {gap_s:.3f} s of the runs ({lost} lost); "
        f"that may hide {hidden:.2%} of the energy and is {unseen:.2%} of the time",
        hint="look for a busy host, a loose link or another program on the meter",
        evidence={"gap_s": gap_s, "lost": lost, "unseen": unseen, "hidden": hidden},
    )


def _too_slow(done: Estimate) -> Iterable[Finding]:
    if not too_few_samples(done):
        return
    fewest = min((run.samples for run in done.energies.runs), default=0)
    needed_s = needed_run_s(done)
    shown = _rounded_up(needed_s)
    yield Finding(
        code="meter-too-slow",
        severity=Severity.BLOCKING,
        message=f"the meter is too slow for these runs: {fewest} of its samples lie wholly in the "
        f"shortest, {FEWEST_SAMPLES} are needed; runs of {shown} s would do",
        hint=f"use a protocol with runs of {shown} s at least, or a faster meter",
        evidence={"samples": fewest, "needed_run_s": needed_s},
    )


def _rounded_up(value: float) -> str:
    """Get a positive number with two significant digits, not below itself."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / step - 1e-9) * step:.6g}"


def _tail(done: Estimate) -> Iterable[Finding]:
    tail_j = float(np.mean([run.tail_j for run in done.energies.runs]))
    per_run = float(np.mean([run.inferences for run in done.energies.runs]))
    allowed = done.quantities["energy_per_inference"].expanded * per_run
    if tail_j < -allowed:
        yield Finding(
            code="tail-negative",
            severity=Severity.WARNING,
            message=f"start-up and tail energy is {tail_j:.3g} J per run, below zero beyond U",
            hint="the windows and the trace do not fit: check the clocks and the idle phases",
            evidence={"tail_j": tail_j},
        )


def _dithered(done: Estimate) -> Iterable[Finding]:
    """Yield how much of the runs was pauses: the gross energy holds them, the net does not."""
    pause_s = math.fsum(run.pause_s for run in done.model.runs if not run.open_loop)
    length_s = _length_s(done)
    if pause_s > 0:
        yield Finding(
            code="dithered",
            severity=Severity.INFO,
            message=f"pauses of random length between passes took {pause_s / length_s:.1%} of the "
            "runs: the gross energy of an inference holds them, the net energy does not",
            hint="set net energies against each other, or leave the pauses out where nothing "
            "points to aliasing",
            evidence={"pause_s": pause_s, "share": pause_s / length_s},
        )


def _aliasing(done: Estimate) -> Iterable[Finding]:
    """Yield what speaks for aliasing: of each code the gravest of all runs."""
    model, power = done.model, done.energies.power
    energy = done.quantities["energy_per_inference"]
    if not (math.isfinite(energy.expanded) and energy.value):
        return ()
    stakes = Stakes(_swing(done), energy.expanded / abs(energy.value))
    gravest: dict[str, Finding] = {}
    for run in model.runs:
        inside = power.inside(run.start_ns + model.trim_ns, run.stop_ns - model.trim_ns)
        setup = _as_it_sampled(model.capture.trace.setup, power.stop_ns[inside])
        period_s = np.diff(run.done_ns) / NS_PER_S
        for finding in aliasing(setup, period_s, power.power_w[inside], stakes):
            told = gravest.get(finding.code)
            if told is None or (told.severity, finding.severity) == _GRAVER:
                gravest[finding.code] = finding
    return gravest.values()


def _as_it_sampled(setup: MeterSetup, stop_ns: Int64Array) -> MeterSetup:
    """Get a meter's set-up with the interval that its samples really had."""
    if len(stop_ns) < 2:
        return setup
    return replace(setup, interval_s=float(np.median(np.diff(stop_ns))) / NS_PER_S)


_GRAVER = (Severity.INFO, Severity.WARNING)
