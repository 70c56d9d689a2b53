"""Keysight 34465A and 34470A: readings by the meter's own timer into its memory, fetched on.

Protocol: operating and service guide of the Truevolt series. Never tried on hardware: checked
against the guide's examples and the emulator. Quirks that shape this driver:

- No time stamps: a reading's time is its number times ``SAMP:TIM``. Numbers hold as long as
  none is lost, so whatever hints at a loss ends the measurement; what came before is kept.
- A full memory overwrites its oldest readings and sets bit 14 of the questionable register.
- ``R?`` and ``STAT:QUES?`` erase what they answer, so that is waited for much longer than others.
- ``CONFigure`` leaves no statistics, null or trigger of an earlier user. Changing the range may
  interrupt the current (``CURR:SWIT:MODE FAST``): continuous switching is set first.
- The 10 A range is on other terminals.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    burden_of,
    check_channels,
    range_or_error,
)
from powerlab.instruments.scpi import broken, decode_count
from powerlab.instruments.scpi_block import ask_block
from powerlab.instruments.scpi_session import (
    ask_number,
    check_errors,
    confirm,
    identify,
    mean_voltage,
    voltage_uncertainty,
)
from powerlab.instruments.scpi_stream import (
    CountCheck,
    ask_again,
    ask_erasing,
    counted_block,
    polls,
)
from powerlab.instruments.truevolt_readings import Form, decode_form, decode_readings
from powerlab.records import FloatArray, MeterSetup, SampleBlock
from powerlab.transport.visa import BlockLink, open_visa
from powerlab.units import nanoseconds, now_ns

MODELS = ("34465A", "34470A")
FUNCTIONS = {"current": "CURR:DC", "voltage": "VOLT:DC"}
MOST_SAMPLES = 1_000_000_000
CHUNK_READINGS = 20_000
POLL_S = 0.2
ERASING_LIMIT_S = 10.0
LATE_S = 0.2
SILENCE_LIMIT_S = 5.0
MEMORY_OVERFLOW = 1 << 14
ERRORS = "SYST:ERR?"


class Truevolt:
    """One Truevolt on a link; satisfies ``contract.Meter`` and ``contract.VoltageReader``."""

    def __init__(self, link: BlockLink, profile: InstrumentProfile) -> None:
        self._link = link
        self._profile = profile
        self.identity = identify(link, profile, MODELS)
        self._interval_s = profile.sampling.interval_s
        self._form: Form = "doubles"

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set range, aperture, timer and format; read back what decides a figure.

        ``ConfigError`` where the request names more than one channel, or where the meter has
        not the option for so short an interval.
        """
        quantity = self._quantity(request)
        function = FUNCTIONS[quantity]
        peak = request.expected_peak_v if quantity == "voltage" else request.expected_peak_a
        chosen = range_or_error(self._profile, quantity, peak)
        aperture_s = self._profile.sampling.aperture_s
        for command in (
            "ABOR",
            *(("CURR:SWIT:MODE CONT",) if quantity == "current" else ()),
            "*CLS",
            f"CONF:{function} {chosen.full_scale:g}",
            f"{function}:APER {aperture_s:g}",
            f"{function}:ZERO:AUTO OFF",
            "TRIG:SOUR IMM",
            "TRIG:COUN 1",
            "TRIG:DEL 0",
            "SAMP:SOUR TIM",
        ):
            self._link.write(command)
        self._check_timer()
        for command in (
            f"SAMP:TIM {self._interval_s:g}",
            f"SAMP:COUN {MOST_SAMPLES}",
            "FORM:DATA REAL,64",
            "FORM:BORD SWAP",
        ):
            self._link.write(command)
        check_errors(self._link, self._profile.name, command=ERRORS)
        self._read_back(function, chosen, aperture_s)
        return self._setup(chosen)

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the timer and get what each poll brings, until ``stop`` and once after."""
        sampling = self._profile.sampling
        check = CountCheck(
            self._profile.name,
            self._interval_s,
            slack_s=LATE_S + sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
        )
        delivered, news_ns = 0, now_ns()
        emptied_ns = news_ns
        self._link.write("INIT")
        for _ in polls(POLL_S, stop):
            waiting, sent_ns, received_ns = ask_again(self._waiting)
            if waiting:
                self._check_memory()
                check.check(delivered + waiting, sent_ns, received_ns)
                for values in self._fetched(waiting):
                    waiting -= len(values)
                    # A part of what was there does not say that the next was still to come.
                    yield counted_block(
                        values.reshape(-1, 1),
                        delivered=delivered,
                        interval_s=self._interval_s,
                        polled_ns=(emptied_ns if waiting else sent_ns, received_ns),
                    )
                    delivered, news_ns = delivered + len(values), received_ns
            elif sent_ns - news_ns > nanoseconds(SILENCE_LIMIT_S):
                raise InstrumentError(
                    f"the {self.identity.model} has taken no reading for {SILENCE_LIMIT_S:g} s",
                    hint="somebody stopped it at its front panel, or it waits for a trigger; "
                    "measure again",
                )
            emptied_ns = sent_ns

    def read_voltage(self, readings: int = 10) -> tuple[float, float]:
        """Measure volts at the meter's voltage input: mean and its standard uncertainty."""
        if readings < 2:
            raise ValueError("a scatter needs two readings or more")
        for command in ("ABOR", "*CLS", "FORM:DATA ASC", "CONF:VOLT:DC AUTO", "VOLT:DC:NPLC 1"):
            self._link.write(command)
        check_errors(self._link, self._profile.name, command=ERRORS)
        values = [ask_number(self._link, "READ?") for _ in range(readings)]
        mean = mean_voltage(self.identity.model, values)
        full_scale = ask_number(self._link, "VOLT:DC:RANG?")
        accuracy = accuracy_of(range_or_error(self._profile, "voltage", full_scale))
        return mean, voltage_uncertainty(values, accuracy)

    def close(self) -> None:
        """Stop the timer, go back to text, disconnect; never raises."""
        with contextlib.suppress(Exception):
            self._link.write("ABOR")
            self._link.write("FORM:DATA ASC")
        self._link.close()

    def _quantity(self, request: MeterRequest) -> str:
        check_channels(request, tuple(FUNCTIONS), self._profile.name)
        wanted = request.channels or self._profile.channels
        if len(wanted) != 1:
            raise ConfigError(
                f"{self._profile.name} cannot stream {' and '.join(wanted)} at once",
                hint="stream one of them, and the other in a pass of its own",
            )
        return wanted[0]

    def _check_timer(self) -> None:
        """Raise ``ConfigError`` where the meter cannot read as often as the profile wants."""
        shortest_s = ask_number(self._link, "SAMP:TIM? MIN")
        if shortest_s > self._interval_s * (1 + 1e-6):
            raise ConfigError(
                f"this {self.identity.model} reads every {shortest_s:g} s at the most, "
                f"not every {self._interval_s:g} s",
                hint="intervals below 0.3 ms need its DIG option: use a profile with a longer "
                "interval_s and aperture_s",
            )

    def _read_back(self, function: str, chosen: Range, aperture_s: float) -> None:
        name = self._profile.name
        confirm(self._link, name, f"{function}:RANG?", chosen.full_scale)
        confirm(self._link, name, f"{function}:APER?", aperture_s)
        confirm(self._link, name, f"{function}:ZERO:AUTO?", 0)
        confirm(self._link, name, "SAMP:TIM?", self._interval_s)
        confirm(self._link, name, "SAMP:COUN?", MOST_SAMPLES)
        for command, wanted in (("SAMP:SOUR?", "TIM"), ("FORM:BORD?", "SWAP")):
            told = self._link.query(command).upper()
            if not told.startswith(wanted):
                raise broken(command, told, f"is not {wanted}, which was set")
        self._form = decode_form("FORM:DATA?", self._link.query("FORM:DATA?"))

    def _setup(self, chosen: Range) -> MeterSetup:
        """Get the facts of a set-up on one range."""
        sampling = self._profile.sampling
        burden_ohm, burden_limit_ohm = burden_of(chosen)
        return MeterSetup(
            channels=(chosen.quantity,),
            accuracy=(accuracy_of(chosen),),
            averaging=sampling.averaging,
            aperture_s=sampling.aperture_s,
            interval_s=self._interval_s,
            timestamp=sampling.timestamp,
            latency_s=sampling.latency_s,
            latency_limit_s=sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
            burden_ohm=burden_ohm,
            burden_limit_ohm=burden_limit_ohm,
            settings={
                "function": FUNCTIONS[chosen.quantity],
                "range": chosen.full_scale,
                "aperture_s": sampling.aperture_s,
                "sample_timer_s": self._interval_s,
                "autozero": "off",
                "format": "REAL,64, SWAP" if self._form == "doubles" else "ASC",
            },
        )

    def _waiting(self) -> int:
        return decode_count("DATA:POIN?", self._link.query("DATA:POIN?"))

    def _fetched(self, count: int) -> Iterator[FloatArray]:
        """Get, and erase, the oldest readings in memory, in pieces as they come."""
        for start in range(0, count, CHUNK_READINGS):
            wanted = min(CHUNK_READINGS, count - start)
            command = f"R? {wanted}"
            ask = partial(ask_block, self._link, command, ERASING_LIMIT_S)
            yield decode_readings(command, ask_erasing(ask), self._form, wanted)

    def _check_memory(self) -> None:
        """Raise ``InstrumentError`` where readings have been overwritten."""
        if ask_erasing(self._events) & MEMORY_OVERFLOW:
            raise InstrumentError(
                f"the {self.identity.model}'s memory ran over, and its oldest readings are lost",
                hint="what came before is kept; the network was away for too long, or the rate "
                "is too high for it: use a longer interval_s",
            )

    def _events(self) -> int:
        told = self._link.query("STAT:QUES?", ERASING_LIMIT_S)
        return decode_count("STAT:QUES?", told)


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Truevolt:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_visa(bench_meter.resource)
    try:
        return Truevolt(link, profile)
    except BaseException:
        link.close()
        raise
