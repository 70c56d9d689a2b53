"""The LPM01A's binary stream: two bytes a sample, marks that begin with F0, no I/O here.

The high nibble of a sample is a negative power of 16, the other twelve bits its number: 52A0 is
0x2A0 / 16**5. A mark is F0, what it is (F1 to F7), its data, FF FF. Layout: the firmware's help
text, quoted in mlcommons/tiny. No sample begins with F: so small a current does not exist. A
time stamp comes with each 1000 samples, as a public program found it on a board.

There is no frame. A lost byte shifts everything after it, and shows where a sample is beyond
what the board can be, or where a mark is cut or does not come. So samples are told once a mark
behind them was found in its place: until then they are held back, and never told where the
stream is seen to have slipped, which ends the reading.
"""

from __future__ import annotations

import functools

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.instruments.lpm01a_marks import Mark, MarkKind, Piece
from powerlab.records import FloatArray

MARK = 0xF0
END = b"\xff\xff"
MOST = 0.25
"""A or J beyond which a sample is none: the board's ranges end at 0.2 A."""

LEAST_A = 1e-10
"""Current other than 0 below which a sample is none: a twentieth of where static mode begins."""

MOST_HELD_BYTES = 60_000
"""A stream without a mark in so many bytes, 30 times what lies between two, has slipped."""

AT_ONCE = 4096
"""Samples looked at together: a long stretch is not searched anew behind each of its marks."""

LONGEST_TEXT = 400

ANSWER = b"ack start"
ANSWER_WITHIN = 64
"""Bytes in which the answer to the start may stand, as text, before the stream."""

_TEXTS = {0xF1: MarkKind.ERROR, 0xF2: MarkKind.INFO}
_PLAIN = {0xF4: MarkKind.END, 0xF5: MarkKind.OVERCURRENT, 0xF6: MarkKind.POWER_DOWN}
_LENGTHS = {0xF3: 5, 0xF4: 0, 0xF5: 0, 0xF6: 0, 0xF7: 2}


class BinaryReader:
    """Bytes in, samples and marks out; what no mark has confirmed yet stays inside.

    Samples other than 0 below ``least`` [A or J] cannot be.
    """

    def __init__(self, least: float = LEAST_A) -> None:
        self._least = least
        self._rest = b""
        self._begun = False

    def feed(self, data: bytes) -> Piece:
        """Take bytes as they came; ``InstrumentProtocolError`` where the stream has slipped."""
        received = self._begin(self._rest + data)
        if not self._begun:
            self._rest = received
            return Piece(np.empty(0))
        parts: list[FloatArray] = []
        marks: list[Mark] = []
        at = count = sure = sure_count = sure_marks = 0
        while True:
            words = np.frombuffer(received, ">u2", min((len(received) - at) // 2, AT_ONCE), at)
            found = np.flatnonzero(words >> 8 == MARK)
            length = int(found[0]) if len(found) else len(words)
            values = _table().take(words[:length])
            self._check(words[:length], values, received[at:])
            parts.append(values)
            count += length
            at += 2 * length
            if not len(found):
                if length < AT_ONCE:
                    break
                continue
            end = _mark_end(received, at)
            if end is None:
                break
            marks.append(_mark(received[at:end], count))
            if received[at + 1] not in _TEXTS:
                sure, sure_count, sure_marks = end, count, len(marks)
            at = end
        self._rest = received[sure:]
        if len(self._rest) > MOST_HELD_BYTES:
            raise _slipped(self._rest, "no time stamp comes")
        return Piece(np.concatenate(parts)[:sure_count], tuple(marks[:sure_marks]))

    def _check(self, words: np.ndarray, values: FloatArray, received: bytes) -> None:
        """Refuse samples that cannot be; ``received`` begins with them."""
        if not len(words):
            return
        if float(values.max()) > MOST or int(words.max()) >> 8 > MARK:
            raise _slipped(received, "a sample is beyond what it can measure")
        if np.any((values > 0) & (values < self._least)):
            raise _slipped(received, "a sample is less than it can measure")

    def _begin(self, received: bytes) -> bytes:
        """Take the text off that answers the start, once enough has come to tell."""
        if self._begun or len(received) < ANSWER_WITHIN:
            return received
        self._begun = True
        answer = received.find(ANSWER, 0, ANSWER_WITHIN)
        end = received.find(b"\n", answer) + 1 if answer >= 0 else 0
        return received[end:]


@functools.cache
def _table() -> FloatArray:
    """Get the value of every two bytes; all of them are exact."""
    word = np.arange(1 << 16)
    return np.asarray((word & 0xFFF) * 16.0 ** -(word >> 12))


def _mark_end(received: bytes, at: int) -> int | None:
    """Get where the mark that begins at ``at`` ends, None where that has not come yet."""
    if len(received) < at + 2:
        return None
    kind = received[at + 1]
    if kind in _TEXTS:
        end = received.find(END, at + 2)
        if (len(received) if end < 0 else end) - at > LONGEST_TEXT:
            raise _slipped(received[at:], "a text has no end")
        return None if end < 0 else end + 2
    if kind not in _LENGTHS:
        raise _slipped(received[at:], "a mark is of no known kind")
    end = at + 2 + _LENGTHS[kind] + 2
    if len(received) < end:
        return None
    if received[end - 2 : end] != END:
        raise _slipped(received[at:], "a mark has no end")
    return end


def _mark(raw: bytes, at: int) -> Mark:
    kind, data = raw[1], raw[2:-2]
    if kind in _TEXTS:
        return Mark(_TEXTS[kind], at, data.decode("ascii", "replace").strip())
    if kind == 0xF3:
        time_s = int.from_bytes(data[:4], "big") / 1000
        return Mark(MarkKind.TIME, at, time_s=time_s, buffer_percent=data[4])
    if kind == 0xF7:
        return Mark(MarkKind.VOLTAGE, at, value=int.from_bytes(data, "big"))
    return Mark(_PLAIN[kind], at)


def _slipped(received: bytes, why: str) -> InstrumentProtocolError:
    return InstrumentProtocolError(
        f"the LPM01A's binary stream cannot be followed: {why}",
        hint="a byte was lost on the way: connect the board without a hub, or sample at 5 kHz or "
        "less, which it sends as text",
        received=received[:64],
    )
