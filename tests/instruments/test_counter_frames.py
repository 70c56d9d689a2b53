"""From a counter's raw readings to rows of watts, without a board."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.catalog.instrument_profile import Sampling
from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.counter_frames import (
    CounterFacts,
    Readings,
    energy_rows,
    observed_update_s,
    parse_facts,
    parse_readings,
    power_rows,
)
from powerlab.instruments.counter_pace import pace_of
from powerlab.records import Averaging, SampleFlag

HELLO = {
    "quantity": "energy",
    "parts": ["package-0"],
    "scope": "rail",
    "not_read": ["package-0/core"],
    "chips": ["rapl"],
    "unit_j": 1e-6,
    "wraps_at": [262143328850],
    "update_s": 0.0,
    "pushes": False,
    "stands_for": "energy",
    "emulated": False,
}
MS = 1_000_000


def facts(**changes: Any) -> CounterFacts:
    """Get what a source says of itself."""
    return parse_facts({**HELLO, **changes})


def readings(*rows: tuple[float, float | None]) -> Readings:
    """Get readings of one part from (milliseconds, value)."""
    at = [round(ms * MS) for ms, _ in rows]
    return parse_readings({"at_board_ns": at, "values": [[value] for _, value in rows]}, facts())


def test_the_published_wrap(shared) -> None:
    """New below old: the rest to the end of the range and what came after it."""
    trees = json.loads(shared("vectors/linux/sysfs_trees.json").read_text())["trees"]
    (item,) = (one for one in trees if "files_sequence" in one)
    counter = "sys/class/powercap/intel-rapl:0/energy_uj"
    old, new = (int(files[counter]) for files in item["files_sequence"])
    (span,) = (
        int(value) for name, value in item["files_sequence"][0].items() if "max_energy" in name
    )
    rows = energy_rows(facts(wraps_at=[span]), readings((0, old), (50, new)), 0.05)
    assert rows.power_w * 0.05 * 1e6 == pytest.approx([item["expect"]["delta_uJ"]])


def test_a_counter_without_an_end_that_goes_back_tells_nothing() -> None:
    """A driver that was loaded anew; the next row counts again."""
    rows = energy_rows(facts(wraps_at=[0]), readings((0, 900), (50, 10), (100, 60)), 0.05)
    assert rows.flags.tolist() == [SampleFlag.NOT_AVAILABLE, SampleFlag.GOOD]
    assert rows.power_w[1] == pytest.approx(50e-6 / 0.05)


@given(
    st.lists(st.tuples(st.integers(30, 400), st.integers(0, 10**7)), min_size=1, max_size=12),
    st.integers(0, 262143328849),
)
@settings(max_examples=60, deadline=None)
def test_no_energy_is_lost(steps: list[tuple[int, int]], begin: int) -> None:
    """However late the reads, and wherever the counter wraps, the rows hold what was counted."""
    span = HELLO["wraps_at"][0]
    at, counts = (
        np.cumsum([0, *(ms for ms, _ in steps)]),
        np.cumsum([begin, *(n for _, n in steps)]),
    )
    told = readings(*zip(at.tolist(), (counts % span).tolist(), strict=True))
    rows = energy_rows(facts(), told, 0.05)
    assert np.all(np.diff(rows.at_ns) > 0)
    assert rows.at_ns[-1] == told.at_ns[-1]
    lasted_s = np.diff(np.concatenate(([told.at_ns[0]], rows.at_ns))) * 1e-9
    assert lasted_s.max() <= 0.0751
    assert float(rows.power_w @ lasted_s) == pytest.approx(float(counts[-1] - begin) * 1e-6)


def test_a_count_that_was_not_told_lengthens_its_row() -> None:
    """None in between costs no energy."""
    rows = energy_rows(facts(), readings((0, 0), (50, None), (100, 200000)), 0.05)
    assert rows.power_w.tolist() == pytest.approx([2.0, 2.0])
    assert rows.at_ns.tolist() == [50 * MS, 100 * MS]


def test_powers_are_summed_and_their_repeats_marked() -> None:
    """A part that tells none spoils its row; an unchanged row is kept and marked."""
    two = facts(quantity="power", parts=["A", "B"], wraps_at=[0, 0])
    values = [[1.0, 2.0], [1.0, 2.0], [1.5, None], [1.5, 2.5]]
    rows = power_rows(parse_readings({"at_board_ns": [0, 1, 2, 3], "values": values}, two))
    assert rows.power_w[[0, 2]].tolist() == [3.0, 4.0]
    flags = [SampleFlag.REPEATED, SampleFlag.NOT_AVAILABLE, SampleFlag.GOOD]
    assert rows.flags.tolist() == flags


def test_updates_are_seen_where_readings_change() -> None:
    """Looked at each 4 ms: changed each 20 ms, at every look, or never."""
    at = np.arange(0, 1000, 4)
    assert observed_update_s(readings(*((t, t // 20) for t in at))) == pytest.approx(0.02)
    assert observed_update_s(readings(*((t, t) for t in at))) == pytest.approx(0.004)
    assert observed_update_s(readings(*((t, 7) for t in at))) == 0.0
    assert observed_update_s(readings((0, 1))) == 0.0


def sampling(averaging: str, aperture_s: float, interval_s: float) -> Sampling:
    """Get the sampling of a profile."""
    return Sampling(
        averaging=averaging,
        timestamp="end",
        aperture_s=aperture_s,
        interval_s=interval_s,
        latency_s=0.02,
        latency_limit_s=0.02,
        clock_limit_ppm=100,
        source="a test",
        retrieved="2026-11-21",
    )


@pytest.mark.parametrize(
    ("told", "profile", "observed_s", "expected"),
    [
        # A counter that is renewed quickly: two updates to a read at least, half an update old.
        ({}, ("counter", 0.05, 0.05), 0.001, (0.05, 0.05, "counter", 0.0005)),
        ({}, ("counter", 0.05, 0.05), 0.0, (0.05, 0.05, "counter", 0.02)),
        # One that is renewed slowly: each update is waited for, and placed where it was made.
        ({}, ("counter", 0.05, 0.05), 0.1, (0.1, 0.1, "counter", 0.0)),
        # A chip that means between its updates, slower or quicker than the reads.
        ({"quantity": "power", "update_s": 0.14}, ("boxcar", 0.05, 0.05), 0.13,
         (0.14, 0.14, "boxcar", 0.0)),
        ({"quantity": "power"}, ("boxcar", 0.05, 0.05), 0.01, (0.05, 0.01, "gated", 0.005)),
        # A driver's mean of a second is placed at its middle.
        ({"quantity": "power", "mean_of_s": 1.0}, ("counter", 0.1, 0.1), 0.1,
         (0.1, 1.0, "boxcar", 0.45)),
        ({"quantity": "power", "mean_of_s": 0.0}, ("counter", 0.1, 0.1), 0.02,
         (0.02, 0.02, "point", 0.0)),
        # A program that tells by itself cannot be looked at in between.
        ({"quantity": "power", "pushes": True}, ("gated", 0.005, 0.1), 0.1,
         (0.1, 0.005, "gated", 0.05)),
        ({"quantity": "power", "pushes": True}, ("boxcar", 0.1, 0.1), 0.05,
         (0.1, 0.1, "boxcar", 0.025)),
    ],
)  # fmt: skip
def test_the_pace(told, profile, observed_s, expected) -> None:
    """Interval, aperture, averaging and latency of each kind of source."""
    pace = pace_of(facts(**told), sampling(*profile), observed_s)
    interval_s, aperture_s, averaging, latency_s = expected
    assert (pace.interval_s, pace.aperture_s) == pytest.approx((interval_s, aperture_s))
    assert pace.averaging is Averaging(averaging)
    assert pace.latency_s == pytest.approx(latency_s)
    assert pace.look_s <= pace.interval_s


def test_a_pace_that_covers_a_mean_and_an_instant() -> None:
    """Where nobody knows which of them it is, the limit reaches from one to the other."""
    told = facts(quantity="power", mean_of_s=None, mean_limit_s=1.0)
    pace = pace_of(told, sampling("counter", 0.1, 0.1), 0.0)
    assert pace.averaging is Averaging.POINT
    known = [
        pace_of(facts(quantity="power", mean_of_s=mean), sampling("counter", 0.1, 0.1), 0.0)
        for mean in (0.0, 1.0)
    ]
    ends = [one.latency_s + sign * one.latency_limit_s for one in known for sign in (-1, 1)]
    assert pace.latency_s - pace.latency_limit_s == pytest.approx(min(ends))
    assert pace.latency_s + pace.latency_limit_s == pytest.approx(max(ends))


@pytest.mark.parametrize("key", [key for key in HELLO if key != "emulated"])
def test_a_source_that_says_too_little_is_refused(key: str) -> None:
    """Each fact is needed."""
    with pytest.raises(InstrumentProtocolError, match="cannot be read"):
        parse_facts({name: value for name, value in HELLO.items() if name != key})


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"at_board_ns": [1, 2], "values": [[1.0]]},
        {"at_board_ns": [1], "values": [[1.0, 2.0]]},
        {"at_board_ns": [2, 1], "values": [[1.0], [2.0]]},
        {"at_board_ns": [1], "values": [["x"]]},
        {"at_board_ns": [1], "values": []},
        {"at_board_ns": [2**70], "values": [[1.0]]},
        {"at_board_ns": [1, 2], "values": [[1.0], [1.0, 2.0]]},
        {"at_board_ns": False, "values": None},
        {"at_board_ns": 7, "values": [[1.0]]},
        {"at_board_ns": [[]], "values": []},
        {"at_board_ns": [2**63 - 1, -(2**63)], "values": [[1.0], [2.0]]},
    ],
)
def test_a_broken_table_is_refused(message: dict[str, object]) -> None:
    """Never rows of another shape or order."""
    with pytest.raises(InstrumentProtocolError, match="cannot be read"):
        parse_readings(message, facts())


@pytest.mark.parametrize("value", [[math.inf], [math.nan], [None], ["x"], 7])
def test_an_end_of_a_counter_that_is_no_number_is_refused(value: object) -> None:
    """JSON carries an infinity too."""
    with pytest.raises(InstrumentProtocolError, match="cannot be read"):
        facts(wraps_at=value)


def test_no_readings_are_no_rows() -> None:
    """A moment in which the board took none."""
    empty = parse_readings({"at_board_ns": [], "values": []}, facts())
    assert empty.values.shape == (0, 1)
    assert not len(energy_rows(facts(), empty, 0.05).at_ns)
    assert not len(power_rows(empty).at_ns)
