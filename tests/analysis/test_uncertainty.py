"""Budgets combined: published examples and the properties one relies on."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.uncertainty import (
    combined,
    component,
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
        found = quantity("y", "", case["y"], budget)
        assert found.u == pytest.approx(case["u"], rel=0.01)
        assert (found.low, found.high) == pytest.approx(interval, rel=2e-3)
    four = expanded_uncertainty(budgets[1])
    assert four == pytest.approx(2 * math.sqrt(3) * (2 - (3 / 5) ** 0.25), rel=1e-5)


@pytest.mark.parametrize("dof", [1, 2, 4, 30])
def test_convolution_is_as_exact_as_the_closed_forms(dof):
    """A t beside a line of a millionth, and a sum of two Cauchys, have known quantiles."""
    t = component("runs", "A", 1.0, Distribution.T, dof=dof)
    beside = expanded_uncertainty([t, *lines(Distribution.NORMAL, 1e-6)])
    assert beside == pytest.approx(student_t(0.95, dof), rel=1e-4)
    if dof == 1:
        assert expanded_uncertainty([t, t]) == pytest.approx(2 * student_t(0.95, 1), rel=2e-3)


def test_lines_of_one_input_add_by_their_signs():
    """Two effects of one error are one line: 3 and 1 of opposite signs leave 2, not root 10."""
    budget = [
        component("gain", "B", 3.0, Distribution.RECTANGULAR, input_="meter"),
        component("runs", "A", 1.0, Distribution.T, dof=4),
        component("gain again", "B", -1.0, Distribution.RECTANGULAR, input_="meter"),
    ]
    found = quantity("x", "J", 1.0, budget)
    assert found.u == pytest.approx(math.sqrt(5))
    assert found.dof == pytest.approx(25 * 4)
    assert [(line.name, line.u) for line in found.budget] == [("gain", 2.0), ("runs", 1.0)]
    opposite = quantity("x", "J", 1.0, [budget[0], component("-", "B", -3.0, input_="meter")])
    assert (opposite.u, opposite.expanded) == (0.0, 0.0)


def test_signs_and_inputs_follow_a_reciprocal():
    """What raises the energy lowers the inferences per joule, by the same input."""
    base = quantity("e", "J", 2.0, [component("gain", "B", 0.1, input_="meter")])
    (line,) = reciprocal("p", "1/J", base).budget
    assert (line.sign, line.input) == (-1, "meter")
    assert line.u == pytest.approx(0.025)


def test_an_unknown_line_leaves_no_interval():
    """A scatter of a single run is infinite: no u, no degrees of freedom, no interval."""
    found = quantity("x", "J", 1.0, [component("runs", "A", math.inf, Distribution.T, dof=1)])
    assert math.isnan(found.u)
    assert math.isnan(found.expanded)
    assert found.dof is None


def test_gum_h1_end_gauge(shared):
    """The comparator's budget within the end gauge's: u, degrees of freedom, order of lines."""
    data = json.loads(shared("references/gum_h1_end_gauge.json").read_text())
    inputs = {item["name"]: item for item in data["inputs"]}
    length, alpha = inputs["ls"]["x"], inputs["alpha_s"]["x"]
    theta = inputs["theta_mean"]["x"]
    comparator = quantity(
        "d",
        "nm",
        inputs["d_mean"]["x"],
        [
            component(name, "A", inputs[name]["u"], dof=inputs[name]["df"])
            for name in ("d_mean", "d_random", "d_systematic")
        ],
    )
    assert comparator.u == pytest.approx(data["recomputed"]["u_d"], rel=1e-5)
    assert comparator.dof == pytest.approx(data["recomputed"]["nu_d"], rel=1e-4)
    budget = [
        component("ls", "B", inputs["ls"]["u"], dof=inputs["ls"]["df"]),
        component("d", "A", comparator.u, dof=comparator.dof),
        component(
            "d_alpha",
            "B",
            -length * theta * rectangular(inputs["d_alpha"]["half_width"]),
            Distribution.RECTANGULAR,
            dof=inputs["d_alpha"]["df"],
        ),
        component(
            "d_theta",
            "B",
            -length * alpha * rectangular(inputs["d_theta"]["half_width"]),
            Distribution.RECTANGULAR,
            dof=inputs["d_theta"]["df"],
        ),
    ]
    result = quantity("l", "nm", length + comparator.value, budget)
    assert result.value == data["published"]["l"]
    assert result.u == pytest.approx(data["recomputed"]["u_c"], rel=1e-6)
    assert result.dof == pytest.approx(data["recomputed"]["nu_eff"], rel=1e-4)
    assert [line.name for line in result.budget] == ["ls", "d_theta", "d", "d_alpha"]
    k99 = student_t(0.99, data["published"]["nu_eff"])
    assert k99 == pytest.approx(data["recomputed"]["k99_at_nu16"], abs=5e-5)
    assert k99 * result.u == pytest.approx(data["recomputed"]["U99_at_nu16"], abs=5e-3)


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
    assert combined(budget) == (pytest.approx(1), pytest.approx(4))


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
