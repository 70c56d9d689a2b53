"""Keithley DMM6500 (and DAQ6510): direct current into the meter's own buffer, over SCPI.

Protocol: DMM6500 reference manual DMM6500-901-01 and its sibling's, DMM7510-901-01 (SCPI
language). Never tried on hardware: checked against published exchanges (identity 1.7.12b)
and against the emulator. Quirks that shape this driver:

- No ``*RST``: changing the function may switch the shunt out and cut the board's supply, so
  what a reset would clear (relative offset, filter, math) is cleared one by one.
- ``REL`` counts seconds from buffer entry 1, so an overwritten buffer would move its own
  origin. The buffer is filled once, with room for hours, and the trigger loop stops with it.
- Readings wait in the meter's memory: a late answer delays samples and loses none.
- Overload is ±9.9E37, "not a number" 9.91E37. Elements are parted by ``,`` or ``, ``.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    burden_of,
    range_or_error,
)
from powerlab.instruments.scpi import (
    NOT_A_NUMBER,
    OVERLOAD,
    broken,
    decode_count,
    decode_error,
    decode_identity,
    decode_number,
)
from powerlab.records import (
    FlagArray,
    FloatArray,
    Int64Array,
    MeterIdentity,
    MeterSetup,
    SampleBlock,
    SampleFlag,
)
from powerlab.transport.visa import ReplyTimeout, TextLink, open_visa
from powerlab.units import NS_PER_S, nanoseconds, now_ns

MODELS = ("DMM6500", "DAQ6510")
BUFFER = "powerlab"
BUFFER_READINGS = 1_000_000
CHUNK_READINGS = 500
POLL_S = 0.25
SILENCE_LIMIT_S = 5.0
ANSWER_ATTEMPTS = 3
SETTLING_LIMIT_S = 10.0
"""How long the answer after a set-up may take: making room for the buffer is slow."""


LONGEST_REL_S = 1e9


# --- codec ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of the buffer: values [A], float64 ``(n,)``; the meter's own time; flags."""

    values: FloatArray
    device_ns: Int64Array
    flags: FlagArray


def decode_readings(command: str, reply: str, count: int) -> Readings:
    """Get ``count`` pairs of reading and relative time, ``value,seconds,value,seconds,…``.

    An overload becomes NaN with ``OVERRANGE``, a "not a number" NaN with ``NOT_AVAILABLE``.
    """
    fields = reply.split(",")
    if len(fields) != 2 * count:
        raise broken(command, reply, f"holds {len(fields)} fields where {2 * count} were asked")
    numbers = np.array([decode_number(command, field) for field in fields], dtype=np.float64)
    values, seconds = numbers[0::2].copy(), numbers[1::2]
    # Written so that it also refuses what is not finite.
    if not np.all((seconds >= 0) & (seconds < LONGEST_REL_S)):
        raise broken(command, reply, "holds a time that cannot be")
    device_ns = np.rint(seconds * NS_PER_S).astype(np.int64)
    if np.any(np.diff(device_ns) <= 0):
        raise broken(command, reply, "holds times that do not rise")
    flags = np.zeros(count, dtype=np.uint8)
    flags[np.abs(values) >= OVERLOAD * (1 - 1e-6)] = SampleFlag.OVERRANGE
    flags[np.isclose(values, NOT_A_NUMBER, rtol=1e-4)] = SampleFlag.NOT_AVAILABLE
    values[flags != SampleFlag.GOOD] = math.nan
    return Readings(values=values, device_ns=device_ns, flags=flags)


# --- session -------------------------------------------------------------------------


class Dmm6500:
    """One DMM6500 on a text link; satisfies ``contract.Meter`` and ``contract.VoltageReader``."""

    def __init__(self, link: TextLink, profile: InstrumentProfile) -> None:
        self._link = link
        self._profile = profile
        manufacturer, model, serial, firmware = decode_identity(link.identity)
        suffix = profile.id.rsplit("-", 1)[-1].upper()
        wanted = (suffix,) if suffix in MODELS else MODELS
        if model not in wanted:
            raise InstrumentError(
                f"{link.resource} is a {manufacturer} {model}, not a {' or '.join(wanted)}",
                hint="correct the meter's resource or model in the bench; "
                "powerlab instruments list shows the known models",
            )
        self.identity = MeterIdentity(
            model=model,
            manufacturer=manufacturer,
            name=profile.name,
            serial=serial,
            firmware=firmware,
            resource=link.resource,
            emulated=serial.startswith("EMULATED"),
        )
        self._check_language()

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set a fixed current range, aperture and buffer; read back what decides a figure."""
        chosen = range_or_error(self._profile, "current", request.expected_peak_a)
        self._select("CURR")
        self._link.write(f":SENS:CURR:RANG {chosen.full_scale:g}")
        self._link.write(f":SENS:CURR:NPLC {request.nplc:g}")
        # One zero now and none between readings: those would leave gaps in the current.
        self._link.write(":SENS:CURR:AZER 0")
        self._link.write(":SENS:AZER:ONCE")
        self._link.write(":FORM:DATA ASC")
        self._link.write(f':TRAC:MAKE "{BUFFER}",{BUFFER_READINGS}')
        self._link.write(f':TRAC:FILL:MODE ONCE,"{BUFFER}"')
        self._link.write(f':TRIG:LOAD "SimpleLoop",{BUFFER_READINGS},0,"{BUFFER}"')
        self._check_errors()
        self._confirm(":SENS:CURR:REL:STAT?", 0)
        self._confirm(":SENS:CURR:RANG?", chosen.full_scale)
        self._confirm(":SENS:CURR:NPLC?", request.nplc)
        self._confirm(":SENS:CURR:AZER?", 0)
        line_hz = self._number(":SYST:LFR?")
        if line_hz not in (50.0, 60.0):
            raise broken(":SYST:LFR?", f"{line_hz:g}", "is no line frequency")
        sampling = self._profile.sampling
        aperture_s = request.nplc / line_hz
        burden_ohm, burden_limit_ohm = burden_of(chosen)
        return MeterSetup(
            channels=self._profile.channels,
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
                "function": "CURR:DC",
                "range": chosen.full_scale,
                "nplc": request.nplc,
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
        """Measure volts at the meter's voltage input: mean and its standard uncertainty.

        The uncertainty joins the range's specified limit (rectangular) and the scatter of
        the readings (their standard deviation over the root of their number).
        """
        if readings < 2:
            raise ValueError("a scatter needs two readings or more")
        self._select("VOLT")
        self._link.write(":SENS:VOLT:RANG:AUTO 1")
        self._link.write(":SENS:VOLT:NPLC 1")
        self._link.write(":SENS:VOLT:AZER 1")
        self._check_errors()
        self._confirm(":SENS:VOLT:REL:STAT?", 0)
        values = [self._number(":READ?") for _ in range(readings)]
        if max(abs(value) for value in values) >= OVERLOAD * (1 - 1e-6):
            raise InstrumentError(
                "the DMM6500's voltage input is overloaded",
                hint="check the leads: HI and LO across the board's supply, nothing above 1000 V",
            )
        mean = statistics.fmean(values)
        if mean <= 0:
            raise InstrumentError(
                f"the DMM6500 reads {mean:.4g} V at the board",
                hint="put HI on the supply's plus and LO on its minus, with the board running",
            )
        full_scale = self._number(":SENS:VOLT:RANG?")
        accuracy = accuracy_of(range_or_error(self._profile, "voltage", full_scale))
        limit = accuracy.gain_limit * mean + accuracy.offset_limit
        scatter = statistics.stdev(values) / math.sqrt(readings)
        return mean, math.hypot(limit / math.sqrt(3), scatter)

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
        # Twelve digits keep REL exact to a microsecond over days.
        self._link.write(":FORM:ASC:PREC 12")
        self._link.write("*CLS")
        told = self._link.query(":SENS:FUNC?").strip().strip('"')
        if told.removesuffix(":DC") != function:
            raise broken(":SENS:FUNC?", told, f"is not {function}:DC, which was set")

    def _number(self, command: str) -> float:
        return decode_number(command, self._link.query(command))

    def _confirm(self, command: str, wanted: float) -> None:
        told = self._number(command)
        if not math.isclose(told, wanted, rel_tol=1e-3, abs_tol=1e-9):
            raise InstrumentError(
                f"the DMM6500 answers {told:g} to {command} where {wanted:g} was set",
                hint="check that nobody works at its front panel, then measure again",
            )

    def _check_errors(self) -> None:
        """Read the error queue empty; ``InstrumentError`` with all of its entries."""
        entries = []
        for _ in range(64):
            code, text = decode_error(self._link.query(":SYST:ERR?", SETTLING_LIMIT_S))
            if code == 0:
                break
            entries.append(f"{code} {text}")
        if entries:
            raise InstrumentError(
                f"the DMM6500 refused a setting: {'; '.join(entries)}",
                hint="compare its firmware with docs/how-to/meters.md; a restart of the meter "
                "clears settings that conflict",
            )

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


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Dmm6500:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_visa(bench_meter.resource)
    try:
        return Dmm6500(link, profile)
    except BaseException:
        link.close()
        raise
