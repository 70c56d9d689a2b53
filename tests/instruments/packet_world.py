"""A driver on its meter's emulation without a process: packets handed over in virtual time."""

from __future__ import annotations

import threading
import tomllib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.faults import FaultWatch, parse_faults
from powerlab.emulation.packet_link import PacketMeter
from powerlab.emulation.process import EmulatorContext
from powerlab.records import SampleBlock
from powerlab.transport.packet_device import unplugged

ROOT = Path(__file__).resolve().parents[2]
BEGIN_NS = 1_000_000_000_000

Hurt = Callable[[bytes], bytes | None]
Build = Callable[[EmulatorContext, FaultWatch], PacketMeter]


class World:
    """One meter and its link in virtual time; the link's waits are what moves the clock.

    ``hurt`` may change or drop (None) each packet of the meter, ``delay_s`` holds all back.
    """

    resource = "packets:/virtual"
    serial = ""

    def __init__(self) -> None:
        self.clock_ns = BEGIN_NS
        self.meter: PacketMeter
        self.hurt: Hurt = lambda packet: packet
        self.delay_s = 0.0003
        self.sent: list[bytes] = []
        self.closed = self.gone = False
        self._due: deque[tuple[int, bytes]] = deque()

    def now_ns(self) -> int:
        """Get the virtual instant."""
        return self.clock_ns

    def pass_s(self, seconds: float) -> None:
        """Let time pass in which the host does nothing."""
        self.read_nothing(seconds)

    def write(self, packet: bytes) -> None:
        """Hand a packet to the meter."""
        if self.gone:
            raise unplugged(self.resource, "test")
        self.sent.append(packet)
        self._put(self.meter.take(packet))

    def read(self, limit_s: float) -> bytes | None:
        """Wait for a packet in steps of the meter's own tick."""
        if self.gone:
            raise unplugged(self.resource, "test")
        end_ns = self.clock_ns + round(limit_s * 1e9)
        while True:
            self._put(self.meter.push())
            if self._due and self._due[0][0] <= self.clock_ns:
                return self._due.popleft()[1]
            if self.clock_ns >= end_ns:
                return None
            step_ns = round(self.meter.tick_s * 1e9)
            due_ns = self._due[0][0] if self._due else end_ns
            self.clock_ns = min(end_ns, due_ns, self.clock_ns + step_ns)

    def read_nothing(self, seconds: float) -> None:
        """Let time pass while packets pile up."""
        end_ns = self.clock_ns + round(seconds * 1e9)
        while self.clock_ns < end_ns:
            self.clock_ns = min(end_ns, self.clock_ns + round(self.meter.tick_s * 1e9))
            self._put(self.meter.push())

    def close(self) -> None:
        """Note that the link was let go."""
        self.closed = True

    def _put(self, packets: Sequence[bytes]) -> None:
        for packet in packets:
            hurt = self.hurt(packet)
            if hurt is not None:
                self._due.append((self.clock_ns + round(self.delay_s * 1e9), hurt))


class StopAfter(threading.Event):
    """A stop that is set once so much virtual time has passed; waiting passes it."""

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__()
        self._world = world
        self._end_ns = world.clock_ns + round(seconds * 1e9)

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass, no longer than until the end."""
        left_s = max(0.0, (self._end_ns - self._world.clock_ns) / 1e9)
        self._world.read_nothing(min(timeout or 0.0, left_s))
        return self.is_set()

    def is_set(self) -> bool:
        """Tell whether it is time."""
        return self._world.clock_ns >= self._end_ns


def virtual_world(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    instrument: InstrumentProfile,
    build: Build,
    modules: Sequence[ModuleType],
    *faults: str,
) -> World:
    """Build a meter on an idle board whose modules, and its driver's, look at a virtual clock.

    The board's first busy edge, from which faults count, is a second after the beginning.
    """
    world = World()
    for module in modules:
        monkeypatch.setattr(module, "now_ns", world.now_ns)
    text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
    device = DeviceProfile.model_validate(tomllib.loads(text))
    context = EmulatorContext(tmp_path, 7, device, instrument)
    context.edges.mkdir()
    watch = FaultWatch(parse_faults(faults))
    watch.arm(BEGIN_NS + 1_000_000_000)
    world.meter = build(context, watch)
    return world


def joined(blocks: Sequence[SampleBlock]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Join blocks: values, flags, device times; check that their counts and times go on."""
    values = np.concatenate([block.values for block in blocks])
    flags = np.concatenate([block.flags for block in blocks])
    counts = np.cumsum([len(block.flags) for block in blocks])
    assert [block.completed for block in blocks] == counts.tolist()
    assert all(block.sent_ns <= block.received_ns for block in blocks)
    assert np.all(np.diff([block.received_ns for block in blocks]) >= 0)
    if blocks[0].device_ns is None:
        return values, flags, None
    device_ns = np.concatenate([block.device_ns for block in blocks])
    assert np.all(np.diff(device_ns) > 0)
    return values, flags, device_ns
