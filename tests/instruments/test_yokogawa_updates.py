"""Counting a meter's updates from polls that only tell "new" or "nothing new"."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from powerlab.instruments.yokogawa_updates import UpdateCount

MS = 1_000_000
T = 100 * MS


class Meter:
    """A meter whose update k ends at ``first + k * interval + jitter``, one bit per update."""

    def __init__(self, interval_ns: float = T, jitter: tuple[int, ...] = (0,)) -> None:
        self._interval_ns = interval_ns
        self._jitter = jitter
        self._read = 0

    def ended(self, at_ns: int) -> int:
        """Get how many updates have ended by an instant."""
        return next(k for k in itertools.count() if self._end(k) > at_ns)

    def _end(self, k: int) -> float:
        return 1000 * MS + k * self._interval_ns + self._jitter[k % len(self._jitter)]

    def poll(self, at_ns: int) -> bool:
        """Tell whether an update has ended since the last poll, and forget it."""
        ended = self.ended(at_ns)
        new, self._read = ended > self._read, ended
        return new


def count(
    meter: Meter, waits_ms: list[int], exchange_ms: int = 1
) -> list[tuple[int, int, int | None]]:
    """Poll after each wait: (true count, count told, missed) at every poll with something new."""
    told, updates = [], UpdateCount(T)
    at_ns = 990 * MS
    while not meter.poll(at_ns + exchange_ms * MS // 2):
        updates.nothing(at_ns)
        at_ns += 10 * MS
    updates.new(at_ns, at_ns + exchange_ms * MS)
    offset = meter.ended(at_ns + exchange_ms * MS // 2) - updates.completed
    for wait in waits_ms:
        at_ns += wait * MS
        if meter.poll(at_ns + exchange_ms * MS // 2):
            missed = updates.new(at_ns, at_ns + exchange_ms * MS)
            truth = meter.ended(at_ns + exchange_ms * MS // 2) - offset
            told.append((truth, updates.completed, missed))
        else:
            updates.nothing(at_ns)
    return told


def test_steady_polls_miss_nothing() -> None:
    """Every update has its number, and each is sure."""
    told = count(Meter(), [23] * 400)
    assert len(told) == pytest.approx(92, abs=1)
    assert [counted for _, counted, _ in told] == [truth for truth, _, _ in told]
    assert [counted for _, counted, _ in told] == list(range(2, 2 + len(told)))
    assert {missed for *_, missed in told} == {0}


@pytest.mark.parametrize("stall_ms", [150, 260, 1000, 2345, 6000])
def test_a_host_that_stalled_knows_how_many_it_missed(stall_ms: int) -> None:
    """After a long wait the newest reading has its own number, not the next one."""
    told = count(Meter(), [*[23] * 40, stall_ms, *[23] * 40])
    assert all(counted == truth for truth, counted, missed in told if missed is not None)
    assert told[-1][0] == told[-1][1]


def test_a_late_poll_is_not_taken_for_a_miss() -> None:
    """1.6 intervals between two polls may hold one update only: the bounds tell."""
    told = count(Meter(), [*[23] * 40, 160, *[23] * 10])
    assert [counted for _, counted, _ in told] == [truth for truth, _, _ in told]


def test_updates_that_do_not_come_are_lost_in_time() -> None:
    """A meter that holds for two seconds leaves twenty numbers that no reading has."""
    updates = UpdateCount(T)
    updates.nothing(1000 * MS)
    updates.new(1020 * MS, 1021 * MS)
    lost = [updates.nothing(at * MS) for at in range(1040, 3100, 20)]
    assert sum(lost) == 20
    assert max(lost) == 1
    assert updates.new(3125 * MS, 3126 * MS) == 0
    assert updates.completed == 22


def test_one_poll_after_a_long_silence_finds_all_that_are_overdue() -> None:
    """What is lost is counted by the time, however seldom it is looked at."""
    updates = UpdateCount(T)
    updates.nothing(1000 * MS)
    updates.new(1020 * MS, 1021 * MS)
    assert updates.nothing(2025 * MS) == 9
    assert updates.completed == 10


@settings(max_examples=60)
@given(
    waits_ms=st.lists(st.sampled_from([7, 15, 23, 31, 60, 95, 140, 310, 1234]), max_size=120),
    ppm=st.integers(-150, 150),
    jitter_ms=st.lists(st.integers(-3, 3), min_size=1, max_size=7),
    exchange_ms=st.integers(1, 30),
)
@example(waits_ms=[95] * 60, ppm=150, jitter_ms=[0], exchange_ms=30)
def test_a_number_that_is_told_is_right(
    waits_ms: list[int], ppm: int, jitter_ms: list[int], exchange_ms: int
) -> None:
    """Whatever the polls, clocks and delays: a reading has its own number, or none at all."""
    meter = Meter(T * (1 + ppm * 1e-6), tuple(each * MS for each in jitter_ms))
    told = count(meter, [*[23] * 30, *waits_ms], exchange_ms)
    for truth, counted, missed in told:
        assert counted == truth or missed is None
        assert counted <= truth


def test_a_reading_of_either_of_two_updates_has_no_number() -> None:
    """A late poll just as an update ends: the reading is dropped and counts as lost."""
    told = count(Meter(), [*[23] * 40, 3, 175, 23, 23, 23, 23, 23, 23, 23, 23, 23])
    (at,) = [place for place, (*_, missed) in enumerate(told) if missed is None]
    truth, counted, _ = told[at + 1]
    assert counted == truth
    assert counted - told[at - 1][1] - 1 in (1, 2)
