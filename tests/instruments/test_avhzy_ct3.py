"""AVHzY meters: computed frames, damaged streams, and a session in virtual time."""

from __future__ import annotations

import json
import struct
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import avhzy_ct3 as emulation
from powerlab.errors import InstrumentError
from powerlab.instruments import avhzy_ct3 as driver
from powerlab.instruments.avhzy_ct3 import AvhzyCt3
from powerlab.instruments.avhzy_frames import (
    START,
    STOP,
    CtSample,
    answers,
    decode_sample,
    encode_command,
    encode_frame,
    split_frames,
)
from powerlab.instruments.avhzy_stream import SampleJoiner
from powerlab.instruments.contract import MeterRequest
from powerlab.records import SampleBlock, SampleFlag
from tests.instruments.packet_world import StopAfter, World, joined, virtual_world

REQUEST = MeterRequest(expected_peak_a=0.9, expected_peak_v=12.5)
LOST = int(SampleFlag.LOST)


def built(number: int, between: int = 8) -> bytes:
    """Build the frame of sample ``number``, a millisecond each."""
    body = struct.pack("<BBBBff", 4, 0, 1, 0, 5.0, number / 1000) + bytes(between)
    return emulation.frame(body + struct.pack("<Q", 7_000_000 + 1000 * number))


def test_computed_frames(shared) -> None:
    """Commands, their answer and samples of the public layout."""
    vector = json.loads(shared("vectors/avhzy/frames_computed.json").read_text())
    host = vector["host_to_device"]
    assert encode_command(STOP, 0).hex() == host["stop"]
    assert encode_command(START, 1, struct.pack("<I", 1)).hex() == host["start_1ms"]
    (payload,), rest, lost = split_frames(bytes.fromhex(vector["ack_for_request_0"]))
    assert (answers(payload, 0), answers(payload, 1), rest, lost) == (True, False, b"", 0)
    for item in vector["samples"]:
        frame = bytes.fromhex(item["frame_hex"])
        assert emulation.frame(frame[5:-2]) == frame
        (payload,), _, _ = split_frames(frame)
        sample = decode_sample(payload, 1)
        told = {
            "voltage_V": sample.voltage_v,
            "current_A": sample.current_a,
            "device_us": sample.device_us,
        }
        assert told == item["expected"]
        assert decode_sample(payload, 2) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40))
def test_the_time_is_in_the_last_bytes(between: int) -> None:
    """Whatever firmware puts in the middle."""
    (payload,), _, _ = split_frames(built(3, between))
    sample = decode_sample(payload, 1)
    assert sample == CtSample(5.0, pytest.approx(0.003), 7_003_000, 20 + between)


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(1, 60), max_size=20), noise=st.binary(max_size=30))
def test_frames_over_any_bounds(cuts: list[int], noise: bytes) -> None:
    """However a stream is cut into transfers, and whatever came before: each frame once."""
    stream = noise.replace(b"\xa5", b"\0") + b"".join(built(number) for number in range(12))
    rest, seen, at = b"", [], 0
    for cut in [*cuts, len(stream)]:
        payloads, rest, _ = split_frames(rest + stream[at : at + cut])
        seen += payloads
        at += cut
    assert [decode_sample(payload, 1).device_us for payload in seen] == [
        7_000_000 + 1000 * number for number in range(12)
    ]


@pytest.mark.parametrize("place", range(len(built(0))))
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_damaged_byte_costs_its_frame_alone(place: int, mask: int) -> None:
    """A flipped bit anywhere: all others are whole, and its own is none."""
    frames = [built(number) for number in range(20)]
    hurt = bytearray(frames[5])
    hurt[place] ^= mask
    stream = b"".join([*frames[:5], bytes(hurt), *frames[6:]])
    payloads, rest, _ = split_frames(stream)
    seen = [decode_sample(payload, 1).device_us // 1000 - 7000 for payload in payloads]
    assert seen == [0, 1, 2, 3, 4, *range(6, 20)]
    assert rest == b""


@pytest.mark.parametrize("place", range(1, len(built(0))))
def test_a_lost_or_stale_byte_costs_its_frame_alone(place: int) -> None:
    """The frame after it is found at its own begin."""
    for hurt in (
        built(5)[:place] + built(5)[place + 1 :],
        built(5)[:place] + b"\x11" + built(5)[place:],
    ):
        stream = built(4) + hurt + b"".join(built(number) for number in range(6, 20))
        payloads, _, lost = split_frames(stream)
        seen = [decode_sample(payload, 1).device_us // 1000 - 7000 for payload in payloads]
        assert seen == [4, *range(6, 20)]
        assert lost > 0


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_no_frame(noise: bytes) -> None:
    """Noise raises nothing, and leaves no more than a frame can be long."""
    payloads, rest, lost = split_frames(noise)
    assert len(rest) <= 256 + 7
    assert sum(len(payload) + 7 for payload in payloads) + len(rest) + lost == len(noise)


def joiner() -> SampleJoiner:
    """Get a joiner for a sample each millisecond."""
    return SampleJoiner(("voltage", "current"), np.array([26.0, 6.0]), 1_000_000)


def sample(ms: int, **other: float) -> CtSample:
    """Build a sample at a millisecond."""
    told = {"voltage_v": 5.0, "current_a": -1.0, "device_us": ms * 1000, "length": 28, **other}
    return CtSample(**told)


def test_what_fits_no_time_is_no_sample() -> None:
    """Repeated, past, far ahead, or of another length: damaged, however whole its frame."""
    one = joiner()
    good = [sample(10), sample(11), sample(12)]
    odd = [sample(11), sample(9), sample(900_000), sample(13, length=30)]
    block = one.take([*good, *odd, sample(13)], 1, 2)
    assert block.device_ns.tolist() == [10_000_000, 11_000_000, 12_000_000, 13_000_000]
    assert one.damaged == 4
    assert block.values[0].tolist() == [5.0, -1.0]


def test_no_number_and_too_much_are_flagged() -> None:
    """NaN is not available; 6.1 A either way is beyond the range."""
    block = joiner().take([sample(1, current_a=float("nan")), sample(2, current_a=-6.1)], 1, 2)
    assert block.flags.tolist() == [SampleFlag.NOT_AVAILABLE, SampleFlag.OVERRANGE]


@pytest.fixture
def world(monkeypatch, tmp_path, profile):
    """Get a maker of meters in virtual time, with faults."""

    def make(*faults: str) -> World:
        modules, instrument = (emulation, driver), profile("avhzy-ct3")
        build = emulation.CtThree
        here = virtual_world(monkeypatch, tmp_path, instrument, build, modules, *faults)
        here.meter.tick_s = 0.01  # in true time it looks more often
        return here

    return make


def run(world: World, profile, seconds: float, each=lambda _: None) -> list[SampleBlock]:
    """Stream for so long; ``each`` sees the blocks as they come."""
    blocks: list[SampleBlock] = []
    with closing(AvhzyCt3(world, profile("avhzy-ct3"), "label")) as meter:
        assert meter.identity.serial == "label"
        assert meter.configure(REQUEST).interval_s == 0.001
        for block in meter.stream(StopAfter(world, seconds)):
            blocks.append(block)
            each(blocks)
    assert world.meter._meter is None, "the meter is stopped"
    return blocks


def check_idle(values: np.ndarray, flags: np.ndarray) -> None:
    """Check that each sample is lost and says so, or that of an idle board: 3 W at 12 V."""
    lost = (flags & LOST) > 0
    assert np.isnan(values[lost]).all()
    assert np.all(np.abs(values[~lost] - [12.0, 0.25]) < [0.5, 0.05])


def test_a_thousand_samples_a_second(world, profile) -> None:
    """Each with its time, none lost."""
    values, flags, device_ns = joined(run(world(), profile, 3.0))
    assert len(flags) == pytest.approx(3000, abs=30)
    assert not flags.any()
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


def test_a_gap_of_the_meter_is_told(world, profile) -> None:
    """2 s without a sample are 2000 lost rows."""
    values, flags, device_ns = joined(run(world("gap@1s"), profile, 5.0))
    assert np.count_nonzero(flags & LOST) == pytest.approx(2000, abs=2)
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


def test_packets_that_are_lost_or_damaged(world, profile) -> None:
    """Each seventh is lost and each ninth hurt: as many rows are lost, the rest is right."""
    here, count = world(), [0]

    def hurt(packet: bytes) -> bytes | None:
        count[0] += 1
        if count[0] % 7 == 0:
            return None
        return packet[:9] + b"\xff" + packet[10:] if count[0] % 9 == 0 else packet

    def begin(blocks: list[SampleBlock]) -> None:
        here.hurt = hurt if len(blocks) < 60 else lambda packet: packet

    values, flags, device_ns = joined(run(here, profile, 2.0, begin))
    assert 0.1 < np.count_nonzero(flags & LOST) / len(flags) < 0.3
    assert np.all(np.diff(device_ns) == 1_000_000)
    check_idle(values, flags)


def test_an_overload_is_flagged(world, profile) -> None:
    """About a second of samples beyond 6 A."""
    _, flags, _ = joined(run(world("overrange@1s"), profile, 4.0))
    assert np.count_nonzero(flags & SampleFlag.OVERRANGE) == pytest.approx(1000, abs=2)


def test_silence_ends_the_measurement(world, profile) -> None:
    """A meter that stops sending."""
    here = world()

    def mute(blocks: list[SampleBlock]) -> None:
        here.meter._meter = None

    with pytest.raises(InstrumentError, match="no sample for 12 s"):
        run(here, profile, 60.0, mute)


def test_a_pulled_plug(world, profile) -> None:
    """Told at once, with what to do."""
    here = world()

    def pull(blocks: list[SampleBlock]) -> None:
        here.gone = True

    with pytest.raises(InstrumentError, match="disconnected") as caught:
        run(here, profile, 60.0, pull)
    assert caught.value.hint


def test_nobody_there(world, profile) -> None:
    """A device that acknowledges nothing."""
    here = world()
    here.hurt = lambda packet: None
    with pytest.raises(InstrumentError, match="does not answer when told to stop"):
        AvhzyCt3(here, profile("avhzy-ct3"))


def test_frames_are_built_alike() -> None:
    """The driver's frame and the emulator's, which know nothing of each other."""
    for payload in (b"", b"\x01\x07\0\0", bytes(range(60))):
        assert encode_frame(payload) == emulation.frame(payload)
