"""Answers as a profile describes them: published ones are read, broken ones are refused."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.catalog.scpi_profile import ScpiFunction, ScpiProfile
from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.scpi import decode_error, decode_identity
from powerlab.instruments.scpi_block import block_payload, decode_floats, split_blocks
from powerlab.instruments.scpi_reading import (
    ReadingDecoder,
    decode_quantity,
    decode_setting,
    decode_word,
    reading_decoder,
)
from powerlab.records import SampleFlag

FOLDER = "vectors/scpi"


def decoder(answer: str, *fields: dict[str, object], **section: object) -> ReadingDecoder:
    """Get what reads answers like an example, by default one of amperes."""
    function = ScpiFunction.model_validate(
        {"field": fields or ({"quantity": "current", "unit": "A"},), "read": "R?", "answer": answer}
    )
    known = {"models": ("X",), "identity": "A,X,{serial},1"}
    return reading_decoder(function, ScpiProfile.model_validate({**known, **section}))


AMPERES = decoder("+4.27150000E-01")


def exchanges(path: Path) -> Iterator[tuple[str, str, object]]:
    """Get question, answer and expected value of the published exchanges with one of each."""
    for item in json.loads(path.read_text())["exchanges"]:
        asked = [(sent, told.strip()) for sent, told in item.get("exchange", ()) if told]
        expected = item.get("expected")
        if asked and expected:
            yield (*asked[-1], expected[0][1])


@pytest.mark.parametrize(
    "name", ["aimtti_ld400p", "keysight_e36312a", "siglent_spd1305x", "keithley_dmm6500"]
)
def test_published_settings(shared: Callable[[str], Path], name: str) -> None:
    """Every published answer that is a number, with header or unit or without, is read as it."""
    read = 0
    for question, told, expected in exchanges(shared(f"{FOLDER}/{name}.json")):
        if isinstance(expected, bool) or not isinstance(expected, int | float):
            continue
        assert decode_setting(question, told) == expected, question
        read += 1
    assert read


def test_published_words(shared: Callable[[str], Path]) -> None:
    """What a load answers to a question of its mode, the header of the answer read past."""
    path = shared(f"{FOLDER}/aimtti_ld400p.json")
    told = {sent: (reply, known) for sent, reply, known in exchanges(path)}
    assert decode_word(told["MODE?"][0]) == told["MODE?"][1] == "P"
    assert decode_word(told["LVLSEL?"][0]) == told["LVLSEL?"][1] == "V"
    assert decode_quantity("V?", told["V?"][0], "V") == 3.14
    assert decode_quantity("I?", told["I?"][0], "A") == 3.14
    with pytest.raises(InstrumentProtocolError, match="no number of A"):
        decode_quantity("V?", told["V?"][0], "A")


def test_published_readings_of_a_34450a(shared: Callable[[str], Path]) -> None:
    """Each reading of the published exchanges, by the form of its own digits."""
    read = 0
    for question, told, expected in exchanges(shared(f"{FOLDER}/agilent_34450a.json")):
        if question == ":READ?":
            assert decoder("+1.2300E-4").decode(told) == ([expected], SampleFlag.GOOD)
            read += 1
    assert read


def test_published_readings_of_a_2400(shared: Callable[[str], Path]) -> None:
    """Volts and amperes out of five elements, one of which is "not a number" and not asked for."""
    told = {sent: reply for sent, reply, _ in exchanges(shared(f"{FOLDER}/keithley_2400.json"))}
    elements = decoder(
        "0.1,0.2,0.5,1234,5678",
        {"quantity": "voltage", "unit": "V", "index": 1},
        {"quantity": "current", "unit": "A", "index": 2},
        over_range=("9.9e37",),
    )
    with pytest.raises(InstrumentProtocolError):
        elements.decode(told[":SENSE:CURRENT:RANGE?"])
    assert elements.decode(told[":READ?"]) == ([0.1, 0.2], SampleFlag.GOOD)
    for question in (":SENSE:CURRENT:RANGE?", ":SOURCE:VOLTAGE?", ":SENSE:CURRENT:PROTECTION?"):
        assert decode_setting(question, told[question]) == 0.5


def test_published_data_log_of_an_n6705(shared: Callable[[str], Path]) -> None:
    """Records of amperes and volts in little-endian singles; an empty block holds none."""
    known = json.loads(shared(f"{FOLDER}/keysight_n6705_elog_computed.json").read_text())
    payload = block_payload(known["fetch"], bytes.fromhex(known["reply_hex"]))
    records = decode_floats(known["fetch"], payload, 4, "little").reshape(-1, 2)
    assert np.allclose(records, known["records"], rtol=1e-6)
    assert block_payload(known["fetch"], bytes.fromhex(known["empty_reply_hex"])) == b""
    assert decode_identity(known["idn"])[1] == "N6705B"


def test_published_error_queues(shared: Callable[[str], Path]) -> None:
    """Three makers' ways to say what went wrong, and that nothing did."""
    found = set()
    for name in ("agilent_34450a", "keithley_2400", "keithley_dmm6500"):
        for item in json.loads(shared(f"{FOLDER}/{name}.json").read_text())["exchanges"]:
            for sent, told in item["exchange"]:
                if told and sent.upper().endswith("SYST:ERR?"):
                    found.add(decode_error(told, sent))
    assert (-113, "Undefined header") in found
    assert {code for code, _ in found} == {0, -113}


def test_published_examples_of_the_truevolt_guide(shared: Callable[[str], Path]) -> None:
    """Single readings, readings with a unit, blocks and empty blocks, overloads."""
    known = json.loads(shared(f"{FOLDER}/keysight_truevolt_34465a_34470a.json").read_text())
    told = [item["r"] for item in known["exchanges"]]
    assert AMPERES.decode(told[-1]) == ([0.42715], SampleFlag.GOOD)
    three = decoder(
        ",".join(["-4.98748741E-01"] * 3),
        {"quantity": "current", "unit": "A", "index": 1},
        {"quantity": "voltage", "unit": "V", "index": 3},
    )
    assert three.decode(told[0]) == ([-0.498748741, -0.741859188], SampleFlag.GOOD)
    assert AMPERES.decode(told[1])[1] is SampleFlag.NOT_AVAILABLE
    assert decode_setting("DATA:POIN?", told[2]) == 215
    volts = decoder(told[3], {"quantity": "voltage", "unit": "V"})
    assert volts.decode(told[3]) == ([1.7373], SampleFlag.GOOD)
    values, flags = AMPERES.decode(known["special"]["overload"])
    assert math.isnan(values[0])
    assert flags is SampleFlag.OVERRANGE
    assert AMPERES.decode(known["special"]["no_last_reading"])[1] is SampleFlag.NOT_AVAILABLE


def test_published_readings_of_the_generic_multimeter(shared: Callable[[str], Path]) -> None:
    """A reading, and configurations that name their function before a number."""
    path = shared(f"{FOLDER}/scpi_multimeter_generic.json")
    told = [
        line
        for item in json.loads(path.read_text())["exchanges"]
        for line in item["device_to_host"]
    ]
    volts = decoder("+4.23450000E-03", {"quantity": "voltage", "unit": "V"})
    assert volts.decode(told[-1]) == ([0.0042345], SampleFlag.GOOD)
    pair = decoder("CURR:DC +1.000000E+01,+3.000000E-06", {"quantity": "current", "unit": "A"})
    assert pair.decode("CURR:DC +1.000000E+01,+3.000000E-06") == ([10.0], SampleFlag.GOOD)


def test_published_blocks(shared: Callable[[str], Path]) -> None:
    """Every block of the reference data, line feeds inside it included."""
    for case in json.loads(shared(f"{FOLDER}/blocks.json").read_text())["cases"]:
        payload = block_payload("?", bytes.fromhex(case["hex"]))
        if "ascii_values" in case:
            values = [float(text) for text in payload.decode().split(",")]
            assert values == case["ascii_values"]
        elif "dtype" in case:
            width = int(case["dtype"][1:])
            told = decode_floats("?", payload, width, case["order"])
            assert np.allclose(told, case["values"], rtol=1e-15)
        else:
            assert payload == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#",
        b"#A5hello",
        b"#3",
        b"#2-5hello",
        b"#15hell",
        b"#15hellothere",
        b"#15hello,",
        b"#0hello",
        b"12",
    ],
)
def test_what_is_no_block_is_refused(data: bytes) -> None:
    """A length that is not there, not a number or not that of the bytes."""
    with pytest.raises(InstrumentProtocolError):
        split_blocks("?", data)


def test_blocks_of_several_channels_and_without_a_length() -> None:
    """Blocks joined by commas are all read; an indefinite one ends with its message."""
    assert split_blocks("?", b"#13a,\n,#10,#12#1\n") == (b"a,\n", b"", b"#1")
    assert split_blocks("?", b"#0a,b\n") == (b"a,b",)
    with pytest.raises(InstrumentProtocolError, match="2 blocks"):
        block_payload("?", b"#11a,#11b\n")
    with pytest.raises(InstrumentProtocolError, match="4 do not divide"):
        decode_floats("?", b"1234567", 4, "big")


@pytest.mark.parametrize(
    ("answer", "fields", "reply", "value"),
    [
        ("1.0", ({"quantity": "current", "unit": "mA"},), "12.5", 0.0125),
        ("1.0", ({"quantity": "current", "unit": "A"},), "12.5mA", 0.0125),
        ("1.0", ({"quantity": "current", "unit": "A"},), "CURR 12.5 mADC", 0.0125),
        ("1.0,2.0", ({"quantity": "current", "unit": "A", "index": 2},), "5.0,0.25", 0.25),
        ("V 5.0;I 2.0", ({"quantity": "current", "unit": "A", "name": "I"},), "I 0.5;V 5", 0.5),
    ],
)
def test_fields_by_place_by_name_and_by_unit(answer, fields, reply, value: float) -> None:
    """A field is found where the profile says, and a unit in the answer counts."""
    assert decoder(answer, *fields).decode(reply) == ([pytest.approx(value)], SampleFlag.GOOD)


@pytest.mark.parametrize(
    "reply", ["+4.27150000E-01", "CURR:DC +4.27150000E-01", "A +4.27150000E-01A"]
)
def test_headers_on_and_off(reply: str) -> None:
    """An instrument that names what was asked is read like one that does not."""
    assert AMPERES.decode(reply) == ([0.42715], SampleFlag.GOOD)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "no such number"),
        ("+4.27150000E-01VDC", "no A"),
        ("+4.27150000E-01,+1.00000000E+00", "2 fields"),
        ("nan", "no such number"),
        ("+4.27150000", "no such number"),
        ("#215+4.27150000E-0", "no block|bytes short|fields|no such"),
    ],
)
def test_what_is_no_reading_is_refused(reply: str, why: str) -> None:
    """The wrong unit, the wrong number of fields, no number at all, half a block."""
    with pytest.raises(InstrumentProtocolError, match=why):
        AMPERES.decode(reply)


def test_what_stands_for_an_overload() -> None:
    """Words and numbers of the profile, and numbers that no quantity has, are no readings."""
    words = decoder("1.0", over_range=("OVLD",), no_reading=("----",))
    for reply, flag in (
        ("OVLD", SampleFlag.OVERRANGE),
        ("ovld", SampleFlag.OVERRANGE),
        ("9" * 38, SampleFlag.OVERRANGE),
        ("----", SampleFlag.NOT_AVAILABLE),
    ):
        values, told = words.decode(reply)
        assert math.isnan(values[0])
        assert told is flag
    assert AMPERES.decode("-9.90000000E+37")[1] is SampleFlag.OVERRANGE


WHOLE = ("+4.27150000E-01", "+9.90000000E+37", "CURR +4.27150000E-01A", "#215+4.27150000E-01")


@pytest.mark.parametrize("whole", WHOLE)
def test_an_answer_cut_at_any_byte_is_no_other_reading(whole: str) -> None:
    """Half an answer is refused, or says what the whole one says."""
    known = AMPERES.decode(whole)
    for length in range(len(whole)):
        with contextlib.suppress(InstrumentProtocolError):
            assert str(AMPERES.decode(whole[:length])) == str(known)


@given(st.sampled_from(WHOLE), st.data())
def test_an_answer_corrupted_at_any_byte(whole: str, data: st.DataObject) -> None:
    """One other byte: refused, flagged, or the number that now stands there and no other."""
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = chr(data.draw(st.integers(0, 255)))
    text = whole[:at] + byte + whole[at + 1 :]
    try:
        values, flags = AMPERES.decode(text)
    except InstrumentProtocolError:
        return
    if flags is SampleFlag.GOOD:
        (number,) = re.findall(r"[+-]?[0-9.]+[eE][+-]?[0-9]+", text.removeprefix("#215"))
        assert values[0] == float(number)


@given(st.text())
def test_nothing_but_protocol_errors(reply: str) -> None:
    """Whatever text comes, a decoder returns a value or refuses it."""
    for decode in (
        AMPERES.decode,
        lambda text: decode_setting("?", text),
        decode_error,
        lambda text: decode_quantity("?", text, "A"),
    ):
        with contextlib.suppress(InstrumentProtocolError):
            decode(reply)


@given(st.binary())
def test_no_block_but_protocol_errors(data: bytes) -> None:
    """Whatever bytes come, they are blocks or refused, and never more than there are."""
    with contextlib.suppress(InstrumentProtocolError):
        assert sum(map(len, split_blocks("?", data))) <= len(data)


def test_identities_of_other_makers() -> None:
    """Five fields, spaces after commas, and a serial number that is none."""
    told = decode_identity("Siglent Technologies,SPD1305X,SPD1X,1.01.01.02.05,V3.0")
    assert told == ("Siglent Technologies", "SPD1305X", "SPD1X", "1.01.01.02.05,V3.0")
    assert decode_identity("THURLBY THANDAR, LD400P, 0, 1.00-1.00")[1:3] == ("LD400P", "")
    assert decode_identity("KEITHLEY INSTRUMENTS,MODEL 2450,0459,1.7")[1] == "2450"
