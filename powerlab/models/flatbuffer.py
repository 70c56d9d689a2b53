"""Tables of a FlatBuffer, read in place.

After "Internals" of the FlatBuffers documentation: a table begins with the distance back to
its vtable, which says where each field lies, 0 for one that is absent; offsets to strings,
vectors and tables are relative to where they stand.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Table:
    """A table at a place of the file's bytes; fields are known by their numbers.

    Its methods raise ValueError where an offset leads out of the file.
    """

    content: memoryview
    at: int

    @classmethod
    def root(cls, content: bytes) -> Table:
        """Get the outermost table."""
        view = memoryview(content)
        return cls(view, _number(view, "<I", 0))

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Get a scalar; ``kind`` is struct's letter for it."""
        place = self._place(field)
        return _number(self.content, f"<{kind}", place) if place else default

    def text(self, field: int) -> str:
        """Get a string, "" where it is absent."""
        return bytes(self.array(field, "u1")).decode("utf-8", "replace")

    def array(self, field: int, kind: str) -> NDArray[Any]:
        """Get a vector of scalars; ``kind`` is numpy's name for them."""
        start, count = self._vector(field)
        size = np.dtype(kind).itemsize * count
        if start + size > len(self.content):
            raise ValueError("a vector goes beyond the file")
        return np.frombuffer(self.content[start : start + size], kind)

    def table(self, field: int) -> Table | None:
        """Get a table, None where it is absent."""
        place = self._place(field)
        return Table(self.content, place + _number(self.content, "<I", place)) if place else None

    def tables(self, field: int) -> list[Table]:
        """Get a vector of tables."""
        start, count = self._vector(field)
        places = range(start, start + 4 * count, 4)
        return [Table(self.content, place + _number(self.content, "<I", place)) for place in places]

    def _vector(self, field: int) -> tuple[int, int]:
        """Get where a vector's items begin, and how many there are."""
        place = self._place(field)
        if not place:
            return 0, 0
        start = place + _number(self.content, "<I", place)
        return start + 4, _number(self.content, "<I", start)

    def _place(self, field: int) -> int:
        """Get where a field lies, 0 where it is absent."""
        vtable = self.at - _number(self.content, "<i", self.at)
        if vtable < 0 or 4 + 2 * field >= _number(self.content, "<H", vtable):
            return 0
        offset = _number(self.content, "<H", vtable + 4 + 2 * field)
        return self.at + offset if offset else 0


def _number(content: memoryview, kind: str, at: int) -> int:
    try:
        value: int = struct.unpack_from(kind, content, at)[0]
    except struct.error as error:
        raise ValueError("an offset leads out of the file") from error
    return value
