"""What must hold of a plan's options: each is complete, and they can stand side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from powerlab.catalog.lookup import nearest
from powerlab.catalog.procurement_figures import Problems, amount_problems, uncertain
from powerlab.catalog.procurement_hours import hourly_problems, hourly_values
from powerlab.catalog.procurement_measured import Measured, Runs
from powerlab.catalog.procurement_tables import Figure, Option, Procurement


def option_id(option: Option, run: Measured | None) -> str:
    """Get what an option is called: its id, else its device."""
    return option.id or option.device or (run.device if run else "")


def option_problems(plan: Procurement, option: Option, run: Measured | None) -> Problems:
    """Yield what an option lacks, or says against its run."""
    if option.run and run is None:
        yield "run", f"there is no complete run {option.run!r} here; see `powerlab results list`"
        return
    yield from _performance(option, run)
    if run is None and option.boundary is None and plan.boundary is None:
        yield "boundary", "is missing: where energy is counted, board, dc or wall"
    if run is not None and option.run:
        if option.boundary is not None and option.boundary is not run.boundary:
            yield "boundary", f"is {run.boundary} in the run"
        if option.workload and option.workload != run.workload:
            yield "workload", f"is {run.workload!r} in the run"
    yield from _price(option, run)


def _performance(option: Option, run: Measured | None) -> Problems:
    """Yield figures that neither run nor plan gives, and those that both give."""
    stated = {
        "energy_per_inference_j": option.energy_per_inference_j or option.active_power_w,
        "idle_power_w": option.idle_power_w,
        "throughput_per_s": option.throughput_per_s,
    }
    found = {
        "energy_per_inference_j": run and run.energy_per_inference_j,
        "idle_power_w": run and run.power_idle_w,
        "throughput_per_s": run and run.throughput_per_s,
    }
    for name, figure in stated.items():
        if found[name] and figure and option.run:
            yield name, "is measured by the run; take it out, or name no run"
        if not found[name] and not figure:
            other = ", or active_power_w" if name == "energy_per_inference_j" else ""
            why = "the run has no such figure" if run else "no run gives it"
            yield name, f"is missing{other}: {why}"
    if option.energy_per_inference_j is not None and option.active_power_w is not None:
        yield "active_power_w", "says again what energy_per_inference_j says; keep one of them"


def _price(option: Option, run: Measured | None) -> Problems:
    if option.price is None:
        if run is None or run.price is None:
            yield "price", "is missing"
        return
    starts = [each.from_units or 0 for each in option.price.breaks]
    if all(starts) and starts != sorted(set(starts)):
        yield "price.breaks", "must rise in from_units"
    for place, each in enumerate(option.price.breaks, 1):
        yield from amount_problems(f"price.breaks[{place}].unit", each.unit)
        if each.from_units is None:
            yield f"price.breaks[{place}].from_units", "is missing"


def name_problems(plan: Procurement, runs: Runs) -> Problems:
    """Yield options of the same name, and workloads that are not said or that nothing ran."""
    taken: dict[str, int] = {}
    workloads = [
        (run.workload if run else option.workload or plan.workload)
        for option, run in zip(plan.option, runs, strict=True)
    ]
    for number, (option, run) in enumerate(zip(plan.option, runs, strict=True), 1):
        name = option_id(option, run)
        if not name:
            yield f"option[{number}].id", "is missing"
        elif name in taken:
            yield f"option[{number}].id", f"{name!r} is the name of option[{taken[name]}] already"
        taken.setdefault(name, number)
        if any(workloads) and not workloads[number - 1]:
            told = next(filter(None, workloads))
            yield f"option[{number}].workload", f"is missing, where another option ran {told!r}"
    for place, group in enumerate(plan.equivalent_workloads, 1):
        for name in group:
            if name not in workloads:
                told = f"no option ran {name!r}{near(name, workloads)}"
                yield f"equivalent_workloads[{place}]", told


def near(word: str, known: Iterable[str]) -> str:
    """Get the words that suggest the nearest known name, "" where none is near."""
    found = nearest(word, [each for each in known if each])
    return f"; did you mean {found[0]!r}?" if found else ""


def named_figures(option: Option) -> Mapping[str, Figure]:
    """Get the figures with a key of their own, by the names of results."""
    names = {f"latency_p{part}": f"latency_p{part}_s" for part in (50, 90, 99)}
    names["accuracy"] = "accuracy"
    stated = {name: getattr(option, key) for name, key in names.items()}
    return {name: figure for name, figure in stated.items() if figure is not None}


def comparison_problems(plan: Procurement, runs: Runs) -> Problems:
    """Yield what would leave a plan without an answer: other boundaries, no option enough."""
    boundaries = [
        run.boundary if run else option.boundary or plan.boundary
        for option, run in zip(plan.option, runs, strict=True)
    ]
    first = next(filter(None, boundaries), None)
    for number, boundary in enumerate(boundaries, 1):
        if boundary is not None and boundary is not first:
            where = f"option[{boundaries.index(first) + 1}] has {first}"
            yield f"option[{number}].boundary", f"is {boundary}, where {where}: not comparable"
    peak = _peak_load(plan)
    fits = [_fits(plan, option, run, peak) for option, run in zip(plan.option, runs, strict=True)]
    if fits and not any(fits):
        yield "load.per_s", f"no option can carry {peak:g}/s with the units that can be had"


def _peak_load(plan: Procurement) -> float:
    hours = plan.load.per_s if plan.load else None
    if plan.load is None or hours is None or any(hourly_problems(hours)):
        return 0.0
    return plan.load.peak_per_s or float(max(hourly_values(hours)))


def _fits(plan: Procurement, option: Option, run: Measured | None, peak: float) -> bool:
    """Tell whether an option carries the load, by its best estimates; so if nothing limits it."""
    had = (option.price.most_units if option.price else None, plan.fleet.most_units)
    most = min((each for each in had if each is not None), default=math.inf)
    stated = run.throughput_per_s if run else None
    if stated is None and option.throughput_per_s is not None:
        stated = uncertain(option.throughput_per_s)
    rate = stated.value * uncertain(plan.fleet.utilisation).value if stated else 0.0
    return rate <= 0 or peak * uncertain(plan.fleet.headroom).value <= most * rate * (1 + 1e-9)
