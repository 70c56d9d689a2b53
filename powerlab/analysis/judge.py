"""What a measurement says of its own quality: findings from the evaluated capture."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from powerlab.analysis.aliasing import aliasing
from powerlab.analysis.estimate import Estimate, first_stage_plan
from powerlab.analysis.precision import MOST_RUNS, Unreachable
from powerlab.findings import Finding, Severity
from powerlab.records import Boundary, Capture, Price, SampleFlag

GAP_LIMIT = 1e-3
"""Share of energy that gaps may hide before a result is not valid (method section 2.2)."""

FEWEST_SAMPLES = 5
"""Samples wholly inside a run below which its level is not established."""

DRIFT_LIMIT = 0.02
"""Relative change of power over the runs above which it was not steady."""

PRECISION_SLACK = 1.1
"""U may come out this much wider than the first runs foretold before it is a finding."""


def judge(capture: Capture, done: Estimate, price: Price | None) -> tuple[Finding, ...]:
    """List the findings on a capture and its estimate, in the order a reader needs them."""
    return (
        *_evidence(capture),
        *_samples(capture, done),
        *_windows(done),
        *_wiring(capture, done),
        *_accuracy(capture),
        *_steadiness(done),
        *_aliasing(capture, done),
        *_precision(capture, done),
        *_price(price),
    )


def _evidence(capture: Capture) -> Iterable[Finding]:
    if capture.target.emulated or capture.trace.identity.emulated:
        yield Finding(
            code="emulated",
            severity=Severity.INFO,
            message="emulated, not measured: speed is this computer's, power is a model",
            hint="attach a meter and a board and run the same command without --emulate",
        )


def _samples(capture: Capture, done: Estimate) -> Iterable[Finding]:
    flags = capture.trace.flags
    over = int(np.count_nonzero(flags & (SampleFlag.OVERRANGE | SampleFlag.SATURATED)))
    if over:
        yield Finding(
            code="over-range",
            severity=Severity.BLOCKING,
            message=f"{over} of {len(flags)} samples were beyond the meter's range",
            hint="correct the power under load in the device profile, which chooses the range, "
            "or take a meter with a larger one",
            evidence={"samples": over},
        )
    lost = int(np.count_nonzero(flags & (SampleFlag.LOST | SampleFlag.NOT_AVAILABLE)))
    gap_s = math.fsum(run.gap_s for run in done.energies.runs)
    if not lost and gap_s <= 0:
        return
    gross = done.quantities["energy_per_inference"].value
    share = done.energies.gap_limit_j / gross if gross else math.inf
    yield Finding(
        code="gap",
        severity=Severity.BLOCKING if share > GAP_LIMIT else Severity.WARNING,
        message=f"no sample covers {gap_s:.3f} s of the runs ({lost} lost); "
        f"that may hide {share:.2%} of the energy",
        hint="look for a busy host, a loose link or another program on the meter",
        evidence={"gap_s": gap_s, "lost": lost},
    )


def _windows(done: Estimate) -> Iterable[Finding]:
    fewest = min((run.samples for run in done.energies.runs), default=0)
    if fewest < FEWEST_SAMPLES:
        interval_s = done.model.capture.trace.setup.interval_s
        yield Finding(
            code="meter-too-slow",
            severity=Severity.BLOCKING,
            message=f"a run holds only {fewest} whole samples of this meter",
            hint=f"use a protocol with runs of {(FEWEST_SAMPLES + 3) * interval_s:.1f} s at least, "
            "or a faster meter",
            evidence={"samples": fewest},
        )
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


def _wiring(capture: Capture, done: Estimate) -> Iterable[Finding]:
    wiring = capture.wiring
    if "voltage" not in capture.trace.setup.channels and wiring.supply_voltage_origin == "nominal":
        yield Finding(
            code="supply-voltage-nominal",
            severity=Severity.WARNING,
            message=f"no meter reads volts: the adapter's label, {wiring.supply_voltage_v:g} V "
            f"± {wiring.u_supply_voltage_v:g} V, was used",
            hint="read the volts once at the board under load and write them into the bench "
            "([bench.NAME.supply]), or give --supply 12.05V±0.01V",
        )
    if wiring.boundary is Boundary.WALL:
        yield Finding(
            code="boundary-wall",
            severity=Severity.BLOCKING,
            message="the bench states the mains as boundary, this meter reads the DC side",
            hint="state boundary = dc or board, or use a mains analyser",
        )
    top = next(iter(done.quantities["energy_per_inference"].budget), None)
    if top is not None and top.name == "burden voltage":
        yield Finding(
            code="burden-dominates",
            severity=Severity.INFO,
            message=f"the meter's burden voltage is {top.share:.0%} of the variance",
            hint="read the volts at the board with the ammeter in the circuit, use a range of "
            "lower burden, or calibrate the set-up",
            evidence={"share": top.share},
        )


def _accuracy(capture: Capture) -> Iterable[Finding]:
    estimated = [limit.quantity for limit in capture.trace.setup.accuracy if limit.estimated]
    if estimated:
        yield Finding(
            code="accuracy-estimated",
            severity=Severity.INFO,
            message=f"the meter's accuracy for {' and '.join(estimated)} is a widened estimate: "
            "no source gives one",
            hint="calibrate the set-up, or put the data sheet's figures into the profile",
        )


def _steadiness(done: Estimate) -> Iterable[Finding]:
    active = done.energies.active_w
    if len(active) < 3 or not np.isfinite(active).all():
        return
    slope = float(np.polyfit(np.arange(len(active)), active, 1)[0]) * (len(active) - 1)
    relative = slope / float(active.mean())
    if abs(relative) > DRIFT_LIMIT:
        yield Finding(
            code="not-steady",
            severity=Severity.WARNING,
            message=f"power moved by {relative:+.1%} over the runs",
            hint="warm up longer, or look for throttling and fans",
            evidence={"relative_change": relative},
        )


def _aliasing(capture: Capture, done: Estimate) -> Iterable[Finding]:
    """Yield what speaks for aliasing in any of the runs, each code once."""
    setup, model, power = capture.trace.setup, done.model, done.energies.power
    told = set()
    for run in model.runs:
        inside = power.inside(run.start_ns + model.trim_ns, run.stop_ns - model.trim_ns)
        found = aliasing(
            setup.averaging,
            setup.interval_s,
            setup.aperture_s,
            run.latency_s,
            power.power_w[inside],
        )
        for finding in found:
            if finding.code not in told:
                told.add(finding.code)
                yield finding


def _precision(capture: Capture, done: Estimate) -> Iterable[Finding]:
    if not capture.precision:
        return
    reached = done.quantities["energy_per_inference"]
    plan = first_stage_plan(done, capture.first_stage, capture.precision)
    if isinstance(plan, Unreachable):
        yield Finding(
            code="precision-unreachable",
            severity=Severity.WARNING,
            message=f"not even {MOST_RUNS} runs reach {capture.precision:.2%}: {plan.term} leaves "
            f"{plan.best_relative_u:.2%}",
            hint=plan.remedy,
            evidence={"wanted": capture.precision, "best": plan.best_relative_u},
        )
    elif reached.expanded > capture.precision * reached.value * PRECISION_SLACK:
        yield Finding(
            code="precision-missed",
            severity=Severity.WARNING,
            message=f"{capture.precision:.2%} was asked for, U came out at "
            f"{reached.expanded / reached.value:.2%}",
            hint="something changed after the first runs: look at the runs, then measure again",
            evidence={"wanted": capture.precision},
        )


def _price(price: Price | None) -> Iterable[Finding]:
    if price is None:
        yield Finding(
            code="price-missing",
            severity=Severity.INFO,
            message="the device profile states no price: no performance per cost",
            hint="add a [[price]] with amount, currency, date and source to the profile",
        )
