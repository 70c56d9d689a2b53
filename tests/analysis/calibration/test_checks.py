"""Every check fires on its fault, and seldom without one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from powerlab.analysis.calibration.checks import chance_of_runs, check_fit, residuals
from powerlab.analysis.calibration.fitting import fit_correction, fit_form, point_arrays
from powerlab.analysis.calibration.points import check_points
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.findings import Severity
from powerlab.records.calibration import Settling
from powerlab.records.correction import CorrectionModel
from tests.analysis.calibration.worlds import (
    COMMON,
    FULL_SCALE,
    LEVELS,
    LIMIT,
    drawn_world,
    point_at,
)

WORLDS = 100


def codes(spoil=lambda points, seed: points, worlds=WORLDS, levels=LEVELS, warm=None, **facts):
    """Get how often each finding is made, over many set-ups; ``spoil`` changes the points."""
    counts = Counter()
    for seed in range(worlds):
        world = drawn_world(seed, **facts)
        points = spoil(world.points(levels, warm=warm or (lambda step: 23.0)), seed)
        correction = choose_correction(points, COMMON, certificate="C-1")
        counts.update({finding.code for finding in check_fit(correction, points)})
    return {code: count / worlds for code, count in counts.items()}


def test_good_points_are_seldom_doubted():
    """Each check raises a false alarm in a few per cent of good calibrations, most in none."""
    found = codes(worlds=400)
    assert set(found) <= {
        "calibration-scatter",
        "calibration-scatter-small",
        "calibration-outlier",
        "calibration-pattern",
        "calibration-hysteresis",
        "calibration-drift",
    }
    assert all(rate <= 0.06 for rate in found.values()), found
    assert all(
        found.get(f"calibration-{name}", 0) <= 0.02 for name in ("pattern", "hysteresis", "drift")
    )


def test_scatter_beyond_u_is_told():
    """Points that scatter three times what they state leave the band of chi-squared."""

    def loose(points, seed):
        rng = np.random.default_rng(seed)
        return [replace(p, reading=p.reading + 3e-4 * rng.normal()) for p in points]

    assert codes(loose)["calibration-scatter"] >= 0.95


def test_u_stated_too_large_is_told():
    """Points that scatter a fifth of what they state leave the band at its lower end."""

    def cautious(points, seed):
        return [replace(p, u_reading=5e-4) for p in points]

    assert codes(cautious, curve=0.0)["calibration-scatter-small"] >= 0.95


def test_hysteresis_is_told():
    """An error that depends on the direction is named so, not as drift."""
    found = codes(hysteresis=6e-4)
    assert found["calibration-hysteresis"] >= 0.9
    assert found.get("calibration-drift", 0) <= 0.15


def test_drift_during_the_calibration_is_told():
    """A gain that moves by 0.1 % an hour is named so, not as hysteresis."""
    found = codes(drift_per_h=1e-3)
    assert found["calibration-drift"] >= 0.9
    assert found.get("calibration-hysteresis", 0) <= 0.15


def test_influence_of_a_temperature_that_wanders_is_told():
    """Temperatures too close for a term of their own still show in the residuals."""
    found = codes(warmth=3e-4, warm=lambda step: 23 + 2 * np.sin(2.3 * step))
    assert found["calibration-temperature"] >= 0.9


def test_a_form_that_does_not_follow_shows_a_pattern():
    """Residuals of a kink that no form has keep their sign too long."""
    levels = tuple(np.linspace(0, 1, 13))
    assert codes(levels=levels, kink=0.01)["calibration-pattern"] >= 0.9


def test_one_wrong_point_is_found():
    """A point eight u off is named, by leaving each out in turn."""
    for seed in range(24):
        wrong = seed % 12
        points = drawn_world(seed).points()
        points[wrong] = replace(points[wrong], reading=points[wrong].reading + 8e-4)
        correction = choose_correction(points, COMMON, certificate="C-1")
        findings = {item.code: item for item in check_fit(correction, points)}
        assert findings["calibration-outlier"].evidence["point"] == wrong


def test_leaving_out_by_leverage_is_leaving_out():
    """The prediction error by leverage is that of a fit made without the point."""
    points = drawn_world(3).points()
    fit = fit_correction(CorrectionModel.GAIN_OFFSET, points)
    quick = residuals(fit, points).predicted
    for left_out in (0, 5, 11):
        others = points[:left_out] + points[left_out + 1 :]
        alone = fit_form(fit.form, point_arrays(others))
        point = point_arrays([points[left_out]])
        curve = point.curve(fit.form)
        away = point.reference - curve.value(point.reading, alone.parameters)
        columns = curve.columns(point.reading, alone.parameters)[0]
        covariance = (
            alone.covariance if alone.stated else alone.covariance * (alone.dof / alone.chi_squared)
        )
        pooled = point_arrays(points)
        own = pooled.var_reading[left_out] + pooled.var_reference[left_out]
        u = np.sqrt(own + columns @ covariance @ columns)
        assert quick[left_out] == pytest.approx(away[0] / u, rel=0.02)


def test_points_that_cannot_show_curvature_are_told():
    """Three levels leave the linearity open, four do not."""
    three = codes(levels=(0.1, 0.5, 0.9), worlds=5)
    assert three["calibration-linearity"] == 1
    assert "calibration-linearity" not in codes(levels=(0.1, 0.4, 0.7, 0.9), worlds=5)


def test_chance_of_runs():
    """Tables of Wald and Wolfowitz: 5 and 5, 3 runs or fewer by chance in 10 of 252 orders."""
    assert chance_of_runs(5, 5, 2) == pytest.approx(2 / 252)
    assert chance_of_runs(5, 5, 3) == pytest.approx(10 / 252)
    assert chance_of_runs(5, 5, 10) == pytest.approx(1)
    assert chance_of_runs(3, 7, 7) == pytest.approx(1)
    assert chance_of_runs(0, 9, 1) == 1


def found_in(points):
    """Get the findings on points by their codes."""
    return {finding.code: finding for finding in check_points(points, LIMIT, COMMON)}


def test_a_meter_within_its_limits_is_told_nothing():
    """Points half way to the specified limit, settled and reached, raise nothing."""
    points = [point_at(x * 1.001, x, 1e-4, 2e-5, nominal=x) for x in (0.0, 1.0, 2.0)]
    assert found_in(points) == {}


def test_points_that_did_not_settle_are_told():
    """Points read too early are counted, and the first is named."""
    points = [point_at(1.0, 1.0, 1e-4, 1e-4), point_at(2.0, 2.0, 1e-4, 1e-4)]
    points[1] = replace(points[1], settling=Settling.UNSETTLED)
    finding = found_in(points)["calibration-unsettled"]
    assert finding.severity is Severity.WARNING
    assert "1 of 2" in finding.message


def test_a_load_that_saturates_is_told():
    """A step of the load that the reference does not see is blocking."""
    points = [point_at(x, min(x, 1.6), 1e-4, 1e-4, nominal=x) for x in (0.5, 1.0, 1.5, 2.0)]
    finding = found_in([replace(p, reading=p.reference) for p in points])
    assert finding["calibration-load-saturated"].severity is Severity.BLOCKING
    assert finding["calibration-load-saturated"].evidence["nominal"] == 2.0


def test_a_load_that_draws_nothing_at_zero_is_not_saturated():
    """With its input on a load draws its offset, too: the step up from zero is not followed."""
    points = [point_at(x, x, 1e-4, 1e-4, nominal=n) for n, x in ((0, 0.0), (0.01, 0.002), (1, 1.0))]
    assert "calibration-load-saturated" not in found_in(points)


def test_a_meter_outside_of_its_limits_is_told_as_found():
    """Errors beyond the limit, or within U of it, are not conformity; tenfold ones are mistakes."""
    outside = found_in([point_at(2.02, 2.0, 1e-4, 1e-4, nominal=2.0)])
    assert set(outside) == {"calibration-out-of-specification"}
    close = found_in([point_at(2.01296, 2.0, 1e-4, 1e-4, nominal=2.0)])
    assert set(close) == {"calibration-out-of-specification"}
    mistaken = found_in([point_at(0.2, 2.0, 1e-4, 1e-4, nominal=2.0)])
    assert mistaken["calibration-implausible"].severity is Severity.BLOCKING
    assert LIMIT.full_scale == FULL_SCALE
