"""Stein's rule: the number of runs, what it cannot reach, and that it covers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.precision import (
    RunPlan,
    Unreachable,
    allowed_type_a,
    plan_runs,
    remedy,
    run_to_run,
)
from powerlab.analysis.uncertainty import component, expanded_uncertainty, student_t
from powerlab.records import Distribution

FIRST = np.array([1.00, 1.02, 0.99, 1.01, 0.98])


def gain(u):
    """Get a specified limit of the meter."""
    return component("meter current gain", "B", u, Distribution.RECTANGULAR)


def test_number_of_runs_without_systematic_terms():
    """Stein's formula by hand: n = ceil((t(4) s / limit)²), U by the first stage's s."""
    s = float(FIRST.std(ddof=1))
    plan = plan_runs(FIRST, [], 0.01)
    assert plan.runs == math.ceil((student_t(0.95, 4) * s / 0.01) ** 2) == 20
    assert plan.relative_u == pytest.approx(student_t(0.95, 4) * s / math.sqrt(20))


def test_first_runs_are_enough():
    """Where five runs already serve, five it is, with the U they give."""
    plan = plan_runs(FIRST, [gain(0.001)], 0.05)
    assert plan.runs == 5
    assert plan.relative_u < 0.05


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-4, 6e-3), st.floats(0.008, 0.03))
def test_planned_runs_are_the_fewest(u, target):
    """The planned number meets the target, one run fewer would not."""
    plan = plan_runs(FIRST, [gain(u)], target)
    if isinstance(plan, Unreachable):
        assert expanded_uncertainty([gain(u), run_to_run(FIRST, 200)]) >= target * 0.999
        return
    assert plan.relative_u <= target * 1.001
    if plan.runs > 5:
        fewer = [gain(u), run_to_run(FIRST, plan.runs - 1)]
        assert expanded_uncertainty(fewer) >= target * 0.998


def test_a_systematic_term_in_the_way_is_named():
    """With a gain limit beyond the target no number of runs serves: the term and its remedy."""
    plan = plan_runs(FIRST, [gain(0.01), component("idle level", "A", 0.001)], 0.01)
    assert isinstance(plan, Unreachable)
    assert plan.term == "meter current gain"
    assert plan.best_relative_u == pytest.approx(0.0166, abs=2e-4)
    assert "calibrate" in plan.remedy


def test_too_many_runs_are_unreachable_too():
    """Where scatter alone would take thousands of runs, that is the term, at the most runs."""
    plan = plan_runs(FIRST, [], 0.0005)
    assert isinstance(plan, Unreachable)
    assert plan.term == "run to run"
    assert plan.best_relative_u == pytest.approx(0.0031, abs=1e-4)
    assert plan_runs(FIRST, [], 0.0005, most_runs=20_000).runs > 5000


def test_degenerate_first_stages():
    """No scatter takes no further run; a mean of 0 has no relative precision."""
    assert plan_runs(np.ones(5), [gain(0.001)], 0.01) == RunPlan(
        5, pytest.approx(0.00165, abs=1e-5)
    )
    assert isinstance(plan_runs(np.array([-1.0, 1.0]), [], 0.01), Unreachable)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("meter voltage offset", "lower range"),
        ("supply voltage", "better meter"),
        ("supply resistance", "sags"),
        ("burden voltage", "in the circuit"),
        ("cable drop", "sense the volts at the board"),
        ("sample clock", "faster meter"),
        ("clock rate", "better one"),
        ("supply lag", "longer runs"),
        ("idle level", "idle for longer"),
        ("run to run", "warm-up"),
        ("moon phase", "moon phase"),
    ],
)
def test_every_term_has_a_remedy(term, words):
    """Each line of the budget is answered with what lowers it."""
    assert words in remedy(term)


WORLDS = 20_000


def draw_means(rng, first, runs):
    """Get the mean of all runs of each world, unit scatter around 0, the first ones given."""
    extra = runs - first.shape[1]
    rest = rng.normal(size=len(first)) * np.sqrt(extra)
    return (first.sum(axis=1) + rest) / runs


def test_two_stages_cover():
    """Over many worlds the interval of Stein's rule covers the truth in 95 % of them."""
    rng = np.random.default_rng(11)
    first = rng.normal(size=(WORLDS, 5))
    s = first.std(axis=1, ddof=1)
    allowed = allowed_type_a([], 4, 0.5)
    runs = np.maximum(5, np.ceil((s / allowed) ** 2))
    error = draw_means(rng, first, runs)
    half = student_t(0.95, 4) * s / np.sqrt(runs)
    assert np.mean(np.abs(error) <= half) == pytest.approx(0.95, abs=0.005)
    assert (half <= 0.5 + 1e-9).all()


def test_two_stages_cover_beside_a_systematic_term():
    """With a meter's limit in the budget U stays within the target and covers 95 %."""
    rng = np.random.default_rng(12)
    systematic = [gain(0.2 / math.sqrt(3))]
    first = rng.normal(size=(WORLDS, 5))
    s = first.std(axis=1, ddof=1)
    allowed = allowed_type_a(systematic, 4, 0.5)
    runs = np.maximum(5, np.ceil((s / allowed) ** 2))
    error = draw_means(rng, first, runs) + rng.uniform(-0.2, 0.2, WORLDS)
    levels = np.linspace(1e-3, allowed, 40)
    expanded = [
        expanded_uncertainty([*systematic, component("run to run", "A", u, Distribution.T, dof=4)])
        for u in levels
    ]
    half = np.interp(s / np.sqrt(runs), levels, expanded)
    assert half.max() <= 0.5 * 1.001
    assert np.mean(np.abs(error) <= half) == pytest.approx(0.95, abs=0.008)


def test_the_plan_itself_covers_with_a_relative_target():
    """Planned by the function, with the limit a fraction of the first mean: 95 % again."""
    rng = np.random.default_rng(13)
    inside = 0
    for _ in range(3000):
        first = 100 + rng.normal(size=5)
        plan = plan_runs(first, [], 0.006)
        values = np.concatenate((first, 100 + rng.normal(size=plan.runs - 5)))
        half = student_t(0.95, 4) * run_to_run(first, plan.runs).u
        inside += abs(values.mean() - 100) <= half
    assert inside / 3000 == pytest.approx(0.95, abs=0.012)


def test_going_on_until_it_looks_good_does_not_cover():
    """Stopping at the first n whose own t interval is narrow enough covers clearly less."""
    rng = np.random.default_rng(14)
    values = rng.normal(size=(WORLDS, 80))
    count = np.arange(1, 81)
    mean = np.cumsum(values, axis=1) / count
    variance = (np.cumsum(values**2, axis=1) - count * mean**2) / np.maximum(count - 1, 1)
    t = np.array([0.0, *(student_t(0.95, n - 1) for n in count[1:])])
    half = t * np.sqrt(variance / count)
    half[:, :4] = math.inf
    stop = np.argmax(half <= 0.5, axis=1)
    row = np.arange(WORLDS)
    assert np.mean(np.abs(mean[row, stop]) <= half[row, stop]) < 0.93
