"""Lists of facts: the request, the question as declared, and every option's offer."""

from __future__ import annotations

from powerlab.records.procurement import Amount, Offer, Option
from powerlab.report.elements import Fact
from powerlab.report.numbers import given, percent, tidy
from powerlab.report.procurement.changes import guard_text
from powerlab.report.procurement.elements import OptionCard
from powerlab.report.procurement.figures import declared_percent, price, stated
from powerlab.report.procurement.subject import ABSENT, Subject


def meta_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get who asks, under which number, from when until when the answer holds."""
    plan = subject.plan
    rows = {
        "requester": plan.requester,
        "number": plan.report_number,
        "date": plan.date,
        "valid_until": plan.valid_until,
        "needed_by": plan.needed_by,
    }
    return tuple(
        Fact(subject.texts.say(f"procurement_meta.{key}"), text or ABSENT)
        for key, text in rows.items()
        if text or key != "needed_by"
    )


def question_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get what the plan declares beside options and requirements."""
    plan, texts = subject.plan, subject.texts
    hourly = plan.tariff.hourly_per_kwh
    mean = sum(hourly) / len(hourly)
    rate = f"{stated(float(f'{float(mean):.4g}'))} {plan.tariff.currency}/kWh"
    if len(set(hourly)) > 1:
        rate = texts.say(
            "procurement_fact.tariff_range",
            mean=rate,
            low=stated(float(min(hourly))),
            high=stated(float(max(hourly))),
        )
    rows = {
        "horizon": subject.horizon(),
        "load": _load(subject),
        "tariff": subject.joined((rate, _give_or_take(subject, plan.tariff.u_relative))),
        "discount": subject.joined(
            (
                subject.texts.say(
                    "procurement_text.per_year", rate=declared_percent(plan.discount_rate.value)
                ),
                texts.say(f"procurement_fact.{'real' if plan.real else 'nominal'}"),
            )
        )
        if plan.discount_rate.value
        else texts.say("procurement_fact.no_discount"),
        "overhead": texts.say("procurement_fact.pue", pue=stated(plan.pue.value)),
        "fleet": _fleet(subject),
        "tax": texts.say(f"procurement_fact.{'tax_counts' if plan.tax_counts else 'tax_not'}"),
        "currency": _currencies(subject),
        "rule": texts.say(
            "procurement_fact.rule",
            guard=guard_text(subject),
            confidence=subject.probability(plan.rule.confidence),
        ),
    }
    if plan.labour_rate is not None:
        rows["labour"] = f"{_amount(subject, plan.labour_rate)}/h"
    if plan.carbon_intensity is not None:
        rows["carbon"] = f"{stated(plan.carbon_intensity.value)} g/kWh"
    if plan.equivalent:
        rows["equivalent"] = subject.joined(" = ".join(sorted(group)) for group in plan.equivalent)
    rows["plan"] = texts.say("procurement_fact.plan", sha256=plan.sha256)
    return tuple(
        Fact(texts.say(f"procurement_fact.label_{key}"), text) for key, text in rows.items()
    )


def _load(subject: Subject) -> str:
    load = subject.plan.load
    peak = max(load.hourly_per_s) if load.peak_per_s is None else load.peak_per_s
    mean = sum(load.hourly_per_s) / len(load.hourly_per_s)
    text = subject.texts.say(
        "procurement_fact.load",
        mean=subject.plain("throughput", float(f"{mean:.4g}")),
        peak=subject.plain("throughput", peak),
    )
    return subject.joined((text, _give_or_take(subject, load.u_relative), load.source))


def _give_or_take(subject: Subject, u_relative: float) -> str:
    if not u_relative:
        return ""
    return subject.texts.say("procurement_text.u_relative", u=percent(u_relative))


def _fleet(subject: Subject) -> str:
    texts, rule = subject.texts, subject.plan.fleet
    parts = [
        texts.say(
            "procurement_fact.fleet",
            headroom=declared_percent(rule.headroom.value - 1),
            utilisation=declared_percent(rule.utilisation.value),
        ),
        texts.count("procurement_count.spare", rule.spare_units),
    ]
    if rule.availability is not None:
        parts.append(
            texts.say(
                "procurement_fact.availability",
                availability=declared_percent(rule.availability),
                days=stated(rule.repair_days),
            )
        )
    if rule.most_units is not None:
        parts.append(texts.count("procurement_count.most", rule.most_units))
    return subject.joined(parts)


def _currencies(subject: Subject) -> str:
    rates = [
        f"1 {rate.base} = {rate.rate} {rate.target} ({rate.date})" for rate in subject.plan.rates
    ]
    return subject.joined((subject.currency, *rates))


def _amount(subject: Subject, amount: Amount) -> str:
    text = f"{price(amount.money.amount)}\u00a0{amount.money.currency}"
    return subject.joined((text, _give_or_take(subject, amount.u_relative)))


def option_cards(subject: Subject) -> tuple[OptionCard, ...]:
    """Get the facts of every option, in the plan's order."""
    return tuple(
        OptionCard(option.name, _mark(subject, option), _card(subject, option))
        for option in subject.plan.options
    )


def _mark(subject: Subject, option: Option) -> str:
    texts, decision = subject.texts, subject.decision
    if decision.recommended == option.id and len(decision.tied) < 2:
        return texts.say("procurement_standing.recommended")
    if subject.standing(option).bars:
        return texts.say("procurement_standing.barred")
    return texts.say("procurement_standing.tied") if subject.standing(option).tied else ""


def _card(subject: Subject, option: Option) -> tuple[Fact, ...]:
    texts, offer, cost = subject.texts, option.offer, subject.cost(option)
    rows = {
        "sku": offer.sku or ABSENT,
        "supplier": offer.supplier or ABSENT,
        "price": texts.say(
            "procurement_card.price",
            net=price(cost.unit_price_net),
            gross=price(cost.unit_price_gross),
            currency=subject.currency,
            tax=declared_percent(float(offer.tax_rate)),
        ),
        "freight": _freight(subject, offer),
        "basis": _basis(subject, offer),
        "breaks": _breaks(subject, offer),
        "supply": _supply(subject, offer),
        "life": _life(subject, option),
        "host": _host(subject, option),
        "work": texts.say(
            "procurement_card.work",
            workload=option.workload,
            boundary=texts.say(f"boundary.{option.boundary}"),
        ),
        "evidence": _evidence(subject, option),
        "units": _units(subject, option),
    }
    return tuple(
        Fact(texts.say(f"procurement_card.label_{key}"), text) for key, text in rows.items() if text
    )


def _freight(subject: Subject, offer: Offer) -> str:
    texts = subject.texts
    each, order = offer.freight_per_unit, offer.freight_per_order
    if each is None and order is None:
        return texts.say("procurement_card.freight_included")
    parts = []
    if each is not None:
        parts.append(texts.say("procurement_card.freight_each", amount=_amount(subject, each)))
    if order is not None:
        parts.append(texts.say("procurement_card.freight_order", amount=_amount(subject, order)))
    return subject.joined(parts)


def _basis(subject: Subject, offer: Offer) -> str:
    first = offer.breaks[0].price
    return subject.joined(
        (
            subject.texts.say(
                "procurement_card.basis",
                basis=subject.texts.say(f"procurement_basis.{first.basis}"),
                date=first.money.date,
                tax=subject.texts.say(
                    f"procurement_card.{'with_tax' if offer.tax_included else 'without_tax'}"
                ),
            ),
            _give_or_take(subject, first.u_relative),
            first.source,
        )
    )


def _breaks(subject: Subject, offer: Offer) -> str:
    if len(offer.breaks) < 2:
        return ""
    return subject.joined(
        subject.texts.say(
            "procurement_card.break",
            n=each.from_units,
            price=f"{price(each.price.money.amount)}\u00a0{each.price.money.currency}",
        )
        for each in offer.breaks
    )


def _supply(subject: Subject, offer: Offer) -> str:
    texts = subject.texts
    parts = [offer.availability or texts.say("procurement_card.availability_unknown")]
    if offer.available_from:
        parts.append(texts.say("procurement_card.available_from", date=offer.available_from))
    if offer.most_units is not None:
        parts.append(texts.count("procurement_count.most", offer.most_units))
    key = "end_of_life" if offer.end_of_life else "end_of_life_unknown"
    parts.append(texts.say(f"procurement_card.{key}", date=offer.end_of_life))
    return subject.joined(parts)


def _life(subject: Subject, option: Option) -> str:
    texts = subject.texts
    parts = [texts.say("unit.years", years=stated(option.life_years.value))]
    if option.offer.warranty_years:
        years = texts.say("unit.years", years=stated(option.offer.warranty_years))
        parts.append(texts.say("procurement_card.warranty", years=years))
    if option.failure_rate.value:
        parts.append(
            texts.say("procurement_card.failures", rate=declared_percent(option.failure_rate.value))
        )
    if option.residual.value:
        parts.append(
            texts.say("procurement_card.residual", part=declared_percent(option.residual.value))
        )
    return subject.joined(parts)


def _host(subject: Subject, option: Option) -> str:
    if option.host is None:
        return ""
    return subject.texts.say(
        "procurement_card.host",
        n=option.host.accelerators,
        price=_amount(subject, option.host.price),
        power=given(option.host.power_w.value, "W"),
    )


def _evidence(subject: Subject, option: Option) -> str:
    kinds = {figure.evidence for figure in option.performance}
    parts = [subject.listed(sorted(subject.kind(kind) for kind in kinds))]
    if option.runs:
        parts.append(subject.texts.count("procurement_count.run", len(option.runs)))
    if not option.valid:
        parts.append(
            subject.texts.say(
                "procurement_card.not_valid", codes=subject.listed(option.findings) or ABSENT
            )
        )
    return subject.joined(parts)


def _units(subject: Subject, option: Option) -> str:
    if option.units_measured <= 1:
        return subject.texts.say(f"procurement_card.units_{('none', 'one')[option.units_measured]}")
    return subject.texts.say("procurement_card.units_many", n=tidy(str(option.units_measured)))
