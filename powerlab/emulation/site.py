"""Where an emulated instrument stands: on a board's bench, or in the loop of a calibration.

An emulator asks its site for meters and does not know which of the two it is on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import TypeAdapter

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.circuit import Circuit
from powerlab.emulation.edges_tail import EdgesTail
from powerlab.emulation.metering import build_meter
from powerlab.emulation.process import EmulatorContext
from powerlab.emulation.ranges import Channel
from powerlab.emulation.sampling import ReadingClock, Readings
from powerlab.emulation.set_points import SetPointTail
from powerlab.emulation.tapped_meter import Unit, build_tapped_meter
from powerlab.emulation.wiring import build_path
from powerlab.emulation.world import build_world
from powerlab.errors import SetupError
from powerlab.records import VoltageSense

LOOP_FILE = "loop.json"
HEADROOM = 1.05
"""Over what is there: where a range that a meter chooses by itself ends."""

LEAST = 1e-3
"""What such a range carries at least, where nothing is there: A, V or W."""


@dataclass(frozen=True, slots=True)
class LiveMeter:
    """A meter that looks at a live bench: ``sample(first_index, count)`` reads it as it is."""

    clock: ReadingClock
    channels: tuple[Channel, ...]
    sample: Callable[[int, int], Readings]


class Site(Protocol):
    """What an emulated meter needs of the place where it stands."""

    serial: str

    def follow(self) -> int | None:
        """Read what is new; get the instant from which faults count, None before it."""

    def meter(
        self,
        profile: InstrumentProfile,
        *,
        origin_ns: int,
        channels: tuple[str, ...],
        full_scales: Mapping[str, float] | None = None,
        sense: VoltageSense = VoltageSense.METER,
        aperture_s: float | None = None,
        interval_s: float | None = None,
    ) -> LiveMeter:
        """Start a meter of a model, on the ranges named or those that serve."""


class BoardSite:
    """A bench with an emulated board, whose agents write edges."""

    def __init__(self, context: EmulatorContext) -> None:
        self.serial = context.serial
        self._context = context
        self._world = build_world(context.device, context.seed)
        self._tail = EdgesTail(context.edges)

    def follow(self) -> int | None:
        """Read the agents' edges; faults count from the first busy one."""
        self._tail.poll()
        return self._tail.first_busy_ns

    def meter(
        self,
        profile: InstrumentProfile,
        *,
        origin_ns: int,
        channels: tuple[str, ...],
        full_scales: Mapping[str, float] | None = None,
        sense: VoltageSense = VoltageSense.METER,
        aperture_s: float | None = None,
        interval_s: float | None = None,
    ) -> LiveMeter:
        """Start a meter between the supply and the board."""
        meter = build_meter(
            profile,
            self._world,
            build_path(self._context.device, self._context.seed),
            origin_ns=origin_ns,
            serial=self.serial,
            channels=channels,
            full_scales=full_scales,
            sense=sense,
            aperture_s=aperture_s,
            interval_s=interval_s,
        )
        return LiveMeter(
            clock=meter.clock,
            channels=meter.channels,
            sample=lambda first, count: meter.sample(self._tail.poll(), first, count),
        )


@dataclass(frozen=True, slots=True)
class Loop:
    """What every instrument of a calibration bench knows of it.

    ``units`` are the instruments by name, ``taps_ohm`` how much of the loop lies between the
    source and each one's volts.
    """

    points: Path
    circuit: Circuit
    units: Mapping[str, Unit]
    taps_ohm: Mapping[str, float] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it for another process."""
        path.write_bytes(_LOOP.dump_json(self))

    @classmethod
    def read(cls, path: Path) -> Loop:
        """Read what ``write`` wrote."""
        return _LOOP.validate_json(path.read_bytes())


_LOOP: TypeAdapter[Loop] = TypeAdapter(Loop)


class LoopSite:
    """A place in the loop of a calibration; the instrument's directory bears its name there."""

    def __init__(self, context: EmulatorContext) -> None:
        self.loop = Loop.read(context.directory / LOOP_FILE)
        self.name = context.directory.name
        self.unit = self.loop.units[self.name]
        self.serial = self.unit.serial
        self._tap_ohm = self.loop.taps_ohm[self.name]
        self._tail = SetPointTail(self.loop.points, self.loop.circuit.source_v)

    def follow(self) -> int | None:
        """Read the set-points; faults count from the first current."""
        return self._tail.poll().first_draw_ns

    def meter(
        self,
        profile: InstrumentProfile,
        *,
        origin_ns: int,
        channels: tuple[str, ...],
        full_scales: Mapping[str, float] | None = None,
        sense: VoltageSense = VoltageSense.METER,  # noqa: ARG002 - there is one tap
        aperture_s: float | None = None,
        interval_s: float | None = None,
    ) -> LiveMeter:
        """Start a meter at this place, on ranges for what is there now."""
        meter = build_tapped_meter(
            profile,
            self.unit,
            self.loop.circuit,
            self._tap_ohm,
            origin_ns=origin_ns,
            channels=channels,
            expected=self._expected(origin_ns),
            full_scales=full_scales,
            aperture_s=aperture_s,
            interval_s=interval_s,
        )
        return LiveMeter(
            clock=meter.clock,
            channels=meter.channels,
            sample=lambda first, count: meter.sample(self._tail.poll(), first, count),
        )

    def present(self, at_ns: int) -> Mapping[str, float]:
        """Get what truly is at this place at a host instant, by quantity: A, V and W."""
        history, at = self._tail.poll(), np.array([at_ns], dtype=np.int64)
        amperes = float(self.loop.circuit.current(history, at)[0])
        volts = float(self.loop.circuit.voltage(history, at, self._tap_ohm)[0])
        return {"current": amperes, "voltage": volts, "power": amperes * volts}

    def _expected(self, at_ns: int) -> Mapping[str, float]:
        """Get what a range must carry now, by quantity."""
        present = self.present(at_ns)
        return {name: max(LEAST, HEADROOM * abs(value)) for name, value in present.items()}


def site_of(context: EmulatorContext) -> BoardSite | LoopSite:
    """Get where an emulator stands: the loop of a calibration where its directory says so."""
    if (context.directory / LOOP_FILE).exists():
        return LoopSite(context)
    return BoardSite(context)


def loop_site(context: EmulatorContext) -> LoopSite:
    """Get the place of a load or a supply; ``SetupError`` where it is on no calibration bench."""
    site = site_of(context)
    if not isinstance(site, LoopSite):
        raise SetupError(
            "an emulated load or supply works in a calibration only",
            hint="start it with emulated_calibration_bench",
        )
    return site


def profile_of(context: EmulatorContext) -> InstrumentProfile:
    """Get the profile of the instrument; ``SetupError`` where the emulator was given none."""
    if context.instrument is None:
        raise SetupError(
            "the emulator was started without an instrument profile",
            hint="start it with emulated_bench or emulated_calibration_bench, which give it one",
        )
    return context.instrument
