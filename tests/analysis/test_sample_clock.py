"""The meter's samples joined to the host's clock by polls."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.sample_clock import fit_sample_clock
from tests.analysis.factories import SECOND, meter_trace


@pytest.mark.parametrize("rate_ppm", [-80.0, 0.0, 80.0])
@pytest.mark.parametrize("span_s", [5.0, 30.0])
def test_sample_clock_is_bracketed_by_polls(rate_ppm, span_s):
    """Polls at random phases place a meter's clock and its rate to within their u."""
    errors, rates = [], []
    for seed in range(100):
        trace, true_stop_ns = meter_trace(seed, rate_ppm=rate_ppm, span_s=span_s)
        clock = fit_sample_clock(trace)
        errors.append((clock.stop_ns - true_stop_ns)[::25] / clock.u_ns)
        rates.append((clock.rate_ppm + rate_ppm) / clock.u_rate_ppm)
        assert clock.u_ns < 0.15 * trace.setup.interval_s * SECOND
    for ratios in (errors, rates):
        assert 0.2 < np.sqrt(np.mean(np.square(ratios))) <= 1
        assert np.mean(np.abs(ratios) <= 2) >= 0.95


def test_polls_in_step_with_the_meter_leave_half_an_interval_open():
    """Where every poll finds the meter at the same phase, u is that of a rectangle."""
    trace, true_stop_ns = meter_trace(1, rate_ppm=0.0)
    poll = np.arange(9, len(true_stop_ns) - 10, 10)
    sent = true_stop_ns[poll] + 15_000_000
    locked = dataclasses.replace(
        trace, poll_sent_ns=sent, poll_received_ns=sent + 1000, poll_completed=poll + 1
    )
    clock = fit_sample_clock(locked)
    assert clock.u_ns == pytest.approx(20_000_000 / math.sqrt(12), rel=0.2)
    assert np.abs(clock.stop_ns - true_stop_ns).max() <= 10_000_000


def test_a_meters_clock_that_is_no_line_is_less_certain():
    """Polls that no straight clock satisfies widen u to what they contradict each other by."""
    trace, true_stop_ns = meter_trace(2, rate_ppm=0.0)
    bend = np.rint(5e6 * np.cos(np.pi * np.arange(len(true_stop_ns)) / len(true_stop_ns)) ** 2)
    bent = dataclasses.replace(trace, device_ns=trace.device_ns + bend.astype(np.int64))
    clock = fit_sample_clock(bent)
    error = clock.stop_ns - true_stop_ns
    assert np.sqrt(np.mean(error.astype(float) ** 2)) <= 2 * clock.u_ns


def test_samples_without_device_clock_are_stamped_by_arrival():
    """A meter that tells no time is placed at its arrival less its latency and waiting."""
    trace, true_stop_ns = meter_trace(0, rate_ppm=0.0, device_clock=False)
    clock = fit_sample_clock(trace)
    assert np.abs(clock.stop_ns - true_stop_ns).max() <= 450_000_000
    assert clock.u_ns == pytest.approx(math.hypot(0.2, 0.25) / math.sqrt(3) * SECOND, rel=1e-6)
    assert np.all(np.diff(clock.stop_ns) >= 0)


def test_a_slow_link_is_part_of_an_arrivals_uncertainty():
    """An answer that took 0.4 s was formed at any instant of them."""
    trace, _ = meter_trace(0, rate_ppm=0.0, device_clock=False)
    slow = dataclasses.replace(trace, poll_received_ns=trace.poll_sent_ns + 400_000_000)
    clock = fit_sample_clock(slow)
    assert clock.u_ns == pytest.approx(math.hypot(0.2, 0.25, 0.2) / math.sqrt(3) * SECOND)
    assert clock.stop_ns[5] - fit_sample_clock(trace).stop_ns[5] == 200_000_000 - 100_000


@given(
    host=st.integers(-(10**18), 4 * 10**18),
    meter=st.integers(-(10**18), 4 * 10**18),
    device_clock=st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_where_the_clocks_count_from_changes_nothing(host, meter, device_clock):
    """Any origin of the host's clock moves the samples with it, the meter's moves nothing."""
    trace, _ = meter_trace(3, rate_ppm=50.0, device_clock=device_clock)
    moved = dataclasses.replace(
        trace,
        device_ns=None if trace.device_ns is None else trace.device_ns + meter,
        poll_sent_ns=trace.poll_sent_ns + host,
        poll_received_ns=trace.poll_received_ns + host,
    )
    before, after = fit_sample_clock(trace), fit_sample_clock(moved)
    assert np.array_equal(after.stop_ns - host, before.stop_ns)
    assert np.array_equal(after.start_ns - host, before.start_ns)
    assert (after.u_ns, after.rate_ppm) == (before.u_ns, before.rate_ppm)


def test_missing_samples_leave_a_gap():
    """A sample after a gap stands for its own interval, not for all that is missing."""
    trace, _ = meter_trace(4, rate_ppm=0.0)
    keep = np.ones(len(trace.values), dtype=bool)
    keep[500:520] = False
    completed = np.cumsum(keep)[np.minimum(trace.poll_completed, len(keep)) - 1]
    gapped = dataclasses.replace(
        trace,
        values=trace.values[keep],
        device_ns=trace.device_ns[keep],
        flags=trace.flags[keep],
        poll_completed=completed,
    )
    clock = fit_sample_clock(gapped)
    assert clock.stop_ns[500] - clock.start_ns[500] == 20_000_000
    assert clock.start_ns[500] - clock.stop_ns[499] == pytest.approx(20 * 20_000_000, rel=1e-3)
