"""Every pure codec against what a wire can do to it: cut, changed, foreign; and nothing else.

What a codec may answer is a value, nothing, or its family's error. Frames with a check never
bring another value once a byte is changed. These have none, so that a changed byte can make
another value, and only the link keeps it from that: KM003C, KingMeter and Monsoon (USB's own
check of each packet), UM24C and UM25C (a model and a trailer), UM34C (its check byte covers 42 of
130 bytes), Joulescope, PPK2 (a counter in each sample), LPM01A (marks between samples),
PowerSensor3 (a mark in each byte).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.emulation import avhzy_ct3, fnirsi_fnb, kingmeter, power_z_km003c, rdtech_tc66
from powerlab.errors import InstrumentProtocolError
from powerlab.instruments import (
    avhzy_frames,
    fnirsi_frames,
    joulescope_statistics,
    kingmeter_frames,
    km003c_frames,
    monsoon_packets,
    powersensor3_config,
    ppk2_metadata,
    tc66_frames,
    um_frames,
)
from powerlab.instruments.lpm01a_ascii import AsciiReader
from powerlab.instruments.lpm01a_binary import BinaryReader
from powerlab.instruments.powersensor3_stream import SetReader
from powerlab.instruments.ppk2_samples import SampleReader
from powerlab.transport.json_lines import LineSplitter

FEW = settings(max_examples=60, deadline=None)
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Codec:
    """One decoder of frames, and one whole frame.

    ``decode`` makes of bytes what can be compared; None and () are nothing. ``checked`` says
    that each byte of the frame is under its check.
    """

    name: str
    decode: Callable[[bytes], Any]
    frame: bytes
    checked: bool = False


def avhzy(received: bytes) -> Any:
    """Get the samples of whole frames, which must be those of request 1."""
    payloads, _, _ = avhzy_frames.split_frames(received)
    told = (avhzy_frames.decode_sample(payload, 1) for payload in payloads)
    return tuple(sample for sample in told if sample is not None)


def fnirsi(received: bytes) -> Any:
    """Get the samples of a report."""
    samples = fnirsi_frames.decode_report(received)
    return None if samples is None else samples.tolist()


def km003c(received: bytes) -> Any:
    """Get what the blocks of a reply hold."""
    found: list[Any] = []
    for block in km003c_frames.decode_blocks(received):
        if block.attribute == km003c_frames.ADC:
            found.append(km003c_frames.decode_adc(block.payload))
        elif block.attribute == km003c_frames.ADC_QUEUE:
            found.append(km003c_frames.decode_queue(block.payload).tolist())
    return tuple(map(str, found))


def tc66_array(received: bytes) -> Any:
    """Get the readings of intact frames."""
    readings, intact = tc66_frames.decode_frames(received)
    return tuple(readings[intact].tolist())


def um34c() -> bytes:
    """Build a UM34C's frame by the public layout, its check byte last."""
    frame = bytearray((0x0D4C).to_bytes(2) + (506).to_bytes(2) + (114).to_bytes(2) + bytes(124))
    check = 0
    for place in um_frames.XOR_BYTES:
        check ^= frame[place]
    frame[-1] = check
    return bytes(frame)


ADC_BLOCK = struct.pack("<6i5HhBB3H", *(5_000_000, 200_000) * 3, *range(5), 300, 3, 0, 0, 0, 0)
QUEUED = b"".join(struct.pack("<HHii4H", n, 0, 5_000_000, 200_000, 0, 0, 0, 0) for n in range(3))
UM25C = bytes.fromhex("09c913c6047a00000244") + bytes(118) + bytes.fromhex("fff1")
TC66 = rdtech_tc66.Frame(voltage=50_620, current=11_460, power=5_801).encode()
CT3 = avhzy_ct3.frame(struct.pack("<BBBBffQQ", 4, 0, 1, 0, 5.0, 0.2, 0, 7_000_000))
FNB = fnirsi_fnb.report(b"\x04" + 4 * struct.pack("<IIHHBH", 500_000, 10_000, 1, 1, 1, 1) + b"\0")
RAW = joulescope_statistics.RAW.pack(0x9200_03E8, 1_000_000, 0, 1000, *range(9), bytes(96))
MONSOON = struct.pack("<HBB", 0, 0, 2) + 2 * struct.pack(">8HBB", 1, 2, 0, 0, 0, 0, 20_000, 0, 0, 0)
PPK2 = b"".join(
    f"{key}{number}: 1\n".encode()
    for key in ("R", "GS", "GI", "O", "S", "I", "UG")
    for number in range(5)
)

CODECS = (
    Codec("avhzy", avhzy, CT3, checked=True),
    Codec("fnirsi", fnirsi, FNB, checked=True),
    Codec("tc66", tc66_frames.decode_frame, TC66, checked=True),
    Codec("tc66 stream", lambda received: tc66_frames.split_frame(received)[0], TC66, checked=True),
    Codec("um25c", um_frames.decode_frame, UM25C),
    Codec("um34c", um_frames.decode_frame, um34c()),
    Codec("um stream", lambda received: um_frames.split_frame(received)[0], UM25C),
    Codec("kingmeter", kingmeter_frames.decode_report, kingmeter.data_report(5.0, 0.2)),
    Codec(
        "km003c",
        km003c,
        power_z_km003c.put_data(
            10,
            [(km003c_frames.ADC, 0, 44, ADC_BLOCK), (km003c_frames.ADC_QUEUE, 3, 20, QUEUED)],
        ),
    ),
    Codec("monsoon", lambda raw: monsoon_packets.parse_packet(raw).observations.tolist(), MONSOON),
    Codec("joulescope", joulescope_statistics.decode_raw, RAW),
    Codec(
        "powersensor3",
        powersensor3_config.parse_record,
        powersensor3_config.RECORD.pack(b"ACS712", b"5V", 1.65, 0.1, 1),
    ),
    Codec("ppk2", ppk2_metadata.parse_metadata, PPK2 + b"END\n"),
)

every_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)


def told(codec: Codec, received: bytes) -> Any:
    """Get what a codec makes of bytes; its family's error is ``REFUSED``, any other is raised."""
    try:
        return codec.decode(received)
    except InstrumentProtocolError:
        return REFUSED


@every_codec
def test_a_frame_cut_anywhere_brings_nothing(codec: Codec) -> None:
    """A frame is no frame before its last byte, or of its text's end the first."""
    assert told(codec, codec.frame) not in (REFUSED, None, ())
    for length in range(len(codec.frame)):
        found = told(codec, codec.frame[:length])
        assert found in (REFUSED, None, ()) or codec.frame[length:] == b"\n", length


@every_codec
def test_a_byte_changed_anywhere_is_no_other_error(codec: Codec) -> None:
    """One bit or all bits of any byte: a value or an error, and with a check no other value."""
    whole = told(codec, codec.frame)
    for place in range(len(codec.frame)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(codec.frame)
            changed[place] ^= mask
            found = told(codec, bytes(changed))
            assert not codec.checked or found in (REFUSED, None, (), whole), (place, mask)


@FEW
@given(received=st.binary(max_size=300))
def test_foreign_bytes_are_no_other_error(received: bytes) -> None:
    """Whatever comes, with a frame's first byte or without, each codec answers or refuses."""
    for codec in CODECS:
        told(codec, received)
        told(codec, codec.frame[:1] + received)
        told(codec, received[: len(codec.frame)].ljust(len(codec.frame), b"\0"))


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader of a stream: how to get a new one, what it makes of bytes, and a whole stream."""

    name: str
    make: Callable[[], Callable[[bytes], list[Any]]]
    stream: bytes


def ppk2_reader() -> Callable[[bytes], list[Any]]:
    """Get a reader of the PPK2's samples."""
    reader = SampleReader()
    return lambda data: reader.feed(data).words.tolist()


def text_reader() -> Callable[[bytes], list[Any]]:
    """Get a reader of the LPM01A's text."""
    reader = AsciiReader()
    return lambda data: reader.feed(data).values.tolist()


def binary_reader() -> Callable[[bytes], list[Any]]:
    """Get a reader of the LPM01A's binary stream."""
    reader = BinaryReader()
    return lambda data: reader.feed(data).values.tolist()


def set_reader() -> Callable[[bytes], list[Any]]:
    """Get a reader of PowerSensor3's sets: their times."""
    reader = SetReader()
    return lambda data: reader.feed(data).levels.tolist()


def line_reader() -> Callable[[bytes], list[Any]]:
    """Get a reader of lines."""
    return LineSplitter().feed


def sensor_sets(count: int) -> bytes:
    """Build PowerSensor3's sets, one each 50 microseconds."""
    out = b""
    for number in range(count):
        stamp = 50 * number % 1024
        out += bytes([0xF0 | stamp >> 6, 0x40 | stamp & 0x3F])
        out += b"".join(bytes([0x80 | sensor << 4, number % 64]) for sensor in range(8))
    return out


COUNTED = np.arange(80, dtype="<u4")
READERS = (
    Reader("ppk2", ppk2_reader, (500 + COUNTED | COUNTED % 64 << 18).astype("<u4").tobytes()),
    Reader("lpm01a text", text_reader, b"".join(b"%04d-06\r\n" % n for n in range(1000, 1040))),
    Reader(
        "lpm01a binary",
        binary_reader,
        b"ack start\r\n" + bytes.fromhex("52a0 51b5" * 60 + "f0f3 00000001 00 ffff"),
    ),
    Reader("powersensor3", set_reader, sensor_sets(20)),
    Reader("lines", line_reader, b"".join(b'{"a":%d}\r\n' % n for n in range(20))),
)
every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


@every_reader
def test_a_stream_cut_anywhere_is_the_same_stream(reader: Reader) -> None:
    """Two pieces, cut at every byte, and all bytes by themselves, bring the same in all."""
    whole = reader.make()(reader.stream)
    assert len(whole) > 10
    for cut in range(1, len(reader.stream)):
        feed = reader.make()
        assert feed(reader.stream[:cut]) + feed(reader.stream[cut:]) == whole, cut
    feed = reader.make()
    single = [item for byte in reader.stream for item in feed(bytes([byte]))]
    assert single == whole


@every_reader
@FEW
@given(pieces=st.lists(st.binary(max_size=90), max_size=8), place=st.integers(0, 300))
def test_a_foreign_stream_is_no_other_error(
    reader: Reader, pieces: list[bytes], place: int
) -> None:
    """Noise alone, and noise within a stream, which the reader finds again or gives up."""
    for stream in (pieces, [reader.stream[:place], *pieces, reader.stream[place:]]):
        feed = reader.make()
        try:
            for piece in stream:
                feed(piece)
        except InstrumentProtocolError:
            continue
