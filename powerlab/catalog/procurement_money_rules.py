"""What must hold of a plan's money: dates up to the plan's, and a rate for every currency."""

from __future__ import annotations

from collections.abc import Iterator

from powerlab.catalog.procurement_figures import Problems
from powerlab.catalog.procurement_measured import Runs
from powerlab.catalog.procurement_tables import Money, Price, Procurement

_OPTION_AMOUNTS = ("maintenance_per_unit_year", "fee_per_million", "engineering")


def amounts(plan: Procurement) -> Iterator[tuple[str, Money | Price]]:
    """Yield every amount of money of a plan with its key; the tariff stands apart."""
    if plan.labour_per_h is not None:
        yield "labour_per_h", plan.labour_per_h
    for number, option in enumerate(plan.option, 1):
        lead = f"option[{number}]"
        for name in _OPTION_AMOUNTS:
            if getattr(option, name) is not None:
                yield f"{lead}.{name}", getattr(option, name)
        if option.host is not None:
            yield f"{lead}.host.price", option.host.price
        if option.price is None:
            continue
        yield f"{lead}.price", option.price
        for name in ("freight_per_unit", "freight_per_order"):
            if getattr(option.price, name) is not None:
                yield f"{lead}.price.{name}", getattr(option.price, name)


def money_problems(plan: Procurement, runs: Runs) -> Problems:
    """Yield dates after the plan's, and currencies that no rate converts on its date."""
    dated = [(key, money.currency, money.date, "date") for key, money in amounts(plan)]
    if plan.tariff is not None:
        dated.append(("tariff", plan.tariff.currency, plan.tariff.date, "date"))
    for number, (option, run) in enumerate(zip(plan.option, runs, strict=True), 1):
        if option.price is None and run is not None and run.price is not None:
            sum_ = run.price.money
            dated.append((f"option[{number}].run", sum_.currency, sum_.date, ""))
    for key, currency, date, name in dated:
        if plan.date is not None and date is not None and date > plan.date:
            where = f"{key}.{name}" if name else key
            yield where, f"the price of {date} is later than the plan, {plan.date}"
        if currency is not None and plan.currency is not None and not _convertible(plan, currency):
            where = f"{key}.currency" if name else key
            yield where, _no_rate(plan, currency)


def _convertible(plan: Procurement, currency: str) -> bool:
    return currency == plan.currency or any(
        {rate.base, rate.target} == {currency, plan.currency}
        and (rate.date is None or plan.date is None or rate.date <= plan.date)
        for rate in plan.rate
    )


def _no_rate(plan: Procurement, currency: str) -> str:
    return (
        f"{currency} has no rate to {plan.currency} on or before {plan.date}; add a [[rate]] "
        f'with from = "{currency}", to = "{plan.currency}", rate and date'
    )


def rate_problems(plan: Procurement) -> Problems:
    """Yield what is missing or odd of the rates of currencies."""
    for number, rate in enumerate(plan.rate, 1):
        lead = f"rate[{number}]"
        needed = {"from": rate.base, "to": rate.target, "rate": rate.rate, "date": rate.date}
        for name, value in needed.items():
            if value is None:
                yield f"{lead}.{name}", "is missing"
        if rate.rate is not None and not (rate.rate.is_finite() and rate.rate > 0):
            yield f"{lead}.rate", f"must be above 0, not {rate.rate}"
        if rate.date and plan.date and rate.date > plan.date:
            yield f"{lead}.date", f"the rate of {rate.date} is later than the plan, {plan.date}"
        if rate.base is not None and rate.base == rate.target:
            yield f"{lead}.to", f"must be another currency than {rate.base}"
