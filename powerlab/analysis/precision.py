"""How many runs a wanted precision takes, decided once, and why some are out of reach.

Stein's two-stage rule: the first runs give s, s gives the number of runs, and the interval
keeps the s and the degrees of freedom of those first runs however many follow. The mean of
all runs over s / sqrt(n) is then exactly Student's t, because n depends on s alone (Stein,
Ann. Math. Statist. 16 (1945) 243). Measuring on until the interval looks narrow enough
stops where s happens to be small, and covers less than it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from powerlab.analysis.moments import moments
from powerlab.analysis.uncertainty import (
    COVERAGE,
    component,
    expanded_uncertainty,
    student_t,
)
from powerlab.records import Component, Distribution, FloatArray

FIRST_STAGE = 5
"""Runs before the number of runs is fixed: s with 4 degrees of freedom."""

MOST_RUNS = 200
"""Runs beyond which a steadier board or longer runs serve better than more of them."""

RUN_TO_RUN = "run to run"

REMEDIES = (
    ("gain", "calibrate the set-up: a correction for this meter replaces its specified limit"),
    ("offset", "calibrate the set-up or zero the meter, or use a lower range of it"),
    (
        "burden",
        (
            "let a second meter read the volts while the ammeter is in the circuit, or use a range "
            "of lower burden"
        ),
    ),
    ("supply voltage", "read the volts at the board with a better meter"),
    (
        "supply resistance",
        "let a second meter read the volts all along, or measure by how much the supply sags",
    ),
    ("cable", "sense the volts at the board, or measure the resistance of the leads"),
    ("gap", "find what holds up the link to the meter, or use a meter that loses no samples"),
    ("idle", "measure idle for longer before and after the runs"),
    ("rate", "compare the host's clock with a better one over an hour"),
    ("clock", "use longer runs, or a faster meter: an error of an edge weighs less in either"),
    ("lag", "use longer runs, or a faster meter: an error of an edge weighs less in either"),
    ("edge", "use longer runs, or a faster meter: an error of an edge weighs less in either"),
    ("marker", "use longer runs, or a faster meter: an error of an edge weighs less in either"),
    ("noise", "use longer runs, or a faster meter: more samples average it out"),
    ("price", "get a dated quote instead of a list price"),
    (RUN_TO_RUN, "use longer runs, a longer warm-up, or fixed clock rates on the board"),
)
"""What lowers a line of the budget, by the first of these words that its name holds."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How many runs to make in all, and the relative U they are going to have."""

    runs: int
    relative_u: float


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No sensible number of runs gives the wanted U.

    ``term`` is the line of the budget that stands in the way, ``best_relative_u`` the U that
    any number of runs (or the most that make sense) would give, ``remedy`` what lowers it.
    """

    term: str
    best_relative_u: float
    remedy: str


def run_to_run(first_stage: FloatArray, runs: int) -> Component:
    """Get the type A line of the mean of ``runs`` runs, by the scatter of the first ones.

    ``u = s / sqrt(runs)`` with s and n - 1 degrees of freedom of ``first_stage`` ``(n,)``,
    at least two values and at most ``runs``.
    """
    return component(
        RUN_TO_RUN,
        "A",
        moments(first_stage).sd / math.sqrt(runs),
        Distribution.T,
        dof=len(first_stage) - 1,
        source=f"scatter of the first {len(first_stage)} of {runs} runs (two-stage rule)",
    )


def allowed_type_a(
    systematic: Sequence[Component], dof: float, limit: float, p: float = COVERAGE
) -> float:
    """Get the largest u of a scaled t that keeps U of the whole budget within ``limit``.

    In the unit of the budget; 0 where the systematic lines alone reach the limit. By
    bisection of the convolved distribution (method section 3.2), to 1e-4 of the result.
    """
    low, high = 0.0, limit / student_t(p, dof)
    if not any(line.u > 0 for line in systematic):
        return high
    if expanded_uncertainty(systematic, p) >= limit:
        return 0.0
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        line = component(RUN_TO_RUN, "A", middle, Distribution.T, dof=dof)
        if expanded_uncertainty([*systematic, line], p) <= limit:
            low = middle
        else:
            high = middle
    return low


def plan_runs(
    first_stage: FloatArray,
    systematic: Sequence[Component],
    relative_target: float,
    *,
    most_runs: int = MOST_RUNS,
    p: float = COVERAGE,
) -> RunPlan | Unreachable:
    """Fix the number of runs from the first ones by Stein's rule: call it once.

    ``first_stage`` are the values of the first runs ``(n >= 2,)``, ``systematic`` the lines
    of their mean's budget that more runs do not lower, in the same unit, and
    ``relative_target`` the wanted U as a fraction of the mean. The number is
    ``max(n, ceil((s / u_allowed)²))``. The first mean only turns the fraction into a limit.
    """
    first = len(first_stage)
    scatter = moments(first_stage)
    allowed = allowed_type_a(systematic, first - 1, relative_target * abs(scatter.mean), p)
    if allowed == 0:
        best = systematic or [run_to_run(first_stage, most_runs)]
        return _unreachable(best, scatter.mean, p)
    runs = max(first, math.ceil((scatter.sd / allowed) ** 2))
    budget = [*systematic, run_to_run(first_stage, min(runs, max(first, most_runs)))]
    if runs > max(first, most_runs):
        return _unreachable(budget, scatter.mean, p)
    return RunPlan(runs, expanded_uncertainty(budget, p) / abs(scatter.mean))


def _unreachable(budget: Sequence[Component], mean: float, p: float) -> Unreachable:
    """Name the largest line of what is left when runs no longer help."""
    top = max(budget, key=lambda line: line.u)
    best = expanded_uncertainty(budget, p) / abs(mean) if mean else math.inf
    return Unreachable(top.name, best, remedy(top.name))


def remedy(term: str) -> str:
    """Get what lowers a line of the budget, by its name."""
    known = (text for word, text in REMEDIES if word in term)
    return next(known, f"lower the uncertainty of {term}: no number of runs does")
