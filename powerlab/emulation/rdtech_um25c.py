"""The RDTech UM25C on the wire: one request byte, 130 bytes back, over a pseudo-terminal.

Its real link is Bluetooth serial. The layout is that of public decoders (rdserialtool,
libsigrok); nothing here is shared with the driver.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

import numpy as np

from powerlab.emulation.command_link import CommandLink
from powerlab.emulation.faults import OVERRANGE_S, FaultWatch
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.sampling import Readings
from powerlab.emulation.site import profile_of, site_of
from powerlab.units import NS_PER_S, nanoseconds, now_ns

SEND_DATA = 0xF0
MODEL = 0x09C9
TRAILER = 0xFFF1
NEXT_SCREEN, NEXT_GROUP, CLEAR_GROUP = 0xF1, 0xF3, 0xF4
GROUPS, SCREENS = 10, 6
FULL_U16, FULL_RESISTANCE = 0xFFFF, 99_999
RECORDING_LIMIT_S = 359_999

HEAD_START_S = 5.0
"""How long the meter has been on when the bench opens: its first answer is a real reading."""

_FRAME = struct.Struct(">HHHIHHH20IHHHIIHIHHHIHH")
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Frame:
    """The fields of one answer, raw integers in the order of the wire.

    Volts are /1000, amperes /10000, watts /1000, ohms /10, D± /100, threshold /100;
    ``groups`` holds ten pairs of mAh and mWh.
    """

    voltage: int = 0
    current: int = 0
    power: int = 0
    celsius: int = 25
    fahrenheit: int = 77
    group: int = 0
    groups: tuple[tuple[int, int], ...] = ((0, 0),) * GROUPS
    d_plus: int = 0
    d_minus: int = 0
    charging_mode: int = FULL_U16
    recorded_mah: int = 0
    recorded_mwh: int = 0
    threshold: int = 13
    recorded_s: int = 0
    recording: int = 0
    screen_timeout: int = 2
    brightness: int = 4
    resistance: int = FULL_RESISTANCE
    screen: int = 0
    model: int = MODEL
    trailer: int = TRAILER

    def encode(self) -> bytes:
        """Get the 130 bytes."""
        return _FRAME.pack(
            self.model,
            self.voltage,
            self.current,
            self.power,
            self.celsius,
            self.fahrenheit,
            self.group,
            *(part for pair in self.groups for part in pair),
            self.d_plus,
            self.d_minus,
            self.charging_mode,
            self.recorded_mah,
            self.recorded_mwh,
            self.threshold,
            self.recorded_s,
            self.recording,
            self.screen_timeout,
            self.brightness,
            self.resistance,
            self.screen,
            self.trailer,
        )


@dataclass(slots=True)
class Counters:
    """What the meter accumulates: charge (mAh) and energy (mWh) of each group and recorded."""

    groups: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0] for _ in range(GROUPS)])
    recorded: list[float] = field(default_factory=lambda: [0.0, 0.0])
    recorded_s: float = 0.0
    recording: bool = False

    def add(
        self, volts: float, amperes: float, group: int, threshold_a: float, dt_s: float
    ) -> None:
        """Count one reading in; the record runs while the current is at its threshold."""
        charge = amperes * 1000 * dt_s / _SECONDS_PER_HOUR
        self.groups[group][0] += charge
        self.groups[group][1] += charge * volts
        self.recording = amperes >= threshold_a
        if self.recording:
            self.recorded[0] += charge
            self.recorded[1] += charge * volts
            self.recorded_s = (self.recorded_s + dt_s) % (RECORDING_LIMIT_S + 1)


class Um25c:
    """One instrument: its readings so far, its counters, the settings its buttons have."""

    reply_delay_s = (0.010, 0.030)
    """What a short-range radio link takes for a request and its answer: an estimate."""

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        self._site = site_of(context)
        self._watch = watch
        self._meter = self._site.meter(
            profile_of(context),
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            channels=("voltage", "current"),
        )
        self._dt_s = self._meter.clock.device_interval_ns / NS_PER_S
        self._taken = 0
        self._counters = Counters()
        self._frame = Frame()

    def tick(self) -> None:
        """Take every reading that has become available."""
        at_ns = now_ns()
        self._watch.arm(self._site.follow())
        ready = int(self._meter.clock.completed(np.array(at_ns, dtype=np.int64)))
        if ready > self._taken:
            self._take(self._meter.sample(self._taken, ready - self._taken))
            self._taken = ready

    def take(self, data: bytes) -> int:
        """Carry out what the host sent, one byte each; get how many answers it asks for."""
        for byte in data:
            if byte != SEND_DATA:
                self.press(byte)
        return data.count(SEND_DATA)

    def press(self, byte: int) -> None:
        """Carry out a request byte that has no answer; unknown ones are ignored."""
        frame = self._frame
        kind, low = byte >> 4, byte & 0xF
        if byte == CLEAR_GROUP:
            self._counters.groups[frame.group] = [0.0, 0.0]
        elif byte == NEXT_SCREEN:
            frame = replace(frame, screen=(frame.screen + 1) % SCREENS)
        elif byte == NEXT_GROUP:
            frame = replace(frame, group=(frame.group + 1) % GROUPS)
        elif kind == 0xA and low < GROUPS:
            frame = replace(frame, group=low)
        elif kind in (0xB, 0xC):
            frame = replace(frame, threshold=low if kind == 0xB else low + 16)
        elif kind == 0xD and low <= 5:
            frame = replace(frame, brightness=low)
        elif kind == 0xE and low <= 9:
            frame = replace(frame, screen_timeout=low)
        self._frame = frame

    def answer(self) -> bytes:
        """Get the frame of the last completed reading."""
        counters = self._counters
        groups = tuple((int(pair[0]), int(pair[1])) for pair in counters.groups)
        return replace(
            self._frame,
            groups=groups,
            recorded_mah=int(counters.recorded[0]),
            recorded_mwh=int(counters.recorded[1]),
            recorded_s=int(counters.recorded_s),
            recording=int(counters.recording),
        ).encode()

    def _take(self, readings: Readings) -> None:
        over = self._watch.windows("overrange", OVERRANGE_S)
        for index, (volts, amperes) in enumerate(readings.values):
            middle_ns = int(readings.start_ns[index] + readings.stop_ns[index]) // 2
            beyond = any(start <= middle_ns < stop for start, stop in over)
            voltage = _raw(volts, 1000)
            current = FULL_U16 if beyond else _raw(amperes, 10_000)
            watts = voltage * current / 1e7
            ohms = round(voltage * 100 / current) if current else FULL_RESISTANCE
            self._frame = replace(
                self._frame,
                voltage=voltage,
                current=current,
                power=round(watts * 1000),
                resistance=min(ohms, FULL_RESISTANCE),
            )
            threshold_a = self._frame.threshold / 100
            true_a = current / 10_000
            self._counters.add(voltage / 1000, true_a, self._frame.group, threshold_a, self._dt_s)


def serve(context: EmulatorContext) -> None:
    """Serve one USB meter on a pseudo-terminal until the parent wants an end."""
    watch = FaultWatch(context.faults)
    link = CommandLink(Um25c(context, watch), watch, context.seed)
    context.ready({"resource": f"serial:{link.path}", "serial": ""})
    link.serve()


def _raw(value: float, scale: int) -> int:
    """Get a field's integer; what is out of range, or negative, shows the field's end."""
    if np.isnan(value):
        return FULL_U16
    return min(max(round(value * scale), 0), FULL_U16)
