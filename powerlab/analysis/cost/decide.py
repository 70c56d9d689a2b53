"""A plan brought to its decision: the one call that report and terminal share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from powerlab.analysis.cost.admission import bars, capacity, comparability, remarks
from powerlab.analysis.cost.choice import choose
from powerlab.analysis.cost.draws import DRAWS, Draws, draw
from powerlab.analysis.cost.flips import load_pieces, load_winners, nearest_flips
from powerlab.analysis.cost.pairs import Worked, pairs
from powerlab.analysis.cost.ranking import Ranking, front_probability, rank
from powerlab.analysis.cost.requirements import conformities
from powerlab.analysis.cost.sensitivity import Classes, tornado
from powerlab.analysis.cost.statement import DELAYS, statement
from powerlab.records import FloatArray
from powerlab.records.decision import Bar, Decision, Outcome, Standing
from powerlab.records.procurement import Option, Plan

NOT_COMPARABLE = frozenset({"workloads-differ", "boundaries-differ"})

UNRANKED = frozenset({Bar.NOT_VALID, Bar.EMULATED})
"""Options of which no comparison is made at all."""

RARE = 0.001
"""Numbers of units less likely than this are left out."""


def decide(plan: Plan, draws: int = DRAWS) -> Decision:
    """Decide a plan: statements, random draws, comparisons, and what can be recommended.

    The same plan gives the same decision, on any machine. Raises ConfigError where an amount
    has no exchange rate. A plan needs an option, a load above 0 and throughputs above 0.
    """
    costs = {option.id: statement(plan, option) for option in plan.options}
    drawn = draw(plan, draws)
    held = conformities(plan, drawn)
    findings = (*comparability(plan), *capacity(plan, costs), *remarks(plan))
    comparable = not any(finding.code in NOT_COMPARABLE for finding in findings)
    against = {option.id: bars(option, plan, costs, held) for option in plan.options}
    ranked = [
        option for option in plan.options if comparable and UNRANKED.isdisjoint(against[option.id])
    ]
    admitted = [option for option in ranked if not against[option.id]]
    classes, pieces = Classes(drawn), load_pieces(plan)
    ranking = rank(_values(drawn, admitted), plan.rule.confidence) if admitted else None
    compared = pairs(Worked(plan, costs, drawn, classes, pieces), ranked)
    names = [option.id for option in admitted]
    winners = load_winners(plan, pieces, names)
    choice = choose(plan, admitted, ranking, drawn, compared)
    return Decision(
        plan_sha256=plan.sha256,
        currency=plan.currency,
        draws=draws,
        outcome=_outcome(ranking, comparable=comparable),
        recommended=ranking.leader if ranking else None,
        units=costs[ranking.leader].units if ranking else 0,
        spares=costs[ranking.leader].spares if ranking else 0,
        probability=ranking.cheapest[ranking.leader] if ranking else math.nan,
        tied=ranking.tied if ranking else (),
        runner_up=choice.runner_up,
        saving=choice.saving,
        declared=choice.declared,
        settling=choice.settling,
        flips=nearest_flips(plan, names, costs, winners),
        load_winners=winners,
        costs=costs,
        standings=_standings(plan, admitted, against, ranking, drawn),
        pairs=compared,
        conformities=held,
        shares={
            option.id: classes.shares(drawn.figures[option.id]["present_value"], (option.id,))
            for option in plan.options
        },
        tornado=tornado(plan, drawn),
        findings=findings,
    )


def _values(drawn: Draws, options: Sequence[Option]) -> dict[str, FloatArray]:
    return {option.id: drawn.figures[option.id]["present_value"] for option in options}


def _outcome(ranking: Ranking | None, *, comparable: bool) -> Outcome:
    if not comparable:
        return Outcome.NOT_COMPARABLE
    if ranking is None:
        return Outcome.NONE_MAY_WIN
    return Outcome.TIED if len(ranking.tied) > 1 else Outcome.RECOMMENDED


def _standings(
    plan: Plan,
    admitted: Sequence[Option],
    against: Mapping[str, tuple[Bar, ...]],
    ranking: Ranking | None,
    drawn: Draws,
) -> dict[str, Standing]:
    """Get how every option stands; figures of the ranking are NaN for one that is not in it."""
    front = front_probability(_objectives(admitted, drawn))
    found = {}
    for option in plan.options:
        name, figures = option.id, drawn.figures[option.id]
        numbers, counts = np.unique(figures["units"], return_counts=True)
        parts = counts / counts.sum()
        enough = int(np.searchsorted(np.cumsum(parts), plan.rule.confidence - 1e-12))
        chances = sorted(zip(numbers, parts, strict=True), key=lambda chance: -chance[1])
        found[name] = Standing(
            option=name,
            bars=against[name],
            cheapest=ranking.cheapest.get(name, math.nan) if ranking else math.nan,
            regret=ranking.regret.get(name, math.nan) if ranking else math.nan,
            mean_rank=ranking.mean_rank.get(name, math.nan) if ranking else math.nan,
            tied=ranking is not None and name in ranking.tied,
            front=front.get(name, math.nan),
            units_enough=int(numbers[enough]),
            chances=tuple((int(n), float(part)) for n, part in chances if part >= RARE),
            spreads={key: drawn.spread(name, key) for key in figures},
        )
    return found


def _objectives(admitted: Sequence[Option], drawn: Draws) -> dict[str, list[FloatArray]]:
    """Get what is to be low of each option: cost, energy, and what all have of the others."""
    wanted = [(name, 1.0) for name in ("present_value", "energy_at_mains")]
    common = [set(option.figures) for option in admitted]
    shared = set.intersection(*common) if common else set()
    wanted += [(name, 1.0) for name in DELAYS if name in shared][:1]
    wanted += [("accuracy", -1.0)] if "accuracy" in shared else []
    return {
        option.id: [sign * drawn.figures[option.id][name] for name, sign in wanted]
        for option in admitted
    }
