"""The leader against the next: what is saved, what it rests on, what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from powerlab.analysis.cost.draws import Draws, spread
from powerlab.analysis.cost.ranking import Ranking
from powerlab.records import Evidence
from powerlab.records.decision import Pair, Settling, Spread, VarianceShare
from powerlab.records.procurement import Option, Plan

PERFORMANCE = ("energy_per_inference", "power_idle", "throughput")
"""The names of ``Option.performance`` in its order."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is said of the leader against the next, by the names of ``Decision``."""

    runner_up: str | None = None
    saving: Spread | None = None
    declared: tuple[str, ...] = ()
    settling: Settling | None = None


def choose(
    plan: Plan,
    admitted: Sequence[Option],
    ranking: Ranking | None,
    drawn: Draws,
    compared: Sequence[Pair],
) -> Choice:
    """Set the leader against the option of the next lowest expected cost, where there is one."""
    if ranking is None:
        return Choice()
    leader = plan.option(ranking.leader)
    others = [option.id for option in admitted if option.id != leader.id]
    if not others:
        return Choice(declared=_declared(leader))
    next_ = plan.option(min(others, key=ranking.regret.__getitem__))
    cheap, dear = (drawn.figures[option.id]["present_value"] for option in (leader, next_))
    best = [drawn.best[option.id]["present_value"] for option in (leader, next_)]
    shares = next(
        pair.shares for pair in compared if {pair.first, pair.second} == {leader.id, next_.id}
    )
    return Choice(
        runner_up=next_.id,
        saving=spread(best[1] - best[0], dear - cheap),
        declared=(*_declared(leader), *_declared(next_)),
        settling=_settling(plan, shares, tied=len(ranking.tied) > 1),
    )


def _declared(option: Option) -> tuple[str, ...]:
    return (option.id,) if option.evidence is Evidence.DECLARED else ()


def _settling(plan: Plan, shares: Sequence[VarianceShare], *, tied: bool) -> Settling | None:
    """Get the declared performance figure that weighs most in a difference.

    Without one, and where nothing can be told apart, whatever figure of one option does.
    """
    own = [share for share in shares if share.option]
    open_ = [share for share in own if _figure(share) in _declared_figures(plan, share.option)]
    for share in open_ or (own if tied else ()):
        return Settling(share.option, _figure(share), share.share)
    return None


def _figure(share: VarianceShare) -> str:
    return share.label.partition("/")[0]


def _declared_figures(plan: Plan, option_id: str) -> set[str]:
    figures = plan.option(option_id).performance
    return {
        name
        for name, figure in zip(PERFORMANCE, figures, strict=True)
        if figure.evidence is Evidence.DECLARED
    }
