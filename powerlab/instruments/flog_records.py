"""Chunks of a Rohde & Schwarz fast log: blocks in, volts and amperes out, no I/O here.

User manual NGU 1179.2531.02, ``FLOG:DATA?``: singles in the order V, I, V, I. The manual does
not state their byte order and the instrument has no command for it; little-endian is taken, as
public programs read them, and a wrong order would not pass for volts.
"""

from __future__ import annotations

import numpy as np

from powerlab.instruments.scpi import broken
from powerlab.instruments.scpi_block import decode_floats
from powerlab.records import FloatArray
from powerlab.units import NS_PER_S

EARLY = 0.1
"""Of a chunk, by which the estimate of when the last one was ready may be late."""

LEAST_SKIPPED = 2
PLAINLY_SKIPPED = 2.5
"""So many chunks between two that came mean a loss, whatever the instrument says."""

_PAIR_BYTES = 8
_MOST_V, _MOST_A = 100.0, 100.0
_OVERLOAD = 9e36

RATES = {
    "S100": 100,
    "S001K": 1_000,
    "S010K": 10_000,
    "S050K": 50_000,
    "S250K": 250_000,
    "S500K": 500_000,
}
"""Samples per second by the word of ``FLOG:SRAT`` (R&S's own example for the NGM200)."""


def rate_word(rate_hz: float) -> str | None:
    """Get the word for a rate [Hz], None where the instrument has no such rate."""
    for word, told_hz in RATES.items():
        if abs(rate_hz / told_hz - 1) < 1e-6:
            return word
    return None


def decode_rate(command: str, reply: str) -> int:
    """Get samples per second from the answer to ``FLOG:SRAT?``, in either way to write it."""
    word = reply.strip().upper()
    for known, rate_hz in RATES.items():
        if word.lstrip("S0") == known.lstrip("S0"):
            return rate_hz
    raise broken(command, reply, "is no rate of a fast log")


def decode_chunk(command: str, payload: bytes) -> FloatArray:
    """Get volts and amperes of a chunk, float64 ``(n, 2)``."""
    if len(payload) % _PAIR_BYTES:
        why = f"holds {len(payload)} bytes, which pairs of singles do not divide"
        raise broken(command, repr(payload[:20]), why)
    samples = decode_floats(command, payload, 4, "little").reshape(-1, 2)
    size = np.abs(samples)
    beyond = (size > (_MOST_V, _MOST_A)) & (size < _OVERLOAD)
    if beyond.any():
        raise broken(command, repr(payload[:20]), "holds what cannot be volts and amperes")
    return samples


class ChunkCount:
    """Counts the chunks that were lost between two that were fetched.

    The instrument has a new chunk ready every ``chunk_s`` by its own clock and keeps the newest
    one. Its word that it skipped any tells whether, the time since the last one tells how many.
    """

    def __init__(self, chunk_s: float) -> None:
        self._chunk_ns = chunk_s * NS_PER_S
        self._ready_ns: float | None = None

    def lost(self, *, skipped: bool, idle_ns: int, at_ns: int) -> int | None:
        """Get how many were lost before the chunk just fetched, None where that cannot be told.

        ``idle_ns`` is when no chunk was ready last, ``at_ns`` when this one was the newest.
        """
        if self._ready_ns is None:
            self._ready_ns = float(at_ns)
            return 0
        turns = (at_ns - self._ready_ns) / self._chunk_ns
        passed = int(turns + EARLY)
        if skipped and passed < LEAST_SKIPPED:
            return None
        lost = passed - 1 if skipped or turns > PLAINLY_SKIPPED else 0
        predicted_ns = self._ready_ns + (lost + 1) * self._chunk_ns
        # Both clocks drift: a chunk that is fetched as soon as it is ready says where they are.
        self._ready_ns = min(max(predicted_ns, idle_ns), at_ns)
        return lost
