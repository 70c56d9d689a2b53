"""A plan's figures as the numbers that the model works with, in its currency and per unit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from powerlab.analysis.cost.money import conversion
from powerlab.analysis.cost.numbers import Number
from powerlab.analysis.cost.sources import Source
from powerlab.records.procurement import Amount, Offer, Option, Plan
from powerlab.units import SECONDS_PER_YEAR

HOURS_PER_YEAR = SECONDS_PER_YEAR / 3600
HOURS_PER_WEEK = 168

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Common(Generic[Number]):
    """What all options share.

    The load is ``hours_load``, the sum over a year's hours of inferences per second, and
    ``hours_tariff_load`` that of tariff times load, in money per kWh; ``hours_tariff`` is the
    sum of the tariff alone.
    """

    peak_per_s: Number
    hours_load: Number
    hours_tariff: Number
    hours_tariff_load: Number
    headroom: Number
    utilisation: Number
    discount_rate: Number
    pue: Number
    labour_rate: Number
    carbon_g_per_kwh: Number


@dataclass(frozen=True, slots=True)
class Inputs(Generic[Number]):
    """The figures of one option; prices with the tax that counts, 0 for what there is none of."""

    energy_j: Number
    idle_w: Number
    throughput_per_s: Number
    efficiency: Number
    life_years: Number
    residual: Number
    failure_rate: Number
    hours_per_failure: Number
    hours_per_unit_year: Number
    prices: tuple[tuple[int, Number], ...]
    freight_per_unit: Number
    freight_per_order: Number
    maintenance: Number
    fee_per_million: Number
    engineering: Number
    host_price: Number
    host_w: Number
    embodied_g: Number
    host_embodied_g: Number


def tax_factor(offer: Offer, *, counted: bool) -> Decimal:
    """Get what turns an offer's price into the one with tax (``counted``) or without."""
    with_tax = 1 + offer.tax_rate
    if counted:
        return Decimal(1) if offer.tax_included else with_tax
    return 1 / with_tax if offer.tax_included else Decimal(1)


def amount_in(
    plan: Plan, source: Source[Number], amount: Amount | None, name: str, option: str = ""
) -> Number:
    """Get an amount in the plan's currency, 0 for None; raises ConfigError without a rate.

    Its own error and that of the exchange rate are drawn apart; one rate errs for all.
    """
    if amount is None:
        return source.constant(0)
    value = source.constant(amount.money.amount) * source.factor(
        amount.u_relative, amount.distribution, name, option, identity=amount.input
    )
    exchange = exchange_factor(plan, source, amount.money.currency, option)
    return value * exchange


def exchange_factor(plan: Plan, source: Source[Number], currency: str, option: str = "") -> Number:
    """Get what a currency is worth in the plan's, by its latest dated rate."""
    found = conversion(plan.rates, currency, plan.currency, plan.date)
    if found.rate is None:
        return source.constant(1)
    rate = found.rate
    drawn = source.factor(
        rate.u_relative,
        rate.distribution,
        "exchange_rate",
        option,
        identity=f"rate/{rate.base}/{rate.target}",
    )
    factor = source.constant(found.factor)
    return factor / drawn if found.inverse else factor * drawn


def common_inputs(plan: Plan, source: Source[Number]) -> Common[Number]:
    """Get what all options share; profiles of a day and of a week are joined to a week."""
    load = [Decimal(repr(value)) for value in _week(plan.load.hourly_per_s)]
    tariff = _week(plan.tariff.hourly_per_kwh)
    hours = Decimal(repr(HOURS_PER_YEAR)) / HOURS_PER_WEEK
    own = plan.load
    moved = source.scale("load") * source.factor(
        own.u_relative, own.distribution, "load", identity="load"
    )
    asked = plan.tariff
    price = source.scale("tariff") * source.factor(
        asked.u_relative, asked.distribution, "tariff", identity="tariff"
    )
    price = price * exchange_factor(plan, source, asked.currency)
    both = sum((a * b for a, b in zip(load, tariff, strict=True)), Decimal(0))
    intensity = plan.carbon_intensity
    return Common(
        peak_per_s=source.constant(peak_load(plan)) * moved,
        hours_load=source.constant(sum(load, Decimal(0)) * hours) * moved,
        hours_tariff=source.constant(sum(tariff, Decimal(0)) * hours) * price,
        hours_tariff_load=source.constant(both * hours) * price * moved,
        headroom=source.figure(plan.fleet.headroom, "headroom"),
        utilisation=source.figure(plan.fleet.utilisation, "utilisation"),
        discount_rate=source.figure(plan.discount_rate, "discount_rate"),
        pue=source.figure(plan.pue, "pue"),
        labour_rate=amount_in(plan, source, plan.labour_rate, "labour_rate"),
        carbon_g_per_kwh=source.constant(0)
        if intensity is None
        else source.figure(intensity, "carbon_intensity"),
    )


def peak_load(plan: Plan) -> float:
    """Get the load to be carried, in inferences per second."""
    stated = plan.load.peak_per_s
    return max(plan.load.hourly_per_s) if stated is None else stated


def _week(hourly: tuple[T, ...]) -> tuple[T, ...]:
    """Get 168 values from the 24 of a day or the 168 of a week."""
    return hourly * (HOURS_PER_WEEK // len(hourly))


def option_inputs(plan: Plan, option: Option, source: Source[Number]) -> Inputs[Number]:
    """Get the numbers of one option; raises ConfigError where a price cannot be converted."""
    name = option.id

    def money(amount: Amount | None, what: str) -> Number:
        return amount_in(plan, source, amount, what, name)

    host = option.host
    tax = source.constant(tax_factor(option.offer, counted=plan.tax_counts))
    moved = tax * source.scale(f"price/{name}")
    zero = source.constant(0)
    embodied, host_embodied = option.embodied_kg, host.embodied_kg if host else None
    # An input of both is labelled by the first: throughput decides how many units there are.
    throughput_per_s = source.figure(option.throughput_per_s, "throughput", name)
    return Inputs(
        energy_j=source.figure(option.energy_per_inference_j, "energy_per_inference", name),
        idle_w=source.figure(option.power_idle_w, "power_idle", name),
        throughput_per_s=throughput_per_s,
        efficiency=source.figure(option.supply_efficiency, "supply_efficiency", name),
        life_years=source.figure(option.life_years, "life", name),
        residual=source.figure(option.residual, "residual", name),
        failure_rate=source.figure(option.failure_rate, "failure_rate", name),
        hours_per_failure=source.figure(option.labour_h_per_failure, "labour_failure", name),
        hours_per_unit_year=source.figure(option.labour_h_per_unit_year, "labour_unit", name),
        prices=tuple(
            (each.from_units, money(each.price, "price") * moved) for each in option.offer.breaks
        ),
        freight_per_unit=money(option.offer.freight_per_unit, "freight"),
        freight_per_order=money(option.offer.freight_per_order, "freight_order"),
        maintenance=money(option.maintenance_per_unit_year, "maintenance"),
        fee_per_million=money(option.fee_per_million, "fee"),
        engineering=money(option.engineering, "engineering"),
        host_price=money(host.price, "host_price") if host else zero,
        host_w=source.figure(host.power_w, "host_power", name) if host else zero,
        embodied_g=1000 * source.figure(embodied, "embodied", name) if embodied else zero,
        host_embodied_g=1000 * source.figure(host_embodied, "host_embodied", name)
        if host_embodied
        else zero,
    )
