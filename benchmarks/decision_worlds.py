"""Worlds of simulated procurements: what is true, and what a plan states of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from powerlab.records import Boundary, Component, Distribution, Evidence
from powerlab.records.procurement import (
    Amount,
    ExchangeRate,
    FleetRule,
    Load,
    Offer,
    Option,
    Plan,
    PriceBreak,
    Requirement,
    Sense,
    Tariff,
    Uncertain,
)
from powerlab.units import Money

DATE = "2026-11-01"
RUNS = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """How far options lie apart (standard deviations of logarithms) and what is known of them."""

    spread: float
    u_runs: tuple[float, float]
    u_gain: tuple[float, float]
    u_price: tuple[float, float]
    evidence: Evidence = Evidence.MEASURED
    bar: bool = True


KINDS = {
    "varied": Kind(0.5, (0.002, 0.02), (0.002, 0.02), (0.0, 0.1)),
    "declared": Kind(0.5, (0.05, 0.2), (0.0, 0.0), (0.05, 0.15), Evidence.DECLARED),
    "alike": Kind(0.03, (0.002, 0.02), (0.002, 0.02), (0.0, 0.1), bar=False),
}


class World:
    """Draws true values, and what a plan states of them."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.common: dict[str, float] = {}

    def between(self, low: float, high: float) -> float:
        """Draw evenly."""
        return float(self.random.uniform(low, high))

    def around(self, middle: float, spread: float) -> float:
        """Draw a positive value by its logarithm."""
        return middle * math.exp(spread * self.random.standard_normal())

    def error(self, distribution: Distribution, identity: str = "") -> float:
        """Draw a standardised error, one for all of one identity."""
        if identity in self.common:
            return self.common[identity]
        if distribution is Distribution.RECTANGULAR:
            drawn = math.sqrt(3) * self.between(-1, 1)
        else:
            drawn = float(self.random.standard_normal())
        if identity:
            self.common[identity] = drawn
        return drawn

    def factor(self, u: float, distribution: Distribution, identity: str = "") -> float:
        """Draw what a stated value is of the truth."""
        return 1 / max(1 + u * self.error(distribution, identity), 0.05)

    def measured(self, truth: float, u_runs: float, u_gain: float) -> Uncertain:
        """Draw the result of five runs on the meter: its gain in common, their scatter alone.

        The scatter is known as well as five runs tell it.
        """
        gain = self.factor(u_gain, Distribution.RECTANGULAR, "meter/gain")
        value = truth * gain * (1 + u_runs * float(self.random.standard_normal()))
        seen = u_runs * math.sqrt(self.random.chisquare(RUNS - 1) / (RUNS - 1))
        lines = (
            Component("run to run", "A", seen * value, Distribution.T, RUNS - 1, 0.0),
            Component(
                "gain", "B", u_gain * value, Distribution.RECTANGULAR, None, 0.0, "", "meter/gain"
            ),
        )
        u = math.hypot(seen, u_gain) * value
        return Uncertain(value, u, evidence=Evidence.MEASURED, budget=lines)

    def stated(
        self, truth: float, u: float, distribution: Distribution = Distribution.NORMAL
    ) -> Uncertain:
        """Draw a declared figure with a relative standard uncertainty."""
        value = truth * self.factor(u, distribution)
        return Uncertain(value, u * value, distribution)


def amount(value: float, u: float = 0.0, currency: str = "CNY") -> Amount:
    """Get an amount of money to the cent."""
    return Amount(Money(Decimal(repr(round(value, 2))), currency, DATE), u)


def world(seed: int, kind: Kind) -> tuple[Plan, Plan]:
    """Draw a plan as it is and as it is stated."""
    draw = World(seed)
    load_u, tariff_u = draw.between(0, 0.15), draw.between(0, 0.1)
    load, tariff = draw.around(60, 1.2), draw.around(0.8, 0.2)
    shape = 1 + draw.between(0, 0.9) * np.sin(np.arange(24) * math.pi / 12)
    options = [_option(draw, number, kind) for number in range(draw.random.integers(2, 6))]
    limit = draw.between(4, 40)
    rate, pue = draw.between(6.8, 7.4), draw.between(1.05, 1.6)
    sizes = {
        "true": (1.0, 1.0, 1.0, Uncertain(pue)),
        "stated": (
            draw.factor(load_u, Distribution.NORMAL),
            draw.factor(tariff_u, Distribution.RECTANGULAR),
            draw.factor(0.02, Distribution.NORMAL, "rate/USD/CNY"),
            draw.stated(pue, 0.03),
        ),
    }
    plans = []
    for place, (of_load, of_tariff, of_rate, stated_pue) in enumerate(sizes.values()):
        plans.append(
            Plan(
                sha256=hashlib.sha256(str(seed).encode()).hexdigest(),
                title="simulated",
                date=DATE,
                currency="CNY",
                options=tuple(each[place] for each in options),
                load=Load(tuple((load * of_load * shape).tolist()), u_relative=load_u),
                tariff=Tariff(
                    (Decimal(repr(round(tariff * of_tariff, 6))),) * 24, "CNY", DATE, tariff_u
                ),
                horizon_years=3 + seed % 4,
                requirements=(Requirement("power_active", Sense.AT_MOST, limit, "W"),),
                fleet=FleetRule(headroom=Uncertain(1.2), spare_units=1),
                discount_rate=Uncertain(0.06),
                pue=stated_pue,
                labour_rate=amount(150),
                rates=(
                    ExchangeRate("USD", "CNY", Decimal(repr(round(rate * of_rate, 6))), DATE, 0.02),
                ),
            )
        )
    return plans[0], plans[1]


def _option(draw: World, number: int, kind: Kind) -> tuple[Option, Option]:
    """Draw an option as it is and as it is stated."""
    throughput = draw.around(20, 2 * kind.spread)
    power = draw.around(0.7 * throughput**0.8, kind.spread)
    price = draw.around(60 * throughput**0.9, kind.spread)
    u_runs, u_price = draw.between(*kind.u_runs), draw.between(*kind.u_price)
    u_gain = draw.between(*kind.u_gain)
    currency = "USD" if draw.between(0, 1) < 0.4 else "CNY"
    price /= 7 if currency == "USD" else 1
    idle, life = power * draw.between(0.3, 0.7), draw.between(2, 7)
    failures, work = draw.between(0.01, 0.08), draw.around(300, 1)

    def option(figures: Sequence[Uncertain], cost: float, engineering: float, u: float) -> Option:
        return Option(
            id=f"o{number}",
            name=f"option {number}",
            workload="one",
            boundary=Boundary.WALL,
            energy_per_inference_j=figures[0],
            power_idle_w=figures[1],
            throughput_per_s=figures[2],
            life_years=figures[3],
            failure_rate=figures[4],
            labour_h_per_failure=Uncertain(1.0),
            offer=Offer("", "", (PriceBreak(1, amount(cost, u, currency)),)),
            engineering=amount(engineering, 0.3 if u else 0.0),
        )

    truth = (power / throughput, idle, throughput, life, failures)
    seen = [
        *(
            draw.measured(value, u_runs, u_gain)
            if kind.evidence is Evidence.MEASURED
            else draw.stated(value, u_runs)
            for value in truth[:2]
        ),
        draw.stated(throughput, u_runs / 2),
        draw.stated(life, 0.1),
        draw.stated(failures, 0.3),
    ]
    true = option([Uncertain(value) for value in truth], price, work, 0.0)
    asked = price * draw.factor(u_price, Distribution.RECTANGULAR)
    guessed = work * draw.factor(0.3, Distribution.RECTANGULAR)
    return true, option(seen, asked, guessed, u_price)
