"""Lines through points uncertain in both coordinates."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.errors_in_both import fit_curve_both, fit_line_both, fit_line_joint
from powerlab.analysis.lines import fit_line
from powerlab.analysis.polynomial import fit_polynomial


def assert_same(found, expected, rel):
    """Compare two lines in all that they state."""
    for name in ("slope", "intercept", "u_slope", "u_intercept", "covariance"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=rel), name
    assert found.chi_squared == pytest.approx(expected.chi_squared, rel=rel, abs=1e-12)


def test_york_pearson(shared):
    """Pearson's data with York's weights come out to 13 digits, uncertainties of York 2004."""
    data = json.loads(shared("references/york_pearson.json").read_text())
    expected = data["recomputed"]
    u_x, u_y = (np.array(data[key]) ** -0.5 for key in ("weight_x", "weight_y"))
    for line in (
        fit_line_both(data["x"], data["y"], u_x, u_y),
        fit_line_joint(data["x"], data["y"], np.diag(np.concatenate((u_x, u_y)) ** 2)),
    ):
        assert line.intercept == pytest.approx(expected["a"], rel=1e-13)
        assert line.slope == pytest.approx(expected["b"], rel=1e-13)
        assert line.u_intercept == pytest.approx(expected["sa"], rel=1e-12)
        assert line.u_slope == pytest.approx(expected["sb"], rel=1e-12)
        assert line.covariance == pytest.approx(expected["cov"], rel=1e-12)
        assert line.chi_squared == pytest.approx(expected["S"], rel=1e-12)
        assert line.dof == 8


def test_iso_ts_28037_example_3():
    """Uncertain x and y: the published figures to all their digits."""
    line = fit_line_both(
        [1.2, 1.9, 2.9, 4.0, 4.7, 5.9],
        [3.4, 4.4, 7.2, 8.5, 10.8, 13.5],
        [0.2] * 6,
        [0.2, 0.2, 0.2, 0.4, 0.4, 0.4],
    )
    found = (line.intercept, line.u_intercept, line.slope, line.u_slope, line.covariance)
    assert found == pytest.approx((0.5788, 0.4764, 2.1597, 0.1355, -0.0577), abs=6e-5)
    assert line.chi_squared == pytest.approx(2.743, abs=5e-4)


def points(seed, count=10):
    """Draw points on a line with correlated errors in both coordinates."""
    rng = np.random.default_rng(seed)
    u_x, u_y = rng.uniform(0.02, 0.3, count), rng.uniform(0.05, 0.6, count)
    correlation = rng.uniform(-0.9, 0.9, count)
    true_x = np.arange(count, dtype=float)
    first, second = rng.normal(size=(2, count))
    x = true_x + u_x * first
    y = 1 + 2 * true_x + u_y * (correlation * first + np.sqrt(1 - correlation**2) * second)
    return x, y, u_x, u_y, correlation


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_york_is_the_joint_fit_of_independent_points(seed):
    """York's iteration and Gauss-Newton on all coordinates find the same line and u."""
    x, y, u_x, u_y, correlation = points(seed)
    covariance = np.diag(np.concatenate((u_x, u_y)) ** 2)
    index = np.arange(len(x))
    covariance[index, len(x) + index] = covariance[len(x) + index, index] = correlation * u_x * u_y
    found = fit_line_both(x, y, u_x, u_y, correlation)
    assert_same(found, fit_line_joint(x, y, covariance), rel=1e-7)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_exact_abscissas_give_the_weighted_line(seed):
    """With u_x = 0 everywhere York's line is the weighted one."""
    x, y, _, u_y, _ = points(seed)
    assert_same(fit_line_both(x, y, np.zeros(len(x)), u_y), fit_line(x, y, u_y), rel=1e-8)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_exchanging_the_axes_inverts_the_slope(seed):
    """Errors in both coordinates know no dependent variable: x on y is y on x inverted."""
    x, y, u_x, u_y, correlation = points(seed)
    forth, back = (
        fit_line_both(x, y, u_x, u_y, correlation),
        fit_line_both(y, x, u_y, u_x, correlation),
    )
    assert back.slope == pytest.approx(1 / forth.slope, rel=1e-9)
    assert back.chi_squared == pytest.approx(forth.chi_squared, rel=1e-8)


def test_coverage_of_the_slope():
    """Over many draws the slope lies within 1.96 u of the truth 95 times in 100."""
    inside = 0
    for seed in range(1000):
        line = fit_line_both(*points(seed))
        inside += abs(line.slope - 2) < 1.96 * line.u_slope
    assert 930 <= inside <= 970


def test_a_level_line_converges():
    """A slope of 0 is a slope; points exact in both coordinates are refused."""
    flat = fit_line_both(np.arange(5.0), [1.0, 2, 3, 2, 1], np.full(5, 0.1), np.full(5, 0.1))
    assert flat.slope == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="one coordinate"):
        fit_line_both([1, 2, 3], [1, 2, 3], [0, 1, 1], [0, 1, 1])


class Powers:
    """A polynomial as a curve."""

    def __init__(self, degree):
        self.powers = np.arange(degree + 1)

    def value(self, x, parameters):
        """Get the heights."""
        return self.columns(x, parameters) @ parameters

    def slope(self, x, parameters):
        """Get the derivatives by x."""
        return np.polynomial.Polynomial(parameters).deriv()(x)

    def columns(self, x, parameters):
        """Get the powers of x."""
        return x[:, None] ** self.powers


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_curve_of_degree_one_is_york_s_line(seed):
    """Tangents to a straight curve are the line: the same figures, correlations and all."""
    x, y, u_x, u_y, correlation = points(seed)
    line = fit_line_both(x, y, u_x, u_y, correlation)
    covariances = (u_x**2, u_y**2, correlation * u_x * u_y)
    curve = fit_curve_both(Powers(1), np.array([0.0, 1.0]), x, y, covariances)
    assert curve.parameters == pytest.approx([line.intercept, line.slope], rel=1e-7, abs=1e-8)
    covariance = curve.root @ curve.root.T
    assert covariance[1, 1] == pytest.approx(line.u_slope**2, rel=1e-6)
    assert covariance[0, 1] == pytest.approx(line.covariance, rel=1e-6)
    assert curve.chi_squared == pytest.approx(line.chi_squared, rel=1e-7)


def test_exact_abscissas_give_the_polynomial():
    """With u_x = 0 a curve of degree 2 is the weighted polynomial."""
    x, y, _, u_y, _ = points(3)
    y = y + 0.1 * x**2
    exact = np.zeros(len(x))
    curve = fit_curve_both(Powers(2), np.zeros(3), x, y, (exact, u_y**2, exact))
    polynomial = fit_polynomial(x, y, 2, u_y)
    assert curve.parameters == pytest.approx(polynomial.coefficients, rel=1e-10)
    assert curve.root @ curve.root.T == pytest.approx(polynomial.covariance, rel=1e-9)
    assert curve.chi_squared == pytest.approx(polynomial.chi_squared, rel=1e-10)


def test_coverage_of_a_bent_curve():
    """Over many draws the curvature lies within 1.96 u of the truth 95 times in 100."""
    inside = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        true_x = np.linspace(0, 3, 12)
        x = true_x + 0.05 * rng.normal(size=12)
        y = 1 + true_x + 0.4 * true_x**2 + 0.03 * rng.normal(size=12)
        covariances = (np.full(12, 0.05**2), np.full(12, 0.03**2), np.zeros(12))
        found = fit_curve_both(Powers(2), np.array([1.0, 1.0, 0.4]), x, y, covariances)
        inside += abs(found.parameters[2] - 0.4) < 1.96 * np.linalg.norm(found.root[2])
    assert 0.92 * 300 <= inside <= 0.98 * 300


def test_curves_that_points_do_not_fix_are_refused():
    """Terms that look alike at all points, or points without uncertainty, are an error."""
    x = np.array([1.0, 1.0, 2.0, 2.0])
    one, zero = np.ones(4), np.zeros(4)
    with pytest.raises(ValueError, match="apart"):
        fit_curve_both(Powers(2), np.zeros(3), x, x, (zero, one, zero))
    with pytest.raises(ValueError, match="one coordinate"):
        fit_curve_both(Powers(1), np.zeros(2), x, x, (zero, zero, zero))
