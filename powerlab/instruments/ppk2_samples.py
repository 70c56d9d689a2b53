"""The PPK2's stream of samples: 100,000 a second, four bytes each, little endian, no I/O here.

Bits 0-13 converter, 14-16 range, 18-23 a counter, 24-31 the logic inputs (layout: public
readers, pc-nrfconnect-ppk and ppk2-rs). There is no frame mark and no checksum. What holds the
stream together is the counter: samples follow each other as long as it counts by one, at one
alignment of four bytes. Where it does not, samples were lost, or bytes: the place from which on
it counts again is looked for at every byte, and what is missing becomes rows of their own. A
loss of whole turns of 64 it cannot show: ``count_watch`` does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from powerlab.records import FlagArray, FloatArray, SampleFlag

SAMPLE_BYTES = 4
INTERVAL_NS = 10_000
TURN = 64
SATURATED = 0x3FFF
RANGES = 5
RUN = 8
"""Samples that must count on before a new beginning is believed: chance does it in 64**7."""

UNSURE = 2
"""Samples on either side of a slip of bytes that may hold bytes of others."""

MOST_REST = 1 << 16
"""Bytes kept while nothing counts."""

SEARCHES = (1 << 8, 1 << 12, 1 << 30)
"""Bytes in which a beginning is looked for: most breaks are short."""

Words = NDArray[np.uint32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Samples:
    """Consecutive samples: ``words`` uint32 ``(n,)`` as they came, ``lost`` bool ``(n,)``."""

    words: Words
    lost: Mask


def counters(words: Words) -> NDArray[np.uint8]:
    """Get the counter of each sample, 0 to 63."""
    return ((words >> 18) & (TURN - 1)).astype(np.uint8)


def ranges(words: Words) -> NDArray[np.uint8]:
    """Get the range of each sample, 0 to 4; 5 to 7 do not exist."""
    return ((words >> 14) & 7).astype(np.uint8)


def logic(words: Words, number: int) -> FloatArray:
    """Get one logic input, 0 to 7, of each sample: 0.0 or 1.0."""
    return ((words >> (24 + number)) & 1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What each range and code of the converter stands for: current [A] and flags, ``(CODES,)``.

    A code at its end is ``SATURATED``, one of more than the device carries ``OVERRANGE``, one of
    a range that does not exist ``LOST``, one without usable constants ``NOT_AVAILABLE``.
    """

    current_a: FloatArray
    flags: FlagArray

    @classmethod
    def of(cls, current_a: FloatArray, most_a: float) -> Conversion:
        """Make it of the table of currents, NaN where there are none; ``most_a`` it can carry."""
        code = np.arange(len(current_a))
        flags = np.where(np.abs(current_a) > most_a, SampleFlag.OVERRANGE, SampleFlag.GOOD)
        flags = np.where((code & SATURATED) == SATURATED, SampleFlag.SATURATED, flags)
        flags = np.where(np.isnan(current_a), SampleFlag.NOT_AVAILABLE, flags)
        flags = np.where(code >> 14 >= RANGES, SampleFlag.LOST, flags)
        return cls(current_a, flags.astype(np.uint8))


def currents(samples: Samples, conversion: Conversion) -> tuple[FloatArray, FlagArray]:
    """Convert samples: current [A], NaN where there is none, and flags, ``(n,)`` each."""
    code = samples.words & (len(conversion.flags) - 1)
    value = conversion.current_a.take(code, mode="clip")
    flags = conversion.flags.take(code, mode="clip")
    if samples.lost.any():
        value[samples.lost] = np.nan
        flags[samples.lost] = SampleFlag.LOST
    return value, flags


class SampleReader:
    """Bytes in, samples out; ``slips`` counts the times at which bytes were missing or added.

    The newest samples stay inside until they are sure.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._expected: int | None = None
        self.slips = 0

    def feed(self, data: bytes) -> Samples:
        """Take bytes as they came, in pieces of any length; get the samples that are sure."""
        received = self._rest + data
        parts: list[Samples] = []
        at = 0
        while True:
            if self._expected is None:
                found = _beginning(received, at)
                if found is None:
                    at = max(at, len(received) - MOST_REST)
                    break
                at = found + SAMPLE_BYTES * UNSURE * (found > at)
                self._expected = _counter_at(received, at)
            words = _words(received, at)
            right = _counting(words, self._expected)
            if right == len(words):
                sure = max(0, right - UNSURE)
                parts.append(Samples(words[:sure], np.zeros(sure, dtype=np.bool_)))
                at += SAMPLE_BYTES * sure
                self._expected = (self._expected + sure) % TURN
                break
            broken = at + SAMPLE_BYTES * right
            found = _beginning(received, broken)
            if found is None:
                # Keep what a slip would take back, and all that may begin a new run.
                keep = max(0, right - UNSURE)
                parts.append(Samples(words[:keep], np.zeros(keep, dtype=np.bool_)))
                at += SAMPLE_BYTES * keep
                self._expected = (self._expected + keep) % TURN
                at = self._shorten(received, at, parts)
                break
            slipped = (found - broken) % SAMPLE_BYTES != 0
            self.slips += slipped
            sure = max(0, right - UNSURE) if slipped else right
            begin = found + SAMPLE_BYTES * UNSURE * slipped
            missing = self._missing(begin - at, sure, _counter_at(received, begin))
            parts += [Samples(words[:sure], np.zeros(sure, dtype=np.bool_)), _lost(missing)]
            at = begin
        self._rest = received[at:]
        return _joined(parts)

    def _missing(self, length: int, sure: int, begins: int) -> int:
        """Get how many samples a break of so many bytes took; expect ``begins`` from there on.

        The counter tells it but for whole turns of it, which the bytes passed over tell.
        """
        assert self._expected is not None  # noqa: S101 - only a reader in step can break
        least = (begins - self._expected - sure) % TURN
        self._expected = begins
        passed = length / SAMPLE_BYTES - sure
        return least + TURN * max(0, round((passed - least) / TURN))

    def _shorten(self, received: bytes, at: int, parts: list[Samples]) -> int:
        """Bound what is kept while nothing counts: a wrong baud rate never will."""
        if len(received) - at <= MOST_REST:
            return at
        step = (len(received) - at - MOST_REST // 2) // SAMPLE_BYTES
        parts.append(_lost(step))
        assert self._expected is not None  # noqa: S101 - as above
        self._expected = (self._expected + step) % TURN
        return at + SAMPLE_BYTES * step


def _words(received: bytes, at: int) -> Words:
    count = (len(received) - at) // SAMPLE_BYTES
    return np.frombuffer(received, dtype="<u4", count=count, offset=at)


def _counter_at(received: bytes, at: int) -> int:
    return received[at + 2] >> 2


def _counting(words: Words, expected: int) -> int:
    """Get how many samples from the first on count by one from ``expected``."""
    wanted = _pattern(-(-len(words) // TURN))[expected : expected + len(words)]
    odd = words ^ wanted
    odd &= (TURN - 1) << 18
    if not odd.any():
        return len(words)
    return int(np.argmax(odd != 0))


@functools.lru_cache(maxsize=4)
def _pattern(turns: int) -> Words:
    """Get the counter's bits of samples that count from 0 on, for one turn more than asked."""
    return np.tile(np.arange(TURN, dtype=np.uint32) << 18, turns + 1)


def _beginning(received: bytes, at: int) -> int | None:
    """Get the first byte, from ``at`` on, from which ``RUN`` samples count by one; else None."""
    for reach in SEARCHES:
        found = _run_within(received[at : at + reach])
        if found is not None:
            return at + found
        if at + reach >= len(received):
            break
    return None


def _run_within(received: bytes) -> int | None:
    found = []
    for shift in range(min(SAMPLE_BYTES, len(received))):
        counted = counters(_words(received, shift))
        steps = ((counted[1:] - counted[:-1]) & (TURN - 1)) == 1
        if len(steps) >= RUN - 1:
            windows = np.lib.stride_tricks.sliding_window_view(steps, RUN - 1).all(axis=1)
            if windows.any():
                found.append(shift + SAMPLE_BYTES * int(np.argmax(windows)))
    return min(found, default=None)


def _lost(count: int) -> Samples:
    return Samples(np.zeros(count, dtype=np.uint32), np.ones(count, dtype=np.bool_))


def _joined(parts: list[Samples]) -> Samples:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _lost(0)
    return Samples(
        np.concatenate([part.words for part in parts]),
        np.concatenate([part.lost for part in parts]),
    )
