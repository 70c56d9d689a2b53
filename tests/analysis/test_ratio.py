"""Intervals of ratios: reference figures, unbounded cases, coverage."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.moments import estimates
from powerlab.analysis.ratio import (
    Operands,
    delta_interval,
    fieller_interval,
    log_interval,
    probability_greater,
    ratio_interval,
    relative_dof,
)
from powerlab.analysis.uncertainty import student_t


def test_reference_cases(shared):
    """Fieller's limits, the delta method and g match the reference, with and without dof."""
    for case in json.loads(shared("references/ratio_interval.json").read_text())["cases"]:
        dof = None if case["df"] == "inf" else case["df"]
        operands = Operands(case["x"], case["y"], case["u_x"], case["u_y"], dof=dof)
        found = fieller_interval(operands)
        assert found.bounded
        assert (found.low, found.high) == pytest.approx(case["fieller95"], rel=1e-8)
        assert found.g == pytest.approx(case["g"], rel=1e-8)
        if "delta95" in case:
            assert delta_interval(operands).pieces[0] == pytest.approx(case["delta95"], rel=1e-8)
        if "delta_u" in case:
            assert found.u == pytest.approx(case["delta_u"], rel=1e-12)
            assert found.value == case["ratio"]


def test_ranking_reference(shared):
    """The probability that A beats B, with and without a common error, matches the reference."""
    data = json.loads(shared("references/ratio_interval.json").read_text())["ranking"]
    for case in data["examples"]:
        common = case["r"] * case["uA"] * case["uB"]
        item = Operands(case["mA"], case["mB"], case["uA"], case["uB"], covariance=common)
        assert probability_greater(item) == pytest.approx(case["P"], rel=1e-12)
        few = Operands(case["mA"], case["mB"], case["uA"], case["uB"], common, dof=4)
        assert 0.5 < probability_greater(few) < case["P"]
    assert probability_greater(Operands(2, 1, 0.1, 0.1, covariance=0.01)) == 1.0
    assert probability_greater(Operands(1, 1, 0.0, 0.0)) == 0.5


def test_denominator_that_may_be_zero():
    """With g of 1 and more the interval has no ends: two half-lines, or everything."""
    split = fieller_interval(Operands(5, 0.5, 0.1, 1.0))
    (start, low), (high, stop) = split.pieces
    assert (start, stop) == (-math.inf, math.inf)
    assert low < 0 < high < split.value
    assert (split.low, split.high, split.bounded) == (None, None, False)
    everything = fieller_interval(Operands(0.1, 0.5, 1.0, 1.0))
    assert everything.pieces == ((-math.inf, math.inf),)
    assert everything.g > 1


def test_denominator_on_the_edge_leaves_a_half_line():
    """Where g is exactly 1 one end is finite and the other is not."""
    t = student_t(0.95, None)
    half = fieller_interval(Operands(3.0, t, 0.1, 1.0))
    assert half.high is None or half.high > 1e6
    assert half.low is not None


operands = st.builds(
    lambda x, y, a, b, r: Operands(x, y, a, b, covariance=r * a * b),
    st.floats(-100, 100),
    st.floats(0.5, 50),
    st.floats(0.01, 30),
    st.floats(0.01, 30),
    st.floats(-0.95, 0.95),
)


def excess(item, ratio):
    """Get (x - R y)² less its allowance: not above 0 inside the interval."""
    t2 = student_t(0.95, item.dof) ** 2
    variance = item.u_x**2 - 2 * ratio * item.covariance + ratio**2 * item.u_y**2
    scale = item.x**2 + (ratio * item.y) ** 2 + t2 * variance
    return ((item.x - ratio * item.y) ** 2 - t2 * variance) / scale


@given(operands)
def test_ends_solve_fiellers_equation(item):
    """Every finite end is a root, the ratio itself lies inside, in all three shapes."""
    found = fieller_interval(item)
    for low, high in found.pieces:
        for end in (low, high):
            if math.isfinite(end):
                assert excess(item, end) == pytest.approx(0, abs=1e-9)
    assert any(low <= found.value <= high for low, high in found.pieces)


@given(st.floats(0.1, 1e3), st.floats(0.1, 1e3), st.floats(1e-6, 1e-3), st.floats(-0.9, 0.9))
def test_methods_agree_for_well_known_operands(x, y, relative, correlation):
    """Delta, log and Fieller coincide to second order in the relative uncertainty."""
    item = Operands(x, y, relative * x, relative * y, correlation * relative**2 * x * y)
    width = 100 * relative**2 + 1e-14
    reference = fieller_interval(item).pieces[0]
    for method in (delta_interval, log_interval, ratio_interval):
        assert method(item).pieces[0] == pytest.approx(reference, rel=width)


def test_common_error_cancels():
    """A gain error common to both operands leaves the ratio exact."""
    item = Operands(20.0, 10.0, 0.2, 0.1, covariance=0.2 * 0.1)
    assert item.u == pytest.approx(0, abs=1e-8)
    found = ratio_interval(item)
    assert (found.low, found.high) == pytest.approx((2.0, 2.0))


def test_method_follows_how_well_operands_are_known():
    """First order where both are known well, Fieller's where either is not."""
    assert ratio_interval(Operands(10, 5, 0.1, 0.05)).method == "log"
    assert ratio_interval(Operands(10, 5, 0.1, 1.0)).method == "fieller"
    assert ratio_interval(Operands(0, 5, 0.1, 0.05)).method == "fieller"
    assert ratio_interval(Operands(0, 5, 0.1, 0.05)).u == pytest.approx(0.02)


def test_coverage_with_few_runs():
    """Five runs each: Welch-Satterthwaite on the ratio covers 95 %, the normal quantile not."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(100, 5, (4000, 5)), rng.normal(5, 0.25, (4000, 5))
    covered = normal = 0
    for x, y in zip(a, b, strict=True):
        item = Operands(x.mean(), y.mean(), x.std(ddof=1) / 5**0.5, y.std(ddof=1) / 5**0.5)
        dof = relative_dof(item, 4, 4)
        low, high = delta_interval(Operands(item.x, item.y, item.u_x, item.u_y, dof=dof)).pieces[0]
        covered += low <= 20 <= high
        low, high = delta_interval(item).pieces[0]
        normal += low <= 20 <= high
    assert 0.94 < covered / 4000 < 0.965
    assert normal / 4000 < 0.925


def test_coverage_of_correlated_means_of_few_runs():
    """Numerator and denominator of the same five runs: Fieller with n - 1 dof is exact."""
    rng = np.random.default_rng(6)
    common = rng.normal(size=(4000, 5))
    x = 2 + 0.6 * common + 0.3 * rng.normal(size=(4000, 5))
    y = 1 + 0.4 * common + 0.1 * rng.normal(size=(4000, 5))
    covered = 0
    for runs in np.stack((x, y), axis=2):
        found = estimates(runs)
        item = Operands(*found.values, *found.u, covariance=found.covariance[0, 1], dof=4)
        covered += any(low <= 2 <= high for low, high in fieller_interval(item).pieces)
    assert 0.94 < covered / 4000 < 0.96
