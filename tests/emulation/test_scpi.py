"""The SCPI rules of the emulated instruments."""

from __future__ import annotations

import json
import struct

import pytest

from powerlab.emulation.scpi import (
    Command,
    CommandTable,
    ErrorQueue,
    ScpiError,
    definite_block,
    header_pattern,
    parse,
)


@pytest.mark.parametrize(
    "header", [":SENS:CURR:NPLC", ":CURR:DC:NPLC", ":SENSE:CURRENT:DC:NPLCYCLES", ":CURRENT:NPLC"]
)
def test_short_and_long_forms_name_the_same_command(header):
    """Any mixture of short and long nodes, optional ones left out or not, is one header."""
    assert header_pattern("[:SENSe]:CURRent[:DC]:NPLCycles").fullmatch(header)


@pytest.mark.parametrize("header", [":CURRE:NPLC", ":CURR:NPLCY", ":CURR:AC:NPLC", ":CURR"])
def test_forms_in_between_are_no_commands(header):
    """A node is its short or its long form, nothing between."""
    assert header_pattern("[:SENSe]:CURRent[:DC]:NPLCycles").fullmatch(header) is None


def test_a_unit_without_a_colon_continues_the_path_before_it():
    """Units after a semicolon are relative to the path, a colon or star leaves it."""
    units = [command.header for command in parse("CURR:DC:RANG:AUTO 0;UPP 1.0;*CLS;:SYST:ERR?")]
    assert units == ["CURR:DC:RANG:AUTO", "CURR:DC:RANG:UPP", "*CLS", "SYST:ERR"]


def test_separators_inside_quotes_separate_nothing():
    """Commas and semicolons in a string belong to it."""
    (command,) = parse(':TRAC:MAKE "a,;b",100')
    assert command.string(0) == "a,;b"
    assert command.parameters[1] == "100"


def test_numbers_know_their_limits():
    """A number outside its limits, or none at all, is refused with SCPI's own code."""
    command = Command("X", query=False, parameters=("7", "MAX", "x"))
    assert command.number(0, 0, 10) == 7
    assert command.number(1, 0, 10) == 10
    for index, high, code in ((0, 5, -222), (2, 10, -224), (3, 10, -109)):
        with pytest.raises(ScpiError) as caught:
            command.number(index, 0, high)
        assert caught.value.code == code


def test_an_unknown_header_is_error_113():
    """What no pattern fits is an undefined header, and so is a query of a command."""
    table = CommandTable()
    table.on(":ABORt", lambda _command: None)
    for line in ("NONSENSE", "ABOR?"):
        with pytest.raises(ScpiError) as caught:
            table.run(next(parse(line)))
        assert caught.value.code == -113


def test_a_full_error_queue_says_so_last():
    """The queue keeps its oldest entries and ends in -350."""
    queue = ErrorQueue()
    for number in range(30):
        queue.push(-100 - number, "x")
    entries = [queue.pop() for _ in range(len(queue))]
    assert entries[0] == (-100, "x")
    assert entries[-1] == (-350, "Queue overflow")
    assert queue.pop()[0] == 0


def test_blocks_are_as_the_standard_writes_them(shared):
    """Definite blocks equal the published cases byte by byte."""
    cases = json.loads(shared("vectors/scpi/blocks.json").read_text())["cases"]
    for case in cases:
        kind = {"f8": "d", "f4": "f"}.get(case.get("dtype", ""))
        if kind is None and case.get("values") != []:
            continue
        order = {"big": ">", "little": "<"}.get(case.get("order", ""), "<")
        payload = struct.pack(f"{order}{len(case['values'])}{kind or 'd'}", *case["values"])
        assert (definite_block(payload) + b"\n").hex() == case["hex"]
