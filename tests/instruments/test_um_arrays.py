"""Many replies of UM meters at once say what each says alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.um_arrays import decode_frames
from powerlab.instruments.um_frames import FRAME_BYTES, MODELS, decode_frame

# 5.062 V and 0.1146 A by the published layout, the model and the last two bytes left open.
BODY = bytes.fromhex("13c6047a000002440019004e00000000000100000009") + bytes(FRAME_BYTES - 26)
SCALES = dict(MODELS)


@pytest.mark.parametrize("name", ["um24c_capture_20220106", "um25c_reconstructed"])
def test_public_frames(name: str, shared: Callable[[str], Path]) -> None:
    """The public frames, three in a row, decode to their published volts and amperes."""
    vector = json.loads(shared(f"vectors/um/{name}.json").read_text())
    readings, valid = decode_frames(3 * bytes.fromhex(vector["response_hex"]))
    assert valid.all()
    for each in readings:
        scale, expected = SCALES[int(each["model"])], vector["expected"]
        assert each["voltage_raw"] / scale.per_volt == expected["voltage_V"]
        assert each["current_raw"] / scale.per_ampere == expected["current_A"]
        assert each["power_raw"] / 1000 == expected["power_W"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*MODELS, 0x1234]),
            st.sampled_from([b"\xff\xf1", *(bytes([0, last]) for last in range(256))]),
        ),
        max_size=8,
    )
)
def test_valid_is_what_decodes_alone(kinds: list[tuple[int, bytes]]) -> None:
    """Of every model, with right and wrong ends, exactly those are valid that decode alone."""
    frames = [model.to_bytes(2) + BODY + end for model, end in kinds]
    readings, valid = decode_frames(b"".join(frames))
    for frame, reading, good in zip(frames, readings, valid, strict=True):
        if good:
            alone = decode_frame(frame)
            told = (reading["voltage_raw"], reading["current_raw"], reading["power_raw"])
            assert told == (alone.voltage_raw, alone.current_raw, alone.power_raw)
        else:
            with pytest.raises(InstrumentProtocolError):
                decode_frame(frame)


def test_a_um34c_is_valid_by_its_check_byte() -> None:
    """Of all last bytes one makes the frame valid, which is that of its layout."""
    frames = [b"\x0d\x4c" + BODY + bytes([0, last]) for last in range(256)]
    _, valid = decode_frames(b"".join(frames))
    (right,) = np.flatnonzero(valid)
    assert decode_frame(frames[right]).model == "UM34C"


def test_bytes_that_are_no_whole_frames_are_refused() -> None:
    """A recording cut within a frame is told, not rounded off."""
    with pytest.raises(InstrumentProtocolError, match="no multiple"):
        decode_frames(BODY)
