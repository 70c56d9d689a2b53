"""The replies of RDTech's UM24C, UM25C and UM34C: 130 bytes, big endian, no I/O here.

Layout from public descriptions of the Bluetooth serial link, checked against a captured
UM24C frame and a UM25C frame rebuilt from a published decode. There is no checksum but a
constant trailer (UM34C: an XOR of some of its bytes), so a frame can also be judged by its
own power against volts times amperes.
"""

from __future__ import annotations

import functools
import operator
import struct
from dataclasses import dataclass

from powerlab.errors import InstrumentProtocolError

REQUEST = b"\xf0"
FRAME_BYTES = 130


@dataclass(frozen=True, slots=True)
class Scale:
    """A model's name, and how many raw counts make a volt and an ampere."""

    model: str
    per_volt: int
    per_ampere: int


MODELS = {
    0x0963: Scale("UM24C", 100, 1000),
    0x09C9: Scale("UM25C", 1000, 10000),
    0x0D4C: Scale("UM34C", 100, 1000),
}
TRAILER = 0xFFF1

# The bytes whose XOR a UM34C puts into its last byte.
XOR_BYTES = (
    *(1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57, 59, 63, 67, 69, 73, 79, 83),
    *(89, 97, 99, 109, 111, 113, 119, 121, 127),
)
_HEAD = struct.Struct(">HHHIHHH")
_GROUPS = struct.Struct(">20I")
_TAIL = struct.Struct(">HHHIIHIHHHIHH")


@dataclass(frozen=True, slots=True)
class Um25cReading:
    """One reply, every field as the raw integer that came; SI values are properties."""

    scale: Scale
    voltage_raw: int
    current_raw: int
    power_raw: int
    temperature_c: int
    temperature_f: int
    group: int
    groups_mah_mwh: tuple[tuple[int, int], ...]
    d_plus_raw: int
    d_minus_raw: int
    charging_mode: int
    recorded_mah: int
    recorded_mwh: int
    threshold_raw: int
    recorded_s: int
    recording: bool
    screen_timeout_min: int
    brightness: int
    resistance_raw: int
    screen: int
    trailer: int

    @property
    def model(self) -> str:
        """Get the model that answered."""
        return self.scale.model

    @property
    def voltage_v(self) -> float:
        """Get the voltage [V]."""
        return self.voltage_raw / self.scale.per_volt

    @property
    def current_a(self) -> float:
        """Get the current [A]; the meter tells no sign."""
        return self.current_raw / self.scale.per_ampere

    @property
    def power_w(self) -> float:
        """Get the power [W], rounded by the meter itself."""
        return self.power_raw / 1000

    @property
    def d_plus_v(self) -> float:
        """Get the voltage of the D+ line [V]."""
        return self.d_plus_raw / 100

    @property
    def d_minus_v(self) -> float:
        """Get the voltage of the D- line [V]."""
        return self.d_minus_raw / 100

    @property
    def threshold_a(self) -> float:
        """Get the current above which the meter records [A]."""
        return self.threshold_raw / 100

    @property
    def resistance_ohm(self) -> float:
        """Get volts over amperes as the meter shows it [ohm], 9999.9 at most."""
        return self.resistance_raw / 10

    @property
    def consistent(self) -> bool:
        """Tell whether power is volts times amperes within rounding and 2 %."""
        product_w = self.voltage_v * self.current_a
        rounding_w = (
            self.current_a / self.scale.per_volt + self.voltage_v / self.scale.per_ampere + 0.001
        )
        return abs(self.power_w - product_w) <= rounding_w + 0.02 * product_w


def decode_frame(frame: bytes) -> Um25cReading:
    """Decode one reply of 130 bytes; ``InstrumentProtocolError`` where it is none."""
    if len(frame) != FRAME_BYTES:
        raise broken_reply(f"has {len(frame)} bytes, not {FRAME_BYTES}", frame)
    model, voltage, current, power, celsius, fahrenheit, group = _HEAD.unpack_from(frame, 0)
    scale = MODELS.get(model)
    if scale is None:
        raise broken_reply(f"names the unknown model {model:04X}", frame)
    counters = _GROUPS.unpack_from(frame, 16)
    d_plus, d_minus, mode, mah, mwh, threshold, seconds, recording, *rest = _TAIL.unpack_from(
        frame, 96
    )
    timeout, brightness, resistance, screen, trailer = rest
    _check_end(scale, trailer, frame)
    return Um25cReading(
        scale=scale,
        voltage_raw=voltage,
        current_raw=current,
        power_raw=power,
        temperature_c=celsius,
        temperature_f=fahrenheit,
        group=group,
        groups_mah_mwh=tuple(zip(counters[0::2], counters[1::2], strict=True)),
        d_plus_raw=d_plus,
        d_minus_raw=d_minus,
        charging_mode=mode,
        recorded_mah=mah,
        recorded_mwh=mwh,
        threshold_raw=threshold,
        recorded_s=seconds,
        recording=bool(recording),
        screen_timeout_min=timeout,
        brightness=brightness,
        resistance_raw=resistance,
        screen=screen,
        trailer=trailer,
    )


def _check_end(scale: Scale, trailer: int, frame: bytes) -> None:
    if scale.model == "UM34C":
        parity = functools.reduce(operator.xor, (frame[place] for place in XOR_BYTES))
        if parity != frame[-1]:
            raise broken_reply("fails its check byte", frame)
    elif trailer != TRAILER:
        raise broken_reply(f"ends in {trailer:04X}, not {TRAILER:04X}", frame)


def split_frame(received: bytes) -> tuple[Um25cReading | None, bytes]:
    """Find the first whole reply in a stream: it, and the bytes that may belong to the next.

    Bytes before a model number, and model numbers that begin no valid frame, are passed
    over, so one lost byte costs one reply and no more.
    """
    start = 0
    while start + 2 <= len(received):
        if int.from_bytes(received[start : start + 2]) in MODELS:
            frame = received[start : start + FRAME_BYTES]
            if len(frame) < FRAME_BYTES:
                return None, frame
            try:
                return decode_frame(frame), received[start + FRAME_BYTES :]
            except InstrumentProtocolError:
                pass
        start += 1
    return None, received[start:]


def broken_reply(why: str, frame: bytes) -> InstrumentProtocolError:
    """Make the error for a reply that breaks the protocol."""
    return InstrumentProtocolError(
        f"the USB meter's reply {why}",
        hint="check that a UM24C, UM25C or UM34C is on this port and that the link is close enough",
        sent=REQUEST,
        received=frame[: 2 * FRAME_BYTES],
    )
