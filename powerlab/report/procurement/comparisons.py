"""The tables that set options against each other, against limits and against the load."""

from __future__ import annotations

import math

from powerlab.records.decision import Conformity, Flip, Pair
from powerlab.records.procurement import Sense
from powerlab.report.elements import Table
from powerlab.report.numbers import significant
from powerlab.report.procurement.changes import flip_value
from powerlab.report.procurement.subject import ABSENT, Subject
from powerlab.report.procurement.tables import big, made

MOST_TURNS = 3
"""Changes of the cheaper that a line on two options names, the nearest to today's load."""


MOST_PAIRS = 15


def pairs_table(subject: Subject) -> Table | None:
    """Get the statements on two options, those with the leader first; None with one option."""
    pairs = subject.decision.pairs
    if not pairs:
        return None
    leader = subject.decision.recommended
    ordered = sorted(pairs, key=lambda pair: leader not in (pair.first, pair.second))
    rows = [_pair(subject, pair) for pair in ordered[:MOST_PAIRS]]
    columns = ("first", "second", "saving", "probability", "sure", "payback", "even", "turns")
    return made(subject, "procurement_pairs", columns, rows, ("first", "second", "sure", "turns"))


def _pair(subject: Subject, pair: Pair) -> tuple[str, ...]:
    texts = subject.texts
    payback = texts.say("procurement_pairs.never")
    if pair.payback_years is not None:
        payback = texts.say("procurement_pairs.at_once")
        if pair.payback_years > 0:
            payback = texts.say("unit.years", years=significant(pair.payback_years, 2))
    even = ABSENT if pair.break_even_per_year is None else big(subject, pair.break_even_per_year)
    near = sorted(pair.loads_per_s, key=lambda flip: abs(math.log(flip.factor)))[:MOST_TURNS]
    turns = [
        f"{significant(flip.at, 3)} → {subject.name(flip.above)}"
        for flip in sorted(near, key=lambda flip: flip.at)
    ]
    more = len(pair.loads_per_s) - len(turns)
    if more:
        turns.append(texts.say("procurement_pairs.more", n=more))
    return (
        subject.name(pair.first),
        subject.name(pair.second),
        subject.money_spread(pair.saving),
        subject.chance(pair.probability),
        texts.say(f"procurement_pairs.{'sure' if pair.sure else 'open'}"),
        payback,
        even,
        subject.joined(turns) or ABSENT,
    )


def turns_table(subject: Subject) -> Table | None:
    """Get every nearest change of load, tariff and prices; None where nothing turns."""
    flips = subject.decision.flips
    if not flips:
        return None
    return made(
        subject,
        "procurement_turns",
        ("quantity", "at", "factor", "below", "above"),
        [_turn(subject, flip) for flip in flips],
        ("quantity", "below", "above"),
    )


def _turn(subject: Subject, flip: Flip) -> tuple[str, ...]:
    label = subject.input(flip.quantity, flip.option)
    if flip.at_step:
        label = subject.joined((label, subject.texts.say("procurement_turns.step")))
    return (
        label,
        flip_value(subject, flip),
        f"{significant(flip.factor, 3)}",
        subject.name(flip.below),
        subject.name(flip.above),
    )


def requirements_table(subject: Subject) -> Table | None:
    """Get every option against every requirement; None where the plan has none."""
    plan = subject.plan
    if not plan.requirements:
        return None
    held = {(each.option, each.requirement): each for each in subject.decision.conformities}
    heads = []
    for requirement in plan.requirements:
        sign = "≥" if requirement.sense is Sense.AT_LEAST else "≤"
        limit = subject.plain(requirement.quantity, requirement.limit, requirement.unit)
        heads.append(f"{subject.quantity(requirement.quantity)} {sign}\u00a0{limit}")
    rows = tuple(
        (option.name, *(_held(subject, held[option.id, each]) for each in plan.requirements))
        for option in plan.options
    )
    columns = (subject.texts.say("procurement_requirements.column_option"), *heads)
    return Table(columns, ("left",) * len(columns), rows)


MARKS = {"MEETS": "✓", "FAILS": "✗", "UNDECIDED": "?"}


def _held(subject: Subject, each: Conformity) -> str:
    mark = f"{MARKS[each.conforms.name]}\u00a0{subject.conforms(each.conforms)}"
    if each.value is None:
        return subject.joined((mark, subject.texts.say("procurement_requirements.no_figure")))
    value = subject.figure(each.requirement.quantity, each.value, each.requirement.unit)
    return subject.joined(
        (
            mark,
            value,
            subject.texts.say(
                "procurement_requirements.chance", p=subject.chance(each.probability)
            ),
        )
    )


def winners_table(subject: Subject) -> Table | None:
    """Get the cheapest option by the peak load; None where it never changes."""
    flips = subject.decision.load_winners
    if not flips:
        return None
    unit = subject.texts.say("unit.per_second")
    places: list[tuple[str, str]] = []
    lower = ABSENT
    for flip in flips:
        upper = f"{significant(flip.at, 4)}\u00a0{unit}"
        places.append((_span(subject, lower, upper), subject.name(flip.below)))
        lower = upper
    places.append((_span(subject, lower, ABSENT), subject.name(flips[-1].above)))
    return made(subject, "procurement_winners", ("load", "option"), places, ("load", "option"))


def _span(subject: Subject, lower: str, upper: str) -> str:
    if lower == ABSENT:
        return subject.texts.say("procurement_winners.to", upper=upper)
    if upper == ABSENT:
        return subject.texts.say("procurement_winners.from", lower=lower)
    return f"{lower} … {upper}"
