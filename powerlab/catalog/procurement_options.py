"""An option of a plan's file, and its run where it has one, as the cost model takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from powerlab.catalog.procurement_figures import amount, stated_amount, uncertain
from powerlab.catalog.procurement_measured import Measured
from powerlab.catalog.procurement_option_rules import named_figures, option_id
from powerlab.catalog.procurement_tables import Figure, Host, Option, Price, Procurement
from powerlab.records import Boundary, Component
from powerlab.records import Price as RunPrice
from powerlab.records import procurement as record
from powerlab.records.procurement import Amount, Basis, Offer, PriceBreak, Uncertain


def option_record(plan: Procurement, option: Option, run: Measured | None) -> record.Option:
    """Make an option of a file without problems; what a run measured goes before what is said."""
    currency, day = plan.currency or "", plan.date or ""
    name = option_id(option, run)
    throughput = (run and run.throughput_per_s) or _figure(option.throughput_per_s)
    paid = run.price if run else None
    return record.Option(
        id=name,
        name=option.name or (run.name if run else name),
        workload=run.workload if run else option.workload or plan.workload,
        boundary=_boundary(plan, option, run),
        energy_per_inference_j=(run and run.energy_per_inference_j) or _energy(name, option),
        power_idle_w=(run and run.power_idle_w) or _figure(option.idle_power_w),
        throughput_per_s=_shared(throughput, name) if option.active_power_w else throughput,
        offer=_offer(option.price, paid, currency, day),
        life_years=_life(plan, option, paid),
        figures=_figures(option, run),
        runs=(run.run,) if run else (),
        units_measured=_units_measured(option, run),
        valid=run.valid if run else True,
        findings=run.findings if run else (),
        host=_host(option.host, currency, day),
        supply_efficiency=uncertain(option.supply_efficiency),
        residual=uncertain(option.residual),
        failure_rate=uncertain(option.failure_rate_per_year),
        labour_h_per_failure=uncertain(option.labour_h_per_failure),
        labour_h_per_unit_year=uncertain(option.labour_h_per_unit_year),
        maintenance_per_unit_year=amount(option.maintenance_per_unit_year, currency, day),
        fee_per_million=amount(option.fee_per_million, currency, day),
        engineering=amount(option.engineering, currency, day),
        embodied_kg=None if option.embodied_kg is None else uncertain(option.embodied_kg),
    )


def _figure(figure: Figure | None) -> Uncertain:
    return Uncertain(0.0) if figure is None else uncertain(figure)


def _boundary(plan: Procurement, option: Option, run: Measured | None) -> Boundary:
    if run is not None:
        return run.boundary
    return option.boundary or plan.boundary or Boundary.WALL


def _units_measured(option: Option, run: Measured | None) -> int:
    if option.units_measured is not None:
        return option.units_measured
    return 1 if run else 0


def _energy(name: str, option: Option) -> Uncertain:
    """Get the declared energy per inference, stated or as active power over throughput.

    As a quotient it has two lines, that of the throughput moving with the throughput itself.
    """
    if option.active_power_w is None:
        return _figure(option.energy_per_inference_j)
    power, rate = uncertain(option.active_power_w), _figure(option.throughput_per_s)
    value = power.value / rate.value
    parts = (
        ("active power", power, power.u / rate.value, power.input or f"{name}/active_power", 1),
        ("throughput", rate, value * rate.u / rate.value, _throughput_input(rate, name), -1),
    )
    total = math.hypot(*(u for _, _, u, _, _ in parts))
    budget = tuple(
        Component(
            name=line,
            kind="B",
            u=u,
            distribution=figure.distribution,
            dof=figure.dof,
            share=(u / total) ** 2,
            source=figure.source,
            input=identity,
            sign=sign,
        )
        for line, figure, u, identity, sign in parts
        if u > 0
    )
    return Uncertain(value, total, source=power.source, budget=budget)


def _throughput_input(rate: Uncertain, name: str) -> str:
    return rate.input or f"{name}/throughput"


def _shared(rate: Uncertain, name: str) -> Uncertain:
    """Get a throughput that errs with the energy which is worked out from it."""
    return rate if rate.budget else replace(rate, input=_throughput_input(rate, name))


def _figures(option: Option, run: Measured | None) -> Mapping[str, Uncertain]:
    stated = {**named_figures(option), **option.figures}
    declared = {name: uncertain(figure) for name, figure in stated.items()}
    return {**declared, **(run.figures if run else {})}


def _life(plan: Procurement, option: Option, paid: RunPrice | None) -> Uncertain:
    """Get how long a unit serves: as stated, as its run has it, or for the horizon."""
    if option.life_years is not None:
        return uncertain(option.life_years)
    return Uncertain(paid.life_years if paid else float(plan.horizon_years or 0))


def _offer(price: Price | None, paid: RunPrice | None, currency: str, day: str) -> Offer:
    if price is None:
        return Offer(supplier="", sku="", breaks=(PriceBreak(1, _paid(paid)),) if paid else ())
    first = (1, price.unit or Decimal(0))
    more = ((each.from_units or 0, each.unit or Decimal(0)) for each in price.breaks)
    return Offer(
        supplier=price.supplier,
        sku=price.sku,
        breaks=tuple(
            PriceBreak(units, stated_amount(price, currency, day, each))
            for units, each in (first, *more)
        ),
        tax_rate=price.tax_rate,
        tax_included=price.tax_included,
        freight_per_unit=amount(price.freight_per_unit, currency, day),
        freight_per_order=amount(price.freight_per_order, currency, day),
        most_units=price.most_units,
        availability=price.availability,
        available_from=price.available_from or "",
        end_of_life=price.end_of_life or "",
        warranty_years=price.warranty_years,
    )


def _paid(paid: RunPrice) -> Amount:
    """Get the price that was kept with a run: the device's, of a list."""
    return Amount(paid.money, paid.u_relative, basis=Basis.LIST, source=paid.source)


def _host(host: Host | None, currency: str, day: str) -> record.Host | None:
    if host is None:
        return None
    return record.Host(
        accelerators=host.accelerators,
        price=stated_amount(host.price, currency, day),
        power_w=uncertain(host.power_w),
        embodied_kg=None if host.embodied_kg is None else uncertain(host.embodied_kg),
    )
