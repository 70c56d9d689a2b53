"""A meter as its own profile says it is, reading one world's board.

Every specified limit of the profile (gain, offset, sample clock, latency, burden) is drawn
once for the world's seed, the meter's serial number, the quantity and the range, and held:
one meter errs the same way all through a world, and another way in the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.emulation.clock import BusyTime
from powerlab.emulation.ranges import (
    LINE_ACCURACY,
    Channel,
    choose_range,
    draw_burden_ohm,
    draw_channel,
    expected_peaks,
)
from powerlab.emulation.sampling import ReadingClock, Readings, draw_reading_clock
from powerlab.emulation.wiring import ErrorLaw, SupplyPath
from powerlab.emulation.world import Edges, World
from powerlab.errors import ConfigError
from powerlab.records import Accuracy, FloatArray, Int64Array, VoltageSense
from powerlab.units import NS_PER_S

_LEAST_PARTS = 8  # of an aperture: current is not linear in power behind a resistance
_MOST_PARTS = 200
_PART_NS = 5_000_000
_SHORTEST_PART_NS = 100_000  # an edge within so short a part weighs nothing


@dataclass(frozen=True, slots=True)
class VirtualMeter:
    """A meter at work on a board; build one with ``build_meter``.

    ``clock`` tells when it reads. ``path`` holds the meter's true burden. ``sense`` says
    whether volts are taken at the meter's output or at the board. ``ammeter`` is the range
    whose burden is in the path, ``voltmeter`` serves ``read_voltage``. With ``line`` a last
    column tells the part of each aperture in which the board's trigger line was high, exactly;
    of a point sample, its level then.
    """

    world: World
    path: SupplyPath
    channels: tuple[Channel, ...]
    ammeter: Range | None
    voltmeter: Channel | None
    sense: VoltageSense
    clock: ReadingClock
    line: bool = False

    def sample(self, edges: Edges, first_index: int, count: int) -> Readings:
        """Get readings ``first_index`` to ``first_index + count - 1`` (0 is the first one).

        Right only once ``edges`` holds every edge up to the last aperture's end. Raises
        ConfigError where the supply cannot carry the board's power.
        """
        index = np.arange(first_index, first_index + count, dtype=np.int64)
        start_ns = self.clock.starts_ns(index)
        true = self._true_means(edges, start_ns)
        line = self._line_high(edges, start_ns) if self.line else None
        return self.clock.readings(self.channels, true, first_index, line)

    def completed(self, t_ns: Int64Array) -> Int64Array:
        """Get how many readings are available at the host instants ``t_ns``, int64 any shape."""
        return self.clock.completed(t_ns)

    def available_ns(self, index: Int64Array) -> Int64Array:
        """Get the host instants from which on the readings of these indices can be had."""
        return self.clock.available_ns(index)

    def read_voltage(
        self, power_w: float | None = None, *, in_circuit: bool = False
    ) -> tuple[float, float]:
        """Measure the DC volts at the board's terminals once: value and standard uncertainty.

        The board draws ``power_w`` (by default this world's active power) through the cable;
        a meter that reads volts is not in the current's path, so its burden is not either,
        unless another of its kind is left there, ``in_circuit``, to carry the current.
        Raises ConfigError where the meter has no voltage range for it.
        """
        if self.voltmeter is None:
            raise ConfigError(
                "this meter has no voltage range for the bench's supply",
                hint="state the supply voltage and its uncertainty in the bench's [supply]",
            )
        power = np.array([self.world.active_w if power_w is None else power_w])
        path = self.path if in_circuit else self.path.through(0.0)
        current = path.current(power)
        volts = path.output_v(current) - current * (path.burden_ohm + path.cable_ohm)
        value = float(self.voltmeter.read(volts, -1)[0][0])
        return value, self.voltmeter.standard_uncertainty(value)

    @property
    def accuracy(self) -> tuple[Accuracy, ...]:
        """Get what a driver would state of each column's limit, the trigger line's too."""
        stated = tuple(channel.accuracy for channel in self.channels)
        return (*stated, LINE_ACCURACY) if self.line else stated

    @property
    def interval_ns(self) -> float:
        """Get the true time between two readings."""
        return self.clock.interval_ns

    @property
    def latency_ns(self) -> int:
        """Get the time from the end of an aperture to its reading being available."""
        return self.clock.latency_ns

    @property
    def rate_ppm(self) -> float:
        """Get by how much the meter's own clock is fast."""
        return self.clock.rate_ppm

    @property
    def lag_ns(self) -> int:
        """Get the time from the begin of an aperture to its reading being available."""
        return self.clock.lag_ns

    def _true_means(self, edges: Edges, start_ns: Int64Array) -> Mapping[str, FloatArray]:
        """Get each quantity's true mean over the apertures, each cut into short parts."""
        power = self._power_parts(edges, start_ns)
        current = self.path.current(power)
        drop_ohm = self.path.burden_ohm
        if self.sense is VoltageSense.BOARD:
            drop_ohm += self.path.cable_ohm
        voltage = self.path.output_v(current) - current * drop_ohm
        return {
            "current": current.mean(axis=1),
            "voltage": voltage.mean(axis=1),
            "power": (voltage * current).mean(axis=1),
        }

    def _line_high(self, edges: Edges, start_ns: Int64Array) -> FloatArray:
        """Get the part of each aperture in which the board was busy, 0 to 1."""
        busy, span_ns = BusyTime(edges), max(self.clock.span_ns, 1)
        return np.asarray((busy.until(start_ns + span_ns) - busy.until(start_ns)) / span_ns)

    def _power_parts(self, edges: Edges, start_ns: Int64Array) -> FloatArray:
        """Get the board's mean power in the parts of each aperture, ``(n, parts)``."""
        span_ns = self.clock.span_ns
        if span_ns == 0:
            return self.world.power(edges, start_ns)[:, np.newaxis]
        fewest = min(_LEAST_PARTS, ceil(span_ns / _SHORTEST_PART_NS))
        parts = min(_MOST_PARTS, max(fewest, ceil(span_ns / _PART_NS)))
        cuts = np.rint(np.linspace(0, span_ns, parts + 1)).astype(np.int64)
        energy = self.world.cumulative(edges, start_ns[:, np.newaxis] + cuts)
        return np.asarray(np.diff(energy, axis=1) * (NS_PER_S / np.diff(cuts)))


def build_meter(
    profile: InstrumentProfile,
    world: World,
    path: SupplyPath,
    *,
    origin_ns: int,
    serial: str = "EMULATED-1",
    full_scales: Mapping[str, float] | None = None,
    channels: tuple[str, ...] | None = None,
    sense: VoltageSense = VoltageSense.METER,
    aperture_s: float | None = None,
    interval_s: float | None = None,
    law: ErrorLaw = ErrorLaw.UNIFORM,
) -> VirtualMeter:
    """Draw one meter of a model and start it within one interval after ``origin_ns``.

    ``full_scales`` names ranges by quantity and full scale; without it each quantity gets the
    smallest range that carries one and a half times the active load. ``channels`` ("line" is the
    trigger line), ``aperture_s`` and ``interval_s`` replace what the profile says.
    ``path.burden_ohm`` is replaced by this meter's own. Raises ConfigError where no range serves.
    """
    seed = world.seed
    clock = draw_reading_clock(
        profile,
        seed,
        serial,
        origin_ns=origin_ns,
        aperture_s=aperture_s,
        interval_s=interval_s,
        law=law,
    )
    expected = expected_peaks(world, path)
    wanted = dict(full_scales or {})
    names = tuple(name for name in channels or profile.channels if name != "line")
    chosen = {name: choose_range(profile, name, wanted.get(name), expected[name]) for name in names}
    ammeter = chosen.get("current") or profile.range_for("current", expected["current"])
    if names == ("voltage",):
        ammeter = None  # only volts: the meter is across the board, not in its current's path
    volts = chosen.get("voltage") or profile.range_for("voltage", expected["voltage"])
    return VirtualMeter(
        world=world,
        path=path.through(draw_burden_ohm(ammeter, seed, serial, law)),
        channels=tuple(draw_channel(chosen[name], seed, serial, law) for name in names),
        ammeter=ammeter,
        voltmeter=None if volts is None else draw_channel(volts, seed, serial, law),
        sense=sense,
        clock=clock,
        line="line" in (channels or profile.channels),
    )
