"""A decision in the terminal: what to do, how the options stand, what would change it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from powerlab.cli._procuring import Procured, keys_of
from powerlab.cli._style import columns, count_text, folded
from powerlab.records import Evidence
from powerlab.records.decision import Decision, Flip, Outcome, Spread
from powerlab.records.procurement import Plan
from powerlab.units import with_uncertainty

FIGURES = {
    "energy_per_inference": "energy per inference",
    "power_idle": "power at idle",
    "throughput": "throughput",
}
"""Names of figures in words; others are shown with blanks."""

UNITS = {
    "throughput": "1/s",
    "power_active": "W",
    "fleet_power": "W",
    "energy_per_inference": "J",
    "carbon_per_inference": "g",
    "latency_p50": "s",
    "latency_p90": "s",
    "latency_p99": "s",
}
MONEY = frozenset({"unit_price", "capital", "total_cost"})

PER_MILLION = 5
"""The column of the options that a narrow terminal leaves out."""

SYMMETRIC = 0.1
"""Distance of an interval's middle from the value, in half-widths, up to which ± tells it."""

MOST_WINNERS = 8
"""Changes of the cheapest option over the load up to which all are told."""


def decision_text(done: Procured) -> str:
    """Get the whole text, folded to the terminal's width but for its tables."""
    plan, decision = done.plan, done.decision
    width = columns()
    blocks = [
        folded("\n".join(_head(done)), width),
        folded("\n".join(_answer(plan, decision)), width),
        _options_table(plan, decision),
        _requirements_table(plan, decision),
        folded("\n".join(_pairs(decision)), width),
        folded("\n".join(_findings(done)), width),
    ]
    return "\n\n".join(block for block in blocks if block)


def money_text(spread: Spread, currency: str) -> str:
    """Get ``value ± U CUR``, U the half-width of the 95 % interval, to two of its digits.

    An interval that is not symmetric is told by its ends.
    """
    expanded = spread.expanded
    if not (math.isfinite(expanded) and expanded > 0):
        return f"{_amount(spread.value)} {currency}"
    places = 1 - math.floor(math.log10(expanded))
    value, half, low, high = (
        f"{round(each, places):,.{max(places, 0)}f}"
        for each in (spread.value, expanded, spread.low, spread.high)
    )
    lopsided = abs((spread.low + spread.high) / 2 - spread.value) > SYMMETRIC * expanded
    return f"{value} ({low} to {high}) {currency}" if lopsided else f"{value} ± {half} {currency}"


def percent(probability: float) -> str:
    """Get a probability that is never rounded up to certainty or down to none."""
    if math.isnan(probability):
        return "-"
    if probability >= 0.9995:
        return "> 99.9 %"
    return "< 0.1 %" if probability < 0.0005 else f"{probability:.1%}".replace("%", " %")


def label(plan: Plan, option_id: str) -> str:
    """Get what an option's figures are: measured, emulated, imported, declared."""
    evidence = plan.option(option_id).evidence
    return "EMULATED" if evidence is Evidence.EMULATED else str(evidence)


def _amount(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def _number(value: float) -> str:
    """Get a number above 0 with four significant digits, never as a power of ten."""
    return f"{value:,.{max(3 - math.floor(math.log10(value)), 0)}f}"


def _head(done: Procured) -> Iterator[str]:
    plan, load = done.plan, done.plan.load
    mean = sum(load.hourly_per_s) / len(load.hourly_per_s)
    peak = load.peak_per_s or max(load.hourly_per_s)
    yield plan.title
    years = f"{plan.horizon_years} year{'s' if plan.horizon_years != 1 else ''}"
    yield (
        f"{count_text(mean)} inferences/s on average, {count_text(peak)}/s at peak, over "
        f"{years}, in {plan.currency} of {plan.date}"
    )
    yield f"{done.path}, SHA-256 {plan.sha256}; ± is the half-width of the 95 % interval"


def _answer(plan: Plan, decision: Decision) -> Iterator[str]:
    chosen = decision.recommended
    if decision.outcome is Outcome.NOT_COMPARABLE:
        yield "NO ANSWER: the options cannot be compared; see the findings."
        return
    if decision.outcome is Outcome.NONE_MAY_WIN or chosen is None:
        yield "NO RECOMMENDATION: no option may win."
        for name, standing in decision.standings.items():
            yield f"  {name}: {', '.join(standing.bars)}"
        return
    spares = f" and {decision.spares} spare" if decision.spares else ""
    what = f"{decision.units} x {plan.option(chosen).name}{spares}"
    if decision.outcome is Outcome.TIED:
        others = ", ".join(name for name in decision.tied if name != chosen)
        yield f"NOT DECIDED: {what} leads, but {others} cannot be told from it."
    else:
        yield f"RECOMMENDED: {what}."
    if decision.runner_up is None:
        yield "  It is the only option that may win."
    else:
        yield f"  The probability that it costs least is {percent(decision.probability)}."
    if decision.saving is not None:
        saving = money_text(decision.saving, plan.currency)
        yield f"  Against {decision.runner_up} it saves {saving} of present value."
    if decision.declared:
        yield f"  It rests on declared figures of {' and '.join(decision.declared)}."
    if decision.settling is not None:
        settling = decision.settling
        figure = FIGURES.get(settling.figure, settling.figure.replace("_", " "))
        yield (
            f"  To know the {figure} of {settling.option} better would settle most: "
            f"{percent(settling.share)} of the variance."
        )
    for flip in decision.flips:
        yield f"  {_flip(plan, flip)}"
    yield from _over_load(decision)


def _over_load(decision: Decision) -> Iterator[str]:
    """Say which option is the cheapest at which load, where that is soon said."""
    winners = decision.load_winners
    if 0 < len(winners) <= MOST_WINNERS:
        rest = ", ".join(f"above {_number(flip.at)}/s {flip.above}" for flip in winners)
        yield f"  Cheapest by peak load: {winners[0].below}, {rest}."


def _flip(plan: Plan, flip: Flip) -> str:
    """Say at what value of load, tariff or price another option would be the cheapest."""
    up = flip.factor >= 1
    other, side = (flip.above, "above") if up else (flip.below, "below")
    at = _number(flip.at)
    where = {
        "load": f"a peak load {side} {at}/s",
        "tariff": f"a mean tariff {side} {at} {plan.tariff.currency}/kWh",
        "price": f"a unit price of {flip.option} {side} {at} {plan.currency}",
    }[flip.quantity]
    return f"With {where} ({flip.factor:.3g} times) it would be {other}."


def table(rows: Sequence[Sequence[str]]) -> str:
    """Get rows as aligned text, the first of them being the heads."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _options_table(plan: Plan, decision: Decision) -> str:
    heads = ("option", "evidence", "units", "unit price", "present value", "per million")
    rows: list[tuple[str, ...]] = [(*heads, "cheapest", "stands")]
    for name, cost in decision.costs.items():
        standing = decision.standings[name]
        spreads = standing.spreads
        units = f"{cost.units} + {cost.spares}" if cost.spares else str(cost.units)
        rows.append(
            (
                name,
                label(plan, name),
                units,
                f"{cost.unit_price:,.2f}",
                money_text(spreads["present_value"], plan.currency),
                money_text(spreads["cost_per_million"], plan.currency),
                percent(standing.cheapest),
                ", ".join(standing.bars) or ("tied" if standing.tied else "not the cheapest"),
            )
        )
    rows = _leader_named(rows, decision)
    shown = table(rows)
    if max(map(len, shown.splitlines())) <= columns():
        return shown
    return table([(*row[:PER_MILLION], *row[PER_MILLION + 1 :]) for row in rows])


def _leader_named(rows: list[tuple[str, ...]], decision: Decision) -> list[tuple[str, ...]]:
    words = {Outcome.RECOMMENDED: "recommended", Outcome.TIED: "leads"}
    return [
        (*row[:-1], words[decision.outcome]) if row[0] == decision.recommended else row
        for row in rows
    ]


def _requirements_table(plan: Plan, decision: Decision) -> str:
    if not decision.conformities:
        return ""
    rows = [("requirement", "option", "value", "guard band", "probability", "stands")]
    for each in decision.conformities:
        asked = each.requirement
        unit = asked.unit or UNITS.get(asked.quantity, "")
        unit = plan.currency if asked.quantity in MONEY else unit
        value = "-"
        if each.value is not None:
            value = (
                money_text(each.value, unit)
                if asked.quantity in MONEY
                else with_uncertainty(each.value.value, each.value.expanded, unit)
            )
        rows.append(
            (
                f"{asked.quantity} {asked.sense} {asked.limit:g} {unit}".rstrip(),
                each.option,
                value,
                f"{each.guard_band:.2g}",
                percent(each.probability) if each.value is not None else "-",
                str(each.conforms),
            )
        )
    return table(rows)


def _pairs(decision: Decision) -> Iterator[str]:
    """Say how the leader stands to each other option, without a leader how all do."""
    leader = decision.recommended
    told = [pair for pair in decision.pairs if leader in {None, pair.first, pair.second}]
    for pair in told:
        saving = money_text(pair.saving, decision.currency)
        sure = "" if pair.sure else "; beside the other statements this is not sure"
        yield (
            f"{pair.first} costs {saving} less than {pair.second}, "
            f"with {percent(pair.probability)}{sure}."
        )
    if len(told) < len(decision.pairs):
        yield f"{len(decision.pairs) - len(told)} further such statements are in --json."


def _findings(done: Procured) -> Iterator[str]:
    if done.decision.findings:
        yield "Findings:"
    for finding in done.decision.findings:
        keys = ", ".join(keys_of(done.plan, finding))
        yield f"  {finding.severity.value}: {finding.message}" + (f" ({keys})" if keys else "")
        if finding.hint:
            yield f"    {finding.hint}"
