"""AVHzY CT-3, Shizuku and KT002 USB meters: 1000 samples a second with the meter's own time.

Protocol: ``avhzy_frames``, over USB bulk transfers. Never tried on hardware, and no captured
frame is public: checked against computed frames and the emulator. The meter sends unasked once
it is started and keeps nothing for a host that does not listen: what it loses then is seen in
its time and becomes rows marked lost.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import InstrumentError
from powerlab.instruments.avhzy_frames import (
    START,
    STOP,
    CtSample,
    answers,
    decode_sample,
    encode_command,
    split_frames,
)
from powerlab.instruments.avhzy_stream import SampleJoiner
from powerlab.instruments.contract import MeterRequest
from powerlab.instruments.packet_meters import largest_magnitudes, packet_identity
from powerlab.instruments.polling import polled_setup
from powerlab.records import MeterSetup, SampleBlock
from powerlab.transport.packets import PacketLink, drain, open_packets
from powerlab.units import NS_PER_S, nanoseconds, now_ns

INTERVAL_MS = 1
BLOCK_S = 0.02
MOST_PACKETS = 1024
"""Transfers after which a block is made though more are waiting."""

REPLY_LIMIT_S = 0.5
ATTEMPTS = 3
QUIET_S = 0.05
GIVE_UP_S = 12.0


class AvhzyCt3:
    """One meter on a packet link; satisfies ``contract.Meter``.

    It tells neither a serial number nor a firmware: ``label`` is the bench's serial number.
    """

    def __init__(self, link: PacketLink, profile: InstrumentProfile, label: str = "") -> None:
        self._link = link
        self._profile = profile
        self._request = 0
        self._rest = b""
        self._running = True  # somebody may have left it so
        self._command(STOP, b"", "stop what it sends")
        self._running = False
        self.identity = packet_identity(link, profile, link.serial or label)

    def configure(self, request: MeterRequest) -> MeterSetup:
        """Check that the meter can carry the load; its interval is asked for with its stream."""
        setup = polled_setup(self._profile, request, "start")
        settings: dict[str, str | float] = {"interval_s": INTERVAL_MS / 1000}
        return replace(setup, settings=settings)

    def stream(self, stop: threading.Event) -> Iterator[SampleBlock]:
        """Start the meter and get a block about each 20 ms, until ``stop``.

        ``InstrumentError`` where no sample came for ``GIVE_UP_S`` or the meter is gone.
        """
        joiner = SampleJoiner(
            self._profile.channels,
            largest_magnitudes(self._profile),
            INTERVAL_MS * 1_000_000,
        )
        self._running = True
        self._command(START, struct.pack("<I", INTERVAL_MS), "start")
        try:
            heard_ns = emptied_ns = now_ns()
            while not stop.is_set():
                samples, asked_ns = self._gather()
                emptied_ns = asked_ns or emptied_ns
                block = joiner.take(samples, emptied_ns, now_ns())
                if block is not None:
                    heard_ns = block.received_ns
                    yield block
                elif now_ns() - heard_ns > nanoseconds(GIVE_UP_S):
                    raise self._silent(joiner.damaged)
        finally:
            self._end()

    def close(self) -> None:
        """Stop the meter, read away what is left, let it go; never raises."""
        self._end()
        self._link.close()

    def _gather(self) -> tuple[list[CtSample], int]:
        """Get the samples of the next 20 ms, and an instant at which no more were there.

        The instant is 0 where more are waiting.
        """
        samples = list[CtSample]()
        end_ns = now_ns() + nanoseconds(BLOCK_S)
        for _ in range(MOST_PACKETS):
            asked_ns = now_ns()
            packet = self._link.read(max(0.0, (end_ns - asked_ns) / NS_PER_S))
            if packet is None and asked_ns >= end_ns:
                return samples, asked_ns
            samples += self._samples(packet or b"")
        return samples, 0

    def _samples(self, packet: bytes) -> list[CtSample]:
        payloads, self._rest, _ = split_frames(self._rest + packet)
        told = (decode_sample(payload, self._request) for payload in payloads)
        return [sample for sample in told if sample is not None]

    def _command(self, command: int, arguments: bytes, what: str) -> None:
        """Give a command and wait for its answer; ``InstrumentError`` without one."""
        for _ in range(ATTEMPTS):
            self._request = (self._request + 1) % 256
            self._link.write(encode_command(command, self._request, arguments))
            if self._answered():
                return
        raise InstrumentError(
            f"the meter on {self._link.resource} does not answer when told to {what}",
            hint="check that it is an AVHzY CT-3 or one of its like, end other programs that use "
            "it, and plug it in again",
        )

    def _answered(self) -> bool:
        deadline_ns = now_ns() + nanoseconds(REPLY_LIMIT_S)
        while (left_ns := deadline_ns - now_ns()) > 0:
            packet = self._link.read(left_ns / NS_PER_S)
            payloads, self._rest, _ = split_frames(self._rest + (packet or b""))
            if any(answers(payload, self._request) for payload in payloads):
                return True
        return False

    def _end(self) -> None:
        if self._running:
            self._running = False
            with contextlib.suppress(Exception):  # it may be unplugged
                self._command(STOP, b"", "stop")
                drain(self._link, QUIET_S)
            self._rest = b""

    def _silent(self, damaged: int) -> InstrumentError:
        return InstrumentError(
            f"the meter on {self._link.resource} has sent no sample for {GIVE_UP_S:g} s"
            + (f" ({damaged} samples fit no time)" if damaged else ""),
            hint="connect it without a hub, plug it in again and measure again",
        )


def open_session(profile: InstrumentProfile, bench_meter: BenchMeter) -> AvhzyCt3:
    """Open the meter of a bench; ``InstrumentError`` where it is not there."""
    link = open_packets(bench_meter.resource)
    try:
        return AvhzyCt3(link, profile, bench_meter.serial)
    except BaseException:
        link.close()
        raise
