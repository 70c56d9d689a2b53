"""What an X-NUCLEO-LPM01A says between two samples, in both of its formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from powerlab.records import FloatArray


class MarkKind(StrEnum):
    """What a mark is about."""

    TIME = "time stamp"
    EVENT = "event"
    ERROR = "error"
    INFO = "information"
    END = "end of the acquisition"
    OVERCURRENT = "overcurrent"
    POWER_DOWN = "the target's power is down"
    VOLTAGE = "voltage"
    LOST = "damaged samples"


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing said before sample number ``at`` of its piece.

    ``time_s`` is the meter's own of a time stamp, ``buffer_percent`` how full its memory is;
    ``value`` an event's number, the millivolts of a voltage, or how many samples are damaged.
    """

    kind: MarkKind
    at: int
    text: str = ""
    time_s: float = 0.0
    buffer_percent: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive samples, float64 ``(n,)`` [A or J], and the marks between them."""

    values: FloatArray
    marks: tuple[Mark, ...] = field(default=())
