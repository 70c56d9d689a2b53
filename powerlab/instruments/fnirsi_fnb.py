"""FNIRSI FNB48, FNB48S, FNB58 and C1 USB testers: 100 volts and amperes a second, over HID.

Protocol: ``fnirsi_frames``. Never tried on hardware, and no captured data report is public:
checked against published commands, decoded rows and the emulator. Quirks that shape this driver:

- A start brings samples for a second; a report of the host, as often as the model wants it,
  makes them go on. There is no command to stop: the meter is left alone until it falls silent,
  and read empty meanwhile, for an FNB48 was seen to freeze where a program left unread reports.
- The first report after a start was seen to be nonsense (188 V, 170 A): it is not believed.
- No clock: reports are placed by their pace of 40 ms (``paced``), not each by its arrival.
- Values are smoothed over 0.1 to 0.5 s by the meter, so that peaks are not to be had from it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import ConfigError, InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.fnirsi_frames import (
    HABITS,
    INFO,
    INTERVAL_S,
    PER_UNIT,
    SAMPLES,
    Habits,
    decode_report,
    encode_report,
)
from powerlab.instruments.paced import Pace, Paced, Samples, paced_blocks
from powerlab.instruments.packet_meters import largest_magnitudes, packet_identity
from powerlab.instruments.polling import polled_setup
from powerlab.instruments.rows import over_range
from powerlab.records import MeterSetup, SampleBlock
from powerlab.transport.packets import PacketLink, drain, open_packets
from powerlab.units import nanoseconds, now_ns

REPORT_S = SAMPLES * INTERVAL_S
RESTART_S = 1.0
"""After so long without a report the meter has stopped, and is started again."""

GIVE_UP_S = 12.0
QUIET_S = 0.2
MOST_UNREAD = 50
"""Two seconds of reports: a meter that still sends then does not stop by itself."""

_FIELDS = {"voltage": "voltage_raw", "current": "current_raw"}


class FnirsiFnb:
    """One tester on a packet link; satisfies ``contract.Meter``.

    ``label`` is the serial number of the bench, for a device without one in its descriptor.
    """

    def __init__(self, link: PacketLink, profile: InstrumentProfile, label: str = "") -> None:
        self._link = link
        self._profile = profile
        self._habits = habits_of(profile)
        self._limits = largest_magnitudes(profile)
        self._running = True  # somebody may have left it so
        self.damaged = 0
        link.write(encode_report(INFO))
        self._end()
        self.identity = packet_identity(link, profile, link.serial or label)

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Check that the meter can carry the load; it has nothing to set."""
        setup = polled_setup(self._profile, request, "start")
        settings: dict[str, str | float] = {
            "samples_per_report": SAMPLES,
            "report_interval_s": REPORT_S,
            "keep_alive_s": self._habits.keep_alive_s,
        }
        return replace(setup, settings=settings)

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get a block for each sample, until ``stop``.

        ``InstrumentError`` where no report came for ``GIVE_UP_S`` or the meter is gone.
        """
        interval_ns = nanoseconds(INTERVAL_S)
        return paced_blocks(self._placed(stop), SAMPLES, interval_ns, self._profile.channels)

    def close(self) -> None:
        """Read the meter empty and let it go; never raises."""
        self._end()
        self._link.close()

    def _placed(self, stop: threading.Event) -> Iterator[Paced[Samples]]:
        pace = Pace[Samples](nanoseconds(REPORT_S))
        self._running = True
        try:
            begun_ns = heard_ns = alive_ns = self._start()
            believed = False
            while not stop.is_set():
                report = self._report()
                at_ns = now_ns()
                if report is not None and believed:
                    yield from pace.take(report, at_ns)
                if report is not None:
                    believed, heard_ns = True, at_ns
                elif at_ns - heard_ns > nanoseconds(GIVE_UP_S):
                    raise self._silent()
                elif at_ns - max(heard_ns, begun_ns) > nanoseconds(RESTART_S):
                    begun_ns = alive_ns = self._start()
                    believed = False
                if at_ns - alive_ns >= nanoseconds(self._habits.keep_alive_s):
                    self._link.write(encode_report(self._habits.keep_alive))
                    alive_ns = at_ns
        finally:
            self._end()

    def _start(self) -> int:
        for kind in self._habits.start:
            self._link.write(encode_report(kind))
        return now_ns()

    def _report(self) -> Samples | None:
        """Wait one pace for a report; None where none came, or none with whole samples."""
        packet = self._link.read(REPORT_S)
        if packet is None:
            return None
        try:
            samples = decode_report(packet)
        except InstrumentProtocolError:
            self.damaged += 1
            return None
        if samples is None:
            return None
        columns = [samples[_FIELDS[name]] for name in self._profile.channels]
        values = np.stack(columns, axis=1) / PER_UNIT
        return Samples(values, over_range(values, self._limits))

    def _end(self) -> None:
        if self._running:
            self._running = False
            with contextlib.suppress(Exception):  # it may be unplugged
                drain(self._link, QUIET_S, MOST_UNREAD)

    def _silent(self) -> InstrumentError:
        return InstrumentError(
            f"the tester on {self._link.resource} has sent no samples for {GIVE_UP_S:g} s"
            + (f" ({self.damaged} reports were damaged)" if self.damaged else ""),
            hint="leave its menus, plug it in again, and update a very old firmware: a C1 with "
            "0.20 was seen not to answer",
        )


def habits_of(profile: InstrumentProfile) -> Habits:
    """Get how the model is talked to; ``ConfigError`` where nobody has told of it."""
    for usb_id in profile.link.usb_ids:
        if usb_id in HABITS:
            return HABITS[usb_id]
    raise ConfigError(
        f"how the {profile.name} is started is not known",
        hint=f"its profile's link.usb_ids must name one of: {', '.join(sorted(HABITS))}",
    )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> FnirsiFnb:
    """Open the tester of a bench; ``InstrumentError`` where it is not there."""
    link = open_packets(bench_meter.resource)
    try:
        return FnirsiFnb(link, profile, bench_meter.serial)
    except BaseException:
        link.close()
        raise
