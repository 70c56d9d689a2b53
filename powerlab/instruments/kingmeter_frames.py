"""The HID reports of KingMeter and POWER-Z KT meters, as far as anybody has told; no I/O here.

All from the notes of one public logger (fqueze/usb-power-profiling, MPL-2.0) and 33 bytes of
one report in them. The host's report is ``55``, the count of what follows up to the first
checksum, a command, the sum of all before it (8 bits) and the CRC-16/MODBUS of the same bytes
(little endian). A data report begins with ``AA 25 62 05 0B 01``; then come i32 volts, amperes
and watts (1e-6), D+ and D- (1e-3), a second pair of volts and amperes (1e-6) and a temperature
(i16, 0.1 °C), little endian; bytes 38 to 62 are zero.

A data report has no checksum that anybody has found. What the meter's two pairs are, and why
its watts are the product of neither, is not known.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from powerlab.errors import InstrumentProtocolError

REPORT_BYTES = 64
EACH_10_MS = bytes.fromhex("311ab10103")
"""Sets the pace that the vendor calls 100 samples a second."""

GET_200 = bytes.fromhex("22050b00")
"""Asks for the next 200 samples, a report each."""

_DATA = bytes.fromhex("aa2562050b01")
_FIELDS = struct.Struct("<7ihBB")
_ZERO = slice(38, 63)
_HOST = 0x55


@dataclass(frozen=True, slots=True)
class KtReading:
    """One data report, raw integers as they came; SI values are properties."""

    voltage_raw: int
    current_raw: int
    power_raw: int
    d_plus_raw: int
    d_minus_raw: int
    second_voltage_raw: int
    second_current_raw: int
    temperature_raw: int
    unknown: int
    unknown_too: int

    @property
    def voltage_v(self) -> float:
        """Get the voltage of the first pair [V]."""
        return self.voltage_raw / 1_000_000

    @property
    def current_a(self) -> float:
        """Get the current of the first pair [A]."""
        return self.current_raw / 1_000_000

    @property
    def power_w(self) -> float:
        """Get the power that the meter tells [W]."""
        return self.power_raw / 1_000_000

    @property
    def second_voltage_v(self) -> float:
        """Get the voltage of the second pair [V]."""
        return self.second_voltage_raw / 1_000_000

    @property
    def second_current_a(self) -> float:
        """Get the current of the second pair [A]."""
        return self.second_current_raw / 1_000_000

    @property
    def d_plus_v(self) -> float:
        """Get the voltage of the D+ line [V]."""
        return self.d_plus_raw / 1000

    @property
    def d_minus_v(self) -> float:
        """Get the voltage of the D- line [V]."""
        return self.d_minus_raw / 1000

    @property
    def temperature_c(self) -> float:
        """Get the temperature [°C]."""
        return self.temperature_raw / 10

    @property
    def agrees(self) -> bool:
        """Tell whether pairs and watts agree within 15 % and 0.2 V or W, as they do in a report.

        It is all there is to find a damaged one by.
        """
        told = (self.second_voltage_v - self.voltage_v, self.power_w - self._product_w)
        sizes = (self.voltage_v, self._product_w)
        near = (abs(by) <= 0.15 * abs(of) + 0.2 for by, of in zip(told, sizes, strict=True))
        return all(near)

    @property
    def _product_w(self) -> float:
        return self.voltage_v * self.current_a


def encode_command(command: bytes) -> bytes:
    """Get the report of a command."""
    plain = bytes([_HOST, len(command) + 1]) + command
    summed = plain + bytes([sum(plain) & 0xFF])
    return (summed + _crc16(plain).to_bytes(2, "little")).ljust(REPORT_BYTES, b"\0")


def decode_report(report: bytes) -> KtReading | None:
    """Read a data report; None for one of another kind.

    ``InstrumentProtocolError`` where it is cut, or has something where every report has nothing.
    """
    if len(report) != REPORT_BYTES:
        raise broken(f"has {len(report)} bytes, not {REPORT_BYTES}", report)
    if not report.startswith(_DATA):
        return None
    if any(report[_ZERO]):
        raise broken("has data where there is none", report)
    return KtReading(*_FIELDS.unpack_from(report, len(_DATA)))


def broken(why: str, report: bytes) -> InstrumentProtocolError:
    """Make the error for a report that breaks the protocol."""
    return InstrumentProtocolError(
        f"a report of the KT meter {why}",
        hint="connect the meter without a hub, plug it in again, and measure again",
        received=report[:REPORT_BYTES],
    )


def _crc16(data: bytes) -> int:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
