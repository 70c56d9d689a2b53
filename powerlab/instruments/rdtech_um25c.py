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

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.contract import (
    MeterRequest,
)
from powerlab.instruments.polling import Dialogue, Poller, polled_blocks, polled_setup
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
        """Check that the meter can carry the load; it has nothing to set: see ``polled_setup``."""
        return polled_setup(self._profile, request, REQUEST.hex())

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get one sample for each poll, on a fixed schedule, until ``stop``.

        ``InstrumentError`` where no usable answer came for ``GIVE_UP_S``.
        """
        polls = self._poller.polls(self._profile.sampling.interval_s, stop)
        return polled_blocks(polls, self._profile.channels, _values, self._judge)

    def close(self) -> None:
        """Let the port go; never raises."""
        self._link.close()

    def _judge(self, reading: Um25cReading) -> SampleFlag:
        flags = SampleFlag.GOOD if reading.consistent else SampleFlag.QUESTIONABLE
        if 0xFFFF in (reading.voltage_raw, reading.current_raw):
            flags |= SampleFlag.SATURATED
        if self._profile.range_for("current", reading.current_a) is None:
            flags |= SampleFlag.OVERRANGE
        return flags

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


def _values(reading: Um25cReading) -> dict[str, float]:
    return {
        "voltage": reading.voltage_v,
        "current": reading.current_a,
        "power": reading.power_w,
    }


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Um25c:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_serial(bench_meter.resource, profile.link.baud or BAUD)
    try:
        return Um25c(link, profile, bench_meter.serial)
    except BaseException:
        link.close()
        raise
