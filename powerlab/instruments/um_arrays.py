"""Many replies of UM meters at once, laid end to end: the layout and rules of ``um_frames``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from powerlab.instruments.um_frames import (
    FRAME_BYTES,
    MODELS,
    TRAILER,
    XOR_BYTES,
    broken_reply,
)

READING = np.dtype(
    {
        "names": ["model", "voltage_raw", "current_raw", "power_raw", "trailer"],
        "formats": [">u2", ">u2", ">u2", ">u4", ">u2"],
        "offsets": [0, 2, 4, 6, FRAME_BYTES - 2],
        "itemsize": FRAME_BYTES,
    }
)
"""A frame as one element of a structured array, what a stream of samples needs of it."""

_CHECKED_BY_XOR = next(number for number, scale in MODELS.items() if scale.model == "UM34C")
_BY_TRAILER = [number for number in MODELS if number != _CHECKED_BY_XOR]


def decode_frames(frames: bytes) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
    """Decode replies laid end to end: ``READING`` ``(n,)``, and which of them are valid.

    Valid is what ``um_frames.decode_frame`` takes. ``InstrumentProtocolError`` where the bytes
    are no whole number of replies.
    """
    if len(frames) % FRAME_BYTES:
        raise broken_reply(f"has {len(frames)} bytes, no multiple of {FRAME_BYTES}", frames)
    readings = np.frombuffer(frames, dtype=READING)
    model = readings["model"]
    valid = np.isin(model, _BY_TRAILER) & (readings["trailer"] == TRAILER)
    xored = np.flatnonzero(model == _CHECKED_BY_XOR)
    covered = np.frombuffer(frames, dtype=np.uint8).reshape(-1, FRAME_BYTES)[xored]
    check = np.bitwise_xor.reduce(covered[:, XOR_BYTES], axis=1)
    valid[xored] = check == covered[:, -1]
    return readings, valid
