"""JLS files written: signals of one rate with their summaries, UTC and markers.

The layout and the order of the chunks are those of the repository jetperch/jls (format 1.0.0):
definitions, UTC and markers, then signal by signal the samples, each level's index and summary.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from powerlab.evidence.jls_book import Book
from powerlab.evidence.jls_format import (
    F32,
    FSR,
    LEVELS,
    PAYLOAD_HEADER,
    SEPARATOR,
    SIGNAL,
    SIGNAL_RESERVED,
    SOURCE_RESERVED,
    VSR,
    Tag,
    from_epoch_ns,
)
from powerlab.evidence.jls_read import Source
from powerlab.evidence.jls_summary import PER_ENTRY, Summary, of_samples, of_summaries
from powerlab.records import freeze_arrays
from powerlab.store.manifest import write_atomically

PER_CHUNK = 1024
"""Samples of a chunk: a multiple of those of a summary's entry, so that entries never straddle."""

ENTRIES = 640
"""Entries of a summary before it is written: a multiple of those of a chunk."""

PER_SUMMARY = 20
"""Entries that the next level's entry summarises."""

MOST_STAMPED = 100
"""UTC stamps and markers of a signal, all of them in one index."""

_GLOBAL = Source("global_annotation_source", "jls", "-", "1.0.0", "-")
_MARKER, _STRING = 2, 2
_STAMPED = {
    "UTC": (Tag.UTC_DATA, Tag.UTC_INDEX, Tag.UTC_SUMMARY),
    "marker": (Tag.ANNOTATION_DATA, Tag.ANNOTATION_INDEX, Tag.ANNOTATION_SUMMARY),
}


@dataclass(frozen=True, slots=True)
class JlsSignal:
    """A signal to write: name, SI unit, and float32 samples ``(n,)``, NaN where none is."""

    name: str
    unit: str
    samples: NDArray[np.float32]

    def __post_init__(self) -> None:
        freeze_arrays(self)


def write_jls(
    path: Path,
    source: Source,
    rate_hz: int,
    signals: Sequence[JlsSignal],
    *,
    utc: Sequence[tuple[int, int]] = (),
    markers: Sequence[tuple[int, str]] = (),
) -> None:
    """Write signals of one source, replacing ``path`` once it is complete.

    ``utc`` pairs samples with nanoseconds of the epoch, ``markers`` with names; both in rising
    order, at most ``MOST_STAMPED``. Raises ValueError for more, OSError.
    """
    if max(len(utc), len(markers)) > MOST_STAMPED:
        raise ValueError(f"at most {MOST_STAMPED} stamps go into one index")
    book = Book()
    book.add(Tag.USER, 0, b"", "user")
    book.add(Tag.SOURCE, 0, _source_payload(_GLOBAL), "source")
    _define(book, 0, 0, _signal_payload(0, VSR, 0, "global_annotation_signal", ""))
    book.add(Tag.SOURCE, 1, _source_payload(source), "source")
    for number, signal in enumerate(signals, start=1):
        payload = _signal_payload(1, FSR, rate_hz, signal.name, signal.unit)
        _define(book, number, FSR + 1, payload)
    stamps = {
        number: {
            "UTC": _write_utc(book, number, utc),
            "marker": _write_markers(book, number, markers if number == len(signals) else ()),
        }
        for number in range(1, len(signals) + 1)
    }
    for number, signal in enumerate(signals, start=1):
        _write_samples(book, number, signal)
        for kind in ("marker", "UTC"):
            _write_index(book, number, kind, stamps[number][kind])
    book.add(Tag.END, 0, b"", "end")
    content = book.content()

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write)


# --- definitions -----------------------------------------------------------------------


def _text(text: str) -> bytes:
    return text.replace("\0", "").replace("\x1f", "").encode() + b"\0" + SEPARATOR


def _source_payload(source: Source) -> bytes:
    texts = (source.name, source.vendor, source.model, source.version, source.serial)
    return bytes(SOURCE_RESERVED) + b"".join(map(_text, texts))


def _signal_payload(source: int, kind: int, rate_hz: int, name: str, unit: str) -> bytes:
    factors = (PER_CHUNK, PER_ENTRY, ENTRIES, PER_SUMMARY, MOST_STAMPED, MOST_STAMPED)
    if kind == VSR:  # as the library writes the signal of global annotations
        factors = (16, 16, 10, 10, MOST_STAMPED, MOST_STAMPED)
    fixed = SIGNAL.pack(source, kind, 0, F32, rate_hz, *factors)
    return fixed + bytes(SIGNAL_RESERVED) + _text(name) + _text(unit)


def _define(book: Book, number: int, fixed: int, payload: bytes) -> None:
    """Add a signal's definition, and those and the heads of its tracks."""
    book.add(Tag.SIGNAL, number, payload, "signal")
    tracks = (
        [(Tag.FSR_DEF, Tag.FSR_HEAD), (Tag.ANNOTATION_DEF, Tag.ANNOTATION_HEAD),
         (Tag.UTC_DEF, Tag.UTC_HEAD)]
        if fixed
        else [(Tag.VSR_DEF, Tag.VSR_HEAD), (Tag.ANNOTATION_DEF, Tag.ANNOTATION_HEAD)]
    )  # fmt: skip
    for definition, head in tracks:
        book.add(definition, number, b"", "signal")
        book.heads[number, head] = book.add(head, number, bytes(8 * LEVELS), "signal")


# --- UTC and markers -------------------------------------------------------------------

_Stamped = list[tuple[int, int, bytes]]
"""Sample, offset of its chunk, and its entry in the summary."""


def _write_utc(book: Book, number: int, utc: Sequence[tuple[int, int]]) -> _Stamped:
    found = []
    for sample, epoch_ns in utc:
        at = from_epoch_ns(epoch_ns)
        payload = PAYLOAD_HEADER.pack(sample, 1, 64, 0) + struct.pack("<q", at)
        chunk = book.add(Tag.UTC_DATA, number, payload, f"UTC {number}")
        book.first_of(number, Tag.UTC_HEAD, 0, chunk.offset)
        found.append((sample, chunk.offset, struct.pack("<qq", sample, at)))
    return found


def _write_markers(book: Book, number: int, markers: Sequence[tuple[int, str]]) -> _Stamped:
    found = []
    for sample, name in markers:
        text = _text(name)
        told = struct.pack("<BBBBfI", _MARKER, _STRING, 0, 0, math.nan, len(text) - 1)
        payload = PAYLOAD_HEADER.pack(sample, 1, 0, 0) + told + text
        chunk = book.add(Tag.ANNOTATION_DATA, number, payload, f"marker {number}")
        book.first_of(number, Tag.ANNOTATION_HEAD, 0, chunk.offset)
        entry = struct.pack("<qBBBBf", sample, _MARKER, 0, 0, 0, math.nan)
        found.append((sample, chunk.offset, entry))
    return found


def _write_index(book: Book, number: int, kind: str, stamped: _Stamped) -> None:
    if not stamped:
        return
    data, index, summary = _STAMPED[kind]
    header = PAYLOAD_HEADER.pack(stamped[0][0], len(stamped), 128, 0)
    entries = b"".join(struct.pack("<qQ", sample, offset) for sample, offset, _ in stamped)
    meta = 1 << 12 | number
    chunk = book.add(index, meta, header + entries, f"{kind} index {number}")
    book.first_of(number, data - 1, 1, chunk.offset)
    told = b"".join(entry for _, _, entry in stamped)
    book.add(summary, meta, header + told, f"{kind} summary {number}")


# --- samples and their summaries -------------------------------------------------------


def _write_samples(book: Book, number: int, signal: JlsSignal) -> None:
    """Write all samples, each level's index and summary as soon as that is full, and the rests."""
    levels: list[_Level] = []
    for start in range(0, len(signal.samples), PER_CHUNK):
        samples = signal.samples[start : start + PER_CHUNK]
        payload = PAYLOAD_HEADER.pack(start, len(samples), 32, 0) + samples.astype("<f4").tobytes()
        chunk = book.add(Tag.FSR_DATA, number, payload, f"samples {number}")
        book.first_of(number, Tag.FSR_HEAD, 0, chunk.offset)
        _take(book, number, levels, 1, (start, chunk.offset, of_samples(samples)))
    level = 1
    while level <= len(levels):
        _close(book, number, levels, level)
        level += 1


@dataclass(slots=True)
class _Level:
    """One level of summaries that is being filled; ``start`` is its first sample."""

    start: int = 0
    offsets: list[int] = field(default_factory=list)
    entries: list[Summary] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(map(len, self.entries))


def _take(
    book: Book, number: int, levels: list[_Level], level: int, found: tuple[int, int, Summary]
) -> None:
    """Put a chunk and the entries that it makes into a level."""
    if len(levels) < level:
        levels.append(_Level())
    current = levels[level - 1]
    start, offset, entries = found
    if not current.offsets:
        current.start = start
    current.offsets.append(offset)
    current.entries.append(entries)
    if current.count >= ENTRIES:
        _close(book, number, levels, level)


def _close(book: Book, number: int, levels: list[_Level], level: int) -> None:
    """Write a level's index and summary, and hand it on to the next; nothing without entries."""
    current = levels[level - 1]
    if not current.count:
        return
    meta = level << 12 | number
    index = PAYLOAD_HEADER.pack(current.start, len(current.offsets), 64, 0)
    index += struct.pack(f"<{len(current.offsets)}Q", *current.offsets)
    chunk = book.add(Tag.FSR_INDEX, meta, index, f"index {number} {level}")
    book.first_of(number, Tag.FSR_HEAD, level, chunk.offset)
    entries = np.concatenate(current.entries)
    payload = PAYLOAD_HEADER.pack(current.start, len(entries), 128, 0)
    payload += entries.astype("<f4").tobytes()
    book.add(Tag.FSR_SUMMARY, meta, payload, f"summary {number} {level}")
    levels[level - 1] = _Level()
    if level + 1 < LEVELS:
        _take(
            book,
            number,
            levels,
            level + 1,
            (current.start, chunk.offset, of_summaries(entries, PER_SUMMARY)),
        )
