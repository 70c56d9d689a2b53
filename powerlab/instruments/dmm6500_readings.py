"""The readings of a DMM6500's buffer as text: values and the meter's own time, no I/O here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.instruments.scpi import NOT_A_NUMBER, OVERLOAD, broken, decode_number
from powerlab.records import FlagArray, FloatArray, Int64Array, SampleFlag, freeze_arrays
from powerlab.units import NS_PER_S

LONGEST_REL_S = 1e9


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of the buffer: values [A or V], float64 ``(n,)``; the meter's own time; flags."""

    values: FloatArray
    device_ns: Int64Array
    flags: FlagArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def decode_readings(command: str, reply: str, count: int) -> Readings:
    """Get ``count`` pairs of reading and relative time, ``value,seconds,value,seconds,…``.

    An overload becomes NaN with ``OVERRANGE``, a "not a number" NaN with ``NOT_AVAILABLE``.
    """
    fields = reply.split(",")
    if len(fields) != 2 * count:
        raise broken(command, reply, f"holds {len(fields)} fields where {2 * count} were asked")
    numbers = np.array([decode_number(command, field) for field in fields], dtype=np.float64)
    values, seconds = numbers[0::2].copy(), numbers[1::2]
    # Written so that it also refuses what is not finite.
    if not np.all((seconds >= 0) & (seconds < LONGEST_REL_S)):
        raise broken(command, reply, "holds a time that cannot be")
    device_ns = np.rint(seconds * NS_PER_S).astype(np.int64)
    if np.any(np.diff(device_ns) <= 0):
        raise broken(command, reply, "holds times that do not rise")
    flags = np.zeros(count, dtype=np.uint8)
    flags[np.abs(values) >= OVERLOAD * (1 - 1e-6)] = SampleFlag.OVERRANGE
    flags[np.isclose(values, NOT_A_NUMBER, rtol=1e-4)] = SampleFlag.NOT_AVAILABLE
    values[flags != SampleFlag.GOOD] = math.nan
    return Readings(values=values, device_ns=device_ns, flags=flags)
