"""Meters that send samples without being asked: from bytes as they come to blocks of samples.

The instants at which bytes came are all that ties such a meter's count to the host's clock. A
block therefore says when the port was last seen empty before its newest bytes, and when those
had been read: its last sample was there by then, and the one after it was not there before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import accuracy_of, burden_of
from powerlab.instruments.count_watch import CountWatch
from powerlab.instruments.read_ahead import ReadAhead
from powerlab.instruments.rows import Rows, joined_rows, lost_rows
from powerlab.records import (
    Accuracy,
    MeterIdentity,
    MeterSetup,
    SampleBlock,
)
from powerlab.transport.serial import PREFIX
from powerlab.transport.serial_stream import StreamLink
from powerlab.units import NS_PER_S, nanoseconds, now_ns

BLOCK_S = 0.1
GATHER_S = 0.01
"""Pieces that come within so long are decoded together."""

SILENCE_S = 8.0
"""A stream that has brought no sample for so long has ended."""

PACE_AFTER_S, PACE_MOST = 10.0, 2.0
"""From when on, and by which factor, the rate of samples must be what it should."""

VERDICT_S = 2.0
"""How long after its end a stream is read on where a loss is still in question."""

LINE_ACCURACY = Accuracy(
    quantity="line",
    full_scale=1.0,
    gain_limit=0.0,
    offset_limit=0.0,
    source="a digital input has no limit",
    retrieved="",
    estimated=False,
)


class RowSource(Protocol):
    """What a stream's decoder is: bytes in, rows out."""

    def feed(self, data: bytes) -> Rows:
        """Take bytes as they came; get the rows that are sure by now."""


@dataclass(slots=True)
class Stream:
    """One running stream of a meter; ``name`` is in its messages.

    With ``turn_ns``, the device time after which the meter's counter repeats, whole turns that
    were lost are found by the host's clock and become rows as well.
    """

    link: StreamLink
    source: RowSource
    interval_ns: int
    name: str
    turn_ns: int = 0
    lost_turns: int = 0
    _sure: list[Rows] = field(default_factory=list)
    _held: list[Rows] = field(default_factory=list)
    _shift_ns: int = 0
    _rows: int = 0

    def blocks(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get blocks until ``stop``; ``InstrumentError`` where the meter falls silent."""
        watch = CountWatch(self.turn_ns) if self.turn_ns else None
        news_ns = block_ns = sent_ns = received_ns = now_ns()
        stopped_ns = first_ns = 0
        with ReadAhead(self.link) as port:
            while True:
                # Before the port is looked at: what came until the stop is all there then.
                stopped_ns = stopped_ns or (now_ns() if stop.wait(GATHER_S) else 0)
                came = port.take()
                rows = self.source.feed(came.data)
                at_ns = now_ns()
                if len(rows.flags):
                    first_ns = first_ns or came.arrived_ns
                    self._check_pace(int(rows.device_ns[-1]), came.arrived_ns - first_ns)
                    news_ns = at_ns
                    self._held.append(self._moved(rows))
                    newest_ns = int(self._held[-1].device_ns[-1])
                    turns = watch.look(newest_ns, came.arrived_ns) if watch else 0
                    if turns is not None:
                        self._settle(turns)
                        sent_ns, received_ns = came.empty_ns, came.arrived_ns
                elif at_ns - news_ns > nanoseconds(SILENCE_S):
                    raise self._silent()
                waited_ns = at_ns - stopped_ns if stopped_ns else 0
                given_up = waited_ns > nanoseconds(VERDICT_S)
                ending = stopped_ns and (not self._held or given_up)
                if self._sure and (ending or at_ns - block_ns >= nanoseconds(BLOCK_S)):
                    block_ns = at_ns
                    yield self._block(sent_ns, received_ns)
                if ending:
                    return
                if stopped_ns:
                    time.sleep(GATHER_S)

    def _check_pace(self, device_ns: int, elapsed_ns: int) -> None:
        """Raise InstrumentError where samples come at quite another rate than they should."""
        if elapsed_ns < nanoseconds(PACE_AFTER_S):
            return
        pace = (device_ns + self._shift_ns) / elapsed_ns
        if not 1 / PACE_MOST < pace < PACE_MOST:
            rate_hz = NS_PER_S / self.interval_ns
            raise InstrumentError(
                f"{self.name} on {self.link.resource} sends {pace * rate_hz:.3g} samples a second, "
                f"not {rate_hz:.3g}",
                hint="connect it without a hub to a port of its own, and update its firmware",
            )

    def _moved(self, rows: Rows) -> Rows:
        if not self._shift_ns:
            return rows
        return Rows(rows.values, rows.flags, rows.device_ns + self._shift_ns)

    def _settle(self, turns: int) -> None:
        """Let go what was held back, behind the rows of whole turns that were lost before it.

        A source that keeps its newest samples back for certainty has those on the far side too.
        """
        if turns:
            first, length_ns = self._held[0], turns * self.turn_ns
            count = round(length_ns / self.interval_ns)
            begin_ns = int(first.device_ns[0])
            channels = first.values.shape[1]
            self._sure.append(lost_rows(count, channels, begin_ns, self.interval_ns))
            self._held = [Rows(p.values, p.flags, p.device_ns + length_ns) for p in self._held]
            self._shift_ns += length_ns
            self.lost_turns += turns
        self._sure += self._held
        self._held = []

    def _block(self, sent_ns: int, received_ns: int) -> SampleBlock:
        rows = joined_rows(self._sure)
        self._sure = []
        self._rows += len(rows.flags)
        return SampleBlock(
            values=rows.values,
            device_ns=rows.device_ns,
            flags=rows.flags,
            sent_ns=sent_ns,
            received_ns=received_ns,
            completed=self._rows,
        )

    def _silent(self) -> InstrumentError:
        return InstrumentError(
            f"{self.name} on {self.link.resource} sent no sample for {SILENCE_S:g} s",
            hint="check its plug, and that no other program uses its port; then measure again",
        )


def streamed_setup(
    profile: InstrumentProfile,
    chosen: Mapping[str, Range],
    settings: Mapping[str, str | float],
    *,
    line: bool = False,
) -> MeterSetup:
    """Get the facts of a streaming meter on the ranges ``chosen`` for its quantities.

    With ``line`` the last channel is the trigger line.
    """
    sampling = profile.sampling
    burden = burden_of(chosen["current"]) if "current" in chosen else (0.0, 0.0)
    limits = tuple(accuracy_of(item) for item in chosen.values())
    return MeterSetup(
        channels=(*chosen, "line") if line else tuple(chosen),
        accuracy=(*limits, LINE_ACCURACY) if line else limits,
        averaging=sampling.averaging,
        aperture_s=sampling.aperture_s,
        interval_s=sampling.interval_s,
        timestamp=sampling.timestamp,
        latency_s=sampling.latency_s,
        latency_limit_s=sampling.latency_limit_s,
        clock_limit_ppm=sampling.clock_limit_ppm,
        burden_ohm=burden[0],
        burden_limit_ohm=burden[1],
        settings=dict(settings),
    )


def streamed_identity(
    profile: InstrumentProfile, resource: str, *, serial: str, firmware: str = ""
) -> MeterIdentity:
    """Get who a meter on a serial port is, one that tells no model of its own.

    What hangs on a pseudo-terminal is a program.
    """
    path = resource.removeprefix(PREFIX).partition("?")[0]
    return MeterIdentity(
        model=profile.name,
        manufacturer=profile.manufacturer,
        name=profile.name,
        serial=serial,
        firmware=firmware,
        resource=resource,
        emulated=Path(path).resolve().is_relative_to("/dev/pts"),
    )


def interval_ns(profile: InstrumentProfile) -> int:
    """Get the nominal time between two samples."""
    return round(profile.sampling.interval_s * NS_PER_S)
