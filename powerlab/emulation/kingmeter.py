"""A KingMeter KT tester on the wire: 200 reports for each request, at the pace that was set.

Its real link is USB HID; here a socket that keeps packets whole, a report each. It follows the
notes of a public logger and knows no more; nothing here is shared with the driver.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from powerlab.emulation.faults import GAP_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.packet_link import PacketServer
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.site import LiveMeter, profile_of, site_of
from powerlab.units import nanoseconds, now_ns

HEAD_START_S = 1.0
PACES_S = (0.1, 0.1, 0.02, 0.01, 0.002)
"""What the settings 0 to 4 really do, whatever their names say."""

PER_REQUEST = 200
FULL_A = 5.5
"""What an overload shows: an estimate."""

_PACE, _GET = bytes.fromhex("311ab101"), bytes.fromhex("22050b00")
_HEAD = bytes.fromhex("aa2562050b01")


class Kt:
    """One tester: its pace, and how many reports it still owes."""

    reply_delay_s = (0.001, 0.003)
    tick_s = 0.002

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        self._profile = profile_of(context)
        self._site = site_of(context)
        self._watch = watch
        self._meter = self._at_pace(PACES_S[3])
        self._sent = self._owed = 0

    def connect(self) -> None:
        """Go on as before."""

    def take(self, packet: bytes) -> Sequence[bytes]:
        """Carry out one command; a damaged one is passed over. None is answered by itself."""
        command = packet[2 : packet[1] + 1] if len(packet) == 64 else b""
        if not command or packet != host_report(command):
            return ()
        if command[:-1] == _PACE:
            self._meter = self._at_pace(PACES_S[min(command[-1], 4)])
            self._sent = 0
        elif command == _GET:
            self._sent = self._sent if self._owed else self._ready()
            self._owed = PER_REQUEST
        return ()

    def push(self) -> Sequence[bytes]:
        """Send the reports that are owed and whose samples have become available."""
        self._watch.arm(self._site.follow())
        count = min(self._ready() - self._sent, self._owed)
        if count <= 0:
            return ()
        readings = self._meter.sample(self._sent, count)
        self._sent += count
        self._owed -= count
        gaps = self._watch.windows("gap", GAP_S)
        over = self._watch.windows("overrange", OVERRANGE_S)
        reports = []
        for index, (volts, amperes) in enumerate(readings.values.tolist()):
            at_ns = int(readings.start_ns[index])
            if any(start <= at_ns < stop for start, stop in gaps):
                continue
            beyond = any(start <= at_ns < stop for start, stop in over)
            shown = FULL_A if beyond or np.isnan(amperes) else amperes
            reports.append(data_report(volts, shown))
        return reports

    def _ready(self) -> int:
        return int(self._meter.clock.completed(np.array(now_ns(), dtype=np.int64)))

    def _at_pace(self, interval_s: float) -> LiveMeter:
        return self._site.meter(
            self._profile,
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=("voltage", "current"),
            aperture_s=interval_s,
            interval_s=interval_s,
        )


def data_report(volts: float, amperes: float) -> bytes:
    """Build a data report whose two pairs are alike."""
    raw = [round(value * 1e6) for value in (volts, amperes, volts * amperes)]
    fields = struct.pack("<7ihBB", *raw, 22, 204, raw[0], raw[1], 263, 1, 0)
    return (_HEAD + fields).ljust(63, b"\0") + b"\x20"


def host_report(command: bytes) -> bytes:
    """Build a report of the host."""
    plain = bytes([0x55, len(command) + 1, *command])
    crc = 0xFFFF
    for byte in plain:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    ends = bytes([sum(plain) & 0xFF]) + crc.to_bytes(2, "little")
    return (plain + ends).ljust(64, b"\0")


def serve(context: EmulatorContext) -> None:
    """Serve one tester on a socket of packets until the parent wants an end."""
    watch = FaultWatch(context.faults)
    server = PacketServer(Kt(context, watch), watch, context.directory, context.seed)
    context.ready({"resource": f"packets:{server.path}", "serial": ""})
    server.serve()
