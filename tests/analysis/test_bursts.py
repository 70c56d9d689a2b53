"""What bursts of exchanges bound, and the steps between them."""

import json

import numpy as np
import pytest

from powerlab.analysis.bursts import (
    LEAST_EXCHANGES,
    bursts_of,
    delays_of,
    largest_step,
    offset_and_delay,
)
from powerlab.records import ClockExchanges
from tests.analysis.exchange_worlds import (
    SECOND,
    columns,
    lan,
    loopback,
    scattered,
    session,
    stamps,
    wireless,
)


def moved(exchanges, late, *, board_ns=0, host_ns=0):
    """Get exchanges with the stamps of one side moved where ``late`` says."""
    t1, t2, t3, t4 = columns(exchanges)
    board, host = np.where(late, board_ns, 0), np.where(late, host_ns, 0)
    return stamps(t1 + host, t2 + board, t3 + board, t4 + host)


def test_offset_and_delay_are_those_of_the_published_example(shared):
    """The four-timestamp algebra reproduces the reference problem."""
    reference = json.loads(shared("references/clock_alignment.json").read_text())
    case = reference["four_timestamp"]
    one = {key: np.array([round(value * SECOND)]) for key, value in case["inputs"].items()}
    offset, delay = offset_and_delay(ClockExchanges(one["t1"], one["t2"], one["t3"], one["t4"]))
    assert offset[0] == pytest.approx(case["offset"] * SECOND, abs=1)
    assert delay[0] == pytest.approx(case["delay"] * SECOND, abs=1)


def test_exchanges_of_a_session_fall_into_its_bursts():
    """Every burst of the protocol is one, and its bounds hold the true offset."""
    made = session(1, run_s=6.0)
    delays = delays_of(made.exchanges)
    bursts = bursts_of(delays)
    assert len(bursts.at) == len(made.bursts)
    at_ns = bursts.at + delays.reference_ns
    true = made.board(at_ns) - np.rint(at_ns) - delays.base_ns - bursts.rate * bursts.at
    assert np.all(bursts.low <= true)
    assert np.all(true <= bursts.high)


def test_lone_exchanges_are_joined_until_one_of_them_was_fast():
    """Exchanges 1.5 s apart make bursts of a few, a steady train is cut into short ones."""
    apart = bursts_of(delays_of(scattered(2)))
    assert 400 / (2 * LEAST_EXCHANGES) < len(apart.at) <= 400 / LEAST_EXCHANGES
    train = bursts_of(delays_of(scattered(2, count=400, span_s=20.0)))
    assert len(train.at) >= 8


@pytest.mark.parametrize("network", [lan, loopback, wireless])
@pytest.mark.parametrize("run_s", [2.0, 60.0])
def test_load_jitter_and_stalls_are_no_step(network, run_s):
    """A rate that moves by 5 ppm, spikes, and one exchange that took 2 s step nothing."""
    for seed in range(10):
        made = session(seed, run_s=run_s, network=network)
        assert largest_step(made.exchanges) == 0
        stalled = columns(made.exchanges)
        stalled[3, 300] += 2 * SECOND
        assert largest_step(stamps(*stalled)) == 0


@pytest.mark.parametrize("side", ["board", "host"])
@pytest.mark.parametrize(
    ("network", "run_s", "step_ns"),
    [(loopback, 2.0, 300_000), (lan, 6.0, 600_000), (lan, 60.0, 2_000_000)],
)
def test_a_suspend_between_two_bursts_is_found(side, network, run_s, step_ns):
    """A computer asleep in a run leaves its clock behind, and the bounds cannot be joined."""
    for seed in range(10):
        made = session(seed, run_s=run_s, network=network)
        late = made.exchanges.t1_ns > made.edges_ns[6]
        behind = {f"{side}_ns": -step_ns}
        assert 0 < largest_step(moved(made.exchanges, late, **behind)) <= step_ns


def test_a_step_inside_a_burst_is_found():
    """Bounds of one burst that contradict each other tell of a step as well."""
    made = session(3, run_s=6.0)
    late = np.arange(len(made.exchanges.t1_ns)) > made.bursts[4][30]
    assert largest_step(moved(made.exchanges, late, board_ns=1_000_000)) > 500_000


def test_a_step_between_the_only_two_bursts_is_found():
    """Without a third burst the rate is unknown, but no clock is 1,000 ppm off."""
    made = session(4, run_s=6.0)
    ends = made.only([0, -1])
    late = ends.t1_ns > np.median(ends.t1_ns)
    assert largest_step(ends) == 0
    assert largest_step(moved(ends, late, board_ns=round(1e-3 * np.ptp(ends.t1_ns)))) > 0
