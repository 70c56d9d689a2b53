"""RDTech UM24C, UM25C, UM34C USB power meters: volts and amperes by polling, over serial.

Protocol: one request byte F0, a reply of 130 bytes (``um_frames``). Never tried on hardware;
checked against a captured UM24C frame and the emulator. The meter keeps no time and renews its
reading about twice a second at most; how a late reply is kept out of the stream stands in
``polling``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    burden_of,
    check_channels,
    range_or_error,
)
from powerlab.instruments.polling import Dialogue, Poll, Poller
from powerlab.instruments.um_frames import (
    FRAME_BYTES,
    MODELS,
    REQUEST,
    Um25cReading,
    broken_reply,
    split_frame,
)
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.serial import ByteLink, open_serial, port_path

REPLY_LIMIT_S = 1.0
SILENCE_S = 1.5
GIVE_UP_S = 20.0
OPEN_ATTEMPTS = 4
BAUD = 9600


class Um25c:
    """One UM meter on a byte link; satisfies ``contract.Meter``.

    ``label`` is the serial number that someone wrote on it: the meter tells none.
    """

    def __init__(self, link: ByteLink, profile: InstrumentProfile, label: str = "") -> None:
        self._link = link
        self._profile = profile
        self._poller = Poller(
            link,
            Dialogue(
                request=REQUEST,
                frame_bytes=FRAME_BYTES,
                split=split_frame,
                silent=self._silent,
                reply_limit_s=REPLY_LIMIT_S,
                silence_s=SILENCE_S,
                give_up_s=GIVE_UP_S,
            ),
        )
        reading = self._poller.first(
            OPEN_ATTEMPTS, lambda received: broken_reply("is of no known form", received)
        )
        suffix = profile.id.rsplit("-", 1)[-1].upper()
        if suffix in {scale.model for scale in MODELS.values()} and suffix != reading.model:
            raise InstrumentError(
                f"{link.resource} is a {reading.model}, not a {suffix}",
                hint="correct the meter's resource or model in the bench: the models differ in "
                "scale and accuracy",
            )
        self.identity = MeterIdentity(
            model=reading.model,
            manufacturer=profile.manufacturer,
            name=profile.name,
            serial=label,
            firmware="",
            resource=link.resource,
            # No meter hangs on a pseudo-terminal: what answers there is a program.
            emulated=Path(port_path(link.resource)).resolve().is_relative_to("/dev/pts"),
        )

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Check that the meter can carry the load; it has nothing to set.

        It streams what it has, whatever part of that is asked for; ``ConfigError`` where more is.
        """
        check_channels(request, self._profile.channels, self._profile.name)
        current = range_or_error(self._profile, "current", request.expected_peak_a)
        voltage = range_or_error(self._profile, "voltage", request.expected_peak_v)
        chosen = {"current": current, "voltage": voltage}
        sampling = self._profile.sampling
        burden_ohm, burden_limit_ohm = burden_of(current)
        return MeterSetup(
            channels=self._profile.channels,
            accuracy=tuple(accuracy_of(chosen[name]) for name in self._profile.channels),
            averaging=sampling.averaging,
            aperture_s=sampling.aperture_s,
            interval_s=sampling.interval_s,
            timestamp=sampling.timestamp,
            latency_s=sampling.latency_s,
            latency_limit_s=sampling.latency_limit_s,
            clock_limit_ppm=sampling.clock_limit_ppm,
            burden_ohm=burden_ohm,
            burden_limit_ohm=burden_limit_ohm,
            settings={"poll_interval_s": sampling.interval_s, "request": REQUEST.hex()},
        )

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get one sample for each poll, on a fixed schedule, until ``stop``.

        A poll without an answer yields a row of NaN marked ``LOST``; ``InstrumentError``
        where no usable answer came for ``GIVE_UP_S``.
        """
        polls = self._poller.polls(self._profile.sampling.interval_s, stop)
        for delivered, poll in enumerate(polls, start=1):
            yield SampleBlock(
                values=np.array([self._row(poll.reading)], dtype=np.float64),
                device_ns=None,
                flags=np.array([self._judge(poll)], dtype=np.uint8),
                sent_ns=poll.sent_ns,
                received_ns=poll.received_ns,
                completed=delivered,
            )

    def close(self) -> None:
        """Let the port go; never raises."""
        self._link.close()

    def _judge(self, poll: Poll[Um25cReading]) -> SampleFlag:
        """Flag a poll.

        ``REPEATED`` says that all 130 bytes, counters and temperature among them, are those
        of the poll before: not renewed, or a very steady load. Its values are kept.
        """
        reading = poll.reading
        if reading is None:
            return SampleFlag.LOST
        flags = SampleFlag.REPEATED if poll.repeated else SampleFlag.GOOD
        if not reading.consistent:
            flags |= SampleFlag.QUESTIONABLE
        if 0xFFFF in (reading.voltage_raw, reading.current_raw):
            flags |= SampleFlag.SATURATED
        if self._profile.range_for("current", reading.current_a) is None:
            flags |= SampleFlag.OVERRANGE
        return flags

    def _row(self, reading: Um25cReading | None) -> list[float]:
        if reading is None:
            return [float("nan")] * len(self._profile.channels)
        values = {
            "voltage": reading.voltage_v,
            "current": reading.current_a,
            "power": reading.power_w,
        }
        return [values[name] for name in self._profile.channels]

    def _silent(self, late_bytes: int) -> InstrumentError:
        if late_bytes:
            return InstrumentError(
                f"the USB power meter on {self._link.resource} answers later than "
                f"{REPLY_LIMIT_S:g} s, too late to say when it measured",
                hint="bring it closer to this computer's Bluetooth antenna, then measure again",
            )
        return InstrumentError(
            f"no USB power meter answers on {self._link.resource}",
            hint="check that it has power and is in Bluetooth range, that its screen shows no "
            "other connection, and that the port is the right one",
        )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Um25c:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_serial(bench_meter.resource, profile.link.baud or BAUD)
    try:
        return Um25c(link, profile, bench_meter.serial)
    except BaseException:
        link.close()
        raise
