"""The tables of the comparison: performance, costs, ranking, pairs, years, requirements."""

from __future__ import annotations

import math
from collections.abc import Iterable

from powerlab.records.decision import Outcome, Spread
from powerlab.records.procurement import Option
from powerlab.report.elements import Table
from powerlab.report.numbers import fixed, given, magnitude_of, percent, significant, tidy
from powerlab.report.procurement.figures import money, twice
from powerlab.report.procurement.subject import ABSENT, Subject
from powerlab.report.procurement.words import against

LATENCIES = ("latency_p99", "latency_p90", "latency_p50", "latency_mean")
"""The latency that the comparison shows: the first of these that any option has."""


def made(
    subject: Subject,
    group: str,
    columns: Iterable[str],
    rows: Iterable[tuple[str, ...]],
    lefts: Iterable[str] = ("option",),
    **values: object,
) -> Table:
    """Get a table whose heads are sentences ``GROUP.column_NAME``; ``lefts`` start at the left."""
    names, left = tuple(columns), set(lefts)
    return Table(
        tuple(subject.texts.say(f"{group}.column_{name}", **values) for name in names),
        tuple("left" if name in left else "right" for name in names),
        tuple(rows),
    )


def glance_table(subject: Subject) -> Table:
    """Get the first page's line on each option: fleet, cost, chance, standing."""
    rows = []
    for option in subject.plan.options:
        cost, standing = subject.cost(option), subject.standing(option)
        fleet = f"{cost.units}" + (f" + {cost.spares}" if cost.spares else "")
        rows.append(
            (
                option.name,
                fleet,
                money(cost.capital),
                _bare(subject, option, "total_cost"),
                subject.chance(standing.cheapest),
                _met(subject, option),
                subject.kind(option.evidence),
                standing_text(subject, option),
            )
        )
    columns = (
        *("option", "units", "capital", "total", "cheapest"),
        *("requirements", "evidence", "standing"),
    )
    return made(
        subject,
        "procurement_glance",
        columns,
        rows,
        ("option", "evidence", "standing"),
        currency=subject.currency,
        horizon=subject.horizon(),
    )


def standing_text(subject: Subject, option: Option) -> str:
    """Get in words how an option stands."""
    texts, decision = subject.texts, subject.decision
    barred = against(subject, option)
    if barred:
        return barred
    if decision.outcome is Outcome.NOT_COMPARABLE:
        return texts.say("procurement_standing.not_comparable")
    if decision.recommended == option.id and len(decision.tied) < 2:
        return texts.say("procurement_standing.recommended")
    if subject.standing(option).tied:
        return texts.say("procurement_standing.tied")
    return texts.say("procurement_standing.dearer")


def _bare(subject: Subject, option: Option, name: str) -> str:
    """Get a spread of money without its currency, which the column's head has."""
    spread = subject.standing(option).spreads[name]
    return subject.money_spread(spread).removesuffix(f"\u00a0{subject.currency}")


def _met(subject: Subject, option: Option) -> str:
    own = [each for each in subject.decision.conformities if each.option == option.id]
    if not own:
        return ABSENT
    met = sum(each.conforms.name == "MEETS" for each in own)
    return subject.texts.say("procurement_glance.met", n=met, total=len(own))


def performance_table(subject: Subject) -> Table:
    """Get what one unit of each option does, every column in one unit."""
    options, delay = subject.plan.options, common_latency(subject)
    columns = {
        "throughput": subject.column("throughput", _spreads(subject, "throughput")),
        "energy": subject.column("energy_per_inference", _spreads(subject, "energy_per_inference")),
        "active": subject.column("power_active", _spreads(subject, "power_active")),
        "idle": subject.column("power_idle", [twice(each.power_idle_w) for each in options]),
        "per_watt": subject.column(
            "performance_per_watt", _spreads(subject, "performance_per_watt")
        ),
    }
    if delay:
        columns["latency"] = subject.column(delay, _spreads(subject, delay))
        columns["edp"] = subject.column("energy_delay", _delays(subject))
    if any("accuracy" in option.figures for option in options):
        columns["accuracy"] = subject.column("accuracy", _spreads(subject, "accuracy"))
    heads = {
        name: subject.texts.say(
            f"procurement_performance.column_{name}",
            unit=unit,
            latency=subject.quantity(delay) if delay else "",
        )
        for name, (unit, _) in columns.items()
    }
    return Table(
        (subject.texts.say("procurement_performance.column_option"), *heads.values()),
        ("left", *["right"] * len(heads)),
        tuple(
            (option.name, *(cells[place] for _, cells in columns.values()))
            for place, option in enumerate(options)
        ),
    )


def _spreads(subject: Subject, name: str) -> list[Spread | None]:
    return [subject.standing(option).spreads.get(name) for option in subject.plan.options]


def _delays(subject: Subject) -> list[Spread | None]:
    """Get the energy-delay products, which are stated without uncertainty."""
    products = [subject.cost(option).energy_delay_js for option in subject.plan.options]
    rounded = [None if each is None else float(f"{each:.3g}") for each in products]
    return [None if each is None else Spread(each, 0.0, each, each) for each in rounded]


def common_latency(subject: Subject) -> str:
    """Get the name of the latency that most options have, "" where none has one."""
    counts = {
        name: sum(name in option.figures for option in subject.plan.options) for name in LATENCIES
    }
    best = max(LATENCIES, key=lambda name: counts[name])
    return best if counts[best] else ""


def costs_table(subject: Subject) -> Table:
    """Get what each option takes, gives and costs by every measure."""
    carbon = subject.plan.carbon_intensity is not None
    columns = ["option", "unit_price", "capital", "per_year", "straight", "million", "per_money"]
    columns += ["per_price", "per_total", "kwh", "mains", "use"]
    columns += ["carbon"] if carbon else []

    def row(option: Option) -> tuple[str, ...]:
        cost = subject.cost(option)
        cells = {
            "option": option.name,
            "unit_price": money(cost.unit_price),
            "capital": money(cost.capital),
            "per_year": money(cost.capital_per_year),
            "straight": money(cost.straight_line_per_year),
            "million": significant(float(cost.cost_per_million), 3),
            "per_money": big(subject, float(cost.inferences_per_money)),
            "per_price": significant(cost.performance_per_price, 3),
            "per_total": big(subject, cost.performance_per_total_cost),
            "kwh": significant(float(cost.energy_kwh_per_year), 3),
            "mains": given(float(f"{cost.energy_per_inference_j:.3g}"), "J"),
            "use": percent(cost.utilisation),
            "carbon": _carbon(subject, option),
        }
        return tuple(cells[name] for name in columns)

    return made(
        subject,
        "procurement_costs",
        columns,
        map(row, subject.plan.options),
        currency=subject.currency,
    )


def _carbon(subject: Subject, option: Option) -> str:
    cost = subject.cost(option)
    if cost.carbon_operational_g is None:
        return ABSENT
    total = cost.carbon_operational_g + (cost.carbon_embodied_g or 0.0)
    text = given(float(f"{total:.3g}"), "g")
    return text if cost.carbon_embodied_g is not None else f"{text}*"


def big(subject: Subject, value: float) -> str:
    """Get a large number with its language's word for the magnitude."""
    if not math.isfinite(value):
        return "∞"
    magnitude = magnitude_of(value, subject.texts.magnitudes)
    return f"{significant(value / magnitude.factor, 3)}\u00a0{magnitude.word}".rstrip()


def ranking_table(subject: Subject) -> Table:
    """Get how the options stand among each other, and the units that the load may take."""
    rows = []
    for option in subject.plan.options:
        standing = subject.standing(option)
        ranked = math.isfinite(standing.cheapest)
        chances = subject.listed(f"{n}: {subject.chance(p)}" for n, p in standing.chances[:3])
        rows.append(
            (
                option.name,
                subject.chance(standing.cheapest),
                subject.money(standing.regret) if ranked else ABSENT,
                fixed(standing.mean_rank, 1) if ranked else ABSENT,
                subject.chance(standing.front),
                chances,
                tidy(str(standing.units_enough)),
                standing_text(subject, option),
            )
        )
    columns = ("option", "cheapest", "regret", "rank", "front", "chances", "enough", "standing")
    return made(subject, "procurement_ranking", columns, rows, ("option", "chances", "standing"))


def years_table(subject: Subject) -> Table:
    """Get the outflow of every year of every option, and its sums."""
    years = range(subject.plan.horizon_years + 1)
    rows = []
    for option in subject.plan.options:
        cost = subject.cost(option)
        rows.append(
            (
                option.name,
                *(money(cost.years[year].total) for year in years),
                money(cost.total_cost),
                money(cost.present_value),
            )
        )
    heads = (
        subject.texts.say("procurement_years.column_option"),
        *(subject.texts.say("procurement_years.column_year", year=year) for year in years),
        subject.texts.say("procurement_years.column_total"),
        subject.texts.say("procurement_years.column_value"),
    )
    return Table(heads, ("left", *["right"] * (len(heads) - 1)), tuple(rows))
