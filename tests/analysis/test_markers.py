"""Electrical markers: how well their delay is found, how honest its u, and their agreement."""

import dataclasses
import math

import numpy as np
import pytest

from powerlab.analysis.codes import plan_marker
from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.markers import agree, fit_marker, marker_findings
from powerlab.findings import Severity
from tests.analysis.marker_worlds import START_NS, draw, fit, rms

SEEDS = range(60)
MS = 1_000_000
FAST = plan_marker(0.01, 0.01, budget_s=10)


def errors_and_u(plan, seeds=SEEDS, *, gated=False, **world):
    """Fit one marker per seed: errors of the group delay and their stated u, in seconds."""
    errors, stated = [], []
    for seed in seeds:
        drawn = draw(seed, plan, gated=gated, **world)
        found = fit(drawn, aperture_s=plan.aperture_s if gated else None)
        assert found.believed, found.reason
        errors.append(found.delay_ns / 1e9 - drawn.group_s)
        stated.append(found.u_delay_ns / 1e9)
    return np.array(errors), np.array(stated)


@pytest.mark.parametrize(
    ("interval_s", "budget_s", "limit_s"),
    [(0.001, 4, 20e-6), (0.01, 4, 50e-6), (0.04, 15, 0.2e-3), (1.0, 170, 2e-3)],
    ids=["1 kS/s", "100 S/s", "25 S/s", "1 Hz"],
)
def test_group_delay_is_found_and_its_u_is_honest(interval_s, budget_s, limit_s):
    """With 2 W, 20 mW of noise and a lag up to 5 ms: rms within the limit, error as stated."""
    plan = plan_marker(interval_s, interval_s, budget_s=budget_s)
    errors, stated = errors_and_u(plan)
    assert rms(errors) <= limit_s
    assert rms(stated) <= limit_s
    assert 0.7 <= rms(errors / stated) <= 1.4
    assert np.abs(errors / stated).max() < 4.5


def test_very_fast_meters_are_joined():
    """At 100 kS/s the delay is found to microseconds, means and points alike."""
    plan = plan_marker(1e-5, 1e-5, budget_s=4)
    for points in (False, True):
        errors, stated = errors_and_u(plan, range(4), points=points, margin_s=0.6, delay_s=0.1)
        assert rms(errors) < 5e-6
        assert np.abs(errors / stated).max() < 4.5


@pytest.mark.parametrize("lag_s", [0.0, 0.001, 0.005])
def test_lag_does_not_bias_the_group_delay(lag_s):
    """Whatever the lag, the mean error stays a small part of the lag it would be unmodelled."""
    errors, stated = errors_and_u(FAST, lag_s=lag_s)
    assert abs(errors.mean()) < 4 * rms(stated) / math.sqrt(len(errors))
    assert 0.7 <= rms(errors / stated) <= 1.4


def test_lag_is_fitted_where_the_meter_can_tell():
    """A 100 S/s meter tells a lag of 3 ms to a tenth of a millisecond."""
    found = [fit(draw(seed, FAST, lag_s=0.003)) for seed in range(20)]
    lags = np.array([one.lag_s for one in found])
    assert rms(lags - 0.003) < 1.5e-4
    assert rms([(one.lag_s - 0.003) / one.u_lag_s for one in found]) < 1.6


def test_lag_that_cannot_be_told_is_admitted():
    """A 1 Hz meter knows no more of a lag than the limit it was given."""
    plan = plan_marker(1.0, 1.0, budget_s=100)
    found = fit(draw(3, plan), lag_limit_s=0.02)
    assert found.believed
    assert found.u_lag_s > 0.003
    assert found.lag_s - 2 * found.u_lag_s < 0.005


@pytest.mark.parametrize(
    "world",
    [
        {"jitter_s": 5e-5},
        {"jitter_s": 3e-4},
        {"asymmetry_s": 1e-3},
        {"warming_w": 0.3},
        {"noise_w": 0.1, "step_w": 0.5},
    ],
    ids=str,
)
def test_imperfect_boards_widen_u_not_the_error(world):
    """Jitter of edges, slower falling edges, warming and a small step leave u honest."""
    errors, stated = errors_and_u(FAST, **world)
    assert 0.7 <= rms(errors / stated) <= 1.4


@pytest.mark.parametrize("interval_s", [0.0204, 0.04])
def test_gated_meters_are_fitted_over_their_aperture(interval_s):
    """Samples of 20 ms within a longer interval give the delay as well."""
    plan = plan_marker(interval_s, 0.02, budget_s=20)
    errors, stated = errors_and_u(plan, gated=True)
    assert rms(errors) <= 0.1e-3
    assert 0.7 <= rms(errors / stated) <= 1.4


@pytest.mark.parametrize(("interval_s", "limit_s"), [(0.001, 15e-6), (0.01, 60e-6)])
def test_points_are_taken_as_points(interval_s, limit_s):
    """Instantaneous samples find the delay where a lag slopes the edges."""
    plan = plan_marker(interval_s, interval_s, budget_s=4)
    errors, stated = errors_and_u(plan, points=True)
    assert rms(errors) <= limit_s
    assert 0.7 <= rms(errors / stated) <= 1.4


def test_points_without_a_lag_know_only_the_side_of_an_edge():
    """Steps between points leave a part of the interval open, and u says so."""
    errors, stated = errors_and_u(FAST, points=True, lag_s=0.0)
    assert rms(errors) < 0.01 / 30
    assert 0.6 <= rms(errors / stated) <= 1.4


def test_levels_and_counts_are_reported():
    """Idle, step and noise are the world's own, within their scatter."""
    found = fit(draw(5, FAST, asymmetry_s=4e-4))
    assert found.idle_w == pytest.approx(3.0, abs=0.01)
    assert found.step_w == pytest.approx(2.0, abs=0.01)
    assert found.noise_w == pytest.approx(0.02, rel=0.3)
    assert found.asymmetry_s == pytest.approx(4e-4, abs=4 * found.u_asymmetry_s)
    assert found.edges == FAST.edges
    assert found.chi_squared_reduced < 1.5


def test_delay_does_not_depend_on_the_origin_of_time():
    """Shifting trace and edges together by days changes nothing."""
    drawn = draw(5, FAST)
    day_ns = 86_400 * 10**9
    moved = PowerTrace(
        drawn.trace.start_ns + 9 * day_ns, drawn.trace.stop_ns + 9 * day_ns, drawn.trace.power_w
    )
    found = fit_marker(moved, drawn.edges_ns + 9 * day_ns, drawn.levels)
    assert found == fit(drawn)


def test_busy_chips_that_end_with_a_pass_are_fitted_as_drawn():
    """Edges late by an unfinished forward pass are what the board reports: no harm."""
    random = np.random.default_rng(8)
    drawn = draw(8, FAST, noise_w=0.0, lag_s=0.0, delay_s=0.1)
    late = np.where(drawn.levels > 0, 0.0, random.uniform(0, 0.012, len(drawn.levels)))
    edges_s = (drawn.edges_ns - START_NS) / 1e9 + late
    start = (drawn.trace.start_ns - START_NS) / 1e9 - 0.1
    stop = (drawn.trace.stop_ns - START_NS) / 1e9 - 0.1
    busy = sum(
        sign * (np.maximum(stop - at, 0) - np.maximum(start - at, 0))
        for at, sign in zip(edges_s, np.where(drawn.levels > 0, 2.0, -2.0), strict=True)
    )
    noisy = 3.0 + busy / (stop - start) + random.normal(0, 0.02, len(stop))
    found = fit_marker(
        dataclasses.replace(drawn.trace, power_w=noisy),
        START_NS + np.rint(edges_s * 1e9).astype(np.int64),
        drawn.levels,
    )
    assert found.believed, found.reason
    assert abs(found.delay_ns - 100 * MS) < 4 * found.u_delay_ns


# --- two markers -----------------------------------------------------------------------


def test_two_markers_agree_within_three_u():
    """Markers of one meter agree in nearly all worlds; nothing is found against them."""
    for seed in range(20):
        first, second = (
            fit(draw(seed + part, FAST, delay_s=0.1, lag_s=0.002)) for part in (0, 1000)
        )
        assert agree(first, second)
        assert marker_findings(first, second) == ()


def test_markers_a_millisecond_apart_disagree():
    """A clock that moved by 1 ms between the markers is a blocking finding."""
    first, second = (fit(draw(1, FAST, delay_s=delay_s)) for delay_s in (0.1, 0.101))
    assert not agree(first, second)
    (finding,) = marker_findings(first, second)
    assert finding.code == "markers-disagree"
    assert finding.severity is Severity.BLOCKING
    assert finding.evidence["apart_ns"] == pytest.approx(1 * MS, rel=0.1)


def test_drift_between_markers_is_allowed_for():
    """What the clocks may have drifted widens the limit."""
    first, second = (fit(draw(1, FAST, delay_s=delay_s)) for delay_s in (0.1, 0.101))
    assert agree(first, second, u_between_ns=0.5 * MS)


def test_a_marker_that_is_not_believed_agrees_with_none():
    """Each unbelieved marker is named with its reason."""
    good, bad = fit(draw(1, FAST)), fit(draw(1, FAST, step_w=0.0))
    assert not agree(good, bad)
    (finding,) = marker_findings(good, bad)
    assert finding.code == "marker-not-believed"
    assert "after the runs" in finding.message
    assert len(marker_findings(bad, bad)) == 2
