"""The Nordic PPK2 on the wire: byte commands, a calibration text, 100,000 samples a second.

Written from the public descriptions of the device (commands, text, layout of a sample and
conversion), not from the driver; nothing is shared with it.
"""

from __future__ import annotations

import numpy as np

from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.stream_link import StreamLink
from powerlab.emulation.streamed import LiveSamples, Piece
from powerlab.records import FloatArray
from powerlab.units import now_ns

LENGTHS = {0x06: 1, 0x07: 1, 0x0C: 2, 0x0D: 3, 0x11: 2, 0x19: 1, 0x20: 1, 0x25: 6}
"""Bytes of each command, its first one included."""

RANGE_ENDS_A = (50e-6, 500e-6, 5e-3, 60e-3)
FULL_CODE = 0x3FFF
LOST_SAMPLES = 64
"""How many samples the fault ``lost-samples`` drops: one turn of the counter, exactly."""

# A unit as they are: a slope of 0 in the lowest range is a value, "Calibrated: 0" is common.
CONSTANTS = {
    "R": (1003.3506, 101.5865, 10.3027, 0.9636, 0.0564),
    "GS": (0.0, 112.789, 18.0115, 2.4217, 0.0729),
    "GI": (1.0, 0.9695, 0.9609, 0.9519, 0.9582),
    "O": (112.942, 75.4627, 64.602, 50.4983, 87.2177),
    "S": (0.000000048, 0.000000596, 0.000005281, 0.000062577, 0.002940743),
    "I": (-0.000000104, -0.000001443, 0.000036439, -0.000374119, -0.009388455),
    "UG": (1.0, 1.0, 1.0, 1.0, 1.0),
}
_PLACES = {"R": 4, "GS": 4, "GI": 4, "O": 4, "S": 9, "I": 9, "UG": 2}


class Ppk2:
    """One device: its settings, and its samples while it runs."""

    memory_bytes = 1 << 18
    """What a device keeps for a host that is late: an estimate, above what a real one can."""

    tick_s = 0.001

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        self._watch = watch
        self._live = LiveSamples(context, watch, ("current", "line"))
        self._received = b""
        self._dropping = 0
        self._first_counter = 60  # where it starts is anybody's guess
        self.vdd_mv = 3000
        self.mode = 2

    @property
    def running(self) -> bool:
        """Tell whether it sends samples."""
        return self._live.running

    def take(self, data: bytes) -> bytes:
        """Carry out commands; what is none is passed over."""
        self._received += data
        answer = b""
        while self._received:
            length = LENGTHS.get(self._received[0], 1)
            if len(self._received) < length:
                break
            command, self._received = self._received[:length], self._received[length:]
            answer += self._carry_out(command)
        return answer

    def _carry_out(self, command: bytes) -> bytes:
        kind = command[0]
        if kind == 0x06:
            self._live.start(now_ns())
        elif kind in (0x07, 0x20):
            self._live.stop()
        elif kind == 0x0D:
            self.vdd_mv = min(5000, max(800, int.from_bytes(command[1:], "big")))
        elif kind == 0x11:
            self.mode = command[1]
        elif kind == 0x19:
            return self.metadata().encode()
        return b""

    def metadata(self) -> str:
        """Get the calibration text."""
        lines = ["Calibrated: 0"]
        for key in ("R", "GS", "GI", "O"):
            lines += self._lines(key)
        lines += [f"VDD: {self.vdd_mv}", "HW: 9173", f"mode: {self.mode}"]
        for key in ("S", "I", "UG"):
            lines += self._lines(key)
        return "\n".join([*lines, "IA: 56", "END", ""])

    def _lines(self, key: str) -> list[str]:
        values = enumerate(CONSTANTS[key])
        return [f"{key}{number}: {value:.{_PLACES[key]}f}" for number, value in values]

    def produce(self, at_ns: int) -> bytes:
        """Get the samples that have become available, those of a fault left out."""
        piece = self._live.due(at_ns)
        if piece is None:
            return b""
        if self._watch.strikes("lost-samples", at_ns):
            self._dropping = LOST_SAMPLES
        words = self._words(piece)[piece.sent]
        dropped = min(self._dropping, len(words))
        self._dropping -= dropped
        return words[dropped:].astype("<u4").tobytes()

    def _words(self, piece: Piece) -> np.ndarray:
        amperes = np.where(piece.over, 0.0, piece.readings.values[:, 0])
        code, number = self._codes(amperes)
        code = np.where(piece.over, FULL_CODE, code)
        number = np.where(piece.over, len(RANGE_ENDS_A), number)
        index = np.arange(piece.first, piece.first + len(code))
        counter = (self._first_counter + index) & 63
        high = np.where(piece.readings.values[:, 1] > 0.5, 0xFF, 0)
        return np.asarray(code | number << 14 | counter << 18 | high << 24)

    def _codes(self, amperes: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        """Get the converter's code and the range of each current: the conversion, backwards."""
        number = np.searchsorted(RANGE_ENDS_A, np.abs(amperes))
        constant = {key: np.array(values)[number] for key, values in CONSTANTS.items()}
        leak = constant["S"] * self.vdd_mv / 1000 + constant["I"]
        wanted = amperes / constant["UG"] - leak
        square, slope = constant["GS"], constant["GI"]
        root = np.sqrt(np.maximum(slope**2 + 4 * square * wanted, 0.0))
        x = 2 * wanted / (slope + root)  # good for a square of 0 too
        code = (x * constant["R"] / (1.8 / 163_840) + constant["O"]) / 4
        return np.clip(np.rint(code), 0, FULL_CODE - 1).astype(np.int64), number


def build(context: EmulatorContext) -> StreamLink:
    """Make one device and its pseudo-terminal."""
    watch = FaultWatch(context.faults)
    return StreamLink(Ppk2(context, watch), watch)


def serve(context: EmulatorContext) -> None:
    """Serve one device on a pseudo-terminal until the parent wants an end."""
    link = build(context)
    context.ready({"resource": f"serial:{link.path}", "serial": ""})
    link.serve()
