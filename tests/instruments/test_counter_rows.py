"""Which looks at a counter become rows, poll by poll."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.instruments.counter_frames import CounterFacts, Readings, Rows, parse_facts
from powerlab.instruments.counter_pace import Pace
from powerlab.instruments.counter_rows import RowMaker
from powerlab.records import Averaging, SampleFlag
from tests.instruments.test_counter_frames import HELLO

MS = 1_000_000
UPDATE_MS = 50


def facts(quantity: str) -> CounterFacts:
    """Get what a source of one part says of itself."""
    return parse_facts({**HELLO, "quantity": quantity, "wraps_at": [0]})


def pace(follows_ms: float) -> Pace:
    """Get a pace that waits for updates, or takes each look."""
    return Pace(UPDATE_MS / 1e3, 0.01, follows_ms / 1e3, 0.05, Averaging.BOXCAR, 0.005, 0.005)


def looks(at_ms: Sequence[float], value: Callable[[float], float]) -> Readings:
    """Get readings of what a source shows at these instants."""
    at_ns = np.array([round(ms * MS) for ms in at_ms], dtype=np.int64)
    return Readings(at_ns, np.array([[value(ms)] for ms in at_ms]).reshape(-1, 1))


def all_rows(maker: RowMaker, readings: Readings, cuts: Sequence[int]) -> Rows:
    """Give readings to a maker in pieces; get all its rows."""
    edges = [0, *sorted(cuts), len(readings.at_ns)]
    pieces = [maker.rows(readings.part(range(a, b))) for a, b in pairwise(edges)]
    return Rows(
        np.concatenate([piece.at_ns for piece in pieces]),
        np.concatenate([piece.power_w for piece in pieces]),
        np.concatenate([piece.flags for piece in pieces]),
    )


@given(
    st.floats(0.0, 49.0),
    st.floats(8.0, 11.0),
    st.floats(0.95, 1.05),
    st.lists(st.integers(0, 400), max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_each_update_is_one_row_where_it_was_made(phase, look_ms, length, cuts) -> None:
    """Whatever the phase, the true length of updates, the pace of looks, and the polls."""
    update_ms = UPDATE_MS * length
    at_ms = np.arange(400) * look_ms
    shown = looks(at_ms, lambda ms: (ms + phase) // update_ms)
    rows = all_rows(RowMaker(facts("power"), pace(UPDATE_MS)), shown, cuts)
    fresh = rows.flags == 0
    made_ms = rows.power_w[fresh] * update_ms - phase
    assert np.all(np.diff(rows.power_w[fresh]) == 1)
    assert np.all(np.diff(rows.at_ns) > 0)
    away_ms = rows.at_ns[fresh] / MS - made_ms
    assert np.abs(away_ms).max() <= look_ms
    steps = update_ms / look_ms
    apart = ((1, 0.2), (2, 0.05), (3, 0.05))
    if all(abs(many * steps - round(many * steps)) > by for many, by in apart):
        # The looks come at ever other places within an update.
        assert np.abs(away_ms[40:]).mean() < 0.3 * look_ms


def test_a_steady_reading_is_taken_again() -> None:
    """A row that is as the one before is marked; the next change is caught at its own time."""
    shown = looks(range(0, 400, 10), lambda ms: 1.0 if ms < 300 else 2.0)
    rows = all_rows(RowMaker(facts("power"), pace(UPDATE_MS)), shown, [])
    assert (rows.at_ns // MS).tolist() == [100, 150, 200, 250, 295, 345]
    assert [bool(flag & SampleFlag.REPEATED) for flag in rows.flags] == [True] * 4 + [False, True]


def test_the_rest_of_an_update_is_no_update() -> None:
    """Volts are renewed a moment after amperes: one row, not two."""
    shown = looks(range(0, 500, 10), lambda ms: ms // 50 + 0.1 * ((ms - 20) // 50))
    rows = all_rows(RowMaker(facts("power"), pace(UPDATE_MS)), shown, [7, 20])
    assert np.diff(rows.at_ns[2:]) / MS == pytest.approx(50, abs=1)


def test_a_counter_is_read_from_update_to_update() -> None:
    """2 W counted in steps of 50 ms: each row is 2 W, though looks fall anywhere within."""
    shown = looks(np.arange(0, 2000, 9.3), lambda ms: ms // 50 * 100_000)
    rows = all_rows(RowMaker(facts("energy"), pace(UPDATE_MS)), shown, [30, 31, 80])
    assert rows.power_w[1:] == pytest.approx(2.0, rel=0.2)
    assert rows.power_w[10:] == pytest.approx(2.0, rel=0.05)
    plain = all_rows(RowMaker(facts("energy"), pace(0)), shown, [])
    assert plain.power_w.max() > 5


def test_without_an_update_to_follow_each_look_is_a_row() -> None:
    """Also across polls; the first only begins the first row."""
    shown = looks(range(0, 300, 50), lambda ms: ms)
    rows = all_rows(RowMaker(facts("power"), pace(0)), shown, [1, 1, 4])
    assert (rows.at_ns // MS).tolist() == [50, 100, 150, 200, 250]
