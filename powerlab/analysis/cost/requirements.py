"""Requirements met or not, guard band included (method section 3.5)."""

from __future__ import annotations

import numpy as np

from powerlab.analysis.conformity import Limits, Verdict, decide
from powerlab.analysis.cost.draws import TAILS, Draws
from powerlab.records import FloatArray
from powerlab.records.decision import Conformity, Conforms
from powerlab.records.procurement import DecisionRule, GuardRule, Option, Plan, Requirement, Sense


def conformities(plan: Plan, draws: Draws) -> tuple[Conformity, ...]:
    """Hold every option to every requirement, by options in the plan's order."""
    return tuple(
        conformity(option, requirement, plan.rule, draws)
        for option in plan.options
        for requirement in plan.requirements
    )


def conformity(
    option: Option, requirement: Requirement, rule: DecisionRule, draws: Draws
) -> Conformity:
    """Decide whether an option meets a requirement; without such a figure it cannot be said.

    The guard band is the distance from the best estimate to the quantile of the draws on the
    side of the limit: at 97.5 % for ``expanded``, the interval's end, as U of a symmetric
    distribution; at the rule's own for ``probability``. Beyond it on either side of the limit
    the answer is sure.
    """
    drawn = draws.figures[option.id].get(requirement.quantity)
    if drawn is None:
        return Conformity(option.id, requirement, Conforms.UNDECIDED, None, 0.0, 0.0)
    value = draws.spread(option.id, requirement.quantity)
    upper = requirement.sense is Sense.AT_MOST
    limit = requirement.limit
    limits = Limits(upper=limit) if upper else Limits(lower=limit)
    met = drawn <= limit if upper else drawn >= limit
    inner, outer = _bands(drawn, value.value, rule, upper=upper)
    verdict = decide(value.value, limits, inner)
    sure = decide(value.value, limits, outer)
    return Conformity(
        option=option.id,
        requirement=requirement,
        conforms=Conforms.MEETS
        if verdict is Verdict.PASS
        else Conforms.FAILS
        if sure is Verdict.FAIL
        else Conforms.UNDECIDED,
        value=value,
        guard_band=inner,
        probability=float(met.mean()),
    )


def _bands(
    drawn: FloatArray, value: float, rule: DecisionRule, *, upper: bool
) -> tuple[float, float]:
    """Get the guard bands of a pass and of a fail, which differ where draws are skewed."""
    if rule.guard_band is GuardRule.NONE:
        return 0.0, 0.0
    expanded = rule.guard_band is GuardRule.EXPANDED
    tail = TAILS[0] if expanded else 1 - rule.guard_probability
    low, high = (float(end) for end in np.quantile(drawn, (tail, 1 - tail)))
    below, above = max(value - low, 0.0), max(high - value, 0.0)
    return (above, below) if upper else (below, above)
