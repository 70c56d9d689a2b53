"""The reports of FNIRSI's FNB48, FNB48S, FNB58 and C1: 64 bytes with a CRC-8; no I/O here.

A report is ``AA``, a kind, 61 bytes and the CRC of bytes 1 to 62. A data report has four
samples of 15 bytes from byte 2 on: volts and amperes (u32, 1e-5), D+ and D- (u16, mV), a
constant 1, temperature (u16, 0.1 °C), little endian; the meaning of byte 62 is not known.
Layout and habits from public loggers (baryluk/fnirsi-usb-power-data-logger, MIT;
fqueze/usb-power-profiling, MPL-2.0), checked against published commands and decoded rows.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab.errors import InstrumentProtocolError

REPORT_BYTES = 64
INFO, START, GO_ON = 0x81, 0x82, 0x83
"""The host's reports: what is not known, begin a second of samples, have another second."""

DATA = 0x04
SAMPLES = 4
INTERVAL_S = 0.01

SAMPLE = np.dtype(
    [
        ("voltage_raw", "<u4"),
        ("current_raw", "<u4"),
        ("d_plus_mv", "<u2"),
        ("d_minus_mv", "<u2"),
        ("constant", "u1"),
        ("temperature_raw", "<u2"),
    ]
)
"""One sample, every field the raw integer."""

PER_UNIT = 100_000
"""Raw volts or amperes in one of them."""

_PREFIX = 0xAA
_POLYNOMIAL, _SEED = 0x39, 0x42


@dataclass(frozen=True, slots=True)
class Habits:
    """How a model is started, and with which report how often it is kept going."""

    start: tuple[int, ...]
    keep_alive: int
    keep_alive_s: float


# One public logger sends it each second, which is when the meter stops; another twice as often.
_NEWER = Habits(start=(INFO, START, START), keep_alive=GO_ON, keep_alive_s=0.5)
# The public logger sends it after each report of 40 ms once 3 ms have passed.
_OLDER = Habits(start=(INFO, START, GO_ON), keep_alive=GO_ON, keep_alive_s=0.003)
HABITS = {
    "2E3C:5558": _NEWER,  # FNB58
    "2E3C:0049": _NEWER,  # FNB48S
    "0483:003A": _OLDER,  # FNB48
    "0483:003B": _OLDER,  # C1
}
"""By the vendor and product of the model's USB descriptor."""


def encode_report(kind: int) -> bytes:
    """Get a report of the host."""
    body = bytes([kind]) + bytes(REPORT_BYTES - 3)
    return bytes([_PREFIX]) + body + bytes([crc8(body)])


def decode_report(report: bytes) -> NDArray[np.void] | None:
    """Read a data report: ``SAMPLE`` ``(4,)``, oldest first; None for one of another kind.

    ``InstrumentProtocolError`` where its length, its first byte or its checksum is wrong.
    """
    if len(report) != REPORT_BYTES or report[0] != _PREFIX:
        raise broken(f"is none: {len(report)} bytes", report)
    if crc8(report[1:-1]) != report[-1]:
        raise broken("fails its checksum", report)
    if report[1] != DATA:
        return None
    return np.frombuffer(report, dtype=SAMPLE, count=SAMPLES, offset=2)


def crc8(data: bytes) -> int:
    """Get the CRC-8 of some bytes: polynomial 39, begun with 42, not reflected."""
    table = _crc_table()
    return functools.reduce(lambda crc, byte: table[crc ^ byte], data, _SEED)


def broken(why: str, report: bytes) -> InstrumentProtocolError:
    """Make the error for a report that breaks the protocol."""
    return InstrumentProtocolError(
        f"a report of the FNIRSI meter {why}",
        hint="connect the meter without a hub, plug it in again, and measure again",
        received=report[:REPORT_BYTES],
    )


@functools.cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc << 1 ^ (0x100 | _POLYNOMIAL if crc & 0x80 else 0)
        table.append(crc)
    return tuple(table)
