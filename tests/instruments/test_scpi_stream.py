"""What drivers of self-filling meters share: the schedule, the count, the marks for no number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from powerlab.errors import InstrumentError
from powerlab.instruments import scpi_stream
from powerlab.instruments.scpi_stream import (
    CountCheck,
    ask_again,
    counted_block,
    judged,
    polls,
)
from powerlab.records import SampleFlag
from powerlab.transport.visa import ReplyTimeout
from tests.instruments.scpi_wires import S, Stop, VirtualTime

LATE = ReplyTimeout("late", hint="ask again")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Get a virtual clock in place of the host's."""
    made = VirtualTime()
    monkeypatch.setattr(scpi_stream, "now_ns", made.clock)
    return made


def test_polls_keep_their_schedule(time: VirtualTime) -> None:
    """A poll that took long is not made up for; the one after the stop is the last."""
    seen = []
    for number, stopping in enumerate(polls(0.2, Stop(4, time))):
        seen.append((round(time.now_ns / S, 2), stopping))
        time.sleep(1.0 if number == 1 else 0.05)
    start = 70_000
    assert seen == [
        (start + 0.2, False),
        (start + 0.4, False),
        (start + 1.4, False),
        (start + 1.6, False),
        (start + 1.8, True),
    ]


def test_a_late_answer_is_asked_for_again(time: VirtualTime) -> None:
    """Its instants are those of the exchange that was answered."""
    answers = iter([LATE, LATE, 7])

    def ask() -> int:
        time.sleep(2.0)
        told = next(answers)
        if isinstance(told, Exception):
            raise told
        return told

    value, sent_ns, received_ns = ask_again(ask)
    assert value == 7
    assert received_ns - sent_ns == pytest.approx(2 * S, rel=1e-3)
    assert sent_ns - 70_000 * S == pytest.approx(4 * S, rel=1e-3)


def test_an_answer_that_is_always_late_is_told() -> None:
    """Three times, and no more."""
    asked = []

    def ask() -> int:
        asked.append(1)
        raise LATE

    with pytest.raises(ReplyTimeout):
        ask_again(ask)
    assert len(asked) == 3


def test_marks_for_no_number() -> None:
    """SCPI's infinity and not-a-number, in doubles and in singles, and IEEE's own."""
    rows = np.array([[1.0], [9.9e37], [-9.9e37], [9.91e37], [math.nan], [0.0], [-2.0]])
    for told in (rows, rows.astype(np.float32).astype(np.float64)):
        values, flags = judged(told)
        over, absent = SampleFlag.OVERRANGE, SampleFlag.NOT_AVAILABLE
        assert list(flags) == [0, over, over, absent, absent, 0, 0]
        assert np.array_equal(np.isnan(values[:, 0]), flags != 0)
    both, flags = judged(np.array([[9.9e37, 9.91e37]]))
    assert flags[0] == SampleFlag.OVERRANGE | SampleFlag.NOT_AVAILABLE
    assert np.isnan(both).all()


def test_a_counted_block_has_the_time_of_its_numbers() -> None:
    """The clock is the count: no rounding adds up over hours at a period such as 204.8 µs."""
    delivered = 100_000_000
    block = counted_block(
        np.ones((3, 2)), delivered=delivered, interval_s=2.048e-4, polled_ns=(5, 9)
    )
    assert list(block.device_ns) == [204_800 * number for number in range(delivered, delivered + 3)]
    assert (block.completed, block.sent_ns, block.received_ns) == (delivered + 3, 5, 9)


def make_check() -> CountCheck:
    """Get a check of a meter with 1,000 samples a second that may be 0.2 s late."""
    check = CountCheck("meter", 1e-3, slack_s=0.2, clock_limit_ppm=100)
    check.check(500, 10 * S, 10 * S + S // 100)
    return check


@pytest.mark.parametrize(
    ("completed", "sent_s", "missing"),
    [
        (500 + 990, 11.0, 0),  # as it should be
        (500 + 800, 11.0, 0),  # a little late
        (500 + 3600 * 1000 - 700, 10 + 3600, 0),  # an hour on two slow clocks
        (500 + 500, 11.0, 289),  # half a second is missing
        (500, 20.0, 9787),
    ],
)
def test_missing_samples_are_counted(completed: int, sent_s: float, missing: int) -> None:
    """What the clocks and a late answer may explain is not missing."""
    told = make_check().missing(completed, round(sent_s * S), round((sent_s + 6) * S))
    assert told == pytest.approx(missing, abs=2)


def test_missing_samples_end_a_measurement() -> None:
    """Without their number later samples have no time."""
    with pytest.raises(InstrumentError, match="has lost 9") as caught:
        make_check().check(500, 20 * S, 20 * S)
    assert caught.value.exit_code == 4
