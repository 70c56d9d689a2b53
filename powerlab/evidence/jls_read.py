"""JLS files read: definitions, where the samples are, and the samples piece by piece.

Every chunk that is read has its CRC checked, and every length is checked against the file
before anything of that length is read. Nothing but the places of the samples is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from powerlab.errors import ConfigError
from powerlab.evidence.crc32c import crc32c
from powerlab.evidence.files import damaged
from powerlab.evidence.jls_format import (
    CHUNK_HEADER,
    F32,
    F64,
    FILE_HEADER,
    FSR,
    IDENTIFICATION,
    IDENTIFICATION_V1,
    MAJOR,
    PAYLOAD_HEADER,
    SIGNAL,
    SIGNAL_RESERVED,
    SOURCE_RESERVED,
    Tag,
    padded,
    texts,
)
from powerlab.records import FloatArray

MOST_PAYLOAD = 64 << 20
"""A chunk's payload beyond this is refused; writers make them of some 32 KiB."""

MOST_SAMPLE = 1 << 52
"""Numbers of samples are exact in a float64 up to here: a century at 1 MHz."""

LATEST = 1 << 62
"""In JLS time, the year 2154."""

MOST_DEFINED = 256
"""Sources and signals that a file may define."""

_SIZES = {F32: 4, F64: 8}
_TYPES = {F32: "<f4", F64: "<f8"}


@dataclass(frozen=True, slots=True)
class Source:
    """What a signal came from."""

    name: str
    vendor: str
    model: str
    version: str
    serial: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where samples stand: the chunk's offset, its first sample's number, and how many."""

    offset: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal of fixed rate; ``utc`` pairs sample numbers with JLS time."""

    number: int
    source: int
    name: str
    unit: str
    rate_hz: int
    data_type: int
    places: list[Place] = field(default_factory=list)
    utc: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class JlsFile:
    """The definitions of a file and where the samples of its signals are."""

    path: Path
    sources: dict[int, Source]
    signals: dict[int, Signal]


@dataclass(frozen=True, slots=True)
class _Header:
    offset: int
    tag: int
    meta: int
    length: int


def open_jls(path: Path) -> JlsFile:
    """Read the definitions of a file and the places of its samples.

    Raises ConfigError with the offset of what is damaged.
    """
    found = JlsFile(path, {}, {})
    with _opened(path) as file:
        size = _check_file_header(path, file)
        tag = -1
        for header in _headers(path, file, size):
            tag = header.tag
            _take(found, file, header)
        if tag != Tag.END:
            raise _bad(path, size, "has no end", "it was not closed: open and save it in a viewer")
    return found


def pieces(file: JlsFile, signal: Signal) -> Iterator[tuple[int, FloatArray]]:
    """Yield ``(number of the first sample, samples)`` of a signal, float64, in order."""
    size = _SIZES[signal.data_type]
    with _opened(file.path) as opened:
        for place in signal.places:
            opened.seek(place.offset)
            header = _header(file.path, opened, os.fstat(opened.fileno()).st_size)
            payload = _payload(file.path, opened, header)
            if len(payload) != PAYLOAD_HEADER.size + size * place.count:
                raise _bad(file.path, place.offset, f"does not hold its {place.count} samples")
            values = np.frombuffer(payload, _TYPES[signal.data_type], offset=PAYLOAD_HEADER.size)
            yield place.start, values.astype(np.float64)


def products(
    one: Iterator[tuple[int, FloatArray]], other: Iterator[tuple[int, FloatArray]]
) -> Iterator[tuple[int, FloatArray]]:
    """Yield the products of two signals over the samples that both have."""
    a, b = next(one, None), next(other, None)
    while a is not None and b is not None:
        start = max(a[0], b[0])
        a_stop, b_stop = a[0] + len(a[1]), b[0] + len(b[1])
        stop = min(a_stop, b_stop)
        if start < stop:
            yield start, a[1][start - a[0] : stop - a[0]] * b[1][start - b[0] : stop - b[0]]
        if a_stop <= stop:
            a = next(one, None)
        if b_stop <= stop:
            b = next(other, None)


# --- chunks --------------------------------------------------------------------------


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise damaged(path, f"cannot be read: {error.strerror}") from error


def _bad(path: Path, offset: int, what: str, hint: str = "") -> ConfigError:
    return damaged(path, f"at byte {offset}: {what}", hint=hint)


def _check_file_header(path: Path, file: BinaryIO) -> int:
    """Get the length of the file. Raises ConfigError for another format, and for a part of one."""
    raw = file.read(FILE_HEADER.size)
    if raw.startswith(IDENTIFICATION_V1):
        raise damaged(
            path,
            "is a JLS file of version 1",
            hint="open it in Joulescope's viewer and save it, which writes version 2",
        )
    if len(raw) < FILE_HEADER.size or not raw.startswith(IDENTIFICATION):
        raise damaged(path, "is no JLS file", hint="name its format with --format")
    _, length, version, stated = FILE_HEADER.unpack(raw)
    if crc32c(raw[:-4]) != stated:
        raise _bad(path, 0, "the header of the file has another CRC than it states")
    if version >> 24 != MAJOR:
        raise damaged(
            path,
            f"is of file format {version >> 24}, and {MAJOR} is read",
            hint="open it in Joulescope's viewer and save it",
        )
    size = os.fstat(file.fileno()).st_size
    if length != size:
        why = "was not closed" if not length else f"states {length} bytes"
        raise damaged(
            path,
            f"{why} and has {size}: it is cut short or was added to",
            hint="get it anew, or open and save it in Joulescope's viewer, which repairs it",
        )
    return size


def _headers(path: Path, file: BinaryIO, size: int) -> Iterator[_Header]:
    """Yield every chunk's header in the order of the file, which stands behind it each time."""
    offset = FILE_HEADER.size
    while offset < size:
        file.seek(offset)
        header = _header(path, file, size)
        yield header
        offset += CHUNK_HEADER.size + padded(header.length)


def _header(path: Path, file: BinaryIO, size: int) -> _Header:
    offset = file.tell()
    raw = file.read(CHUNK_HEADER.size)
    if len(raw) < CHUNK_HEADER.size:
        raise _bad(path, offset, "ends within the header of a chunk")
    _, _, tag, _, meta, length, _, stated = CHUNK_HEADER.unpack(raw)
    if crc32c(raw[:-4]) != stated:
        raise _bad(path, offset, "the header of a chunk has another CRC than it states")
    if length > MOST_PAYLOAD or offset + CHUNK_HEADER.size + padded(length) > size:
        raise _bad(path, offset, f"a chunk states {length} bytes, more than the file has")
    return _Header(offset, tag, meta, length)


def _payload(path: Path, file: BinaryIO, header: _Header) -> bytes:
    raw = file.read(padded(header.length))
    payload = raw[: header.length]
    if crc32c(payload) != int.from_bytes(raw[-4:], "little"):
        raise _bad(path, header.offset, "the payload of a chunk has another CRC than it states")
    return payload


def _take(found: JlsFile, file: BinaryIO, header: _Header) -> None:
    """Take what a chunk tells; those for drawing only are passed over."""
    path = found.path
    if header.tag == Tag.SOURCE and len(found.sources) < MOST_DEFINED:
        told = [*texts(_payload(path, file, header), SOURCE_RESERVED), *[""] * 5]
        found.sources[header.meta] = Source(*told[:5])
    elif header.tag == Tag.SIGNAL and len(found.signals) < MOST_DEFINED:
        signal = _signal(path, _payload(path, file, header), header)
        if signal is not None:
            found.signals[signal.number] = signal
    elif header.tag in (Tag.FSR_DATA, Tag.UTC_DATA):
        signal = found.signals.get(header.meta & 0xFFF)
        if signal is not None:
            _take_samples(path, file, header, signal)


def _signal(path: Path, payload: bytes, header: _Header) -> Signal | None:
    """Get a signal of fixed rate in floating point, None for any other."""
    begins = SIGNAL.size + SIGNAL_RESERVED
    if len(payload) < begins:
        raise _bad(path, header.offset, "the definition of a signal is too short")
    source, kind, _, data_type, rate, *_ = SIGNAL.unpack_from(payload)
    if kind != FSR or data_type & 0xFFFF not in _SIZES:
        return None
    if not rate:
        raise _bad(path, header.offset, "a signal of fixed rate states 0 Hz")
    name, unit, *_ = [*texts(payload, begins), "", ""]
    return Signal(header.meta & 0xFFF, source, name, unit, rate, data_type & 0xFFFF)


def _take_samples(path: Path, file: BinaryIO, header: _Header, signal: Signal) -> None:
    """Note where samples are, or what UTC one of them has."""
    if header.length < PAYLOAD_HEADER.size:
        raise _bad(path, header.offset, "samples without the header of their payload")
    if header.tag == Tag.UTC_DATA:
        payload = _payload(path, file, header)
        if len(payload) < PAYLOAD_HEADER.size + 8:
            raise _bad(path, header.offset, "a pair of sample and UTC is too short")
        start, *_ = PAYLOAD_HEADER.unpack_from(payload)
        utc = int.from_bytes(payload[PAYLOAD_HEADER.size :][:8], "little", signed=True)
        if not (0 <= start < MOST_SAMPLE and 0 <= utc < LATEST):
            raise _bad(path, header.offset, f"sample {start} has no UTC that a clock shows")
        signal.utc.append((start, utc))
        return
    start, count, *_ = PAYLOAD_HEADER.unpack(file.read(PAYLOAD_HEADER.size))
    if not 0 <= start < MOST_SAMPLE:
        raise _bad(path, header.offset, f"{start} is no number of a sample")
    last = signal.places[-1] if signal.places else None
    if last is not None and start < last.start + last.count:
        raise _bad(path, header.offset, f"sample {start} of {signal.name} comes a second time")
    signal.places.append(Place(header.offset, start, count))
