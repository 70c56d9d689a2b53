"""Locks between inferences and samples, against a simulated square load."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.aliasing import aliasing, find_lock, locked_error, two_levels
from powerlab.findings import Severity
from powerlab.records import Averaging

PERIOD_S, BUSY_S, LOW_W, HIGH_W = 0.05, 0.012, 2.0, 8.0


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
    """Twenty inferences to a sample, each off by 6 %, wander by more than a quarter period."""
    assert find_lock(0.05, 1.0, 60.0, jitter_s=0.002) is not None
    assert find_lock(0.05, 1.0, 60.0, jitter_s=0.003) is None


@given(st.integers(1, 5), st.integers(1, 50), st.floats(1e-3, 10))
def test_every_simple_ratio_is_found(phases, inferences, inference_s):
    """Any q samples to p inferences is a lock of q phases, or of fewer if it reduces."""
    lock = find_lock(inference_s, inference_s * inferences / phases, 1e4 * inference_s)
    assert lock is not None
    assert phases % lock.phases == 0 or lock.phases < phases


@pytest.mark.parametrize("averaging", [Averaging.BOXCAR, Averaging.COUNTER])
def test_meters_without_gaps_cannot_alias(averaging):
    """A meter that means over its whole interval gets no finding."""
    latency = np.full(100, 0.05)
    assert aliasing(averaging, 0.05, 0.05, latency, looks(0.05, 0.0, 0.0, 5)) == ()


def test_findings_of_a_locked_point_meter():
    """Points on a square load: the lock and the two levels are found, with their figures."""
    latency = np.full(200, PERIOD_S)
    power = looks(0.01, 0.0, 0.001, 10.0)
    lock, pulsed = aliasing(Averaging.POINT, 0.01, 0.0, latency, power)
    assert (lock.code, lock.severity) == ("aliasing", Severity.WARNING)
    assert (lock.evidence["phases"], lock.evidence["inferences"]) == (5, 1)
    assert pulsed.code == "pulsed-load"
    assert pulsed.evidence["low_w"] == pytest.approx(LOW_W)
    assert pulsed.evidence["high_w"] == pytest.approx(HIGH_W)
    assert pulsed.evidence["share_high"] in (0.2, 0.4)


def test_long_apertures_are_harmless():
    """A gated meter whose aperture holds 400 inferences has nothing to report."""
    latency = np.full(4000, 0.0005)
    power = 5 + 0.01 * np.random.default_rng(1).normal(size=50)
    assert aliasing(Averaging.GATED, 0.25, 0.2, latency, power) == ()


@pytest.mark.parametrize("distribution", ["normal", "uniform", "constant"])
def test_one_level_is_not_two(distribution):
    """Noise around one level, however shaped, is not taken for a pulsed load."""
    rng = np.random.default_rng(2)
    noise = {
        "normal": rng.normal(size=500),
        "uniform": rng.uniform(-2, 2, 500),
        "constant": np.zeros(500),
    }[distribution]
    latency = 0.05 * (1 + 0.3 * rng.random(500))
    assert aliasing(Averaging.POINT, 0.0311, 0.0, latency, 5 + noise) == ()


@given(st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_two_levels_are_told_apart(share, seed):
    """Levels and share of a noisy two-level load come out."""
    rng = np.random.default_rng(seed)
    high = np.arange(400) < share * 400
    found = two_levels(np.where(high, 8.0, 2.0) + 0.1 * rng.normal(size=400))
    assert found.between > 0.98
    assert (found.low, found.high) == pytest.approx((2, 8), abs=0.15)
    assert found.share == pytest.approx(share, abs=0.003)
