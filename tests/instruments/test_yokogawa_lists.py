"""The codec of the WT meters against captured exchanges, and against everything else."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.scpi import decode_identity, decode_number
from powerlab.instruments.yokogawa_lists import (
    consistent,
    decode_items,
    decode_list,
    decode_poll,
    decode_register,
    decode_switch,
    split_settings,
)
from powerlab.records import SampleFlag

POLL = "1;0;11.961E+00,0.7037E+00,8.4170E+00"
LIMITS = (0.0455, 0.00305, 0.0455)
TRANSACTIONS = "vectors/yokogawa/ptdaemon_transactions.json"
RANGES = ":CURR:RANG?;:CURRENT:AUTO?;:VOLT:RANG?;:VOLT:AUTO?"
GROUP = ":VOLT?"
"""A question for a whole group, which has two answers."""


def captured(path: Path) -> dict[str, list[str]]:
    """Get the answers to each captured question."""
    transactions = json.loads(path.read_text())["transactions"]
    return {ask: [item["reply"] for item in told] for ask, told in transactions.items()}


def test_captured_lists_are_read(shared) -> None:
    """Every captured list yields its numbers; the frequency of an element without one is none."""
    replies = captured(shared(TRANSACTIONS))[":NUMERIC:NORMAL:VALUE?"]
    assert len(replies) >= 7
    for reply in replies:
        words = reply.split(",")
        told = decode_list(":NUM:NORM:VAL?", reply, len(words))
        for word, value, flag in zip(words, told.values, told.flags, strict=True):
            assert flag == (SampleFlag.NOT_AVAILABLE if word == "NAN" else SampleFlag.GOOD)
            assert math.isnan(value) if word == "NAN" else value == float(word)


def test_captured_settings_are_read_with_and_without_headers(shared) -> None:
    """Each question of several parts gets as many settings, and no header is left in any."""
    asked = captured(shared(TRANSACTIONS))
    seen = 0
    for command, replies in asked.items():
        if command in (":CONF?", ":NUMERIC:NORMAL?", ":NUMERIC:NORMAL:VALUE?"):
            continue
        for reply in replies:
            settings = split_settings(command, reply, command.count("?") + command.endswith(GROUP))
            assert not any(" " in item or item.startswith(":") for item in settings)
            seen += 1
    assert seen > 50
    assert split_settings("x", asked[":AVER:STATE?;:AVER:TYPE?"][0], 2) == ("0", "LIN,8")
    assert {split_settings("x", told, 1)[0] for told in asked[":WIRING?"]} == {"V3A3"}


def test_captured_ranges_are_numbers_and_switches(shared) -> None:
    """Current range, its automatic, voltage range and its automatic, in the captured forms."""
    asked = captured(shared(TRANSACTIONS))
    known_a, known_v = {0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0}, {150.0, 300.0}
    for command in (RANGES, ":CFAC?;:CURR:RANG?;:CURR:AUTO?;:VOLT:RANG?;:VOLT:AUTO?"):
        for reply in asked[command]:
            settings = split_settings(command, reply, command.count("?"))[-4:]
            assert decode_number(command, settings[0]) in known_a
            assert decode_number(command, settings[2]) in known_v
            assert {decode_switch(command, settings[1]), decode_switch(command, settings[3])} <= {
                True,
                False,
            }


def test_captured_items_are_read(shared) -> None:
    """Which quantities a list holds: fifteen of three elements."""
    (reply,) = captured(shared(TRANSACTIONS))[":NUMERIC:NORMAL?"]
    items = decode_items(":NUM:NORM?", reply)
    assert len(items) == 15
    assert items[:3] == ("URMS,1", "IRMS,1", "P,1")


def test_captured_identities_are_read(shared) -> None:
    """The real units' identities have four fields."""
    told = json.loads(shared(TRANSACTIONS).read_text())["identities"]
    assert [decode_identity(line)[1] for line in told] == ["WT310E", "WT333E", "WT333"]


def test_every_captured_exchange_is_understood(shared) -> None:
    """None of them is left out, whatever the model, with its line end of one byte or two."""
    transactions = json.loads(shared(TRANSACTIONS).read_text())["transactions"]
    for ask, told in transactions.items():
        for item in told:
            reply = item["reply"]
            assert item["reply_bytes_on_wire"] - len(reply) in (1, 2)
            if ask == ":NUMERIC:NORMAL:VALUE?":
                assert decode_list(ask, reply, reply.count(",") + 1).flags.size
            elif ask == ":NUMERIC:NORMAL?":
                assert decode_items(ask, reply)
            elif ask == ":CONF?":  # a whole group of a WT210
                wiring, mode, volts, auto, amperes, *_ = split_settings(ask, reply, 16)
                assert (wiring, mode) == ("P1W2", "RMS")
                assert (decode_number(ask, volts), decode_switch(ask, auto)) == (150.0, True)
                assert decode_number(ask, amperes) == 2.0
            else:
                count = ask.count("?") + ask.endswith(GROUP)
                assert len(split_settings(ask, reply, count)) == count


@pytest.mark.parametrize(
    ("reply", "setting"),
    [
        ("V3A3", "V3A3"),
        (":WIR V3A3", "V3A3"),
        (":WIRING V3A3", "V3A3"),
        (":INPUT:WIRING V3A3", "V3A3"),
        ("WIR V3A3", "V3A3"),
        (":SYNC CURR", "CURR"),
        (":INPUT:SYNCHRONIZE VOLTAGE", "VOLTAGE"),
        (":INPUT:CURRENT:RANGE 500.0E-03", "500.0E-03"),
        ("RES", "RES"),
        (":INTEGRATE:STATE RESET", "RESET"),
    ],
)
def test_headers_come_long_short_or_not_at_all(reply: str, setting: str) -> None:
    """COMM:HEAD and COMM:VERB change the answer, and not what it says."""
    assert split_settings("?", reply, 1) == (setting,)


@pytest.mark.parametrize(
    ("reply", "switches"),
    [
        ("0;OFF", [False, False]),
        (":FILT:FREQ 1;:FILT:LINE ON", [True, True]),
        ("1;0", [True, False]),
    ],
)
def test_switches_of_a_wt500_and_others(reply: str, switches: list[bool]) -> None:
    """In digits and in words, in one answer."""
    assert [decode_switch("?", item) for item in split_settings("?", reply, 2)] == switches


@pytest.mark.parametrize(
    "reply",
    [
        "3;U,1;I,1;P,1",
        ":NUM:NUM 3;:NUM:ITEM1 U,1;:NUM:ITEM2 I,1;:NUM:ITEM3 P,1",
        ":NUMERIC:NORMAL:NUMBER 3;:NUMERIC:NORMAL:ITEM1 U,1;ITEM2 I,1;ITEM3 P,1",
    ],
)
def test_items_with_headers_of_either_length(reply: str) -> None:
    """What the list holds, as a meter with headers on tells it."""
    assert decode_items(":NUM:NORM?", reply) == ("U,1", "I,1", "P,1")


def test_a_block_of_floats_may_end_with_two_bytes() -> None:
    """CR LF on one maker's socket; infinity is over-range as in text."""
    block = b"#40012" + bytes.fromhex("40a0a3d7 7e951bee") + np.array(9.9e37, ">f4").tobytes()
    told = decode_list("x", (block + b"\r\n").decode("latin-1"), 3)
    over, absent = SampleFlag.OVERRANGE, SampleFlag.NOT_AVAILABLE
    assert list(told.flags) == [SampleFlag.GOOD, absent, over]
    assert told.values[0] == pytest.approx(5.02)


def test_float_blocks_are_read(shared) -> None:
    """The block of singles of the manuals, and the bits that stand for no data."""
    vector = json.loads(shared("vectors/yokogawa/float_format_computed.json").read_text())
    for key in ("", "nodata_"):
        block = bytes.fromhex(vector[f"{key or 'reply_'}hex"]).decode("latin-1")
        expected = vector[f"{key}values"]
        for reply in (block, block.removesuffix("\n")):
            told = decode_list("x", reply, 3)
            for value, want, flag in zip(told.values, expected, told.flags, strict=True):
                assert flag == (SampleFlag.NOT_AVAILABLE if want is None else SampleFlag.GOOD)
                assert math.isnan(value) if want is None else value == pytest.approx(want)


@pytest.mark.parametrize(
    "name",
    ["orin_armnn_resnet50_singlestream_v2.1", "orin_trt_maxq_resnet50_singlestream_v3.0"],
)
def test_logged_runs_give_their_published_energies(shared, name: str) -> None:
    """A real meter's readings as its answers: the published energy to the last digit."""
    vector = json.loads(shared(f"vectors/yokogawa/{name}.json").read_text())
    lines = shared(f"vectors/yokogawa/{vector['spl_file']}").read_text().splitlines()
    begin, end = (instant(vector[key]) for key in ("power_begin", "power_end"))
    watts = []
    for line in lines:
        _, at, _, power, _, volts, _, amperes, *_ = line.split(",")
        reply = ",".join(f"{float(x):.6f}E+00" for x in (volts, amperes, power))
        told = decode_list(":NUM:NORM:VAL?", reply, 3)
        if power in ("-1.000000", "-2.000000"):
            assert told.flags[2] == SampleFlag.NOT_AVAILABLE
        elif begin < instant(at) < end:
            watts.append(told.values[2])
    assert len(watts) == vector["samples_used"]
    joules = float(np.mean(watts)) * (end - begin)
    assert joules * 1e3 / vector["queries"] == pytest.approx(
        vector["published_mJ_per_inference"], rel=1e-9
    )


def instant(text: str) -> float:
    """Get the seconds of a log's time stamp."""
    return datetime.strptime(text, "%m-%d-%Y %H:%M:%S.%f").timestamp()  # noqa: DTZ007


@pytest.mark.parametrize(
    ("word", "flag"),
    [
        ("NAN", SampleFlag.NOT_AVAILABLE),
        ("nan", SampleFlag.NOT_AVAILABLE),
        ("9.91E+37", SampleFlag.NOT_AVAILABLE),
        ("INF", SampleFlag.OVERRANGE),
        ("-INF", SampleFlag.OVERRANGE),
        ("9.9E+37", SampleFlag.OVERRANGE),
        ("+9.9E37", SampleFlag.OVERRANGE),
        ("-9.9E+37", SampleFlag.OVERRANGE),
        ("-1.0000E+00", SampleFlag.NOT_AVAILABLE),
        ("-2.0000E+00", SampleFlag.NOT_AVAILABLE),
    ],
)
def test_what_is_no_value_is_never_one(word: str, flag: SampleFlag) -> None:
    """Over-range, no data and what stands for a meter that was away have flags, and no number."""
    told = decode_list("x", f"12.000E+00,{word}", 2)
    assert list(told.flags) == [SampleFlag.GOOD, flag]
    assert told.values[0] == 12.0
    assert math.isnan(told.values[1])


@pytest.mark.parametrize("value", ["-1.0001E+00", "-0.38E+00", "0.0E+00", "-3.000E+00"])
def test_negative_numbers_and_zero_are_values(value: str) -> None:
    """Only what is exactly a sentinel is none."""
    told = decode_list("x", value, 1)
    assert told.values[0] == float(value)
    assert told.flags[0] == SampleFlag.GOOD


@pytest.mark.parametrize(
    ("reply", "count"),
    [
        ("1.0E+00,2.0E+00", 3),
        ("1.0E+00,2.0E+00,3.0E+00", 2),
        ("", 1),
        ("1.0E+00,", 2),
        ("1.0E+00 V", 1),
        ("12", 1),
        ("1.0E+09", 1),
        ("Error", 1),
        ("#14abcd", 2),
        ("#3012ab", 1),
        ("#0abcd", 1),
        ("#", 1),
    ],
)
def test_a_wrong_list_is_refused(reply: str, count: int) -> None:
    """Too many, too few, with a unit, cut, or larger than any range: refused, never guessed."""
    with pytest.raises(InstrumentProtocolError) as caught:
        decode_list(":NUM:NORM:VAL?", reply, count)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("head", [":STAT:EESR 0;COND 0;", ":STATUS:EESR 0;:STATUS:CONDITION 0;"])
def test_registers_with_headers_of_either_length(head: str) -> None:
    """A poll of a meter whose headers another program has switched on."""
    event, condition, told = decode_poll("?", head + "0.1877E+03", 1)
    assert (event, condition, told.values.tolist()) == (0, 0, [187.7])


@pytest.mark.parametrize("length", range(len(POLL)))
def test_a_cut_answer_is_refused(length: int) -> None:
    """An answer cut at any byte is a protocol error, never a reading."""
    with pytest.raises(InstrumentProtocolError):
        decode_poll(":X?", POLL[:length], 3)


@pytest.mark.parametrize("length", range(18))
def test_a_cut_block_is_refused(length: int) -> None:
    """So is a block of floats."""
    block = bytes.fromhex("23343030313240a0a3d73f0000004020a3d7").decode("latin-1")
    with pytest.raises(InstrumentProtocolError):
        decode_list(":X?", block[:length], 3)


@given(place=st.integers(4, len(POLL) - 1), letter=st.characters(max_codepoint=255))
def test_a_corrupt_reading_is_refused_or_announced(place: int, letter: str) -> None:
    """A wrong byte is refused, contradicts the other quantities, or alters next to nothing."""
    try:
        _, _, told = decode_poll(":X?", POLL[:place] + letter + POLL[place + 1 :], 3)
    except InstrumentProtocolError as error:
        caught = error
        assert caught.sent == b":X?"
        return
    if not told.flags.any() and consistent(told.values.tolist(), LIMITS, direct=True):
        assert told.values[2] == pytest.approx(8.417, rel=0.04)


@given(st.text(max_size=80), st.integers(1, 4))
def test_any_text_is_refused_or_read(reply: str, count: int) -> None:
    """Whatever comes, nothing but a protocol error leaves the codec."""
    for decode in (
        lambda: decode_list(":X?", reply, count),
        lambda: decode_poll(":X?", reply, count),
        lambda: split_settings(":X?", reply, count),
        lambda: decode_items(":X?", reply),
        lambda: decode_register(":X?", reply),
        lambda: decode_switch(":X?", reply),
    ):
        try:
            decode()
        except InstrumentProtocolError:
            continue


@given(st.binary(max_size=40), st.integers(1, 4))
def test_any_block_is_refused_or_read(payload: bytes, count: int) -> None:
    """A block has as many numbers as were asked for, or is refused."""
    text = (b"#4%04d" % (4 * count) + payload).decode("latin-1")
    try:
        told = decode_list(":X?", text, count)
    except InstrumentProtocolError:
        return
    assert told.values.shape == (count,)
    assert np.isfinite(told.values[told.flags == 0]).all()


@pytest.mark.parametrize(
    ("reading", "direct", "fits"),
    [
        ((12.0, 0.7, 8.4), True, True),
        ((12.0, -0.7, -8.4), True, True),
        ((12.0, 0.7, 4.8), True, False),
        ((12.0, 0.7, 8.9), True, False),
        ((230.0, 0.12, 12.5), False, True),
        ((230.0, 0.12, 31.0), False, False),
        ((0.0, 0.0, 0.0), True, True),
    ],
)
def test_watts_belong_to_volts_and_amperes(reading, direct: bool, fits: bool) -> None:  # noqa: FBT001
    """Direct they are the product, alternating at most that, within the limits of each."""
    assert consistent(reading, LIMITS, direct=direct) is fits
