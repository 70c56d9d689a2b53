"""KT meters: the one published report, others that are none, and a session in virtual time."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import kingmeter as emulation
from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments import kingmeter as driver
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.kingmeter import KingMeter
from powerlab.instruments.kingmeter_frames import (
    EACH_10_MS,
    GET_200,
    decode_report,
    encode_command,
)
from powerlab.records import SampleBlock, SampleFlag
from tests.instruments.packet_world import StopAfter, World, joined, virtual_world

REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=12.5)
LOST = int(SampleFlag.LOST)


def test_the_published_report(shared) -> None:
    """Every field of the one report that anybody has shown."""
    vector = json.loads(shared("vectors/kingmeter/sample_capture.json").read_text())
    reading = decode_report(bytes.fromhex(vector["report_hex"]))
    told = {
        "v1_V": reading.voltage_v,
        "i1_A": reading.current_a,
        "power_W": reading.power_w,
        "dplus_V": reading.d_plus_v,
        "dminus_V": reading.d_minus_v,
        "v2_V": reading.second_voltage_v,
        "i2_A": reading.second_current_a,
        "temp_C": reading.temperature_c,
    }
    assert told == vector["expected"]
    assert reading.agrees


def test_commands_are_built_alike() -> None:
    """The driver's report and the emulator's, which know nothing of each other."""
    assert encode_command(GET_200) == emulation.host_report(GET_200)
    assert encode_command(GET_200)[:7].hex() == "550522050b008c"
    assert encode_command(EACH_10_MS) == emulation.host_report(EACH_10_MS)
    assert len(encode_command(GET_200)) == 64


@pytest.mark.parametrize("length", [*range(64), 65])
def test_a_report_of_another_length_is_refused(length: int) -> None:
    """Cut at any byte, or longer."""
    report = emulation.data_report(5.0, 0.2) + b"\0"
    with pytest.raises(InstrumentProtocolError):
        decode_report(report[:length])


@pytest.mark.parametrize("place", range(63))
def test_what_can_be_seen_of_a_corrupt_report(place: int) -> None:
    """A head that is none, data where there is none; gross values that disagree are marked.

    The report has no checksum: a small error in a value cannot be seen in it.
    """
    report = bytearray(emulation.data_report(5.0, 0.2))
    report[place] ^= 0x40
    if place < 6:
        assert decode_report(bytes(report)) is None
    elif place >= 38:
        with pytest.raises(InstrumentProtocolError):
            decode_report(bytes(report))
    elif place in (8, 9, 13, 16, 17, 28, 29):  # the high bytes of volts, amperes and watts
        assert not decode_report(bytes(report)).agrees


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=64, max_size=64))
def test_noise_is_no_report(noise: bytes) -> None:
    """Without the six bytes of its head nothing is a sample."""
    assert decode_report(b"\0" + noise[1:]) is None


@pytest.fixture
def world(monkeypatch, tmp_path, profile):
    """Get a maker of testers in virtual time, with faults."""

    def make(*faults: str) -> World:
        modules, instrument = (emulation, driver), profile("kingmeter-kt")
        here = virtual_world(monkeypatch, tmp_path, instrument, emulation.Kt, modules, *faults)
        here.meter.tick_s = 0.004  # in true time it looks more often
        return here

    return make


def run(world: World, profile, seconds: float, each=lambda _: None) -> list[SampleBlock]:
    """Stream for so long; ``each`` sees the blocks as they come."""
    blocks: list[SampleBlock] = []
    with closing(KingMeter(world, profile("kingmeter-kt"), "label")) as meter:
        assert meter.identity.serial == "label"
        assert meter.configure(REQUEST).interval_s == 0.01
        for block in meter.stream(StopAfter(world, seconds)):
            blocks.append(block)
            each(blocks)
    assert world.read(0.5) is None, "the meter is read empty on every way out"
    return blocks


def check_idle(values: np.ndarray, flags: np.ndarray) -> None:
    """Check that each sample is lost and says so, or that of an idle board: 3 W at 12 V."""
    lost = (flags & LOST) > 0
    assert np.isnan(values[lost]).all()
    assert np.all(np.abs(values[~lost] - [12.0, 0.25]) < [0.6, 0.05])


def test_a_hundred_samples_a_second(world, profile) -> None:
    """Asked for again before the last 200 are over."""
    here = world()
    values, flags, device_ns = joined(run(here, profile, 5.0))
    assert device_ns is None
    assert len(flags) == pytest.approx(500, abs=25)
    assert not flags.any()
    check_idle(values, flags)
    assert here.sent[:2] == [encode_command(EACH_10_MS), encode_command(GET_200)]
    assert here.sent.count(encode_command(GET_200)) in (5, 6)


def test_a_gap_and_an_overload_are_told(world, profile) -> None:
    """2 s without a report, and a second beyond the range."""
    values, flags, _ = joined(run(world("gap@1s", "overrange@5s"), profile, 8.0))
    over = (flags & SampleFlag.OVERRANGE) > 0
    assert np.count_nonzero(flags & LOST) == pytest.approx(200, abs=4)
    assert np.count_nonzero(over) == pytest.approx(100, abs=4)
    check_idle(values[~over], flags[~over])


def test_parts_that_disagree_are_marked(world, profile) -> None:
    """A damaged value is kept and questionable."""
    here = world()

    def hurt(blocks: list[SampleBlock]) -> None:
        here.hurt = lambda packet: packet[:17] + b"\x10" + packet[18:]

    _, flags, _ = joined(run(here, profile, 2.0, hurt))
    assert np.count_nonzero(flags & SampleFlag.QUESTIONABLE) > 100


def test_silence_and_a_pulled_plug(world, profile) -> None:
    """Told after 12 s, and at once."""
    here = world()

    def pull(blocks: list[SampleBlock]) -> None:
        here.gone = len(blocks) > 50

    with pytest.raises(InstrumentError, match="disconnected"):
        run(here, profile, 60.0, pull)
    here.gone = False
    here.hurt = lambda packet: None
    with pytest.raises(InstrumentError, match="no samples for 12 s"):
        run(here, profile, 60.0)
