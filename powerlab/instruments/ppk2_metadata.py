"""What a Nordic PPK2 tells of itself: the constants of its conversion, as text.

Lines ``KEY: value`` in any order, ended by a line ``END``. Keys and meaning from public readers
of the device (pc-nrfconnect-ppk, ppk2-rs). Units exist whose memory holds nonsense; a constant
of 0 is a value like any other.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.records import FloatArray

REQUEST = b"\x19"
RANGES = 5
CODES = 1 << 17
"""Of a sample's low bits: 14 of the converter, 3 of the range."""

_END = re.compile(rb"(?:^|\n)\s*END\s*(?:\r?\n|$)")
_LINE = re.compile(r"^\s*([A-Za-z]+\d?)\s*:\s*(\S+)\s*$")
_STEP_V = 1.8 / 163_840
_RESISTANCE_MOST_OHM = 1e5


@dataclass(frozen=True, slots=True)
class RangeConstants:
    """The constants of one range, by the letters of the device."""

    r_ohm: float
    gs: float
    gi: float
    o: float
    s: float
    i: float
    ug: float

    @property
    def usable(self) -> bool:
        """Tell whether these can be the constants of a device."""
        told = (self.gs, self.gi, self.o, self.s, self.i, self.ug)
        sane = 0 < self.r_ohm < _RESISTANCE_MOST_OHM and self.ug > 0
        return sane and all(map(math.isfinite, told)) and abs(self.o) < 1 << 16


@dataclass(frozen=True, slots=True)
class Ppk2Metadata:
    """Constants by range, and what else the device told, as text."""

    ranges: tuple[RangeConstants, ...]
    told: dict[str, str]

    @property
    def vdd_mv(self) -> int | None:
        """Get the supply setting [mV] at the time of asking, None where it was not told."""
        try:
            return round(float(self.told["VDD"]))
        except (KeyError, ValueError, OverflowError):
            return None


def has_end(received: bytes) -> bool:
    """Tell whether the text is complete."""
    return _END.search(received) is not None


def parse_metadata(received: bytes) -> Ppk2Metadata:
    """Read the metadata; ``InstrumentProtocolError`` where its end or a constant is missing.

    The user's gain is 1 where it is not told; a constant that is no number is NaN.
    """
    end = _END.search(received)
    if end is None:
        raise broken_metadata("has no end", received)
    lines = received[: end.start()].decode("ascii", "replace").splitlines()
    matches = (_LINE.match(line) for line in lines)
    told = {match[1]: match[2] for match in matches if match}
    lacking = [
        f"{letter}{index}"
        for letter in ("R", "GS", "GI", "O", "S", "I")
        for index in range(RANGES)
        if f"{letter}{index}" not in told
    ]
    if lacking:
        raise broken_metadata(f"lacks {', '.join(lacking)}", received)
    letters = ("R", "GS", "GI", "O", "S", "I", "UG")
    ranges = tuple(
        RangeConstants(*(_number(told.get(f"{letter}{index}", "1")) for letter in letters))
        for index in range(RANGES)
    )
    return Ppk2Metadata(ranges, told)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def broken_metadata(why: str, received: bytes) -> InstrumentProtocolError:
    """Make the error for metadata that cannot be used."""
    return InstrumentProtocolError(
        f"the PPK2's calibration text {why}; without it no sample can be converted",
        hint="a PPK2 with firmware 1.2.0 or newer shows two ports: take the one on the lowest "
        "interface; else unplug it, plug it in again and measure once more",
        sent=REQUEST,
        received=received[:400],
    )


def current_table(metadata: Ppk2Metadata, vdd_v: float) -> FloatArray:
    """Get the current [A] of every range and converter code, float64 ``(CODES,)``.

    Bits 0-13 of the index are the converter's, 14-16 the range, as in a sample. With a = 4 times
    the code: x = (a - O) * (1.8 V / 163840) / R; I = UG * (x * (GS * x + GI) + S * VDD + I).
    NaN where a range does not exist or its constants cannot be right. Formula: the vendor's
    application (pc-nrfconnect-ppk), known answer in ppk2-rs.
    """
    table = np.full(CODES, np.nan)
    code = 4.0 * np.arange(1 << 14)
    for number, item in enumerate(metadata.ranges):
        if item.usable:
            x = (code - item.o) * (_STEP_V / item.r_ohm)
            leak = item.s * vdd_v + item.i
            table[number << 14 : (number + 1) << 14] = item.ug * (
                x * (item.gs * x + item.gi) + leak
            )
    table.flags.writeable = False
    return table
