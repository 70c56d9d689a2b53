"""The replies of RDTech's TC66 and TC66C: 192 bytes under AES-256-ECB, no I/O here.

Decrypted, a reply is three blocks of 64 bytes, little endian: ``pac1`` (who, volts, amperes,
watts), ``pac2`` (counters, temperature, data lines) and ``pac3`` (empty). Each begins with its
tag and ends with the CRC-16/MODBUS of its first 60 bytes, as 32 bits. Layout and key from
public descriptions of the protocol, checked against a captured TC66C frame.

The cipher works in 16 bytes at a time: one byte lost or added makes noise of everything after
it, so a frame is looked for at every byte of what came.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from powerlab.errors import InstrumentProtocolError

REQUEST = b"getva"
FRAME_BYTES = 192
MODEL = "TC66"

# The same in every meter and public: it hides nothing and proves nothing.
_KEY = bytes.fromhex("5821fa5601b2f02687ff1204622a4fb086f40260816f9a0ba7f106619ab87288")
_CIPHER_BYTES = 16
_TAGS = np.frombuffer(b"pac1pac2pac3", dtype="<u4")
_WORDS = 30  # of two bytes, in a block before its checksum
_AT_ONCE = 1024  # frames: what a processor's cache holds beside the checksum's table

# Name, format and offset of each field, in the order of ``Tc66Reading``.
_FIELDS = (
    ("model", "S4", 4),
    ("firmware", "S4", 8),
    ("serial_number", "<u4", 12),
    ("runs", "<u4", 44),
    ("voltage_raw", "<u4", 48),
    ("current_raw", "<u4", 52),
    ("power_raw", "<u4", 56),
    ("resistance_raw", "<u4", 68),
    ("group_0_mah", "<u4", 72),
    ("group_0_mwh", "<u4", 76),
    ("group_1_mah", "<u4", 80),
    ("group_1_mwh", "<u4", 84),
    ("temperature_sign", "<u4", 88),
    ("temperature_raw", "<u4", 92),
    ("d_plus_raw", "<u4", 96),
    ("d_minus_raw", "<u4", 100),
)
READING = np.dtype(
    {
        "names": [name for name, _, _ in _FIELDS],
        "formats": [kind for _, kind, _ in _FIELDS],
        "offsets": [place for _, _, place in _FIELDS],
        "itemsize": FRAME_BYTES,
    }
)
"""A decrypted frame as one element of a structured array, every field the raw integer."""


@dataclass(frozen=True, slots=True)
class Tc66Reading:
    """One reply, every field as the raw integer that came; SI values are properties."""

    model: bytes
    firmware: bytes
    serial_number: int
    runs: int
    voltage_raw: int
    current_raw: int
    power_raw: int
    resistance_raw: int
    group_0_mah: int
    group_0_mwh: int
    group_1_mah: int
    group_1_mwh: int
    temperature_sign: int
    temperature_raw: int
    d_plus_raw: int
    d_minus_raw: int

    @property
    def voltage_v(self) -> float:
        """Get the voltage [V]."""
        return self.voltage_raw / 10_000

    @property
    def current_a(self) -> float:
        """Get the current [A]; the meter tells no sign."""
        return self.current_raw / 100_000

    @property
    def power_w(self) -> float:
        """Get the power [W], rounded by the meter itself."""
        return self.power_raw / 10_000

    @property
    def resistance_ohm(self) -> float:
        """Get volts over amperes as the meter shows it [ohm]."""
        return self.resistance_raw / 10

    @property
    def temperature(self) -> int:
        """Get the temperature in the unit that the meter's menu is set to."""
        return -self.temperature_raw if self.temperature_sign else self.temperature_raw

    @property
    def d_plus_v(self) -> float:
        """Get the voltage of the D+ line [V]."""
        return self.d_plus_raw / 100

    @property
    def d_minus_v(self) -> float:
        """Get the voltage of the D- line [V]."""
        return self.d_minus_raw / 100


def decode_frame(frame: bytes) -> Tc66Reading:
    """Decode one reply of 192 bytes; ``InstrumentProtocolError`` where it is none."""
    if len(frame) != FRAME_BYTES:
        raise broken_reply(f"has {len(frame)} bytes, not {FRAME_BYTES}", frame)
    readings, intact = decode_frames(frame)
    if not intact[0]:
        raise broken_reply("fails its checksums", frame)
    return Tc66Reading(*readings[0].item())


def decode_frames(frames: bytes) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
    """Decode replies laid end to end: ``READING`` ``(n,)``, and which of them are intact.

    What an element says that is not intact means nothing. ``InstrumentProtocolError`` where
    the bytes are no whole number of replies.
    """
    if len(frames) % FRAME_BYTES:
        raise broken_reply(f"has {len(frames)} bytes, no multiple of {FRAME_BYTES}", frames)
    plain = _decrypted(frames)
    blocks = plain.reshape(-1, len(_TAGS), FRAME_BYTES // len(_TAGS))
    intact = [_intact(blocks[at : at + _AT_ONCE]) for at in range(0, len(blocks), _AT_ONCE)]
    return plain.view(READING), np.concatenate(intact) if intact else np.zeros(0, dtype=np.bool_)


def split_frame(received: bytes) -> tuple[Tc66Reading | None, bytes]:
    """Find the first whole reply in a stream: it, and the bytes that may belong to the next.

    A frame may begin at any byte. What begins like one and fails its checksums is passed over,
    so one lost byte costs one reply and no more.
    """
    for start in _beginnings(received):
        frame = received[start : start + FRAME_BYTES]
        if len(frame) < FRAME_BYTES:
            return None, frame
        try:
            return decode_frame(frame), received[start + FRAME_BYTES :]
        except InstrumentProtocolError:
            continue
    return None, received[max(0, len(received) - _CIPHER_BYTES + 1) :]


def broken_reply(why: str, frame: bytes) -> InstrumentProtocolError:
    """Make the error for a reply that breaks the protocol."""
    return InstrumentProtocolError(
        f"the USB meter's reply {why}",
        hint="check that a TC66 or TC66C is on this port, in normal operation and not in its "
        "boot loader, and that no other program uses it",
        sent=REQUEST,
        received=frame[: 2 * FRAME_BYTES],
    )


def _decrypted(frames: bytes) -> NDArray[np.uint8]:
    # The vendor chose the mode; each block of the cipher is on its own, so one call does all.
    decryptor = Cipher(algorithms.AES256(_KEY), modes.ECB()).decryptor()  # noqa: S305
    return np.frombuffer(decryptor.update(frames), dtype=np.uint8)


def _beginnings(received: bytes) -> Iterator[int]:
    """Get every place from which on 16 bytes decrypt to what a frame begins with."""
    if len(received) < _CIPHER_BYTES:
        return
    windows = np.lib.stride_tricks.sliding_window_view(
        np.frombuffer(received, dtype=np.uint8), _CIPHER_BYTES
    )
    firsts = _decrypted(windows.tobytes()).view("<u4").reshape(len(windows), -1)[:, 0]
    yield from np.flatnonzero(firsts == _TAGS[0]).tolist()


def _intact(blocks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell of decrypted frames, uint8 ``(n, 3, 64)``, which have all tags and checksums right."""
    numbers = blocks.view("<u4")
    right = (numbers[..., 0] == _TAGS) & (numbers[..., -1] == _crc16(blocks.view("<u2")))
    return np.asarray(right.all(axis=1))


def _crc16(words: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Get the CRC-16/MODBUS of the first 60 bytes of blocks, ``(..., 32)`` to ``(...,)``.

    It has 16 bits, as two bytes have: one look-up in a table of 65536 carries it over both.
    """
    table = _crc_table()
    crc = np.full(words.shape[:-1], 0xFFFF, dtype=np.uint16)
    for word in np.ascontiguousarray(np.moveaxis(words, -1, 0)[:_WORDS]):
        crc = np.take(table, crc ^ word, mode="clip")  # no check: every index is in the table
    return crc


@functools.cache
def _crc_table() -> NDArray[np.uint16]:
    table: NDArray[np.uint16] = np.arange(1 << 16, dtype=np.uint16)
    for _ in range(16):
        table = np.where(table & 1, table >> 1 ^ 0xA001, table >> 1).astype(np.uint16)
    return table
