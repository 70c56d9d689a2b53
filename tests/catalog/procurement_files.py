"""A short valid procurement.toml, and ways to bend it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from powerlab.catalog.procurement import check_procurement
from powerlab.errors import Problem
from powerlab.records import Result
from powerlab.records.procurement import Plan
from tests.store.made import quantity, result

TODAY = date(2026, 11, 21)

PLAN = """\
schema = 1
date = 2026-11-20
currency = "EUR"
horizon_years = 3
boundary = "wall"

[load]
per_s = 50

[tariff]
per_kwh = "0.25"

[[option]]
id = "slow"
energy_per_inference_j = 1.8
idle_power_w = 3.5
throughput_per_s = 3.1
price = "75"

[[option]]
id = "fast"
energy_per_inference_j = { value = 0.58, u = 0.01 }
idle_power_w = { low = 3, high = 4 }
throughput_per_s = { value = 13, u_relative = 0.01 }
price = { unit = "150", basis = "list" }
"""


def changed(old: str, new: str) -> str:
    """Get the plan with the first ``old``, which must be there, replaced."""
    assert old in PLAN
    return PLAN.replace(old, new, 1)


def read(folder: Path, text: str, **known) -> tuple[Plan | None, tuple[Problem, ...]]:
    """Check a plan of this text."""
    path = folder / "procurement.toml"
    path.write_text(text, encoding="utf-8")
    return check_procurement(path, today=TODAY, **known)


def plan_of(folder: Path, text: str, **known) -> Plan:
    """Get the plan of a text that has no problem."""
    plan, problems = read(folder, text, **known)
    assert plan is not None, problems
    return plan


def problems_of(folder: Path, text: str, **known) -> dict[str, str]:
    """Get what is wrong with a text, by dotted key."""
    plan, problems = read(folder, text, **known)
    assert plan is None
    assert {Path(problem.path).name for problem in problems} == {"procurement.toml"}
    return {problem.key: problem.message for problem in problems}


def run_of_a_board(**changes) -> Result:
    """Get a run with every figure that an option takes, and a price."""
    names = {"energy_per_inference": ("J", 0.5), "power_idle": ("W", 3.0)}
    names |= {"throughput": ("1/s", 20.0), "latency_p99": ("s", 0.06)}
    figures = {name: quantity(name, *stated) for name, stated in names.items()}
    return replace(result("run-1"), quantities=figures, **changes)
