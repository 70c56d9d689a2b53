"""Statements on two options: who is cheaper, by how much, how surely, and where that turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from powerlab.analysis.cost.capital import payback_years
from powerlab.analysis.cost.draws import Draws, spread
from powerlab.analysis.cost.flips import Pieces, load_flips
from powerlab.analysis.cost.model import MILLION
from powerlab.analysis.cost.ranking import holm, probability_below
from powerlab.analysis.cost.sensitivity import Classes
from powerlab.records.decision import OptionCost, Pair
from powerlab.records.procurement import Option, Plan
from powerlab.units import SECONDS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Worked:
    """What is worked out of a plan before its options are compared."""

    plan: Plan
    costs: Mapping[str, OptionCost]
    draws: Draws
    classes: Classes
    pieces: Pieces


def pairs(worked: Worked, options: Sequence[Option]) -> tuple[Pair, ...]:
    """Set every two of some options against each other, the likely cheaper one first."""
    ordered = (_ordered(two, worked.draws) for two in combinations(options, 2))
    found = [_pair(worked, first, second) for first, second in ordered]
    confidence = worked.plan.rule.confidence
    sure = holm([1 - pair.probability for pair in found], 1 - confidence)
    return tuple(replace(pair, sure=held) for pair, held in zip(found, sure, strict=True))


def _ordered(two: tuple[Option, Option], draws: Draws) -> tuple[Option, Option]:
    first, second = two
    below = probability_below(
        draws.figures[first.id]["present_value"], draws.figures[second.id]["present_value"]
    )
    return (first, second) if below >= 0.5 else (second, first)


def _pair(worked: Worked, first: Option, second: Option) -> Pair:
    draws, costs = worked.draws, worked.costs
    mine, other = costs[first.id], costs[second.id]
    cheap, dear = (draws.figures[each.id]["present_value"] for each in (first, second))
    best = [draws.best[each.id]["present_value"] for each in (first, second)]
    returns = [b.total - a.total for a, b in zip(mine.years, other.years, strict=True)]
    payback = payback_years(returns)
    return Pair(
        first=first.id,
        second=second.id,
        saving=spread(best[1] - best[0], dear - cheap),
        probability=probability_below(cheap, dear),
        sure=False,
        npv=other.present_value - mine.present_value,
        payback_years=None if payback is None else float(payback),
        break_even_per_year=_break_even(first, second, draws, costs),
        loads_per_s=load_flips(worked.plan, worked.pieces, first.id, second.id),
        shares=worked.classes.shares(dear - cheap, (first.id, second.id)),
    )


def _break_even(
    first: Option, second: Option, draws: Draws, costs: Mapping[str, OptionCost]
) -> float | None:
    """Get ``(F_B - F_A) / (v_A - v_B)``: fixed costs a year over costs of an inference."""
    fixed, each = [], []
    for option in (first, second):
        best = draws.best[option.id]
        levelled = best["cost_per_million"] * best["inferences"] / MILLION
        fixed.append(levelled - best["variable"])
        each.append(best["variable"] / best["inferences"])
    if each[0] == each[1]:
        return None
    volume = (fixed[1] - fixed[0]) / (each[0] - each[1])
    carried = min(
        costs[option.id].units * option.throughput_per_s.value * SECONDS_PER_YEAR
        for option in (first, second)
    )
    return volume if 0 < volume <= carried else None
