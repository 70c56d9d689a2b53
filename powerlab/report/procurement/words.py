"""The first page's words: the answer, how sure it is, what it rests on, what would turn it."""

from __future__ import annotations

from powerlab.findings import Severity
from powerlab.records.decision import Conforms, Outcome
from powerlab.records.procurement import Option
from powerlab.report.headline import sentence
from powerlab.report.procurement.changes import changes, guard_text, requirement_text
from powerlab.report.procurement.elements import DecisionBox
from powerlab.report.procurement.figures import share_text
from powerlab.report.procurement.remarks import finding_lines
from powerlab.report.procurement.subject import Subject
from powerlab.terms import Evidence


def decision_box(subject: Subject) -> DecisionBox:
    """Get the answer of a procurement in plain words."""
    match subject.decision.outcome:
        case Outcome.RECOMMENDED:
            return _recommended(subject)
        case Outcome.TIED:
            return _tied(subject)
        case _:
            return _nothing(subject)


def _recommended(subject: Subject) -> DecisionBox:
    leader = subject.plan.option(subject.decision.recommended or "")
    reasons = (
        _sure(subject),
        _price(subject, leader),
        _saving(subject),
        _meets(subject, leader),
        _units_enough(subject, leader),
        _declared(subject),
    )
    return DecisionBox(
        given=True,
        headline=_buy(subject, leader),
        reasons=tuple(reason for reason in reasons if reason),
        changes_label=subject.texts.say("procurement_box.changes"),
        changes=changes(subject),
    )


def _tied(subject: Subject) -> DecisionBox:
    texts, decision = subject.texts, subject.decision
    leader = subject.plan.option(decision.recommended or "")
    reasons = (
        texts.say(
            "procurement_box.tied",
            options=subject.names(decision.tied),
            confidence=subject.probability(subject.plan.rule.confidence),
        ),
        texts.say(
            "procurement_box.tied_leader",
            option=leader.name,
            p=subject.probability(decision.probability),
            regret=subject.money(subject.standing(leader).regret),
        ),
        _price(subject, leader),
        _saving(subject),
        _meets(subject, leader),
        _declared(subject),
    )
    return DecisionBox(
        given=False,
        headline=texts.say("procurement_box.tied_headline", options=subject.names(decision.tied)),
        reasons=tuple(reason for reason in reasons if reason),
        changes_label=texts.say("procurement_box.changes_tied"),
        changes=changes(subject),
    )


def _nothing(subject: Subject) -> DecisionBox:
    texts, decision = subject.texts, subject.decision
    if decision.outcome is Outcome.NOT_COMPARABLE:
        lead = texts.say("procurement_box.not_comparable")
        told = [line for line in finding_lines(subject) if line.severity == Severity.BLOCKING]
        reasons, hints = [line.message for line in told], [line.hint for line in told]
    else:
        lead = texts.say("procurement_box.none_may_win")
        reasons = [
            texts.say(
                "procurement_box.barred", option=option.name, reasons=against(subject, option)
            )
            for option in subject.plan.options
        ]
        hints = [texts.say("procurement_box.none_hint")]
    return DecisionBox(
        given=False,
        headline=texts.say("procurement_box.nothing"),
        reasons=(lead, *reasons),
        changes_label=texts.say("procurement_box.needed"),
        changes=tuple(dict.fromkeys(hints)),
    )


def against(subject: Subject, option: Option) -> str:
    """Get what stands against an option in words, "" for one that may win."""
    return subject.listed(subject.bar(bar) for bar in subject.standing(option).bars)


def _buy(subject: Subject, leader: Option) -> str:
    texts, decision = subject.texts, subject.decision
    key = "procurement_box.buy_spares" if decision.spares else "procurement_box.buy"
    return texts.say(
        key,
        units=decision.units,
        option=leader.name,
        total=decision.units + decision.spares,
        spares=decision.spares,
    )


def _sure(subject: Subject) -> str:
    texts, decision = subject.texts, subject.decision
    barred = [option for option in subject.plan.options if subject.standing(option).bars]
    may_win = len(subject.plan.options) - len(barred)
    if may_win == 1:
        key = "procurement_box.only" if barred else "procurement_box.only_one"
        return texts.say(key, options=subject.names(option.id for option in barred))
    told = texts.say(
        "procurement_box.sure",
        p=subject.probability(decision.probability),
        n=may_win,
        horizon=subject.horizon(),
    )
    if decision.probability < subject.plan.rule.confidence:
        told += texts.say(
            "procurement_box.not_sure",
            confidence=subject.probability(subject.plan.rule.confidence),
        )
    return told


def _price(subject: Subject, leader: Option) -> str:
    cost, standing = subject.cost(leader), subject.standing(leader)
    return subject.texts.say(
        "procurement_box.price",
        option=leader.name,
        total=subject.money_spread(standing.spreads["total_cost"]),
        horizon=subject.horizon(),
        capital=subject.money(cost.capital),
        million=subject.money_spread(standing.spreads["cost_per_million"]),
    )


def _saving(subject: Subject) -> str:
    saving, runner_up = subject.decision.saving, subject.decision.runner_up
    if saving is None or runner_up is None:
        return ""
    key = "saving" if saving.value >= 0 else "saving_negative"
    told = subject.texts.say(
        f"procurement_box.{key}",
        option=subject.name(subject.decision.recommended or ""),
        other=subject.name(runner_up),
        saving=subject.money_spread(saving),
    )
    if saving.low < 0 < saving.high:
        told += subject.texts.say("procurement_box.saving_open")
    return told


def _meets(subject: Subject, option: Option) -> str:
    own = [each for each in subject.decision.conformities if each.option == option.id]
    if not own or any(each.conforms is not Conforms.MEETS for each in own):
        return ""
    least = min(own, key=lambda each: each.probability)
    key = "procurement_box.meets" if len(own) > 1 else "procurement_box.meets_one"
    return subject.texts.say(
        key,
        n=len(own),
        requirement=inside(requirement_text(subject, least.requirement)),
        p=subject.probability(least.probability),
        guard=guard_text(subject),
    )


def inside(text: str) -> str:
    """Get a name as it stands inside a sentence: its first letter small, if but that is big."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _units_enough(subject: Subject, option: Option) -> str:
    """Say so where the load may take more units than the best estimates do."""
    standing, units = subject.standing(option), subject.cost(option).units
    if standing.units_enough <= units:
        return ""
    enough = sum(p for n, p in standing.chances if n <= units)
    return subject.texts.say(
        "procurement_box.units_enough",
        units=units,
        p=subject.probability(enough),
        more=standing.units_enough,
        confidence=subject.probability(subject.plan.rule.confidence),
    )


def _declared(subject: Subject) -> str:
    texts, decision = subject.texts, subject.decision
    told = ""
    if decision.declared:
        told = texts.say("procurement_box.declared", options=subject.names(decision.declared))
    settling = decision.settling
    if settling is not None:
        measured = settling.figure in ("energy_per_inference", "power_idle", "throughput")
        told += texts.say(
            f"procurement_box.{'settling' if measured else 'settling_other'}",
            figure=subject.input(settling.figure),
            option=subject.name(settling.option),
            share=share_text(settling.share),
        )
    elif decision.declared and decision.runner_up is not None:
        told += _elsewhere(subject)
    return told.strip()


def _elsewhere(subject: Subject) -> str:
    """Say what a difference hangs on where no declared figure of the two weighs in it."""
    named = {subject.decision.recommended, subject.decision.runner_up}
    pairs = subject.decision.pairs
    shares = next((pair.shares for pair in pairs if {pair.first, pair.second} == named), ())
    if not shares:
        return ""
    return subject.texts.say(
        "procurement_box.elsewhere",
        input=subject.input(shares[0].label, shares[0].option, inside=True),
        share=share_text(shares[0].share),
    )


def summary(subject: Subject) -> str:
    """Get the question in one sentence."""
    plan, texts = subject.plan, subject.texts
    peak = max(plan.load.hourly_per_s) if plan.load.peak_per_s is None else plan.load.peak_per_s
    mean = sum(plan.load.hourly_per_s) / len(plan.load.hourly_per_s)
    told = texts.say(
        "procurement_head.summary",
        n=len(plan.options),
        peak=subject.plain("throughput", float(f"{peak:.4g}")),
        mean=subject.plain("throughput", float(f"{mean:.4g}")),
        horizon=subject.horizon(),
    )
    purpose = sentence(plan.purpose) if plan.purpose else ""
    return subject.texts.say("procurement_text.after", first=purpose, second=told).strip()


def banner(subject: Subject) -> str:
    """Get the explanation beside EMULATED, "" where nothing is."""
    names = [option.id for option in subject.plan.options if option.evidence is Evidence.EMULATED]
    if not names:
        return ""
    return subject.texts.say("procurement_head.banner", options=subject.names(names))
