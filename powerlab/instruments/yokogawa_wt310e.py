"""Yokogawa WT310E and WT333E power meters: volts, amperes and watts of element 1, over SCPI.

Protocol: IM WT310E-17EN, the maker's answer on reading only what was updated, and exchanges
captured from real units. Never tried on hardware; checked against those and the emulator. The
GW Instek GPM-8310 has the same commands (its user manual, and programs that drive one): what
is different of it stands in its profile.
Quirks that shape this driver:

- The meter keeps no time and holds one reading. Bit 0 of its extended event register says that
  an update has ended since it was last read: register and values are asked for in one message,
  and ``yokogawa_updates`` counts. A reading's device time is its update's number times the
  interval, which the meter's own clock counts out.
- A message reads the register before the values. An update between the two shows its values
  twice rather than never, and its bit is still there for the next poll.
- A range that changes by itself leaves holes and old values: the ranges are fixed, the volts'
  after one look on the largest. A small current range gives way to 1 A when overloaded.
- No ``*RST``: what it would clear is cleared one by one, and another's ranges stay until then.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import MeterRequest, check_channels, range_or_error
from powerlab.instruments.scpi_session import identify
from powerlab.instruments.yokogawa_lists import NumericList, consistent, decode_poll
from powerlab.instruments.yokogawa_setup import (
    CHANNELS,
    Configuration,
    apply,
    clear,
    confirm,
    meter_setup,
)
from powerlab.instruments.yokogawa_updates import UpdateCount
from powerlab.records import MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.visa import ReplyTimeout, TextLink, open_visa
from powerlab.units import NS_PER_S, nanoseconds, now_ns

MODELS = ("WT310E", "WT333E", "GPM-8310")
POLL = ":STAT:EESR?;COND?;:NUM:NORM:VAL?"
POLL_SHARE = 0.23
"""Of an update's interval between two polls: not in step with it, so that the bounds close in."""

UPDATED = 1 << 0
OVER_RANGE = 1 << 6
PEAK_OVER = 1 << 7 | 1 << 8
ANSWER_ATTEMPTS = 3
SILENCE_LIMIT_S = 5.0
SETTLING_UPDATES = 2
"""After a change of range: one update that began before it, and one for the meter to settle."""

LEAST_POWER_FACTOR = 0.4
"""Of a small adapter without correction, whose current may come in short pulses: an estimate."""

MAINS_HZ = (45.0, 66.0)
LOOK_MARGIN = 1.05
"""Over the volts seen: how much more they may become."""

NOTHING = np.empty((0, len(CHANNELS)))


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll: was there an update, what was told, and when."""

    updated: bool
    condition: int
    told: NumericList
    sent_ns: int
    received_ns: int


class Wt310e:
    """One WT meter on a text link; satisfies ``contract.Meter``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        self._link = link
        self._profile = profile
        self.identity = identify(link, profile, MODELS)
        self._set: Configuration | None = None
        self._limits: tuple[float, ...] = ()

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Fix ranges and interval, and read back what decides a figure.

        Volts that the request does not name are looked for on the largest range; a line
        frequency in them says that this is the mains.
        """
        check_channels(request, CHANNELS, self._profile.name)
        clear(self._link)
        largest = self._profile.ranges("voltage")[-1]
        current = range_or_error(self._profile, "current", request.expected_peak_a)
        interval_s = self._profile.sampling.interval_s
        look = Configuration(largest.full_scale, current.full_scale, interval_s, direct=False)
        apply(self._link, look, frequency=True)
        volts, frequency_hz = self._look(look)
        direct = not MAINS_HZ[0] <= frequency_hz <= MAINS_HZ[1]
        if not direct and request.expected_peak_w:
            peak_a = request.expected_peak_w / (LEAST_POWER_FACTOR * volts)
            current = range_or_error(self._profile, "current", peak_a)
        margin_v = LOOK_MARGIN * volts + largest.offset_limit
        voltage = range_or_error(self._profile, "voltage", request.expected_peak_v or margin_v)
        chosen = Configuration(voltage.full_scale, current.full_scale, interval_s, direct=direct)
        apply(self._link, chosen, frequency=False)
        self._settle(len(CHANNELS))
        confirm(self._link, chosen)
        setup = meter_setup(self._profile, voltage, current, chosen)
        self._limits = tuple(
            limit.offset_limit + limit.gain_limit * limit.full_scale for limit in setup.accuracy
        )
        self._set = chosen
        return setup

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get one row for each update until ``stop``; those missed are rows marked ``LOST``.

        A block without a row says that nothing new had come: of the polls before an update
        the last one, which is what places the update in time.
        """
        configuration = self._configured()
        interval_ns = nanoseconds(configuration.interval_s)
        count, previous, watch = UpdateCount(interval_ns), None, _Silence()
        # Whoever reads may take long over the first block: nothing is counted until then.
        yield self._block(self._poll(len(CHANNELS), watch), [], [], 0)
        self._poll(len(CHANNELS), watch)
        waiting: SampleBlock | None = None
        next_ns = now_ns()
        while not stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S)):
            next_ns = max(next_ns + round(POLL_SHARE * interval_ns), now_ns())
            poll = self._poll(len(CHANNELS), watch)
            before = count.completed
            if not poll.updated:
                lost = count.nothing(poll.sent_ns)
                block = self._block(poll, [], [SampleFlag.LOST] * lost, before)
                if lost:
                    yield from _both(waiting, block)
                waiting = None if lost else block
                continue
            missed = count.new(poll.sent_ns, poll.received_ns)
            if missed is None:
                continue
            flags = self._judge(poll, configuration)
            if previous is not None and np.array_equal(previous, poll.told.values):
                flags |= SampleFlag.REPEATED
            previous = poll.told.values
            row = [*[SampleFlag.LOST] * missed, flags]
            yield from _both(waiting, self._block(poll, [poll.told.values], row, before))
            waiting = None
            if flags & (SampleFlag.OVERRANGE | SampleFlag.SATURATED):
                confirm(self._link, configuration)

    def close(self) -> None:
        """Give the front panel back and let the meter go; never raises."""
        with contextlib.suppress(Exception):
            self._link.write(":COMM:REM OFF")
        self._link.close()

    def _configured(self) -> Configuration:
        if self._set is None:
            raise ValueError("configure the meter before its stream is read")
        return self._set

    def _look(self, look: Configuration) -> tuple[float, float]:
        """Get the volts at the input and their frequency, NaN where they have none."""
        poll = self._settle(len(CHANNELS) + 1)
        volts, frequency_hz = abs(float(poll.told.values[0])), float(poll.told.values[3])
        if not np.isfinite(volts):
            raise InstrumentError(
                f"the {self.identity.model} shows no volts on its {look.voltage_v:g} V range",
                hint="check the leads at element 1: U and ± across the supply, at most 600 V",
            )
        return volts, frequency_hz

    def _settle(self, items: int) -> Poll:
        """Wait until the readings are those of the settings made before."""
        watch, updates = _Silence(), 0
        self._poll(items, watch)  # its event is of before
        while True:
            time.sleep(POLL_SHARE * self._profile.sampling.interval_s)
            poll = self._poll(items, watch)
            updates += poll.updated
            if updates == SETTLING_UPDATES:
                return poll

    def _poll(self, items: int, watch: _Silence) -> Poll:
        """Ask once; after a late answer, which is never used, check the settings and ask again."""
        for attempt in range(1, ANSWER_ATTEMPTS + 1):
            sent_ns = now_ns()
            try:
                reply = self._link.query(POLL)
            except ReplyTimeout:
                if attempt == ANSWER_ATTEMPTS:
                    raise
                # Whoever answers now may have been off and on again.
                if self._set is not None:
                    confirm(self._link, self._set)
                continue
            break
        received_ns = now_ns()
        event, condition, told = decode_poll(POLL, reply, items)
        updated = bool(event & UPDATED)
        watch.check(updated, received_ns, self.identity.model)
        return Poll(updated, condition, told, sent_ns, received_ns)

    def _judge(self, poll: Poll, configuration: Configuration) -> SampleFlag:
        """Flag a reading; one that cannot be, or is negative beyond its limit, is questionable."""
        flags = SampleFlag(int(np.bitwise_or.reduce(poll.told.flags)))
        if poll.condition & OVER_RANGE:
            flags |= SampleFlag.OVERRANGE
        if poll.condition & PEAK_OVER:
            flags |= SampleFlag.SATURATED
        reading = [float(value) for value in poll.told.values]
        if np.isfinite(reading).all():
            fits = consistent(reading, self._limits, direct=configuration.direct)
            if not fits or reading[2] < -self._limits[2]:
                flags |= SampleFlag.QUESTIONABLE
        return flags

    def _block(
        self, poll: Poll, last: list[np.ndarray], flags: list[SampleFlag], before: int
    ) -> SampleBlock:
        """Get the rows of a poll: ``flags`` for each, values for the last one where there are."""
        lost = np.full((len(flags) - len(last), len(CHANNELS)), np.nan)
        numbers = np.arange(before, before + len(flags), dtype=np.int64)
        return SampleBlock(
            values=np.concatenate((NOTHING, lost, *(row.reshape(1, -1) for row in last))),
            device_ns=numbers * nanoseconds(self._configured().interval_s),
            flags=np.array(flags, dtype=np.uint8),
            sent_ns=poll.sent_ns,
            received_ns=poll.received_ns,
            completed=before + len(flags),
        )


class _Silence:
    """Watches that updates come; ``InstrumentError`` where none did for ``SILENCE_LIMIT_S``."""

    def __init__(self) -> None:
        self._heard_ns = now_ns()

    def check(self, updated: bool, at_ns: int, model: str) -> None:  # noqa: FBT001 - a finding
        if updated:
            self._heard_ns = at_ns
        elif at_ns - self._heard_ns > nanoseconds(SILENCE_LIMIT_S):
            raise InstrumentError(
                f"the {model} has not updated its readings for {SILENCE_LIMIT_S:g} s",
                hint="somebody pressed HOLD at its front panel, or changed its update rate; "
                "measure again",
            )


def _both(earlier: SampleBlock | None, block: SampleBlock) -> Iterator[SampleBlock]:
    if earlier is not None:
        yield earlier
    yield block


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Wt310e:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_visa(bench_meter.resource)
    try:
        return Wt310e(link, profile)
    except BaseException:
        link.close()
        raise
