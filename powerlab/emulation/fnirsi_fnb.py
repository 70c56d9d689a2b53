"""FNIRSI's USB testers on the wire: a second of reports for each start, the first one nonsense.

Their real link is USB HID; here a socket that keeps packets whole, a report each. Layout from
public descriptions; nothing here is shared with the driver.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.packet_link import PacketServer
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.site import profile_of, site_of
from powerlab.units import NS_PER_S, nanoseconds, now_ns

HEAD_START_S = 2.0
STREAM_S = 1.0
PER_REPORT = 4
FULL_RAW = 999_999
"""What an overload shows: an estimate, 9.99999 A."""

GARBAGE = (18_874_000, 17_039_000)
"""Volts and amperes of the first report after a start, as an owner saw them."""

_SAMPLE = struct.Struct("<IIHHBH")


class Fnb:
    """One tester: how long it still sends, and how far it has come."""

    reply_delay_s = (0.001, 0.003)
    tick_s = 0.002

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        self._site = site_of(context)
        self._watch = watch
        self._meter = self._site.meter(
            profile_of(context),
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=("voltage", "current"),
        )
        self._until_ns = 0
        self._begun = False
        self._next = 0

    def connect(self) -> None:
        """Go on as before."""

    def take(self, packet: bytes) -> Sequence[bytes]:
        """Carry out one report of the host; a damaged one is passed over."""
        if len(packet) != 64 or packet != report(packet[1:63]):
            return ()
        at_ns = now_ns()
        if packet[1] == 0x82 and at_ns >= self._until_ns:
            self._begun, self._next = True, self._ready() // PER_REPORT
        if packet[1] == 0x82 or (packet[1] == 0x83 and at_ns < self._until_ns):
            self._until_ns = at_ns + round(STREAM_S * NS_PER_S)
        return (report(b"\x03" + bytes(61)),) if packet[1] == 0x81 else ()

    def push(self) -> Sequence[bytes]:
        """Send every report whose four samples have become available."""
        self._watch.arm(self._site.follow())
        ready = self._ready() // PER_REPORT
        if ready <= self._next:
            return ()
        numbers = range(self._next, ready)
        self._next = ready
        if now_ns() >= self._until_ns:
            return ()
        made = (self._report(number) for number in numbers)
        return [packet for packet in made if packet is not None]

    def _ready(self) -> int:
        return int(self._meter.clock.completed(np.array(now_ns(), dtype=np.int64)))

    def _report(self, number: int) -> bytes | None:
        """Get a report; None where the meter takes no reading."""
        readings = self._meter.sample(PER_REPORT * number, PER_REPORT)
        at_ns = int(readings.start_ns[0])
        if self._strikes("gap", GAP_S, at_ns):
            return None
        beyond = self._strikes("overrange", OVERRANGE_S, at_ns)
        body = b"\x04"
        for volts, amperes in readings.values:
            raw = (_raw(volts), FULL_RAW if beyond else _raw(amperes))
            body += _SAMPLE.pack(*(GARBAGE if self._begun else raw), 1184, 1031, 1, 305)
        self._begun = False
        return report(body + b"\x5c")

    def _strikes(self, kind: str, length_s: float, at_ns: int) -> bool:
        return any(start <= at_ns < stop for start, stop in self._watch.windows(kind, length_s))


def report(body: bytes) -> bytes:
    """Build a report around 62 bytes."""
    crc = 0x42
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x39 if crc & 0x80 else 0)) & 0xFF
    return b"\xaa" + body + bytes([crc])


def serve(context: EmulatorContext) -> None:
    """Serve one tester on a socket of packets until the parent wants an end."""
    watch = FaultWatch(context.faults)
    server = PacketServer(Fnb(context, watch), watch, context.directory, context.seed)
    context.ready({"resource": f"packets:{server.path}", "serial": ""})
    server.serve()


def _raw(value: float) -> int:
    """Get a field's integer; what is out of range, or negative, shows the field's end."""
    return FULL_RAW if np.isnan(value) else max(round(value * 100_000), 0)
