"""What must hold of a plan beyond its keys: everything is there, dates, currencies, names.

Every rule yields (dotted key, message); all of them are asked, whatever the others say.
"""

from __future__ import annotations

from collections.abc import Iterator

from powerlab.catalog.procurement_figures import (
    AT_LEAST_ONE,
    FRACTION,
    NON_NEGATIVE,
    PART,
    POSITIVE,
    Bounds,
    Problems,
    amount_problems,
    figure_problems,
)
from powerlab.catalog.procurement_hours import hourly_problems, hourly_values
from powerlab.catalog.procurement_measured import Runs
from powerlab.catalog.procurement_money_rules import amounts, money_problems, rate_problems
from powerlab.catalog.procurement_option_rules import (
    name_problems,
    named_figures,
    near,
    option_problems,
)
from powerlab.catalog.procurement_tables import Figure, Hourly, Price, Procurement

QUANTITIES = (
    *("throughput", "power_active", "energy_per_inference", "fleet_power", "unit_price"),
    *("capital", "total_cost", "carbon_per_inference"),
)
"""What a requirement may limit besides the figures of the options."""

_PLAN_FIGURES = {
    "discount_rate": FRACTION,
    "pue": AT_LEAST_ONE,
    "carbon_g_per_kwh": NON_NEGATIVE,
}
_OPTION_FIGURES = {
    "energy_per_inference_j": POSITIVE,
    "active_power_w": POSITIVE,
    "idle_power_w": NON_NEGATIVE,
    "throughput_per_s": POSITIVE,
    "latency_p50_s": POSITIVE,
    "latency_p90_s": POSITIVE,
    "latency_p99_s": POSITIVE,
    "accuracy": FRACTION,
    "life_years": POSITIVE,
    "supply_efficiency": PART,
    "residual": FRACTION,
    "failure_rate_per_year": NON_NEGATIVE,
    "labour_h_per_failure": NON_NEGATIVE,
    "labour_h_per_unit_year": NON_NEGATIVE,
    "embodied_kg": NON_NEGATIVE,
}


def rules(plan: Procurement, runs: Runs, today: str) -> Problems:
    """Yield everything that keeps a file from being a plan; ``runs`` are by option."""
    yield from _question(plan, today)
    yield from _hours(plan)
    for stated in _stated_figures(plan):
        yield from figure_problems(*stated)
    for key, money in amounts(plan):
        value = money.unit if isinstance(money, Price) else money.amount
        yield from amount_problems(f"{key}.{money.SHORT}", value)
    yield from money_problems(plan, runs)
    yield from rate_problems(plan)
    for number, (option, run) in enumerate(zip(plan.option, runs, strict=True), 1):
        for key, message in option_problems(plan, option, run):
            yield f"option[{number}].{key}", message
    yield from name_problems(plan, runs)
    yield from _requirements(plan, runs)


def _question(plan: Procurement, today: str) -> Problems:
    needed = {
        "schema": plan.schema_version,
        "date": plan.date,
        "currency": plan.currency,
        "horizon_years": plan.horizon_years,
        "option": plan.option or None,
        "load.per_s": plan.load and plan.load.per_s,
        "tariff.per_kwh": plan.tariff and plan.tariff.per_kwh,
    }
    for key, value in needed.items():
        if value is None:
            yield key, "is missing"
    if plan.date is not None and plan.date > today:
        yield "date", f"{plan.date} is in the future; today is {today}"
    if plan.date and plan.valid_until and plan.valid_until < plan.date:
        yield "valid_until", f"{plan.valid_until} is before the plan's date, {plan.date}"


def _hours(plan: Procurement) -> Problems:
    load, tariff = plan.load, plan.tariff
    both: tuple[tuple[str, Hourly | None], ...] = (
        ("load.per_s", load.per_s if load else None),
        ("tariff.per_kwh", tariff.per_kwh if tariff else None),
    )
    for key, hours in both:
        if hours is None:
            continue
        found = list(hourly_problems(hours))
        for below, message in found:
            yield f"{key}.{below}".strip("."), message
        if found:
            continue
        values = hourly_values(hours)
        if min(values) < 0 or (key == "load.per_s" and not any(values)):
            least = "above 0 in some hour" if min(values) >= 0 else "at least 0"
            yield key, f"must be {least}, not {min(values)}"
        elif key == "load.per_s" and load and load.peak_per_s and load.peak_per_s < max(values):
            yield "load.peak_per_s", f"{load.peak_per_s:g} is below the highest hour, {max(values)}"


def _stated_figures(plan: Procurement) -> Iterator[tuple[str, Figure | None, Bounds]]:
    for name, bounds in _PLAN_FIGURES.items():
        yield name, getattr(plan, name), bounds
    yield "fleet.headroom", plan.fleet.headroom, POSITIVE
    yield "fleet.utilisation", plan.fleet.utilisation, PART
    for number, option in enumerate(plan.option, 1):
        lead = f"option[{number}]"
        for name, bounds in _OPTION_FIGURES.items():
            yield f"{lead}.{name}", getattr(option, name), bounds
        for name, figure in option.figures.items():
            yield f"{lead}.figures.{name}", figure, NON_NEGATIVE
        if option.host is not None:
            yield f"{lead}.host.power_w", option.host.power_w, NON_NEGATIVE
            yield f"{lead}.host.embodied_kg", option.host.embodied_kg, NON_NEGATIVE


def _requirements(plan: Procurement, runs: Runs) -> Problems:
    known = {*QUANTITIES, *_figure_names(plan, runs)}
    for number, limit in enumerate(plan.requirement, 1):
        lead = f"requirement[{number}]"
        if not limit.quantity:
            yield f"{lead}.quantity", "is missing"
        elif limit.quantity not in known:
            told = f"no option has {limit.quantity!r}{near(limit.quantity, known)}"
            yield f"{lead}.quantity", told
        elif limit.quantity == "carbon_per_inference" and plan.carbon_g_per_kwh is None:
            yield "carbon_g_per_kwh", f"is missing, and {lead} limits the carbon"
        if (limit.at_least is None) == (limit.at_most is None):
            yield lead, "needs at_least or at_most, one of them"


def _figure_names(plan: Procurement, runs: Runs) -> Iterator[str]:
    for option, run in zip(plan.option, runs, strict=True):
        yield from option.figures
        yield from run.figures if run else ()
        yield from named_figures(option)
