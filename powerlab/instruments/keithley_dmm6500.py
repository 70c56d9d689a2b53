"""Keithley DMM6500 (and DAQ6510): direct current or volts into the meter's own buffer, over SCPI.

Protocol: DMM6500 reference manual DMM6500-901-01 and its sibling's, DMM7510-901-01 (SCPI
language). Never tried on hardware: checked against published exchanges (identity 1.7.12b)
and against the emulator. Quirks that shape this driver:

- No ``*RST``: changing the function may switch the shunt out and cut the board's supply, so
  what a reset would clear (relative offset, filter, math) is cleared one by one.
- ``REL`` counts seconds from buffer entry 1, so an overwritten buffer would move its own
  origin. The buffer is filled once, with room for hours, and the trigger loop stops with it.
- Readings wait in the meter's memory: a late answer delays samples and loses none.
- One function at a time: a request streams current or volts, each on its own terminals.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    burden_of,
    check_channels,
    range_or_error,
)
from powerlab.instruments.dmm6500_digitizer import LONGEST_INTERVAL_S, Dmm6500Digitizer
from powerlab.instruments.dmm6500_readings import Readings, decode_readings
from powerlab.instruments.scpi import broken, decode_count
from powerlab.instruments.scpi_session import (
    ask_number,
    check_errors,
    confirm,
    identify,
    mean_voltage,
    voltage_uncertainty,
)
from powerlab.records import MeterSetup, SampleBlock
from powerlab.transport.visa import ReplyTimeout, TextLink, open_visa
from powerlab.units import NS_PER_S, nanoseconds, now_ns

MODELS = ("DMM6500", "DAQ6510")
FUNCTIONS = {"current": "CURR", "voltage": "VOLT"}
BUFFER = "powerlab"
BUFFER_READINGS = 1_000_000
CHUNK_READINGS = 500
POLL_S = 0.25
SILENCE_LIMIT_S = 5.0
ANSWER_ATTEMPTS = 3
SETTLING_LIMIT_S = 10.0
"""How long the answer after a set-up may take: making room for the buffer is slow."""


class Dmm6500:
    """One DMM6500 on a text link; satisfies ``contract.Meter`` and ``contract.VoltageReader``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        self._link = link
        self._profile = profile
        self.identity = identify(link, profile, MODELS)
        self._check_language()

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set a fixed range, aperture and buffer; read back what decides a figure.

        ``ConfigError`` where the request names more than one channel, or one that is not there.
        """
        quantity = self._quantity(request)
        function = FUNCTIONS[quantity]
        peak = request.expected_peak_v if quantity == "voltage" else request.expected_peak_a
        chosen = range_or_error(self._profile, quantity, peak)
        self._select(function)
        self._link.write(f":SENS:{function}:RANG {chosen.full_scale:g}")
        self._link.write(f":SENS:{function}:NPLC {request.nplc:g}")
        # One zero now and none between readings: those would leave gaps in the readings.
        self._link.write(f":SENS:{function}:AZER 0")
        self._link.write(":SENS:AZER:ONCE")
        self._link.write(f':TRAC:MAKE "{BUFFER}",{BUFFER_READINGS}')
        self._link.write(f':TRAC:FILL:MODE ONCE,"{BUFFER}"')
        self._link.write(f':TRIG:LOAD "SimpleLoop",{BUFFER_READINGS},0,"{BUFFER}"')
        self._check_errors()
        self._confirm(f":SENS:{function}:REL:STAT?", 0)
        self._confirm(f":SENS:{function}:RANG?", chosen.full_scale)
        self._confirm(f":SENS:{function}:NPLC?", request.nplc)
        self._confirm(f":SENS:{function}:AZER?", 0)
        line_hz = self._number(":SYST:LFR?")
        if line_hz not in (50.0, 60.0):
            raise broken(":SYST:LFR?", f"{line_hz:g}", "is no line frequency")
        return self._setup(chosen, request.nplc, line_hz)

    def _quantity(self, request: MeterRequest) -> str:
        check_channels(request, tuple(FUNCTIONS), self._profile.name)
        wanted = request.channels or self._profile.channels
        if len(wanted) != 1:
            raise ConfigError(
                f"{self._profile.name} cannot stream {' and '.join(wanted)} at once",
                hint="stream one of them, and the other in a pass of its own",
            )
        return wanted[0]

    def _setup(self, chosen: Range, nplc: float, line_hz: float) -> MeterSetup:
        """Get the facts of a set-up on one range."""
        sampling = self._profile.sampling
        aperture_s = nplc / line_hz
        burden_ohm, burden_limit_ohm = burden_of(chosen)
        return MeterSetup(
            channels=(chosen.quantity,),
            accuracy=(accuracy_of(chosen),),
            averaging=sampling.averaging,
            aperture_s=aperture_s,
            # The overhead between two apertures does not depend on their length.
            interval_s=aperture_s + sampling.interval_s - sampling.aperture_s,
            timestamp=sampling.timestamp,
            latency_s=sampling.latency_s,
            latency_limit_s=sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
            burden_ohm=burden_ohm,
            burden_limit_ohm=burden_limit_ohm,
            settings={
                "function": f"{FUNCTIONS[chosen.quantity]}:DC",
                "range": chosen.full_scale,
                "nplc": nplc,
                "line_frequency_hz": line_hz,
                "autozero": "once, before the first reading",
                "buffer_readings": BUFFER_READINGS,
            },
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the trigger loop and get what each poll brings, until ``stop`` and once after."""
        self._link.write(":INIT")
        delivered, last_ns = 0, -1
        news_ns = next_ns = now_ns()
        while True:
            next_ns += nanoseconds(POLL_S)
            stopping = stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S))
            completed, sent_ns, received_ns = self._completed(delivered)
            if completed > delivered:
                readings = self._fetch(delivered + 1, completed)
                self._check_time(readings, last_ns)
                delivered, last_ns = completed, int(readings.device_ns[-1])
                news_ns = received_ns
                yield SampleBlock(
                    values=readings.values.reshape(-1, 1),
                    device_ns=readings.device_ns,
                    flags=readings.flags,
                    sent_ns=sent_ns,
                    received_ns=received_ns,
                    completed=completed,
                )
            if stopping:
                return
            self._check_alive(delivered, received_ns - news_ns)
            next_ns = max(next_ns, now_ns() - nanoseconds(POLL_S))

    def read_voltage(self, readings: int = 10) -> tuple[float, float]:
        """Measure volts at the meter's voltage input: mean and its standard uncertainty."""
        if readings < 2:
            raise ValueError("a scatter needs two readings or more")
        self._select("VOLT")
        self._link.write(":SENS:VOLT:RANG:AUTO 1")
        self._link.write(":SENS:VOLT:NPLC 1")
        self._link.write(":SENS:VOLT:AZER 1")
        self._check_errors()
        self._confirm(":SENS:VOLT:REL:STAT?", 0)
        values = [self._number(":READ?") for _ in range(readings)]
        mean = mean_voltage("DMM6500", values)
        full_scale = self._number(":SENS:VOLT:RANG?")
        accuracy = accuracy_of(range_or_error(self._profile, "voltage", full_scale))
        return mean, voltage_uncertainty(values, accuracy)

    def close(self) -> None:
        """Stop the trigger loop, free the buffer, disconnect; never raises."""
        # A raw socket has no "go to local": the front panel is free once a key is pressed.
        with contextlib.suppress(Exception):
            self._link.write(":ABOR")
            self._link.write(f':TRAC:DEL "{BUFFER}"')
        self._link.close()

    def _check_language(self) -> None:
        language = self._link.query("*LANG?").strip('"')
        if language != "SCPI":
            raise InstrumentError(
                f"the DMM6500 at {self._link.resource} speaks {language}, not SCPI",
                hint="front panel: MENU, System, Settings, Command Set: SCPI; then restart it",
            )

    def _select(self, function: str) -> None:
        """Stop what runs and select a function, with nothing left that alters its readings.

        Old errors, and those of what is not there to be cleared, are forgotten at the end.
        """
        self._link.write(":ABOR")
        self._link.write(f':TRAC:DEL "{BUFFER}"')
        self._link.write(f':SENS:FUNC "{function}:DC"')
        self._link.write(f":SENS:{function}:REL:STAT 0")
        self._link.write(f":SENS:{function}:AVER 0")
        self._link.write(f":CALC:{function}:MATH:STAT 0")
        self._link.write(":FORM:DATA ASC")
        # Twelve digits keep REL exact to a microsecond over days.
        self._link.write(":FORM:ASC:PREC 12")
        self._link.write("*CLS")
        told = self._link.query(":SENS:FUNC?").strip().strip('"')
        if told.removesuffix(":DC") != function:
            raise broken(":SENS:FUNC?", told, f"is not {function}:DC, which was set")

    def _number(self, command: str) -> float:
        return ask_number(self._link, command)

    def _confirm(self, command: str, wanted: float) -> None:
        confirm(self._link, "DMM6500", command, wanted)

    def _check_errors(self) -> None:
        check_errors(self._link, "DMM6500", SETTLING_LIMIT_S)

    def _ask(self, command: str) -> tuple[str, int, int]:
        """Ask what may be asked twice, since one late answer must not end a measurement.

        Gets the answer, the instant it was asked for and the instant it came.
        """
        for _ in range(ANSWER_ATTEMPTS - 1):
            sent_ns = now_ns()
            with contextlib.suppress(ReplyTimeout):
                return self._link.query(command), sent_ns, now_ns()
        sent_ns = now_ns()
        return self._link.query(command), sent_ns, now_ns()

    def _completed(self, delivered: int) -> tuple[int, int, int]:
        """Ask how many readings are done: how many, when it was asked, when answered."""
        command = f':TRAC:ACT:END? "{BUFFER}"'
        reply, sent_ns, received_ns = self._ask(command)
        completed = decode_count(command, reply)
        if completed < delivered:
            raise InstrumentError(
                f"the DMM6500's buffer shrank from {delivered} to {completed} readings",
                hint="it was cleared at the front panel or by another program; measure again",
            )
        return completed, sent_ns, received_ns

    def _fetch(self, first: int, last: int) -> Readings:
        parts = []
        for start in range(first, last + 1, CHUNK_READINGS):
            end = min(last, start + CHUNK_READINGS - 1)
            command = f':TRAC:DATA? {start},{end},"{BUFFER}",READ,REL'
            parts.append(decode_readings(command, self._ask(command)[0], end - start + 1))
        return Readings(
            values=np.concatenate([part.values for part in parts]),
            device_ns=np.concatenate([part.device_ns for part in parts]),
            flags=np.concatenate([part.flags for part in parts]),
        )

    def _check_time(self, readings: Readings, last_ns: int) -> None:
        times = np.concatenate(([last_ns], readings.device_ns))
        if np.any(np.diff(times) <= 0):
            raise InstrumentProtocolError(
                "the DMM6500's time stamps ran backwards between two polls",
                hint="its buffer was overwritten or cleared; measure again",
            )

    def _check_alive(self, delivered: int, silent_ns: int) -> None:
        if delivered >= BUFFER_READINGS:
            raise InstrumentError(
                f"the DMM6500's buffer is full after {delivered} readings",
                hint="a measurement with this meter may last at most five hours",
            )
        if silent_ns > nanoseconds(SILENCE_LIMIT_S):
            raise InstrumentError(
                f"the DMM6500 has taken no reading for {SILENCE_LIMIT_S:g} s",
                hint="its trigger loop was stopped, perhaps at the front panel; measure again",
            )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Dmm6500 | Dmm6500Digitizer:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another.

    A profile whose readings come every millisecond or faster is served by the digitizer.
    """
    link = open_visa(bench_meter.resource)
    try:
        meter = Dmm6500(link, profile)
        if profile.sampling.interval_s <= LONGEST_INTERVAL_S:
            return Dmm6500Digitizer(link, profile, meter, meter.identity)
    except BaseException:
        link.close()
        raise
    return meter
