"""The question of a procurement, declared before its answer: options, limits, load, prices.

Money is Decimal with ISO 4217 code and date; what is not known exactly has its standard
uncertainty, a distribution, and the name of what in the world errs. Figures that name the same
``input`` err together: options on one meter, prices of one quote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from powerlab.records.result import Component
from powerlab.terms import Boundary, Distribution, Evidence
from powerlab.units import Money


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A figure with its standard uncertainty ``u`` in its own unit, and where it comes from.

    ``budget`` holds the lines of a measured quantity, which then replace ``u``,
    ``distribution``, ``dof`` and ``input`` when it is drawn. ``input`` "" is a figure that
    errs alone. ``source`` is a run's identifier, a document, or who declares it.
    """

    value: float
    u: float = 0.0
    distribution: Distribution = Distribution.NORMAL
    dof: float | None = None
    input: str = ""
    evidence: Evidence = Evidence.DECLARED
    source: str = ""
    budget: tuple[Component, ...] = ()


class Basis(StrEnum):
    """What a price rests on: a binding quote, a price list, an invoice of the past, a guess."""

    QUOTE = "quote"
    LIST = "list"
    HISTORICAL = "historical"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class Amount:
    """Money that is not known exactly: ``u_relative`` is its standard uncertainty, a fraction.

    Amounts of one ``input``, as of one quote, err alike.
    """

    money: Money
    u_relative: float = 0.0
    distribution: Distribution = Distribution.RECTANGULAR
    input: str = ""
    basis: Basis = Basis.ESTIMATE
    source: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """``rate`` units of ``target`` for one of ``base`` on a date; ``u_relative`` a fraction."""

    base: str
    target: str
    rate: Decimal
    date: str
    u_relative: float = 0.0
    distribution: Distribution = Distribution.NORMAL
    source: str = ""


@dataclass(frozen=True, slots=True)
class PriceBreak:
    """The price of one unit where at least ``from_units`` are bought at once."""

    from_units: int
    price: Amount


@dataclass(frozen=True, slots=True)
class Offer:
    """What a supplier asks for a unit, and on what terms.

    ``breaks`` rise in ``from_units``, the first is 1. ``tax_rate`` is the fraction added to a
    net price, ``tax_included`` where the breaks hold it already. Freight is as paid, None where
    the price includes it. ``most_units`` can be had at all, None without limit.
    ``available_from`` and ``end_of_life`` are ISO dates, "" where not known.
    """

    supplier: str
    sku: str
    breaks: tuple[PriceBreak, ...]
    tax_rate: Decimal = Decimal(0)
    tax_included: bool = False
    freight_per_unit: Amount | None = None
    freight_per_order: Amount | None = None
    most_units: int | None = None
    availability: str = ""
    available_from: str = ""
    end_of_life: str = ""
    warranty_years: float = 0.0


@dataclass(frozen=True, slots=True)
class Host:
    """What accelerators are plugged into, where the offer and the measurement leave it out.

    One host carries ``accelerators`` units; ``power_w`` is its own draw, always on.
    """

    accelerators: int
    price: Amount
    power_w: Uncertain
    embodied_kg: Uncertain | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that can be bought. A unit is what is measured and what is priced.

    ``energy_per_inference_j`` is gross, while active, so that active power is its product with
    ``throughput_per_s``; ``power_idle_w`` is the unit's draw without work. ``figures`` are
    further ones by the names of results (``latency_p99`` in s, ``accuracy`` as a fraction) or
    of the plan (``width_mm``). ``workload`` says what was run; options compare only where it
    is the same. ``supply_efficiency`` is that of the supply between the boundary and the mains,
    1 at the wall. ``residual`` is what a unit fetches at the end of its use, a fraction of its
    price. ``failure_rate`` is per unit and year. ``fee_per_million`` inferences is as of a
    service or a licence. ``valid`` is False where blocking ``findings`` stand against it.
    """

    id: str
    name: str
    workload: str
    boundary: Boundary
    energy_per_inference_j: Uncertain
    power_idle_w: Uncertain
    throughput_per_s: Uncertain
    offer: Offer
    life_years: Uncertain
    figures: Mapping[str, Uncertain] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    units_measured: int = 0
    valid: bool = True
    findings: tuple[str, ...] = ()
    host: Host | None = None
    supply_efficiency: Uncertain = Uncertain(1.0)
    residual: Uncertain = Uncertain(0.0)
    failure_rate: Uncertain = Uncertain(0.0)
    labour_h_per_failure: Uncertain = Uncertain(0.0)
    labour_h_per_unit_year: Uncertain = Uncertain(0.0)
    maintenance_per_unit_year: Amount | None = None
    fee_per_million: Amount | None = None
    engineering: Amount | None = None
    embodied_kg: Uncertain | None = None

    @property
    def performance(self) -> tuple[Uncertain, ...]:
        """Get the figures of which the cost is made and that a measurement can settle."""
        return self.energy_per_inference_j, self.power_idle_w, self.throughput_per_s

    @property
    def evidence(self) -> Evidence:
        """Get the weakest evidence among the performance figures: emulated, then declared."""
        kinds = {figure.evidence for figure in self.performance}
        order = (Evidence.EMULATED, Evidence.DECLARED, Evidence.IMPORTED)
        return next((kind for kind in order if kind in kinds), Evidence.MEASURED)


class Sense(StrEnum):
    """On which side of its limit a value conforms."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A limit that an option must meet.

    ``quantity`` is ``throughput`` (1/s, one unit), ``power_active`` (W, one unit at the
    boundary), ``energy_per_inference`` (J), ``fleet_power`` (W at the mains at peak, with
    PUE), ``unit_price``, ``capital`` and ``total_cost`` (the plan's currency; total over the
    horizon at present value), ``carbon_per_inference`` (g), or a name in ``Option.figures``.
    """

    quantity: str
    sense: Sense
    limit: float
    unit: str = ""


class GuardRule(StrEnum):
    """The width of the guard band at a limit: none, U at 95 %, or for a stated probability."""

    NONE = "none"
    EXPANDED = "expanded"
    PROBABILITY = "probability"


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """How the answer is decided, agreed before it is known.

    ``guard_probability`` is that of a correct pass with ``GuardRule.PROBABILITY``. An option is
    tied with the leader where it is cheaper than it with more than ``1 - confidence``.
    """

    guard_band: GuardRule = GuardRule.EXPANDED
    guard_probability: float = 0.95
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Load:
    """Inferences per second by hour: 24 values from midnight, or 168 from Monday's.

    Means over the hour; ``peak_per_s`` is the highest load to be carried, None for the highest
    hour's. The whole profile errs by one factor.
    """

    hourly_per_s: tuple[float, ...]
    peak_per_s: float | None = None
    u_relative: float = 0.0
    distribution: Distribution = Distribution.NORMAL
    source: str = ""


@dataclass(frozen=True, slots=True)
class Tariff:
    """The price of a kilowatt hour by hour, 24 or 168 values; all err by one factor."""

    hourly_per_kwh: tuple[Decimal, ...]
    currency: str
    date: str
    u_relative: float = 0.0
    distribution: Distribution = Distribution.RECTANGULAR
    source: str = ""


@dataclass(frozen=True, slots=True)
class FleetRule:
    """How many units a load takes: ``ceil(peak * headroom / (throughput * utilisation))``.

    ``utilisation`` is the greatest part of a unit's throughput planned with. Unpowered spares are
    ``spare_units`` or, with an ``availability``, as many as keep the fleet whole with that
    probability, a failed unit being away for ``repair_days``, whichever is more. ``most_units``
    is what there is room for, None without limit.
    """

    headroom: Uncertain = Uncertain(1.0)
    utilisation: Uncertain = Uncertain(1.0)
    spare_units: int = 0
    availability: float | None = None
    repair_days: float = 0.0
    most_units: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A procurement as declared: everything that decides, before anything is decided.

    ``sha256`` is the hexadecimal hash of the plan's file and seeds every random draw. ``date`` is
    the day of the question; no exchange rate after it counts. ``currency`` is that of the answer.
    ``discount_rate`` is a fraction per year, nominal unless ``real``. ``tax_counts`` where the
    buyer cannot reclaim tax. ``equivalent`` are groups of workloads declared to do the same job.
    ``carbon_intensity`` is in g/kWh, None where not asked for, ``labour_rate`` per hour.
    """

    sha256: str
    title: str
    date: str
    currency: str
    options: tuple[Option, ...]
    load: Load
    tariff: Tariff
    horizon_years: int
    requirements: tuple[Requirement, ...] = ()
    rule: DecisionRule = DecisionRule()
    fleet: FleetRule = FleetRule()
    discount_rate: Uncertain = Uncertain(0.0)
    real: bool = False
    pue: Uncertain = Uncertain(1.0)
    labour_rate: Amount | None = None
    rates: tuple[ExchangeRate, ...] = ()
    tax_counts: bool = False
    carbon_intensity: Uncertain | None = None
    equivalent: tuple[frozenset[str], ...] = ()
    requester: str = ""
    report_number: str = ""
    valid_until: str = ""
    needed_by: str = ""
    purpose: str = ""
    assumptions: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()

    def option(self, option_id: str) -> Option:
        """Get an option by its identifier; raises KeyError if there is none."""
        return {each.id: each for each in self.options}[option_id]
