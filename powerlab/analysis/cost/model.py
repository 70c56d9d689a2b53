"""What an option costs: fleet, energy, operation, replacements, by year (method section 5.1).

Every formula is written once, for Decimal and for arrays of draws alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from powerlab.analysis.cost.capital import annuity_factor, present_value
from powerlab.analysis.cost.fleet import hosts, running_units, spare_units
from powerlab.analysis.cost.inputs import HOURS_PER_YEAR, Common, Inputs, option_inputs
from powerlab.analysis.cost.numbers import Number, ceiling, floor, from_quantity
from powerlab.analysis.cost.sources import Source
from powerlab.records.procurement import Option, Plan

JOULES_PER_KWH = 3_600_000
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Flow(Generic[Number]):
    """What one year takes, and the ``residual`` that it gives back."""

    capital: Number
    engineering: Number
    energy: Number
    operation: Number
    replacements: Number
    residual: Number

    @property
    def total(self) -> Number:
        """Get the net outflow."""
        spent = self.capital + self.engineering + self.energy + self.operation + self.replacements
        return spent - self.residual


@dataclass(frozen=True, slots=True)
class Fleet(Generic[Number]):
    """What is bought at once: running units, spares, hosts, and the price of a unit."""

    units: Number
    spares: Number
    hosts: Number
    unit_price: Number


@dataclass(frozen=True, slots=True)
class Breakdown(Generic[Number]):
    """An option's cost of its ``own`` inputs: ``flows`` by year from 0, and what follows from them.

    ``energy_kwh`` and ``inferences`` are per year, ``energy_j`` per inference at the mains with
    all overheads, ``fleet_power_w`` at the mains at peak, carbon in grams per inference.
    ``variable`` is what a year's inferences add to its cost while the fleet stays as it is.
    """

    own: Inputs[Number]
    fleet: Fleet[Number]
    freight: Number
    flows: tuple[Flow[Number], ...]
    inferences: Number
    energy_kwh: Number
    energy_j: Number
    fleet_power_w: Number
    present_value: Number
    cost_per_million: Number
    variable: Number
    carbon_operational_g: Number
    carbon_embodied_g: Number

    @property
    def capital(self) -> Number:
        """Get what year 0 takes but engineering."""
        return self.flows[0].capital


def breakdown(
    plan: Plan, option: Option, source: Source[Number], common: Common[Number]
) -> Breakdown[Number]:
    """Work out what an option costs over the plan's horizon.

    The levelled cost is the present value over that of the inferences, which are the same
    every year: ``PV CRF(i, n) / (inferences a year)``. Raises ConfigError where an amount has
    no exchange rate.
    """
    own = option_inputs(plan, option, source)
    fleet = _fleet(plan, option, source, common, own)
    order = fleet.units + fleet.spares
    # What runs without work draws idle power all the time; work adds to it.
    always_w = fleet.units * own.idle_w + fleet.hosts * own.host_w
    added_j = own.energy_j - own.idle_w / own.throughput_per_s
    overhead = common.pue / own.efficiency
    hours = source.constant(HOURS_PER_YEAR)
    kwh = (common.hours_load * added_j + hours * always_w) * overhead / 1000
    working = common.hours_tariff_load * added_j * overhead / 1000
    energy = working + common.hours_tariff * always_w * overhead / 1000
    fees = own.fee_per_million * common.hours_load * 3600 / MILLION
    inferences = common.hours_load * 3600
    flows = _flows(plan, option, source, common, own, fleet, energy, fees)
    value = present_value(common.discount_rate, [flow.total for flow in flows])
    years = annuity_factor(common.discount_rate, plan.horizon_years)
    embodied = order * own.embodied_g + fleet.hosts * own.host_embodied_g
    return Breakdown(
        own=own,
        fleet=fleet,
        freight=order * own.freight_per_unit + own.freight_per_order,
        flows=flows,
        inferences=inferences,
        energy_kwh=kwh,
        energy_j=kwh * JOULES_PER_KWH / inferences,
        fleet_power_w=(common.peak_per_s * added_j + always_w) * overhead,
        present_value=value,
        cost_per_million=value * MILLION / years / inferences,
        variable=working + fees,
        carbon_operational_g=kwh * common.carbon_g_per_kwh / inferences,
        carbon_embodied_g=embodied_share(embodied, source.constant(1), own.life_years) / inferences,
    )


def _fleet(
    plan: Plan, option: Option, source: Source[Number], common: Common[Number], own: Inputs[Number]
) -> Fleet[Number]:
    units = running_units(
        common.peak_per_s, common.headroom, own.throughput_per_s, common.utilisation
    )
    spares = spare_units(units, plan.fleet, option.failure_rate.value)
    zero = source.constant(0)
    return Fleet(
        units=units,
        spares=spares,
        hosts=hosts(units, option.host.accelerators) if option.host else zero,
        unit_price=from_quantity(units + spares, own.prices),
    )


def embodied_share(embodied_g: Number, reserved: Number, life: Number) -> Number:
    """Get the embodied carbon of a time in use: ``TE * reserved / life`` (SCI specification)."""
    return embodied_g * reserved / life


def _flows(  # noqa: PLR0917  the parts of one sum
    plan: Plan,
    option: Option,
    source: Source[Number],
    common: Common[Number],
    own: Inputs[Number],
    fleet: Fleet[Number],
    energy: Number,
    fees: Number,
) -> tuple[Flow[Number], ...]:
    """Get what years 0 to the horizon take.

    Running units, and their hosts, are replaced at the end of each life that ends before the
    horizon; a failed unit is bought anew unless it is in the warranty of the first purchase.
    """
    zero, delivered = source.constant(0), fleet.unit_price + own.freight_per_unit
    purchase = fleet.units * delivered + own.freight_per_order + fleet.hosts * own.host_price
    failures = fleet.units * own.failure_rate
    labour = failures * own.hours_per_failure + fleet.units * own.hours_per_unit_year
    operation = labour * common.labour_rate + fleet.units * own.maintenance + fees
    fetched = fleet.unit_price * own.residual
    flows = [Flow(purchase + fleet.spares * delivered, own.engineering, zero, zero, zero, zero)]
    for year in range(1, plan.horizon_years + 1):
        ended = _lives_ended(plan.horizon_years, year, own.life_years)
        covered = min(max(option.offer.warranty_years - (year - 1), 0.0), 1.0)
        bought = failures * delivered * source.constant(1 - covered)
        back = ended * fleet.units * fetched
        if year == plan.horizon_years:
            back = back + (fleet.units + fleet.spares) * fetched
        flows.append(Flow(zero, zero, energy, operation, bought + ended * purchase, back))
    return tuple(flows)


def _lives_ended(horizon: int, year: int, life: Number) -> Number:
    """Count the lives that end after the year before and by the end of this one.

    One that ends at the horizon needs no successor.
    """
    before = floor((year - 1) / life)
    ended = floor(year / life) if year < horizon else ceiling(horizon / life) - 1
    return ended - before
