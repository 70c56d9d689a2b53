"""The LPM01A's text: samples as ``6409-07``, marks as words between them, no I/O here.

A token has four digits and a power of ten with its sign: 6409-07 is 6409e-7 A, or J in energy
output. Layout: the firmware's own help text, quoted in mlcommons/tiny. There is no checksum: a
token that lost a byte is told from its shape, a changed digit cannot be.
"""

from __future__ import annotations

import re

import numpy as np

from powerlab.instruments.lpm01a_marks import Mark, MarkKind, Piece

LONGEST_LINE = 400

_TOKEN = re.compile(rb"\d{4}[+-]\d{2}")
_TOKEN_BYTES = 9  # with CR LF
_DAMAGED = re.compile(rb"[\d+-]+")
_TIME = re.compile(
    rb"(?i)timestamp:\s*(?:(\d+)\s*s)?\s*(?:(\d+)\s*ms)?\s*(?:,\s*buff\w*\s*(\d+)\s*%)?"
)
_WORDS = (
    ("acquisitioncompleted", MarkKind.END),
    ("overcurrent", MarkKind.OVERCURRENT),
    ("powerdown", MarkKind.POWER_DOWN),
    ("error", MarkKind.ERROR),
)
_EVENT = re.compile(rb"(?i)event\s+(\d+)\s+(\w+)")


class AsciiReader:
    """Bytes in, samples and marks out; a line that is not whole yet stays inside."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Piece:
        """Take bytes as they came, in pieces of any length."""
        lines = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        values: list[float] = []
        marks: list[Mark] = []
        for line in lines:
            if _TOKEN.fullmatch(line):
                values.append(token_value(line))
            elif words := line.strip(b" \t>\x00"):
                marks.append(_mark(words, len(values)))
        return Piece(np.array(values, dtype=np.float64), tuple(marks))


def token_value(token: bytes) -> float:
    """Get the number nearest to what a token of four digits and an exponent says."""
    return float(token[:4] + b"e" + token[4:])


def _mark(line: bytes, at: int) -> Mark:
    text = line.decode("ascii", "replace")
    low = text.lower().replace(" ", "").replace("-", "")
    if _DAMAGED.fullmatch(line):
        lost = max(1, round((len(line) + 2) / _TOKEN_BYTES))
        return Mark(MarkKind.LOST, at, text, value=lost)
    if match := _TIME.search(line):
        whole, thousandths, percent = (int(part or 0) for part in match.groups())
        return Mark(
            MarkKind.TIME, at, text, time_s=whole + thousandths / 1000, buffer_percent=percent
        )
    if match := _EVENT.search(line):
        return Mark(MarkKind.EVENT, at, text, value=int(match[1]))
    kinds = (kind for words, kind in _WORDS if words in low)
    return Mark(next(kinds, MarkKind.INFO), at, text)
