"""Where warm-ups end, and series that never settle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from powerlab.analysis.steady import (
    Verdict,
    change_of_level,
    in_bins,
    is_steady,
    last_change,
    middle_mean,
    mser5,
    plain_mean,
    steady_from,
    steady_since,
    without_spikes,
)


def coloured(rng, count, rho):
    """Draw first-order autoregressive noise of unit variance."""
    white = rng.normal(size=count + 300)
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], white)[300:]


def warm_up(rng, count, amplitude, time_constant, noise=0.005):
    """Draw a power that rises to 10 W."""
    settled = 1 - amplitude * np.exp(-np.arange(count) / time_constant)
    return 10 * (settled + noise * rng.normal(size=count))


def brute_force_mser5(values):
    """Evaluate the criterion as it is written."""
    batches = np.reshape(values[: len(values) // 5 * 5], (-1, 5)).mean(axis=1)
    count = len(batches)
    criterion = [
        ((batches[d:] - batches[d:].mean()) ** 2).sum() / (count - d) ** 2
        for d in range(count // 2 + 1)
    ]
    best = int(np.argmin(criterion))
    return None if best == count // 2 else best * 5


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(40, 200), offset=st.floats(-100, 100))
def test_mser5_is_its_formula(seed, count, offset):
    """The running sums give what the written criterion gives, at any level."""
    rng = np.random.default_rng(seed)
    values = offset + warm_up(rng, count, 0.2, 10)
    assert mser5(values) == brute_force_mser5(values)


def test_mser5_leaves_a_warm_up_out():
    """A rise with a time constant of 20 is cut where it sinks into the noise, not before."""
    values = warm_up(np.random.default_rng(1), 400, 0.3, 20)
    assert 60 <= mser5(values) <= 150
    assert mser5(values[:60]) is None
    assert mser5(values[:7]) is None


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_coloured_noise_raises_few_alarms(rho):
    """Autocorrelated noise without a change is called a change in few of 100 series."""
    rng = np.random.default_rng(7)
    alarms = sum(change_of_level(coloured(rng, 500, rho)) is not None for _ in range(300))
    assert alarms <= 12


@pytest.mark.parametrize(("rho", "within"), [(0.0, 3), (0.8, 15)])
def test_a_step_is_found_where_it_is(rho, within):
    """A step of 2 % under 0.5 % noise is found, and located, whatever the noise's colour."""
    rng = np.random.default_rng(8)
    values = 10 + np.where(np.arange(600) < 180, -0.2, 0.0) + 0.05 * coloured(rng, 600, rho)
    change = last_change(values)
    assert abs(change.index - 180) <= within
    assert change.before == pytest.approx(9.8, abs=0.05)
    assert change.after == pytest.approx(10.0, abs=0.05)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-6, 1e6), level=st.floats(10, 100))
def test_units_do_not_matter(seed, scale, level):
    """Milliseconds or seconds: the same index."""
    rng = np.random.default_rng(seed)
    values = level + np.where(np.arange(200) < 60, 1.0, 0.0) + 0.2 * rng.normal(size=200)
    plain, scaled = change_of_level(values), change_of_level(scale * values)
    assert plain.index == scaled.index
    assert steady_from(values) == steady_from(scale * values)


def test_irrelevant_changes_are_passed_over():
    """A significant step of 0.2 % is no reason to wait."""
    values = 10 + np.where(np.arange(2000) < 900, 0.02, 0.0)
    values += 0.005 * np.random.default_rng(2).normal(size=2000)
    assert change_of_level(values) is not None
    assert last_change(values) is None
    assert steady_from(values) is not None


def test_a_flat_series_is_steady_from_its_start():
    """Constant values, as a quantised meter gives, are steady at once."""
    assert steady_from(np.full(100, 3.0)) == 0
    assert change_of_level(np.full(100, 3.0)) is None


def test_warm_up_is_left_behind():
    """What follows the index is within 0.1 % of the settled level over many worlds."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        values = warm_up(rng, 600, 0.2, 30)
        start = steady_from(values)
        assert start is not None
        assert values[start:].mean() == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize(
    "shape",
    [
        lambda t: 1 - 0.3 * np.exp(-t),  # too slow a warm-up
        lambda t: 1 + 0.05 * t,  # a drift
        lambda t: np.where(t > 0.85, 1.3, 1.0),  # throttling near the end
    ],
)
def test_no_steady_state_is_a_result(shape):
    """Slow warm-up, drift and late throttling give None."""
    time = np.linspace(0, 1, 500)
    values = 10 * shape(time) + 0.02 * np.random.default_rng(4).normal(size=500)
    assert steady_from(values) is None


STEADY_SERIES = {
    "white": lambda rng, t: 0.003 * rng.normal(size=t.size),
    "much noise": lambda rng, t: 0.03 * rng.exponential(size=t.size),
    "coloured": lambda rng, t: 0.003 * coloured(rng, t.size, 0.8),
    "spikes": lambda rng, t: np.where(
        rng.random(t.size) < 0.03, 5 * rng.random(t.size), 0.003 * rng.normal(size=t.size)
    ),
    "two levels": lambda rng, t: 0.1 * (rng.random(t.size) < 0.4),
    "sine": lambda rng, t: (
        0.01 * np.sin(2 * np.pi * (rng.uniform(3, 40) * t + rng.random()))
        + 0.002 * rng.normal(size=t.size)
    ),
}


@pytest.mark.parametrize("count", [60, 150, 400])
@pytest.mark.parametrize("kind", STEADY_SERIES)
def test_a_steady_series_is_called_so(kind, count):
    """Whatever its noise, about 1 of 100 series is denied its steady state, short ones too."""
    time = np.arange(count) / count
    denied = 0
    for seed in range(200):
        values = 1 + STEADY_SERIES[kind](np.random.default_rng([count, seed]), time)
        denied += steady_from(values) is None
    assert denied <= 7


@pytest.mark.parametrize("noise", [0.0002, 0.001, 0.003])
@pytest.mark.parametrize(
    ("shape", "least"),
    [
        (lambda t: 0.05 * np.exp(-t / 0.5), 90),  # 1.2 % in the second half
        (lambda t: 0.01 * (t > 0.6), 95),
        (lambda t: 0.01 * (t > 0.8), 95),
        (lambda t: 0.2 * (t > 0.9), 95),
        (lambda t: 0.02 * t, 90),
    ],
)
def test_a_change_that_matters_is_seen(shape, least, noise):
    """What moves by more than 0.5 % in the second half is not steady, however small the noise."""
    time = np.arange(200) / 200
    rng = np.random.default_rng(11)
    denied = [
        steady_from(1 + shape(time) + noise * rng.normal(size=200)) is None for _ in range(100)
    ]
    assert sum(denied) >= least


def test_what_has_settled_by_the_middle_is_steady():
    """A warm-up of 5 % with a time constant of a tenth of the window is steady from its half on."""
    time = np.arange(200) / 200
    rng = np.random.default_rng(12)
    for _ in range(100):
        values = 1 - 0.05 * np.exp(-time / 0.1) + 0.002 * rng.normal(size=200)
        start = steady_from(values)
        assert 15 <= start <= 100
        assert values[start:].mean() == pytest.approx(1, rel=2e-3)


def test_chaos_is_not_steady():
    """Latencies that scatter tenfold, as on a board that others use, prove nothing."""
    rng = np.random.default_rng(14)
    found = [steady_from(0.002 * rng.lognormal(1.5, 1.5, size=60)) for _ in range(100)]
    assert found.count(None) >= 98


def test_bursts_go_and_steps_stay():
    """A burst of five values is clipped wherever it is; a step keeps its place and height."""
    rng = np.random.default_rng(13)
    values = np.where(np.arange(100) < 60, 1.0, 1.2) + 1e-3 * rng.normal(size=100)
    for start in (0, 30, 95):
        disturbed = values.copy()
        disturbed[start : start + 5] *= 2
        assert without_spikes(disturbed) == pytest.approx(values, abs=0.02)


def test_bins_hold_equally_many_neighbours():
    """A long series is condensed, at the instants where its bins begin; a short one is not."""
    at = np.arange(1000, dtype=np.int64) * 10
    instants, values = in_bins(at, at / 10.0, plain_mean)
    assert len(instants) == len(values) == 200
    assert values == pytest.approx(instants / 10 + 2.0)
    uneven, values = in_bins(at[:903], at[:903] / 10.0, middle_mean)
    assert len(uneven) == 225
    assert uneven[0] == 30
    assert values == pytest.approx(uneven / 10 + 1.5)
    assert in_bins(at[:399], at[:399], plain_mean)[0].size == 399
    assert in_bins(at[:0], at[:0], plain_mean)[1].size == 0


def test_the_middle_mean_ignores_spikes():
    """Of a bin's values the outer quarters do not count, along the last axis."""
    values = np.array([[1.0, 2.0, 3.0, 900.0], [7.0, 5.0, -99.0, 6.0]])
    assert middle_mean(values).tolist() == [2.5, 5.5]
    assert middle_mean(np.array([4.0])) == 4.0


def test_spikes_of_latency_do_not_unsettle():
    """One pass in a hundred that takes five times as long is no change of level."""
    rng = np.random.default_rng(5)
    settled = 0
    for _ in range(50):
        latency = 0.01 * (1 + 0.02 * rng.normal(size=600))
        latency[rng.random(600) < 0.01] *= 5
        settled += steady_from(latency) is not None
    assert settled >= 48


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [
        (0.0, 0.001, Verdict.STEADY),
        (0.02, 0.001, Verdict.DRIFTING),
        (-0.02, 0.001, Verdict.DRIFTING),
        (0.0, 0.1, Verdict.UNDETERMINED),
    ],
)
def test_steadiness_of_a_window(slope, noise, verdict):
    """Steady, drifting either way, or too noisy to tell; the slope is within its u."""
    rng = np.random.default_rng(6)
    instants = 10**9 * np.arange(400)
    values = 5 * (1 + slope * np.linspace(-0.5, 0.5, 400) + noise * rng.normal(size=400))
    found = is_steady(instants, values)
    assert found.verdict is verdict
    assert abs(found.change - slope) < 4 * found.u_change
    assert abs(found.thirds - slope / 3) < 4 * found.u_thirds


def test_u_of_the_change_keeps_the_correlation():
    """Under coloured noise the stated u is that of the spread over many windows."""
    rng = np.random.default_rng(9)
    found = [is_steady(np.arange(2000), 10 + 0.1 * coloured(rng, 2000, 0.8)) for _ in range(150)]
    spread = np.std([item.change for item in found])
    assert np.mean([item.u_change for item in found]) == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_window_of_nothing_is_undetermined(value):
    """Without a level there is no relative change of it, and no error either."""
    assert is_steady(np.arange(30), np.full(30, value)).verdict is Verdict.UNDETERMINED


def test_short_windows_are_undetermined():
    """Fewer than 20 values say nothing about steadiness."""
    assert is_steady(np.arange(5), np.ones(5)).verdict is Verdict.UNDETERMINED
    assert steady_from(np.ones(15)) is None
    assert steady_from(np.empty(0)) is None


def test_the_later_of_latency_and_power():
    """Two series on their own instants settle together when the later one does."""
    rng = np.random.default_rng(10)
    passes = np.arange(500) * 7_000_000
    samples = np.arange(1000) * 10_000_000
    latency = 0.007 * (1 + 0.001 * rng.normal(size=500))
    power = 10 - np.where(samples < 3_000_000_000, 2.0, 0.0) + 0.01 * rng.normal(size=1000)
    assert steady_since((passes, latency), (samples, power)) == pytest.approx(3e9, abs=1e8)
    drift = power + np.linspace(0, 1, 1000)
    assert steady_since((passes, latency), (samples, drift)) is None
