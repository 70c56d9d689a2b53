"""The statement of an option's cost: the best estimates, exact, to the cent."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import count

from powerlab.analysis.cost.capital import (
    annuity_factor,
    capital_per_year,
    present_value,
    straight_line,
)
from powerlab.analysis.cost.inputs import amount_in, common_inputs, tax_factor
from powerlab.analysis.cost.model import MILLION, Flow, breakdown
from powerlab.analysis.cost.money import rounded
from powerlab.analysis.cost.numbers import from_quantity
from powerlab.analysis.cost.sources import Best
from powerlab.records.decision import OptionCost, YearCost
from powerlab.records.procurement import Option, Plan
from powerlab.units import SECONDS_PER_YEAR

DELAYS = ("latency_p50", "latency_p90", "latency_p99")
"""The latencies that an energy-delay product is made of, the first that an option has."""


def statement(plan: Plan, option: Option) -> OptionCost:
    """Work out an option's statement; raises ConfigError where a currency has no rate.

    Each sum of a year is rounded to the cent, and totals are of the rounded ones, so that the
    columns of a table add up. Ratios are not rounded.
    """
    best = Best()
    common = common_inputs(plan, best)
    found = breakdown(plan, option, best, common)
    rate, years = common.discount_rate, tuple(map(_year, count(), found.flows))
    value = rounded(present_value(rate, [year.total for year in years]))
    total = sum((year.total for year in years), Decimal(0))
    inferences, horizon = found.inferences, plan.horizon_years
    order = found.fleet.units + found.fleet.spares
    life = Decimal(repr(option.life_years.value))
    fetched = order * found.fleet.unit_price * Decimal(repr(option.residual.value))
    capacity = int(found.fleet.units) * option.throughput_per_s.value * SECONDS_PER_YEAR
    levelled = value / annuity_factor(rate, horizon)
    net, gross = (_price(plan, option, order, counted=counted) for counted in (False, True))
    return OptionCost(
        option=option.id,
        units=int(found.fleet.units),
        spares=int(found.fleet.spares),
        hosts=int(found.fleet.hosts),
        unit_price=rounded(gross if plan.tax_counts else net),
        unit_price_net=rounded(net),
        unit_price_gross=rounded(gross),
        freight=rounded(found.freight),
        capital=years[0].capital,
        years=years,
        total_cost=total,
        present_value=value,
        capital_per_year=rounded(capital_per_year(years[0].capital, fetched, rate, life)),
        straight_line_per_year=rounded(straight_line(years[0].capital, fetched, life)),
        cost_per_million=levelled * MILLION / inferences,
        inferences_per_money=inferences / levelled if levelled else Decimal("Infinity"),
        inferences_per_year=inferences,
        energy_kwh_per_year=found.energy_kwh,
        energy_per_inference_j=float(found.energy_j),
        fleet_power_w=float(found.fleet_power_w),
        utilisation=float(inferences) / capacity,
        performance_per_watt=_over(1.0, option.energy_per_inference_j.value),
        performance_per_price=_over(option.throughput_per_s.value, found.fleet.unit_price),
        performance_per_total_cost=_over(float(inferences) * horizon, total),
        energy_delay_js=energy_delay(option),
        carbon_operational_g=None
        if plan.carbon_intensity is None
        else float(found.carbon_operational_g),
        carbon_embodied_g=None if option.embodied_kg is None else float(found.carbon_embodied_g),
    )


def energy_delay(option: Option) -> float | None:
    """Get energy times latency of an inference in J s, None without a latency."""
    delay = next((option.figures[name] for name in DELAYS if name in option.figures), None)
    return None if delay is None else option.energy_per_inference_j.value * delay.value


def _year(year: int, flow: Flow[Decimal]) -> YearCost:
    return YearCost(
        year=year,
        capital=rounded(flow.capital),
        engineering=rounded(flow.engineering),
        energy=rounded(flow.energy),
        operation=rounded(flow.operation),
        replacements=rounded(flow.replacements),
        residual=rounded(flow.residual),
    )


def _price(plan: Plan, option: Option, order: Decimal, *, counted: bool) -> Decimal:
    """Get the price of a unit of an order in the plan's currency, with tax or without."""
    steps = [
        (each.from_units, amount_in(plan, Best(), each.price, "price"))
        for each in option.offer.breaks
    ]
    return from_quantity(order, steps) * tax_factor(option.offer, counted=counted)


def _over(value: float, divisor: Decimal | float) -> float:
    """Get a ratio, infinite for what costs or takes nothing."""
    return value / float(divisor) if divisor else math.inf
