"""The SCPI codec: right answers are read, broken ones are refused and never crash."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.scpi import (
    decode_count,
    decode_error,
    decode_identity,
    decode_number,
)

IDENTITY = "KEITHLEY INSTRUMENTS,MODEL DMM6500,04592448,1.7.12b"


def answers(path: Path, question: str) -> list[str]:
    """Get every published answer to a question."""
    exchanges = [
        pair for item in json.loads(path.read_text())["exchanges"] for pair in item["exchange"]
    ]
    return [reply.strip() for sent, reply in exchanges if sent == question and reply]


def test_published_identity(shared: Callable[[str], Path]) -> None:
    """The published identity of a DMM6500 splits into its four fields."""
    (told,) = answers(shared("vectors/scpi/keithley_dmm6500.json"), "*IDN?")
    assert decode_identity(told) == ("KEITHLEY INSTRUMENTS", "DMM6500", "04592448", "1.7.12b")


def test_published_numbers(shared: Callable[[str], Path]) -> None:
    """Every published numeric answer is read as what it is."""
    path = shared("vectors/scpi/keithley_dmm6500.json")
    assert decode_number("", answers(path, ":SENS:CURR:RANG?")[0]) == 0.01
    assert decode_number("", answers(path, ":SENS:RES:RANG?")[0]) == 1e7
    assert decode_number("", answers(path, ":READ?")[0]) == 0.0


def test_published_empty_error_queue(shared: Callable[[str], Path]) -> None:
    """The published answer of an empty error queue has code 0."""
    (told,) = answers(shared("vectors/scpi/keithley_dmm6500.json"), "SYST:ERR?")
    assert decode_error(told)[0] == 0


@pytest.mark.parametrize(
    ("reply", "value"),
    [("-4.999995E-01", -0.4999995), ("+1.0E+00", 1.0), ("1", 1.0), (".5", 0.5), ("9.9E37", 9.9e37)],
)
def test_numbers(reply: str, value: float) -> None:
    """The forms that instruments use for numbers."""
    assert decode_number(":X?", reply) == value


@pytest.mark.parametrize("reply", ["", "nan", "inf", "1,2", "0x10", "1_0", "1e", "٣", "1 A", "--1"])
def test_what_is_no_number_is_refused(reply: str) -> None:
    """Python would take some of these; an instrument never sends them."""
    with pytest.raises(InstrumentProtocolError, match="no number") as caught:
        decode_number(":X?", reply)
    assert caught.value.sent == b":X?"


@pytest.mark.parametrize("reply", ["-1", "1.5", "9.9E37"])
def test_what_is_no_count_is_refused(reply: str) -> None:
    """A count is whole and not negative."""
    with pytest.raises(InstrumentProtocolError):
        decode_count(":X?", reply)


def test_counts_in_any_notation() -> None:
    """A count may come as 12, 1.2E1 or +12."""
    assert {decode_count(":X?", text) for text in ("12", "1.2E1", "+12", "12.0")} == {12}


@pytest.mark.parametrize(
    ("reply", "entry"),
    [
        ('0,"No error"', (0, "No error")),
        ('+0,"No error"', (0, "No error")),
        ('-113,"Undefined header;1;2026/11/21 10:00:00"', None),
    ],
)
def test_error_entries(reply: str, entry: tuple[int, str] | None) -> None:
    """Codes carry a sign or not, texts may hold anything."""
    assert decode_error(reply) == (entry or (-113, "Undefined header;1;2026/11/21 10:00:00"))


@pytest.mark.parametrize("length", range(len(IDENTITY)))
def test_a_cut_identity_is_refused_or_whole(length: int) -> None:
    """An identity cut anywhere is refused until its last field has begun."""
    cut = IDENTITY[:length]
    if cut.count(",") == 3 and not cut.endswith(","):
        assert decode_identity(cut)[2] == "04592448"
    else:
        with pytest.raises(InstrumentProtocolError):
            decode_identity(cut)


@given(st.text())
def test_nothing_but_protocol_errors(reply: str) -> None:
    """Whatever text comes, a decoder returns a value or refuses it."""
    for decode in (
        decode_identity,
        decode_error,
        lambda text: decode_number(":X?", text),
        lambda text: decode_count(":X?", text),
    ):
        with contextlib.suppress(InstrumentProtocolError):
            decode(reply)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_written_numbers_come_back(value: float) -> None:
    """A float written as instruments do is read without loss."""
    assert math.isclose(decode_number(":X?", f"{value:.16E}"), value, rel_tol=1e-15)
