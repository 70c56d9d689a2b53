"""Load steps: latency, aperture, class of averaging and true rate, against what made them."""

from dataclasses import replace

import numpy as np
import pytest

from powerlab.analysis.calibration.step_checks import check_step
from powerlab.analysis.calibration.steps import step_response
from powerlab.analysis.calibration.true_rate import Measured, measured_readings
from powerlab.records import Averaging
from tests.analysis.factories import setup

RESOLUTION = 1e-4


def readings(
    seed, interval_s, aperture_s, latency_s, *, steps=12, jitter_s=0.0, noise=2e-3, deliver=None
):
    """Get a meter's readings of load steps at odd times, and when these are said to be.

    ``deliver`` is (readings delivered for each measured one, "repeat" or "interpolate").
    """
    rng = np.random.default_rng(seed)
    at_s = np.cumsum(rng.uniform(20, 30, steps)) * interval_s
    time_s = np.arange(rng.uniform(0, interval_s), at_s[-1] + 25 * interval_s, interval_s)
    signs = np.where(np.arange(steps) % 2 == 0, 1.0, -1.0)

    def area(until_s):
        return np.maximum(0.0, until_s[:, None] - at_s) @ signs

    stop_s = time_s - latency_s
    if aperture_s:
        value = (area(stop_s) - area(stop_s - aperture_s)) / aperture_s
    else:
        value = (stop_s[:, None] >= at_s) @ signs
    value = 0.2 + value + noise * rng.normal(size=len(value))
    if deliver:
        each, kind = deliver
        fine_s = time_s[0] + np.arange((len(time_s) - 1) * each) * interval_s / each
        value = value[:-1].repeat(each) if kind == "repeat" else np.interp(fine_s, time_s, value)
        time_s = fine_s
    told_s = at_s + jitter_s * rng.normal(size=steps)
    value = np.round(value / RESOLUTION) * RESOLUTION
    return np.rint(time_s * 1e9).astype(np.int64), value, np.rint(told_s * 1e9).astype(np.int64)


def response(*arguments, jitter_s=0.0, **facts):
    """Fit the steps of one meter."""
    at_ns, values, steps_ns = readings(*arguments, jitter_s=jitter_s, **facts)
    return step_response(
        at_ns, values, steps_ns, resolution=RESOLUTION, u_common_s=0.0, u_each_s=jitter_s
    )


@pytest.mark.parametrize(
    ("interval_s", "aperture_s", "latency_s", "facts", "averaging"),
    [
        (0.04, 0.04, 0.015, {}, Averaging.BOXCAR),
        (0.5, 0.5, 0.25, {"steps": 10}, Averaging.BOXCAR),
        (0.04, 0.02, 0.010, {}, Averaging.GATED),
        (0.01, 0.0, 0.005, {"steps": 40}, Averaging.POINT),
        (0.01, 0.0, 0.005, {"steps": 40, "jitter_s": 3e-4}, Averaging.POINT),
    ],
)
def test_each_class_of_meter_is_told(interval_s, aperture_s, latency_s, facts, averaging):
    """Latency and aperture come out within their uncertainties, the class right."""
    inside, right = [], 0
    for seed in range(20):
        found = response(seed, interval_s, aperture_s, latency_s, **facts)
        inside.append(abs(found.latency_s - latency_s) < 2.6 * found.u_latency_s)
        inside.append(abs(found.aperture_s - aperture_s) < 2.6 * found.u_aperture_s)
        right += found.averaging is averaging
        assert found.interval_s == pytest.approx(interval_s, rel=1e-6)
        assert found.u_latency_s < interval_s / 20
    assert sum(inside) >= 0.93 * len(inside)
    assert right >= 18


@pytest.mark.parametrize("kind", ["repeat", "interpolate"])
def test_a_meter_that_delivers_more_than_it_measures_is_seen_through(kind):
    """100 readings a second of a tester that takes 25: interval, aperture and latency are true."""
    found = response(3, 0.04, 0.04, 0.015, deliver=(4, kind))
    assert found.interval_s == pytest.approx(0.04, rel=1e-6)
    assert found.delivered_s == pytest.approx(0.01, rel=1e-6)
    assert found.averaging is Averaging.BOXCAR
    assert found.latency_s == pytest.approx(0.015, abs=3 * found.u_latency_s)


def test_readings_that_are_measured_stay():
    """Plain steps, noise and constants are not taken for interpolation."""
    for seed in range(20):
        _, values, _ = readings(seed, 0.01, 0.01, 0.002)
        assert measured_readings(values, RESOLUTION) == Measured(1, 0)
        _, values, _ = readings(seed, 0.01, 0.0, 0.002, noise=0.0)
        assert measured_readings(values, RESOLUTION) == Measured(1, 0)
    assert measured_readings(np.ones(500), RESOLUTION) == Measured(1, 0)


@pytest.mark.parametrize("each", [2, 3, 4, 10])
def test_the_pattern_and_its_phase_are_found(each):
    """However many are made of one, and wherever the stream was cut into."""
    for kind in ("repeat", "interpolate"):
        _, values, _ = readings(each, 0.04, 0.04, 0.015, deliver=(each, kind))
        assert measured_readings(values[1:], RESOLUTION) == Measured(each, each - 1)


def test_too_few_steps_tell_little():
    """With five steps a point meter may be a short gate: the class stays open, u is large."""
    few = response(1, 0.01, 0.0, 0.005, steps=5)
    many = response(1, 0.01, 0.0, 0.005, steps=40)
    assert few.averaging is None
    assert few.u_latency_s > 3 * many.u_latency_s


def test_what_all_steps_share_is_not_averaged_away():
    """The load's own delay counts in full, however many steps there are."""
    at_ns, values, steps_ns = readings(1, 0.04, 0.04, 0.015)
    found = step_response(
        at_ns, values, steps_ns, resolution=RESOLUTION, u_common_s=2e-3, u_each_s=0.0
    )
    assert found.u_latency_s == pytest.approx(2e-3, rel=0.01)


def test_without_steps_in_sight_there_is_no_response():
    """Too few steps, or steps that drown in noise, are refused."""
    at_ns, values, steps_ns = readings(1, 0.04, 0.04, 0.015)
    with pytest.raises(ValueError, match="4 steps"):
        step_response(
            at_ns, values, steps_ns[:3], resolution=RESOLUTION, u_common_s=0.0, u_each_s=0.0
        )
    noisy = values + np.random.default_rng(1).normal(size=len(values))
    with pytest.raises(ValueError, match="4 steps"):
        step_response(at_ns, noisy, steps_ns, resolution=RESOLUTION, u_common_s=0.0, u_each_s=0.0)


def codes(found, **facts):
    """Get the findings of a response against a profile."""
    return {finding.code for finding in check_step(found, setup(**facts))}


def test_a_profile_that_agrees_raises_nothing():
    """Averaging and latency as the profile says: no finding."""
    found = response(3, 0.04, 0.04, 0.015)
    assert codes(found, latency_s=0.0151, latency_limit_s=1e-4) == set()


def test_what_differs_from_the_profile_is_told():
    """Rate, averaging, latency and a ramp that is no boxcar's are each a finding."""
    found = response(3, 0.04, 0.04, 0.015, deliver=(4, "repeat"))
    assert "meter-interpolates" in codes(found, latency_s=0.015, latency_limit_s=1e-3)
    assert codes(found, averaging=Averaging.POINT) >= {"averaging-differs", "latency-differs"}
    unclear = replace(found, averaging=None, chi_squared_reduced=9.0)
    assert codes(unclear) >= {"averaging-unknown", "step-misfit"}
    assert "averaging-differs" not in codes(unclear, averaging=Averaging.POINT)
