"""What follows the comparison: assumptions, risks, method, budgets and evidence."""

from __future__ import annotations

from powerlab.records.procurement import Basis, Option
from powerlab.report.elements import Fact
from powerlab.report.headline import sentence
from powerlab.report.numbers import fixed, significant, tidy
from powerlab.report.procurement.changes import guard_text
from powerlab.report.procurement.elements import ShareRow, ShareTable
from powerlab.report.procurement.figures import share_text
from powerlab.report.procurement.subject import Subject
from powerlab.terms import Evidence

MOST_SHARES = 8
METHOD = ("question", "cost", "fleet", "uncertainty", "ranking", "rule", "sensitivity", "evidence")


def assumptions(subject: Subject) -> tuple[str, ...]:
    """Get the plan's own assumptions, and those that its figures make."""
    plan, texts = subject.plan, subject.texts
    own = [sentence(text) for text in plan.assumptions]
    say = texts.say
    own.append(say("procurement_assumption.load"))
    own.append(say("procurement_assumption.fleet"))
    own.append(say(f"procurement_assumption.{'real' if plan.real else 'nominal'}"))
    own.append(say(f"procurement_assumption.{'tax' if plan.tax_counts else 'no_tax'}"))
    own += [
        say(
            "procurement_assumption.rate",
            base=rate.base,
            target=rate.target,
            rate=rate.rate,
            date=rate.date,
        )
        for rate in plan.rates
    ]
    own += [
        say("procurement_assumption.equivalent", workloads=subject.listed(sorted(group)))
        for group in plan.equivalent
    ]
    return tuple(own)


def exclusions(subject: Subject) -> tuple[str, ...]:
    """Get what the plan leaves out, in its own words, and what no option states."""
    plan, say = subject.plan, subject.texts.say
    own = [sentence(text) for text in plan.exclusions]
    nobody = {
        "engineering": all(option.engineering is None for option in plan.options),
        "maintenance": all(option.maintenance_per_unit_year is None for option in plan.options),
        "failures": all(not option.failure_rate.value for option in plan.options),
        "residual": all(not option.residual.value for option in plan.options),
        "labour": plan.labour_rate is None,
        "carbon": plan.carbon_intensity is None,
    }
    own += [say(f"procurement_exclusion.{key}") for key, missing in nobody.items() if missing]
    return tuple(own)


def risks(subject: Subject) -> tuple[str, ...]:
    """Get the plan's own risks, and those that its figures show of leader and next."""
    own = [sentence(text) for text in subject.plan.risks]
    for option in subject.subjects:
        own += _risks(subject, option)
    near = [flip for flip in subject.decision.flips if 0.8 <= flip.factor <= 1.25]
    own += [
        sentence(
            subject.texts.say(
                "procurement_risk.near",
                quantity=subject.input(flip.quantity, flip.option, inside=True),
                change=fixed(abs(flip.factor - 1) * 100, 0),
            )
        )
        for flip in near
    ]
    return tuple(dict.fromkeys(own))


def _risks(subject: Subject, option: Option) -> list[str]:
    plan, offer, say = subject.plan, option.offer, subject.texts.say
    year = int(plan.date[:4]) + plan.horizon_years
    last = f"{year}{plan.date[4:]}"
    told = {
        "one_unit": option.units_measured == 1,
        "declared": option.evidence is Evidence.DECLARED,
        "estimate": offer.breaks[0].price.basis in (Basis.ESTIMATE, Basis.HISTORICAL),
        "end_of_life": bool(offer.end_of_life) and offer.end_of_life < last,
        "late": bool(plan.needed_by and offer.available_from > plan.needed_by),
        "life": option.life_years.value < plan.horizon_years,
    }
    return [
        say(
            f"procurement_risk.{key}",
            option=option.name,
            date=offer.end_of_life or offer.available_from,
            years=significant(option.life_years.value, 2),
        )
        for key, stands in told.items()
        if stands
    ]


def method_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get how it was worked out, one paragraph a step."""
    plan, texts = subject.plan, subject.texts
    values = {
        "horizon": subject.horizon(),
        "draws": tidy(str(subject.decision.draws)),
        "guard": guard_text(subject),
        "confidence": subject.probability(plan.rule.confidence),
        "outside": subject.probability(1 - plan.rule.confidence),
    }
    return tuple(
        Fact(
            texts.say(f"procurement_method.{key}_title"),
            texts.say(f"procurement_method.{key}", **values),
        )
        for key in METHOD
    )


def share_tables(subject: Subject) -> tuple[ShareTable, ...]:
    """Get the inputs that the cost of leader and next, and their difference, hang on."""
    decision, texts = subject.decision, subject.texts
    found = [
        (texts.say("procurement_shares.cost", option=option.name), decision.shares[option.id])
        for option in subject.subjects
    ]
    named = {decision.recommended, decision.runner_up}
    found += [
        (
            texts.say(
                "procurement_shares.saving",
                first=subject.name(pair.first),
                second=subject.name(pair.second),
            ),
            pair.shares,
        )
        for pair in decision.pairs
        if {pair.first, pair.second} == named
    ]
    return tuple(
        ShareTable(
            title,
            tuple(
                ShareRow(
                    subject.input(each.label, each.option),
                    share_text(each.share),
                    round(min(each.share, 1.0) * 100, 1),
                )
                for each in shares[:MOST_SHARES]
            ),
        )
        for title, shares in found
        if shares
    )
