"""IEEE 488.2 blocks (section 8.7.9 and 8.7.10) with every length checked: bytes in, bytes out.

``#15hello`` states its length, ``#0hello`` ends with the message. ``missing_bytes`` tells a link
how far an answer goes while it comes, ``split_blocks`` takes a whole one to pieces.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.scpi import broken
from powerlab.records import FloatArray
from powerlab.transport.visa import REPLY_LIMIT_S, UNTIL_SILENCE, BlockLink

_KINDS = {4: "f4", 8: "f8"}
_HEAD_BYTES = 2


def ask_blocks(link: BlockLink, command: str, limit_s: float = REPLY_LIMIT_S) -> tuple[bytes, ...]:
    """Ask for blocks and get their payloads, none of them cut.

    ``ReplyTimeout`` where they are not whole in time, ``InstrumentProtocolError`` where what
    comes is no block; either way the link has been opened anew.
    """
    reply = link.query_framed(command, partial(missing_bytes, command), limit_s)
    return split_blocks(command, reply)


def ask_block(link: BlockLink, command: str, limit_s: float = REPLY_LIMIT_S) -> bytes:
    """Ask for one block, as ``ask_blocks`` does."""
    reply = link.query_framed(command, partial(missing_bytes, command), limit_s)
    return block_payload(command, reply)


def missing_bytes(command: str, received: bytearray) -> int:
    """Tell how many bytes at least are missing of an answer of blocks, 0 where it is whole.

    An indefinite block has no length: it ends with a line feed that nothing follows
    (``UNTIL_SILENCE``). ``InstrumentProtocolError`` where it is no block, or goes on behind it.
    """
    at = 0
    while True:
        missing, end = _definite_end(command, received, at)
        if missing:
            return missing
        behind = bytes(received[end : end + 3])
        if behind[:1] == b",":
            at = end + 1
        elif behind in (b"\n", b"\r\n"):
            return 0
        elif behind == b"\r":
            return 1
        else:
            raise _broken(command, behind, "goes on behind its block")


def _definite_end(command: str, received: bytearray, at: int) -> tuple[int, int]:
    """Get how many bytes are missing to behind the block at ``at``, and where it ends."""
    head = bytes(received[at : at + _HEAD_BYTES])
    if head[:1] not in (b"", b"#") or not (head[1:] or b"0").isdigit():
        raise _broken(command, bytes(received[: at + 60]), "is no block")
    if len(head) < _HEAD_BYTES:
        return _HEAD_BYTES - len(head), 0
    digits = int(head[1:])
    if digits == 0:
        return UNTIL_SILENCE, 0
    start = at + _HEAD_BYTES + digits
    told = bytes(received[at + _HEAD_BYTES : start])
    if not (told or b"0").isdigit():
        raise _broken(command, bytes(received[:start]), "is a block without a length")
    if len(told) < digits:
        return digits - len(told), 0
    end = start + int(told)
    return max(0, end + 1 - len(received)), end


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
