"""The AVHzY CT-3 on the wire: a stream of frames with the meter's own microseconds.

Its real link is USB bulk; here a socket that keeps packets whole, a frame each. Layout from a
public logger's description; nothing here is shared with the driver.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.packet_link import PacketServer
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.site import LiveMeter, profile_of, site_of
from powerlab.units import now_ns

FULL_A = 6.5
"""What an overload shows: an estimate."""

_STOP, _START = 0x07, 0x09
_HEAD_START_US = 3_600_000_000  # it has been on for an hour


class CtThree:
    """One instrument: its stream, and how far that has come."""

    reply_delay_s = (0.0003, 0.001)
    tick_s = 0.002

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        self._profile = profile_of(context)
        self._site = site_of(context)
        self._watch = watch
        self._origin_ns = now_ns()
        self._meter: LiveMeter | None = None
        self._since_us = 0
        self._request = 0
        self._sent = 0

    def connect(self) -> None:
        """Go on as before: a meter that somebody left sending sends."""

    def take(self, packet: bytes) -> Sequence[bytes]:
        """Carry out one command and acknowledge it."""
        if len(packet) < 11 or packet != frame(packet[5:-2]):
            return ()
        _, command, request, _ = packet[5:9]
        if command == _START and len(packet) >= 15:
            (interval_ms,) = struct.unpack_from("<I", packet, 9)
            self._begin(request, max(1, interval_ms) / 1000)
        elif command == _STOP:
            self._meter = None
        return (frame(bytes([1, command, request, 0x80])),)

    def push(self) -> Sequence[bytes]:
        """Send every sample that has become available."""
        self._watch.arm(self._site.follow())
        if self._meter is None:
            return ()
        ready = int(self._meter.clock.completed(np.array(now_ns(), dtype=np.int64)))
        if ready <= self._sent:
            return ()
        readings = self._meter.sample(self._sent, ready - self._sent)
        gaps = self._watch.windows("gap", GAP_S)
        over = self._watch.windows("overrange", OVERRANGE_S)
        frames = []
        for index, (volts, amperes) in enumerate(readings.values.tolist()):
            at_ns = int(readings.start_ns[index])
            if any(start <= at_ns < stop for start, stop in gaps):
                continue
            beyond = any(start <= at_ns < stop for start, stop in over)
            time_us = self._since_us + int(readings.device_ns[index]) // 1000
            shown = FULL_A if beyond or amperes != amperes else amperes  # noqa: PLR0124 - NaN
            body = struct.pack(
                "<BBBBffffQ", 4, 0, self._request, 0, volts, shown, 0.6, 0.6, time_us
            )
            frames.append(frame(body))
        self._sent = ready
        return frames

    def _begin(self, request: int, interval_s: float) -> None:
        at_ns = now_ns()
        self._since_us = _HEAD_START_US + (at_ns - self._origin_ns) // 1000
        self._request, self._sent = request, 0
        self._meter = self._site.meter(
            self._profile,
            origin_ns=at_ns,
            channels=("voltage", "current"),
            aperture_s=interval_s,
            interval_s=interval_s,
        )


def frame(payload: bytes) -> bytes:
    """Build a frame."""
    check = 0
    for byte in payload:
        check ^= byte
    return b"\xa5" + len(payload).to_bytes(4, "little") + payload + bytes([check, 0x5A])


def serve(context: EmulatorContext) -> None:
    """Serve one meter on a socket of packets until the parent wants an end."""
    watch = FaultWatch(context.faults)
    server = PacketServer(CtThree(context, watch), watch, context.directory, context.seed)
    context.ready({"resource": f"packets:{server.path}", "serial": ""})
    server.serve()
