"""Nordic Power Profiler Kit II: current at 100,000 samples a second, with a trigger line.

Protocol: one-byte commands, a calibration text, then a stream of four-byte samples
(``ppk2_samples``). Never tried on hardware: checked against a published calibration text and
known answer of the conversion, and against the emulator. Quirks that shape this driver:

- A reader that was killed leaves the device sending: it is stopped and the port read until it is
  silent before anything is asked.
- Without the device's own constants no sample can be converted, and none is.
- The supply's volts are part of the conversion: they are set, and written into the settings.
- The vendor's spike filter biases the energy of a range switch: samples are delivered unfiltered.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    check_channels,
    largest_magnitude,
    range_or_error,
)
from powerlab.instruments.ppk2_metadata import (
    REQUEST,
    Ppk2Metadata,
    broken_metadata,
    current_table,
    has_end,
    parse_metadata,
)
from powerlab.instruments.ppk2_samples import (
    INTERVAL_NS,
    TURN,
    Conversion,
    SampleReader,
    currents,
    logic,
)
from powerlab.instruments.resource_options import ResourceOptions, split_options
from powerlab.instruments.rows import Rows
from powerlab.instruments.streaming import Stream, streamed_identity, streamed_setup
from powerlab.records import MeterSetup, SampleBlock
from powerlab.transport.serial import wait_until
from powerlab.transport.serial_stream import StreamLink, open_stream, silence
from powerlab.units import now_ns

START, STOP, POWER_ON = b"\x06", b"\x07", b"\x0c\x01"
MODES = {"ampere": b"\x11\x01", "source": b"\x11\x02"}
SET_SUPPLY = b"\x0d"
OPTIONS = ("mode", "volts")
LEAST_V, MOST_V = 0.8, 5.0
METADATA_LIMIT_S = 3.0
QUIET_S = 0.2
ATTEMPTS = 3


class SampleRows:
    """The decoder of one stream: samples to rows of current and, where wired, the line."""

    def __init__(self, conversion: Conversion, line: int | None) -> None:
        self._conversion = conversion
        self._line = line
        self._reader = SampleReader()
        self._taken = 0

    def feed(self, data: bytes) -> Rows:
        """Take bytes as they came; get the rows that are sure by now."""
        samples = self._reader.feed(data)
        current, flags = currents(samples, self._conversion)
        values = current[:, np.newaxis]
        if self._line is not None:
            level = np.where(samples.lost, np.nan, logic(samples.words, self._line))
            values = np.column_stack((current, level))
        index = np.arange(self._taken, self._taken + len(current), dtype=np.int64)
        self._taken += len(current)
        return Rows(values, flags, INTERVAL_NS * index)


class Ppk2:
    """One PPK2 on a serial stream; satisfies ``contract.Meter``."""

    def __init__(
        self,
        link: StreamLink,
        profile: InstrumentProfile,
        bench_meter: BenchMeter,
        options: ResourceOptions,
    ) -> None:
        self._link = link
        self._profile = profile
        self._mode = options.choice("mode", tuple(MODES), "ampere")
        volts = options.number("volts", LEAST_V, MOST_V)
        self._line = _line_number(profile, bench_meter)
        self._metadata = self._ask_metadata()
        self._vdd_mv, self._vdd_origin = self._supply_mv(volts)
        link.write(MODES[self._mode])
        link.write(SET_SUPPLY + self._vdd_mv.to_bytes(2, "big"))
        link.write(POWER_ON)
        self.identity = streamed_identity(profile, bench_meter.resource, serial=bench_meter.serial)

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Get the facts for a load; the device changes its ranges itself, without a gap.

        ``InstrumentError`` where it cannot carry the load, or a range that the load may take
        has no usable constants.
        """
        offered = ("current", "line") if self._line is not None else ("current",)
        check_channels(request, offered, self._profile.name)
        chosen = range_or_error(self._profile, "current", request.expected_peak_a)
        highest = self._profile.ranges("current").index(chosen)
        usable = [item.usable for item in self._metadata.ranges]
        if not all(usable[: highest + 1]):
            number = usable.index(False)
            raise InstrumentError(
                f"the calibration constants of the PPK2's range {number} cannot be right",
                hint="its memory is damaged: have the constants written anew by the vendor's "
                "support, or use another meter",
                context={"constants": str(self._metadata.ranges[number])},
            )
        return streamed_setup(
            self._profile,
            {"current": chosen},
            {
                "mode": f"{self._mode} meter",
                "vdd_mv": float(self._vdd_mv),
                "vdd_from": self._vdd_origin,
                "integrated": "unfiltered samples",
                "calibrated": self._metadata.told.get("Calibrated", "not told"),
                "hardware": self._metadata.told.get("HW", "not told"),
                **({} if self._line is None else {"line_input": f"D{self._line}"}),
            },
            line=self._line is not None,
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the samples and get them in blocks, until ``stop``; the device is stopped then.

        Lost samples are rows marked ``LOST``, those of whole turns of the counter too.
        """
        table = current_table(self._metadata, self._vdd_mv / 1000)
        decoder = SampleRows(
            Conversion.of(table, largest_magnitude(self._profile, "current")), self._line
        )
        running = Stream(
            self._link, decoder, INTERVAL_NS, self._profile.name, turn_ns=TURN * INTERVAL_NS
        )
        self._quiet()
        self._link.write(START)
        try:
            yield from running.blocks(stop)
        finally:
            with contextlib.suppress(InstrumentError):  # it may be what ended the stream
                self._link.write(STOP)

    def close(self) -> None:
        """Stop the samples and let the port go; never raises. The board keeps its supply."""
        with contextlib.suppress(Exception):
            self._link.write(STOP)
            silence(self._link, QUIET_S, 1.0)
        self._link.close()

    def _quiet(self) -> None:
        """Stop the device and wait until it is silent; ``InstrumentError`` where it never is."""
        for _ in range(ATTEMPTS):
            self._link.write(STOP)
            if silence(self._link, QUIET_S, 2.0) is not None:
                return
        raise InstrumentError(
            f"the device on {self._link.resource} does not stop sending",
            hint="it may be no PPK2, or a PPK2 that hangs: unplug it and plug it in again",
        )

    def _ask_metadata(self) -> Ppk2Metadata:
        received = b""
        for _ in range(ATTEMPTS):
            self._quiet()
            self._link.write(REQUEST)
            received, end_ns = b"", wait_until(METADATA_LIMIT_S / ATTEMPTS)
            while not has_end(received) and now_ns() < end_ns:
                received += self._link.arrived(end_ns)
            if has_end(received):
                return parse_metadata(received)
        raise broken_metadata("did not come" if not received else "has no end", received)

    def _supply_mv(self, volts: float | None) -> tuple[int, str]:
        if volts is not None:
            return round(volts * 1000), "the bench's resource"
        told = self._metadata.vdd_mv
        if self._mode == "source" or told is None or not LEAST_V * 1000 <= told <= MOST_V * 1000:
            raise InstrumentError(
                "the PPK2 is not told the volts of the board, which its conversion needs",
                hint=f"write them behind the resource: {self._link.resource}?mode={self._mode}"
                "&volts=3.3",
            )
        return told, "the device's own setting, since the bench names none"


def _line_number(profile: InstrumentProfile, bench_meter: BenchMeter) -> int | None:
    if not bench_meter.line_input:
        return None
    return profile.line_inputs.index(bench_meter.line_input)


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Ppk2:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another.

    ``ConfigError`` for an option of the resource that is none of ``mode`` and ``volts``.
    """
    options = split_options(bench_meter.resource, OPTIONS)
    link = open_stream(options.place, profile.link.baud or 115_200)
    try:
        return Ppk2(link, profile, bench_meter, options)
    except BaseException:
        with contextlib.suppress(Exception):
            link.write(STOP)
        link.close()
        raise
