"""The board's clock joined to the host's by exchanges."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.clocks import board_to_host, clock_at, fit_board_clock, u_of_mapped
from powerlab.records import ClockExchanges
from tests.analysis.exchange_worlds import (
    BOARD_OFFSET_NS,
    SECOND,
    SKEW_PPM,
    columns,
    lan,
    loopback,
    scattered,
    session,
    stamps,
    steady_board,
    wireless,
)

ASYMMETRY_NS = 30_000
"""20 % of the LAN's shortest delay."""


def rms(values):
    """Get the root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def offset_error(fit):
    """Get how far a fitted offset is from that of the steady board."""
    return fit.offset_ns - (BOARD_OFFSET_NS + fit.reference_ns * SKEW_PPM * 1e-6)


@pytest.fixture(scope="module")
def fits():
    """Get the fits of 250 simulated LANs, 400 exchanges in 600 s each."""
    return [fit_board_clock(scattered(seed)) for seed in range(250)]


def test_offset_and_skew_on_a_simulated_lan(fits):
    """Over many networks the errors stay below 5 us and 0.05 ppm, and inside their u."""
    assert rms([offset_error(fit) for fit in fits]) <= 1_000
    skew_errors = [fit.skew_ppm - SKEW_PPM for fit in fits]
    assert rms(skew_errors) <= 0.01
    assert rms(skew_errors) <= np.mean([fit.u_skew_ppm for fit in fits]) <= 0.05


def test_the_bound_of_the_round_trip_makes_the_offsets_u(fits):
    """What is stated beyond the asymmetry that nobody can see is little."""
    for fit in fits:
        bound = fit.round_trip_min_ns / 2 / math.sqrt(3)
        assert bound <= fit.u_offset_ns <= 1.1 * bound


@pytest.mark.parametrize("sign", [-1, 1])
def test_asymmetry_stays_within_half_the_shortest_round_trip(sign):
    """A slower way there than back biases the offset by no more than the bound."""
    made = [
        fit_board_clock(scattered(seed, asymmetry_ns=sign * ASYMMETRY_NS)) for seed in range(50)
    ]
    assert np.mean([offset_error(fit) for fit in made]) == pytest.approx(
        sign * ASYMMETRY_NS, abs=500
    )
    assert all(abs(offset_error(fit)) < fit.round_trip_min_ns / 2 for fit in made)
    assert rms([fit.skew_ppm - SKEW_PPM for fit in made]) <= 0.01


@pytest.mark.parametrize("load_ppm", [0.0, 2.0, 5.0])
@pytest.mark.parametrize("run_s", [6.0, 60.0])
@pytest.mark.parametrize("network", [lan, loopback, wireless])
def test_a_rate_that_moves_with_load_stays_inside_the_stated_u(network, run_s, load_ppm):
    """With bursts between the runs only, every edge of a run is mapped to within its u."""
    ratios, covered = [], []
    for seed in range(25):
        made = session(seed, run_s=run_s, load_ppm=load_ppm, network=network, asymmetry=1.0)
        fit = fit_board_clock(made.exchanges)
        error = board_to_host(fit, made.board(made.edges_ns)) - made.edges_ns
        ratios.append(error / fit.u_offset_ns)
        covered.append(np.abs(error) <= 2 * fit.u_offset_ns)
        assert np.abs(error).max() <= fit.round_trip_min_ns / 2 + fit.u_offset_ns
        assert fit.u_offset_ns <= 1.5 * fit.round_trip_min_ns / 2 / math.sqrt(3)
    assert rms(ratios) <= 1
    assert np.mean(covered) >= 0.95


@pytest.mark.parametrize("run_s", [6.0, 60.0])
def test_what_load_leaves_is_some_microseconds(run_s):
    """Without asymmetry the bent clock is followed far better than the bound says."""
    errors = []
    for seed in range(25):
        made = session(seed, run_s=run_s, asymmetry=0.0)
        fit = fit_board_clock(made.exchanges)
        errors.append(board_to_host(fit, made.board(made.edges_ns)) - made.edges_ns)
    assert rms(errors) <= 10_000


def test_a_burst_that_was_late_throughout_is_bridged():
    """A burst whose every request was held up for 8 to 20 ms moves no run by more than 50 us."""
    rng = np.random.default_rng(5)
    made = session(5, run_s=6.0)
    late = columns(made.exchanges)
    held_up = rng.integers(8_000_000, 20_000_000, len(made.bursts[5]))
    late[1:, made.bursts[5]] += held_up
    fit = fit_board_clock(stamps(*late))
    error = board_to_host(fit, made.board(made.edges_ns)) - made.edges_ns
    assert np.abs(error).max() <= 50_000


@pytest.mark.parametrize("count", [40, 20, 10])
def test_few_exchanges_in_half_a_minute(count):
    """The fewer there are, the wider is what is stated, and it holds."""
    made = [fit_board_clock(scattered(seed, count=count, span_s=30.0)) for seed in range(100)]
    ratios = [offset_error(fit) / fit.u_offset_ns for fit in made]
    assert rms(ratios) <= 1
    assert np.mean([abs(fit.skew_ppm - SKEW_PPM) <= 2 * fit.u_skew_ppm for fit in made]) >= 0.95


@pytest.mark.parametrize("chosen", [[0], [2], [0, -1], [0, 1]])
@pytest.mark.parametrize("network", [lan, loopback, wireless])
def test_one_burst_or_two_still_state_what_they_know(network, chosen):
    """Runs before, after and far from the only bursts are inside their own wider u."""
    ratios = []
    for seed in range(60):
        made = session(seed, run_s=6.0, network=network, runs=3, idle_s=5.0)
        exchanges = made.only(chosen)
        fit = fit_board_clock(exchanges)
        error = board_to_host(fit, made.board(made.edges_ns)) - made.edges_ns
        ratios.append(error / u_of_mapped(fit, exchanges, made.edges_ns))
    assert rms(ratios) <= 1
    assert np.mean(np.abs(ratios) <= 2) >= 0.95


def test_one_exchange_gives_an_offset_and_no_skew():
    """A single exchange is enough for an offset with its bound; its rate is any crystal's."""
    fit = fit_board_clock(scattered(3, count=1))
    assert fit.skew_ppm == 0.0
    assert fit.u_skew_ppm > SKEW_PPM
    assert abs(offset_error(fit)) <= fit.round_trip_min_ns / 2


def test_a_straight_clock_is_not_bent():
    """Where the line goes through every burst within its noise, it is kept."""
    assert fit_board_clock(session(0, run_s=6.0, load_ppm=0.0).exchanges).bend == ()
    assert fit_board_clock(session(0, run_s=6.0, load_ppm=5.0).exchanges).bend != ()


@pytest.mark.parametrize("load_ppm", [0.0, 5.0])
def test_offset_and_rate_of_each_run(load_ppm):
    """The clock at a run is the board's offset and rate there, within the u stated with it."""
    offsets, rates = [], []
    for seed in range(20):
        made = session(seed, run_s=6.0, load_ppm=load_ppm)
        fit = fit_board_clock(made.exchanges)
        for start, stop in made.edges_ns.reshape(-1, 2):
            middle = int(start + stop) // 2
            clock = clock_at(fit, middle)
            offset = int(made.board(np.array([middle]))[0]) - middle
            offsets.append((clock.offset_ns - offset) / clock.u_offset_ns)
            rates.append((clock.skew_ppm - SKEW_PPM - load_ppm) / clock.u_skew_ppm)
            assert clock.residual_ns <= fit.residual_ns
    assert np.abs(offsets).max() <= 2
    assert np.abs(rates).max() <= 3


def test_a_clock_beyond_its_exchanges_is_less_certain():
    """Ten minutes after the last exchange the rate may have moved: u says so."""
    made = session(6, run_s=6.0)
    fit = fit_board_clock(made.exchanges)
    last = made.exchanges.t4_ns[-1]
    u = u_of_mapped(fit, made.exchanges, last + np.array([-SECOND, 600 * SECOND]))
    assert u[0] == pytest.approx(fit.u_offset_ns)
    assert u[1] >= 600 * SECOND * 2e-6


@given(
    offset=st.integers(-(10**18), 4 * 10**18),
    origin=st.integers(0, 10**18),
    skew_ppm=st.floats(-400, 400),
    sent_ms=st.lists(st.integers(0, 4_000_000), min_size=5, max_size=60, unique=True),
)
@settings(deadline=None, max_examples=60)
def test_any_clock_is_found_to_the_nanosecond_where_nothing_is_late(
    offset, origin, skew_ppm, sent_ms
):
    """Offsets of many years, fast and slow boards: nothing is lost to rounding."""
    since = np.array(sent_ms) * 1_000_000

    def board(elapsed):
        return elapsed + np.rint(elapsed * skew_ppm * 1e-6).astype(np.int64) + (offset + origin)

    exchanges = ClockExchanges(
        t1_ns=since + origin,
        t2_board_ns=board(since + 50_000),
        t3_board_ns=board(since + 60_000),
        t4_ns=since + 110_000 + origin,
    )
    fit = fit_board_clock(exchanges)
    inside = np.linspace(since.min(), since.max(), 20).astype(np.int64)
    assert np.abs(board_to_host(fit, board(inside)) - origin - inside).max() <= 5
    at = clock_at(fit, int(inside[7]) + origin)
    assert abs(at.offset_ns - (int(board(inside[7])) - int(inside[7]) - origin)) <= 5


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_order_and_repetition_of_exchanges_change_nothing(seed):
    """Exchanges shuffled, some of them twice, give the same fit."""
    made = session(7, run_s=2.0, runs=3, idle_s=5.0)
    rng = np.random.default_rng(seed)
    count = len(made.exchanges.t1_ns)
    order = rng.permutation(np.concatenate((np.arange(count), rng.integers(0, count, 50))))
    shuffled = fit_board_clock(stamps(*columns(made.exchanges)[:, order]))
    assert shuffled == fit_board_clock(made.exchanges)


@given(shift=st.integers(-(10**17), 10**18), jump=st.integers(-(10**17), 10**18))
@settings(deadline=None, max_examples=20)
def test_where_the_clocks_count_from_changes_nothing(shift, jump):
    """Other origins of both clocks move reference and offset, and nothing else."""
    made = session(8, run_s=2.0, runs=3, idle_s=5.0)
    t1, t2, t3, t4 = columns(made.exchanges)
    before = fit_board_clock(made.exchanges)
    after = fit_board_clock(
        ClockExchanges(t1 + shift, t2 + shift + jump, t3 + shift + jump, t4 + shift)
    )
    moved = dataclasses.replace(
        before, reference_ns=before.reference_ns + shift, offset_ns=before.offset_ns + jump
    )
    assert after == moved


def test_mapping_undoes_offset_and_skew():
    """Board instants from end to end go back to the host's within what is stated."""
    fit = fit_board_clock(scattered(2))
    host = np.array([[0, 100], [300, 600]]) * SECOND
    mapped = board_to_host(fit, steady_board(host))
    assert mapped.shape == host.shape
    assert np.abs(mapped - host).max() <= fit.u_offset_ns
