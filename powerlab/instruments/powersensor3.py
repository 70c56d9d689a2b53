"""PowerSensor3: volts and amperes of one pair of sensors, 20,000 times a second.

Protocol: one-byte commands, a configuration of eight records, a stream of sets
(``powersensor3_stream``). Never tried on hardware: checked against computed frames of the
firmware's layout and the emulator. Samples are placed by the device's own microseconds, not by
their arrival as its library does. The stamp of a set marks the end of its averaging.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments.contract import MeterRequest, check_channels, range_or_error
from powerlab.instruments.powersensor3_config import (
    ADC_MOST,
    PAIRS,
    RECORD,
    SENSORS,
    Sensor,
    broken_record,
    parse_record,
)
from powerlab.instruments.powersensor3_stream import INTERVAL_US, TURN_US, SetReader
from powerlab.instruments.resource_options import ResourceOptions, split_options
from powerlab.instruments.rows import Rows, joined_rows, lost_rows
from powerlab.instruments.streaming import Stream, streamed_identity, streamed_setup
from powerlab.records import MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.serial import wait_until
from powerlab.transport.serial_stream import StreamLink, open_stream, silence
from powerlab.units import now_ns

OPTIONS = ("pair",)
BAUD = 4_000_000
INTERVAL_NS = INTERVAL_US * 1000
RECORD_LIMIT_S = 1.5
"""For one record: the device resets itself after 2 s."""

QUIET_S = 0.2


class PairRows:
    """The decoder of one stream: sets to rows of volts and amperes of one pair."""

    def __init__(self, amperes: Sensor, volts: Sensor, pair: int) -> None:
        self._sensors = volts, amperes
        self._columns = [2 * pair + 1, 2 * pair]
        self._reader = SetReader()
        self._next_ns = 0

    def feed(self, data: bytes) -> Rows:
        """Take bytes as they came; get the rows that they complete, lost sets among them."""
        sets = self._reader.feed(data)
        levels = sets.levels[:, self._columns]
        values = np.column_stack(
            [sensor.values(levels[:, at]) for at, sensor in enumerate(self._sensors)]
        )
        at_end = (levels <= 0) | (levels >= ADC_MOST)
        ended = at_end[:, 1] | (levels[:, 0] >= ADC_MOST)  # no volts are a reading
        flags = np.where(ended, SampleFlag.SATURATED, SampleFlag.GOOD).astype(np.uint8)
        times = sets.time_us * 1000
        steps = np.diff(times, prepend=self._next_ns - INTERVAL_NS)
        parts: list[Rows] = []
        begin = 0
        for at in np.flatnonzero(steps >= 1.5 * INTERVAL_NS).tolist():
            parts.append(Rows(values[begin:at], flags[begin:at], times[begin:at]))
            before_ns = int(times[at] - steps[at])
            missing = round(int(steps[at]) / INTERVAL_NS) - 1
            parts.append(lost_rows(missing, 2, before_ns + INTERVAL_NS, INTERVAL_NS))
            begin = at
        parts.append(Rows(values[begin:], flags[begin:], times[begin:]))
        if len(times):
            self._next_ns = int(times[-1]) + INTERVAL_NS
        return joined_rows(parts)


class PowerSensor3:
    """One PowerSensor3 on a serial stream; satisfies ``contract.Meter``."""

    def __init__(
        self,
        link: StreamLink,
        profile: InstrumentProfile,
        bench_meter: BenchMeter,
        options: ResourceOptions,
    ) -> None:
        self._link = link
        self._profile = profile
        self._quiet()
        version = self._version()
        self._sensors = self._configuration()
        self._pair = self._choose(options)
        self.identity = streamed_identity(
            profile, bench_meter.resource, serial=bench_meter.serial, firmware=version
        )

    @property
    def _chosen(self) -> tuple[Sensor, Sensor]:
        return self._sensors[2 * self._pair], self._sensors[2 * self._pair + 1]

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Get the facts of the pair; ``InstrumentError`` where its sensors cannot carry the load.

        Nothing is written: what the device is configured for stays.
        """
        check_channels(request, self._profile.channels, self._profile.name)
        amperes, volts = self._chosen
        for sensor, peak, unit in (
            (amperes, request.expected_peak_a, "A"),
            (volts, request.expected_peak_v, "V"),
        ):
            if peak > sensor.most:
                raise InstrumentError(
                    f"{peak:g} {unit} is beyond the PowerSensor3's sensor '{sensor.kind}' "
                    f"(at most {sensor.most:.3g} {unit})",
                    hint="use a pair with a larger sensor, or lower the expected peak",
                )
        chosen = {
            "voltage": range_or_error(self._profile, "voltage", request.expected_peak_v),
            "current": range_or_error(self._profile, "current", request.expected_peak_a),
        }
        return streamed_setup(
            self._profile,
            chosen,
            {
                "pair": float(self._pair),
                "pair_name": amperes.pair,
                "current_sensor": amperes.kind,
                "current_reference_v": amperes.reference_v,
                "current_sensitivity_v_per_a": amperes.sensitivity,
                "voltage_sensor": volts.kind,
                "voltage_gain": volts.sensitivity,
            },
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the stream and get its sets in blocks, until ``stop``; it is stopped then.

        Lost sets are rows marked ``LOST``, whole turns of the device's time too.
        """
        rows = PairRows(*self._chosen, self._pair)
        running = Stream(self._link, rows, INTERVAL_NS, self._profile.name, turn_ns=TURN_US * 1000)
        self._quiet()
        self._link.write(b"S")
        try:
            yield from running.blocks(stop)
        finally:
            with contextlib.suppress(InstrumentError):  # it may be what ended the stream
                self._link.write(b"T")

    def close(self) -> None:
        """Stop the stream and let the port go; never raises."""
        with contextlib.suppress(Exception):
            self._link.write(b"T")
            silence(self._link, QUIET_S, 1.0)
        self._link.close()

    def _quiet(self) -> None:
        self._link.write(b"T")
        if silence(self._link, QUIET_S, 3.0) is None:
            raise InstrumentError(
                f"the device on {self._link.resource} does not stop sending",
                hint="it may be no PowerSensor3: unplug it and plug it in again",
            )

    def _read(self, count: int) -> bytes:
        received, end_ns = b"", wait_until(RECORD_LIMIT_S)
        while len(received) < count and now_ns() < end_ns:
            received += self._link.arrived(end_ns)
        return received

    def _version(self) -> str:
        self._link.write(b"V")
        received, end_ns = b"", wait_until(RECORD_LIMIT_S)
        while not received.endswith(b"\n") and now_ns() < end_ns:
            received += self._link.arrived(end_ns)
        if not received:
            raise InstrumentError(
                f"no PowerSensor3 answers on {self._link.resource}",
                hint="check the port: it is a USB serial port like /dev/ttyACM0",
            )
        return received.decode("ascii", "replace").strip()

    def _configuration(self) -> tuple[Sensor, ...]:
        self._link.write(b"R")
        sensors = []
        for number in range(SENSORS):
            sensors.append(parse_record(self._read(RECORD.size)))
            self._link.write(bytes([number]))  # it only waits for some byte
        end = self._read(1)
        if end != b"D":
            raise broken_record("is followed by no end", end)
        return tuple(sensors)

    def _choose(self, options: ResourceOptions) -> int:
        wanted = options.number("pair", 0, PAIRS - 1)
        whole = [
            pair
            for pair in range(PAIRS)
            if all(sensor.in_use for sensor in self._sensors[2 * pair : 2 * pair + 2])
        ]
        if wanted is None and len(whole) == 1:
            return whole[0]
        if wanted is not None and wanted in whole:
            return int(wanted)
        known = ", ".join(f"{pair} ({self._sensors[2 * pair].pair})" for pair in whole) or "none"
        raise ConfigError(
            "the bench does not name a pair of sensors of the PowerSensor3 that is in use",
            hint=f"write it behind the resource, as in {options.place}?pair=0; in use: {known}",
        )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> PowerSensor3:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another.

    ``ConfigError`` where it is not clear which pair of sensors is meant.
    """
    options = split_options(bench_meter.resource, OPTIONS)
    link = open_stream(options.place, profile.link.baud or BAUD)
    try:
        return PowerSensor3(link, profile, bench_meter, options)
    except BaseException:
        link.close()
        raise
