"""The answer to a procurement: what each option costs, how they stand, what is recommended.

Money is in the plan's currency. Statement figures are Decimal, worked out from the best
estimates; a ``Spread`` is what the random draws say of the same figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from powerlab.findings import Finding
from powerlab.records.procurement import Requirement


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure drawn at random: best estimate, standard deviation, central 95 % interval.

    ``value`` is that of the best estimates, which need not be the mean of the draws.
    """

    value: float
    u: float
    low: float
    high: float

    @property
    def expanded(self) -> float:
        """Get the half-width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class YearCost:
    """What is paid in one year, year 0 being the purchase; ``residual`` is got back (>= 0)."""

    year: int
    capital: Decimal
    engineering: Decimal
    energy: Decimal
    operation: Decimal
    replacements: Decimal
    residual: Decimal

    @property
    def total(self) -> Decimal:
        """Get the net outflow of the year."""
        spent = self.capital + self.engineering + self.energy + self.operation + self.replacements
        return spent - self.residual


@dataclass(frozen=True, slots=True)
class OptionCost:
    """What one option takes and gives over the horizon, by the best estimates.

    ``units`` run, ``spares`` lie on the shelf. ``unit_price`` is what counts (with tax where
    the plan counts it), beside ``unit_price_net`` and ``unit_price_gross``; ``freight`` is the
    whole order's. ``capital`` holds all that year 0 takes but engineering. ``total_cost`` is
    the plain sum of the years, ``present_value`` the discounted one, which decides.
    ``capital_per_year`` is by capital recovery factor, ``straight_line_per_year`` without
    interest. ``cost_per_million`` and ``inferences_per_money`` are of the present value
    levelled over the years. ``energy_per_inference_j`` is at the mains, idle time, supply, hosts
    and PUE within it; ``energy_delay_js`` is of the unit alone, None without a latency.
    ``performance_per_watt`` (1/J) is of the unit, at the boundary; ``performance_per_price``
    is its throughput over its price (1/s per unit of money); ``performance_per_total_cost``
    the load's inferences over the total cost. ``utilisation`` is the mean load over the
    fleet's throughput. Carbon is in grams per inference, None where it cannot be said.
    """

    option: str
    units: int
    spares: int
    hosts: int
    unit_price: Decimal
    unit_price_net: Decimal
    unit_price_gross: Decimal
    freight: Decimal
    capital: Decimal
    years: tuple[YearCost, ...]
    total_cost: Decimal
    present_value: Decimal
    capital_per_year: Decimal
    straight_line_per_year: Decimal
    cost_per_million: Decimal
    inferences_per_money: Decimal
    inferences_per_year: Decimal
    energy_kwh_per_year: Decimal
    energy_per_inference_j: float
    fleet_power_w: float
    utilisation: float
    performance_per_watt: float
    performance_per_price: float
    performance_per_total_cost: float
    energy_delay_js: float | None
    carbon_operational_g: float | None
    carbon_embodied_g: float | None


class Conforms(StrEnum):
    """A statement on a requirement, guard band included."""

    MEETS = "meets"
    FAILS = "does not meet"
    UNDECIDED = "cannot be said"


@dataclass(frozen=True, slots=True)
class Conformity:
    """How one option stands to one requirement.

    ``probability`` is that the option conforms; ``guard_band`` the width in the quantity's
    unit. ``value`` is None where the option has no such figure, which cannot be said.
    """

    option: str
    requirement: Requirement
    conforms: Conforms
    value: Spread | None
    guard_band: float
    probability: float


class Bar(StrEnum):
    """Why an option cannot be recommended."""

    NOT_VALID = "measurement not valid"
    EMULATED = "emulated"
    NO_CAPACITY = "cannot carry the load"
    REQUIREMENT = "does not meet a requirement"
    REQUIREMENT_OPEN = "meeting a requirement cannot be said"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one option stands among those that may win.

    ``bars`` is empty for an option that may win; one that may not has NaN in ``cheapest``,
    ``regret`` and ``mean_rank``. ``cheapest`` is the probability of the lowest present value,
    ``regret`` the expected excess over the cheapest, ``tied`` that it cannot be told from the
    leader. ``front`` is the probability of being on the Pareto front of cost, energy, latency
    and accuracy, as far as all options have them. ``chances`` are the probabilities of the
    number of running units that the load takes, the likeliest first, and ``units_enough`` the
    number that suffices with the rule's confidence. ``spreads`` are by the names that
    requirements use, and ``cost_per_million``, ``energy_at_mains`` (J per inference),
    ``performance_per_watt``, ``performance_per_price`` and all of ``Option.figures``.
    """

    option: str
    bars: tuple[Bar, ...]
    cheapest: float
    regret: float
    mean_rank: float
    tied: bool
    front: float
    units_enough: int
    chances: tuple[tuple[int, float], ...]
    spreads: Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class VarianceShare:
    """The part of a variance that one input explains alone, to first order.

    ``input`` is its identity, ``label`` the stated figure that it enters, or ``figure/line`` for
    a line of that figure's budget, ``option`` whose it is, "" for what several share.
    """

    input: str
    label: str
    option: str
    share: float


@dataclass(frozen=True, slots=True)
class TornadoBar:
    """A present value with one input at its 5 % and at its 95 % point, all else unmoved."""

    input: str
    label: str
    at_low: float
    at_high: float


@dataclass(frozen=True, slots=True)
class Flip:
    """A value at which the cheaper or cheapest option changes.

    Of a ``quantity`` that rises through ``at``, ``below`` is the choice before and ``above``
    after it; ``factor`` is ``at`` over today's value. ``at_step`` tells that a fleet grows by
    one unit there: at the value itself ``below`` still holds. ``option`` names whose price is
    meant, "" for load and tariff.
    """

    quantity: str
    option: str
    at: float
    factor: float
    below: str
    above: str
    at_step: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A statement on two options: ``saving`` is the present value of second less first.

    ``probability`` is that the first is the cheaper, never below 0.5 by the order of the two;
    ``sure`` that it holds beside all other such statements of the answer (Holm).
    ``npv`` is the saving in statement figures, ``payback_years`` the time in which the first's
    greater outlay returns, 0 where it has none, None where it never does.
    ``break_even_per_year`` is the number of inferences a year that makes both cost the same with
    today's fleets, None where none does that these can carry; ``loads_per_s`` lists every load
    that changes the cheaper of the two, fleet steps included, up to a hundred times the plan's.
    ``shares`` are those of the saving's variance.
    """

    first: str
    second: str
    saving: Spread
    probability: float
    sure: bool
    npv: Decimal
    payback_years: float | None
    break_even_per_year: float | None
    loads_per_s: tuple[Flip, ...]
    shares: tuple[VarianceShare, ...]


@dataclass(frozen=True, slots=True)
class Settling:
    """The figure of an option whose measurement would settle most of a difference."""

    option: str
    figure: str
    share: float


class Outcome(StrEnum):
    """What can be said."""

    RECOMMENDED = "recommended"
    TIED = "tied"
    NONE_MAY_WIN = "no option may win"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. ``recommended`` is None unless the outcome is RECOMMENDED or TIED.

    With TIED, ``recommended`` is the leader and ``tied`` lists all that cannot be told from it,
    the leader first. ``probability`` is that the recommended option is the cheapest of those
    that may win, ``runner_up`` the next of them and ``saving`` the present value saved against
    it; None where one option alone may win. ``declared`` lists which of the two rest on
    declared figures; ``settling`` names the figure whose measurement would settle it, or with
    TIED the one that weighs most.
    ``flips`` are the nearest changes of load, tariff and prices. ``costs``,
    ``standings``, ``tornado`` and ``shares`` are by option in the plan's order.
    """

    plan_sha256: str
    currency: str
    draws: int
    outcome: Outcome
    recommended: str | None
    units: int
    spares: int
    probability: float
    tied: tuple[str, ...]
    runner_up: str | None
    saving: Spread | None
    declared: tuple[str, ...]
    settling: Settling | None
    flips: tuple[Flip, ...]
    load_winners: tuple[Flip, ...]
    costs: Mapping[str, OptionCost]
    standings: Mapping[str, Standing]
    pairs: tuple[Pair, ...]
    conformities: tuple[Conformity, ...]
    shares: Mapping[str, tuple[VarianceShare, ...]]
    tornado: Mapping[str, tuple[TornadoBar, ...]]
    findings: tuple[Finding, ...]
