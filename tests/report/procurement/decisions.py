"""Plans for every outcome that a decision can have, and their decisions, each worked out once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from powerlab.analysis.cost.decide import decide
from powerlab.records.decision import Decision
from powerlab.records.procurement import Plan
from powerlab.terms import Boundary
from tests.analysis.cost.plans import boards, option, plan
from tests.report.procurement.factory import ten_options

DRAWS = 4000


def plans() -> dict[str, Plan]:
    """Get the plans by name."""
    ten = ten_options()
    one, two, three = ten.options[:3]
    return {
        "ten": ten,
        "boards": boards(100.0),
        "alone": replace(ten, options=ten.options[4:5]),
        "declared": replace(ten, options=ten.options[5:8]),
        "tied": plan(
            option("alpha", 50.0, 10.0, 500, u=0.02, u_price=0.1),
            option("beta", 52.0, 10.5, 510, u=0.02, u_price=0.1),
            load=40.0,
        ),
        "barred": replace(ten, options=(replace(one, valid=False), replace(two, valid=False))),
        "unlike": replace(
            ten,
            options=(one, replace(two, workload="mobilenet"), replace(three, boundary=Boundary.DC)),
        ),
    }


@cache
def decided(name: str) -> tuple[Plan, Decision]:
    """Get a plan of ``plans`` with its decision."""
    chosen = plans()[name]
    return chosen, decide(chosen, DRAWS)
