"""The RDTech TC66C on the wire: five letters, 192 encrypted bytes back, over a pseudo-terminal.

Its real link is a USB serial port. The layout is that of public descriptions of the protocol;
nothing here is shared with the driver.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from powerlab.emulation.command_link import CommandLink
from powerlab.emulation.faults import OVERRANGE_S, FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.sampling import Readings
from powerlab.emulation.site import profile_of, site_of
from powerlab.units import NS_PER_S, nanoseconds, now_ns

SEND_DATA = b"getva"
BUTTONS = (b"rotat", b"lastp", b"nextp")
FULL_CURRENT = 999_999
"""What an overload shows: the most that six digits of 0.01 mA can, an estimate."""

HEAD_START_S = 5.0
"""How long the meter has been on when the bench opens: its first answer is a real reading."""

_KEY = bytes.fromhex("5821fa5601b2f02687ff1204622a4fb086f40260816f9a0ba7f106619ab87288")
_FULL_U32 = 0xFFFF_FFFF
_BODY_BYTES = 60  # of a block, before its checksum
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Frame:
    """The fields of one answer, raw integers in the order of the wire.

    Volts are /10000, amperes /100000, watts /10000, ohms /10, D± /100; ``groups`` holds two
    pairs of mAh and mWh. ``unknown`` is what nobody has found a meaning for. Serial number 0
    is that of no real meter.
    """

    voltage: int = 0
    current: int = 0
    power: int = 0
    resistance: int = _FULL_U32
    groups: tuple[tuple[int, int], ...] = ((0, 0), (0, 0))
    temperature_sign: int = 0
    temperature: int = 25
    d_plus: int = 0
    d_minus: int = 0
    firmware: bytes = b"1.18"
    serial_number: int = 0
    runs: int = 1
    unknown: bytes = bytes(28)

    def plain(self) -> bytes:
        """Get the 192 bytes before encryption."""
        (mah_0, mwh_0), (mah_1, mwh_1) = self.groups
        first = struct.pack(
            "<4s4sI28sIIII",
            *(b"TC66", self.firmware, self.serial_number, self.unknown),
            *(self.runs, self.voltage, self.current, self.power),
        )
        second = struct.pack(
            "<9I",
            *(self.resistance, mah_0, mwh_0, mah_1, mwh_1),
            *(self.temperature_sign, self.temperature, self.d_plus, self.d_minus),
        )
        bodies = (b"pac1" + first, b"pac2" + second, b"pac3")
        return b"".join(_with_checksum(body.ljust(_BODY_BYTES, b"\0")) for body in bodies)

    def encode(self) -> bytes:
        """Get the 192 bytes as they go over the wire."""
        return Cipher(algorithms.AES256(_KEY), modes.ECB()).encryptor().update(self.plain())  # noqa: S305


class Tc66:
    """One instrument: its last reading and what it has counted."""

    reply_delay_s = (0.002, 0.008)
    """What a request and its answer take over USB and in the meter: an estimate."""

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        self._site = site_of(context)
        self._watch = watch
        self._meter = self._site.meter(
            profile_of(context),
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=("voltage", "current"),
        )
        self._hours = self._meter.clock.device_interval_ns / NS_PER_S / _SECONDS_PER_HOUR
        self._taken = 0
        self._received = b""
        self._counted = np.zeros(2)  # mAh and mWh
        self._frame = Frame()

    def tick(self) -> None:
        """Take every reading that has become available."""
        at_ns = now_ns()
        self._watch.arm(self._site.follow())
        ready = int(self._meter.clock.completed(np.array(at_ns, dtype=np.int64)))
        if ready > self._taken:
            self._take_in(self._meter.sample(self._taken, ready - self._taken))
            self._taken = ready

    def take(self, data: bytes) -> int:
        """Carry out commands, which have no end but their fifth letter; noise is passed over."""
        received, asked = self._received + data, 0
        commands = (SEND_DATA, *BUTTONS)
        while received:
            if received.startswith(commands):
                asked += received.startswith(SEND_DATA)
                received = received[len(SEND_DATA) :]
            elif any(command.startswith(received) for command in commands):
                break
            else:
                received = received[1:]
        self._received = received
        return asked

    def answer(self) -> bytes:
        """Get the frame of the last completed reading."""
        mah, mwh = self._counted.astype(int).tolist()
        return replace(self._frame, groups=((mah, mwh), (0, 0))).encode()

    def _take_in(self, readings: Readings) -> None:
        over = self._watch.windows("overrange", OVERRANGE_S)
        for index, (volts, amperes) in enumerate(readings.values):
            middle_ns = int(readings.start_ns[index] + readings.stop_ns[index]) // 2
            beyond = any(start <= middle_ns < stop for start, stop in over)
            voltage = _raw(volts, 10_000)
            current = FULL_CURRENT if beyond else _raw(amperes, 100_000)
            self._counted += np.array([1, voltage / 10_000]) * (current / 100 * self._hours)
            self._frame = replace(
                self._frame,
                voltage=voltage,
                current=current,
                power=round(voltage * current / 100_000),
                resistance=round(voltage * 100 / current) if current else _FULL_U32,
            )


def serve(context: EmulatorContext) -> None:
    """Serve one USB-C meter on a pseudo-terminal until the parent wants an end."""
    watch = FaultWatch(context.faults)
    link = CommandLink(Tc66(context, watch), watch, context.seed)
    context.ready({"resource": f"serial:{link.path}", "serial": ""})
    link.serve()


def _raw(value: float, scale: int) -> int:
    """Get a field's integer; what is out of range, or negative, shows the field's end."""
    return FULL_CURRENT if np.isnan(value) else max(round(value * scale), 0)


def _with_checksum(body: bytes) -> bytes:
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return body + crc.to_bytes(4, "little")
