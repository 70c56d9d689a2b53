"""Blocks while they come: how far an answer goes, whatever its bytes are."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.scpi_block import block_payload, missing_bytes, split_blocks
from powerlab.transport.visa import UNTIL_SILENCE

BLOCKS = "vectors/scpi/blocks.json"
FASTER = "vectors/scpi/keysight_n6705_elog_computed.json"


def fed(whole: bytes) -> bytes:
    """Get what a link reads of a stream: exactly as much as is said to be missing, at each step."""
    received = bytearray()
    while (wanted := missing_bytes("?", received)) > 0:
        assert len(received) + wanted <= len(whole), "asks for more than there is"
        received += whole[len(received) : len(received) + wanted]
    return bytes(received)


def definite(payload: bytes) -> bytes:
    """Wrap bytes into a definite block."""
    length = str(len(payload)).encode()
    return b"#" + str(len(length)).encode() + length + payload


def test_published_blocks_are_read_to_their_last_byte(shared) -> None:
    """Every case of the reference data, another answer close behind it."""
    cases = json.loads(shared(BLOCKS).read_text())["cases"]
    wholes = [bytes.fromhex(case["hex"]) for case in cases]
    log = json.loads(shared(FASTER).read_text())
    wholes += [bytes.fromhex(log["reply_hex"]), bytes.fromhex(log["empty_reply_hex"])]
    assert len(wholes) >= 6
    for whole in wholes:
        assert fed(whole + b"#15stray\n") == whole
        for cut in range(len(whole)):
            assert missing_bytes("?", bytearray(whole[:cut])) > 0


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=4), st.sampled_from([b"\n", b"\r\n"]))
@settings(max_examples=60, deadline=None)
def test_blocks_of_any_bytes(payloads: list[bytes], end: bytes) -> None:
    """Joined by commas, whatever they hold, they are read to their end and taken to pieces."""
    whole = b",".join(definite(payload) for payload in payloads) + end
    assert fed(whole + b"more") == whole
    assert split_blocks("?", whole) == tuple(payloads)


@given(st.binary(max_size=20))
@settings(max_examples=60, deadline=None)
def test_anything_is_an_answer_or_an_error(received: bytes) -> None:
    """Never another exception, never a negative count but the one that means silence."""
    with contextlib.suppress(InstrumentProtocolError):
        assert missing_bytes("?", bytearray(received)) >= UNTIL_SILENCE


@pytest.mark.parametrize("received", [b"#0", b"#0abc", b"#0a\nb\n", b"#15hello,#0rest\n"])
def test_an_indefinite_block_tells_no_length(received: bytes) -> None:
    """Only the end of the message ends it, behind definite ones too."""
    assert missing_bytes("?", bytearray(received)) == UNTIL_SILENCE


@pytest.mark.parametrize("received", [b"1", b"+1.5", b"#x", b"#1x", b"#15helloX", b"#15hello\rX"])
def test_what_is_no_block_is_known_early(received: bytes) -> None:
    """At the first byte that cannot be."""
    with pytest.raises(InstrumentProtocolError):
        missing_bytes("?", bytearray(received))


def test_two_blocks_where_one_belongs() -> None:
    """A second channel's block is not lost in silence."""
    with pytest.raises(InstrumentProtocolError, match="2 blocks where one"):
        block_payload("?", b"#11a,#11b\n")
