"""The DMM6500's buffer as a ring, against a ring that is written reading by reading."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.dmm6500_ring import RelativeTime, Ring, decode_pairs

NS = 1_000_000_000


def indices(total: int, later: int, capacity: int) -> tuple[int, int]:
    """Get the index of the newest reading, and that of the oldest after ``later`` more."""
    newest = (total - 1) % capacity + 1 if total else 0
    total += later
    return newest, total % capacity + 1 if total > capacity else min(1, total)


@given(
    st.integers(12, 60),
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 3)), min_size=1, max_size=12),
    st.floats(0.97, 1.03),
)
@settings(max_examples=60, deadline=None)
def test_a_ring_is_followed_however_often_it_turns(
    capacity: int, steps: list[tuple[int, int]], pace: float
) -> None:
    """Two indices and the time tell how many readings have come, several turns between polls."""
    ring, total, delivered = Ring(capacity), 0, 0
    for step, later in steps:
        total += step
        grown = ring.grown(*indices(total, later, capacity), step * pace, step)
        assert grown is not None
        assert grown.total == total
        lost = grown.lost_after(delivered, 0)
        assert lost == max(0, total - capacity - delivered)
        held = list(range(delivered + lost, total))
        spans = grown.spans(delivered + lost, total - 1, 7)
        told = [place for first, last in spans for place in range(first, last + 1)]
        assert told == [number % capacity + 1 for number in held]
        assert all(last - first < 7 for first, last in spans)
        ring, delivered = grown, total


@pytest.mark.parametrize(
    ("total", "told"), [(50, (20, 1)), (50, (0, 0)), (350, (20, 1)), (50, (20, 7)), (350, (20, 60))]
)
def test_a_ring_that_was_cleared_or_is_another_is_noticed(
    total: int, told: tuple[int, int]
) -> None:
    """Fewer readings than before, none at all, or indices that are not next to each other."""
    assert Ring(100, total).grown(*told, 10.0, 10.0) is None


@pytest.mark.parametrize("digit", range(1, 10))
@pytest.mark.parametrize("total", [900, 1000, 4321])
def test_a_stale_digit_before_an_index_is_noticed(total: int, digit: int) -> None:
    """It makes more readings of them than there was time for."""
    newest = int(f"{digit}{total}")
    assert Ring(1_000_000).grown(newest, 1, total, 1.05 * total) is None
    assert Ring(1_000_000, total - 3).grown(newest, 1, 3.0, 3.0) is None
    assert Ring(1_000_000, total - 3).grown(total, 1, 3.0, 3.0) == Ring(1_000_000, total)


def test_readings_about_to_be_overwritten_are_given_up() -> None:
    """Those within the margin, and never more than there are."""
    assert Ring(100, 250).lost_after(150, 0) == 0
    assert Ring(100, 250).lost_after(150, 10) == 10
    assert Ring(100, 250).lost_after(145, 10) == 15
    assert Ring(100, 250).lost_after(248, 10) == 0
    assert Ring(100, 250).lost_after(100, 500) == 150


def pairs(*rows: tuple[float, float]) -> bytes:
    """Write readings as the meter does: value and relative time, little-endian doubles."""
    return b"".join(struct.pack("<dd", *row) for row in rows)


def test_pairs_are_read() -> None:
    """Value and time of each, the values as they are."""
    values, seconds = decode_pairs("?", pairs((0.5, 0.0), (9.9e37, 2e-5)), 2)
    assert list(values) == [0.5, 9.9e37]
    assert list(seconds) == [0.0, 2e-5]


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (pairs((0.5, 0.0)), 2),
        (pairs((0.5, 0.0))[:-1], 1),
        (pairs((0.5, 1.0), (0.5, 1.0)), 2),
        (pairs((0.5, 1.0), (0.5, 0.5)), 2),
        (pairs((0.5, float("nan"))), 1),
        (pairs((0.5, float("inf"))), 1),
        (b"", 1),
    ],
)
def test_pairs_that_cannot_be_are_refused(payload: bytes, count: int) -> None:
    """Too few, half a number, times that do not rise or are none."""
    with pytest.raises(InstrumentProtocolError):
        decode_pairs("?", payload, count)


def test_times_go_on_from_reply_to_reply() -> None:
    """With the gaps that the meter tells, and where its origin has moved, by one interval."""
    times = RelativeTime(0.001)
    assert list(times.place(np.array([0.5, 0.501, 0.502]), 0.2)) == [0, 1_000_000, 2_000_000]
    assert list(times.place(np.array([0.503, 0.505]), 0.2)) == [3_000_000, 5_000_000]
    assert list(times.place(np.array([1.505]), 1.2)) == [1_005_000_000]  # a gap of a second
    assert list(times.place(np.array([0.2, 0.201]), 0.2)) == [1_006_000_000, 1_007_000_000]
    assert list(times.place(np.array([99.0]), 0.2)) == [1_008_000_000]


def test_lost_readings_have_their_place_in_time() -> None:
    """Those before the first, and those between two replies."""
    times = RelativeTime(0.001)
    assert list(times.lost(2)) == [0, 1_000_000]
    assert list(times.place(np.array([7.0, 7.001]), 0.2)) == [2_000_000, 3_000_000]
    assert list(times.lost(3)) == [4_000_000, 5_000_000, 6_000_000]
    assert list(times.place(np.array([7.0049]), 0.2)) == [6_900_000]
    assert list(times.lost(0)) == []
