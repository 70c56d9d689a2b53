"""The N6705's data log: records of the published layout, the driver on its emulator."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import keysight_n6705c as emulation
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import keysight_n6705c
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.elog_records import Recorded, columns, decode_period, decode_records
from powerlab.instruments.keysight_n6705c import N6705, split_outputs
from powerlab.instruments.scpi import decode_identity
from powerlab.instruments.scpi_block import split_blocks
from powerlab.records import SampleFlag
from powerlab.transport.visa import ReplyTimeout
from tests.instruments.fast_meters import joined, rig, virtual
from tests.instruments.scpi_wires import Stop, VirtualTime

REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=13.0)
VECTOR = "vectors/scpi/keysight_n6705_elog_computed.json"
BOTH = Recorded()
PERIOD_NS = 204_800


def block(*numbers: float) -> bytes:
    """Write numbers as singles, little-endian, in a definite block."""
    payload = struct.pack(f"<{len(numbers)}f", *numbers)
    length = str(len(payload)).encode()
    return b"#%d%s%s" % (len(length), length, payload)


def test_the_published_records(shared) -> None:
    """Amperes before volts, an empty block for none."""
    known = json.loads(shared(VECTOR).read_text())
    assert list(BOTH.fields) == known["record_order"]
    blocks = split_blocks(known["fetch"], bytes.fromhex(known["reply_hex"]))
    records = decode_records(known["fetch"], blocks, BOTH)
    assert records[:, 0] == pytest.approx(np.array(known["records"]), rel=1e-6)
    volts_amperes = columns(records, BOTH)
    assert volts_amperes[:, ::-1] == pytest.approx(records[:, 0])
    empty = split_blocks(known["fetch"], bytes.fromhex(known["empty_reply_hex"]))
    assert decode_records(known["fetch"], empty, BOTH).shape == (0, 1, 2)
    assert decode_period("?", f"{known['period_s']:E}", 1) == known["period_s"]


def test_the_published_set_up_is_understood(shared, build, time) -> None:
    """Every line of it, by the emulator; what is fetched has the published form."""
    known = json.loads(shared(VECTOR).read_text())
    _, _, made = build()
    panel = made.instrument.panel
    for line in known["setup"]:
        assert panel.handle(line) == b""
        assert panel.handle("SYST:ERR?") == b'+0,"No error"\n', line
    assert panel.handle(known["fetch"]).hex() == known["empty_reply_hex"]
    time.sleep(0.1)
    blocks = split_blocks("?", panel.handle(known["fetch"]))
    records = decode_records("?", blocks, BOTH)
    assert len(records) == pytest.approx(0.1 / known["period_s"], rel=0.1)
    assert records[:, 0, 1] == pytest.approx(12.0, rel=0.02)
    assert decode_identity(known["idn"])[1] == "N6705B"


def test_the_order_of_a_record() -> None:
    """Means, least and greatest of what is enabled, current first."""
    every = Recorded(current_extremes=True, voltage_extremes=True)
    assert every.fields == (
        "current",
        "current_min",
        "current_max",
        "voltage",
        "voltage_min",
        "voltage_max",
    )
    assert Recorded(voltage=False, voltage_extremes=True).fields == ("current",)
    told = decode_records("?", split_blocks("?", block(1, 0.5, 2, 5, 4, 6) + b"\n"), every)
    assert list(columns(told, every)[0]) == [5.0, 1.0]


@given(st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_outputs_in_parallel(outputs: int, count: int) -> None:
    """A block each, joined by commas: their amperes add up, their volts are the same."""
    blocks = [
        block(*(x for k in range(count) for x in (number + k, 5.0))) for number in range(outputs)
    ]
    records = decode_records("?", split_blocks("?", b",".join(blocks) + b"\n"), BOTH)
    assert records.shape == (count, outputs, 2)
    expected = [[5.0, sum(number + k for number in range(outputs))] for k in range(count)]
    assert columns(records, BOTH) == pytest.approx(np.array(expected).reshape(-1, 2))


@pytest.mark.parametrize(
    "reply", [block(1, 5, 1) + b"\n", block(1, 5) + b"," + block() + b"\n", b"#13abc\n"]
)
def test_records_that_cannot_be_are_refused(reply: bytes) -> None:
    """Half a record, outputs that tell of different times, half a number."""
    with pytest.raises(InstrumentProtocolError):
        decode_records("?", split_blocks("?", reply), BOTH)


@pytest.mark.parametrize("told", ["", "0", "2.048E-4,1.024E-4", "2.048E-4,2.048E-4,2.048E-4"])
def test_periods_that_cannot_be_are_refused(told: str) -> None:
    """None, nought, or not the same for all outputs."""
    with pytest.raises(InstrumentProtocolError):
        decode_period("?", told, 2)


@pytest.mark.parametrize(
    ("resource", "bare", "outputs"),
    [
        ("TCPIP0::a::5025::SOCKET", "TCPIP0::a::5025::SOCKET", (1,)),
        ("TCPIP0::a::5025::SOCKET?outputs=2", "TCPIP0::a::5025::SOCKET", (2,)),
        ("TCPIP0::a::INSTR?outputs=1,2", "TCPIP0::a::INSTR", (1, 2)),
    ],
)
def test_outputs_stand_behind_the_resource(
    resource: str, bare: str, outputs: tuple[int, ...]
) -> None:
    """One, another one, or two in parallel."""
    assert split_outputs(resource) == (bare, outputs)


@pytest.mark.parametrize(
    "resource", ["A?outputs=", "A?outputs=x", "A?outputs=0", "A?outputs=1,", "A?output=1"]
)
def test_outputs_that_are_none_are_refused(resource: str) -> None:
    """With how to write them."""
    with pytest.raises(ConfigError) as caught:
        split_outputs(resource)
    assert "A?outputs=" in caught.value.hint


@pytest.fixture
def time(monkeypatch) -> VirtualTime:
    """Get a virtual clock for driver and emulator."""
    return virtual(monkeypatch, keysight_n6705c, emulation)


@pytest.fixture
def build(tmp_path, time):
    """Get a maker of power analyzers on emulators."""

    def make(*faults: str, outputs: tuple[int, ...] = (1,), **sampling: float):
        def driver(link, profile) -> N6705:
            return N6705(link, profile, outputs)

        kinds = emulation.N6705c, driver
        made = rig(tmp_path, time, "keysight-n6705c-n6781a", kinds, faults, **sampling)
        return made.meter, made.link, made

    return make


def test_set_up_and_what_it_says(build) -> None:
    """The facts; the period is what the instrument made of it."""
    meter, link, _ = build(interval_s=2.1e-4)
    setup = meter.configure(REQUEST)
    assert setup.channels == ("voltage", "current")
    assert setup.interval_s == setup.aperture_s == pytest.approx(204.8e-6)
    assert setup.burden_ohm == 0.0
    assert [item.full_scale for item in setup.accuracy] == [20.0, 3.0]
    assert "SENS:ELOG:FUNC:CURR:MINM OFF,(@1)" in link.sent
    assert "INIT:ELOG (@1)" not in link.sent
    assert not any(command.startswith(("OUTP", "VOLT", "CURR")) for command in link.sent)


def test_every_record_comes_once(build, time) -> None:
    """Volts and amperes of the same time, numbered by the period."""
    meter, _, _ = build()
    meter.configure(REQUEST)
    values, device_ns, flags = joined(list(meter.stream(Stop(5, time))))
    assert len(values) == pytest.approx(3.0 / 204.8e-6, rel=0.02)
    assert list(device_ns) == [PERIOD_NS * number for number in range(len(values))]
    assert not flags.any()
    assert values.mean(axis=0) == pytest.approx([12.0, 0.25], rel=0.2)


def test_a_slow_reader_gets_more_at_once(build, time) -> None:
    """Ten seconds late it is still all there, in several answers."""
    meter, link, _ = build()
    meter.configure(REQUEST)
    stream = meter.stream(Stop(4, time))
    blocks = [next(stream)]
    time.sleep(10.0)
    blocks += list(stream)
    _, device_ns, flags = joined(blocks)
    assert set(np.diff(device_ns)) == {PERIOD_NS}
    assert not flags.any()
    assert link.sent.count("FETC:ELOG? 4096,(@1)") > 12


def test_what_came_before_a_lost_answer_is_kept(build, time) -> None:
    """Erased there, it is nowhere else; that the next was still to come is not said of a part."""
    meter, link, _ = build()
    meter.configure(REQUEST)
    stream = meter.stream(Stop(4, time))
    first = next(stream)
    time.sleep(5.0)
    answers = iter([False, False, True])

    def hurt(_command: str, told: bytes) -> bytes:
        if next(answers):
            raise ReplyTimeout("late", hint="wait")
        return told

    link.hurt = hurt
    blocks = [next(stream), next(stream)]
    with pytest.raises(ReplyTimeout):
        next(stream)
    assert [len(block.values) for block in blocks] == [4096, 4096]
    assert all(block.sent_ns == first.sent_ns < block.received_ns for block in blocks)
    joined([first, *blocks])


def test_a_reader_that_is_too_late_is_told(build, time) -> None:
    """After more than 20 s records were overwritten without a word."""
    meter, _, _ = build()
    meter.configure(REQUEST)
    stream = meter.stream(Stop(4, time))
    assert len(next(stream).values)
    time.sleep(25.0)
    with pytest.raises(InstrumentError, match="has lost") as caught:
        next(stream)
    assert caught.value.exit_code == 4


def test_a_gap_and_a_log_that_stopped_are_noticed(build, time) -> None:
    """Both end the measurement."""
    meter, link, made = build("gap@0.5s")
    meter.configure(REQUEST)
    made.work()
    with pytest.raises(InstrumentError, match="has lost"):
        list(meter.stream(Stop(30, time)))
    meter.configure(REQUEST)
    link.hurt = lambda _command, _told: b"#10\n"
    with pytest.raises(InstrumentError, match="nothing for 5 s"):
        list(meter.stream(Stop(30, time)))


def test_an_overload_is_flagged(build, time) -> None:
    """The amperes are no number, and with them the record."""
    meter, _, made = build("overrange@0.5s")
    meter.configure(REQUEST)
    made.work()
    values, _, flags = joined(list(meter.stream(Stop(6, time))))
    over = flags == SampleFlag.OVERRANGE
    assert over.sum() == pytest.approx(1 / 204.8e-6, rel=0.01)
    assert np.isnan(values[over, 1]).all()
    assert np.isfinite(values[:, 0]).all()


def test_two_outputs_share_the_current(build, time) -> None:
    """What they deliver together is what the board takes."""
    meter, link, _ = build(outputs=(1, 2))
    setup = meter.configure(REQUEST)
    assert setup.settings["outputs"] == "(@1,2)"
    values, _, _ = joined(list(meter.stream(Stop(3, time))))
    assert values.mean(axis=0) == pytest.approx([12.0, 0.25], rel=0.2)
    assert setup.accuracy[1].offset_limit == pytest.approx(2 * (0.0003 * 3 + 1e-5))
    assert setup.accuracy[1].full_scale == 6.0
    link.hurt = lambda _command, told: told.split(b",#")[0] + b"\n"
    with pytest.raises(InstrumentProtocolError, match="1 blocks for 2"):
        list(meter.stream(Stop(2, time)))


@pytest.mark.parametrize(("peak_a", "full_scale"), [(0.09, 0.1), (0.15, 3.0), (5.0, 3.0)])
def test_one_output_may_carry_nearly_all(build, peak_a: float, full_scale: float) -> None:
    """Outputs in parallel need not share: each has the range of the whole, as far as it goes."""
    meter, _, _ = build(outputs=(1, 2))
    setup = meter.configure(MeterRequest(expected_peak_a=peak_a, expected_peak_v=13.0))
    assert setup.settings["current_range"] == full_scale
    assert setup.accuracy[1].full_scale == 2 * full_scale
    with pytest.raises(InstrumentError, match="beyond every current range"):
        meter.configure(MeterRequest(expected_peak_a=7.0, expected_peak_v=13.0))


def test_an_erased_answer_is_not_asked_for_again(build, time) -> None:
    """What was in it is lost, and with it the count."""
    meter, link, _ = build()
    meter.configure(REQUEST)

    def hurt(_command: str, _told: bytes) -> bytes:
        raise ReplyTimeout("late", hint="wait")

    link.hurt = hurt
    with pytest.raises(ReplyTimeout):
        list(meter.stream(Stop(2, time)))


def test_another_module_is_named(build, monkeypatch) -> None:
    """Its volts and amperes may not be of the same time."""
    monkeypatch.setattr(emulation, "MODULE", "N6751A")
    with pytest.raises(InstrumentError, match="output 1 of the N6705C is a N6751A"):
        build()


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("FORM?", "ASC"),
        ("FORM:BORD?", "NORM"),
        ("SENS:ELOG:CURR:RANG? (@1)", "0.1"),
        ("SENS:ELOG:VOLT:RANG? (@1)", "1"),
        ("SENS:ELOG:PER? (@1)", "0.1"),
        ("SYST:ERR?", '-113,"Undefined header"'),
    ],
)
def test_a_setting_that_is_not_as_it_was_set_is_told(build, question: str, told: str) -> None:
    """Each of those that decide a figure; the error queue as well."""
    meter, link, _ = build()
    link.answer = lambda command, reply: told if command == question else reply
    with pytest.raises(InstrumentError):
        meter.configure(REQUEST)


def test_close_leaves_the_outputs_alone(build) -> None:
    """The log is stopped, the format text again, the board still supplied."""
    meter, link, _ = build()
    meter.configure(REQUEST)
    meter.close()
    assert link.closed
    assert link.sent[-2:] == ["ABOR:ELOG (@1)", "FORM ASC"]
