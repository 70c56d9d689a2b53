"""Straight lines against certified fits, exact rational arithmetic, and what must not matter."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from powerlab.analysis.lines import (
    fit_line,
    fit_line_correlated,
    fit_through_origin,
    invert,
    predict,
)


def reference(shared, name):
    """Get one reference problem."""
    return json.loads(shared(f"references/{name}.json").read_text())


def test_norris(shared):
    """All certified figures of the ozone monitor's line come out to 9 digits and more."""
    data = reference(shared, "nist_strd_norris")
    certified = data["certified"]
    line = fit_line(data["x"], data["y"])
    for found, name in (
        (line.intercept, "b0"),
        (line.u_intercept, "sd_b0"),
        (line.slope, "b1"),
        (line.u_slope, "sd_b1"),
        (line.residual_sd, "residual_sd"),
        (line.chi_squared, "residual_ss"),
        (line.r_squared, "r_squared"),
        (line.covariance, "cov_b0_b1"),
    ):
        assert found == pytest.approx(certified[name], rel=1e-10, abs=0), name


def test_gain_without_offset(shared):
    """The certified line through the origin comes out to 14 digits."""
    data = reference(shared, "nist_strd_noint1")
    certified = data["certified"]
    line = fit_through_origin(data["x"], data["y"])
    assert line.slope == pytest.approx(certified["b1"], rel=1e-14, abs=0)
    assert line.u_slope == pytest.approx(certified["sd_b1"], rel=1e-14, abs=0)
    assert line.chi_squared == pytest.approx(certified["residual_ss"], rel=1e-14, abs=0)
    assert (line.dof, line.intercept, line.u_intercept) == (certified["df"], 0.0, 0.0)
    assert line.correlation == 0.0


def test_gain_of_three_points():
    """NIST StRD NoInt2, three points through the origin."""
    line = fit_through_origin([4, 5, 6], [3, 4, 4])
    assert line.slope == pytest.approx(0.727272727272727, rel=1e-14)
    assert line.u_slope == pytest.approx(0.0420827318078432, rel=1e-13)
    assert line.chi_squared == pytest.approx(0.272727272727273, rel=1e-13)


def test_gum_h3_thermometer(shared):
    """Slope, intercept, their correlation and the correction at 30 °C match GUM H.3."""
    data = reference(shared, "gum_h3_thermometer_line")
    expected = data["recomputed"]
    line = fit_line(np.array(data["t"]) - data["t0"], data["b"])
    assert line.intercept == pytest.approx(expected["y1"], rel=1e-7)
    assert line.u_intercept == pytest.approx(expected["s_y1"], rel=1e-4)
    assert line.slope == pytest.approx(expected["y2"], rel=1e-4)
    assert line.u_slope == pytest.approx(expected["s_y2"], rel=1e-5)
    assert line.correlation == pytest.approx(expected["r"], rel=1e-6)
    assert line.residual_sd == pytest.approx(expected["s"], rel=1e-5)
    assert line.parameter_dof == data["published"]["df"]
    at_30 = predict(line, 30.0 - data["t0"])
    assert at_30 == pytest.approx((expected["b_30"], expected["u_b_30"]), rel=1e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_iso_ts_28037_stated_uncertainties(shared, number):
    """Examples 1 and 2: parameters, covariance, chi-squared, inverse and forward evaluation."""
    data = reference(shared, "iso_ts_28037_ex1_ex2")["examples"][number]
    digits = data["digits"]
    line = fit_line(data["x"], data["y"], data["u_y"])
    found = {
        "a": line.intercept,
        "u_a": line.u_intercept,
        "b": line.slope,
        "u_b": line.u_slope,
        "cov_ab": line.covariance,
        "chi2": line.chi_squared,
    }
    assert found == pytest.approx(digits, rel=1e-13)
    assert line.parameter_dof is None
    assert line.tail_probability > 0.05
    wanted = data["inverse"]
    rel = 1e-3 if number else 1e-12
    back = invert(line, wanted["y1"], wanted["u_y1"])
    assert back == pytest.approx((wanted["x1"], wanted["u_x1"]), rel=rel)
    if "forward" in data:
        wanted = data["forward"]
        there = predict(line, wanted["x2"], wanted["u_x2"])
        assert there == pytest.approx((wanted["y2"], wanted["u_y2"]), rel=1e-13)


def test_iso_ts_28037_unknown_uncertainty():
    """Annex E of ISO/TS 28037: without stated u, the residuals give it."""
    line = fit_line(range(1, 7), [3.014, 5.225, 7.004, 9.061, 11.201, 12.762])
    assert (line.intercept, line.slope) == pytest.approx((1.172, 1.96357142857143), rel=1e-13)
    assert line.u_intercept == pytest.approx(0.158875093196181, rel=1e-12)
    assert line.u_slope == pytest.approx(0.0407953578791729, rel=1e-12)
    assert line.covariance == pytest.approx(-0.00582491428571429, rel=1e-12)
    assert math.isnan(line.tail_probability)


def exact(x, y, weight):
    """Solve the normal equations in rational numbers."""
    x, y, w = ([Fraction(float(v)) for v in column] for column in (x, y, weight))
    sums = [sum(wi * xi**k for wi, xi in zip(w, x, strict=True)) for k in range(3)]
    level = sum(wi * yi for wi, yi in zip(w, y, strict=True))
    cross = sum(wi * xi * yi for wi, xi, yi in zip(w, x, y, strict=True))
    determinant = sums[0] * sums[2] - sums[1] ** 2
    intercept = (sums[2] * level - sums[1] * cross) / determinant
    slope = (sums[0] * cross - sums[1] * level) / determinant
    return float(intercept), float(slope), float(sums[0] / determinant)


@settings(deadline=None)
@given(
    offset=st.sampled_from([0.0, 1e3, 1e6, 1e9]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 2**32 - 1),
    weighted=st.booleans(),
)
def test_no_offset_costs_digits(offset, scale, seed, weighted):
    """Far from the origin and in any unit the fit agrees with rational arithmetic."""
    rng = np.random.default_rng(seed)
    x = offset + np.sort(rng.uniform(0, 10, 12)) + np.arange(12)
    y = scale * (3 + 2 * (x - offset) + rng.normal(0, 0.01, 12))
    weight = 2.0 ** rng.integers(-4, 4, 12) if weighted else np.ones(12)
    line = fit_line(x, y, 1 / weight if weighted else None)
    intercept, slope, variance = exact(x, y, weight**2)
    assert line.slope == pytest.approx(slope, rel=1e-12)
    assert line.level == pytest.approx(intercept + slope * line.centre, rel=1e-7)
    if weighted:
        assert line.u_slope == pytest.approx(math.sqrt(variance), rel=1e-12)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_diagonal_covariance_is_a_weighted_fit(seed):
    """The fit of correlated points falls back to the weighted one without correlations."""
    rng = np.random.default_rng(seed)
    x, u = rng.uniform(0, 10, 8), rng.uniform(0.1, 2, 8)
    assume(np.ptp(x) > 1)
    y = 1 + 2 * x + u * rng.normal(size=8)
    full, diagonal = fit_line_correlated(x, y, np.diag(u**2)), fit_line(x, y, u)
    assert full.slope == pytest.approx(diagonal.slope, rel=1e-9)
    assert full.intercept == pytest.approx(diagonal.intercept, rel=1e-8, abs=1e-8)
    assert full.covariance == pytest.approx(diagonal.covariance, rel=1e-9)
    assert full.chi_squared == pytest.approx(diagonal.chi_squared, rel=1e-8, abs=1e-12)


def test_a_common_error_widens_the_level_only():
    """An error common to all points adds to the level in quadrature and leaves the slope."""
    x = np.arange(6.0)
    y = 1 + 2 * x + 0.1 * np.array([1, -1, 1, -1, 1, -1])
    alone = fit_line(x, y, np.full(6, 0.1))
    common = fit_line_correlated(x, y, 0.01 * np.eye(6) + 0.25)
    assert common.slope == pytest.approx(alone.slope)
    assert common.u_slope == pytest.approx(alone.u_slope)
    assert predict(common, 2.5)[1] == pytest.approx(math.hypot(predict(alone, 2.5)[1], 0.5))


@settings(deadline=None)
@given(y=st.floats(-100, 100), u_y=st.floats(0, 5))
def test_inverse_undoes_prediction(y, u_y):
    """Inverting and predicting again gives the reading back, and its u within the line's."""
    line = fit_line([1, 2, 3, 5], [2.1, 3.9, 6.2, 9.8], [0.1, 0.2, 0.1, 0.3])
    x, u_x = invert(line, y, u_y)
    assert predict(line, x)[0] == pytest.approx(y, abs=1e-12)
    assert u_x * abs(line.slope) == pytest.approx(math.hypot(u_y, predict(line, x)[1]))


def test_two_points_leave_no_scatter():
    """Two points fix a line; without stated u, its uncertainty is not known: infinite."""
    line = fit_line([0, 1], [1, 3])
    assert (line.intercept, line.slope) == (1, 2)
    assert math.isinf(line.u_slope)
    assert fit_line([0, 1], [1, 3], [0.1, 0.1]).u_slope == pytest.approx(0.1 * math.sqrt(2))


@pytest.mark.parametrize(
    "fit",
    [
        lambda: fit_line([1, 1], [1, 2]),
        lambda: fit_line([1], [1]),
        lambda: fit_line([1, 2], [1, 2], [0, 1]),
        lambda: fit_through_origin([0, 0], [1, 2]),
        lambda: invert(fit_line([1, 2], [3, 3]), 3),
    ],
)
def test_impossible_fits_are_refused(fit):
    """Points that fix no line raise ValueError with a sentence."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        fit()
