"""FNIRSI testers: published reports, corrupt ones, and a session in virtual time."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import fnirsi_fnb as emulation
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments import fnirsi_fnb as driver
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.fnirsi_fnb import FnirsiFnb, habits_of
from powerlab.instruments.fnirsi_frames import (
    GO_ON,
    HABITS,
    INFO,
    START,
    crc8,
    decode_report,
    encode_report,
)
from powerlab.records import SampleBlock, SampleFlag
from tests.instruments.packet_world import StopAfter, World, joined, virtual_world

REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=12.5)
MODELS = ["fnirsi-fnb58", "fnirsi-fnb48", "fnirsi-fnb48s", "fnirsi-c1"]
LOST = int(SampleFlag.LOST)
REPORT = emulation.report(
    b"\x04"
    + b"".join(
        emulation._SAMPLE.pack(500_000 + n, 10_000 + n, 1184, 1031, 1, 305) for n in range(4)
    )
    + b"\x5c"
)


def test_published_commands(shared) -> None:
    """The three reports of the host, their checksums, and each family's way to start."""
    vector = json.loads(shared("vectors/fnirsi/commands_public.json").read_text())
    for kind, told in vector["reports_hex"].items():
        report = bytes.fromhex(told)
        assert encode_report(int(kind, 16)) == report
        assert emulation.report(report[1:63]) == report
    for family, models in (
        ("FNB58,FNB48S", ("2E3C:5558", "2E3C:0049")),
        ("FNB48,C1", ("0483:003A", "0483:003B")),
    ):
        start = tuple(int(kind, 16) for kind in vector["start_sequence"][family])
        alive = vector["keep_alive"][family]
        for model in models:
            assert HABITS[model].start == start
            assert HABITS[model].keep_alive == int(alive["report"], 16)
            assert HABITS[model].keep_alive_s <= alive["every_s"]


def test_decoded_rows_of_a_log(shared) -> None:
    """Reports rebuilt from a real log decode to its rows."""
    vector = json.loads(shared("vectors/fnirsi/report_from_published_log.json").read_text())
    for told, wanted in zip(vector["reports_hex"], vector["expected"], strict=True):
        samples = decode_report(bytes.fromhex(told))
        rows = [
            {
                "voltage_V": int(row["voltage_raw"]) / 100_000,
                "current_A": int(row["current_raw"]) / 100_000,
                "dplus_V": int(row["d_plus_mv"]) / 1000,
                "dminus_V": int(row["d_minus_mv"]) / 1000,
                "temp_C": int(row["temperature_raw"]) / 10,
            }
            for row in samples
        ]
        assert rows == wanted


@pytest.mark.parametrize("place", range(64))
def test_a_corrupt_report_is_refused(place: int) -> None:
    """A flipped bit, or any other byte, anywhere."""
    for mask in range(1, 256):
        hurt = bytearray(REPORT)
        hurt[place] ^= mask
        with pytest.raises(InstrumentProtocolError):
            decode_report(bytes(hurt))


@pytest.mark.parametrize("length", [*range(64), 65])
def test_a_report_of_another_length_is_refused(length: int) -> None:
    """Cut at any byte, or longer."""
    with pytest.raises(InstrumentProtocolError) as caught:
        decode_report((REPORT + b"\0")[:length])
    assert caught.value.received == (REPORT + b"\0")[:length][:64]


def test_other_kinds_are_passed_over() -> None:
    """An information report is whole and holds no samples."""
    assert decode_report(emulation.report(b"\x03" + bytes(61))) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_noise_is_no_report(noise: bytes) -> None:
    """Noise is refused with the family's error."""
    with pytest.raises(InstrumentProtocolError):
        decode_report(noise)


def test_the_checksum_is_the_published_one() -> None:
    """Known answers: the empty message is the seed, a published report ends with 8e."""
    assert (crc8(b""), crc8(b"\x81" + bytes(61))) == (0x42, 0x8E)


@pytest.fixture
def world(monkeypatch, tmp_path, profile):
    """Get a maker of testers in virtual time, with faults."""

    def make(*faults: str, model: str = "fnirsi-fnb58") -> World:
        modules, instrument = (emulation, driver), profile(model)
        return virtual_world(monkeypatch, tmp_path, instrument, emulation.Fnb, modules, *faults)

    return make


def run(
    world: World, profile, seconds: float, each=lambda _: None, model: str = "fnirsi-fnb58"
) -> list[SampleBlock]:
    """Stream for so long; ``each`` sees the blocks as they come."""
    blocks: list[SampleBlock] = []
    with closing(FnirsiFnb(world, profile(model), "label")) as meter:
        assert meter.identity.serial == "label"
        assert meter.configure(REQUEST).timestamp == "arrival"
        for block in meter.stream(StopAfter(world, seconds)):
            blocks.append(block)
            each(blocks)
    return blocks


def check_idle(values: np.ndarray, flags: np.ndarray) -> None:
    """Check that each sample is lost and says so, or that of an idle board: 3 W at 12 V."""
    lost = (flags & LOST) > 0
    assert np.isnan(values[lost]).all()
    assert np.all(np.abs(values[~lost] - [12.0, 0.25]) < [0.5, 0.05])


def check_times(blocks: list[SampleBlock]) -> None:
    """Check that times rise and are 10 ms apart on the whole."""
    times = np.array([block.received_ns for block in blocks])
    assert np.all(np.diff(times) > 0)
    assert (times[-1] - times[0]) / (len(times) - 1) == pytest.approx(1e7, rel=0.01)


@pytest.mark.parametrize("model", MODELS)
def test_a_hundred_samples_a_second(world, profile, model: str) -> None:
    """Every model streams for longer than its own second, and its first report is not believed."""
    here = world(model=model)
    blocks = run(here, profile, 4.0, model=model)
    values, flags, device_ns = joined(blocks)
    assert device_ns is None
    assert len(flags) == pytest.approx(400, abs=24)
    assert not flags.any()
    check_idle(values, flags)
    check_times(blocks)
    habits = habits_of(profile(model))
    assert here.sent[1:4] == [encode_report(kind) for kind in habits.start]
    assert here.sent[0] == encode_report(INFO)
    assert set(here.sent[4:]) == {encode_report(GO_ON)}


def test_the_meter_is_silent_at_the_end(world, profile) -> None:
    """It is read empty until it has stopped by itself, on every way out."""
    here = world()
    for fail in (lambda _: None, lambda blocks: 1 / (10 - len(blocks))):
        try:
            run(here, profile, 1.0, fail)
        except ZeroDivisionError:
            assert fail
        assert here.closed
        assert here.read(0.5) is None


def test_a_gap_of_the_meter_is_told(world, profile) -> None:
    """2 s without a report are 200 lost rows, and the time goes on."""
    blocks = run(world("gap@1s"), profile, 6.0)
    values, flags, _ = joined(blocks)
    assert np.count_nonzero(flags & LOST) == pytest.approx(200, abs=16)
    check_idle(values, flags)
    check_times(blocks)


def test_damaged_and_lost_reports(world, profile) -> None:
    """Each tenth is lost, each eleventh hurt: they are missed, the rest is in its place."""
    here, count = world(), [0]

    def hurt(packet: bytes) -> bytes | None:
        count[0] += 1
        if count[0] % 10 == 0:
            return None
        return packet[:20] + b"\xee" + packet[21:] if count[0] % 11 == 0 else packet

    def begin(blocks: list[SampleBlock]) -> None:
        here.hurt = hurt

    blocks = run(here, profile, 6.0, begin)
    values, flags, _ = joined(blocks)
    assert 0.1 < np.count_nonzero(flags & LOST) / len(flags) < 0.5
    check_idle(values, flags)
    check_times(blocks)


def test_a_host_that_sleeps_finds_its_reports(world, profile) -> None:
    """What the computer kept for it is not lost."""
    here = world()

    def sleep(blocks: list[SampleBlock]) -> None:
        if len(blocks) == 100:
            here.pass_s(0.3)

    blocks = run(here, profile, 4.0, sleep)
    values, flags, _ = joined(blocks)
    assert not flags.any()
    check_idle(values, flags)
    check_times(blocks)


def test_a_host_that_sleeps_too_long_starts_again(world, profile) -> None:
    """After a second without a word the meter has stopped; it is started again."""
    here = world()

    def sleep(blocks: list[SampleBlock]) -> None:
        if len(blocks) == 100:
            here.pass_s(3.0)

    blocks = run(here, profile, 10.0, sleep)
    values, flags, _ = joined(blocks)
    assert 150 < np.count_nonzero(flags & LOST) < 500
    assert not np.any(flags[-100:])
    assert here.sent.count(encode_report(START)) == 4
    check_idle(values, flags)


def test_an_overload_is_flagged(world, profile) -> None:
    """About a second of samples beyond the range."""
    _, flags, _ = joined(run(world("overrange@1s"), profile, 4.0))
    assert np.count_nonzero(flags & SampleFlag.OVERRANGE) == pytest.approx(100, abs=4)


def test_silence_and_a_pulled_plug(world, profile) -> None:
    """A tester that says nothing is told after 12 s, one that is gone at once."""
    here = world()

    def pull(blocks: list[SampleBlock]) -> None:
        here.gone = len(blocks) > 50

    with pytest.raises(InstrumentError, match="disconnected"):
        run(here, profile, 60.0, pull)
    here.gone = False
    here.hurt = lambda packet: None
    with pytest.raises(InstrumentError, match="no samples for 12 s") as caught:
        run(here, profile, 60.0)
    assert "firmware" in caught.value.hint


def test_a_model_nobody_told_of(profile) -> None:
    """A profile without a known id is a matter of configuration."""
    known = profile("fnirsi-c1")
    link = known.link.model_copy(update={"usb_ids": ("2E3C:FFFF",)})
    with pytest.raises(ConfigError, match="is not known"):
        habits_of(known.model_copy(update={"link": link}))
