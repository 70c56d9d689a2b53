"""Text, blocks and messages of instruments: cut, changed, foreign; never another error.

None of them has a check. A number cut short is a number, and a changed digit another one: a line
is whole because its end came, a block because its length did, and TCP carries both unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments import (
    dmm6500_readings,
    dmm6500_ring,
    elog_records,
    flog_records,
    km003c_memory,
    scpi,
    scpi_block,
    scpi_reading,
    truevolt_readings,
    yokogawa_lists,
)
from powerlab.instruments.counter_frames import parse_facts, parse_readings
from powerlab.instruments.otii import channel_values

FEW = settings(max_examples=60, deadline=None)
ASKED = "ASK?"
RECORDED = elog_records.Recorded()
TEXTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "identity": (scpi.decode_identity, "KEITHLEY,MODEL DMM6500,04592448,1.7.12b"),
    "number": (lambda text: scpi.decode_number(ASKED, text), "-1.25E-03"),
    "count": (lambda text: scpi.decode_count(ASKED, text), "1200"),
    "error": (scpi.decode_error, '-113,"Undefined header"'),
    "setting": (lambda text: scpi_reading.decode_setting(ASKED, text), "CURR 0.5A"),
    "quantity": (lambda text: scpi_reading.decode_quantity(ASKED, text, "A"), "A 10.5A"),
    "pairs": (lambda text: dmm6500_readings.decode_readings(ASKED, text, 2), "0.2,0.0,0.3,0.02"),
    "list": (lambda text: yokogawa_lists.decode_list(ASKED, text, 2), "205.95E+00,NAN"),
    "poll": (lambda text: yokogawa_lists.decode_poll(ASKED, text, 1), "1;0;0.1877E+03"),
    "items": (lambda text: yokogawa_lists.decode_items(ASKED, text), "2;U,1;P,1"),
    "settings": (
        lambda text: yokogawa_lists.split_settings(ASKED, text, 2),
        ":CFAC 3;:RANG 1.0E+00",
    ),
    "switch": (lambda text: yokogawa_lists.decode_switch(ASKED, text), "OFF"),
    "form": (lambda text: truevolt_readings.decode_form(ASKED, text), "REAL,64"),
    "period": (lambda text: elog_records.decode_period(ASKED, text, 2), "+2.048E-04,+2.048E-04"),
    "rate": (lambda text: flog_records.decode_rate(ASKED, text), "S010K"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_cut_or_changed_is_no_other_error(name: str) -> None:
    """Every beginning of an answer, and every character of it replaced by some others."""
    decode, reply = TEXTS[name]
    decode(reply)
    changed = [
        reply[:place] + odd + reply[place + 1 :] for place in range(len(reply)) for odd in ODD
    ]
    for text in [*(reply[:length] for length in range(len(reply))), *changed]:
        refused(decode, text)


ODD = ("", " ", ",", ";", "E", "-", "9", "\x00", "\xff", "\u0663", "#")


def refused(decode: Callable[[Any], Any], told_: Any) -> bool:
    """Tell whether the family's error came; any other is raised."""
    try:
        decode(told_)
    except InstrumentProtocolError:
        return True
    return False


@FEW
@given(text=st.text(max_size=60) | st.text("0123456789+-.,;:#EeNAIF \n", max_size=60))
def test_foreign_text_is_no_other_error(text: str) -> None:
    """Whatever an instrument may say."""
    for decode, _ in TEXTS.values():
        refused(decode, text)


BLOCKS: dict[str, Callable[[bytes], Any]] = {
    "block": lambda data: scpi_block.block_payload(ASKED, data),
    "blocks": lambda data: scpi_block.split_blocks(ASKED, data),
    "missing": lambda data: scpi_block.missing_bytes(ASKED, bytearray(data)),
    "records": lambda data: elog_records.decode_records(ASKED, (data,), RECORDED),
    "chunk": lambda data: flog_records.decode_chunk(ASKED, data),
    "doubles": lambda data: truevolt_readings.decode_readings(ASKED, data, "doubles", 2),
    "texts": lambda data: truevolt_readings.decode_readings(ASKED, data, "text", 2),
    "ring": lambda data: dmm6500_ring.decode_pairs(ASKED, data, 2),
    "memory": lambda data: km003c_memory.decode_memory(data, km003c_memory.HARDWARE_ID),
    "granted": km003c_memory.streaming_granted,
    "name": lambda data: km003c_memory.decode_text(data, 2, 12),
}


@FEW
@given(data=st.binary(max_size=80) | st.binary(max_size=60).map(lambda data: b"#216" + data))
def test_foreign_blocks_are_no_other_error(data: bytes) -> None:
    """Whatever a block may hold, and whatever may stand for one."""
    for decode in BLOCKS.values():
        refused(decode, data)


def test_a_block_cut_anywhere_is_refused() -> None:
    """A definite block is whole to the byte or none; until then bytes are missing of it."""
    answer = b"#216" + bytes(range(16)) + b"\n"
    assert scpi_block.block_payload(ASKED, answer) == bytes(range(16))
    for length in range(len(answer) - 1):
        assert refused(BLOCKS["block"], answer[:length])
        assert scpi_block.missing_bytes(ASKED, bytearray(answer[:length])) > 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
FACTS: dict[str, Any] = {
    "quantity": "power",
    "parts": ["VDD_IN"],
    "scope": "board",
    "not_read": [],
    "chips": [],
    "unit_j": 0.0,
    "wraps_at": [0],
    "update_s": 0.1,
    "pushes": False,
    "stands_for": "the board",
    "emulated": True,
}


@FEW
@given(key=st.sampled_from(sorted(FACTS)), value=JSON, rows=JSON, at_ns=JSON)
def test_foreign_messages_are_no_other_error(key: str, value: Any, rows: Any, at_ns: Any) -> None:
    """Facts and readings of a board's counters, and a recording's values, of any JSON."""
    facts = parse_facts(FACTS)
    refused(parse_facts, {**FACTS, key: value})
    refused(parse_facts, {name: told_ for name, told_ in FACTS.items() if name != key})
    refused(lambda message: parse_readings(message, facts), {"at_board_ns": at_ns, "values": rows})
    refused(channel_values, {"values": rows, "timestamp": value, "interval": at_ns})
