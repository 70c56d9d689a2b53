"""What stands against a plan's options: against comparing them, and against one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from powerlab.findings import Finding, Severity
from powerlab.records import Boundary, Evidence
from powerlab.records.decision import Bar, Conformity, Conforms, OptionCost
from powerlab.records.procurement import Option, Plan, Uncertain

WIDE = 0.3
"""Relative standard uncertainty from which draws would fall below 0 and are cut off."""


def comparability(plan: Plan) -> tuple[Finding, ...]:
    """Find what keeps options from being compared: work, boundary, and, shown only, accuracy."""
    return (*_workloads(plan), *_boundaries(plan.options), *_accuracies(plan.options))


def _workloads(plan: Plan) -> Iterable[Finding]:
    different = {option.workload for option in plan.options}
    if len(different) > 1 and not any(different <= group for group in plan.equivalent):
        yield Finding(
            "workloads-differ",
            Severity.BLOCKING,
            f"the options ran different workloads: {', '.join(sorted(different))}",
            "measure all on one workload, or declare in the plan that these do the same job",
            {option.id: option.workload for option in plan.options},
        )


def _boundaries(options: Sequence[Option]) -> Iterable[Finding]:
    if len({option.boundary for option in options}) > 1:
        yield Finding(
            "boundaries-differ",
            Severity.BLOCKING,
            "the options' energies are counted at different boundaries",
            "measure all at one boundary, the wall if it can be",
            {option.id: str(option.boundary) for option in options},
        )


def _accuracies(options: Sequence[Option]) -> Iterable[Finding]:
    known = {
        option.id: option.figures["accuracy"].value
        for option in options
        if "accuracy" in option.figures
    }
    if known and len(known) < len(options):
        missing = [option.id for option in options if option.id not in known]
        yield Finding(
            "accuracy-missing",
            Severity.WARNING,
            f"no accuracy is stated for {', '.join(missing)}",
            "state the accuracy of every option on the same data",
            known,
        )
    if len(set(known.values())) > 1:
        yield Finding(
            "accuracy-differs",
            Severity.WARNING,
            f"the options' accuracies range from {min(known.values()):.4g}"
            f" to {max(known.values()):.4g}",
            "set a limit of accuracy among the requirements if the difference matters",
            known,
        )


def capacity(plan: Plan, costs: Mapping[str, OptionCost]) -> tuple[Finding, ...]:
    """Find the options that cannot carry the load; blocking where none can."""
    short = {each.id: _most(plan, each) for each in plan.options if _too_small(plan, each, costs)}
    if not short:
        return ()
    evidence = {name: costs[name].units + costs[name].spares for name in short}
    everyone = len(short) == len(plan.options)
    who = "no option" if everyone else ", ".join(short)
    return (
        Finding(
            "load-not-carried",
            Severity.BLOCKING if everyone else Severity.WARNING,
            f"{who} can carry the load"
            if everyone
            else f"not enough units of {who} can be had or placed to carry the load",
            "lower the load or the headroom, or raise the number of units that can be had",
            evidence,
        ),
    )


def _most(plan: Plan, option: Option) -> int | None:
    limits = [each for each in (option.offer.most_units, plan.fleet.most_units) if each is not None]
    return min(limits, default=None)


def _too_small(plan: Plan, option: Option, costs: Mapping[str, OptionCost]) -> bool:
    most, cost = _most(plan, option), costs[option.id]
    return most is not None and cost.units + cost.spares > most


def remarks(plan: Plan) -> tuple[Finding, ...]:
    """Find what a reader must know of each option's figures."""
    return tuple(finding for option in plan.options for finding in _remarks(plan, option))


def _remarks(plan: Plan, option: Option) -> Iterable[Finding]:
    name = option.id

    def warning(code: str, message: str, hint: str) -> Finding:
        return Finding(code, Severity.WARNING, f"{name}: {message}", hint, {"option": name})

    if not option.valid:
        codes = ", ".join(option.findings) or "a blocking finding"
        yield warning(
            "measurement-not-valid",
            f"its measurement is not valid ({codes})",
            "measure it again; until then it cannot be recommended",
        )
    if option.evidence is Evidence.EMULATED:
        yield warning(
            "emulated",
            "its figures come from emulation, which says nothing of the device",
            "measure the device; until then it cannot be recommended",
        )
    if any(
        each.evidence is Evidence.DECLARED and not _uncertain(each) for each in option.performance
    ):
        yield warning(
            "declared-exact",
            "a declared figure has no uncertainty, so what is said of it is too sure",
            "state how far the declared figure may be from the truth",
        )
    if any(each.u > WIDE * each.value for each in (*option.performance, option.life_years)):
        yield warning(
            "uncertainty-wide",
            "a figure's standard uncertainty is above 30 % of it; its draws are cut off near 0",
            "measure it, or find a source that knows it better",
        )
    if option.units_measured == 1:
        yield Finding(
            "one-unit",
            Severity.INFO,
            f"{name}: one unit was measured; the spread between units is not known",
            "measure more units if many are to be bought",
            {"option": name},
        )
    if option.boundary is Boundary.WALL and option.supply_efficiency.value < 1:
        yield warning(
            "supply-counted-twice",
            "its energy at the wall holds the supply's losses already",
            "set the supply's efficiency to 1",
        )
    active = option.energy_per_inference_j.value * option.throughput_per_s.value
    if option.power_idle_w.value > active * (1 + 1e-9):
        yield warning(
            "idle-above-active",
            f"its idle power of {option.power_idle_w.value:.4g} W is above the active"
            f" {active:.4g} W",
            "check that both were taken at the same boundary and setting",
        )
    if option.offer.end_of_life and option.offer.end_of_life < plan.date:
        yield warning(
            "end-of-life",
            f"it is no longer made since {option.offer.end_of_life}",
            "ask the supplier what is left and what follows it",
        )


def _uncertain(figure: Uncertain) -> bool:
    return figure.u > 0 or bool(figure.budget)


def bars(
    option: Option, plan: Plan, costs: Mapping[str, OptionCost], held: Iterable[Conformity]
) -> tuple[Bar, ...]:
    """Get why an option cannot be recommended, nothing where it can."""
    own = {each.conforms for each in held if each.option == option.id}
    against = (
        (Bar.NOT_VALID, not option.valid),
        (Bar.EMULATED, option.evidence is Evidence.EMULATED),
        (Bar.NO_CAPACITY, _too_small(plan, option, costs)),
        (Bar.REQUIREMENT, Conforms.FAILS in own),
        (Bar.REQUIREMENT_OPEN, Conforms.UNDECIDED in own),
    )
    return tuple(bar for bar, stands in against if stands)
