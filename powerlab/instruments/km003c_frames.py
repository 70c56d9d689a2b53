"""The packets of ChargerLAB's POWER-Z KM003C and KM002C: headers, ADC, sample queue; no I/O here.

Sources: "KM002C&3C API Description" (ChargerLAB) and okhsunrog/km003c-protocol-research (MIT),
checked against captured frames and sessions. All is little endian. A packet begins with 32 bits:
type (7 bits), id (bits 8 to 15; a reply has that of its request) and an attribute (bits 17 to
31). Behind it a reply with data has blocks, each after a header of its own: attribute (15 bits),
whether another block follows (1), a count (6) and a size in bytes (10). The length of a reply in
its first header follows two rules and is not looked at.

A packet has no checksum: USB guards each transfer with its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab.errors import InstrumentProtocolError

CONNECT, DISCONNECT, ACCEPT, REJECT = 0x02, 0x03, 0x05, 0x06
GET_DATA, START_GRAPH, STOP_GRAPH, PUT_DATA = 0x0C, 0x0E, 0x0F, 0x41
ADC, ADC_QUEUE, PD_TRACE = 0x0001, 0x0002, 0x0020
"""Attributes, of which a request for data may name several at once."""

RATES_HZ = (2, 10, 50, 1000)
"""Samples a second of the queue, by the index that ``START_GRAPH`` takes."""

TICK_S = 0.001
"""What the sequence number of a queued sample counts, at each rate."""

MOST_QUEUED = 63
"""Samples that one reply can carry: its count has 6 bits."""

SAMPLE_BYTES = 20
NO_TEMPERATURE = -32768

QUEUED = np.dtype(
    [
        ("sequence", "<u2"),
        ("marker", "<u2"),
        ("vbus_uv", "<i4"),
        ("ibus_ua", "<i4"),
        ("cc1", "<u2"),
        ("cc2", "<u2"),
        ("d_plus", "<u2"),
        ("d_minus", "<u2"),
    ]
)
"""One queued sample; the last four are in 0.1 mV at 2 samples a second, else in 1 mV."""

_EXTENDED_SIZE = 4
_ADC = struct.Struct("<6ih5HBB")
_ADC_AVERAGES = struct.Struct("<3H")
_NO_PACKET = 4
_NO_BLOCK = "a reply ends within a block"


@dataclass(frozen=True, slots=True)
class Header:
    """What every packet begins with; ``attribute`` is the mask or parameter, unshifted."""

    kind: int
    identifier: int
    attribute: int


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a reply: what it holds, its count (of samples, in a queue) and its bytes."""

    attribute: int
    count: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class AdcReading:
    """The meter's present reading, raw integers as they came; SI values are properties.

    ``averages`` are those of CC2, D+ and D- [mV], () from firmware that sends 40 bytes.
    """

    vbus_uv: int
    ibus_ua: int
    vbus_average_uv: int
    ibus_average_ua: int
    vbus_uncalibrated: int
    ibus_uncalibrated: int
    temperature_raw: int
    cc1: int
    cc2: int
    d_plus: int
    d_minus: int
    vdd: int
    rate_index: int
    flags: int
    averages: tuple[int, ...] = ()

    @property
    def voltage_v(self) -> float:
        """Get the voltage [V]."""
        return self.vbus_uv / 1_000_000

    @property
    def current_a(self) -> float:
        """Get the current [A], positive from the female to the male connector."""
        return self.ibus_ua / 1_000_000

    @property
    def temperature_c(self) -> float | None:
        """Get the temperature [°C], None where the meter has none to tell."""
        return None if self.temperature_raw == NO_TEMPERATURE else self.temperature_raw / 128


def encode_request(kind: int, identifier: int, attribute: int = 0) -> bytes:
    """Get a request: GetData takes a mask of attributes, StartGraph the index of a rate."""
    return struct.pack("<BBH", kind, identifier & 0xFF, attribute << 1)


def decode_header(packet: bytes) -> Header:
    """Read a packet's first 32 bits; ``InstrumentProtocolError`` where it is shorter."""
    if len(packet) < _NO_PACKET:
        raise broken(f"a reply of {len(packet)} bytes is too short for a header", packet)
    kind, identifier, rest = struct.unpack_from("<BBH", packet)
    return Header(kind & 0x7F, identifier, rest >> 1)


def decode_blocks(packet: bytes) -> tuple[Block, ...]:
    """Take a reply with data apart; () for one that has nothing new to tell.

    ``InstrumentProtocolError`` where its blocks do not fill it to the byte.
    """
    if decode_header(packet).kind != PUT_DATA:
        raise broken(f"a reply of type {packet[0]:02x} holds no data", packet)
    blocks, at, follows = list[Block](), _NO_PACKET, len(packet) > _NO_PACKET
    while follows:
        if at + _EXTENDED_SIZE > len(packet):
            raise broken(_NO_BLOCK, packet)
        (word,) = struct.unpack_from("<I", packet, at)
        attribute, follows = word & 0x7FFF, bool(word & 0x8000)
        count, size = word >> 16 & 0x3F, word >> 22
        at += _EXTENDED_SIZE
        end = at + _block_bytes(attribute, count, size, packet[at:])
        if end > len(packet):
            raise broken(_NO_BLOCK, packet)
        blocks.append(Block(attribute, count, packet[at:end]))
        at = end
    if at != len(packet):
        raise broken(f"a reply has {len(packet) - at} bytes behind its last block", packet)
    return tuple(blocks)


def decode_adc(payload: bytes) -> AdcReading:
    """Read an ADC block of 44 bytes, or the 40 or 38 of older firmware.

    ``InstrumentProtocolError`` where it is shorter than what every firmware sends.
    """
    if len(payload) < _ADC.size:
        raise broken(f"an ADC block has {len(payload)} bytes, not {_ADC.size} or more", payload)
    whole = len(payload) >= _ADC.size + _ADC_AVERAGES.size
    averages = _ADC_AVERAGES.unpack_from(payload, _ADC.size) if whole else ()
    return AdcReading(*(*_ADC.unpack_from(payload), averages))


def decode_queue(payload: bytes) -> NDArray[np.void]:
    """Read queued samples laid end to end: ``QUEUED`` ``(n,)``, oldest first.

    ``InstrumentProtocolError`` where the bytes are no whole number of samples.
    """
    if len(payload) % SAMPLE_BYTES:
        raise broken(f"a queue of {len(payload)} bytes is no whole number of samples", payload)
    return np.frombuffer(payload, dtype=QUEUED)


def broken(why: str, packet: bytes) -> InstrumentProtocolError:
    """Make the error for a packet that breaks the protocol."""
    return InstrumentProtocolError(
        f"POWER-Z: {why}",
        hint="close the vendor's application and other programs that use the meter, plug it in "
        "again, and measure again",
        received=packet[:256],
    )


def _block_bytes(attribute: int, count: int, size: int, rest: bytes) -> int:
    """Get a block's length: a queue's size is that of one sample, a trace's is told as 0.

    A trace of USB-PD states is two lists, each behind its own length.
    """
    if attribute == ADC_QUEUE:
        if size != SAMPLE_BYTES:
            raise broken(f"a queued sample has {size} bytes, not {SAMPLE_BYTES}", rest)
        return count * size
    if attribute == PD_TRACE and size == 0:
        first = rest[0] if rest else 0
        second = rest[first + 1] if first + 1 < len(rest) else 0
        return first + second + 2
    return size
