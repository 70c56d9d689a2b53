"""RDTech TC66 and TC66C USB-C power meters: volts and amperes by polling, over USB serial.

Protocol: the ASCII command ``getva`` without an end, a reply of 192 encrypted bytes
(``tc66_frames``). Never tried on hardware; checked against a captured TC66C frame and the
emulator. The meter keeps no time and renews its reading about ten times a second at most; how
a late reply is kept out of the stream stands in ``polling``.
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
from powerlab.instruments.tc66_frames import (
    FRAME_BYTES,
    MODEL,
    REQUEST,
    Tc66Reading,
    broken_reply,
    split_frame,
)
from powerlab.records import MeterIdentity, MeterSetup, SampleBlock, SampleFlag
from powerlab.transport.serial import ByteLink, open_serial, port_path

REPLY_LIMIT_S = 0.5
SILENCE_S = 0.8
GIVE_UP_S = 12.0
OPEN_ATTEMPTS = 4
BAUD = 115_200


class Tc66:
    """One TC66 or TC66C on a byte link; satisfies ``contract.Meter``.

    ``label`` is the serial number of the bench, for a meter that tells none (number 0).
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
        model = reading.model.decode("ascii", "replace")
        if model != MODEL:
            raise InstrumentError(
                f"{link.resource} is a {model}, not a {MODEL}",
                hint="correct the meter's resource or model in the bench",
            )
        self.identity = MeterIdentity(
            model=model,
            manufacturer=profile.manufacturer,
            name=profile.name,
            serial=str(reading.serial_number) if reading.serial_number else label,
            firmware=reading.firmware.decode("ascii", "replace"),
            resource=link.resource,
            # No meter hangs on a pseudo-terminal: what answers there is a program.
            emulated=Path(port_path(link.resource)).resolve().is_relative_to("/dev/pts"),
        )

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Check that the meter can carry the load; it has nothing to set: see ``polled_setup``."""
        return polled_setup(self._profile, request, REQUEST.decode())

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Get one sample for each poll, on a fixed schedule, until ``stop``.

        ``InstrumentError`` where no usable answer came for ``GIVE_UP_S``.
        """
        polls = self._poller.polls(self._profile.sampling.interval_s, stop)
        return polled_blocks(polls, self._profile.channels, _values, self._judge)

    def close(self) -> None:
        """Let the port go; never raises."""
        self._link.close()

    def _judge(self, reading: Tc66Reading) -> SampleFlag:
        within = (self._profile.range_for(name, value) for name, value in _values(reading).items())
        return SampleFlag.OVERRANGE if None in within else SampleFlag.GOOD

    def _silent(self, late_bytes: int) -> InstrumentError:
        if late_bytes:
            return InstrumentError(
                f"the USB-C power meter on {self._link.resource} answers later than "
                f"{REPLY_LIMIT_S:g} s, too late to say when it measured",
                hint="connect it without a hub, end other programs that load this computer, then "
                "measure again",
            )
        return InstrumentError(
            f"no USB-C power meter answers on {self._link.resource}",
            hint="check that its screen is on, that its micro-USB socket leads to this computer, "
            "and that the port is the right one",
        )


def _values(reading: Tc66Reading) -> dict[str, float]:
    return {"voltage": reading.voltage_v, "current": reading.current_a}


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> Tc66:
    """Open the meter of a bench; ``InstrumentError`` where it is not there or is another."""
    link = open_serial(bench_meter.resource, profile.link.baud or BAUD)
    try:
        return Tc66(link, profile, bench_meter.serial)
    except BaseException:
        link.close()
        raise
