"""The replies of TC66 meters: a captured frame, corrupt ones, streams that lose bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from powerlab.emulation.rdtech_tc66 import Frame
from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.tc66_frames import (
    FRAME_BYTES,
    Tc66Reading,
    decode_frame,
    decode_frames,
    split_frame,
)

PLACES = st.integers(0, FRAME_BYTES - 1)


def built(**fields: int) -> bytes:
    """Build an answer by the published layout: 5.062 V and 0.1146 A where nothing else is said.

    The emulator's builder, which knows nothing of the decoder, is checked against a capture.
    """
    return Frame(**{"voltage": 50_620, "current": 11_460, "power": 5_801, **fields}).encode()


def test_the_public_frame(shared: Callable[[str], Path]) -> None:
    """Every field of the captured frame decodes to its published value."""
    vector = json.loads(shared("vectors/tc66/tc66c_capture_1.json").read_text())
    reading = decode_frame(bytes.fromhex(vector["response_encrypted_hex"]))
    names = {
        "model": reading.model.decode(),
        "fw": reading.firmware.decode(),
        "serial": reading.serial_number,
        "runs": reading.runs,
        "voltage_raw": reading.voltage_raw,
        "current_raw": reading.current_raw,
        "power_raw": reading.power_raw,
        "voltage_V": reading.voltage_v,
        "current_A": reading.current_a,
        "power_W": reading.power_w,
        "resistance_ohm": reading.resistance_ohm,
        "g0_mAh": reading.group_0_mah,
        "g0_mWh": reading.group_0_mwh,
        "g1_mAh": reading.group_1_mah,
        "g1_mWh": reading.group_1_mwh,
        "temp_sign": reading.temperature_sign,
        "temp": reading.temperature,
        "dplus_V": reading.d_plus_v,
        "dminus_V": reading.d_minus_v,
    }
    told = {key: value for key, value in vector["expected"].items() if "crc" not in key}
    assert names == told


def test_raw_integers_are_kept() -> None:
    """5.0621 V is 50621 counts, whatever floating point makes of it; below zero has a sign."""
    reading = decode_frame(built(voltage=50_621, temperature=5, temperature_sign=1))
    assert (reading.voltage_raw, reading.voltage_v) == (50_621, 5.0621)
    assert reading.temperature == -5


@pytest.mark.parametrize("length", range(FRAME_BYTES))
def test_a_cut_frame_is_refused(length: int) -> None:
    """A frame cut at any byte is a protocol error that holds what came."""
    with pytest.raises(InstrumentProtocolError) as caught:
        decode_frame(built()[:length])
    assert caught.value.received == built()[:length]


@given(place=PLACES, mask=st.integers(1, 255))
def test_a_corrupt_frame_is_refused(place: int, mask: int) -> None:
    """A flipped byte anywhere is a protocol error: never another value."""
    frame = bytearray(built())
    frame[place] ^= mask
    with pytest.raises(InstrumentProtocolError, match="checksums"):
        decode_frame(bytes(frame))


@given(st.binary(max_size=600))
def test_noise_is_no_reading(received: bytes) -> None:
    """Noise never raises, is never a reading, and leaves less than one frame to carry over."""
    reading, rest = split_frame(received)
    assert reading is None
    assert received.endswith(rest)
    assert len(rest) < FRAME_BYTES


@given(noise=st.binary(max_size=300), after=st.binary(max_size=40))
def test_a_frame_is_found_behind_noise(noise: bytes, after: bytes) -> None:
    """Whatever comes before a frame, at whatever place it begins, it is found."""
    reading, rest = split_frame(noise + built() + after)
    assert reading == decode_frame(built())
    assert rest == after


@given(cut=st.integers(0, FRAME_BYTES), noise=st.binary(max_size=30))
def test_a_frame_in_two_pieces_is_found(cut: int, noise: bytes) -> None:
    """What is carried over from one read to the next loses no frame, wherever it was split."""
    received = noise + built()
    first, rest = split_frame(received[: len(noise) + cut])
    reading, _ = (first, rest) if first else split_frame(rest + received[len(noise) + cut :])
    assert reading == decode_frame(built())


@given(place=PLACES, stale=st.booleans(), value=st.integers(0, 255))
def test_a_byte_lost_or_stale_costs_one_frame(place: int, *, stale: bool, value: int) -> None:
    """After a frame that lost or gained a byte the next one is read, and it is the next one."""
    frame, following = built(), built(current=11_461)
    hit = frame[:place] + bytes([value] * stale) + frame[place + (not stale) :]
    assume(place > 0)  # before its first byte a stale one changes nothing of a frame
    reading, rest = split_frame(hit + following)
    assert reading == decode_frame(following)
    assert rest == b""


@given(st.lists(st.tuples(st.integers(0, 240_000), st.booleans()), max_size=6))
def test_many_frames_decode_as_each_does(wanted: list[tuple[int, bool]]) -> None:
    """Frames laid end to end: the intact ones are what each is alone, the others are told."""
    frames = [built(voltage=volts) for volts, _ in wanted]
    hit = [
        frame if good else frame[:50] + bytes([frame[50] ^ 1]) + frame[51:]
        for frame, (_, good) in zip(frames, wanted, strict=True)
    ]
    readings, intact = decode_frames(b"".join(hit))
    assert intact.tolist() == [good for _, good in wanted]
    alone = [decode_frame(frame) for frame, (_, good) in zip(frames, wanted, strict=True) if good]
    assert [Tc66Reading(*each.item()) for each in readings[intact]] == alone


def test_more_frames_than_one_batch() -> None:
    """A long recording decodes whole, its one corrupt frame found at its place."""
    frames = bytearray(built() * 2500)
    frames[2000 * FRAME_BYTES + 60] ^= 0x10
    readings, intact = decode_frames(bytes(frames))
    assert np.flatnonzero(~intact).tolist() == [2000]
    assert set(readings["current_raw"][intact].tolist()) == {11_460}


def test_bytes_that_are_no_whole_frames_are_refused() -> None:
    """A recording cut within a frame is told, not rounded off."""
    with pytest.raises(InstrumentProtocolError, match="no multiple"):
        decode_frames(built()[1:])
