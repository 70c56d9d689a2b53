"""Polls of a meter that answers one request with one frame over a serial link, and has no clock.

A late reply would be taken for the answer to the next request, with the values of the past, and
every later answer would be shifted by one. So what has arrived unasked is dropped before each
request, and after a reply that missed its poll nothing that comes is believed before

1. the line has been silent,
2. one exchange has been made for its own sake, its answers dropped, whosever they were,
3. and the next one, at once, has brought exactly one answer within its time.

Each time this fails the silence doubles. So where every answer is late by the same time, those
to earlier requests arrive in the silence and prolong it: they never fall into both exchanges.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    burden_of,
    check_channels,
    range_or_error,
)
from powerlab.records import MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.serial import ByteLink
from powerlab.units import NS_PER_S, nanoseconds, now_ns

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Dialogue(Generic[R]):
    """What is sent, what comes back, and how long for.

    ``split`` finds the first whole reply in a stream: it, or None, and the bytes that may
    belong to the next. A reply that is not there after ``reply_limit_s`` has missed its poll;
    then the line must be silent for ``silence_s`` before the next request, which must be well
    over ``reply_limit_s``. After ``give_up_s`` without an answer the error of ``silent`` is
    raised, which gets the count of bytes that came too late.
    """

    request: bytes
    frame_bytes: int
    split: Callable[[bytes], tuple[R | None, bytes]]
    silent: Callable[[int], InstrumentError]
    reply_limit_s: float
    silence_s: float
    give_up_s: float


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """One reply: what it says, its bytes, and when it had come."""

    reading: R
    frame: bytes
    received_ns: int


@dataclass(frozen=True, slots=True)
class Poll(Generic[R]):
    """One request and the reading that answers it, None where that was lost.

    ``repeated`` says that every byte of it is that of the answer before.
    """

    reading: R | None
    repeated: bool
    sent_ns: int
    received_ns: int


def polled_setup(profile: InstrumentProfile, request: MeterRequest, asked: str) -> MeterSetup:
    """Get the facts of a meter that has nothing to set and streams what it has.

    ``asked`` is the request in print. ``ConfigError`` where it cannot carry the load, or where
    more is wanted than it streams.
    """
    check_channels(request, profile.channels, profile.name)
    current = range_or_error(profile, "current", request.expected_peak_a)
    voltage = range_or_error(profile, "voltage", request.expected_peak_v)
    chosen = {"current": current, "voltage": voltage}
    sampling = profile.sampling
    burden_ohm, burden_limit_ohm = burden_of(current)
    return MeterSetup(
        channels=profile.channels,
        accuracy=tuple(accuracy_of(chosen[name]) for name in profile.channels),
        averaging=sampling.averaging,
        aperture_s=sampling.aperture_s,
        interval_s=sampling.interval_s,
        timestamp=sampling.timestamp,
        latency_s=sampling.latency_s,
        latency_limit_s=sampling.latency_limit_s,
        clock_limit_ppm=sampling.clock_limit_ppm,
        burden_ohm=burden_ohm,
        burden_limit_ohm=burden_limit_ohm,
        settings={"poll_interval_s": sampling.interval_s, "request": asked},
    )


def polled_blocks(
    polls: Iterable[Poll[R]],
    channels: Sequence[str],
    values: Callable[[R], Mapping[str, float]],
    judge: Callable[[R], SampleFlag],
) -> Iterator[SampleBlock]:
    """Get one sample for each poll: a row of NaN marked ``LOST`` for one without an answer.

    ``values`` are those of a reading by channel, ``judge`` flags it. An answer that is that of
    the poll before to the last byte is marked ``REPEATED``: not renewed, or a very steady load.
    Its values are kept.
    """
    for delivered, poll in enumerate(polls, start=1):
        row, flags = dict.fromkeys(channels, math.nan), SampleFlag.LOST
        if poll.reading is not None:
            row = {**row, **values(poll.reading)}
            flags = SampleFlag.REPEATED if poll.repeated else SampleFlag.GOOD
            flags |= judge(poll.reading)
        yield SampleBlock(
            values=np.array([[row[name] for name in channels]], dtype=np.float64),
            device_ns=None,
            flags=np.array([flags], dtype=np.uint8),
            sent_ns=poll.sent_ns,
            received_ns=poll.received_ns,
            completed=delivered,
        )


class Trust(Enum):
    """Whether the next answer can be taken for that to the request before it."""

    WHOLE = auto()
    LOST = auto()
    RETURNING = auto()


class Poller(Generic[R]):
    """A dialogue on one link."""

    def __init__(self, link: ByteLink, dialogue: Dialogue[R]) -> None:
        self._link = link
        self._dialogue = dialogue
        self._trust = Trust.WHOLE
        self._silence_ns = nanoseconds(dialogue.silence_s)
        self._quiet_from_ns = 0
        self._late_bytes = 0

    def first(self, attempts: int, broken: Callable[[bytes], InstrumentError]) -> R:
        """Get a reading that tells which meter this is, perhaps one of a moment ago.

        ``InstrumentError`` where nobody answers, and what ``broken`` makes of the bytes that
        came where none of them is an answer.
        """
        rest = b""
        for attempt in range(attempts):
            self._link.drain()
            answers, rest = self._ask(whole_time=False)
            if answers:
                # This was the exchange for its own sake; after a miss the line must fall silent.
                self._trust = Trust.LOST if attempt else Trust.RETURNING
                self._quiet_from_ns = now_ns()
                return answers[0].reading
        raise broken(rest) if rest else self._dialogue.silent(0)

    def polls(self, interval_s: float, stop: threading.Event) -> Iterator[Poll[R]]:
        """Poll on a fixed schedule until ``stop``; ``InstrumentError`` where nobody answers."""
        interval_ns = nanoseconds(interval_s)
        next_ns = heard_ns = now_ns()
        previous = b""
        while not stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S)):
            sent_ns = now_ns()
            answer = self._exchange()
            if answer is not None:
                yield Poll(answer.reading, answer.frame == previous, sent_ns, answer.received_ns)
                previous, heard_ns = answer.frame, answer.received_ns
            elif sent_ns - heard_ns > nanoseconds(self._dialogue.give_up_s):
                raise self._dialogue.silent(self._late_bytes)
            else:
                yield Poll(None, repeated=False, sent_ns=sent_ns, received_ns=now_ns())
            # A late poll is not made up for by a burst: the meter has no more to tell.
            behind = max(0, now_ns() - next_ns) // interval_ns
            next_ns += (behind + 1) * interval_ns

    def _exchange(self) -> Answer[R] | None:
        """Make one poll: an answer that can be believed, or None."""
        overdue = self._link.drain()
        if self._trust is not Trust.WHOLE and overdue:
            self._late_bytes += len(overdue)
            self._trust, self._quiet_from_ns = Trust.LOST, now_ns()
        if self._trust is Trust.LOST and now_ns() - self._quiet_from_ns < self._silence_ns:
            return None
        answers, _ = self._ask(whole_time=self._trust is not Trust.WHOLE)
        if self._trust is Trust.LOST and answers:
            self._trust = Trust.RETURNING
            return None
        if len(answers) == 1:
            self._trust = Trust.WHOLE
            self._silence_ns = nanoseconds(self._dialogue.silence_s)
            return answers[0]
        if self._trust is not Trust.WHOLE:
            self._silence_ns *= 2
        self._trust, self._quiet_from_ns = Trust.LOST, now_ns()
        return None

    def _ask(self, *, whole_time: bool) -> tuple[list[Answer[R]], bytes]:
        """Request one reading: the answers that came, and the bytes that are none yet.

        The first answer ends it, or with ``whole_time`` the end of the reply's time.
        """
        dialogue = self._dialogue
        self._link.write(dialogue.request)
        deadline_ns = now_ns() + nanoseconds(dialogue.reply_limit_s)
        received, answers = b"", list[Answer[R]]()
        while True:
            reading, rest = dialogue.split(received)
            if reading is not None:
                end = len(received) - len(rest)
                frame = received[end - dialogue.frame_bytes : end]
                answers.append(Answer(reading, frame, now_ns()))
                received = rest
                if whole_time:
                    continue
                return answers, rest
            chunk = self._link.read(dialogue.frame_bytes - len(rest), deadline_ns)
            if not chunk:
                return answers, rest
            received = rest + chunk
