"""The RDTech UM25C on the wire: one request byte, 130 bytes back, over a pseudo-terminal.

Its real link is Bluetooth serial. The layout is that of public decoders (rdserialtool,
libsigrok); nothing here is shared with the driver.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import tty
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from powerlab.emulation.edges_tail import EdgesTail
from powerlab.emulation.faults import GAP_S, LATE_REPLY_S, OVERRANGE_S, FaultWatch
from powerlab.emulation.metering import Readings, build_meter
from powerlab.emulation.noise import uniforms
from powerlab.emulation.process import PARENT, EmulatorContext
from powerlab.emulation.wiring import build_path
from powerlab.emulation.world import build_world
from powerlab.errors import SetupError
from powerlab.units import NS_PER_S, nanoseconds, now_ns

MODEL = 0x09C9
TRAILER = 0xFFF1
SEND_DATA, NEXT_SCREEN, NEXT_GROUP, CLEAR_GROUP = 0xF0, 0xF1, 0xF3, 0xF4
GROUPS, SCREENS = 10, 6
FULL_U16, FULL_RESISTANCE = 0xFFFF, 99_999
RECORDING_LIMIT_S = 359_999

HEAD_START_S = 5.0
"""How long the meter has been on when the bench opens: its first answer is a real reading."""

TICK_S = 0.02
REPLY_DELAY_S = (0.010, 0.030)
"""What a short-range radio link takes for a request and its answer: an estimate."""

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

    def __init__(self, context: EmulatorContext, watch: FaultWatch) -> None:
        if context.instrument is None:
            raise SetupError(
                "the emulated USB meter was started without an instrument profile",
                hint="start it with emulated_bench, which gives it one",
            )
        self._tail = EdgesTail(context.edges)
        self._watch = watch
        self._meter = build_meter(
            context.instrument,
            build_world(context.device, context.seed),
            build_path(context.device, context.seed),
            origin_ns=now_ns() - nanoseconds(HEAD_START_S),
            serial=context.serial,
            channels=("voltage", "current"),
        )
        self._dt_s = self._meter.device_interval_ns / NS_PER_S
        self._taken = 0
        self._counters = Counters()
        self._frame = Frame()

    def tick(self) -> None:
        """Take every reading that has become available."""
        at_ns = now_ns()
        edges = self._tail.poll()
        self._watch.arm(self._tail.first_busy_ns)
        ready = int(self._meter.completed(np.array(at_ns, dtype=np.int64)))
        if ready > self._taken:
            self._take(self._meter.sample(edges, self._taken, ready - self._taken))
            self._taken = ready

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


class SerialLink:
    """The meter's end of a pseudo-terminal: requests in, answers out after the link's delay."""

    def __init__(self, meter: Um25c, watch: FaultWatch, seed: int) -> None:
        self._meter = meter
        self._watch = watch
        self._seed = seed
        self._answers = 0
        self._due: deque[tuple[int, bytes]] = deque()
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def serve(self) -> None:
        """Serve until the parent closes our standard input."""
        while True:
            watched = [PARENT] if self._master < 0 else [PARENT, self._master]
            ready, _, _ = select.select(watched, [], [], self._wait_s())
            self._meter.tick()
            if PARENT in ready:
                self._unplug()
                return
            if self._master in ready:
                self._requests()
            self._send_due()

    def _wait_s(self) -> float:
        if not self._due:
            return TICK_S
        return min(TICK_S, max(0.0, (self._due[0][0] - now_ns()) / NS_PER_S))

    def _requests(self) -> None:
        try:
            data = os.read(self._master, 256)
        except OSError:
            return
        for byte in data:
            if byte == SEND_DATA:
                self._schedule()
            else:
                self._meter.press(byte)

    def _schedule(self) -> None:
        """Plan an answer; a late one holds back those after it, as a serial link does."""
        at_ns = now_ns()
        if any(start <= at_ns < stop for start, stop in self._watch.windows("gap", GAP_S)):
            return
        low, high = REPLY_DELAY_S
        share = float(uniforms(self._seed, "um25c reply", self._answers, 1)[0])
        delay_s = low + (high - low) * share
        if self._watch.strikes("late-reply", at_ns):
            delay_s = LATE_REPLY_S
        self._answers += 1
        earliest_ns = self._due[-1][0] if self._due else 0
        due_ns = max(at_ns + nanoseconds(delay_s), earliest_ns)
        self._due.append((due_ns, self._meter.answer()))

    def _send_due(self) -> None:
        while self._due and self._master >= 0 and self._due[0][0] <= now_ns():
            _, answer = self._due.popleft()
            cut = self._watch.strikes("unplug", now_ns())
            with contextlib.suppress(OSError):  # nobody reads: the link's buffer is full
                os.write(self._master, answer[: len(answer) // 2] if cut else answer)
            if cut:
                self._unplug()

    def _unplug(self) -> None:
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
        self._master = self._slave = -1
        self._due.clear()


def serve(context: EmulatorContext) -> None:
    """Serve one USB meter on a pseudo-terminal until the parent wants an end."""
    watch = FaultWatch(context.faults)
    link = SerialLink(Um25c(context, watch), watch, context.seed)
    context.ready({"resource": f"serial:{link.path}", "serial": ""})
    link.serve()


def _raw(value: float, scale: int) -> int:
    """Get a field's integer; what is out of range, or negative, shows the field's end."""
    if np.isnan(value):
        return FULL_U16
    return min(max(round(value * scale), 0), FULL_U16)
