"""The chunks of a JLS file as it is written: tied into lists, set down with their CRCs."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from powerlab.evidence.crc32c import crc32c
from powerlab.evidence.jls_format import (
    CHUNK_HEADER,
    FILE_HEADER,
    IDENTIFICATION,
    LEVELS,
    VERSION,
    padded,
)


@dataclass(slots=True)
class Chunk:
    """A chunk and its place; ``before`` and ``after`` are its neighbours in its list."""

    offset: int
    tag: int
    meta: int
    payload: bytes
    before: int = 0
    after: int = 0


@dataclass(slots=True)
class Book:
    """All chunks so far; every list that chunks are in is tied as it grows."""

    chunks: list[Chunk] = field(default_factory=list)
    ends: dict[str, Chunk] = field(default_factory=dict)
    heads: dict[tuple[int, int], Chunk] = field(default_factory=dict)
    end: int = FILE_HEADER.size

    def add(self, tag: int, meta: int, payload: bytes, chain: str) -> Chunk:
        """Add a chunk at the end, and after the last one of its list."""
        chunk = Chunk(self.end, tag, meta, payload)
        last = self.ends.get(chain)
        if last is not None:
            last.after, chunk.before = chunk.offset, last.offset
        self.ends[chain] = chunk
        self.chunks.append(chunk)
        self.end += CHUNK_HEADER.size + padded(len(payload))
        return chunk

    def first_of(self, number: int, head: int, level: int, offset: int) -> None:
        """Note where a track's level begins, in the head of the track."""
        chunk = self.heads[number, head]
        table = list(struct.unpack(f"<{LEVELS}Q", chunk.payload))
        table[level] = table[level] or offset
        chunk.payload = struct.pack(f"<{LEVELS}Q", *table)

    def content(self) -> bytes:
        """Get the file."""
        start = FILE_HEADER.pack(IDENTIFICATION, self.end, VERSION, 0)[:-4]
        parts = [start, crc32c(start).to_bytes(4, "little")]
        length_before = 0
        for chunk in self.chunks:
            length = len(chunk.payload)
            header = CHUNK_HEADER.pack(
                chunk.after, chunk.before, chunk.tag, 0, chunk.meta, length, length_before, 0
            )[:-4]
            parts += [header, crc32c(header).to_bytes(4, "little")]
            if length:
                parts += [chunk.payload, bytes(padded(length) - length - 4)]
                parts.append(crc32c(chunk.payload).to_bytes(4, "little"))
            length_before = length
        return b"".join(parts)
