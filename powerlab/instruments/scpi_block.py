"""IEEE 488.2 blocks (section 8.7.9 and 8.7.10) with every length checked: bytes in, bytes out."""

from __future__ import annotations

from typing import Literal

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.scpi import broken
from powerlab.records import FloatArray

_KINDS = {4: "f4", 8: "f8"}


def block_payload(command: str, data: bytes) -> bytes:
    """Get what the one block of an answer holds; a line end may follow it."""
    blocks = split_blocks(command, data)
    if len(blocks) != 1:
        raise _broken(command, data, f"holds {len(blocks)} blocks where one belongs")
    return blocks[0]


def split_blocks(command: str, data: bytes) -> tuple[bytes, ...]:
    """Get the payloads of blocks joined by commas, as several channels are answered.

    A definite block states its length, whatever its bytes are; an indefinite one (``#0``) ends
    with the message, whose line feed is not part of it.
    """
    found: list[bytes] = []
    at = 0
    while True:
        if data[at : at + 1] != b"#" or not data[at + 1 : at + 2].isdigit():
            raise _broken(command, data, "is no block")
        digits = int(data[at + 1 : at + 2])
        start = at + 2 + digits
        if digits == 0:
            if not data.endswith(b"\n"):
                raise _broken(command, data, "is a block without an end")
            return (*found, data[start:-1])
        told = data[at + 2 : start]
        if len(told) != digits or not told.isdigit():
            raise _broken(command, data, "is a block without a length")
        at = start + int(told)
        if at > len(data):
            raise _broken(command, data, f"is {at - len(data)} bytes short of its length")
        found.append(data[start:at])
        if data[at:] in (b"", b"\n", b"\r\n"):
            return tuple(found)
        if data[at : at + 1] != b",":
            raise _broken(command, data, "goes on behind its block")
        at += 1


def decode_floats(
    command: str, payload: bytes, width: Literal[4, 8], order: Literal["big", "little"]
) -> FloatArray:
    """Get the IEEE 754 numbers of a block, float64 ``(n,)``, of ``width`` bytes each."""
    if len(payload) % width:
        raise _broken(command, payload, f"holds {len(payload)} bytes, which {width} do not divide")
    kind = {"big": ">", "little": "<"}[order] + _KINDS[width]
    return np.frombuffer(payload, dtype=kind).astype(np.float64)


def _broken(command: str, data: bytes, why: str) -> InstrumentProtocolError:
    return broken(command, data.decode("latin-1"), why)
