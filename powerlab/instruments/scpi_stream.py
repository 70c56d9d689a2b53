"""Streams of SCPI meters that fill a memory by themselves and are fetched from while they do.

Most of them keep no time stamps: a sample's time is its number times the interval. That holds
only while none is lost unseen, which is what ``CountCheck`` is for.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from powerlab.errors import InstrumentError
from powerlab.instruments.scpi import NOT_A_NUMBER, OVERLOAD
from powerlab.records import FlagArray, FloatArray, SampleBlock, SampleFlag
from powerlab.transport.visa import NeverAskedError, ReplyTimeout
from powerlab.units import NS_PER_S, nanoseconds, now_ns

ANSWER_ATTEMPTS = 3
HOST_LIMIT_PPM = 100.0
"""By how much this computer's own crystal may be off, on top of the meter's."""

T = TypeVar("T")


def polls(interval_s: float, stop: threading.Event) -> Iterator[bool]:
    """Get False at the instants of a fixed schedule, and True once, last, after ``stop``."""
    interval_ns = nanoseconds(interval_s)
    next_ns = now_ns() + interval_ns
    while True:
        stopping = stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S))
        yield stopping
        if stopping:
            return
        # A late poll is not made up for by a burst: it brings all that has come.
        next_ns = max(next_ns + interval_ns, now_ns())


def ask_again(ask: Callable[[], T]) -> tuple[T, int, int]:
    """Ask what may be asked twice, since one late answer must not end a measurement.

    Gets the answer, the instant it was asked for and the instant it came. ``ReplyTimeout``
    where none of ``ANSWER_ATTEMPTS`` came in time.
    """
    for _ in range(ANSWER_ATTEMPTS - 1):
        sent_ns = now_ns()
        with contextlib.suppress(ReplyTimeout):
            return ask(), sent_ns, now_ns()
    sent_ns = now_ns()
    return ask(), sent_ns, now_ns()


def ask_erasing(ask: Callable[[], T]) -> T:
    """Ask what may not be asked twice, since the answer is gone then.

    Only where the question had not been sent yet it is asked again; ``ReplyTimeout`` else.
    """
    for _ in range(ANSWER_ATTEMPTS - 1):
        with contextlib.suppress(NeverAskedError):
            return ask()
    return ask()


def judged(values: FloatArray) -> tuple[FloatArray, FlagArray]:
    """Get samples ``(n, channels)`` with NaN for what stands for no number, and their flags.

    9.9E37 is an overload, 9.91E37 "not a number" (SCPI-99), as is an IEEE NaN.
    """
    absent = np.isnan(values) | np.isclose(values, NOT_A_NUMBER, rtol=1e-4)
    over = ~absent & (np.abs(values) >= OVERLOAD * (1 - 1e-6))
    flags = np.zeros(len(values), dtype=np.uint8)
    flags[over.any(axis=1)] = SampleFlag.OVERRANGE
    flags[absent.any(axis=1)] |= np.uint8(SampleFlag.NOT_AVAILABLE)
    return np.where(absent | over, np.nan, values), flags


def counted_block(
    values: FloatArray, *, delivered: int, interval_s: float, polled_ns: tuple[int, int]
) -> SampleBlock:
    """Get samples ``(n, channels)`` as a block, the first one being number ``delivered``.

    With them all that the meter had taken by then has been delivered; ``polled_ns`` is when it
    was asked and when it answered.
    """
    rows, flags = judged(values)
    numbers = np.arange(delivered, delivered + len(rows), dtype=np.int64)
    return SampleBlock(
        values=rows,
        device_ns=np.rint(numbers * (interval_s * NS_PER_S)).astype(np.int64),
        flags=flags,
        sent_ns=polled_ns[0],
        received_ns=polled_ns[1],
        completed=delivered + len(rows),
    )


class CountCheck:
    """Compares the number of samples with the time: none may be lost unseen.

    ``slack_s`` is by how much samples may come late, ``clock_limit_ppm`` that of the meter.
    """

    def __init__(
        self, name: str, interval_s: float, *, slack_s: float, clock_limit_ppm: float
    ) -> None:
        self._name = name
        self._interval_s = interval_s
        self._slack_s = slack_s
        self._rate_limit = (clock_limit_ppm + HOST_LIMIT_PPM) * 1e-6
        self._first: tuple[int, int] | None = None

    def missing(self, completed: int, sent_ns: int, received_ns: int) -> int:
        """Get how many samples are missing at the least; the first call starts the count.

        ``completed`` had been taken at some instant between the two.
        """
        if self._first is None:
            self._first = completed, received_ns
            return 0
        elapsed_s = (sent_ns - self._first[1]) / NS_PER_S
        at_least_s = elapsed_s * (1 - self._rate_limit) - self._slack_s
        return max(0, int(at_least_s / self._interval_s) - (completed - self._first[0]))

    def check(self, completed: int, sent_ns: int, received_ns: int) -> None:
        """Raise ``InstrumentError`` where samples are missing: later ones have no time."""
        missing = self.missing(completed, sent_ns, received_ns)
        if missing:
            raise InstrumentError(
                f"the {self._name} has lost {missing} samples or more, unseen by itself",
                hint="what came before is kept; it was stopped, busy, or set anew at its front "
                "panel: measure again, at a lower rate if it happens again",
            )
