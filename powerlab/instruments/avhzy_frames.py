"""The frames of AVHzY CT-3, Shizuku and KT002 meters; no I/O here.

A frame is ``A5``, the length of its payload (u32), the payload, the XOR of the payload's bytes
and ``5A``, all little endian. The host's payload is 1, a command, a request's id, 0 and
arguments; an answer's has the id in its third byte and 80 in its fourth. Layout from a public
logger (fqueze/usb-power-profiling, MPL-2.0); no captured frame is public.

Frames come as a stream of bytes: a transfer may hold several, or a part of one.
"""

from __future__ import annotations

import functools
import operator
import struct
from dataclasses import dataclass

STOP, START = 0x07, 0x09

_BEGIN, _END = 0xA5, 0x5A
_AROUND = 7  # bytes of a frame beside its payload
_MOST_PAYLOAD = 256  # several times a sample's: a larger length is a damaged one
_HOST, _SAMPLE = 0x01, 0x04
_VALUES = struct.Struct("<ff")
_TIME = struct.Struct("<Q")
_HEAD = 4
_ANSWER = 0x80


@dataclass(frozen=True, slots=True)
class CtSample:
    """One sample: volts, signed amperes, the meter's own microseconds, the payload's length."""

    voltage_v: float
    current_a: float
    device_us: int
    length: int


def encode_command(command: int, request: int, arguments: bytes = b"") -> bytes:
    """Get the frame of a command; ``START`` takes its interval [ms] as u32."""
    return encode_frame(bytes([_HOST, command, request & 0xFF, 0]) + arguments)


def encode_frame(payload: bytes) -> bytes:
    """Put a frame around a payload."""
    check = functools.reduce(operator.xor, payload, 0)
    return struct.pack("<BI", _BEGIN, len(payload)) + payload + bytes([check, _END])


def split_frames(received: bytes) -> tuple[list[bytes], bytes, int]:
    """Take a stream apart: the payloads of whole frames, what may belong to the next, bytes lost.

    What begins like a frame and is none is passed over byte by byte, so a damaged frame costs
    itself and no other that is whole.
    """
    payloads, at, lost = list[bytes](), 0, 0
    while True:
        begin = received.find(_BEGIN, at)
        if begin < 0:
            return payloads, b"", lost + len(received) - at
        lost += begin - at
        if len(received) - begin < _AROUND:
            return payloads, received[begin:], lost
        (length,) = struct.unpack_from("<I", received, begin + 1)
        end = begin + _AROUND + length
        if length <= _MOST_PAYLOAD and end > len(received):
            return payloads, received[begin:], lost
        payload = received[begin + 5 : end - 2]
        if length <= _MOST_PAYLOAD and encode_frame(payload) == received[begin:end]:
            payloads.append(payload)
            at = end
        else:
            at = begin + 1
            lost += 1


def answers(payload: bytes, request: int) -> bool:
    """Tell whether a payload acknowledges a request."""
    return len(payload) == _HEAD and payload[2:] == bytes([request & 0xFF, _ANSWER])


def decode_sample(payload: bytes, request: int) -> CtSample | None:
    """Read a sample of the stream that a request started; None for any other payload.

    Between its values and its time firmware puts what it likes: the time is in the last bytes.
    """
    head = bytes([_SAMPLE, 0, request & 0xFF, 0])
    if payload[:_HEAD] != head or len(payload) < _HEAD + _VALUES.size + _TIME.size:
        return None
    voltage_v, current_a = _VALUES.unpack_from(payload, _HEAD)
    (device_us,) = _TIME.unpack_from(payload, len(payload) - _TIME.size)
    return CtSample(voltage_v, current_a, device_us, len(payload))
