"""Locks between inferences and samples, against a simulated square load."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.aliasing import Stakes, aliasing, find_lock, locked_error, two_levels
from powerlab.findings import Severity
from powerlab.records import Averaging
from tests.analysis.factories import setup

PERIOD_S, BUSY_S, LOW_W, HIGH_W = 0.05, 0.012, 2.0, 8.0
STAKES = Stakes(swing=0.75, relative_u=0.01)


def meter(averaging, interval_s, aperture_s):
    """Get a meter's set-up."""
    return setup(averaging=averaging, interval_s=interval_s, aperture_s=aperture_s)


def looks(interval_s, aperture_s, phase_s, length_s=60.0):
    """Read a square load: points, or means over an aperture, each interval."""
    at = phase_s + interval_s * np.arange(int(length_s / interval_s))

    def busy(t):
        """Integrate the busy time from 0."""
        return np.floor(t / PERIOD_S) * BUSY_S + np.minimum(t % PERIOD_S, BUSY_S)

    share = (
        (busy(at + aperture_s) - busy(at)) / aperture_s if aperture_s else at % PERIOD_S < BUSY_S
    )
    return LOW_W + (HIGH_W - LOW_W) * share


def worst_error(interval_s, aperture_s):
    """Get the largest relative error of the mean over phases, as a part of the swing."""
    truth = LOW_W + (HIGH_W - LOW_W) * BUSY_S / PERIOD_S
    phases = np.linspace(0, interval_s, 25, endpoint=False)
    means = [looks(interval_s, aperture_s, phase).mean() for phase in phases]
    return max(abs(np.array(means) - truth)) / (HIGH_W - LOW_W)


@pytest.mark.parametrize(
    ("interval_s", "aperture_s"),
    [(0.01, 0.0), (1.0, 0.0), (0.1, 0.025), (0.05, 0.0), (0.025, 0.005), (0.1, 0.06)],
)
def test_locked_meters_are_named_and_bounded(interval_s, aperture_s):
    """Exact ratios, among them those of method section 2.3, are found; the bound holds."""
    lock = find_lock(PERIOD_S, interval_s, 60.0)
    assert lock is not None
    assert lock.beat_s > 1e6
    assert worst_error(interval_s, aperture_s) <= locked_error(aperture_s, PERIOD_S, lock.phases)


@pytest.mark.parametrize(("interval_s", "aperture_s"), [(1 / 97.3, 0.0), (0.1037, 0.025)])
def test_asynchronous_meters_are_left_alone(interval_s, aperture_s):
    """97.3 Hz, and 25 ms every 103.7 ms: no lock, and indeed no error beyond 0.5 % of the swing."""
    assert find_lock(PERIOD_S, interval_s, 60.0) is None
    assert worst_error(interval_s, aperture_s) < 5e-3


def test_near_ratios_lock_within_two_percent():
    """1.5 % off one sample per inference locks over a short run, and averages out over a long."""
    near = find_lock(0.05, 0.05075, 10.0)
    assert (near.phases, near.inferences) == (1, 1)
    assert near.distance == pytest.approx(0.015)
    assert near.beat_s == pytest.approx(0.05075 / 0.015)
    assert find_lock(0.05, 0.05125, 10.0) is None
    assert find_lock(0.05, 0.05075, 3600.0) is None


def test_jitter_breaks_a_lock():
    """Twenty inferences to a sample, each off by 6 %: sixty looks are mostly at fresh phases."""
    assert find_lock(0.05, 1.0, 60.0, jitter_s=0.002) is not None
    assert find_lock(0.05, 1.0, 60.0, jitter_s=0.003) is None


@given(st.integers(1, 5), st.integers(1, 50), st.floats(1e-3, 10))
def test_every_simple_ratio_is_found(phases, inferences, inference_s):
    """Any q samples to p inferences is a lock of q phases, or of fewer if it reduces."""
    lock = find_lock(inference_s, inference_s * inferences / phases, 1e4 * inference_s)
    assert lock is not None
    assert phases % lock.phases == 0 or lock.phases < phases


def test_a_load_seen_often_in_each_inference_is_not_called_pulsed():
    """Six points to an inference show its shape: two levels are what it is."""
    period = np.full(200, PERIOD_S)
    power = looks(PERIOD_S / 6.3, 0.0, 0.001, 10.0)
    assert aliasing(meter(Averaging.POINT, PERIOD_S / 6.3, 0.0), period, power, STAKES) == ()


@pytest.mark.parametrize("averaging", [Averaging.BOXCAR, Averaging.COUNTER])
def test_meters_without_gaps_cannot_alias(averaging):
    """A meter that means over its whole interval gets no finding."""
    period = np.full(100, 0.05)
    assert aliasing(meter(averaging, 0.05, 0.05), period, looks(0.05, 0.0, 0.0, 5), STAKES) == ()


def test_findings_of_a_locked_point_meter():
    """Points on a square load: the lock and the two levels are found, with their figures."""
    period = np.full(200, PERIOD_S)
    power = looks(0.01, 0.0, 0.001, 10.0)
    lock, pulsed = aliasing(meter(Averaging.POINT, 0.01, 0.0), period, power, STAKES)
    assert (lock.code, lock.severity) == ("aliasing", Severity.WARNING)
    assert (lock.evidence["phases"], lock.evidence["inferences"]) == (5, 1)
    assert pulsed.code == "pulsed-load"
    assert pulsed.evidence["low_w"] == pytest.approx(LOW_W)
    assert pulsed.evidence["high_w"] == pytest.approx(HIGH_W)
    assert pulsed.evidence["share_high"] in (0.2, 0.4)


@pytest.mark.parametrize(
    ("relative_u", "severity"), [(0.01, Severity.WARNING), (0.5, Severity.INFO)]
)
def test_a_possible_error_weighs_as_much_as_it_is_beside_u(relative_u, severity):
    """A fifth of three quarters of the power is a warning beside 1 %, and told beside 50 %."""
    period, power = np.full(200, PERIOD_S), looks(0.01, 0.0, 0.001, 10.0)
    stakes = Stakes(swing=0.75, relative_u=relative_u)
    lock, pulsed = aliasing(meter(Averaging.POINT, 0.01, 0.0), period, power, stakes)
    assert (lock.severity, pulsed.severity) == (severity, severity)
    assert lock.evidence["worst"] == pytest.approx(0.2 * 0.75)
    assert f"15.00% at most (U is {relative_u:.2%})" in lock.message


def test_readings_at_wandering_phases_bound_the_error_by_their_scatter():
    """Ten looks' worth of phases that all read alike: the load does not swing, so no warning."""
    period = PERIOD_S * (1 + 0.05 * np.random.default_rng(5).normal(size=400))
    level = 5 + 0.005 * np.random.default_rng(6).normal(size=400)
    flat = aliasing(meter(Averaging.POINT, period.mean(), 0.0), period, level, STAKES)[0]
    assert flat.severity is Severity.INFO
    assert flat.evidence["worst"] < 0.002
    swinging = np.where(np.arange(400) // 20 % 2, 8.0, 2.0)
    wild = aliasing(meter(Averaging.POINT, period.mean(), 0.0), period, swinging, STAKES)[0]
    assert wild.severity is Severity.WARNING
    assert wild.evidence["worst"] > 0.2


def test_beats_average_out():
    """A near ratio whose beat fits into the run twenty times errs by 1 / (20 pi) of the swing."""
    period = np.full(2000, PERIOD_S)
    near = meter(Averaging.POINT, PERIOD_S * 1.01, 0.0)
    told = aliasing(near, period, np.ones(2000), STAKES)[0]
    assert told.evidence["passed"] == pytest.approx(1.01 / (20 * np.pi), rel=1e-3)


def test_one_sample_takes_the_singular():
    """A sample to an inference: one part is looked at again and again."""
    lock = aliasing(meter(Averaging.POINT, 0.05, 0.0), np.full(200, 0.05), np.ones(200), STAKES)[0]
    assert "1 sample takes the time of 1 inference within" in lock.message
    assert "looks at 1 part of an inference again" in lock.message


@pytest.mark.parametrize("every", [1, 10])
def test_pauses_of_random_length_break_a_lock(every):
    """Dithering by up to one period after each inference, or each tenth, leaves no lock."""
    period = np.full(1000, PERIOD_S)
    period[::every] += np.random.default_rng(3).uniform(0, PERIOD_S, 1000 // every)
    assert aliasing(meter(Averaging.POINT, period.mean(), 0.0), period, np.ones(1000), STAKES) == ()


def test_long_apertures_are_harmless():
    """A gated meter whose aperture holds 400 inferences has nothing to report."""
    period = np.full(4000, 0.0005)
    power = 5 + 0.01 * np.random.default_rng(1).normal(size=50)
    assert aliasing(meter(Averaging.GATED, 0.25, 0.2), period, power, STAKES) == ()


@pytest.mark.parametrize("distribution", ["normal", "uniform", "constant"])
def test_one_level_is_not_two(distribution):
    """Noise around one level, however shaped, is not taken for a pulsed load."""
    rng = np.random.default_rng(2)
    noise = {
        "normal": rng.normal(size=500),
        "uniform": rng.uniform(-2, 2, 500),
        "constant": np.zeros(500),
    }[distribution]
    period = 0.05 * (1 + 0.3 * rng.random(500))
    assert aliasing(meter(Averaging.POINT, 0.0311, 0.0), period, 5 + noise, STAKES) == ()


@given(st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_two_levels_are_told_apart(share, seed):
    """Levels and share of a noisy two-level load come out."""
    rng = np.random.default_rng(seed)
    high = np.arange(400) < share * 400
    found = two_levels(np.where(high, 8.0, 2.0) + 0.1 * rng.normal(size=400))
    assert found.between > 0.98
    assert (found.low, found.high) == pytest.approx((2, 8), abs=0.15)
    assert found.share == pytest.approx(share, abs=0.003)
