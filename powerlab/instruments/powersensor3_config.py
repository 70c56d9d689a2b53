"""What a PowerSensor3 says of its sensors: eight records of 41 bytes, no I/O here.

A record is a type and the name of its pair (16 characters each), the reference [V], the
sensitivity (V per A or per V) and whether it is in use. Even sensors are amperes, odd ones the
volts of the same pair. Layout: the firmware in nlesc-recruit/PowerSensor3.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.records import FloatArray

SENSORS = 8
PAIRS = SENSORS // 2
RECORD = struct.Struct("<16s16sff?")
ADC_V = 3.3
ADC_MOST = 1023


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor as it is configured."""

    kind: str
    pair: str
    reference_v: float
    sensitivity: float
    in_use: bool

    def values(self, levels: np.ndarray) -> FloatArray:
        """Get A or V from the converter's levels, any shape."""
        return np.asarray((ADC_V * levels / ADC_MOST - self.reference_v) / self.sensitivity)

    @property
    def most(self) -> float:
        """Get the largest value that the converter can show [A or V]."""
        ends = ((volts - self.reference_v) / self.sensitivity for volts in (0.0, ADC_V))
        return max(ends)


def parse_record(record: bytes) -> Sensor:
    """Read one record of 41 bytes; ``InstrumentProtocolError`` where it can be none."""
    if len(record) != RECORD.size:
        raise broken_record(f"has {len(record)} bytes, not {RECORD.size}", record)
    kind, pair, reference_v, sensitivity, in_use = RECORD.unpack(record)
    sane = math.isfinite(reference_v) and math.isfinite(sensitivity) and sensitivity
    if in_use and not sane:
        raise broken_record("has a reference or a sensitivity that cannot be", record)
    return Sensor(_text(kind), _text(pair), reference_v, sensitivity, in_use)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("ascii", "replace").strip()


def broken_record(why: str, received: bytes) -> InstrumentProtocolError:
    """Make the error for a configuration that cannot be read."""
    return InstrumentProtocolError(
        f"a record of the PowerSensor3's configuration {why}",
        hint="check that a PowerSensor3 is on this port and no other program uses it; it resets "
        "itself after 2 s of silence, so try again",
        sent=b"R",
        received=received[:64],
    )
