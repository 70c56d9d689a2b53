"""KingMeter and POWER-Z KT meters over HID: about 100 volts and amperes a second.

Protocol: ``kingmeter_frames``, which has gaps: nothing here was ever tried on hardware, and the
emulator knows no more than the driver does. The meter is asked for 200 samples before the last
200 are over, each a report of its own, placed by their pace (``paced``). Reports have no
checksum: one whose parts disagree is marked questionable.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.kingmeter_frames import (
    EACH_10_MS,
    GET_200,
    decode_report,
    encode_command,
)
from powerlab.instruments.paced import Pace, Paced, Samples, paced_blocks
from powerlab.instruments.packet_meters import largest_magnitudes, packet_identity
from powerlab.instruments.polling import polled_setup
from powerlab.instruments.rows import over_range
from powerlab.records import MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.packets import PacketLink, drain, open_packets
from powerlab.units import nanoseconds, now_ns

PACE_S = 0.01
ASK_S = 1.0
"""Half of what 200 samples last."""

GIVE_UP_S = 12.0
QUIET_S = 0.2
MOST_UNREAD = 250
"""A little more than the samples that one request asks for."""


class KingMeter:
    """One KT meter on a packet link; satisfies ``contract.Meter``.

    ``label`` is the serial number of the bench, for a device without one in its descriptor.
    """

    def __init__(self, link: PacketLink, profile: InstrumentProfile, label: str = "") -> None:
        self._link = link
        self._profile = profile
        self._limits = largest_magnitudes(profile)
        self._running = True  # somebody may have left it so
        self._end()
        self.identity = packet_identity(link, profile, link.serial or label)

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Check that the meter can carry the load; its pace is set with its stream."""
        setup = polled_setup(self._profile, request, "get samples")
        settings: dict[str, str | float] = {"pace_s": PACE_S, "request_interval_s": ASK_S}
        return replace(setup, settings=settings)

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get a block for each report, until ``stop``.

        ``InstrumentError`` where no report came for ``GIVE_UP_S`` or the meter is gone.
        """
        pace_ns = nanoseconds(PACE_S)
        return paced_blocks(self._placed(stop), 1, pace_ns, self._profile.channels)

    def close(self) -> None:
        """Read the meter empty and let it go; never raises."""
        self._end()
        self._link.close()

    def _placed(self, stop: threading.Event) -> Iterator[Paced[Samples]]:
        pace = Pace[Samples](nanoseconds(PACE_S))
        self._running = True
        try:
            self._link.write(encode_command(EACH_10_MS))
            self._link.write(encode_command(GET_200))
            heard_ns = asked_ns = now_ns()
            while not stop.is_set():
                report = self._report()
                at_ns = now_ns()
                if report is not None:
                    heard_ns = at_ns
                    yield from pace.take(report, at_ns)
                elif at_ns - heard_ns > nanoseconds(GIVE_UP_S):
                    raise self._silent()
                if at_ns - asked_ns >= nanoseconds(ASK_S):
                    self._link.write(encode_command(GET_200))
                    asked_ns = at_ns
        finally:
            self._end()

    def _report(self) -> Samples | None:
        """Wait one pace for a report; None where none came, or none with a sample."""
        packet = self._link.read(PACE_S)
        try:
            reading = None if packet is None else decode_report(packet)
        except InstrumentProtocolError:
            return None
        if reading is None:
            return None
        told = {"voltage": reading.voltage_v, "current": reading.current_a}
        values = np.array([[told[name] for name in self._profile.channels]])
        flags = over_range(values, self._limits)
        if not reading.agrees:
            flags |= int(SampleFlag.QUESTIONABLE)
        return Samples(values, flags)

    def _end(self) -> None:
        if self._running:
            self._running = False
            with contextlib.suppress(Exception):  # it may be unplugged
                drain(self._link, QUIET_S, MOST_UNREAD)

    def _silent(self) -> InstrumentError:
        return InstrumentError(
            f"the meter on {self._link.resource} has sent no samples for {GIVE_UP_S:g} s",
            hint="leave its menus and plug it in again; this protocol is known in part only and "
            "was never tried on hardware",
        )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> KingMeter:
    """Open the meter of a bench; ``InstrumentError`` where it is not there."""
    link = open_packets(bench_meter.resource)
    try:
        return KingMeter(link, profile, bench_meter.serial)
    except BaseException:
        link.close()
        raise
