"""Samples and marks of an LPM01A to rows: what is lost, what was beyond its range, no I/O here."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from powerlab.errors import InstrumentError
from powerlab.instruments.lpm01a_marks import Mark, MarkKind, Piece
from powerlab.instruments.rows import Rows, joined_rows, lost_rows
from powerlab.records import FloatArray, SampleFlag
from powerlab.units import NS_PER_S

TIME_TOLERANCE_NS = 2_000_000
"""Time stamps come in whole milliseconds."""

OVERCURRENT_NS = NS_PER_S
"""How long a word of overcurrent holds where no time stamp comes: nothing says when it ends."""

FULL_PERCENT = 100


class Reader(Protocol):
    """One of the two formats."""

    def feed(self, data: bytes) -> Piece:
        """Take bytes as they came; get samples and marks."""


class Lpm01aRows:
    """The decoder of one acquisition.

    A value times ``scale`` is the channel's. Samples follow each other by ``spacing_ns``; where
    the meter's own time stamp runs ahead of their count, the difference was lost, and stands as
    rows where that showed. What follows a word of overcurrent is flagged until a time stamp.
    """

    def __init__(self, reader: Reader, spacing_ns: int, scale: float) -> None:
        self._reader = reader
        self._spacing_ns = spacing_ns
        self._scale = scale
        self._count = 0
        self._ahead_ns: int | None = None
        self._over_until = 0

    def feed(self, data: bytes) -> Rows:
        """Take bytes as they came; get the rows that they complete.

        ``InstrumentError`` where the meter says that it stops or cannot go on.
        """
        piece = self._reader.feed(data)
        parts = [self._rows(piece.values[:0])]
        at = 0
        for mark in piece.marks:
            parts.append(self._rows(piece.values[at : mark.at]))
            at = mark.at
            parts.append(self._lost(self._judge(mark)))
        parts.append(self._rows(piece.values[at:]))
        return joined_rows(parts)

    def _rows(self, values: FloatArray) -> Rows:
        flags = np.zeros(len(values), dtype=np.uint8)
        flags[: max(0, self._over_until - self._count)] = SampleFlag.OVERRANGE
        index = np.arange(self._count, self._count + len(values), dtype=np.int64)
        self._count += len(values)
        return Rows((values * self._scale)[:, np.newaxis], flags, self._spacing_ns * index)

    def _lost(self, count: int) -> Rows:
        rows = lost_rows(count, 1, self._count * self._spacing_ns, self._spacing_ns)
        self._count += count
        return rows

    def _judge(self, mark: Mark) -> int:
        """Get how many samples a mark shows to be lost."""
        if mark.kind is MarkKind.LOST:
            return mark.value
        if mark.kind is MarkKind.OVERCURRENT:
            self._over_until = self._count + round(OVERCURRENT_NS / self._spacing_ns)
        elif mark.kind is MarkKind.TIME:
            if mark.buffer_percent >= FULL_PERCENT:
                raise _ended("its memory is full: this computer read too slowly")
            self._over_until = 0
            return self._behind(round(mark.time_s * NS_PER_S))
        elif mark.kind is MarkKind.END:
            raise _ended("it ended the acquisition by itself")
        elif mark.kind in (MarkKind.ERROR, MarkKind.POWER_DOWN):
            raise _ended(mark.text or mark.kind.value)
        return 0

    def _behind(self, time_ns: int) -> int:
        ahead_ns = time_ns - self._count * self._spacing_ns
        if self._ahead_ns is None:
            self._ahead_ns = ahead_ns
        lost_ns = ahead_ns - self._ahead_ns
        if lost_ns < TIME_TOLERANCE_NS + 2 * self._spacing_ns:
            return 0
        return round(lost_ns / self._spacing_ns)


def _ended(why: str) -> InstrumentError:
    return InstrumentError(
        f"the LPM01A stopped measuring: {why}",
        hint="check the board's current (50 mA at most in dynamic mode) and the link; what came "
        "until then is kept",
    )
