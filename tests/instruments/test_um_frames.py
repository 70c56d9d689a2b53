"""The replies of UM meters: captured frames, corrupt ones, streams that lose bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.um_frames import FRAME_BYTES, MODELS, decode_frame, split_frame

# Two frames built by the published layout: 5.062 V, 0.1146 A, and the same with one count more.
FRAME = bytes.fromhex(
    "09c913c6047a000002440019004e00000000000100000009"
    + "00" * 72
    + "0001000000070000000000000000000d00000000000000020004000001b90001fff1"
)
NEXT_FRAME = FRAME[:4] + b"\x04\x7b" + FRAME[6:]
UM34C_MODEL = b"\x0d\x4c"


def um34c_frame() -> bytes:
    """Build a UM34C frame by the published layout: 5.06 V, 0.114 A, its check byte last."""
    frame = bytearray(UM34C_MODEL + (506).to_bytes(2) + (114).to_bytes(2) + (577).to_bytes(4))
    frame += bytes(FRAME_BYTES - len(frame) - 1)
    places = [1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57, 59, 63, 67, 69, 73]
    places += [79, 83, 89, 97, 99, 109, 111, 113, 119, 121, 127]
    check = 0
    for place in places:
        check ^= frame[place]
    return bytes(frame) + bytes([check])


@pytest.mark.parametrize("name", ["um24c_capture_20220106", "um25c_reconstructed"])
def test_public_frames(name: str, shared: Callable[[str], Path]) -> None:
    """Every field of the public frames decodes to its published value."""
    vector = json.loads(shared(f"vectors/um/{name}.json").read_text())
    reading = decode_frame(bytes.fromhex(vector["response_hex"]))
    names = {
        "model": reading.model,
        "voltage_V": reading.voltage_v,
        "current_A": reading.current_a,
        "power_W": reading.power_w,
        "temp_C": reading.temperature_c,
        "temp_F": reading.temperature_f,
        "group": reading.group,
        "groups_mAh_mWh": [list(pair) for pair in reading.groups_mah_mwh],
        "dplus_V": reading.d_plus_v,
        "dminus_V": reading.d_minus_v,
        "charging_mode": reading.charging_mode,
        "record_mAh": reading.recorded_mah,
        "record_mWh": reading.recorded_mwh,
        "record_threshold_A": reading.threshold_a,
        "record_seconds": reading.recorded_s,
        "recording": reading.recording,
        "screen_timeout_min": reading.screen_timeout_min,
        "brightness": reading.brightness,
        "resistance_ohm": reading.resistance_ohm,
        "screen": reading.screen,
        "trailer": f"{reading.trailer:04x}",
    }
    expected = {key: value for key, value in vector["expected"].items() if key in names}
    assert set(vector["expected"]) - set(names) <= {"charging_mode_name"}
    assert {key: names[key] for key in expected} == expected
    assert reading.consistent


def test_raw_integers_are_kept() -> None:
    """5.062 V is 5062 counts, whatever floating point makes of it."""
    reading = decode_frame(FRAME)
    assert (reading.voltage_raw, reading.current_raw, reading.power_raw) == (5062, 1146, 580)


def test_the_model_decides_the_scale() -> None:
    """The same counts are ten times more volts and amperes on a UM24C than on a UM25C."""
    um24c = decode_frame(b"\x09\x63" + FRAME[2:])
    assert (um24c.voltage_v, um24c.current_a) == (50.62, 1.146)
    assert not um24c.consistent


def test_um34c_has_a_check_byte() -> None:
    """A UM34C frame passes by its XOR, and fails when a covered byte changes."""
    frame = um34c_frame()
    reading = decode_frame(frame)
    assert (reading.model, reading.voltage_v, reading.current_a) == ("UM34C", 5.06, 0.114)
    with pytest.raises(InstrumentProtocolError, match="check byte"):
        decode_frame(frame[:3] + bytes([frame[3] ^ 1]) + frame[4:])


@pytest.mark.parametrize("length", range(FRAME_BYTES))
def test_a_cut_frame_is_refused(length: int) -> None:
    """A frame cut at any byte is a protocol error that holds what came."""
    with pytest.raises(InstrumentProtocolError) as caught:
        decode_frame(FRAME[:length])
    assert caught.value.received == FRAME[:length]


@given(place=st.integers(0, FRAME_BYTES - 1), mask=st.integers(1, 255))
def test_a_corrupt_frame_is_refused_or_decoded(place: int, mask: int) -> None:
    """A flipped byte anywhere gives a reading or a protocol error, nothing else."""
    frame = bytearray(FRAME)
    frame[place] ^= mask
    try:
        reading = decode_frame(bytes(frame))
    except InstrumentProtocolError:
        assert place in (0, 1, 128, 129)
    else:
        assert reading.model in {scale.model for scale in MODELS.values()}


@given(st.binary(max_size=400))
def test_any_bytes_can_be_split(received: bytes) -> None:
    """Noise never raises, and never leaves more than one frame's length to carry over."""
    reading, rest = split_frame(received)
    assert received.endswith(rest)
    assert reading is not None or len(rest) < FRAME_BYTES


@given(st.binary(max_size=300).filter(lambda noise: UM34C_MODEL not in noise + FRAME[:1]))
def test_a_frame_is_found_behind_noise(noise: bytes) -> None:
    """Whatever comes before a frame, the frame is found."""
    reading, rest = split_frame(noise + FRAME)
    assert reading == decode_frame(FRAME)
    assert rest == b""


@pytest.mark.parametrize("lost", range(0, FRAME_BYTES, 7))
def test_a_lost_byte_costs_one_frame(lost: int) -> None:
    """After a frame that lost a byte, the next one is read."""
    reading, rest = split_frame(FRAME[:lost] + FRAME[lost + 1 :] + NEXT_FRAME)
    assert reading == decode_frame(NEXT_FRAME)
    assert rest == b""
