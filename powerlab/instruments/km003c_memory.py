"""What a POWER-Z meter keeps secret from strangers: its memory, and leave to stream; no I/O here.

Both are AES-128-ECB with keys that are public and the same in every meter. A read of memory is
answered by a confirmation and then by the bytes alone, encrypted and rounded up to 16. Leave to
stream is given to who knows the 12 bytes at ``HARDWARE_ID``. Source of keys, addresses and
layouts: okhsunrog/km003c-protocol-research (MIT), checked against captured sessions.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from powerlab.instruments.km003c_frames import broken

MEMORY_READ, STREAMING = 0x44, 0x4C
MEMORY_CONFIRMED = MEMORY_READ | 0x80


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the meter's memory that tells something."""

    address: int
    size: int


DEVICE, FIRMWARE = Place(0x420, 64), Place(0x4420, 64)
CALIBRATION = Place(0x0300_0C00, 64)
HARDWARE_ID = Place(0x4001_0450, 12)

_MEMORY_KEY, _STREAMING_KEY = b"Lh2yfB7n6X7d9a5Z", b"Fa0b4tA25f4R038a"
_CIPHER_BYTES = 16
_ACCEPTED = 0x0002


def encode_memory_read(identifier: int, place: Place) -> bytes:
    """Get the request for some bytes of memory."""
    asked = struct.pack("<III", place.address, place.size, 0xFFFF_FFFF)
    plain = (asked + struct.pack("<I", zlib.crc32(asked))).ljust(2 * _CIPHER_BYTES, b"\xff")
    head = bytes([MEMORY_READ, identifier & 0xFF, 0x01, 0x01])
    return head + _cipher(_MEMORY_KEY, plain, encrypt=True)


def confirms(packet: bytes, identifier: int, place: Place) -> bool:
    """Tell whether a packet announces the bytes that were asked for."""
    if len(packet) != 4 + _CIPHER_BYTES or packet[:2] != bytes([MEMORY_CONFIRMED, identifier]):
        return False
    return struct.unpack_from("<II", packet, 4) == (place.address, place.size)


def decode_memory(packet: bytes, place: Place) -> bytes:
    """Decrypt what came from a place; ``InstrumentProtocolError`` where it is of another size."""
    if len(packet) != -(-place.size // _CIPHER_BYTES) * _CIPHER_BYTES:
        raise broken(f"{len(packet)} bytes of memory came for {place.size}", packet)
    return _cipher(_MEMORY_KEY, packet, encrypt=False)[: place.size]


def encode_streaming(identifier: int, hardware_id: bytes) -> bytes:
    """Get the request for leave to stream.

    The time and the filling that may surround ``hardware_id`` are not looked at: they are zero.
    """
    plain = bytes(8) + hardware_id.ljust(HARDWARE_ID.size, b"\0") + bytes(12)
    head = bytes([STREAMING, identifier & 0xFF, 0x00, 0x02])
    return head + _cipher(_STREAMING_KEY, plain, encrypt=True)


def streaming_granted(packet: bytes) -> bool | None:
    """Tell what an answer to that request says; None for a packet that is none.

    Its id is 0, whatever that of the request was.
    """
    if len(packet) < 4 or packet[0] & 0x7F != STREAMING:
        return None
    return bool(int.from_bytes(packet[2:4], "little") & _ACCEPTED)


def decode_text(memory: bytes, at: int, size: int) -> str:
    """Read a text field of a memory block: what is printable before its first zero byte."""
    field = memory[at : at + size].split(b"\0", 1)[0].decode("ascii", "ignore").strip()
    return field if field.isprintable() else ""


def _cipher(key: bytes, data: bytes, *, encrypt: bool) -> bytes:
    # The vendor chose the mode.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    cipher = Cipher(algorithms.AES128(key), modes.ECB())  # noqa: S305
    return (cipher.encryptor() if encrypt else cipher.decryptor()).update(data)
