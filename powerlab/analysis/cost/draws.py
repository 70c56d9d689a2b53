"""Random draws of a plan's costs: what errs together is drawn together (JCGM 101).

Each input has its own stream, seeded by the plan's hash and the input's name: the same plan
gives the same draws on any machine, and another option more leaves those of the others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from powerlab.analysis.cost.inputs import common_inputs
from powerlab.analysis.cost.model import breakdown
from powerlab.analysis.cost.sources import Drawn, Input
from powerlab.records import Distribution, FloatArray
from powerlab.records.decision import Spread
from powerlab.records.procurement import Option, Plan

DRAWS = 100_000
"""The standard error of a probability of 0.95 is then 0.0007."""

TAILS = (0.025, 0.975)

Figures = Mapping[str, FloatArray]
"""What is drawn of one option, by name, each ``(draws,)``."""


@dataclass(frozen=True, slots=True)
class Draws:
    """All options of a plan drawn together: figures by option, deviations by input."""

    figures: Mapping[str, Figures]
    best: Mapping[str, Mapping[str, float]]
    inputs: Mapping[str, Input]
    deviations: Mapping[str, FloatArray]

    def spread(self, option: str, name: str) -> Spread:
        """Get the spread of one figure of an option."""
        return spread(self.best[option][name], self.figures[option][name])


def spread(best: float, drawn: FloatArray) -> Spread:
    """Get best estimate, standard deviation and the central 95 % interval of draws."""
    low, high = np.quantile(drawn, TAILS)
    return Spread(best, float(drawn.std()), float(low), float(high))


def draw(plan: Plan, draws: int = DRAWS) -> Draws:
    """Draw every option of a plan; raises ConfigError where a currency has no rate."""
    seed = int(plan.sha256, 16)
    source = Drawn(lambda entry: _random(entry, seed, draws))
    drawn = evaluate(plan, source)
    still = evaluate(plan, Drawn(unmoved))
    return Draws(
        figures={
            name: {key: np.broadcast_to(value, (draws,)) for key, value in figures.items()}
            for name, figures in drawn.items()
        },
        best={
            name: {key: float(value[0]) for key, value in figures.items()}
            for name, figures in still.items()
        },
        inputs=source.inputs,
        deviations=source.deviations,
    )


def unmoved(entry: Input) -> FloatArray:  # noqa: ARG001
    """Get no deviation, for best estimates as arrays."""
    return np.zeros(1)


def evaluate(plan: Plan, source: Drawn) -> dict[str, Figures]:
    """Get the figures of every option from one source, arrays ``(n,)`` or ``(1,)``."""
    common = common_inputs(plan, source)
    found: dict[str, Figures] = {}
    for option in plan.options:
        cost = breakdown(plan, option, source, common)
        unit = cost.own
        found[option.id] = {
            "present_value": cost.present_value,
            "total_cost": cost.present_value,
            "cost_per_million": cost.cost_per_million,
            "variable": cost.variable,
            "inferences": cost.inferences,
            "capital": cost.capital,
            "unit_price": cost.fleet.unit_price,
            "units": cost.fleet.units,
            "throughput": unit.throughput_per_s,
            "energy_per_inference": unit.energy_j,
            "energy_at_mains": cost.energy_j,
            "power_active": unit.energy_j * unit.throughput_per_s,
            "fleet_power": cost.fleet_power_w,
            **_ratio("performance_per_watt", np.ones(1), unit.energy_j),
            **_ratio("performance_per_price", unit.throughput_per_s, cost.fleet.unit_price),
            **_carbon(plan, option, cost.carbon_operational_g + cost.carbon_embodied_g),
            **{
                name: source.figure(stated, name, option.id)
                for name, stated in option.figures.items()
            },
        }
    return found


def _carbon(plan: Plan, option: Option, grams: FloatArray) -> Figures:
    """Get the carbon of an inference, nothing where a part of it is not known."""
    known = plan.carbon_intensity is not None and option.embodied_kg is not None
    return {"carbon_per_inference": grams} if known else {}


def _ratio(name: str, value: FloatArray, over: FloatArray) -> Figures:
    """Get a ratio under its name, nothing for what costs or takes nothing."""
    return {name: value / over} if (over > 0).all() else {}


def _random(entry: Input, seed: int, draws: int) -> FloatArray:
    """Draw an input's deviations from its own stream."""
    name = int.from_bytes(hashlib.sha256(entry.identity.encode()).digest())
    generator = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence([seed, name])))
    if entry.distribution is Distribution.T and entry.dof is not None:
        return generator.standard_t(entry.dof, draws)
    if entry.distribution in {Distribution.NORMAL, Distribution.T}:
        return generator.standard_normal(draws)
    return deviation_at(entry, generator.random(draws))


def deviation_at(entry: Input, probability: FloatArray) -> FloatArray:
    """Get the quantiles of an input's standardised deviation (JCGM 101 section 6.4).

    Of standard deviation 1, but for Student's t, which is scaled by u as it stands.
    """
    p = probability
    found: object
    match entry.distribution:
        case Distribution.RECTANGULAR:
            found = math.sqrt(3) * (2 * p - 1)
        case Distribution.TRIANGULAR:
            upper = 1 - np.sqrt(2 * np.maximum(1 - p, 0))
            found = math.sqrt(6) * np.where(p < 0.5, np.sqrt(2 * p) - 1, upper)
        case Distribution.ARCSINE:
            found = math.sqrt(2) * np.sin(math.pi * (p - 0.5))
        case Distribution.T if entry.dof is not None:
            found = special.stdtrit(entry.dof, p)
        case _:
            found = special.ndtri(p)
    return np.asarray(found, dtype=np.float64)
