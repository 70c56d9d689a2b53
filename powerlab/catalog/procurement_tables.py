"""What stands in a ``procurement.toml``: its tables and keys, units in their names.

Whatever must be there has a default here nevertheless, so that one mistake does not hide
another: ``procurement_rules`` says what is missing. Figures are a number or a table, amounts
of money a text or a table, see ``SHORT``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from powerlab.catalog.facts import Currency, Identifier, IsoDate, Model, NonNegative, Positive
from powerlab.records.procurement import Basis, GuardRule
from powerlab.terms import Boundary, Distribution

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9]+([-_.][a-z0-9]+)*$")]


class Short(Model):
    """A table that may be written as the one value under its key ``SHORT``."""

    SHORT: ClassVar[str]


class Figure(Short):
    """A figure and how far it may be from the truth, in the unit of its key.

    ``u`` is the standard uncertainty, ``u_relative`` that as a fraction of the value; with
    ``dof`` a normal distribution becomes Student's t. ``low`` and ``high`` instead of a value
    bound it, all between being equally likely. Figures of one ``input`` err together.
    """

    SHORT: ClassVar[str] = "value"

    value: float | None = None
    u: NonNegative | None = None
    u_relative: NonNegative | None = None
    low: float | None = None
    high: float | None = None
    distribution: Distribution = Distribution.NORMAL
    dof: Positive | None = None
    input: str = ""
    source: str = ""


class Money(Short):
    """An amount of money; without a currency or a date those of the plan.

    ``u_relative`` is a fraction; without it ``basis`` decides. Amounts of one ``quote`` err
    together.
    """

    SHORT: ClassVar[str] = "amount"

    amount: Decimal | None = None
    currency: Currency | None = None
    date: IsoDate | None = None
    basis: Basis = Basis.ESTIMATE
    u_relative: Fraction | None = None
    quote: str = ""
    source: str = ""


class Break(Model):
    """The price of one unit where at least ``from_units`` are bought at once."""

    from_units: Annotated[int, Field(ge=2)] | None = None
    unit: Decimal | None = None


class Price(Short):
    """What a supplier asks for one unit, and on what terms."""

    SHORT: ClassVar[str] = "unit"

    unit: Decimal | None = None
    currency: Currency | None = None
    date: IsoDate | None = None
    basis: Basis = Basis.ESTIMATE
    u_relative: Fraction | None = None
    quote: str = ""
    source: str = ""
    supplier: str = ""
    sku: str = ""
    breaks: tuple[Break, ...] = ()
    tax_rate: Annotated[Decimal, Field(ge=0, le=1)] = Decimal(0)
    tax_included: bool = False
    freight_per_unit: Money | None = None
    freight_per_order: Money | None = None
    most_units: Annotated[int, Field(ge=1)] | None = None
    availability: str = ""
    available_from: IsoDate | None = None
    end_of_life: IsoDate | None = None
    warranty_years: NonNegative = 0.0


class Host(Model):
    """What accelerators are plugged into, where price and measurement leave it out."""

    accelerators: Annotated[int, Field(ge=1)] = 1
    price: Money = Money(amount=Decimal(0))
    power_w: Figure = Figure(value=0.0)
    embodied_kg: Figure | None = None


class Option(Model):
    """One thing that can be bought: a run of it, or figures declared for it.

    ``run`` names the stored run that measured it; without it ``device`` (the option's id where
    not given) tells which of the runs on the command line is its own.
    """

    id: Id | None = None
    name: str = ""
    device: Identifier | None = None
    run: str = ""
    workload: str = ""
    boundary: Boundary | None = None
    units_measured: Count | None = None
    energy_per_inference_j: Figure | None = None
    active_power_w: Figure | None = None
    idle_power_w: Figure | None = None
    throughput_per_s: Figure | None = None
    latency_p50_s: Figure | None = None
    latency_p90_s: Figure | None = None
    latency_p99_s: Figure | None = None
    accuracy: Figure | None = None
    figures: dict[str, Figure] = Field(default_factory=dict)
    price: Price | None = None
    life_years: Figure | None = None
    host: Host | None = None
    supply_efficiency: Figure = Figure(value=1.0)
    residual: Figure = Figure(value=0.0)
    failure_rate_per_year: Figure = Figure(value=0.0)
    labour_h_per_failure: Figure = Figure(value=0.0)
    labour_h_per_unit_year: Figure = Figure(value=0.0)
    maintenance_per_unit_year: Money | None = None
    fee_per_million: Money | None = None
    engineering: Money | None = None
    embodied_kg: Figure | None = None


class Hourly(Model):
    """A value for each hour: one for all, a list of 24 or 168, or a table of ranges.

    Ranges are ``"07-22" = 5.0`` and ``other`` for the hours that none names. ``weekdays`` and
    ``weekend`` hold such a table each, Monday to Friday and Saturday with Sunday.
    """

    each: tuple[Decimal, ...] | None = None
    ranges: dict[str, Decimal] = Field(default_factory=dict)
    weekdays: dict[str, Decimal] = Field(default_factory=dict)
    weekend: dict[str, Decimal] = Field(default_factory=dict)


class Load(Model):
    """Inferences per second by hour, as means; ``peak_per_s`` is the most to be carried."""

    per_s: Hourly | None = None
    peak_per_s: Positive | None = None
    u_relative: Fraction = 0.0
    distribution: Distribution = Distribution.NORMAL
    source: str = ""


class Tariff(Model):
    """The price of a kilowatt hour by hour of use."""

    per_kwh: Hourly | None = None
    currency: Currency | None = None
    date: IsoDate | None = None
    u_relative: Fraction = 0.0
    distribution: Distribution = Distribution.RECTANGULAR
    source: str = ""


class Rate(Model):
    """``rate`` units of ``to`` for one of ``from`` on a date."""

    base: Currency | None = Field(None, alias="from")
    target: Currency | None = Field(None, alias="to")
    rate: Decimal | None = None
    date: IsoDate | None = None
    u_relative: Fraction = 0.0
    distribution: Distribution = Distribution.NORMAL
    source: str = ""


class Limit(Model):
    """A requirement: a quantity that is to be ``at_least`` or ``at_most`` a limit."""

    quantity: str = ""
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""


class Rule(Model):
    """How the answer is decided, agreed before it is known."""

    guard_band: GuardRule = GuardRule.EXPANDED
    guard_probability: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Fleet(Model):
    """How many units a load takes."""

    headroom: Figure = Figure(value=1.0)
    utilisation: Figure = Figure(value=1.0)
    spare_units: Count = 0
    availability: Annotated[float, Field(gt=0, lt=1)] | None = None
    repair_days: NonNegative = 0.0
    most_units: Annotated[int, Field(ge=1)] | None = None


class Procurement(Model):
    """A ``procurement.toml``: the question of a procurement, declared before its answer."""

    schema_version: Literal[1] | None = Field(None, alias="schema")
    title: str = ""
    purpose: str = ""
    requester: str = ""
    report_number: str = ""
    date: IsoDate | None = None
    valid_until: IsoDate | None = None
    needed_by: IsoDate | None = None
    currency: Currency | None = None
    horizon_years: Annotated[int, Field(ge=1, le=30)] | None = None
    discount_rate: Figure = Figure(value=0.0)
    real: bool = False
    tax_counts: bool = False
    pue: Figure = Figure(value=1.0)
    labour_per_h: Money | None = None
    carbon_g_per_kwh: Figure | None = None
    workload: str = ""
    boundary: Boundary | None = None
    equivalent_workloads: tuple[tuple[str, ...], ...] = ()
    assumptions: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    load: Load | None = None
    tariff: Tariff | None = None
    fleet: Fleet = Fleet()
    rule: Rule = Rule()
    requirement: tuple[Limit, ...] = ()
    rate: tuple[Rate, ...] = ()
    option: tuple[Option, ...] = ()
