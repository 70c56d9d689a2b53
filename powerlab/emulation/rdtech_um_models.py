"""The RDTech UM24C and UM34C on the wire: a UM25C's answers in larger steps.

Volts have 10 mV and amperes 1 mA, and the UM34C's last byte is an XOR of some of its others.
"""

from __future__ import annotations

import functools
import operator
import struct

from powerlab.emulation.command_link import CommandLink
from powerlab.emulation.faults import FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.rdtech_um25c import FULL_U16, Um25c

UM24C, UM34C = 0x0963, 0x0D4C
STEP = 10  # of a UM25C's counts

_HEAD = struct.Struct(">HHH")
_XOR_BYTES = (
    *(1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57, 59, 63, 67, 69, 73, 79, 83),
    *(89, 97, 99, 109, 111, 113, 119, 121, 127),
)


class UmModel:
    """One instrument of a model that reads as a UM25C does and answers in its own steps."""

    def __init__(self, meter: Um25c, model: int) -> None:
        self._meter = meter
        self._model = model
        self.reply_delay_s = meter.reply_delay_s

    def tick(self) -> None:
        """Take every reading that has become available."""
        self._meter.tick()

    def take(self, data: bytes) -> int:
        """Carry out what the host sent; get how many answers it asks for."""
        return self._meter.take(data)

    def answer(self) -> bytes:
        """Get the frame of the last completed reading."""
        return in_steps_of(self._model, self._meter.answer())


def in_steps_of(model: int, answer: bytes) -> bytes:
    """Turn a UM25C's 130 bytes into those of another model; a full field stays full."""
    _, *values = _HEAD.unpack_from(answer)
    steps = (value if value == FULL_U16 else round(value / STEP) for value in values)
    frame = bytearray(_HEAD.pack(model, *steps) + answer[_HEAD.size :])
    if model == UM34C:
        frame[-2:] = bytes([0, functools.reduce(operator.xor, (frame[at] for at in _XOR_BYTES))])
    return bytes(frame)


def serve_um24c(context: EmulatorContext) -> None:
    """Serve one UM24C on a pseudo-terminal until the parent wants an end."""
    _serve(context, UM24C)


def serve_um34c(context: EmulatorContext) -> None:
    """Serve one UM34C on a pseudo-terminal until the parent wants an end."""
    _serve(context, UM34C)


def _serve(context: EmulatorContext, model: int) -> None:
    watch = FaultWatch(context.faults)
    link = CommandLink(UmModel(Um25c(context, watch), model), watch, context.seed)
    context.ready({"resource": f"serial:{link.path}", "serial": ""})
    link.serve()
