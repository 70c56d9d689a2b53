"""Reports without a time: placed by their pace, held where several come at once, counted."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.instruments.paced import Pace, Paced, Samples, paced_blocks
from powerlab.records import SampleFlag

MS = 1_000_000
PACE_MS = 40


def placed(arrivals: list[tuple[int, float]]) -> tuple[list[Paced[int]], Pace[int]]:
    """Place reports, named by the number of their pace, that arrive at milliseconds."""
    pace = Pace[int](PACE_MS * MS)
    told = [item for number, at in arrivals for item in pace.take(number, round(at * MS))]
    return told, pace


def check(told: list[Paced[int]], off_ms: float) -> None:
    """Check that each report is in its own place, and every place is there once."""
    for place, item in enumerate(told):
        assert item.report in (None, place)
        assert abs(item.at_ns / MS - PACE_MS * place) < off_ms
    assert all(one.at_ns < next_.at_ns for one, next_ in pairwise(told))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 15), min_size=2, max_size=60))
def test_jitter_is_smoothed(late: list[float]) -> None:
    """What comes up to 15 ms late is placed at once, no two ever nearer than half a pace."""
    told, pace = placed([(k, PACE_MS * k + ms) for k, ms in enumerate(late)])
    assert len(told) == len(late)
    assert pace.lost == 0
    check(told, 16)
    assert all(b.at_ns - a.at_ns > PACE_MS * MS / 2 for a, b in pairwise(told))


def test_the_pace_follows_a_clock_that_is_off() -> None:
    """A quarter of an hour at 200 ppm: off by what that makes in the reports that are looked at."""
    told, pace = placed([(k, PACE_MS * k * 1.0002) for k in range(22_500)])
    assert pace.lost == 0
    assert abs(told[-1].at_ns / MS - PACE_MS * 22_499 * 1.0002) < 1.5


@settings(max_examples=60, deadline=None)
@given(stall_ms=st.integers(25, 2000), at=st.integers(1, 10))
def test_what_waited_behind_a_stall_is_placed_by_its_number(stall_ms: int, at: int) -> None:
    """The host sleeps and finds all reports at once: none is lost, each is in its place."""
    awake = PACE_MS * at + stall_ms
    told, pace = placed([(k, max(PACE_MS * k, awake if k >= at else 0)) for k in range(90)])
    assert pace.lost == 0
    assert [item.report for item in told] == list(range(len(told)))
    assert len(told) >= 80
    check(told, PACE_MS / 2 + 1)


@settings(max_examples=60, deadline=None)
@given(late_ms=st.integers(21, 29), jitter=st.lists(st.floats(0, 5), min_size=3, max_size=20))
def test_a_first_report_that_was_read_late(late_ms: int, jitter: list[float]) -> None:
    """More come then than there is time for: they are placed from the newest backwards."""
    rest = [(k, PACE_MS * k + ms) for k, ms in enumerate(jitter, start=1)]
    told, pace = placed([(0, late_ms), *rest])
    assert pace.lost == 0
    assert [item.report for item in told] == list(range(len(jitter) + 1))
    check(told, late_ms + 1)
    assert abs(told[-1].at_ns / MS - PACE_MS * len(jitter)) < 6


@settings(max_examples=60, deadline=None)
@given(late_ms=st.integers(0, 1000))
def test_a_stream_that_begins_in_a_stall(late_ms: int) -> None:
    """The first of them stands where it came; the others follow it, none is lost."""
    told, pace = placed([(k, max(PACE_MS * k, late_ms)) for k in range(60)])
    assert pace.lost == 0
    assert [item.report for item in told] == list(range(60))
    assert all(one.at_ns < next_.at_ns for one, next_ in pairwise(told))
    assert abs(told[-1].at_ns / MS - PACE_MS * 59) < PACE_MS / 2


@settings(max_examples=60, deadline=None)
@given(missing=st.integers(1, 50), at=st.integers(1, 10))
def test_reports_that_never_came_are_lost_places(missing: int, at: int) -> None:
    """The places of the missing ones are there and empty, and at most one other with them."""
    numbers = [k for k in range(90) if not at <= k < at + missing]
    told, pace = placed([(k, PACE_MS * k) for k in numbers])
    check(told, 1)
    assert missing <= pace.lost <= missing + 1
    assert sum(item.report is None for item in told) == pace.lost


@settings(max_examples=60, deadline=None)
@given(stall_ms=st.integers(200, 3000), kept=st.integers(0, 4))
def test_a_burst_that_is_too_small_has_no_times(stall_ms: int, kept: int) -> None:
    """Some of what waited was thrown away, nobody knows which: all of it is lost."""
    first = 5
    after = first + stall_ms // PACE_MS + 1
    late = [(k, PACE_MS * first + stall_ms) for k in range(first, first + kept)]
    whole = [(k, PACE_MS * k) for k in range(first)]
    told, _ = placed([*whole, *late, *((k, PACE_MS * k) for k in range(after, 120))])
    check(told, PACE_MS / 2 + 1)
    assert all(item.report is None for item in told[first : after - 1])


def test_samples_of_a_report_end_at_its_instant() -> None:
    """Four samples, 10 ms apart; of a lost report four lost ones."""
    report = Samples(np.arange(8.0).reshape(4, 2), np.zeros(4, dtype=np.uint8))
    items = [Paced(report, 100 * MS), Paced(None, 140 * MS)]
    blocks = list(paced_blocks(items, 4, 10 * MS, ("voltage", "current")))
    assert [block.received_ns // MS for block in blocks] == [70, 80, 90, 100, 110, 120, 130, 140]
    assert [block.completed for block in blocks] == list(range(1, 9))
    assert blocks[1].values.tolist() == [[2.0, 3.0]]
    assert [int(block.flags[0]) for block in blocks] == [0] * 4 + [SampleFlag.LOST] * 4
    assert all(np.isnan(block.values).all() for block in blocks[4:])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60 * MS), min_size=1, max_size=12))
def test_samples_of_reports_that_are_near_stay_behind_those_before(steps: list[int]) -> None:
    """However near two reports are: time never runs backwards, each ends at its instant."""
    instants = np.cumsum([100 * MS, *steps]).tolist()
    blocks = list(paced_blocks([Paced(None, at) for at in instants], 4, 10 * MS, ("voltage",)))
    times = [block.received_ns for block in blocks]
    assert times[3::4] == instants
    assert np.all(np.diff(times) >= 0)
    within = np.diff(np.reshape(times, (-1, 4)), axis=1)
    assert within.max() <= 10 * MS


def test_two_reports_of_twenty_milliseconds() -> None:
    """Their eight samples share what time there is."""
    items = [Paced(None, at * MS) for at in (100, 120)]
    blocks = list(paced_blocks(items, 4, 10 * MS, ("voltage",)))
    assert [block.received_ns // MS for block in blocks] == [70, 80, 90, 100, 105, 110, 115, 120]


@pytest.mark.parametrize("count", [1, 2])
def test_the_first_reports(count: int) -> None:
    """One alone is placed where it came."""
    told, _ = placed([(k, PACE_MS * k) for k in range(count)])
    assert [item.at_ns for item in told] == [PACE_MS * MS * k for k in range(count)]
