"""What a measurement says of its own quality: findings from the evaluated capture."""

from __future__ import annotations

import math
from collections.abc import Iterable

from powerlab.analysis.estimate import Estimate, first_stage_plan
from powerlab.analysis.judge_calibration import calibration_findings
from powerlab.analysis.judge_counters import counter_findings
from powerlab.analysis.judge_samples import sample_findings, too_few_samples
from powerlab.analysis.judge_setup import setup_findings
from powerlab.analysis.latencies import latency_findings
from powerlab.analysis.plausibility import energy_findings, throughput_findings
from powerlab.analysis.precision import MOST_RUNS, RUN_TO_RUN, Unreachable
from powerlab.analysis.watch import watch
from powerlab.findings import Finding, Severity
from powerlab.records import Boundary, Capture, Figure, Price, VoltageSense

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
        *sample_findings(capture, done),
        *_wiring(capture, done),
        *_accuracy(capture),
        *setup_findings(capture.trace.setup),
        *counter_findings(capture),
        *calibration_findings(capture, done),
        *watch(capture, done.model.aligned, done.model, done.energies),
        *_plausibility(capture, done),
        *_latency(done),
        *_precision(capture, done),
        *_price(price),
    )


def _evidence(capture: Capture) -> Iterable[Finding]:
    beside = capture.trace.setup.joined
    meters = [capture.trace.identity, *([] if beside is None else [beside.identity])]
    if capture.target.emulated or any(meter.emulated for meter in meters):
        yield Finding(
            code="emulated",
            severity=Severity.INFO,
            message="emulated, not measured: speed is this computer's, power is a model",
            hint="attach a meter and a board and run the same command without --emulate",
        )


def _sense(done: Estimate) -> Iterable[Finding]:
    """Yield what makes a result no result: nothing finite, no idle, no load to be seen."""
    headline = done.quantities["energy_per_inference"]
    net = done.quantities["energy_per_inference_net"]
    if not all(math.isfinite(figure) for figure in (headline.value, headline.u, net.value)):
        if too_few_samples(done):
            return
        yield Finding(
            code="not-finite",
            severity=Severity.BLOCKING,
            message="the energy of an inference could not be had from these samples",
            hint="look at the samples of the runs and of the idle phases in the run folder",
        )
        return
    active, idle = done.quantities["power_active"], done.quantities["power_idle"]
    seen = active.value > 0 and active.value - idle.value > active.u + idle.u
    if not seen and not too_few_samples(done):
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


def _wiring(capture: Capture, done: Estimate) -> Iterable[Finding]:
    wiring, channels = capture.wiring, set(capture.trace.setup.channels)
    at_board = wiring.boundary is Boundary.BOARD and wiring.voltage_sense is VoltageSense.BOARD
    told = "voltage" in channels or ("power" in channels and at_board)
    if not told and wiring.supply_voltage_origin == "nominal":
        yield Finding(
            code="supply-voltage-nominal",
            severity=Severity.WARNING,
            message=f"no meter reads volts: the adapter's label, {wiring.supply_voltage_v:g} V "
            f"(u = {wiring.u_supply_voltage_v:.2g} V), was used",
            hint="read the volts once at the board under load and write them into the bench "
            "([bench.NAME.supply])",
        )
    mains = capture.trace.setup.mains
    if wiring.boundary is Boundary.WALL and not mains:
        yield Finding(
            code="boundary-wall",
            severity=Severity.BLOCKING,
            message="the bench states the mains as boundary, this meter reads the DC side",
            hint="state boundary = dc or board, or use a mains analyser",
        )
    if mains and wiring.boundary is not Boundary.WALL:
        yield Finding(
            code="boundary-not-wall",
            severity=Severity.BLOCKING,
            message="the meter reads alternating mains, the bench states a boundary on the DC side",
            hint="state boundary = wall, or wire the meter into the board's DC supply",
        )
    behind_leads = wiring.boundary is Boundary.BOARD and not (
        {"voltage", "power"} & channels and wiring.voltage_sense is VoltageSense.BOARD
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
    accuracy = capture.trace.setup.accuracy
    calibrated = {item.channel for item in capture.calibrations if item.correction}
    # Where the meter forms watts itself, its volts and amperes only serve the leads' loss.
    counted = {"power"} if any(item.quantity == "power" for item in accuracy) else None
    estimated = [
        limit.quantity
        for limit in accuracy
        if limit.estimated
        and limit.quantity not in calibrated
        and (counted is None or limit.quantity in counted)
    ]
    if estimated:
        yield Finding(
            code="accuracy-estimated",
            severity=Severity.INFO,
            message=f"the meter's accuracy for {' and '.join(estimated)} is a widened estimate: "
            "no source gives one",
            hint="calibrate the set-up, or put the data sheet's figures into the profile",
        )


def _plausibility(capture: Capture, done: Estimate) -> Iterable[Finding]:
    """Yield what no device could do: a rate beyond its peaks, an energy below its idle power's."""
    if capture.work is None or capture.roofs is None:
        return
    throughput, energy = (
        Figure(done.quantities[name].value, done.quantities[name].u)
        for name in ("throughput", "energy_per_inference")
    )
    if throughput.value > 0 and math.isfinite(energy.value):
        yield from throughput_findings(throughput, capture.work, capture.roofs)
        yield from energy_findings(energy, throughput, capture.work, capture.roofs)


def _latency(done: Estimate) -> Iterable[Finding]:
    if done.latency is not None:
        yield from latency_findings(done.model.runs, done.latency)


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
