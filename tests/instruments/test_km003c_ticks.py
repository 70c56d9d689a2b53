"""Sequence numbers that wrap, repeat and skip, and rows for the samples that never came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.instruments.km003c_ticks import NS_PER_TICK, WRAP, TickClock
from powerlab.instruments.rows import Rows, over_range, with_lost
from powerlab.records import SampleFlag


def numbers(*ticks: int) -> np.ndarray:
    """Get the sequence numbers of ticks."""
    return (np.array(ticks) % WRAP).astype(np.uint16)


def place(clock: TickClock, ticks: list[int], host_ms: float) -> list[int] | None:
    """Place a reply: the new ticks, None where it fits no time."""
    placed = clock.place(numbers(*ticks), round(host_ms * NS_PER_TICK))
    return None if placed is None else placed[0][placed[1]].tolist()


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(0, WRAP - 1),
    pauses=st.lists(st.integers(1, 400_000), min_size=1, max_size=8),
    late=st.lists(st.integers(-1, 900), min_size=8, max_size=8),
)
def test_pauses_of_any_length(first: int, pauses: list[int], late: list[int]) -> None:
    """Between replies up to six wraps may pass: the host's clock tells how many."""
    clock, tick, total = TickClock(), first, 0
    assert place(clock, [first], 0) == [first]
    for pause, delay in zip(pauses, late, strict=False):
        tick += pause
        total += pause
        assert place(clock, [tick], total + delay) == [tick]


def test_a_reply_across_the_wrap() -> None:
    """65534, 65535, 0, 1 are four ticks in a row."""
    clock = TickClock()
    assert place(clock, [65534, 65535, 65536, 65537], 0) == [65534, 65535, 65536, 65537]
    assert place(clock, [65538], 1) == [65538]


def test_repeats_are_dropped() -> None:
    """A sample that came before, within a reply or again in the next, is not taken twice."""
    clock = TickClock()
    assert place(clock, [10, 11, 11, 12], 0) == [10, 11, 12]
    assert place(clock, [11, 12, 13, 13, 14], 2) == [13, 14]
    assert place(clock, [12, 13, 14], 4) == []
    assert clock.last == 14


@pytest.mark.parametrize("ticks", [[10, 9000, 11, 12], [10, 12, 11], [10, 9]])
def test_numbers_that_run_backwards_are_no_times(ticks: list[int]) -> None:
    """Nobody knows which of them is wrong; the reply after is taken again."""
    clock = TickClock()
    assert place(clock, ticks, 0) is None
    assert place(clock, [13, 14], 4) == [13, 14]


def test_numbers_that_fit_no_time_are_refused() -> None:
    """20 s of ticks in 20 ms of the host are no pause; the next reply is taken again."""
    clock = TickClock()
    place(clock, [100], 0)
    assert place(clock, [20_100], 20) is None
    assert place(clock, [140], 40) == [140]


def test_no_sample_at_all() -> None:
    """An empty reply moves nothing."""
    clock = TickClock()
    assert place(clock, [], 0) == []
    assert clock.last is None


def rows(ticks: list[int]) -> Rows:
    """Build rows whose value is their tick."""
    at = np.array(ticks, dtype=np.int64)
    values = np.stack([at, -at], axis=1).astype(np.float64)
    return Rows(values, np.zeros(len(at), dtype=np.uint8), at * NS_PER_TICK)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.none() | st.integers(-50, -1))
def test_every_missing_tick_has_a_row(steps: list[int], last: int | None) -> None:
    """Rows of all ticks, in their place; those that never came are NaN and say so."""
    ticks = np.cumsum(steps).tolist()
    before = None if last is None else last * NS_PER_TICK
    done = with_lost(rows(ticks), before, NS_PER_TICK)
    first = ticks[0] if last is None else last + 1
    wanted = list(range(first, ticks[-1] + 1))
    lost = [tick not in ticks for tick in wanted]
    assert (done.device_ns // NS_PER_TICK).tolist() == wanted
    assert (done.flags == SampleFlag.LOST).tolist() == lost
    assert np.isnan(done.values[lost]).all()
    assert done.values[~np.array(lost), 0].tolist() == ticks


def test_uneven_times_are_counted_to_the_nearest() -> None:
    """A meter's microseconds jitter: 1.4 ms are one interval, 2.6 ms are three."""
    times = np.array([0, 1_400_000, 4_000_000], dtype=np.int64)
    given_rows = Rows(np.ones((3, 1)), np.zeros(3, dtype=np.uint8), times)
    done = with_lost(given_rows, None, NS_PER_TICK)
    assert done.flags.tolist() == [0, 0, 1, 1, 0]
    assert np.all(np.diff(done.device_ns) > 0)


def test_no_rows_are_no_gap() -> None:
    """Nothing stays nothing."""
    none = with_lost(rows([]), 5, NS_PER_TICK)
    assert len(none.flags) == 0


@pytest.mark.parametrize(("value", "flag"), [(6.0, 0), (-6.01, SampleFlag.OVERRANGE)])
def test_range_counts_both_ways(value: float, flag: int) -> None:
    """A magnitude beyond the largest range, of either sign."""
    flags = over_range(np.array([[5.0, value]]), np.array([50.0, 6.0]))
    assert flags.tolist() == [flag]
