"""A decision as one JSON document, and its options as the rows of a table."""

from __future__ import annotations

import math
from typing import Any

from powerlab.cli._procuring import Procured, keys_of
from powerlab.records import Boundary
from powerlab.records.decision import OptionCost, Standing
from powerlab.records.procurement import Option, Plan
from powerlab.store.serial import to_plain

DECISION_SCHEMA = "powerlab.decision/1"

FIGURES = ("present_value", "cost_per_million", "throughput", "energy_per_inference")
"""What the table has with its standard uncertainty and its 95 % interval."""


def decision_document(done: Procured) -> dict[str, Any]:
    """Get the whole decision, what its options are, and where in the plan a finding points.

    Amounts are text, numbers that JSON lacks "NaN" and "Infinity".
    """
    plan = done.plan
    return {
        "schema": DECISION_SCHEMA,
        "plan": {"file": str(done.path), "sha256": plan.sha256, "title": plan.title},
        "options": to_plain(option_rows(done)),
        "keys": [
            {"code": finding.code, "keys": list(keys_of(plan, finding))}
            for finding in done.decision.findings
        ],
        "decision": to_plain(done.decision),
    }


def option_rows(done: Procured) -> list[dict[str, Any]]:
    """Get one row per option: what it is, what it costs, how it stands; money in the plan's."""
    plan, decision = done.plan, done.decision
    return [
        {
            **_subject(option),
            **_cost(plan, decision.costs[option.id]),
            **_standing(decision.standings[option.id]),
            "recommended": option.id == decision.recommended,
            "plan_sha256": plan.sha256,
        }
        for option in plan.options
    ]


def _subject(option: Option) -> dict[str, Any]:
    offer, first = option.offer, option.offer.breaks[0].price
    return {
        "option": option.id,
        "name": option.name,
        "evidence": option.evidence.value,
        "valid": option.valid,
        "runs": ", ".join(option.runs),
        "units_measured": option.units_measured,
        "workload": option.workload,
        "boundary": Boundary(option.boundary).value,
        "supplier": offer.supplier,
        "sku": offer.sku,
        "price_basis": first.basis.value,
        "price_date": first.money.date,
        "price_source": first.source,
    }


def _cost(plan: Plan, cost: OptionCost) -> dict[str, Any]:
    return {
        "currency": plan.currency,
        "units": cost.units,
        "spares": cost.spares,
        "hosts": cost.hosts,
        "unit_price": cost.unit_price,
        "unit_price_net": cost.unit_price_net,
        "unit_price_gross": cost.unit_price_gross,
        "freight": cost.freight,
        "capital": cost.capital,
        "total_cost": cost.total_cost,
        "capital_per_year": cost.capital_per_year,
        "inferences_per_year": float(cost.inferences_per_year),
        "inferences_per_money": float(cost.inferences_per_money),
        "energy_kwh_per_year": float(cost.energy_kwh_per_year),
        "energy_per_inference_mains_j": cost.energy_per_inference_j,
        "fleet_power_w": cost.fleet_power_w,
        "utilisation": cost.utilisation,
        "performance_per_watt": cost.performance_per_watt,
        "performance_per_price": cost.performance_per_price,
        "performance_per_total_cost": cost.performance_per_total_cost,
        "energy_delay_js": cost.energy_delay_js,
        "carbon_operational_g": cost.carbon_operational_g,
        "carbon_embodied_g": cost.carbon_embodied_g,
    }


def _standing(standing: Standing) -> dict[str, Any]:
    spreads = {
        f"{name}{end}": getattr(standing.spreads[name], part)
        for name in FIGURES
        for end, part in (("", "value"), ("_u", "u"), ("_low", "low"), ("_high", "high"))
    }
    chances = {
        "probability_cheapest": standing.cheapest,
        "expected_regret": standing.regret,
        "mean_rank": standing.mean_rank,
        "probability_pareto": standing.front,
    }
    return {
        **spreads,
        **{name: None if math.isnan(value) else value for name, value in chances.items()},
        "tied": standing.tied,
        "bars": ", ".join(standing.bars),
    }
