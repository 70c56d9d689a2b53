"""The answers of a Yokogawa WT meter: settings, lists of numbers, float blocks; no I/O here.

Forms as IM WT310E-17EN and captured exchanges have them. A setting may or may not carry its
header (``:SYNC CURR``, ``3``), whatever was asked for; a number of a list never does. Whatever
comes, these functions return a value or raise ``InstrumentProtocolError``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from powerlab.instruments.scpi import NOT_A_NUMBER, OVERLOAD, broken, decode_number
from powerlab.instruments.scpi_block import block_payload, decode_floats
from powerlab.records import FlagArray, FloatArray, SampleFlag, freeze_arrays

_HEADER = re.compile(r"\A:?[A-Z][A-Z0-9:]*[ \t]+(?=\S)", re.ASCII | re.IGNORECASE)
# Always with an exponent of two digits: an answer cut short is then no number.
_NUMBER = re.compile(r"[+-]?\d{1,6}(?:\.\d{0,6})?E[+-]?\d\d", re.ASCII)
_WORDS = {
    "NAN": SampleFlag.NOT_AVAILABLE,
    "INF": SampleFlag.OVERRANGE,
    "+INF": SampleFlag.OVERRANGE,
    "-INF": SampleFlag.OVERRANGE,
}
_SWITCHES = {"0": False, "OFF": False, "1": True, "ON": True}
_SENTINELS = (-1.0, -2.0)
"""What stands in a record where the meter was away (PTDaemon writes it until a restart)."""

_MOST = 1e6
"""More V, A, W or Hz than any range holds."""

_FLOAT_BYTES: Literal[4] = 4


@dataclass(frozen=True, slots=True)
class NumericList:
    """One list: ``values`` float64 ``(n,)``, NaN where there is none; ``flags`` uint8 ``(n,)``."""

    values: FloatArray
    flags: FlagArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def split_settings(command: str, reply: str, count: int) -> tuple[str, ...]:
    """Get the settings that a message of ``count`` queries asked for, without their headers."""
    parts = tuple(_HEADER.sub("", part.strip(), count=1) for part in _units(reply))
    if len(parts) != count or not all(parts):
        raise broken(command, reply, f"holds {len(parts)} settings where {count} were asked")
    return parts


def decode_switch(command: str, reply: str) -> bool:
    """Get a switch, in digits or in words."""
    try:
        return _SWITCHES[reply.strip().upper()]
    except KeyError:
        raise broken(command, reply, "is neither on nor off") from None


def decode_register(command: str, reply: str) -> int:
    """Get a register of 16 bits, with its header or without."""
    digits = _HEADER.sub("", reply.strip(), count=1)
    if not re.fullmatch(r"\d{1,5}", digits, re.ASCII) or int(digits) > 0xFFFF:
        raise broken(command, reply, "is no register")
    return int(digits)


def decode_list(command: str, reply: str, count: int) -> NumericList:
    """Get a list of ``count`` numbers, in ASCII or as a block of floats.

    ``NAN`` and 9.91E37 become NaN with ``NOT_AVAILABLE``, as exactly -1 and -2 do; ``INF`` and
    9.9E37 become NaN with ``OVERRANGE``.
    """
    if reply.startswith("#"):
        numbers = _float_block(command, reply.encode("latin-1", "replace"))
        flags = [_judge(number) for number in numbers]
    else:
        words = [word.strip().upper() for word in reply.split(",")]
        numbers = [math.nan if word in _WORDS else _number(command, word) for word in words]
        flags = [
            _WORDS.get(word) or _judge(number) for word, number in zip(words, numbers, strict=True)
        ]
    if len(numbers) != count:
        raise broken(command, reply, f"holds {len(numbers)} numbers where {count} were asked")
    values = np.array(numbers, dtype=np.float64)
    told = np.array(flags, dtype=np.uint8)
    values[told != SampleFlag.GOOD] = math.nan
    if np.any(np.abs(values) > _MOST):
        raise broken(command, reply, "holds a number that no range does")
    return NumericList(values=values, flags=told)


def decode_poll(command: str, reply: str, count: int) -> tuple[int, int, NumericList]:
    """Get event register, condition register and list, asked for in one message."""
    parts = reply.split(";", 2)
    if len(parts) != 3:
        raise broken(command, reply, "has not two registers and a list")
    event, condition = (decode_register(command, part) for part in parts[:2])
    return event, condition, decode_list(command, parts[2], count)


def decode_items(command: str, reply: str) -> tuple[str, ...]:
    """Get which quantities the list holds, such as ``("U,1", "P,1")``."""
    number, *items = (_HEADER.sub("", part.strip(), count=1) for part in reply.split(";"))
    if decode_number(command, number) != len(items):
        raise broken(command, reply, f"names {len(items)} items")
    return tuple(item.upper() for item in items)


def consistent(reading: Sequence[float], limits: Sequence[float], *, direct: bool) -> bool:
    """Tell whether volts, amperes and watts of one update can belong together.

    ``limits`` are what each may err by. Direct, P is U times I but for a load that changes
    within the update, for which 2 % are given; alternating, it is at most that.
    """
    volts, amperes, watts = (abs(value) for value in reading)
    apparent = volts * amperes
    slack = limits[2] + volts * limits[1] + amperes * limits[0] + 0.02 * apparent
    return watts <= apparent + slack and (not direct or watts >= apparent - slack)


def _units(reply: str) -> list[str]:
    return [part for part in reply.split(";") if part.strip()]


def _number(command: str, word: str) -> float:
    if not _NUMBER.fullmatch(word):
        raise broken(command, word, "is no number of a list")
    return float(word)


def _judge(number: float) -> SampleFlag:
    if math.isnan(number) or math.isclose(number, NOT_A_NUMBER, rel_tol=1e-4):
        return SampleFlag.NOT_AVAILABLE
    if abs(number) >= OVERLOAD * (1 - 1e-6):
        return SampleFlag.OVERRANGE
    return SampleFlag.NOT_AVAILABLE if number in _SENTINELS else SampleFlag.GOOD


def _float_block(command: str, reply: bytes) -> list[float]:
    """Get the numbers of a definite-length block, big-endian singles (``NUM:FORM FLO``)."""
    payload = block_payload(command, reply)
    return [float(number) for number in decode_floats(command, payload, _FLOAT_BYTES, "big")]
