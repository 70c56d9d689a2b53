"""Clocks joined from exchanges and from polls."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.clocks import (
    board_to_host,
    fit_board_clock,
    fit_sample_clock,
    lower_envelope,
    offset_and_delay,
)
from powerlab.records import ClockExchanges
from tests.analysis.factories import meter_trace

SECOND = 1_000_000_000


def exchanges(seed, *, count=400, span_s=600.0, skew_ppm=40.0, offset_ns=10**15, asymmetry_ns=0):
    """Simulate a LAN: 150 us one way plus an exponential tail, and 3 % spikes of 5 ms."""
    rng = np.random.default_rng(seed)
    t1 = np.sort(rng.uniform(0, span_s * SECOND, count)).astype(np.int64)

    def delay():
        spikes = np.where(rng.random(count) < 0.03, 5e6, 0)
        return 150_000 + rng.exponential(150_000, count) + spikes

    def board(host):
        return np.rint(host * (1 + skew_ppm * 1e-6)).astype(np.int64) + offset_ns

    arrive = t1 + delay() + asymmetry_ns
    leave = arrive + 20_000
    back = leave + delay()
    return ClockExchanges(
        t1_ns=t1,
        t2_board_ns=board(arrive),
        t3_board_ns=board(leave),
        t4_ns=np.rint(back).astype(np.int64),
    )


def test_offset_and_delay_are_those_of_the_published_example(shared):
    """The four-timestamp algebra reproduces the reference problem."""
    reference = json.loads(shared("references/clock_alignment.json").read_text())
    case = reference["four_timestamp"]
    stamps = {key: np.array([round(value * SECOND)]) for key, value in case["inputs"].items()}
    offset, delay = offset_and_delay(
        ClockExchanges(
            t1_ns=stamps["t1"],
            t2_board_ns=stamps["t2"],
            t3_board_ns=stamps["t3"],
            t4_ns=stamps["t4"],
        )
    )
    assert offset[0] == pytest.approx(case["offset"] * SECOND, abs=1)
    assert delay[0] == pytest.approx(case["delay"] * SECOND, abs=1)


def test_lower_envelope_is_that_of_the_reference_problem(shared):
    """The hull's line equals the optimum of the linear programme in the reference."""
    case = json.loads(shared("references/clock_alignment.json").read_text())["lower_envelope"]
    intercept, slope = lower_envelope(
        np.array(case["frame_index"], dtype=float), np.array(case["arrival_s"])
    )
    assert intercept == pytest.approx(case["a"], rel=1e-12)
    assert slope == pytest.approx(case["b"], rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(-10, 10)), min_size=1, max_size=60))
def test_lower_envelope_lies_under_every_point(points):
    """No point is below the line, and at least one touches it."""
    x, y = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    intercept, slope = lower_envelope(x, y)
    above = y - (intercept + slope * x)
    assert above.min() >= -1e-9
    assert above.min() <= 1e-9


def test_board_clock_is_found_within_microseconds_on_a_simulated_lan():
    """Over many networks, offset and skew keep the stated root mean square errors."""
    offset_errors, skew_errors = [], []
    for seed in range(40):
        fit = fit_board_clock(exchanges(seed))
        true_offset = 10**15 + fit.reference_ns * 40e-6
        offset_errors.append(fit.offset_ns - true_offset)
        skew_errors.append(fit.skew_ppm - 40.0)
    assert np.sqrt(np.mean(np.square(offset_errors))) <= 5_000
    assert np.sqrt(np.mean(np.square(skew_errors))) <= 0.05


def test_asymmetry_stays_within_half_the_shortest_round_trip():
    """A slower way there than back biases the offset, inside its bound."""
    fit = fit_board_clock(exchanges(1, asymmetry_ns=100_000))
    error = fit.offset_ns - (10**15 + fit.reference_ns * 40e-6)
    assert 40_000 < error < fit.round_trip_min_ns / 2


def test_board_instants_map_back_to_the_host():
    """Mapping a board instant undoes offset and skew to within the stated u."""
    fit = fit_board_clock(exchanges(2))
    host = np.array([0, 300 * SECOND, 600 * SECOND])
    board = np.rint(host * (1 + 40e-6)).astype(np.int64) + 10**15
    assert np.abs(board_to_host(fit, board) - host).max() <= fit.u_offset_ns


def test_one_exchange_gives_an_offset_and_no_skew():
    """A single exchange is enough for an offset with its bound."""
    fit = fit_board_clock(exchanges(3, count=1))
    assert fit.skew_ppm == 0.0
    assert abs(fit.offset_ns - (10**15 + fit.reference_ns * 40e-6)) <= fit.round_trip_min_ns / 2


@pytest.mark.parametrize("seed", range(5))
def test_sample_clock_is_bracketed_by_polls(seed):
    """Polls at random phases place a meter's clock to a small part of its interval."""
    trace, true_stop_ns = meter_trace(seed, rate_ppm=80.0)
    clock = fit_sample_clock(trace)
    error = clock.stop_ns - true_stop_ns
    assert np.abs(error).max() < 1_000_000
    assert np.abs(error).max() < 4 * clock.u_ns
    assert clock.rate_ppm == pytest.approx(-80.0, abs=4 * clock.u_rate_ppm)


def test_samples_without_device_clock_are_stamped_by_arrival():
    """A meter that tells no time is placed at its arrival less its latency and waiting."""
    trace, true_stop_ns = meter_trace(0, rate_ppm=0.0, device_clock=False)
    clock = fit_sample_clock(trace)
    assert np.abs(clock.stop_ns - true_stop_ns).max() <= 450_000_000
    assert clock.u_ns == pytest.approx(math.hypot(0.2, 0.25) / math.sqrt(3) * SECOND, rel=1e-6)
    assert np.all(np.diff(clock.stop_ns) >= 0)


def bursts(seed, *, load_ppm, count=8, spacing_s=8.0):
    """Simulate bursts over a loopback with a board whose rate rises while it works.

    The board works in every second pause; returns the exchanges and a function that maps
    host seconds to true board nanoseconds.
    """
    rng = np.random.default_rng(seed)
    middles = np.arange(count) * spacing_s
    knots = np.arange(0, count * spacing_s, spacing_s / 2)
    rates = np.where(np.arange(len(knots)) % 4 < 2, load_ppm, 0.0) * 1e-6
    bent = np.concatenate(([0.0], np.cumsum(rates[:-1] * spacing_s / 2)))

    def board(host_ns):
        extra = np.interp(host_ns / SECOND, knots, bent) * SECOND
        return np.rint(host_ns + extra).astype(np.int64) + 10**15

    t1 = np.concatenate([m * SECOND + np.arange(60) * 1_500_000 for m in middles])
    arrive = t1 + 100_000 + rng.exponential(60_000, len(t1))
    leave = arrive + 20_000
    back = leave + 100_000 + rng.exponential(60_000, len(t1))
    found = ClockExchanges(
        t1_ns=np.rint(t1).astype(np.int64),
        t2_board_ns=board(arrive),
        t3_board_ns=board(leave),
        t4_ns=np.rint(back).astype(np.int64),
    )
    return found, board


@pytest.mark.parametrize("load_ppm", [0.0, 2.0, 5.0, 200.0])
def test_a_rate_that_moves_with_load_stays_inside_the_stated_u(load_ppm):
    """Between bursts the offset is interpolated, and what that misses is in u."""
    worst = []
    for seed in range(20):
        found, board = bursts(seed, load_ppm=load_ppm)
        fit = fit_board_clock(found)
        host = np.linspace(0, 56, 200) * SECOND
        error = board_to_host(fit, board(host)) - host
        worst.append(np.sqrt(np.mean(error**2)) / fit.u_offset_ns)
    assert np.mean(worst) <= 1.0
    assert np.max(worst) <= 2.0


def test_a_straight_clock_is_not_bent():
    """Where the line stays inside every burst's bounds, it is kept."""
    assert fit_board_clock(bursts(0, load_ppm=0.0)[0]).bend == ()
    assert fit_board_clock(bursts(0, load_ppm=200.0)[0]).bend != ()
