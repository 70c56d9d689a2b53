"""Forms through points: what points support, and figures that must come out of each form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.calibration.fitting import (
    TooFewPoints,
    chi_squared_band,
    fit_correction,
    point_arrays,
)
from powerlab.analysis.calibration.forms import physical
from powerlab.analysis.errors_in_both import fit_line_both
from powerlab.analysis.lines import fit_line
from powerlab.errors import ConfigError
from powerlab.records.correction import CorrectionModel
from tests.analysis.calibration.worlds import point_at

LEVELS = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.7, 0.5, 0.3, 0.1, 0.0])


def exact_points(truth, levels=LEVELS, **facts):
    """Get points without noise, with an uncertainty, that follow ``truth(reading)``."""
    return [
        point_at(x, truth(x), 1e-3, 1e-3, index=index, **facts) for index, x in enumerate(levels)
    ]


@pytest.mark.parametrize(
    ("model", "truth", "expected"),
    [
        (CorrectionModel.ZERO, lambda x: x - 0.2, {"offset": -0.2}),
        (CorrectionModel.GAIN, lambda x: 1.01 * x, {"gain": 1.01}),
        (CorrectionModel.GAIN_OFFSET, lambda x: 0.99 * x + 0.1, {"offset": 0.1, "gain": 0.99}),
        (
            CorrectionModel.QUADRATIC,
            lambda x: 0.1 + x - 0.03 * x**2,
            {"offset": 0.1, "gain": 1.0, "curvature": -0.03},
        ),
        (
            CorrectionModel.PIECEWISE,
            lambda x: x + 0.02 * max(0, x - 0.4),
            {"offset": 0.0, "gain": 1.0, "gain change at 0.4": 0.02},
        ),
    ],
)
def test_each_form_finds_its_own_parameters(model, truth, expected):
    """Points on a form give its parameters, whatever the others could have been."""
    fit = fit_correction(model, exact_points(truth), knots=(0.4,))
    names, found = physical(fit)
    assert dict(zip(names, found.values, strict=True)) == pytest.approx(expected, abs=1e-12)
    assert fit.chi_squared == pytest.approx(0, abs=1e-15)


def test_ranges_have_gains_and_offsets_of_their_own():
    """Two ranges in one fit: each gets its line, as if it were alone."""
    small = exact_points(lambda x: 1.01 * x + 0.001, LEVELS, full_scale=1.0)
    large = exact_points(lambda x: 0.98 * x - 0.02, 10 * LEVELS, full_scale=10.0)
    names, found = physical(fit_correction(CorrectionModel.PER_RANGE, [*small, *large]))
    assert names == ("offset of 1", "gain of 1", "offset of 10", "gain of 10")
    assert found.values == pytest.approx([0.001, 1.01, -0.02, 0.98], abs=1e-12)
    _, alone = physical(fit_correction(CorrectionModel.GAIN_OFFSET, small))
    assert found.u[:2] == pytest.approx(alone.u, rel=1e-9)
    assert found.covariance[0, 2:] == pytest.approx(0, abs=1e-18)


def test_a_temperature_term_is_a_factor():
    """Points at two temperatures give alpha and the line at 23 °C."""
    warm = [
        point_at(x, (1.01 * x + 0.1) * (1 + 2e-4 * (t - 23)), 1e-4, 1e-4, temperature_c=t)
        for t in (18.0, 28.0)
        for x in LEVELS
    ]
    names, found = physical(fit_correction(CorrectionModel.GAIN_OFFSET, warm, temperature=True))
    assert names == ("offset", "gain", "alpha")
    assert found.values == pytest.approx([0.1, 1.01, 2e-4], rel=1e-9)


@given(seed=st.integers(0, 2**32 - 1), both=st.booleans())
@settings(deadline=None)
def test_gain_and_offset_are_the_line(seed, both):
    """The form with two terms is York's line, and the weighted one where readings are exact."""
    rng = np.random.default_rng(seed)
    x = np.arange(10.0) + rng.uniform(0, 0.5, 10)
    u_x = rng.uniform(0.01, 0.1, 10) if both else np.zeros(10)
    u_y = rng.uniform(0.02, 0.2, 10)
    y = 0.1 + 1.02 * x + np.hypot(u_x, u_y) * rng.normal(size=10)
    line = fit_line_both(x, y, u_x, u_y) if both else fit_line(x, y, u_y)
    points = [point_at(*column) for column in zip(x, y, u_x, u_y, strict=True)]
    fit = fit_correction(CorrectionModel.GAIN_OFFSET, points)
    _, found = physical(fit)
    assert found.values == pytest.approx([line.intercept, line.slope], rel=1e-8, abs=1e-9)
    scale = 1.0 if fit.stated else line.chi_squared / line.dof
    assert found.covariance[0, 1] == pytest.approx(scale * line.covariance, rel=1e-6)
    assert fit.chi_squared == pytest.approx(line.chi_squared, rel=1e-8)


def test_scatter_beyond_the_stated_uncertainty_is_the_uncertainty():
    """Points that scatter ten times their u get the u of their scatter, with its dof."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=len(LEVELS))

    def scattered(u):
        return [point_at(x, x + 1e-2 * e, 0.0, u) for x, e in zip(LEVELS, noise, strict=True)]

    narrow = fit_correction(CorrectionModel.GAIN_OFFSET, scattered(1e-3))
    none = fit_correction(CorrectionModel.GAIN_OFFSET, scattered(0.0))
    wide = fit_correction(CorrectionModel.GAIN_OFFSET, scattered(1e-2))
    assert (narrow.stated, none.stated, wide.stated) == (False, False, True)
    assert narrow.covariance == pytest.approx(none.covariance, rel=1e-9)
    assert narrow.dof == len(LEVELS) - 2


def test_scatter_of_few_readings_is_pooled():
    """Points of one range that scatter alike share one scatter; unlike ones keep their own."""
    alike = [
        point_at(x, x, u, 1e-4, readings=5) for x, u in zip(LEVELS, [2e-3, 1e-3] * 6, strict=True)
    ]
    unlike = [
        point_at(x, x, u, 1e-4, readings=5) for x, u in zip(LEVELS, [9e-3, 1e-3] * 6, strict=True)
    ]
    pooled = point_arrays(alike).var_reading
    assert pooled == pytest.approx(np.full(12, (4e-6 + 1e-6) / 2))
    assert point_arrays(unlike).var_reading == pytest.approx(np.array([9e-3, 1e-3] * 6) ** 2)


def test_the_band_of_chi_squared_is_wider_for_few_readings():
    """The band is that of chi-squared for stated u, and F's where u itself is a scatter."""
    stated = chi_squared_band(9, point_arrays(exact_points(lambda x: x)))
    assert stated == pytest.approx((2.700, 19.023), abs=1e-3)
    seen = chi_squared_band(9, point_arrays(exact_points(lambda x: x, readings=3)))
    assert seen[0] < stated[0] < stated[1] < seen[1]


@pytest.mark.parametrize(
    ("model", "levels", "least"),
    [
        (CorrectionModel.ZERO, [0, 0, 0], "3 points"),
        (CorrectionModel.GAIN, [0, 1, 1], "3 points"),
        (CorrectionModel.GAIN_OFFSET, [0, 1, 2, 2], "4 points"),
        (CorrectionModel.QUADRATIC, [0, 1, 2, 3, 3], "5 points"),
        (CorrectionModel.PIECEWISE, [0, 1, 2, 3, 3], "5 points"),
    ],
)
def test_fewer_points_than_a_model_needs_are_refused(model, levels, least):
    """Each model takes two points more than parameters, on one level more than fixes it."""
    enough = [point_at(x, x, 1e-3, 1e-3) for x in levels]
    knots = (1.5,)
    assert fit_correction(model, enough, knots=knots).dof == 2
    with pytest.raises(TooFewPoints, match=least) as caught:
        fit_correction(model, enough[:-1], knots=knots)
    assert isinstance(caught.value, ConfigError)
    assert caught.value.hint
    same = [point_at(1, 1, 1e-3, 1e-3) for _ in range(9)]
    if model is not CorrectionModel.ZERO:
        with pytest.raises(TooFewPoints, match="different levels"):
            fit_correction(model, same, knots=knots)


def test_what_points_cannot_tell_apart_is_refused():
    """One range, no knot, one temperature, a level each at its own temperature: all are said."""
    points = exact_points(lambda x: x)
    for facts, reason in (
        ({"model": CorrectionModel.PER_RANGE}, "only one range"),
        ({"model": CorrectionModel.PIECEWISE}, "no knot"),
        ({"model": CorrectionModel.GAIN, "temperature": True}, "differ by 5 K"),
    ):
        with pytest.raises(TooFewPoints, match=reason):
            fit_correction(facts.pop("model"), points, **facts)
    with pytest.raises(ValueError, match="one quantity"):
        fit_correction(CorrectionModel.ZERO, [])
    with pytest.raises(ValueError, match="one quantity"):
        fit_correction(CorrectionModel.ZERO, [*points, point_at(1, 1, quantity="voltage")])


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e6])
def test_units_do_not_matter(scale):
    """Nanoamperes and megavolts give the same gain and relative curvature."""
    noise = 1e-3 * np.random.default_rng(7).normal(size=len(LEVELS))

    def found(unit):
        points = [
            point_at(unit * x, unit * (x + 0.05 * x**2 + e), 1e-3 * unit, 1e-4 * unit)
            for x, e in zip(LEVELS, noise, strict=True)
        ]
        return physical(fit_correction(CorrectionModel.QUADRATIC, points))[1]

    unit, plain = np.array([scale, 1.0, 1 / scale]), found(1.0)
    assert found(scale).values / unit == pytest.approx(plain.values, rel=1e-9)
    assert found(scale).u / unit == pytest.approx(plain.u, rel=1e-9)
