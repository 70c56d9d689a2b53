"""RDTech UM24C, UM25C, UM34C USB power meters: volts and amperes by polling, over serial.

Protocol: one request byte F0, a reply of 130 bytes (``um_frames``). Never tried on hardware;
checked against a captured UM24C frame and the emulator. Quirks that shape this driver:

- The meter keeps no time and renews its reading about twice a second at most.
- A late reply would be taken for the answer to the next request, with the values of seconds
  ago. So what has arrived unasked is dropped before each request; after a reply that missed
  its poll nothing is asked until the line has been silent; and of the answers that then come
  the newest counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
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
from powerlab.units import NS_PER_S, nanoseconds, now_ns

REPLY_LIMIT_S = 1.0
SILENCE_S = 2.0
"""After a missed reply, the silence on the line before it counts as lost for good."""

FOLLOW_UP_S = 0.2
"""How long a newer answer may trail an overdue one on a link that keeps their order."""

GIVE_UP_S = 12.0
OPEN_ATTEMPTS = 4
BAUD = 9600


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply: what it says, its bytes, and when it had come."""

    reading: Um25cReading
    frame: bytes
    received_ns: int


class Um25c:
    """One UM meter on a byte link; satisfies ``contract.Meter``.

    ``label`` is the serial number that someone wrote on it: the meter tells none.
    """

    def __init__(self, link: ByteLink, profile: InstrumentProfile, label: str = "") -> None:
        self._link = link
        self._profile = profile
        reading = self._first_reading()
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
        interval_ns = nanoseconds(self._profile.sampling.interval_s)
        next_ns = heard_ns = now_ns()
        quiet_from_ns: int | None = None
        delivered, previous, late_bytes = 0, b"", 0
        while not stop.wait(max(0.0, (next_ns - now_ns()) / NS_PER_S)):
            sent_ns = now_ns()
            answer, flags = None, SampleFlag.LOST
            if quiet_from_ns is not None and (overdue := self._link.drain()):
                quiet_from_ns, late_bytes = sent_ns, late_bytes + len(overdue)
            after_miss = quiet_from_ns is not None
            if quiet_from_ns is None or sent_ns - quiet_from_ns >= nanoseconds(SILENCE_S):
                answer, _ = self._ask(newest=after_miss)
                quiet_from_ns = now_ns() if answer is None else None
            if answer is not None:
                flags = self._judge(answer.reading, repeated=answer.frame == previous)
                previous, heard_ns = answer.frame, answer.received_ns
            elif sent_ns - heard_ns > nanoseconds(GIVE_UP_S):
                raise self._silent(late_bytes)
            delivered += 1
            yield SampleBlock(
                values=np.array([self._row(answer)], dtype=np.float64),
                device_ns=None,
                flags=np.array([flags], dtype=np.uint8),
                sent_ns=sent_ns,
                received_ns=now_ns() if answer is None else answer.received_ns,
                completed=delivered,
            )
            # A late poll is not made up for by a burst: the meter has no more to tell.
            behind = max(0, now_ns() - next_ns) // interval_ns
            next_ns += (behind + 1) * interval_ns

    def close(self) -> None:
        """Let the port go; never raises."""
        self._link.close()

    def _ask(self, *, newest: bool) -> tuple[Answer | None, bytes]:
        """Request one reading: the answer, or None and what came instead.

        With ``newest`` answers to earlier requests may come first and are passed over.
        """
        self._link.drain()
        self._link.write(REQUEST)
        deadline_ns = now_ns() + nanoseconds(REPLY_LIMIT_S)
        received, answer = b"", None
        while True:
            reading, rest = split_frame(received)
            if reading is not None:
                end = len(received) - len(rest)
                answer = Answer(reading, received[end - FRAME_BYTES : end], now_ns())
                if not newest:
                    return answer, rest
                deadline_ns = max(deadline_ns, answer.received_ns + nanoseconds(FOLLOW_UP_S))
                received = rest
                continue
            chunk = self._link.read(FRAME_BYTES - len(rest), deadline_ns)
            if not chunk:
                return answer, rest
            received = rest + chunk

    def _first_reading(self) -> Um25cReading:
        received = b""
        for _ in range(OPEN_ATTEMPTS):
            answer, received = self._ask(newest=False)
            if answer is not None:
                return answer.reading
        if received:
            raise broken_reply("is of no known form", received)
        raise self._silent(0)

    def _judge(self, reading: Um25cReading, *, repeated: bool) -> SampleFlag:
        """Flag a reading.

        ``REPEATED`` says that all 130 bytes, counters and temperature among them, are those
        of the poll before: not renewed, or a very steady load. Its values are kept.
        """
        flags = SampleFlag.GOOD
        if repeated:
            flags |= SampleFlag.REPEATED
        if not reading.consistent:
            flags |= SampleFlag.QUESTIONABLE
        if 0xFFFF in (reading.voltage_raw, reading.current_raw):
            flags |= SampleFlag.SATURATED
        if self._profile.range_for("current", reading.current_a) is None:
            flags |= SampleFlag.OVERRANGE
        return flags

    def _row(self, answer: Answer | None) -> list[float]:
        if answer is None:
            return [float("nan")] * len(self._profile.channels)
        reading = answer.reading
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
