"""What would change the answer, and the rule it was found by, in words."""

from __future__ import annotations

from powerlab.records.decision import Flip
from powerlab.records.procurement import GuardRule, Requirement, Sense
from powerlab.report.numbers import significant
from powerlab.report.procurement.subject import Subject

MOST_CHANGES = 5
"""Changes named on the first page; all of them stand in their own table."""


NEAR = 20.0
"""Changes further from today's value than this factor, either way, are left to the table."""


def guard_text(subject: Subject) -> str:
    """Get the guard band of the plan's rule in words."""
    rule = subject.plan.rule
    key = f"procurement_guard.{rule.guard_band}"
    if rule.guard_band is not GuardRule.PROBABILITY:
        return subject.texts.say(key)
    return subject.texts.say(key, p=subject.probability(rule.guard_probability))


def requirement_text(subject: Subject, requirement: Requirement) -> str:
    """Get a requirement as "throughput ≥ 20 inf/s"."""
    sign = "≥" if requirement.sense is Sense.AT_LEAST else "≤"
    limit = subject.plain(requirement.quantity, requirement.limit, requirement.unit)
    return f"{subject.quantity(requirement.quantity)} {sign} {limit}"


def changes(subject: Subject) -> tuple[str, ...]:
    """Get what would change the answer, the nearest first; a sentence where nothing near does."""
    if not subject.decision.flips and subject.decision.runner_up is None:
        return ()
    near = [flip for flip in subject.decision.flips if 1 / NEAR <= flip.factor <= NEAR]
    if not near:
        return (subject.texts.say("procurement_box.no_change", factor=significant(NEAR, 2)),)
    return tuple(change_text(subject, flip) for flip in near[:MOST_CHANGES])


def change_text(subject: Subject, flip: Flip) -> str:
    """Get one change of the answer as "above a peak load of 143 inf/s: Orin"."""
    side, winner = ("above", flip.above) if flip.factor >= 1 else ("below", flip.below)
    return subject.texts.say(
        f"procurement_flip.{flip.quantity}_{side}",
        at=flip_value(subject, flip),
        option=subject.name(flip.option) if flip.option else "",
        winner=subject.name(winner),
        factor=significant(flip.factor, 3),
    )


def flip_value(subject: Subject, flip: Flip) -> str:
    """Get the value at which the answer changes, with its unit."""
    text = significant(flip.at, 4)
    if flip.quantity == "load":
        return f"{text}\u00a0{subject.texts.say('unit.per_second')}"
    if flip.quantity == "tariff":
        return f"{text}\u00a0{subject.plan.tariff.currency}/kWh"
    return subject.money(flip.at)
