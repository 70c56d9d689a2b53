"""Everything a procurement report is written from, with the look-ups its sections share."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from powerlab.records.decision import Bar, Conforms, Decision, OptionCost, Spread, Standing
from powerlab.records.procurement import Option, Plan, Uncertain
from powerlab.report.numbers import (
    NO_BREAK,
    fixed,
)
from powerlab.report.procurement.evidence import ProcurementEvidence, RunEvidence
from powerlab.report.procurement.figures import (
    EXACT,
    declared_percent,
    money,
    scaled_by,
    spread_text,
    twice,
)
from powerlab.report.texts import Texts
from powerlab.terms import Evidence
from powerlab.units import prefixed

ABSENT = "\u2013"

UNITS = {
    "throughput": "1/s",
    "energy_per_inference": "J",
    "energy_at_mains": "J",
    "power_active": "W",
    "power_idle": "W",
    "fleet_power": "W",
    "performance_per_watt": "1/J",
    "energy_delay": "J\u00b7s",
    "carbon_per_inference": "g",
    "latency_mean": "s",
    "latency_p50": "s",
    "latency_p90": "s",
    "latency_p99": "s",
}
"""Units of the quantities with a fixed one; money, fractions and sizes are dealt with apart."""

MONEY = ("unit_price", "capital", "total_cost", "present_value", "cost_per_million")
FRACTIONS = ("accuracy",)
SUFFIXES = {"_mm": "mm", "_kg": "kg", "_c": "°C", "_w": "W", "_v": "V"}

SURE = 0.999
"""Probabilities beyond are given as beyond it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A plan, its decision, what stands behind them, and the language to tell it in."""

    plan: Plan
    decision: Decision
    evidence: ProcurementEvidence
    texts: Texts

    @property
    def emulated(self) -> bool:
        """Tell whether every page must say EMULATED: one option's figures are."""
        return any(option.evidence is Evidence.EMULATED for option in self.plan.options)

    @property
    def created(self) -> str:
        """Get the instant that dates the file: the day of the question."""
        return f"{self.plan.date}T00:00:00+00:00"

    @property
    def leader(self) -> Option | None:
        """Get the recommended option, or the first of those tied."""
        name = self.decision.recommended
        return None if name is None else self.plan.option(name)

    @property
    def leader_place(self) -> int | None:
        """Get the leader's place among the options."""
        names = [option.id for option in self.plan.options]
        name = self.decision.recommended
        return None if name is None else names.index(name)

    @property
    def subjects(self) -> tuple[Option, ...]:
        """Get the options that the details are about: leader and next, else the first two."""
        named = (self.decision.recommended, self.decision.runner_up)
        chosen = tuple(self.plan.option(name) for name in named if name is not None)
        return chosen or self.plan.options[:2]

    def cost(self, option: Option) -> OptionCost:
        """Get what an option takes and gives."""
        return self.decision.costs[option.id]

    def standing(self, option: Option) -> Standing:
        """Get how an option stands."""
        return self.decision.standings[option.id]

    def runs_of(self, option: Option) -> tuple[RunEvidence, ...]:
        """Get the stored runs of an option."""
        return tuple(run for run in self.evidence.runs if run.option == option.id)

    def name(self, option_id: str) -> str:
        """Get an option's name."""
        return self.plan.option(option_id).name

    def names(self, option_ids: Iterable[str]) -> str:
        """Get several names as a list in running text."""
        return self.listed(self.name(each) for each in option_ids)

    def listed(self, parts: Iterable[str]) -> str:
        """Get parts joined as the language does."""
        return self.texts.say("procurement_text.comma").join(parts)

    def joined(self, parts: Iterable[str]) -> str:
        """Get clauses joined as the language does."""
        return self.texts.say("procurement_text.semicolon").join(part for part in parts if part)

    # Words

    def quantity(self, name: str) -> str:
        """Get the words for a quantity of requirements, spreads and figures."""
        return self.texts.known("procurement_quantity", name).replace("_", " ")

    def input(self, label: str, option_id: str = "", *, inside: bool = False) -> str:
        """Get the words for an input, ``figure`` or ``figure/line``, with whose it is.

        ``inside`` a sentence that is "price of A", else "A: price".
        """
        figure, _, line = label.partition("/")
        named = self.texts.known("procurement_input", figure).replace("_", " ")
        if line:
            line = self.texts.known("term", line)
            named = self.texts.say("procurement_text.line", figure=named, line=line)
        if not option_id:
            return named
        if inside:
            return self.texts.say(
                "procurement_text.inside", option=self.name(option_id), what=named
            )
        return self.texts.say("procurement_text.of_option", option=self.name(option_id), what=named)

    def bar(self, bar: Bar) -> str:
        """Get the words for what stands against an option."""
        return self.texts.known("procurement_bar", bar.value)

    def conforms(self, verdict: Conforms) -> str:
        """Get the words for a statement on a requirement."""
        return self.texts.known("procurement_conforms", verdict.value)

    def kind(self, evidence: Evidence) -> str:
        """Get the word for where a figure comes from."""
        return self.texts.say(f"procurement_evidence.{evidence}")

    # Numbers

    @property
    def currency(self) -> str:
        """Get the code of the plan's currency."""
        return self.plan.currency

    def horizon(self) -> str:
        """Get the horizon in words."""
        return self.texts.count("procurement_count.year", self.plan.horizon_years)

    def probability(self, p: float) -> str:
        """Get a probability for a sentence; draws cannot tell 0 and 1, so their ends are open."""
        if p > SURE:
            return self.texts.say("procurement_text.above", limit=f"99.9{NO_BREAK}%")
        if p < 1 - SURE:
            return self.texts.say("procurement_text.below", limit=f"0.1{NO_BREAK}%")
        return declared_percent(round(p, 3))

    def chance(self, p: float) -> str:
        """Get a probability for a table, a dash where there is none."""
        if not math.isfinite(p):
            return ABSENT
        if p > SURE:
            return f">{NO_BREAK}99.9{NO_BREAK}%"
        return f"<{NO_BREAK}0.1{NO_BREAK}%" if p < 1 - SURE else f"{fixed(p * 100, 1)}{NO_BREAK}%"

    def money(self, amount: Decimal | float) -> str:
        """Get an amount of the plan's currency."""
        return f"{money(amount)}{NO_BREAK}{self.currency}"

    def money_spread(self, spread: Spread) -> str:
        """Get a spread of money as ``value ± U CUR``, its interval where that is lopsided."""
        if spread.expanded <= EXACT * abs(spread.value):
            return self.money(spread.value)
        return self._spread(spread, self.currency, scaled=False)

    def figure(self, quantity: str, spread: Spread, unit: str = "") -> str:
        """Get a spread of a quantity with its unit."""
        own, factor = self.unit(quantity, unit)
        return self._spread(scaled_by(spread, factor), own, scaled=quantity in UNITS)

    def plain(self, quantity: str, value: float, unit: str = "") -> str:
        """Get an exact value of a quantity with its unit, as short as it was stated."""
        return self.figure(quantity, Spread(value, 0.0, value, value), unit)

    def stated(self, quantity: str, figure: Uncertain, unit: str = "") -> str:
        """Get a stated figure with twice its standard uncertainty, which ± stands for."""
        return self.figure(quantity, twice(figure), unit)

    def column(
        self, quantity: str, spreads: Sequence[Spread | None]
    ) -> tuple[str, tuple[str, ...]]:
        """Get spreads of a quantity in one unit for all, and that unit."""
        unit, factor = self.unit(quantity)
        known = [spread.value * factor for spread in spreads if spread is not None]
        if quantity in UNITS and known:
            scale, unit = prefixed(statistics.median(known), unit)
            factor *= scale
        return unit, tuple(
            ABSENT if spread is None else spread_text(scaled_by(spread, factor))
            for spread in spreads
        )

    def unit(self, quantity: str, given: str = "") -> tuple[str, float]:
        """Get the text of a quantity's unit and the factor from its own to it."""
        if quantity in FRACTIONS:
            return "%", 100.0
        if quantity in MONEY:
            return self.currency, 1.0
        if quantity == "performance_per_price":
            return self.texts.say("procurement_text.rate_per_money", currency=self.currency), 1.0
        unit = UNITS.get(quantity) or given
        if not unit:
            unit = next((u for end, u in SUFFIXES.items() if quantity.endswith(end)), "")
        if unit == "1/s":
            return self.texts.say("unit.per_second"), 1.0
        return (self.texts.say("unit.per_joule"), 1.0) if unit == "1/J" else (unit, 1.0)

    def _spread(self, spread: Spread, unit: str, *, scaled: bool) -> str:
        factor, unit = prefixed(spread.value, unit) if scaled else (1.0, unit)
        text = spread_text(scaled_by(spread, factor))
        return f"{text}{NO_BREAK}{unit}" if unit else text
