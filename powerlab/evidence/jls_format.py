"""The layout of Joulescope's JLS files, version 2 (file format 1.0.0): names, sizes, framing.

Little endian. A file header of 32 bytes, then chunks on multiples of 8 bytes: a header of 32
bytes with its own CRC-32C, and where it has a payload that, zeros, and the CRC-32C of the
payload. Source: ``include/jls/format.h`` of the repository jetperch/jls (Apache-2.0).
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from enum import IntEnum

IDENTIFICATION = bytes.fromhex("6a6c73666d740d0a200a201a2020b21c")
IDENTIFICATION_V1 = bytes.fromhex("d37461676d740d0a")
MAJOR = 1
VERSION = MAJOR << 24

FILE_HEADER = struct.Struct("<16sQII")
"""Identification, length of the file, version, CRC-32C of what stands before it."""

CHUNK_HEADER = struct.Struct("<QQBBHIII")
"""Next and previous of its list, tag, reserved, meta, length, length before, CRC-32C."""

PAYLOAD_HEADER = struct.Struct("<qIHH")
"""First sample, entries, bits of an entry, reserved: begins every DATA, INDEX and SUMMARY."""

SIGNAL = struct.Struct("<HBBIIIIIIII")
"""Source, type, reserved, data type, rate, and six factors by which summaries are made."""

SIGNAL_RESERVED = 92
SOURCE_RESERVED = 64
SEPARATOR = b"\x1f"
"""After the zero that ends a text."""

FSR, VSR = 0, 1
"""Signals of fixed and of variable sample rate."""

F32, F64 = 0x2004, 0x4004
LEVELS = 16


class Tag(IntEnum):
    """What a chunk is; of a track of samples (FSR), annotations or UTC."""

    SOURCE = 0x01
    SIGNAL = 0x02
    FSR_DEF = 0x20
    FSR_HEAD = 0x21
    FSR_DATA = 0x22
    FSR_INDEX = 0x23
    FSR_SUMMARY = 0x24
    VSR_DEF = 0x28
    VSR_HEAD = 0x29
    ANNOTATION_DEF = 0x30
    ANNOTATION_HEAD = 0x31
    ANNOTATION_DATA = 0x32
    ANNOTATION_INDEX = 0x33
    ANNOTATION_SUMMARY = 0x34
    UTC_DEF = 0x38
    UTC_HEAD = 0x39
    UTC_DATA = 0x3A
    UTC_INDEX = 0x3B
    UTC_SUMMARY = 0x3C
    USER = 0x40
    END = 0xFF


EPOCH_NS = int(datetime(2018, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
"""Second 0 of JLS in nanoseconds of the epoch; its unit is 2**-30 s."""


def padded(length: int) -> int:
    """Get the bytes that a payload takes with its padding and CRC."""
    return length and (length + 4 + 7) // 8 * 8


def to_epoch_ns(utc: int) -> int:
    """Get nanoseconds of the epoch from JLS time."""
    return EPOCH_NS + ((utc * 1_000_000_000 + (1 << 29)) >> 30)


def from_epoch_ns(epoch_ns: int) -> int:
    """Get JLS time from nanoseconds of the epoch, rounded to the nearest of its units."""
    return ((epoch_ns - EPOCH_NS << 30) + 500_000_000) // 1_000_000_000


def source_name(instrument: str, evidence: str) -> str:
    """Get the name that powerlab gives a source: the viewer shows it with every signal."""
    return f"{instrument} ({evidence})"


def evidence_in(name: str) -> str:
    """Get the evidence that such a name tells, "" where it tells none."""
    return name.rpartition(" (")[2].removesuffix(")") if name.endswith(")") else ""


def texts(payload: bytes, start: int) -> list[str]:
    """Get the texts at the end of a definition; what is no UTF-8 is marked."""
    parts = payload[start:].split(SEPARATOR)
    return [part.rstrip(b"\0").decode("utf-8", "replace") for part in parts]
