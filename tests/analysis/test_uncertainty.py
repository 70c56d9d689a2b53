"""Budgets combined: published examples and the properties one relies on."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.uncertainty import (
    component,
    effective_dof,
    expanded_uncertainty,
    quantity,
    reciprocal,
    rectangular,
    standard_uncertainty,
    student_t,
)
from powerlab.records import Distribution


def lines(distribution, *us):
    """Get budget lines of one distribution."""
    return [component("x", "B", u, distribution) for u in us]


def test_additive_examples_of_jcgm_101(shared):
    """Four normals, four rectangles, and a dominant rectangle give the published intervals."""
    cases = json.loads(shared("references/jcgm101_additive.json").read_text())["cases"]
    budgets = (
        lines(Distribution.NORMAL, 1, 1, 1, 1),
        lines(Distribution.RECTANGULAR, 1, 1, 1, 1),
        lines(Distribution.RECTANGULAR, 1, 1, 1, 10),
    )
    for case, budget in zip(cases, budgets, strict=True):
        interval = case.get("interval95_mc", case.get("interval95"))
        assert standard_uncertainty(budget) == pytest.approx(case["u"], rel=0.01)
        assert expanded_uncertainty(budget) == pytest.approx(interval[1], rel=2e-3)


def test_gum_h1_end_gauge(shared):
    """The end-gauge budget comes out with u, the degrees of freedom and the order of lines."""
    data = json.loads(shared("references/gum_h1_end_gauge.json").read_text())
    inputs = {item["name"]: item for item in data["inputs"]}
    length, alpha = inputs["ls"]["x"], inputs["alpha_s"]["x"]
    theta = inputs["theta_mean"]["x"]
    budget = [
        component("ls", "B", inputs["ls"]["u"], dof=18),
        component("d", "A", data["recomputed"]["u_d"], dof=data["recomputed"]["nu_d"]),
        component(
            "d_alpha",
            "B",
            length * abs(theta) * rectangular(inputs["d_alpha"]["half_width"]),
            Distribution.RECTANGULAR,
            dof=50,
        ),
        component(
            "d_theta",
            "B",
            length * alpha * rectangular(inputs["d_theta"]["half_width"]),
            Distribution.RECTANGULAR,
            dof=2,
        ),
    ]
    result = quantity("l", "nm", data["published"]["l"], budget)
    assert result.u == pytest.approx(data["recomputed"]["u_c"], rel=1e-6)
    assert result.dof == pytest.approx(data["recomputed"]["nu_eff"], rel=1e-4)
    assert [line.name for line in result.budget] == ["ls", "d_theta", "d", "d_alpha"]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (Distribution.NORMAL, 1.959964),
        (Distribution.RECTANGULAR, 0.95 * math.sqrt(3)),
        (Distribution.TRIANGULAR, math.sqrt(6) * (1 - math.sqrt(0.05))),
        (Distribution.ARCSINE, math.sqrt(2) * math.sin(math.pi * 0.475)),
    ],
)
def test_one_line_has_its_own_coverage_factor(distribution, expected):
    """A single line's k is that of its density, alone and beside a negligible line."""
    alone = lines(distribution, 1.0)
    assert expanded_uncertainty(alone) == pytest.approx(expected, rel=1e-6)
    beside = [*alone, *lines(Distribution.NORMAL, 1e-9)]
    assert expanded_uncertainty(beside) == pytest.approx(expected, rel=2e-3)


def test_few_runs_carry_students_factor():
    """Four degrees of freedom alone give 2.776."""
    budget = [component("runs", "A", 1.0, Distribution.T, dof=4)]
    assert expanded_uncertainty(budget) == pytest.approx(2.776445, rel=1e-6)
    assert student_t(0.95, 4) == pytest.approx(2.776445, rel=1e-6)
    assert effective_dof(budget) == pytest.approx(4)


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Distribution)), st.floats(1e-6, 1e6)), min_size=1, max_size=8
    )
)
def test_expanded_uncertainty_scales_and_stays_within_reason(items):
    """Scaling all lines scales U; k lies between the extremes of the densities."""
    budget = [component("x", "B", u, kind, dof=4) for kind, u in items]
    whole = expanded_uncertainty(budget)
    scaled = [component("x", "B", 3 * u, kind, dof=4) for kind, u in items]
    assert expanded_uncertainty(scaled) == pytest.approx(3 * whole, rel=1e-6)
    assert 1.3 < whole / standard_uncertainty(budget) < 2.8


def test_shares_sum_to_one_and_fall():
    """The budget is a table of variance shares, largest first."""
    result = quantity("x", "J", 1.0, lines(Distribution.NORMAL, 1, 3, 2))
    shares = [line.share for line in result.budget]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


def test_a_reciprocal_carries_relative_uncertainty_and_exact_ends():
    """1/x turns the interval over and keeps u/x."""
    base = quantity("e", "J", 2.0, lines(Distribution.NORMAL, 0.1))
    inverse = reciprocal("p", "1/J", base)
    assert inverse.value == pytest.approx(0.5)
    assert inverse.u / inverse.value == pytest.approx(0.05)
    assert (inverse.low, inverse.high) == pytest.approx((1 / base.high, 1 / base.low))


def test_no_budget_is_no_uncertainty():
    """An exact quantity has U = 0 and k = 0."""
    result = quantity("n", "", 3.0, [])
    assert (result.u, result.expanded, result.k, result.dof) == (0.0, 0.0, 0.0, None)
