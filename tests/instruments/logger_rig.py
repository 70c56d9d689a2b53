"""Emulated loggers on real pseudo-terminals, each served by a thread of the test itself."""

from __future__ import annotations

import os
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import numpy as np
import pytest

from powerlab.agent.edges import BUSY, EdgeFile
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation import stream_link
from powerlab.emulation.faults import Fault
from powerlab.emulation.process import EmulatorContext
from powerlab.instruments import streaming
from powerlab.instruments.contract import Meter
from powerlab.instruments.read_ahead import Arrival
from powerlab.records import SampleBlock, SampleFlag
from powerlab.units import now_ns

ROOT = Path(__file__).resolve().parents[2]
CALM = {"lag_limit_s": 0.0, "noise_w": 0.0, "drift_w": 0.0, "run_to_run": 0.0}


@dataclass(frozen=True)
class LoggerRig:
    """One emulated logger; ``work`` makes its board busy, which is when faults begin to count."""

    context: EmulatorContext
    resource: str
    link: stream_link.StreamLink

    def bench(self, options: str = "", **fields: str) -> BenchMeter:
        """Get the bench's entry of the logger."""
        model = self.context.instrument.id
        return BenchMeter(model=model, resource=self.resource + options, **fields)

    def work(self) -> None:
        """Write the first busy edge."""
        path = self.context.edges / "powerlab-edges-1.bin"
        EdgeFile(str(path)).publish(BUSY, 0, now_ns())


def small_board(**emulation: float) -> DeviceProfile:
    """Get the EdgeBoard's profile with another power; calm, so that levels are exact."""
    text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
    device = DeviceProfile.model_validate(tomllib.loads(text))
    changed = device.emulation.model_copy(update={**CALM, **emulation})
    return device.model_copy(update={"emulation": changed})


@contextmanager
def logger_rig(
    tmp_path: Path,
    build: Callable[[EmulatorContext], stream_link.StreamLink],
    profile: InstrumentProfile,
    *faults: tuple[str, float],
    **emulation: float,
) -> Iterator[LoggerRig]:
    """Serve an emulated logger for a ``with`` block."""
    device = small_board(**emulation)
    wanted = tuple(Fault(kind, at_s) for kind, at_s in faults)
    context = EmulatorContext(tmp_path, 7, device, profile, wanted)
    context.box.mkdir(exist_ok=True)
    context.edges.mkdir(exist_ok=True)
    read_end, write_end = os.pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_link, "PARENT", read_end)
        link = build(context)
        thread = threading.Thread(target=link.serve)
        thread.start()
        try:
            yield LoggerRig(context, f"serial:{link.path}", link)
        finally:
            os.close(write_end)
            thread.join(10)
            os.close(read_end)
    assert not thread.is_alive()


def until(
    meter: Meter,
    enough: Callable[[list[SampleBlock]], bool],
    first: Callable[[], None] = lambda: None,
    blocks: list[SampleBlock] | None = None,
) -> list[SampleBlock]:
    """Stream until what has come is enough; three hundred blocks are too many.

    ``first`` is called once samples come; ``blocks`` keeps what came before an error.
    """
    stop = threading.Event()
    blocks = [] if blocks is None else blocks
    for block in meter.stream(stop):
        if not blocks:
            first()
        blocks.append(block)
        assert len(blocks) < 300
        if enough(blocks):
            stop.set()
    return blocks


def check(blocks: list[SampleBlock]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check what every stream promises; get values, flags and device time of all blocks."""
    assert blocks
    values = np.concatenate([block.values for block in blocks])
    flags = np.concatenate([block.flags for block in blocks])
    device_ns = np.concatenate([block.device_ns for block in blocks])
    assert [block.completed for block in blocks] == np.cumsum(
        [len(block.flags) for block in blocks]
    ).tolist()
    assert all(block.sent_ns <= block.received_ns for block in blocks)
    assert np.all(np.diff(device_ns) > 0)
    lost = (flags & SampleFlag.LOST) > 0
    assert np.isnan(values[lost]).all()
    return values, flags, device_ns


def rows(blocks: list[SampleBlock]) -> int:
    """Get how many samples came that are not lost."""
    return sum(int(np.sum((block.flags & SampleFlag.LOST) == 0)) for block in blocks)


def lost(blocks: list[SampleBlock]) -> int:
    """Get how many rows are lost ones."""
    return sum(int(np.sum((block.flags & SampleFlag.LOST) > 0)) for block in blocks)


class VirtualPort:
    """What a port would have brought, in virtual time; sets ``stop`` when all has been taken."""

    def __init__(self, arrivals: list[Arrival], stop: threading.Event) -> None:
        self._arrivals = list(reversed(arrivals))
        self._stop = stop
        self.now_ns = arrivals[0].empty_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to let go."""

    def take(self) -> Arrival:
        """Get the next arrival and set the clock to it; nothing more comes in the end."""
        if not self._arrivals:
            self.now_ns += 10_000_000
            return Arrival(b"", self.now_ns, self.now_ns)
        arrival = self._arrivals.pop()
        self.now_ns = arrival.arrived_ns
        if not self._arrivals:
            self._stop.set()
        return arrival


def virtual_blocks(
    device: stream_link.StreamingMeter,
    source: streaming.RowSource,
    spacing_ns: int,
    turn_ns: int,
    seconds: float,
) -> list[SampleBlock]:
    """Run an emulated device that has just been started, and its decoder, without a clock.

    What it has is fetched each 10 ms, late by some milliseconds now and then.
    """
    stop, begun_ns = threading.Event(), now_ns()
    late_ms = np.random.default_rng(3).exponential(0.2, round(seconds * 100))
    late_ms[::17] += 6
    arrivals, before_ns = [], begun_ns
    for number, late in enumerate(late_ms.tolist()):
        at_ns = begun_ns + number * 10_000_000
        arrived_ns = at_ns + round(late * 1e6)
        arrivals.append(Arrival(device.produce(at_ns), before_ns, arrived_ns))
        before_ns = arrived_ns
    port = VirtualPort(arrivals, stop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "ReadAhead", lambda _: port)
        patch.setattr(streaming, "now_ns", lambda: port.now_ns)
        patch.setattr(streaming, "GATHER_S", 0.0)
        link = SimpleNamespace(resource="serial:/dev/virtual")
        running = streaming.Stream(link, source, spacing_ns, "the meter", turn_ns=turn_ns)
        return list(running.blocks(stop))


def busy_from(context: EmulatorContext, at_ns: int) -> None:
    """Write a first busy edge at an instant that may be yet to come."""
    path = context.edges / "powerlab-edges-1.bin"
    EdgeFile(str(path)).publish(BUSY, 0, at_ns)
