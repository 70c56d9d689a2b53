"""The Truevolt driver against published exchanges, its emulator, and what may go wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import keysight_truevolt as emulation
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import keysight_truevolt
from powerlab.instruments.contract import MeterRequest, VoltageReader
from powerlab.instruments.keysight_truevolt import CHUNK_READINGS, Truevolt
from powerlab.instruments.scpi import decode_count
from powerlab.instruments.scpi_block import block_payload
from powerlab.instruments.truevolt_readings import decode_form, decode_readings
from powerlab.records import Averaging, SampleFlag
from powerlab.transport.visa import ReplyTimeout
from tests.instruments.fast_meters import joined, rig, virtual
from tests.instruments.scpi_wires import S, Stop, VirtualTime

REQUEST = MeterRequest(expected_peak_a=0.9)
VECTOR = "vectors/scpi/keysight_truevolt_34465a_34470a.json"
LATE = ReplyTimeout("late", hint="ask again")


def test_published_blocks_of_readings(shared) -> None:
    """The guide's examples of R? and DATA:POIN?."""
    exchanges = json.loads(shared(VECTOR).read_text())["exchanges"]
    told = [item["r"] for item in exchanges if item.get("q") == "R?"]
    read = []
    for reply in told:
        payload = block_payload("R?", reply.encode())
        count = payload.count(b",") + 1 if payload else 0
        read.append(list(decode_readings("R?", payload, "text", count)))
    assert read == [[-0.498748741, -0.435163427, -0.741859188], []]
    (points,) = [item["r"] for item in exchanges if item.get("q") == "DATA:POIN?"]
    assert decode_count("DATA:POIN?", points) == 215


@given(st.lists(st.floats(-10, 10), max_size=20))
@settings(max_examples=40, deadline=None)
def test_readings_in_either_form(values: list[float]) -> None:
    """Doubles to the last bit, text to nine digits."""
    count = len(values)
    doubles = np.array(values, dtype="<f8").tobytes()
    assert list(decode_readings("R?", doubles, "doubles", count)) == values
    text = ",".join(f"{value:+.8E}" for value in values).encode()
    assert decode_readings("R?", text, "text", count) == pytest.approx(values, rel=1e-7)
    for form, payload in (("doubles", doubles), ("text", text)):
        with pytest.raises(InstrumentProtocolError):
            decode_readings("R?", payload, form, count + 1)


@pytest.mark.parametrize(
    ("told", "form"),
    [("ASC,9", "text"), ("ASCII", "text"), ("REAL,64", "doubles"), ("REAL,+64", "doubles")],
)
def test_forms_of_readings(told: str, form: str) -> None:
    """As FORM:DATA? may tell them."""
    assert decode_form("FORM:DATA?", told) == form


@pytest.mark.parametrize("told", ["REAL,32", "", "INT", "REAL,64,1"])
def test_other_forms_are_refused(told: str) -> None:
    """Singles would be read as half as many wrong numbers."""
    with pytest.raises(InstrumentProtocolError):
        decode_form("FORM:DATA?", told)


@pytest.fixture
def time(monkeypatch) -> VirtualTime:
    """Get a virtual clock for driver and emulator."""
    return virtual(monkeypatch, keysight_truevolt, emulation)


@pytest.fixture
def build(tmp_path, time):
    """Get a maker of multimeters on emulators."""

    def make(*faults: str, name: str = "keysight-34465a-digitize", **sampling: float):
        made = rig(tmp_path, time, name, (emulation.Truevolt, Truevolt), faults, **sampling)
        return made.meter, made.link, made

    return make


def test_set_up_and_what_it_says(build) -> None:
    """The facts, and every command in its order; the range before the aperture."""
    meter, link, _ = build()
    link.sent.clear()
    setup = meter.configure(REQUEST)
    assert (setup.channels, setup.averaging) == (("current",), Averaging.GATED)
    assert (setup.interval_s, setup.aperture_s) == (1e-3, 8e-4)
    assert setup.settings["format"] == "REAL,64, SWAP"
    assert link.sent[:5] == [
        "ABOR",
        "CURR:SWIT:MODE CONT",
        "*CLS",
        "CONF:CURR:DC 1",
        "CURR:DC:APER 0.0008",
    ]
    assert {"SAMP:SOUR TIM", "SAMP:TIM 0.001", "FORM:BORD SWAP"} <= set(link.sent)
    assert "INIT" not in link.sent


def test_every_reading_comes_once(build, time) -> None:
    """Numbered by the meter's timer."""
    meter, _, _ = build()
    meter.configure(REQUEST)
    values, device_ns, flags = joined(list(meter.stream(Stop(5, time))))
    assert len(values) == pytest.approx(1200, abs=30)
    assert list(device_ns) == [1_000_000 * number for number in range(len(values))]
    assert not flags.any()
    assert values.mean() == pytest.approx(0.25, rel=0.2)


def test_fifty_thousand_a_second_with_the_option(build, time) -> None:
    """In several blocks each poll."""
    meter, link, _ = build(interval_s=2e-5, aperture_s=2e-5, memory_readings=2_000_000)
    assert meter.configure(REQUEST).interval_s == 2e-5
    stream = meter.stream(Stop(4, time))
    blocks = [next(stream)]
    time.sleep(1.0)
    blocks += list(stream)
    values, _, flags = joined(blocks)
    assert len(values) == pytest.approx(90_000, rel=0.05)
    assert not flags.any()
    assert f"R? {CHUNK_READINGS}" in link.sent


def test_without_the_option_a_short_interval_is_refused(build) -> None:
    """Before anything is measured, with the way out."""
    meter, link, _ = build(interval_s=2e-5, aperture_s=2e-5)
    link.answer = lambda command, told: "+3.0E-04" if command == "SAMP:TIM? MIN" else told
    with pytest.raises(ConfigError, match=r"every 0\.0003 s") as caught:
        meter.configure(REQUEST)
    assert "DIG" in caught.value.hint


def test_a_meter_without_binary_readings_is_read_as_text(build, time, monkeypatch) -> None:
    """The format that it tells is the one that counts."""
    meter, link, _ = build()
    write = link.write
    kept = lambda command: None if command.startswith("FORM:DATA REAL") else write(command)  # noqa: E731
    monkeypatch.setattr(link, "write", kept)
    assert meter.configure(REQUEST).settings["format"] == "ASC"
    values, _, _ = joined(list(meter.stream(Stop(2, time))))
    assert values.mean() == pytest.approx(0.25, rel=0.2)


def test_an_overload_is_flagged(build, time) -> None:
    """9.9E37 is no current."""
    meter, _, made = build("overrange@0.5s")
    meter.configure(REQUEST)
    made.work()
    values, _, flags = joined(list(meter.stream(Stop(15, time))))
    over = flags == SampleFlag.OVERRANGE
    assert over.sum() == pytest.approx(1000, abs=2)
    assert np.array_equal(np.isnan(values[:, 0]), over)


def test_a_memory_that_ran_over_ends_the_measurement(build, time) -> None:
    """Bit 14: the numbers of the readings are gone, and with them their times."""
    meter, _, _ = build(memory_readings=500)
    meter.configure(REQUEST)
    stream = meter.stream(Stop(20, time))
    first = next(stream)
    assert len(first.values) > 150
    time.sleep(2.0)
    with pytest.raises(InstrumentError, match="memory ran over") as caught:
        list(stream)
    assert caught.value.exit_code == 4


def test_readings_that_were_never_taken_are_noticed(build, time) -> None:
    """Two seconds of silence that nothing else tells of."""
    meter, _, made = build("gap@0.5s")
    meter.configure(REQUEST)
    made.work()
    with pytest.raises(InstrumentError, match="has lost"):
        list(meter.stream(Stop(30, time)))


def test_a_timer_that_stopped_is_noticed(build, time) -> None:
    """Somebody pressed a key at the front panel."""
    meter, link, _ = build()
    meter.configure(REQUEST)
    stream = meter.stream(Stop(100, time))
    next(stream)
    link.instrument.handle("ABOR")
    with pytest.raises(InstrumentError, match="no reading for 5 s"):
        list(stream)


def test_late_answers_that_may_be_asked_again(build, time) -> None:
    """The count is asked for again; nothing is lost."""
    meter, link, _ = build()
    meter.configure(REQUEST)
    late = iter([False, True, True])

    def answer(command: str, told: str) -> str:
        if command == "DATA:POIN?" and next(late, False):
            time.sleep(2.0)
            raise LATE
        return told

    link.answer = answer
    values, device_ns, _ = joined(list(meter.stream(Stop(6, time))))
    assert device_ns[-1] == 1_000_000 * (len(values) - 1)
    assert len(values) == pytest.approx(5400, rel=0.05)


def test_an_erased_answer_is_not_asked_for_again(build, time) -> None:
    """What was in it is lost, and with it the count."""
    meter, link, _ = build()
    meter.configure(REQUEST)

    def hurt(_command: str, _told: bytes) -> bytes:
        raise LATE

    link.hurt = hurt
    with pytest.raises(ReplyTimeout):
        list(meter.stream(Stop(6, time)))
    assert sum(command.startswith("R?") for command in link.sent) == 1


def test_what_came_before_a_lost_answer_is_kept(build, time) -> None:
    """The first piece was erased there; that the next was still to come is not said of it."""
    meter, link, _ = build(interval_s=2e-5, aperture_s=2e-5, memory_readings=2_000_000)
    meter.configure(REQUEST)
    stream = meter.stream(Stop(4, time))
    first = next(stream)
    time.sleep(1.0)
    answers = iter([False, True])

    def hurt(_command: str, told: bytes) -> bytes:
        if next(answers):
            raise LATE
        return told

    link.hurt = hurt
    piece = next(stream)
    with pytest.raises(ReplyTimeout):
        next(stream)
    assert len(piece.values) == CHUNK_READINGS
    assert piece.sent_ns == first.sent_ns < piece.received_ns
    joined([first, piece])


def test_an_overflow_is_asked_for_once_and_before_anything_is_erased(build, time) -> None:
    """A question that clears the bit may not be asked twice; nothing has been erased by then."""
    meter, link, _ = build()
    meter.configure(REQUEST)

    def answer(command: str, told: str) -> str:
        if command == "STAT:QUES?":
            raise LATE
        return told

    link.answer = answer
    with pytest.raises(ReplyTimeout):
        list(meter.stream(Stop(6, time)))
    assert link.sent.count("STAT:QUES?") == 1
    assert not any(command.startswith("R?") for command in link.sent)


@pytest.mark.parametrize("cut", [8, 3, -8])
def test_a_block_of_another_length_is_refused(build, time, cut: int) -> None:
    """More or fewer readings than were asked for, or half of one."""
    meter, link, _ = build()
    meter.configure(REQUEST)

    def hurt(_command: str, told: bytes) -> bytes:
        payload = block_payload("R?", told)
        payload = payload[:-cut] if cut > 0 else payload + bytes(-cut)
        length = str(len(payload)).encode()
        return b"#%d%s%s\n" % (len(length), length, payload)

    link.hurt = hurt
    with pytest.raises(InstrumentProtocolError):
        list(meter.stream(Stop(6, time)))


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("CURR:DC:RANG?", "3"),
        ("CURR:DC:APER?", "1E-3"),
        ("CURR:DC:ZERO:AUTO?", "1"),
        ("SAMP:TIM?", "+2E-3"),
        ("SAMP:COUN?", "+1"),
        ("SAMP:SOUR?", "IMM"),
        ("FORM:BORD?", "NORM"),
        ("FORM:DATA?", "REAL,32"),
        ("SYST:ERR?", '-113,"Undefined header"'),
    ],
)
def test_a_setting_that_is_not_as_it_was_set_is_told(build, question: str, told: str) -> None:
    """Each of those that decide a figure; the error queue as well."""
    meter, link, _ = build()
    link.answer = lambda command, reply: told if command == question else reply
    with pytest.raises(InstrumentError):
        meter.configure(REQUEST)


def test_volts_and_the_other_model(build, time) -> None:
    """The same dialect, another quantity, another name."""
    meter, link, _ = build(name="keysight-34470a-digitize")
    assert meter.identity.model == "34470A"
    volts = MeterRequest(expected_peak_a=0.9, channels=("voltage",), expected_peak_v=13.0)
    assert meter.configure(volts).accuracy[0].full_scale == 100.0
    values, _, _ = joined(list(meter.stream(Stop(2, time))))
    assert values.mean() == pytest.approx(12.0, rel=0.02)
    with pytest.raises(ConfigError, match="at once"):
        meter.configure(MeterRequest(expected_peak_a=1, channels=("voltage", "current")))
    meter.close()
    assert link.closed
    assert link.sent[-2:] == ["ABOR", "FORM:DATA ASC"]


def test_volts_are_read_once_for_a_bench(build) -> None:
    """In text, on the range that the meter chooses, with the limit of that range."""
    meter, link, _ = build()
    assert isinstance(meter, VoltageReader)
    meter.configure(REQUEST)
    volts, u = meter.read_voltage(4)
    assert volts == pytest.approx(12.0, rel=0.02)
    assert u == pytest.approx((0.00012 * 12 + 0.02) / 3**0.5, rel=0.05)
    for told, why in (("+9.9E+37", "overloaded"), ("-5.0E+00", "reads -5 V")):
        link.answer = lambda command, reply, told=told: told if command == "READ?" else reply
        with pytest.raises(InstrumentError, match=why):
            meter.read_voltage(2)


def test_the_first_sample_is_number_nought(build, time) -> None:
    """A second stream starts its own count."""
    meter, _, _ = build()
    meter.configure(REQUEST)
    for _ in range(2):
        _, device_ns, _ = joined(list(meter.stream(Stop(2, time))))
        assert device_ns[0] == 0
        meter.configure(REQUEST)
    assert time.now_ns > 70_000 * S
