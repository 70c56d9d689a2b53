"""From energies to quantities: one budget per quantity, every line traced to its input.

Sensitivities are taken by evaluating the whole measurement model at each input plus and
minus its standard uncertainty (GUM 5.1.3, note 2), so a meter's gain that is common to
active and idle power reaches the net energy with its true weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.energies import (
    Energies,
    Model,
    build_model,
    evaluate,
    nominal_inputs,
    sample_noise,
)
from powerlab.analysis.inputs import (
    HOST_CLOCK_LIMIT_PPM,
    Perturbation,
    host_clock,
    perturbations,
)
from powerlab.analysis.latencies import latency
from powerlab.analysis.percentiles import quantile
from powerlab.analysis.precision import (
    RUN_TO_RUN,
    RunPlan,
    Unreachable,
    plan_runs,
    run_to_run,
)
from powerlab.analysis.uncertainty import component, quantity, reciprocal, rectangular
from powerlab.records import (
    Aligned,
    Capture,
    Component,
    Distribution,
    FloatArray,
    Latency,
    Quantity,
    Window,
)
from powerlab.units import NS_PER_S

LATENCIES = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p99": 0.99}


@dataclass(frozen=True, slots=True)
class Estimate:
    """All quantities of a measurement, and the evaluation they rest on."""

    quantities: dict[str, Quantity]
    energies: Energies
    model: Model
    latency: Latency | None


def estimate(capture: Capture, aligned: Aligned) -> Estimate:
    """Evaluate a capture and give every quantity its budget.

    ``energy_per_inference`` is the mean of this set-up and carries the run-to-run term;
    ``energy_of_these_runs`` is what these runs took and carries the meter's noise instead.
    """
    model = build_model(capture, aligned)
    inputs = nominal_inputs(capture)
    nominal = evaluate(model, inputs)
    lines = _systematic(model, nominal, perturbations(model, inputs, nominal.u_idle_w))
    quantities = {
        item.name: item
        for item in (
            *_energy_quantities(nominal, sample_noise(model, nominal), lines, capture.first_stage),
            *_power_quantities(nominal, lines, capture.first_stage),
            *_time_quantities(model),
        )
    }
    gross = quantities["energy_per_inference"]
    quantities["performance_per_watt"] = reciprocal("performance_per_watt", "1/J", gross)
    timed = capture.target.passes_timed
    return Estimate(quantities, nominal, model, latency(model.runs) if timed else None)


Lines = dict[str, list[Component]]


def _systematic(
    model: Model, nominal: Energies, around: Iterable[Perturbation]
) -> dict[str, list[Component]]:
    """Evaluate the model around each input and collect the lines of every quantity."""
    lines: Lines = {"gross": [], "net": [], "active": [], "idle": []}
    for item in around:
        if not item.u > 0:
            continue
        above, below = (_means(evaluate(model, item.moved(step * item.u))) for step in (1.0, -1.0))
        for key, values in lines.items():
            change = (above[key] - below[key]) / 2
            if change:
                values.append(
                    component(
                        item.name,
                        "B" if item.dof is None else "A",
                        change,
                        item.distribution,
                        dof=item.dof,
                        source=item.source,
                        input_=item.input,
                    )
                )
    lines["gross"] += _program_edges(model, nominal)
    lines["net"] += _program_edges(model, nominal)
    if nominal.gap_limit_j > 0:
        gaps = component(
            "gaps",
            "B",
            rectangular(nominal.gap_limit_j),
            Distribution.RECTANGULAR,
            source="energy that no sample covers, by the swing of the samples around it",
        )
        lines["gross"].append(gaps)
        lines["net"].append(gaps)
    return lines


EDGES_WITHIN = "edges_within_s"
"""The fact that tells how far the window of a maker's program was from its passes at loading."""


def _program_edges(model: Model, nominal: Energies) -> list[Component]:
    """Get what a window that was found by a program's own lines may be off, in energy.

    By the mean over the runs; by what was seen at loading where the runs do not tell.
    """
    told_s = [phase.edges_within_s for phase in model.capture.phases if phase.kind == "run"]
    at_load_s = float(model.capture.target.environment.get(EDGES_WITHIN, 0.0))
    within_s = float(np.mean(told_s)) if any(told_s) else at_load_s
    if within_s <= 0:
        return []
    rise_w = max(0.0, float(nominal.active_w.mean()) - nominal.idle_w)
    inferences = float(np.mean([run.inferences for run in nominal.runs]))
    return [
        component(
            "program's window",
            "B",
            rectangular(rise_w * within_s / inferences),
            Distribution.RECTANGULAR,
            source=f"begin and end by its lines, within {within_s:.3g} s together",
        )
    ]


def _means(energies: Energies) -> dict[str, float]:
    return {
        "gross": float(energies.gross_j.mean()),
        "net": float(energies.net_j.mean()),
        "active": float(energies.active_w.mean()),
        "idle": energies.idle_w,
    }


def _run_to_run(values: FloatArray, first_stage: int) -> Component:
    """Get the type A line of a mean over runs, by all of them or by those of the first stage."""
    count = len(values)
    if 1 < first_stage < count:
        return run_to_run(values[:first_stage], count)
    u = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    return component(
        RUN_TO_RUN,
        "A",
        u,
        Distribution.T,
        dof=max(count - 1, 1),
        source=f"scatter of {count} runs",
    )


def _energy_quantities(
    nominal: Energies, noise_j: FloatArray, lines: Lines, stage: int
) -> Iterable[Quantity]:
    noise_u = math.sqrt(float(np.sum(noise_j**2))) / len(noise_j)
    noise = component(
        "sample noise", "A", noise_u, source="scatter of samples within runs, autocorrelation kept"
    )
    for name, key, values, random in (
        ("energy_per_inference", "gross", nominal.gross_j, [_run_to_run(nominal.gross_j, stage)]),
        ("energy_of_these_runs", "gross", nominal.gross_j, [noise, *_edge_scatter(nominal)]),
        ("energy_per_inference_net", "net", nominal.net_j, [_run_to_run(nominal.net_j, stage)]),
    ):
        yield quantity(name, "J", float(values.mean()), [*lines[key], *random])


def _edge_scatter(nominal: Energies) -> list[Component]:
    """Get what the edges of the runs scatter: wide less interior energy, from run to run.

    A slow meter that is asked at odd phases repeats or skips a reading near an edge, which
    the samples inside a run do not show.
    """
    tails = np.array([run.tail_j / run.inferences for run in nominal.runs])
    if len(tails) < 2 or not np.isfinite(tails).all():
        return []
    u = float(tails.std(ddof=1)) / math.sqrt(len(tails))
    source = f"wide less interior energy of {len(tails)} runs"
    return [component("edge scatter", "A", u, Distribution.T, dof=len(tails) - 1, source=source)]


def _power_quantities(nominal: Energies, lines: Lines, stage: int) -> Iterable[Quantity]:
    active = [*lines["active"], _run_to_run(nominal.active_w, stage)]
    yield quantity("power_active", "W", float(nominal.active_w.mean()), active)
    yield quantity("power_idle", "W", nominal.idle_w, lines["idle"])


def _time_quantities(model: Model) -> Iterable[Quantity]:
    """Yield throughput and, where passes were timed, latency percentiles: means over runs.

    A host's clock that runs fast makes every duration long and every rate low.
    """
    rate = np.array([run.inferences / _counted_s(run) for run in model.runs])
    yield _from_runs(model, "throughput", "1/s", rate, -1)
    if not model.capture.target.passes_timed:
        return
    for name, fraction in LATENCIES.items():
        values = np.array([quantile(run.latency_s, fraction) for run in model.runs])
        yield _from_runs(model, name, "s", values, 1)


def _counted_s(run: Window) -> float:
    """Get the time that the inferences took; of queries that came by themselves, all of it."""
    if run.open_loop:
        return (run.stop_ns - run.start_ns) / NS_PER_S
    return float(run.latency_s.sum())


def _from_runs(model: Model, name: str, unit: str, values: FloatArray, sign: int) -> Quantity:
    mean = float(values.mean())
    clock = component(
        "clock rate",
        "B",
        sign * rectangular(HOST_CLOCK_LIMIT_PPM * 1e-6 * mean),
        Distribution.RECTANGULAR,
        source=f"the host's crystal within {HOST_CLOCK_LIMIT_PPM:g} ppm",
        input_=host_clock(model.capture),
    )
    return quantity(name, unit, mean, [_run_to_run(values, model.capture.first_stage), clock])


def first_stage_plan(done: Estimate, first_stage: int, precision: float) -> RunPlan | Unreachable:
    """Fix the number of runs that a wanted relative U takes, by the first stage's runs."""
    budget = done.quantities["energy_per_inference"].budget
    systematic = [line for line in budget if line.name != RUN_TO_RUN]
    return plan_runs(done.energies.gross_j[:first_stage], systematic, precision)
