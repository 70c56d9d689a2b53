"""Means, scatter and covariances to the last digits."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.moments import (
    Estimates,
    estimates,
    moments,
    propagate,
    second_order_variance,
)


def test_nist_accuracy_problems(shared):
    """NumAcc 1 and 2: mean exact, standard deviation and autocorrelation to 13 digits."""
    first, second = json.loads(shared("references/nist_strd_numacc1_2.json").read_text())[
        "datasets"
    ]
    for data, values in ((first, first["data"]), (second, [1.2] + [1.1, 1.3] * 500)):
        found = moments(values)
        assert found.mean == data["mean"]
        assert found.sd == pytest.approx(data["sd"], rel=1e-13)
        assert found.lag1 == pytest.approx(data["lag1"], rel=1e-13)


@pytest.mark.parametrize(("offset", "digits"), [(1e6, 9), (1e7, 8)])
def test_nist_harder_accuracy_problems(offset, digits):
    """NumAcc 3 and 4: as many digits as the decimal data keep when read into a double."""
    found = moments([offset + 0.2] + [offset + 0.1, offset + 0.3] * 500)
    assert found.mean == offset + 0.2
    assert found.sd == pytest.approx(0.1, rel=10.0**-digits)
    assert found.lag1 == pytest.approx(-0.999, rel=10.0**-digits)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=50), st.integers(-40, 40))
def test_scatter_knows_no_offset(values, power):
    """Readings moved by a power of two that leaves them exact keep sd and autocorrelation."""
    shift = 2.0**power if power >= 0 else 0.0
    plain, moved = moments(values), moments(np.array(values) + shift)
    assert moved.sd == pytest.approx(plain.sd, rel=1e-12, abs=1e-9)
    assert moved.lag1 == pytest.approx(plain.lag1, rel=1e-9, abs=1e-9, nan_ok=True)


def test_single_and_constant_readings():
    """What is not defined is NaN, not an exception."""
    alone = moments([3.0])
    assert alone.mean == 3.0
    assert math.isnan(alone.sd)
    assert math.isnan(alone.lag1)
    constant = moments([2.0, 2.0])
    assert constant.sd == 0.0
    assert math.isnan(constant.lag1)
    assert np.isnan(estimates(np.ones((1, 2))).covariance).all()


# GUM H.2: simultaneous voltage (V), current (A) and phase (rad) of an impedance.
GUM_H2 = np.array(
    [
        [5.007, 19.663e-3, 1.0456],
        [4.994, 19.639e-3, 1.0438],
        [5.005, 19.640e-3, 1.0468],
        [4.990, 19.685e-3, 1.0428],
        [4.999, 19.678e-3, 1.0433],
    ]
)


def impedance(x):
    """Get resistance, reactance and impedance."""
    ratio = x[0] / x[1]
    return np.array([ratio * math.cos(x[2]), ratio * math.sin(x[2]), ratio])


def test_gum_h2_correlated_inputs():
    """Means, u and correlations of inputs and results match GUM tables H.2 to H.4."""
    inputs = estimates(GUM_H2)
    assert inputs.values == pytest.approx([4.9990, 19.6610e-3, 1.04446])
    assert inputs.u == pytest.approx([0.0032, 0.0095e-3, 0.00075], rel=0.02)
    lower = inputs.correlation[[1, 2, 2], [0, 0, 1]]
    assert lower == pytest.approx([-0.36, 0.86, -0.65], abs=0.006)
    results = propagate(impedance, inputs)
    assert results.values == pytest.approx([127.732, 219.847, 254.260], abs=6e-4)
    assert results.u == pytest.approx([0.071, 0.295, 0.236], abs=6e-4)
    lower = results.correlation[[1, 2, 2], [0, 0, 1]]
    assert lower == pytest.approx([-0.588, -0.485, 0.993], abs=6e-4)


def test_both_ways_of_gum_h2_agree():
    """Evaluating each set of readings and averaging gives the same u as propagating means."""
    each = estimates(np.array([impedance(row) for row in GUM_H2]))
    means = propagate(impedance, estimates(GUM_H2))
    assert each.u == pytest.approx(means.u, rel=5e-3)


def test_gum_h1_second_order(shared):
    """The products of the end gauge's uncertain temperature and expansion add 11.8 nm."""
    data = json.loads(shared("references/gum_h1_end_gauge.json").read_text())
    known = {item["name"]: item for item in data["inputs"]}
    u = {
        name: item.get("u", item.get("half_width", 0.0) / math.sqrt(3))
        for name, item in known.items()
    }
    u_theta = math.hypot(u["theta_mean"], known["theta_cycle"]["half_width"] / math.sqrt(2))
    inputs = Estimates(
        np.array([50000623.0, 215.0, 0.0, -0.1, 1.15e-5, 0.0]),
        np.diag([25.0, 9.6819, u["d_alpha"], u_theta, u["alpha_s"], u["d_theta"]]) ** 2,
    )

    def end_gauge(x):
        length, difference, d_alpha, theta, alpha, d_theta = x
        return length + difference - length * (d_alpha * theta + alpha * d_theta)

    (first,) = propagate(lambda x: np.array([end_gauge(x)]), inputs).u
    second = second_order_variance(end_gauge, inputs)
    assert first == pytest.approx(data["recomputed"]["u_c"], rel=1e-5)
    assert math.sqrt(second) == pytest.approx(data["recomputed"]["second_order_term"], rel=1e-4)
    both = math.sqrt(first**2 + second)
    assert both == pytest.approx(data["recomputed"]["u_c_with_second_order"], rel=1e-5)


@given(st.floats(-3, 3), st.floats(0.1, 2), st.floats(-3, 3), st.floats(0.1, 2))
def test_second_order_is_exact_for_products_and_squares(x, u_x, y, u_y):
    """Var(x y) and Var(x²) of normal x and y have closed forms."""
    inputs = Estimates(np.array([x, y]), np.diag([u_x**2, u_y**2]))
    product = second_order_variance(lambda v: v[0] * v[1], inputs)
    assert product == pytest.approx((u_x * u_y) ** 2, rel=1e-6)
    square = second_order_variance(lambda v: v[0] ** 2, inputs)
    assert square == pytest.approx(2 * u_x**4, rel=1e-6)


@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=2),
    st.floats(-0.99, 0.99),
    st.floats(1e-3, 10),
)
def test_linear_models_are_exact(values, correlation, u):
    """A sum and a difference carry covariance exactly."""
    covariance = u**2 * np.array([[1, correlation], [correlation, 1]])
    result = propagate(
        lambda x: np.array([x[0] + x[1], x[0] - x[1]]), Estimates(np.array(values), covariance)
    )
    assert result.u**2 == pytest.approx(
        [2 * u**2 * (1 + correlation), 2 * u**2 * (1 - correlation)], rel=1e-9
    )
    assert result.covariance[0, 1] == pytest.approx(0, abs=1e-9 * u**2)
