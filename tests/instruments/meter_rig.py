"""One emulated meter behind a relay, and what must hold of every sample that its driver gives."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path

import numpy as np

from powerlab.agent.edges import BUSY, IDLE, EdgeFile
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.faults import parse_faults
from powerlab.emulation.process import EmulatorContext, EmulatorProcess
from powerlab.instruments.contract import Meter, open_meter
from powerlab.records import FloatArray, Int64Array, MeterSetup, SampleBlock, SampleFlag
from powerlab.units import NS_PER_S, nanoseconds, now_ns
from tests.instruments.meter_rows import ANSWERS, SCPI, MeterRow
from tests.instruments.wire_relay import WireRelay

ROOT = Path(__file__).resolve().parents[2]
CATALOG = load_catalog()
CALM = {"lag_limit_s": 0.0, "noise_w": 0.0, "drift_w": 0.0, "run_to_run": 0.0}

NEAR = 0.1
"""Relative distance from a level that limits, burden and cable of a meter can make up."""

SLACK_S = 0.3
"""By how much an emulator's process may be late because the computer is busy."""

BEYOND = SampleFlag.OVERRANGE | SampleFlag.SATURATED
NO_VALUE = SampleFlag.LOST | SampleFlag.NOT_AVAILABLE | BEYOND

Action = Callable[[], int]
"""Does something to the wire or the board; gets the host instant to which the stream goes on."""


@dataclass
class Session:
    """A driver at work behind a relay; ``blocks`` is what came.

    ``begins`` are the numbers of blocks that had come when each action was done, ``good`` is how
    many samples go between two, ``polled`` whether each sample is asked for.
    """

    relay: WireRelay
    meter: Meter
    setup: MeterSetup
    good: int
    polled: bool
    blocks: list[SampleBlock] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)

    def stream(self, *actions: Action) -> None:
        """Stream; do each action once enough good samples have come since the one before.

        The stream is stopped so many samples after the last one. Those count that were asked
        for after the instant that the action names.
        """
        stop, after_ns, since, rest = threading.Event(), 0, 0, list(actions)
        for block in self.meter.stream(stop):
            self.blocks.append(block)
            assert len(self.blocks) < 5000
            if block.sent_ns > after_ns:
                since += int(np.sum((block.flags & NO_VALUE) == 0))
            if since < self.good or stop.is_set():
                continue
            if rest:
                self.begins.append(len(self.blocks))
                after_ns, since = rest.pop(0)(), 0
            else:
                stop.set()

    def check_asked(self) -> None:
        """Check of a polled meter without a clock that each sample answers its own question.

        A stale answer is there before the meter has formed the one that was asked for.
        """
        for block in self.blocks if self.polled else ():
            if block.device_ns is None and not block.flags[0] & NO_VALUE:
                formed_ns = self.relay.formed_ns
                assert any(block.sent_ns <= at_ns <= block.received_ns for at_ns in formed_ns)


class MeterRig:
    """A running emulator of one row's meter on a calm board; ``levels`` are its edges so far."""

    def __init__(self, row: MeterRow, place: Path, *faults: str) -> None:
        self.row = row
        self.profile = CATALOG.instrument(row.profile)
        text = (ROOT / "devices" / "edgeboard.toml").read_text(encoding="utf-8")
        device = DeviceProfile.model_validate(tomllib.loads(text))
        board = device.emulation.model_copy(update={**CALM, **row.board})
        device = device.model_copy(update={"emulation": board})
        self._board = board
        context = EmulatorContext(place, 7, device, self.profile, parse_faults(faults))
        context.box.mkdir()
        context.edges.mkdir()
        self._edges = EdgeFile(str(context.edges / "powerlab-edges-1.bin"))
        self.levels: list[tuple[int, int]] = []
        (entry,) = entry_points(group="powerlab.emulators", name=self.profile.emulator)
        self._process = EmulatorProcess("meter", entry.value, context)
        try:
            self._process.wait_ready()
        except BaseException:
            self._process.stop()
            raise
        self.resource = str(self._process.address["resource"])

    def stop(self) -> None:
        """End the emulator."""
        self._process.stop()

    def set_level(self, level: int) -> int:
        """Let the board be busy or idle from now on; get now."""
        at_ns = now_ns()
        self._edges.publish(level, 0, at_ns)
        self.levels.append((at_ns, level))
        return at_ns

    def rest(self) -> None:
        """Let the board be idle again."""
        if self.levels and self.levels[-1][1] == BUSY:
            self.set_level(IDLE)

    def opened(self, resource: str) -> closing[Meter]:
        """Open the meter as a bench does."""
        return closing(
            open_meter(self.profile, BenchMeter(model=self.profile.id, resource=resource))
        )

    @contextmanager
    def session(self, hurt: Callable[[WireRelay], None] = lambda _: None) -> Iterator[Session]:
        """Open the meter through a relay and set it up; ``hurt`` sets the relay before that."""
        self.rest()
        relay = WireRelay(self.resource)
        try:
            hurt(relay)
            with self.opened(relay.resource) as meter:
                setup = meter.configure(self.row.request)
                polled = self.row.wire in (SCPI, ANSWERS)
                yield Session(relay, meter, setup, self.row.good, polled)
        finally:
            relay.close()

    def margin_ns(self, setup: MeterSetup) -> int:
        """Get how much older than its telling a sample may be."""
        lag_s = setup.aperture_s + setup.latency_s + setup.latency_limit_s
        return nanoseconds(SLACK_S + lag_s)

    def check(self, setup: MeterSetup, blocks: Sequence[SampleBlock], stall_s: float = 0.0) -> None:
        """Check what came: counted, in order, on one clock, and each sample right or flagged.

        A wire that stalled for ``stall_s`` brings what is so old without a sign of it.
        """
        counts = np.cumsum([len(block.values) for block in blocks])
        assert [block.completed for block in blocks] == counts.tolist()
        assert all(block.sent_ns <= block.received_ns for block in blocks)
        for block, following in pairwise(blocks):
            assert block.received_ns <= following.received_ns
        check_clock(setup, blocks, SLACK_S + stall_s)
        for block in blocks:
            none = (block.flags & SampleFlag.LOST) > 0
            assert np.isnan(block.values[none]).all()
            good = (block.flags & NO_VALUE) == 0
            self._check_values(setup, block, good)

    def within(
        self, setup: MeterSetup, block: SampleBlock, begin_ns: int, stop_ns: int
    ) -> np.ndarray:
        """Tell which samples of a block can only have been taken between two instants."""
        early_ns, late_ns = told_between(setup, block)
        return (early_ns - self.margin_ns(setup) > begin_ns) & (late_ns < stop_ns)

    def outside(
        self, setup: MeterSetup, block: SampleBlock, begin_ns: int, stop_ns: int
    ) -> np.ndarray:
        """Tell which samples of a block can only have been taken before or after."""
        early_ns, late_ns = told_between(setup, block)
        return (early_ns - self.margin_ns(setup) > stop_ns) | (late_ns < begin_ns)

    def _check_values(self, setup: MeterSetup, block: SampleBlock, good: np.ndarray) -> None:
        early_ns, late_ns = told_between(setup, block)
        early_ns = early_ns - self.margin_ns(setup)
        low, high = np.full(len(good), BUSY), np.full(len(good), IDLE)
        spans = [(0, IDLE), *self.levels]
        ends = [at for at, _ in self.levels] + [np.iinfo(np.int64).max]
        for (begin_ns, level), end_ns in zip(spans, ends, strict=True):
            touched = (early_ns < end_ns) & (late_ns >= begin_ns)
            low[touched] = np.minimum(low[touched], level)
            high[touched] = np.maximum(high[touched], level)
        count = min(self.row.mean_of, max(1, int(good.sum())))
        for column, quantity in enumerate(setup.channels):
            values = means(block.values[good, column], count)
            offset = setup.accuracy[column].offset_limit
            least = means(self._level(quantity, low)[good], count) * (1 - NEAR) - offset
            most = means(self._level(quantity, high)[good], count) * (1 + NEAR) + offset
            wrong = ~((values >= least) & (values <= most))
            assert not wrong.any(), f"{quantity}: {values[wrong][:5]}, least {least[wrong][:5]}"

    def _level(self, quantity: str, level: np.ndarray) -> FloatArray:
        watts = np.where(level == BUSY, self._board.active_w, self._board.idle_w)
        volts = np.full(len(watts), self._board.supply_voltage_v)
        return {"power": watts, "voltage": volts, "current": watts / volts}[quantity]

    def busy_seen(self, setup: MeterSetup, blocks: Sequence[SampleBlock]) -> bool:
        """Tell whether a good sample came that is of after the board's last busy edge."""
        at_ns, level = self.levels[-1]
        assert level == BUSY
        return any(
            bool(
                np.any(
                    (told_between(setup, block)[0] - self.margin_ns(setup) >= at_ns)
                    & ((block.flags & NO_VALUE) == 0)
                )
            )
            for block in blocks
        )


def means(values: FloatArray, count: int) -> FloatArray:
    """Get the means of so many values each; those too few for one at the end are left out."""
    return values[: len(values) // count * count].reshape(-1, count).mean(axis=1)


def told_between(setup: MeterSetup, block: SampleBlock) -> tuple[Int64Array, Int64Array]:
    """Get the host instants between which each sample of a block could first be had."""
    before_ns = np.zeros(len(block.flags), dtype=np.int64)
    if block.device_ns is not None and len(block.device_ns):
        before_ns = block.device_ns[-1] - block.device_ns
    early_ns = block.sent_ns - before_ns - nanoseconds(setup.interval_s)
    return early_ns, block.received_ns - before_ns


def check_clock(setup: MeterSetup, blocks: Sequence[SampleBlock], slack_s: float) -> None:
    """Check that device time rises, and that one offset to the host's clock fits all blocks."""
    timed = [block for block in blocks if block.device_ns is not None]
    while timed and not len(timed[0].flags):  # a block may say that nothing is new
        timed = timed[1:]
    if not timed:
        return
    device_ns = np.concatenate([block.device_ns for block in timed])
    assert np.all(np.diff(device_ns) > 0)
    last_ns = device_ns[np.cumsum([len(block.flags) for block in timed]) - 1]
    sent_ns = np.array([block.sent_ns for block in timed])
    received_ns = np.array([block.received_ns for block in timed])
    lasted_s = (received_ns[-1] - received_ns[0]) / NS_PER_S
    drift_ns = lasted_s * NS_PER_S * setup.clock_limit_ppm * 1e-6
    slack_ns = nanoseconds(slack_s + 2 * setup.latency_limit_s + setup.interval_s) + drift_ns
    assert np.max(sent_ns - last_ns) <= np.min(received_ns - last_ns) + slack_ns
