"""The PowerSensor3 on the wire: byte commands, its configuration, 20,000 sets a second.

Written from the firmware's published layout, not from the driver; nothing is shared with it.
"""

from __future__ import annotations

import struct

import numpy as np

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.stream_link import StreamLink
from powerlab.emulation.streamed import LiveSamples, Piece
from powerlab.units import now_ns

VERSION = b"F411-1.6.1\r\n"
STOPPED = b"\xff\x3f\xff\x3f"
CURRENT = (b"ACS712-20", b"12V", 1.65, 0.1)
VOLTAGE = (b"Divider", b"12V", 0.0, 0.2)
LOST_SETS = 512
"""Sets that the fault ``lost-samples`` drops: whole turns of the time, exactly."""


class PowerSensor3:
    """One device whose second pair of sensors is in use."""

    memory_bytes = 1 << 17
    tick_s = 0.001

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        self._watch = watch
        self._live = LiveSamples(context, watch, ("voltage", "current"))
        self._records: list[bytes] = []
        self._marked = False
        self._dropping = 0

    @property
    def running(self) -> bool:
        """Tell whether it sends sets."""
        return self._live.running

    def take(self, data: bytes) -> bytes:
        """Carry out commands; while the configuration is read any byte asks for more of it."""
        answer = b""
        for byte in data:
            if self._records:
                answer += self._records.pop(0)
            else:
                answer += self._carry_out(chr(byte))
        return answer

    def _carry_out(self, command: str) -> bytes:
        if command == "S":
            self._live.start(now_ns())
        elif command in "TXZ":
            self._live.stop()
            return STOPPED if command == "X" else b""
        elif command == "M":
            self._marked = True
        elif command == "V":
            return VERSION
        elif command == "R":
            unused = struct.pack("<16s16sff?", b"", b"", 0.0, 1.0, 0)
            pair = [struct.pack("<16s16sff?", *told, 1) for told in (CURRENT, VOLTAGE)]
            self._records = [unused, *pair, *[unused] * 4, b"D"]
            return unused
        return b""

    def produce(self, at_ns: int) -> bytes:
        """Get the sets that have become available, those of a fault left out."""
        piece = self._live.due(at_ns)
        if piece is None:
            return b""
        if self._watch.strikes("lost-samples", at_ns):
            self._dropping = LOST_SETS
        rows = self._sets(piece)[piece.sent]
        dropped = min(self._dropping, len(rows))
        self._dropping -= dropped
        return rows[dropped:].tobytes()

    def _sets(self, piece: Piece) -> np.ndarray:
        count = len(piece.sent)
        stamp = (100 + 50 * (piece.first + np.arange(count))) % 1024
        levels = np.zeros((count, 8), dtype=np.int64)
        volts, amperes = np.nan_to_num(piece.readings.values[:, :2]).T
        levels[:, 2] = _level(amperes, *CURRENT[2:])
        levels[:, 3] = _level(volts, *VOLTAGE[2:])
        levels[piece.over, 2] = 1023
        rows = np.empty((count, 9, 2), dtype=np.uint8)
        rows[:, 0, 0] = 0xF0 | stamp >> 6
        rows[:, 0, 1] = 0x40 | stamp & 0x3F
        rows[:, 1:, 0] = 0x80 | np.arange(8) << 4 | levels >> 6
        rows[:, 1:, 1] = levels & 0x3F
        if self._marked and count:
            rows[0, 1, 1] |= 0x40
            self._marked = False
        return rows


def _level(values: np.ndarray, reference_v: float, sensitivity: float) -> np.ndarray:
    level = np.rint((values * sensitivity + reference_v) * 1023 / 3.3)
    return np.clip(level, 0, 1023).astype(np.int64)


def build(context: EmulatorContext) -> StreamLink:
    """Make one device and its pseudo-terminal."""
    watch = FaultWatch(context.faults)
    return StreamLink(PowerSensor3(context, watch), watch)


def serve(context: EmulatorContext) -> None:
    """Serve one device on a pseudo-terminal until the parent wants an end."""
    link = build(context)
    context.ready({"resource": f"serial:{link.path}", "serial": ""})
    link.serve()
