"""What a measurement says of its own quality: findings from the evaluated capture."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from powerlab.analysis.aliasing import aliasing
from powerlab.analysis.estimate import Estimate, first_stage_plan
from powerlab.analysis.precision import MOST_RUNS, RUN_TO_RUN, Unreachable
from powerlab.findings import Finding, Severity
from powerlab.records import Boundary, Capture, Price, SampleFlag, VoltageSense

GAP_LIMIT = 1e-3
"""Share of energy that gaps may hide before a result is not valid (method section 2.2)."""

FEWEST_SAMPLES = 5
"""Samples wholly inside a run below which its level is not established."""

DRIFT_LIMIT = 0.02
"""Relative change of power over the runs above which it was not steady."""

LEAST_IDLES = 2
STEADY_U = 0.05
"""Relative U above which scattering runs are a finding of their own."""

PRECISION_SLACK = 1.1
"""U may come out this much wider than the first runs foretold before it is a finding."""


def judge(capture: Capture, done: Estimate, price: Price | None) -> tuple[Finding, ...]:
    """List the findings on a capture and its estimate, in the order a reader needs them."""
    return (
        *_evidence(capture),
        *_sense(done),
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


def _sense(done: Estimate) -> Iterable[Finding]:
    """Yield what makes a result no result: nothing finite, no idle, no load to be seen."""
    headline = done.quantities["energy_per_inference"]
    if not (math.isfinite(headline.value) and math.isfinite(headline.u)):
        yield Finding(
            code="not-finite",
            severity=Severity.BLOCKING,
            message="the energy of an inference could not be had from these samples",
            hint="look at the samples of the runs and of the idle phases in the run folder",
        )
        return
    active, idle = done.quantities["power_active"], done.quantities["power_idle"]
    if not (active.value > 0 and active.value - idle.value > active.u + idle.u):
        yield Finding(
            code="no-load-seen",
            severity=Severity.BLOCKING,
            message=f"the meter shows {active.value:.4g} W under load and {idle.value:.4g} W idle",
            hint="check that the meter is in this board's supply line, and its polarity",
            evidence={"active_w": active.value, "idle_w": idle.value},
        )
    if len(done.model.idles) < LEAST_IDLES:
        yield Finding(
            code="idle-single",
            severity=Severity.WARNING,
            message="idle was recorded on one side of the runs only: its drift is not known",
            hint="let the measurement run to its end",
        )
    if headline.low is not None and headline.low <= 0:
        yield Finding(
            code="interval-reaches-zero",
            severity=Severity.BLOCKING,
            message=f"the interval of energy per inference reaches zero, with "
            f"{len(done.energies.runs)} runs",
            hint="make more runs, and keep other programs off the board and this computer",
        )
    elif headline.budget[0].name == RUN_TO_RUN and headline.expanded > STEADY_U * headline.value:
        yield Finding(
            code="run-to-run-dominates",
            severity=Severity.WARNING,
            message=f"the runs scatter so much that U is {headline.expanded / headline.value:.0%}",
            hint="something else works on the board (or, emulated, on this computer), or its "
            "clock rate changes: stop it, fix the rate, and measure again",
            evidence={"share": headline.budget[0].share},
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
            f"(u = {wiring.u_supply_voltage_v:.2g} V), was used",
            hint="read the volts once at the board under load and write them into the bench "
            "([bench.NAME.supply])",
        )
    if wiring.boundary is Boundary.WALL:
        yield Finding(
            code="boundary-wall",
            severity=Severity.BLOCKING,
            message="the bench states the mains as boundary, this meter reads the DC side",
            hint="state boundary = dc or board, or use a mains analyser",
        )
    behind_leads = wiring.boundary is Boundary.BOARD and not (
        "voltage" in capture.trace.setup.channels and wiring.voltage_sense is VoltageSense.BOARD
    )
    if behind_leads and wiring.cable_ohm == 0 and wiring.u_cable_ohm == 0:
        yield Finding(
            code="cable-unknown",
            severity=Severity.WARNING,
            message="the resistance of the leads to the board is not stated, and was taken as none",
            hint="state cable_ohm and u_cable_ohm of the meter in the bench (1 m of 24 AWG is "
            "about 0.17 ohm), or sense the volts at the board",
        )
    top = next(iter(done.quantities["energy_per_inference"].budget), None)
    if top is not None and top.name == "burden voltage":
        yield Finding(
            code="burden-dominates",
            severity=Severity.INFO,
            message=f"the meter's burden voltage is {top.share:.0%} of the variance",
            hint="let a second meter read the volts at the board while the ammeter is in the "
            "circuit (supply.read_with_meter = true), or use a range of lower burden",
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
    if len(active) < 3 or not (np.isfinite(active).all() and active.mean() > 0):
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
