"""The DMM6500 against wire transcripts: order, content, and nothing left unread."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import MeterRequest, VoltageReader
from powerlab.instruments.dmm6500_readings import decode_readings
from powerlab.instruments.keithley_dmm6500 import BUFFER_READINGS, CHUNK_READINGS, Dmm6500
from powerlab.records import Averaging, SampleFlag
from powerlab.transport.visa import ReplyTimeout

IDENTITY = "KEITHLEY INSTRUMENTS,MODEL DMM6500,04592448,1.7.12b"
NO_ERROR = '0,"No error;0;0 0"'
END = ':TRAC:ACT:END? "powerlab"'
LATE = ReplyTimeout("late", hint="ask again")
PAIRS = "1.250000000000E-01,0.000000000000E+00,1.260000000000E-01,2.040000000000E-02"


def data(first: int, last: int) -> str:
    """Get the question for some readings of the buffer."""
    return f':TRAC:DATA? {first},{last},"powerlab",READ,REL'


def pairs(first: int, last: int) -> str:
    """Get the answer to it: reading k is k mA, taken at (k - 1) * 20.4 ms."""
    return ",".join(f"{k * 1e-3:.11E},{(k - 1) * 0.0204:.11E}" for k in range(first, last + 1))


def select(name: str) -> list[tuple[str, str | None]]:
    """Get the transcript of selecting a function and clearing what would alter it."""
    return [
        (":ABOR", None),
        (':TRAC:DEL "powerlab"', None),
        (f':SENS:FUNC "{name}:DC"', None),
        (f":SENS:{name}:REL:STAT 0", None),
        (f":SENS:{name}:AVER 0", None),
        (f":CALC:{name}:MATH:STAT 0", None),
        (":FORM:DATA ASC", None),
        (":FORM:ASC:PREC 12", None),
        ("*CLS", None),
        (":SENS:FUNC?", f'"{name}:DC"'),
    ]


def set_up(name: str, full_scale: int) -> list[tuple[str, str | None]]:
    """Get the transcript of setting up a function for streaming."""
    return [
        *select(name),
        (f":SENS:{name}:RANG {full_scale}", None),
        (f":SENS:{name}:NPLC 1", None),
        (f":SENS:{name}:AZER 0", None),
        (":SENS:AZER:ONCE", None),
        (f':TRAC:MAKE "powerlab",{BUFFER_READINGS}', None),
        (':TRAC:FILL:MODE ONCE,"powerlab"', None),
        (f':TRIG:LOAD "SimpleLoop",{BUFFER_READINGS},0,"powerlab"', None),
    ]


def read_back(name: str, full_scale: int) -> list[tuple[str, str | None]]:
    """Get the transcript of reading the set-up back."""
    return [
        (":SYST:ERR?", NO_ERROR),
        (f":SENS:{name}:REL:STAT?", "0"),
        (f":SENS:{name}:RANG?", f"{full_scale}"),
        (f":SENS:{name}:NPLC?", "1.0E+00"),
        (f":SENS:{name}:AZER?", "0"),
        (":SYST:LFR?", "50"),
    ]


SET_UP = set_up("CURR", 1)
READ_BACK = read_back("CURR", 1)
VOLTS: list[tuple[str, str | None]] = [
    *select("VOLT"),
    (":SENS:VOLT:RANG:AUTO 1", None),
    (":SENS:VOLT:NPLC 1", None),
    (":SENS:VOLT:AZER 1", None),
    (":SYST:ERR?", NO_ERROR),
    (":SENS:VOLT:REL:STAT?", "0"),
]


@pytest.fixture
def link(scripted_text) -> Iterator:
    """Get a link to a DMM6500 that expects nothing beyond what a test adds."""
    made = scripted_text(IDENTITY, [("*LANG?", "SCPI")])
    yield made
    made.finish()


@pytest.fixture
def meter(link, profile) -> Dmm6500:
    """Get a DMM6500 on that link."""
    return Dmm6500(link, profile("keithley-dmm6500"))


def test_identity_is_what_the_meter_says(meter: Dmm6500) -> None:
    """Model, serial number and firmware come from the instrument."""
    told = meter.identity
    assert (told.model, told.serial, told.firmware) == ("DMM6500", "04592448", "1.7.12b")
    assert not told.emulated
    assert isinstance(meter, VoltageReader)


def test_an_emulated_meter_says_so(scripted_text, profile) -> None:
    """The serial number of an emulator marks its readings for good."""
    told = scripted_text("KEITHLEY INSTRUMENTS,MODEL DMM6500,EMULATED01,1", [("*LANG?", "SCPI")])
    assert Dmm6500(told, profile("keithley-dmm6500")).identity.emulated


@pytest.mark.parametrize(
    "identity", ["KEITHLEY INSTRUMENTS,MODEL 2450,04,1.7", "YOKOGAWA,WT310E,C3XA04010E,F1.04"]
)
def test_another_instrument_is_named(scripted_text, profile, identity: str) -> None:
    """The wrong instrument behind the right port is told with its own name."""
    with pytest.raises(InstrumentError, match=r"2450|WT310E") as caught:
        Dmm6500(scripted_text(identity), profile("keithley-dmm6500"))
    assert "instruments list" in caught.value.hint


def test_another_language_is_told_with_the_way_back(scripted_text, profile) -> None:
    """A meter in TSP mode says where the setting is."""
    with pytest.raises(InstrumentError, match="speaks TSP, not SCPI") as caught:
        Dmm6500(scripted_text(IDENTITY, [("*LANG?", "TSP")]), profile("keithley-dmm6500"))
    assert "Command Set" in caught.value.hint


def test_set_up_transcript(meter: Dmm6500, link) -> None:
    """The whole set-up, in order, and the facts that it yields."""
    link.expect(*SET_UP, *READ_BACK)
    setup = meter.configure(MeterRequest(expected_peak_a=0.9))
    assert setup.channels == ("current",)
    assert setup.averaging is Averaging.GATED
    assert math.isclose(setup.aperture_s, 0.02)
    assert math.isclose(setup.interval_s, 0.0204)
    assert setup.accuracy[0].full_scale == 1.0
    assert setup.accuracy[0].gain_limit == pytest.approx(8e-4)
    assert setup.accuracy[0].offset_limit == pytest.approx(3e-4 + 5e-7)
    assert setup.accuracy[0].estimated
    assert setup.burden_ohm == pytest.approx(0.375)
    assert setup.burden_limit_ohm == pytest.approx(0.375)


def test_volts_are_streamed_on_a_fixed_range(meter: Dmm6500, link, stop_after) -> None:
    """The same trigger loop in the other function: 12 V on the 10 V range's over-range."""
    link.expect(*set_up("VOLT", 10), *read_back("VOLT", 10))
    request = MeterRequest(expected_peak_a=0.0, channels=("voltage",), expected_peak_v=12.0)
    setup = meter.configure(request)
    assert setup.channels == ("voltage",)
    assert (setup.accuracy[0].quantity, setup.accuracy[0].full_scale) == ("voltage", 10.0)
    assert setup.accuracy[0].gain_limit == pytest.approx(25e-6)
    assert (setup.burden_ohm, setup.burden_limit_ohm) == (0.0, 0.0)
    assert setup.settings["function"] == "VOLT:DC"
    link.expect((":INIT", None), (END, "2"), (data(1, 2), "1.20E+01,0,1.21E+01,0.0204"))
    (block,) = meter.stream(stop_after(1))
    np.testing.assert_allclose(block.values, [[12.0], [12.1]])


def test_volts_choose_their_own_range(meter: Dmm6500, link) -> None:
    """20 V need the 100 V range; the current that is expected has no say in it."""
    link.expect(*set_up("VOLT", 100), *read_back("VOLT", 100))
    request = MeterRequest(expected_peak_a=50.0, channels=("voltage",), expected_peak_v=20.0)
    assert meter.configure(request).accuracy[0].full_scale == 100.0


@pytest.mark.parametrize(
    ("channels", "why"),
    [(("current", "voltage"), "cannot stream current and voltage at once"), (("power",), "power")],
)
def test_what_it_cannot_stream_is_refused(meter: Dmm6500, link, channels, why: str) -> None:
    """One function at a time, and only those that it has; nothing is sent."""
    link.finish()
    with pytest.raises(ConfigError, match=why):
        meter.configure(MeterRequest(expected_peak_a=0.5, channels=channels))


def test_line_frequency_is_the_meters_own(meter: Dmm6500, link) -> None:
    """One power line cycle is 16.7 ms where the meter sees 60 Hz."""
    link.expect(*SET_UP, *READ_BACK[:-1], (":SYST:LFR?", "60"))
    setup = meter.configure(MeterRequest(expected_peak_a=0.9, line_frequency_hz=50))
    assert setup.aperture_s == pytest.approx(1 / 60)
    assert setup.interval_s == pytest.approx(1 / 60 + 0.0004)


def test_too_large_a_load_is_refused_before_anything_is_sent(meter: Dmm6500) -> None:
    """No range carries 12 A, so the meter is not touched."""
    with pytest.raises(InstrumentError, match="beyond every current range") as caught:
        meter.configure(MeterRequest(expected_peak_a=12.0))
    assert "larger range" in caught.value.hint


def test_a_refused_setting_is_told_in_the_meters_words(meter: Dmm6500, link) -> None:
    """The error queue is read empty and shown whole."""
    errors = [(":SYST:ERR?", '-222,"Parameter 1 out of range"'), (":SYST:ERR?", '-113,"Undefined"')]
    link.expect(*SET_UP, *errors, (":SYST:ERR?", NO_ERROR))
    with pytest.raises(InstrumentError, match="-222 Parameter 1 out of range; -113 Undefined"):
        meter.configure(MeterRequest(expected_peak_a=0.9))


def test_a_setting_that_did_not_take_is_told(meter: Dmm6500, link) -> None:
    """A range other than the one set would make every figure wrong."""
    link.expect(*SET_UP, *READ_BACK[:2], (":SENS:CURR:RANG?", "3"))
    with pytest.raises(InstrumentError, match="answers 3 to :SENS:CURR:RANG"):
        meter.configure(MeterRequest(expected_peak_a=0.9))


def test_stream_transcript(meter: Dmm6500, link, stop_after) -> None:
    """Three polls: some readings, none, some more; counts, times and polls are right."""
    link.expect(
        (":INIT", None),
        (END, "3"),
        (data(1, 3), pairs(1, 3)),
        (END, "3"),
        (END, "5"),
        (data(4, 5), pairs(4, 5)),
    )
    first, second = meter.stream(stop_after(3))
    assert (first.completed, second.completed) == (3, 5)
    np.testing.assert_allclose(first.values, [[1e-3], [2e-3], [3e-3]])
    np.testing.assert_allclose(second.values, [[4e-3], [5e-3]])
    assert list(first.device_ns) == [0, 20_400_000, 40_800_000]
    assert list(second.device_ns) == [61_200_000, 81_600_000]
    assert first.sent_ns <= first.received_ns <= second.sent_ns
    assert not first.flags.any()


def test_a_backlog_is_fetched_in_chunks(meter: Dmm6500, link, stop_after) -> None:
    """What has piled up comes as one block, asked for in pieces."""
    count = 2 * CHUNK_READINGS + 7
    limits = [(1, 500), (501, 1000), (1001, 1007)]
    link.expect((":INIT", None), (END, str(count)), *((data(*x), pairs(*x)) for x in limits))
    (block,) = meter.stream(stop_after(1))
    assert block.values.shape == (count, 1)
    assert np.all(np.diff(block.device_ns) > 0)


def test_late_answers_lose_nothing(meter: Dmm6500, link, stop_after) -> None:
    """After a late answer the same question is asked again on the new connection."""
    link.expect(
        (":INIT", None),
        (END, LATE),
        (END, "2"),
        (data(1, 2), LATE),
        (data(1, 2), LATE),
        (data(1, 2), pairs(1, 2)),
    )
    (block,) = meter.stream(stop_after(1))
    assert block.completed == 2


def test_a_meter_that_is_always_late_is_given_up(meter: Dmm6500, link, stop_after) -> None:
    """Three late answers in a row are too many."""
    link.expect((":INIT", None), (END, LATE), (END, LATE), (END, LATE))
    with pytest.raises(ReplyTimeout):
        list(meter.stream(stop_after(1)))


def test_overload_is_flagged_and_not_a_number(meter: Dmm6500, link, stop_after) -> None:
    """±9.9E37 is an overload, 9.91E37 is no reading: both are NaN with their own flag."""
    told = "9.9E37,0,-9.900000E+37,0.02,9.91E37,0.04,0.5,0.06"
    link.expect((":INIT", None), (END, "4"), (data(1, 4), told))
    (block,) = meter.stream(stop_after(1))
    assert [SampleFlag(int(flag)) for flag in block.flags] == [
        SampleFlag.OVERRANGE,
        SampleFlag.OVERRANGE,
        SampleFlag.NOT_AVAILABLE,
        SampleFlag.GOOD,
    ]
    assert np.isnan(block.values[:3]).all()
    assert block.values[3, 0] == 0.5


def test_a_cleared_buffer_ends_the_stream(meter: Dmm6500, link, stop_after) -> None:
    """A count that falls means that somebody else is at the meter."""
    link.expect((":INIT", None), (END, "3"), (data(1, 3), pairs(1, 3)), (END, "1"))
    with pytest.raises(InstrumentError, match="shrank from 3 to 1"):
        list(meter.stream(stop_after(2)))


def test_time_that_runs_backwards_ends_the_stream(meter: Dmm6500, link, stop_after) -> None:
    """REL restarts when the buffer is cleared; its times then join to nothing."""
    link.expect(
        (":INIT", None),
        (END, "2"),
        (data(1, 2), pairs(1, 2)),
        (END, "4"),
        (data(3, 4), pairs(1, 2)),
    )
    with pytest.raises(InstrumentProtocolError, match="backwards"):
        list(meter.stream(stop_after(2)))


def test_a_full_buffer_ends_the_stream(meter: Dmm6500, link, stop_after) -> None:
    """A buffer that is full takes no more, and the message says for how long it lasts."""
    meter._check_alive(BUFFER_READINGS - 1, 0)
    with pytest.raises(InstrumentError, match="buffer is full"):
        meter._check_alive(BUFFER_READINGS, 0)


def test_a_stopped_trigger_loop_is_noticed(meter: Dmm6500, link, stop_after, monkeypatch) -> None:
    """Silence of five seconds is no pause."""
    clock = iter(range(0, 10**12, 10**9))
    monkeypatch.setattr("powerlab.instruments.keithley_dmm6500.now_ns", lambda: next(clock))
    link.expect((":INIT", None), (END, "0"), (END, "0"))
    with pytest.raises(InstrumentError, match="no reading for 5 s"):
        list(meter.stream(stop_after(9)))


def test_voltage_transcript(meter: Dmm6500, link) -> None:
    """Mean and uncertainty of four readings: the range's limit and the scatter."""
    readings = [12.001, 12.003, 12.002, 12.002]
    link.expect(
        *VOLTS,
        *((":READ?", f"{value:.6E}") for value in readings),
        (":SENS:VOLT:RANG?", "10"),
    )
    mean, u = meter.read_voltage(4)
    assert mean == pytest.approx(12.002)
    limit = 25e-6 * 12.002 + 5e-6 * 10 + 5e-6
    assert u == pytest.approx(math.hypot(limit / math.sqrt(3), np.std(readings, ddof=1) / 2))


@pytest.mark.parametrize(("told", "words"), [("9.9E37", "overloaded"), ("-12.0", "HI on")])
def test_wrong_leads_are_told(meter: Dmm6500, link, told: str, words: str) -> None:
    """An overloaded or reversed voltage input says what to do with the leads."""
    link.expect(
        *VOLTS,
        *((":READ?", told) for _ in range(2)),
    )
    with pytest.raises(InstrumentError) as caught:
        meter.read_voltage(2)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_close_stops_the_meter_and_never_raises(meter: Dmm6500, link) -> None:
    """The trigger loop is stopped, the buffer freed, the link let go."""
    link.expect((":ABOR", None), (':TRAC:DEL "powerlab"', None))
    meter.close()
    assert link.closed
    meter.close()  # the script has nothing left: what it raises stays inside


@pytest.mark.parametrize("length", range(len(PAIRS)))
def test_a_cut_answer_is_refused(length: int) -> None:
    """Two readings cut anywhere before the last number's digits are refused, never guessed."""
    cut = PAIRS[:length]
    if cut.count(",") == 3 and not cut.endswith((",", "E", "+", "E-", "-")):
        readings = decode_readings(":X?", cut, 2) if _rises(cut) else None
        assert readings is None or readings.values.shape == (2,)
    else:
        with pytest.raises(InstrumentProtocolError):
            decode_readings(":X?", cut, 2)


def _rises(cut: str) -> bool:
    return float(cut.rsplit(",", 1)[1]) > 0


@given(place=st.integers(0, len(PAIRS) - 1), letter=st.characters(max_codepoint=255))
def test_a_corrupt_answer_is_refused_or_read(place: int, letter: str) -> None:
    """A wrong byte anywhere gives readings or a protocol error, nothing else."""
    corrupt = PAIRS[:place] + letter + PAIRS[place + 1 :]
    try:
        readings = decode_readings(":X?", corrupt, 2)
    except InstrumentProtocolError as error:
        caught = error
        assert caught.sent == b":X?"
    else:
        assert np.all(np.diff(readings.device_ns) > 0)
        assert np.isfinite(readings.values[readings.flags == 0]).all()


@given(st.text(max_size=80), st.integers(0, 3))
def test_any_text_is_refused_or_read(reply: str, count: int) -> None:
    """Whatever comes, nothing but a protocol error leaves the codec."""
    try:
        readings = decode_readings(":X?", reply, count)
    except InstrumentProtocolError:
        return
    assert readings.values.shape == (count,)


def test_elements_may_be_parted_by_comma_and_space() -> None:
    """Both published forms of the separator are read."""
    readings = decode_readings(":X?", "-4.999995E-01, 0.0, 1, 0.5", 2)
    assert list(readings.values) == [-0.4999995, 1.0]
    assert list(readings.device_ns) == [0, 500_000_000]
