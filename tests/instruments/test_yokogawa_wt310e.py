"""The WT310E against wire transcripts: order, content, flags, and nothing left unread."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.yokogawa_setup import READ_BACK, power_range
from powerlab.instruments.yokogawa_wt310e import POLL, Wt310e
from powerlab.records import Averaging, SampleFlag
from powerlab.transport.visa import ReplyTimeout

IDENTITY = "YOKOGAWA,WT310E,C3XA04010E,F1.04"
LATE = ReplyTimeout("late", hint="ask again")
NO_ERROR = '0,"NO ERROR"'
READING = "1;0;11.961E+00,0.7037E+00,8.4170E+00"
OTHER = "1;0;11.960E+00,0.7040E+00,8.4200E+00"
NOTHING = "0;0;11.961E+00,0.7037E+00,8.4170E+00"
HELD = "15.0E+00;0;1.0E+00;0;100.0E-03;3;DC;0"

CLEAR: list[tuple[str, str | None]] = [
    (command, None)
    for command in (
        ":COMM:HEAD OFF",
        ":COMM:VERB OFF",
        ":STAT:QMES ON",
        ":INTEG:STOP",
        ":INTEG:RES",
        ":HOLD OFF",
        ":MEAS:MHOL OFF",
        ":MEAS:AVER:STAT OFF",
        ":INP:SCAL:STAT OFF",
        ":INP:FILT:LINE OFF",
        ":INP:FILT:FREQ OFF",
        "*CLS",
    )
]


def applied(mode: str, volts: int, amperes: str, *items: str) -> list[tuple[str, str | None]]:
    """Get the transcript of setting mode, ranges and items, up to the error queue."""
    sent = (
        ":INP:CFAC 3",
        f":INP:MODE {mode}",
        f":INP:SYNC {'OFF' if mode == 'DC' else 'VOLT'}",
        ":RATE 0.1",
        ":INP:VOLT:AUTO OFF",
        f":INP:VOLT:RANG {volts}",
        ":INP:CURR:AUTO OFF",
        f":INP:CURR:RANG {amperes}",
        ":NUM:FORM ASC",
        f":NUM:NORM:NUM {len(items)}",
        *(f":NUM:NORM:ITEM{place} {item}" for place, item in enumerate(items, 1)),
        ":STAT:FILT1 FALL",
    )
    return [(command, None) for command in sent]


def items_told(*items: str) -> list[tuple[str, str | None]]:
    """Get the transcript of an empty error queue and the items read back."""
    return [(":STAT:ERR?", NO_ERROR), (":NUM:NORM?", ";".join((str(len(items)), *items)))]


def polls(*answers: str | Exception) -> list[tuple[str, str | Exception]]:
    """Get the transcript of some polls."""
    return [(POLL, answer) for answer in answers]


def looked(volts: str, frequency: str) -> list[tuple[str, str | None]]:
    """Get the transcript of the look on the largest range of volts."""
    answer = f"1;0;{volts},0.2520E+00,3.010E+00,{frequency}"
    every = ("U,1", "I,1", "P,1", "FU,1")
    return [*applied("RMS", 600, "1", *every), *items_told(*every), *polls(answer, answer, answer)]


def fixed(mode: str, volts: int, amperes: str) -> list[tuple[str, str | None]]:
    """Get the transcript of the ranges that stay, up to the last reading before the read-back."""
    three = ("U,1", "I,1", "P,1")
    return [*applied(mode, volts, amperes, *three), *items_told(*three), *polls(*[READING] * 3)]


SET_UP = [*CLEAR, *looked("11.96E+00", "NAN"), *fixed("DC", 15, "1"), (READ_BACK, HELD)]


@pytest.fixture
def link(scripted_text) -> Iterator:
    """Get a link to a WT310E that expects nothing beyond what a test adds."""
    made = scripted_text(IDENTITY)
    yield made
    made.finish()


@pytest.fixture
def meter(link, profile) -> Wt310e:
    """Get a WT310E on that link."""
    return Wt310e(link, profile("yokogawa-wt310e"))


@pytest.fixture
def ready(meter: Wt310e, link) -> Wt310e:
    """Get one that is set up for 12 V and 1 A."""
    link.expect(*SET_UP)
    meter.configure(MeterRequest(expected_peak_a=1.05))
    return meter


def rows(meter: Wt310e, stop) -> tuple[np.ndarray, np.ndarray]:
    """Get all values and flags that a stream brings."""
    blocks = list(meter.stream(stop))
    assert [block.completed for block in blocks] == list(
        np.cumsum([len(block.flags) for block in blocks])
    )
    values = np.concatenate([block.values for block in blocks])
    return values, np.concatenate([block.flags for block in blocks])


def test_identity_is_what_the_meter_says(meter: Wt310e) -> None:
    """Model, serial number and firmware come from the instrument."""
    told = meter.identity
    assert (told.model, told.serial, told.firmware) == ("WT310E", "C3XA04010E", "F1.04")
    assert not told.emulated


def test_another_model_is_named(scripted_text, profile) -> None:
    """A WT333E behind the profile of a WT310E has other ranges, and is refused."""
    link = scripted_text("YOKOGAWA,WT333E,C2VL22012V,F1.04")
    with pytest.raises(InstrumentError, match="is a YOKOGAWA WT333E, not a WT310E"):
        Wt310e(link, profile("yokogawa-wt310e"))
    assert Wt310e(link, profile("yokogawa-wt333e")).identity.model == "WT333E"


def test_set_up_transcript_of_direct_current(meter: Wt310e, link) -> None:
    """The whole set-up, in order, and the limits of the product of both ranges."""
    link.expect(*SET_UP)
    setup = meter.configure(MeterRequest(expected_peak_a=1.05))
    assert setup.channels == ("voltage", "current", "power")
    assert setup.averaging is Averaging.BOXCAR
    assert (setup.aperture_s, setup.interval_s) == (0.1, 0.1)
    assert [limit.full_scale for limit in setup.accuracy] == [15.0, 1.0, 15.0]
    power = setup.accuracy[2]
    assert power.gain_limit == pytest.approx(1e-3)
    assert power.offset_limit == pytest.approx(2e-3 * 15 + 0.0005)
    assert not power.estimated
    assert setup.burden_ohm == setup.burden_limit_ohm == pytest.approx(0.005)


def test_set_up_transcript_of_the_mains(meter: Wt310e, link) -> None:
    """A line frequency in the volts: root mean squares, synchronised, the mains' range."""
    held = "300.0E+00;0;200.0E-03;0;100.0E-03;3;RMS;0"
    every = ("U,1", "I,1", "P,1", "FU,1")
    answer = "1;0;229.87E+00,0.1000E+00,10.10E+00,49.998E+00"
    link.expect(
        *CLEAR,
        *applied("RMS", 600, "0.2", *every),
        *items_told(*every),
        *polls(answer, answer, answer),
        *fixed("RMS", 300, "0.2"),
        (READ_BACK, held),
    )
    setup = meter.configure(MeterRequest(expected_peak_a=0.25))
    assert setup.settings["mode"] == "RMS"
    assert [limit.full_scale for limit in setup.accuracy] == pytest.approx([300.0, 0.2, 60.0])


def test_volts_that_are_asked_for_decide_their_range(meter: Wt310e, link) -> None:
    """A calibration names its volts, whatever is there before the set-point."""
    held = "30.0E+00;0;1.0E+00;0;100.0E-03;3;DC;0"
    link.expect(*CLEAR, *looked("0.01E+00", "NAN"), *fixed("DC", 30, "1"), (READ_BACK, held))
    meter.configure(MeterRequest(expected_peak_a=1.0, expected_peak_v=24.0))


def test_headers_are_read_over(meter: Wt310e, link) -> None:
    """A meter that keeps its headers on is understood all the same."""
    headed = [
        (":NUM:NORM?", ":NUMERIC:NORMAL:NUMBER 3;ITEM1 U,1;ITEM2 I,1;ITEM3 P,1")
        if command == ":NUM:NORM?" and answer.startswith("3")
        else (command, answer)
        for command, answer in SET_UP[:-1]
    ]
    told = ":INPUT:VOLTAGE:RANGE 15.0E+00;AUTO 0;:INPUT:CURRENT:RANGE 1.0E+00;AUTO 0;"
    told += ":RATE 100.0E-03;:INPUT:CFACTOR 3;MODE DC;:HOLD 0"
    link.expect(*headed, (READ_BACK, told))
    meter.configure(MeterRequest(expected_peak_a=1.05))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("30.0E+00;0;1.0E+00;0;100.0E-03;3;DC;0", "voltage range is 30 where 15"),
        ("15.0E+00;0;5.0E+00;0;100.0E-03;3;DC;0", "current range is 5 where 1"),
        ("15.0E+00;1;1.0E+00;0;100.0E-03;3;DC;0", "auto range is on"),
        ("15.0E+00;0;1.0E+00;1;100.0E-03;3;DC;0", "auto range is on"),
        ("15.0E+00;0;1.0E+00;0;250.0E-03;3;DC;0", "update interval is 0.25"),
        ("15.0E+00;0;1.0E+00;0;100.0E-03;6;DC;0", "crest factor is 6"),
        ("15.0E+00;0;1.0E+00;0;100.0E-03;3;RMS;0", "mode is RMS where DC"),
        ("15.0E+00;0;1.0E+00;0;100.0E-03;3;DC;1", "hold is on"),
    ],
)
def test_a_setting_that_did_not_take_is_an_error(
    meter: Wt310e, link, told: str, words: str
) -> None:
    """What decides a figure is read back, and named where it is another."""
    link.expect(*SET_UP[:-1], (READ_BACK, told))
    with pytest.raises(InstrumentError, match=words):
        meter.configure(MeterRequest(expected_peak_a=1.05))


def test_the_error_queue_is_read_empty(meter: Wt310e, link) -> None:
    """Every refused setting is told, not the first one only."""
    until = SET_UP.index((":STAT:ERR?", NO_ERROR))
    refused = [(":STAT:ERR?", '113,"Undefined Header"'), (":STAT:ERR?", '222,"Data out of range"')]
    link.expect(*SET_UP[:until], *refused, (":STAT:ERR?", NO_ERROR))
    with pytest.raises(InstrumentError, match="113 Undefined Header; 222 Data out of range"):
        meter.configure(MeterRequest(expected_peak_a=1.05))


def test_other_items_than_set_are_refused(meter: Wt310e, link) -> None:
    """Columns that would be read as another quantity never are."""
    until = SET_UP.index((":STAT:ERR?", NO_ERROR)) + 1
    link.expect(*SET_UP[:until], (":NUM:NORM?", "4;URMS,1;IRMS,1;P,1;FU,1"))
    with pytest.raises(InstrumentProtocolError, match="was set"):
        meter.configure(MeterRequest(expected_peak_a=1.05))


def test_too_much_current_is_refused_before_anything_is_set(meter: Wt310e, link) -> None:
    """No range carries 40 A."""
    link.expect(*CLEAR)
    with pytest.raises(InstrumentError, match="beyond every current range"):
        meter.configure(MeterRequest(expected_peak_a=40.0))


def test_a_channel_it_has_not_is_refused(meter: Wt310e) -> None:
    """It samples no trigger line."""
    with pytest.raises(ConfigError, match="does not stream line"):
        meter.configure(MeterRequest(expected_peak_a=1.0, channels=("line",)))


def test_no_volts_at_all_are_told(meter: Wt310e, link) -> None:
    """A voltage input beyond its largest range says where the leads belong."""
    link.expect(*CLEAR, *looked("INF", "NAN"))
    with pytest.raises(InstrumentError, match="shows no volts") as caught:
        meter.configure(MeterRequest(expected_peak_a=1.05))
    assert "600 V" in caught.value.hint


def test_a_reading_comes_once_for_each_update(ready: Wt310e, link, stop_after) -> None:
    """Polls without news give no row; of several the last one is kept, as a bound in time."""
    link.expect(*polls(READING, READING, NOTHING, NOTHING, READING, NOTHING, OTHER))
    blocks = list(ready.stream(stop_after(6)))
    assert [len(block.flags) for block in blocks] == [0, 0, 1, 0, 1]
    assert [int(block.device_ns[0]) for block in blocks if len(block.flags)] == [0, 100_000_000]
    assert blocks[2].values.tolist() == [[11.961, 0.7037, 8.417]]
    assert blocks[4].values.tolist() == [[11.96, 0.704, 8.42]]
    assert not any(block.flags.any() for block in blocks)


def test_a_reading_like_the_one_before_is_flagged(ready: Wt310e, link, stop_after) -> None:
    """The same three numbers twice: not renewed, or a very steady load; they are kept."""
    link.expect(*polls(READING, READING, READING, READING, OTHER))
    values, flags = rows(ready, stop_after(4))
    assert list(flags) == [SampleFlag.GOOD, SampleFlag.REPEATED, SampleFlag.GOOD]
    assert np.isfinite(values).all()


WRONG = [
    ("1;0;NAN,NAN,NAN", SampleFlag.NOT_AVAILABLE),
    ("1;0;11.961E+00,INF,INF", SampleFlag.OVERRANGE),
    ("1;64;11.961E+00,0.7037E+00,8.4170E+00", SampleFlag.OVERRANGE),
    ("1;128;11.961E+00,0.7037E+00,8.4170E+00", SampleFlag.SATURATED),
    ("1;256;11.961E+00,0.7037E+00,8.4170E+00", SampleFlag.SATURATED),
    ("1;0;-1.000E+00,-1.0000E+00,-1.0000E+00", SampleFlag.NOT_AVAILABLE),
    ("1;0;11.961E+00,-0.7037E+00,-8.4170E+00", SampleFlag.QUESTIONABLE),
    ("1;0;11.961E+00,0.7037E+00,3.4170E+00", SampleFlag.QUESTIONABLE),
    ("1;0;11.961E+00,-0.0010E+00,-0.0120E+00", SampleFlag.GOOD),
]


@pytest.mark.parametrize(("answer", "flag"), WRONG)
def test_what_is_wrong_with_a_reading_is_flagged(
    ready: Wt310e, link, stop_after, answer: str, flag: SampleFlag
) -> None:
    """No data, over-range, clipped peaks, reversed leads, numbers that contradict each other."""
    over = flag in (SampleFlag.OVERRANGE, SampleFlag.SATURATED)
    link.expect(*polls(READING, READING, answer), *([(READ_BACK, HELD)] if over else []))
    values, flags = rows(ready, stop_after(2))
    assert list(flags) == [flag]
    assert np.isfinite(values).all() != any(word in answer for word in ("NAN", "INF", "-1.000E"))


def test_a_current_range_that_gave_way_ends_the_stream(ready: Wt310e, link, stop_after) -> None:
    """After an overload the ranges are looked at: limits of another range would be wrong."""
    gone = "15.0E+00;0;5.0E+00;1;100.0E-03;3;DC;0"
    link.expect(*polls(READING, READING, "1;64;11.961E+00,INF,INF"), (READ_BACK, gone))
    told = []
    with pytest.raises(InstrumentError, match="current range is 5 where 1"):
        told.extend(ready.stream(stop_after(9)))
    assert told[-1].flags[-1] == SampleFlag.OVERRANGE


def test_a_late_answer_is_asked_for_again(ready: Wt310e, link, stop_after) -> None:
    """The settings are looked at first: the meter may have been off and on again."""
    link.expect(*polls(READING, READING, LATE), (READ_BACK, HELD), *polls(OTHER))
    values, flags = rows(ready, stop_after(2))
    assert values[-1].tolist() == [11.96, 0.704, 8.42]
    assert flags[-1] == SampleFlag.GOOD


def test_three_late_answers_end_the_stream(ready: Wt310e, link, stop_after) -> None:
    """A link that is too slow for any reading says so."""
    again = [(READ_BACK, HELD)]
    link.expect(*polls(READING, READING, LATE), *again, *polls(LATE), *again, *polls(LATE))
    with pytest.raises(ReplyTimeout):
        list(ready.stream(stop_after(9)))


@pytest.mark.parametrize(
    "answer", ["1;0;11.961E+00,0.7037E+00", "1;0", "11.961E+00", "1;99999;1.0E+00,1.0E+00,1.0E+00"]
)
def test_a_wrong_answer_ends_the_stream(ready: Wt310e, link, stop_after, answer: str) -> None:
    """An answer of another form is a protocol error with what was sent and received."""
    link.expect(*polls(READING, READING, answer))
    with pytest.raises(InstrumentProtocolError) as caught:
        list(ready.stream(stop_after(9)))
    assert caught.value.sent == POLL.encode()


def test_a_stream_needs_a_set_up(meter: Wt310e, stop_after) -> None:
    """Nothing is read before ranges and items are known."""
    with pytest.raises(ValueError, match="configure the meter"):
        list(meter.stream(stop_after(1)))


def test_close_gives_the_panel_back_and_never_raises(meter: Wt310e, link) -> None:
    """The meter is local again and the link let go."""
    link.expect((":COMM:REM OFF", None))
    meter.close()
    assert link.closed
    meter.close()  # the script has nothing left: what it raises stays inside


@pytest.mark.parametrize("volts", [15.0, 30.0, 60.0, 150.0, 300.0, 600.0])
@pytest.mark.parametrize("amperes", [0.005, 0.2, 1.0, 5.0, 20.0])
def test_watts_have_the_product_of_both_ranges(profile, volts: float, amperes: float) -> None:
    """Any two ranges: their product, its limits in per cent, a resolution of five digits."""
    wt310e = profile("yokogawa-wt310e")
    voltage, current = wt310e.range_for("voltage", volts), wt310e.range_for("current", amperes)
    power = power_range(wt310e, voltage, current)
    assert math.isclose(power.full_scale, volts * amperes)
    assert power.offset_limit == pytest.approx(2e-3 * volts * amperes)
    assert 1e-5 < power.resolution / power.full_scale < 3e-4
