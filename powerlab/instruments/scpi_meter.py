"""Any line-oriented SCPI meter, by the ``[scpi]`` section of its profile alone.

Each poll asks one question and gets one reading, which is timed by the exchange: such a meter
tells no time. Quirks that shape this driver:

- No reset: a change of function may switch a shunt out and cut the board's supply, so the
  profile's commands set what must be set and nothing else.
- After a time-out the link has been opened anew and the same meter has answered on it
  (``transport.visa``), so a late answer never stands for a later reading: its row is lost.
- An answer to a query that starts a reading was formed one aperture after the question at the
  earliest; the block says so, which narrows the reading's time.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.catalog.scpi_profile import ScpiFunction
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    burden_of,
    check_channels,
    range_or_error,
)
from powerlab.instruments.scpi import broken
from powerlab.instruments.scpi_dialogue import Dialogue, identify_model, open_link, section
from powerlab.instruments.scpi_reading import ReadingDecoder, decode_setting, reading_decoder
from powerlab.records import MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.visa import ReplyTimeout, TextLink
from powerlab.units import NS_PER_S, nanoseconds, now_ns

GIVE_UP_S = 12.0
"""A meter that has told nothing for so long is gone."""

LINE_FREQUENCIES_HZ = (50.0, 60.0)


@dataclass(frozen=True, slots=True)
class AtWork:
    """What a meter was set to: its function, the ranges by quantity, how answers are read."""

    function: ScpiFunction
    ranges: Mapping[str, Range]
    setup: MeterSetup
    decoder: ReadingDecoder

    def beyond(self, values: list[float]) -> SampleFlag:
        """Flag what no range reads, though it is a number."""
        for name, value in zip(self.function.quantities, values, strict=True):
            chosen = self.ranges[name]
            if abs(value) > chosen.full_scale * chosen.over_range_factor:
                return SampleFlag.OVERRANGE
        return SampleFlag.GOOD

    def earliest_ns(self, asked_ns: int, received_ns: int) -> int:
        """Get the earliest instant at which an answer can have been formed."""
        if self.function.takes == "latest":
            return asked_ns
        return min(asked_ns + nanoseconds(self.setup.aperture_s), received_ns)


class ScpiMeter:
    """One meter on a text link; satisfies ``contract.Meter`` and ``contract.VoltageReader``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        self._profile = profile
        self._scpi = section(profile)
        self._dialogue = Dialogue(link, self._scpi, profile.name)
        self._link = link
        self.identity = identify_model(self._dialogue, profile)
        self._dialogue.send(self._scpi.open, {})
        self._at_work: AtWork | None = None

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set fixed ranges and the aperture, read back what the profile says, and settle.

        ``ConfigError`` where no function of the meter reads what the request names.
        """
        function = self._function(request)
        ranges = self._ranges(function, request)
        line_hz = self._line_frequency(request.line_frequency_hz)
        setup = self._facts(function, ranges, request.nplc, line_hz)
        self._at_work = AtWork(function, ranges, setup, reading_decoder(function, self._scpi))
        values: dict[str, object] = {
            "nplc": f"{request.nplc:g}",
            "aperture_s": f"{request.nplc / line_hz:g}",
        }
        for name, chosen in ranges.items():
            values["range"] = values[f"{name}_range"] = f"{chosen.full_scale:g}"
            values["most"] = f"{chosen.full_scale * chosen.over_range_factor:g}"
        self._dialogue.clear()
        self._dialogue.send(function.setup, values)
        self._dialogue.check_errors()
        self._dialogue.confirm(function.confirm, values)
        self._dialogue.settle()
        return setup

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get one row for each poll, on a fixed schedule, until ``stop``.

        A poll whose answer did not come in time yields a row of NaN marked ``LOST``;
        ``InstrumentError`` where no answer came for ``GIVE_UP_S``.
        """
        at_work = self._configured()
        interval_ns = nanoseconds(at_work.setup.interval_s)
        next_ns = heard_ns = now_ns()
        delivered, previous = 0, ""
        while not stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S)):
            asked_ns = now_ns()
            values, flags, reply = self._poll(at_work)
            received_ns = now_ns()
            if flags & SampleFlag.LOST:
                self._check_alive(received_ns - heard_ns)
            else:
                heard_ns = received_ns
                if at_work.function.takes == "latest" and reply == previous:
                    flags |= SampleFlag.REPEATED  # not renewed, or a very steady load
                previous = reply
            delivered += 1
            yield SampleBlock(
                values=np.array([values], dtype=np.float64),
                device_ns=None,
                flags=np.array([flags], dtype=np.uint8),
                sent_ns=at_work.earliest_ns(asked_ns, received_ns),
                received_ns=received_ns,
                completed=delivered,
            )
            # A late poll is not made up for by a burst: the meter has no more to tell.
            behind = max(0, now_ns() - next_ns) // interval_ns
            next_ns += (behind + 1) * interval_ns

    def read_voltage(self, readings: int = 10) -> tuple[float, float]:
        """Measure volts at the meter's voltage input: mean and its standard uncertainty.

        The uncertainty joins the range's specified limit (rectangular) and the scatter of
        the readings (their standard deviation over the root of their number). The range is
        the smallest that reads the volts, tried from the largest down.
        """
        if readings < 2:
            raise ValueError("a scatter needs two readings or more")
        ranges = self._profile.ranges("voltage")
        if not ranges:
            raise ConfigError(
                f"{self._profile.name} reads no volts",
                hint="read the volts with another meter, and write them into the bench's [supply]",
            )
        first, _ = self._volts(0.0, 2)
        mean, scatter = self._volts(abs(first), readings)
        if mean <= 0:
            raise InstrumentError(
                f"the {self._profile.name} reads {mean:.4g} V at the board",
                hint="put HI on the supply's plus and LO on its minus, with the board running",
            )
        accuracy = accuracy_of(range_or_error(self._profile, "voltage", abs(first)))
        limit = accuracy.gain_limit * mean + accuracy.offset_limit
        return mean, math.hypot(limit / math.sqrt(3), scatter)

    def close(self) -> None:
        """Send the profile's last commands, disconnect; never raises."""
        with contextlib.suppress(Exception):
            self._dialogue.send(self._scpi.close, {})
        self._link.close()

    def _function(self, request: MeterRequest) -> ScpiFunction:
        """Get the function that reads all that is asked for, by default the profile's channels."""
        readable = tuple(name for item in self._scpi.function for name in item.quantities)
        check_channels(request, readable, self._profile.name)
        wanted = set(request.channels or self._profile.channels)
        for function in self._scpi.function:
            if wanted <= set(function.quantities):
                return function
        raise ConfigError(
            f"{self._profile.name} cannot stream {' and '.join(sorted(wanted))} at once",
            hint="stream one of them, and the other in a pass of its own",
        )

    def _line_frequency(self, otherwise_hz: float) -> float:
        command = self._scpi.line_frequency_query
        if not command:
            return otherwise_hz
        told = self._dialogue.ask(command)
        line_hz = decode_setting(command, told)
        if line_hz not in LINE_FREQUENCIES_HZ:
            raise broken(command, told, "is no line frequency")
        return line_hz

    def _facts(
        self, function: ScpiFunction, ranges: dict[str, Range], nplc: float, line_hz: float
    ) -> MeterSetup:
        sampling = self._profile.sampling
        aperture_s = nplc / line_hz if function.integrates else sampling.aperture_s
        burden_ohm, burden_limit_ohm = (
            burden_of(ranges["current"]) if "current" in ranges else (0.0, 0.0)
        )
        return MeterSetup(
            channels=function.quantities,
            accuracy=tuple(accuracy_of(ranges[name]) for name in function.quantities),
            averaging=sampling.averaging,
            aperture_s=aperture_s,
            # What lies between two apertures does not depend on their length.
            interval_s=aperture_s + sampling.interval_s - sampling.aperture_s,
            timestamp=sampling.timestamp,
            latency_s=sampling.latency_s,
            latency_limit_s=sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
            burden_ohm=burden_ohm,
            burden_limit_ohm=burden_limit_ohm,
            settings={
                **{f"{name}_range": chosen.full_scale for name, chosen in ranges.items()},
                **({"nplc": nplc, "line_frequency_hz": line_hz} if function.integrates else {}),
                "read": function.read,
            },
        )

    def _ranges(self, function: ScpiFunction, request: MeterRequest) -> dict[str, Range]:
        """Get the range of each quantity: the largest where nobody says how much there will be."""
        peaks = {
            "current": request.expected_peak_a,
            "voltage": request.expected_peak_v,
            "power": request.expected_peak_a * request.expected_peak_v,
        }
        return {
            name: range_or_error(self._profile, name, peaks[name])
            if peaks[name]
            else self._profile.ranges(name)[-1]
            for name in function.quantities
        }

    def _configured(self) -> AtWork:
        if self._at_work is None:
            raise ValueError("a meter is configured before it is read")
        return self._at_work

    def _poll(self, at_work: AtWork) -> tuple[list[float], SampleFlag, str]:
        """Ask for one reading: its values, its flag, the answer itself."""
        function = at_work.function
        limit_s = self._scpi.reply_limit_s + at_work.setup.interval_s
        try:
            reply = self._dialogue.ask(function.read, limit_s)
        except ReplyTimeout:
            return [math.nan] * len(function.field), SampleFlag.LOST, ""
        values, flags = at_work.decoder.decode(reply)
        return values, flags | at_work.beyond(values), reply

    def _check_alive(self, silent_ns: int) -> None:
        if silent_ns > nanoseconds(GIVE_UP_S):
            raise InstrumentError(
                f"the {self._profile.name} has told no reading for {GIVE_UP_S:g} s",
                hint="look at its display: is it triggered, in remote mode, at work at all?",
            )

    def _volts(self, magnitude: float, readings: int) -> tuple[float, float]:
        """Get the mean [V] of some readings on the range for it, and that mean's scatter."""
        request = MeterRequest(
            expected_peak_a=0.0, channels=("voltage",), expected_peak_v=magnitude
        )
        setup = self.configure(request)
        column = setup.channels.index("voltage")
        values = []
        for _ in range(readings):
            row, flags, _ = self._poll(self._configured())
            if flags & (SampleFlag.OVERRANGE | SampleFlag.NOT_AVAILABLE | SampleFlag.LOST):
                raise InstrumentError(
                    f"the {self._profile.name} reads no volts on its "
                    f"{setup.accuracy[column].full_scale:g} V range",
                    hint="check the leads: HI and LO across the board's supply, and that the "
                    "volts are within the meter's ranges",
                )
            values.append(row[column])
        return statistics.fmean(values), statistics.stdev(values) / math.sqrt(readings)


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> ScpiMeter:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_link(profile, bench_meter)
    try:
        return ScpiMeter(link, profile)
    except BaseException:
        link.close()
        raise
