"""Answers of an SCPI meter as its profile describes them: values and flags, no I/O here.

Whatever may come, the functions return a value or raise ``InstrumentProtocolError``. An answer
that was cut is refused where its numbers have an exponent, since that has as many digits as in
the profile's example; a number without one can lose its last digits unseen if the line's end
comes all the same, which no link is known to do. An altered digit is seen by no reader of text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from powerlab.catalog.scpi_answer import FIELD, FieldForm, forms, split_fields, unit_scale
from powerlab.catalog.scpi_profile import UNITS, ScpiField, ScpiFunction, ScpiProfile
from powerlab.instruments.scpi import broken
from powerlab.instruments.scpi_block import block_payload
from powerlab.records import SampleFlag

BEYOND = 9e36
"""No quantity is as large: what an instrument tells beyond it stands for something else."""

_ALIKE = 1e-4


@dataclass(frozen=True, slots=True)
class ReadingDecoder:
    """The answers to one function's query; get one with ``reading_decoder``."""

    command: str
    fields: tuple[ScpiField, ...]
    forms: tuple[FieldForm, ...]
    over_range: tuple[str, ...]
    no_reading: tuple[str, ...]

    def decode(self, reply: str) -> tuple[list[float], SampleFlag]:
        """Get the values [A, V or W] in the order of the function's fields, and a flag.

        What is beyond the meter's range is NaN with ``OVERRANGE``, what it could not read NaN
        with ``NOT_AVAILABLE``.
        """
        text = self._unwrapped(reply)
        if not text and reply:  # an empty block: nothing has been measured
            return [math.nan] * len(self.fields), SampleFlag.NOT_AVAILABLE
        parts = split_fields(text)
        if len(parts) != len(self.forms):
            raise broken(
                self.command, reply, f"holds {len(parts)} fields where {len(self.forms)} belong"
            )
        values, flags = [], SampleFlag.GOOD
        for item in self.fields:
            value, flag = self._value(reply, parts, item)
            values.append(value)
            flags |= flag
        return values, flags

    def _unwrapped(self, reply: str) -> str:
        """Get the text of an answer that comes as a block, or any other as it is."""
        if not reply.startswith("#"):
            return reply
        return block_payload(self.command, reply.encode("latin-1")).decode("latin-1")

    def _value(self, reply: str, parts: Sequence[str], item: ScpiField) -> tuple[float, SampleFlag]:
        at = self._place(reply, parts, item)
        if _stands_for(parts[at], self.over_range):
            return math.nan, SampleFlag.OVERRANGE
        if _stands_for(parts[at], self.no_reading):
            return math.nan, SampleFlag.NOT_AVAILABLE
        match = FIELD.fullmatch(parts[at])
        if match is None or len(match["exponent"] or "") != self.forms[at].exponent:
            raise broken(self.command, reply, f"holds {parts[at]!r}, which is no such number")
        scale: float | None = item.scale
        if match["suffix"]:
            scale = unit_scale(match["suffix"], UNITS[item.quantity])
        if scale is None:
            raise broken(self.command, reply, f"is in {match['suffix']}, which is no {item.unit}")
        number = float(match["number"])
        if abs(number) >= BEYOND:
            return math.nan, SampleFlag.OVERRANGE
        return number * scale, SampleFlag.GOOD

    def _place(self, reply: str, parts: Sequence[str], item: ScpiField) -> int:
        if not item.name:
            return item.index - 1
        heads = [text.split()[0].upper() if text else "" for text in parts]
        if heads.count(item.name.upper()) != 1:
            raise broken(self.command, reply, f"does not name {item.name} once")
        return heads.index(item.name.upper())


def reading_decoder(function: ScpiFunction, scpi: ScpiProfile) -> ReadingDecoder:
    """Get what reads the answers of one function of a meter."""
    return ReadingDecoder(
        command=function.read,
        fields=function.field,
        forms=forms(function.answer),
        over_range=scpi.over_range,
        no_reading=scpi.no_reading,
    )


def decode_setting(command: str, reply: str) -> float:
    """Get a number that an instrument was set to, with a header and a unit or without."""
    match = FIELD.fullmatch(reply.strip())
    if match is None:
        raise broken(command, reply, "is no number")
    return float(match["number"])


def decode_quantity(command: str, reply: str, unit: str) -> float:
    """Get a number in ``unit`` (A, V or W), with a header and a unit in the answer or without."""
    match = FIELD.fullmatch(reply.strip())
    scale = unit_scale(match["suffix"], unit) if match and match["suffix"] else 1.0
    if match is None or scale is None:
        raise broken(command, reply, f"is no number of {unit}")
    return float(match["number"]) * scale


def decode_word(reply: str) -> str:
    """Get the text of a setting in capitals, without quotes, and without what heads it."""
    return reply.strip().rpartition(" ")[2].strip("\"'").upper()


def _stands_for(text: str, marks: Sequence[str]) -> bool:
    """Tell whether a field is one of the marks: the same word, or a number within 0.01 %."""
    match = FIELD.fullmatch(text)
    for mark in marks:
        if text.upper() == mark.upper():
            return True
        known = FIELD.fullmatch(mark)
        if match is None or known is None:
            continue
        if math.isclose(abs(float(match["number"])), float(known["number"]), rel_tol=_ALIKE):
            return True
    return False
