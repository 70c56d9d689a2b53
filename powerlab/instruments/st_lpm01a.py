"""ST X-NUCLEO-LPM01A: supplies a small board and measures it, as energy or as current.

Protocol: text commands with acknowledgements, then samples as text (to 5 kHz) or binary
(``lpm01a_ascii``, ``lpm01a_binary``), with the meter's time stamps and troubles between them.
Never tried on hardware: checked against published traces of the meter and the emulator. What is
measured and how fast follows from the profile: its channel ("power": energy output, "current")
and its interval. The meter's clock is the count of samples; its time stamps show what is lost.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import MeterRequest, check_channels, range_or_error
from powerlab.instruments.lpm01a_ascii import AsciiReader
from powerlab.instruments.lpm01a_binary import LEAST_A, BinaryReader
from powerlab.instruments.lpm01a_marks import MarkKind
from powerlab.instruments.lpm01a_rows import Lpm01aRows
from powerlab.instruments.resource_options import ResourceOptions, split_options
from powerlab.instruments.streaming import (
    Stream,
    interval_ns,
    streamed_identity,
    streamed_setup,
)
from powerlab.records import MeterSetup, SampleBlock
from powerlab.transport.serial import wait_until
from powerlab.transport.serial_stream import StreamLink, open_stream, silence
from powerlab.units import now_ns

BAUD = 3_686_400
OPTIONS = ("volts",)
LEAST_V, MOST_V = 1.8, 3.3
TEXT_LIMIT_HZ = 5000
ANSWER_LIMIT_S = 2.0
QUIET_S = 0.2


class Lpm01a:
    """One LPM01A on a serial stream; satisfies ``contract.Meter``."""

    def __init__(
        self,
        link: StreamLink,
        profile: InstrumentProfile,
        bench_meter: BenchMeter,
        options: ResourceOptions,
    ) -> None:
        self._link = link
        self._profile = profile
        self._energy = profile.channels == ("power",)
        volts = options.number("volts", LEAST_V, MOST_V)
        if volts is None:
            raise ConfigError(
                "the bench does not say at which volts the LPM01A is to supply the board",
                hint=f"write them behind the resource: {options.place}?volts=3.0 (1.8 to 3.3); "
                "too many would harm the board",
            )
        self._volts = volts
        link.write(b"\nstop\n")
        silence(link, QUIET_S, 2.0)
        self._order("htc")
        told = self._order("powershield").split()
        version = self._order("version")
        self.identity = streamed_identity(
            profile,
            bench_meter.resource,
            serial="-".join(told) or bench_meter.serial,
            firmware=version,
        )

    @property
    def _rate_hz(self) -> int:
        return round(1 / self._profile.sampling.interval_s)

    @property
    def _text(self) -> bool:
        return self._rate_hz <= TEXT_LIMIT_HZ

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Set supply, rate, quantity and format, each acknowledged; the board gets its power."""
        check_channels(request, self._profile.channels, self._profile.name)
        quantity = self._profile.quantities[0]
        peak = request.expected_peak_a * (self._volts if self._energy else 1.0)
        chosen = range_or_error(self._profile, quantity, peak)
        orders = (
            f"volt {round(self._volts * 1000)}m",
            f"freq {_short(self._rate_hz)}",
            "acqmode dyn",
            "acqtime inf",
            "funcmode high",
            f"output {'energy' if self._energy else 'current'}",
            f"format {'ascii_dec' if self._text else 'bin_hexa'}",
            "trigsrc sw",
            "pwr on",
        )
        for order in orders:
            self._order(order)
        return streamed_setup(
            self._profile,
            {quantity: chosen},
            {
                "supply_v": self._volts,
                "rate_hz": float(self._rate_hz),
                "output": "energy per sample" if self._energy else "current",
                "format": "ascii_dec" if self._text else "bin_hexa",
                "mode": "dynamic",
            },
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the acquisition and get its samples, until ``stop``; it is stopped then.

        ``InstrumentError`` where the meter ends it, overruns, or reports an error.
        """
        spacing_ns = interval_ns(self._profile)
        scale = 1e9 / spacing_ns if self._energy else 1.0
        least = 0.0 if self._energy else LEAST_A
        reader = AsciiReader() if self._text else BinaryReader(least)
        rows = Lpm01aRows(reader, spacing_ns, scale)
        self._link.write(b"start\n")
        try:
            yield from Stream(self._link, rows, spacing_ns, self._profile.name).blocks(stop)
        finally:
            with contextlib.suppress(InstrumentError):  # it may be what ended the stream
                self._link.write(b"stop\n")

    def close(self) -> None:
        """Stop, give the control back and let the port go; never raises. The supply stays on."""
        with contextlib.suppress(Exception):
            self._link.write(b"stop\n")
            silence(self._link, QUIET_S, 1.0)
            self._link.write(b"hrc\n")
        self._link.close()

    def _order(self, order: str) -> str:
        """Send a command and wait for its acknowledgement; get the words behind that.

        ``InstrumentError`` where the meter refuses it or does not answer.
        """
        self._link.write(order.encode() + b"\n")
        reader, heard, end_ns = AsciiReader(), list[str](), wait_until(ANSWER_LIMIT_S)
        refused = ""
        while now_ns() < end_ns:
            for mark in reader.feed(self._link.arrived(end_ns)).marks:
                heard.append(mark.text)
                _, found, behind = mark.text.partition(f"ack {order}")
                if found:
                    return behind.strip()
                if mark.kind is MarkKind.ERROR:
                    refused = f"{refused} {mark.text}".strip()
                    end_ns = min(end_ns, wait_until(QUIET_S))  # its detail may follow
        if refused:
            raise InstrumentError(
                f"the LPM01A refused '{order}': {refused}",
                hint="check the rate and volts of profile and bench against what it can do",
            )
        raise InstrumentError(
            f"no LPM01A answered '{order}' on {self._link.resource}",
            hint=f"check the port, that it runs at {BAUD} Bd, and that no other program uses it",
            context={"heard": heard[-5:]},
        )


def _short(rate_hz: int) -> str:
    return f"{rate_hz // 1000}k" if rate_hz % 1000 == 0 else str(rate_hz)


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Lpm01a:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another.

    ``ConfigError`` where the bench does not name the volts.
    """
    options = split_options(bench_meter.resource, OPTIONS)
    link = open_stream(options.place, profile.link.baud or BAUD)
    try:
        return Lpm01a(link, profile, bench_meter, options)
    except BaseException:
        link.close()
        raise
