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
from powerlab.emulation import noise
from powerlab.emulation.ranges import (
    Channel,
    choose_range,
    draw_burden_ohm,
    draw_channel,
    expected_peaks,
)
from powerlab.emulation.wiring import ErrorLaw, SupplyPath, draw_error
from powerlab.emulation.world import Edges, World
from powerlab.errors import ConfigError
from powerlab.records import (
    Averaging,
    FlagArray,
    FloatArray,
    Int64Array,
    VoltageSense,
    freeze_arrays,
)
from powerlab.units import NS_PER_S, nanoseconds

_LEAST_PARTS = 8  # of an aperture: current is not linear in power behind a resistance
_MOST_PARTS = 200
_PART_NS = 5_000_000


@dataclass(frozen=True, slots=True)
class Readings:
    """Consecutive readings of a meter, and when they truly happened.

    ``values`` float64 ``(n, channels)`` in the order of the meter's channels, NaN where out of
    range; ``flags`` uint8 ``(n,)`` of SampleFlag; ``device_ns`` int64 ``(n,)`` on the meter's
    own clock from its first reading on. ``start_ns`` and ``stop_ns`` bound each aperture on
    the host's clock (equal for a point sample) and ``available_ns`` is when the reading can
    first be had: only the emulation knows these three.
    """

    values: FloatArray
    flags: FlagArray
    device_ns: Int64Array
    start_ns: Int64Array
    stop_ns: Int64Array
    available_ns: Int64Array

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class VirtualMeter:
    """A meter at work from ``start_ns`` (host) on; build one with ``build_meter``.

    ``interval_ns`` and ``aperture_ns`` are true host nanoseconds, the meter's own clock
    (``rate_ppm`` fast) being what counts them out; ``device_interval_ns`` is the interval as
    that clock shows it. ``path`` holds the meter's true burden. ``sense`` says whether
    volts are taken at the meter's output or at the board. ``ammeter`` is the range
    whose burden is in the path, ``voltmeter`` serves ``read_voltage``.
    """

    world: World
    path: SupplyPath
    channels: tuple[Channel, ...]
    ammeter: Range | None
    voltmeter: Channel | None
    averaging: Averaging
    sense: VoltageSense
    start_ns: int
    interval_ns: float
    aperture_ns: float
    device_interval_ns: float
    latency_ns: int
    rate_ppm: float

    def sample(self, edges: Edges, first_index: int, count: int) -> Readings:
        """Get readings ``first_index`` to ``first_index + count - 1`` (0 is the first one).

        Right only once ``edges`` holds every edge up to the last aperture's end. Raises
        ConfigError where the supply cannot carry the board's power.
        """
        index = np.arange(first_index, first_index + count, dtype=np.int64)
        start_ns = self._start_ns(index)
        stop_ns = start_ns + self._span_ns
        true = self._true_means(edges, start_ns)
        values = np.empty((count, len(self.channels)))
        flags = np.zeros(count, dtype=np.uint8)
        for column, channel in enumerate(self.channels):
            values[:, column], flag = channel.read(true[channel.quantity], first_index)
            flags |= flag
        return Readings(
            values=values,
            flags=flags,
            device_ns=np.rint(index * self.device_interval_ns).astype(np.int64),
            start_ns=start_ns,
            stop_ns=stop_ns,
            available_ns=stop_ns + self.latency_ns,
        )

    def completed(self, t_ns: Int64Array) -> Int64Array:
        """Get how many readings are available at the host instants ``t_ns``, int64 any shape."""
        at = np.asarray(t_ns, dtype=np.int64)
        since = at - (self.start_ns + self.lag_ns)
        # The division may round across a reading's very instant: settle it by that instant.
        guess = np.floor(since / self.interval_ns).astype(np.int64)
        guess -= self.available_ns(guess) > at
        guess += self.available_ns(guess + 1) <= at
        return np.maximum(guess + 1, 0)

    def available_ns(self, index: Int64Array) -> Int64Array:
        """Get the host instants from which on the readings of these indices can be had."""
        return self._start_ns(index) + self.lag_ns

    def read_voltage(self, power_w: float | None = None) -> tuple[float, float]:
        """Measure the DC volts at the board's terminals once: value and standard uncertainty.

        The board draws ``power_w`` (by default this world's active power) through the cable;
        a meter that reads volts is not in the current's path, so its burden is not either.
        Raises ConfigError where the meter has no voltage range for it.
        """
        if self.voltmeter is None:
            raise ConfigError(
                "this meter has no voltage range for the bench's supply",
                hint="state the supply voltage and its uncertainty in the bench's [supply]",
            )
        power = np.array([self.world.active_w if power_w is None else power_w])
        direct = self.path.through(0.0)
        volts = direct.source_v - direct.current(power) * direct.cable_ohm
        value = float(self.voltmeter.read(volts, -1)[0][0])
        return value, self.voltmeter.standard_uncertainty(value)

    @property
    def lag_ns(self) -> int:
        """Get the time from the begin of an aperture to its reading being available."""
        return self._span_ns + self.latency_ns

    @property
    def _span_ns(self) -> int:
        return 0 if self.averaging is Averaging.POINT else round(self.aperture_ns)

    def _start_ns(self, index: Int64Array) -> Int64Array:
        return np.asarray(self.start_ns + np.rint(index * self.interval_ns).astype(np.int64))

    def _true_means(self, edges: Edges, start_ns: Int64Array) -> Mapping[str, FloatArray]:
        """Get each quantity's true mean over the apertures, each cut into short parts."""
        power = self._power_parts(edges, start_ns)
        current = self.path.current(power)
        drop_ohm = self.path.burden_ohm
        if self.sense is VoltageSense.BOARD:
            drop_ohm += self.path.cable_ohm
        voltage = self.path.source_v - current * drop_ohm
        return {
            "current": current.mean(axis=1),
            "voltage": voltage.mean(axis=1),
            "power": (voltage * current).mean(axis=1),
        }

    def _power_parts(self, edges: Edges, start_ns: Int64Array) -> FloatArray:
        """Get the board's mean power in the parts of each aperture, ``(n, parts)``."""
        if self._span_ns == 0:
            return self.world.power(edges, start_ns)[:, np.newaxis]
        parts = min(_MOST_PARTS, max(_LEAST_PARTS, ceil(self._span_ns / _PART_NS)))
        cuts = np.rint(np.linspace(0, self._span_ns, parts + 1)).astype(np.int64)
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
    smallest range that carries one and a half times the active load. ``channels``,
    ``aperture_s`` and ``interval_s`` replace what the profile says. ``path.burden_ohm`` is
    replaced by this meter's own. Raises ConfigError where no range serves.
    """
    sampling, seed = profile.sampling, world.seed
    if sampling.averaging is Averaging.COUNTER:
        raise ConfigError(
            f"instrument {profile.id} accumulates energy: there is no emulation of that yet",
            hint="emulate with a meter whose averaging is boxcar, gated or point",
        )
    expected = expected_peaks(world, path)
    wanted = dict(full_scales or {})
    names = channels or profile.channels
    chosen = {name: choose_range(profile, name, wanted.get(name), expected[name]) for name in names}
    ammeter = chosen.get("current") or profile.range_for("current", expected["current"])
    if tuple(names) == ("voltage",):
        ammeter = None  # only volts: the meter is across the board, not in its current's path
    volts = chosen.get("voltage") or profile.range_for("voltage", expected["voltage"])
    rate_ppm = sampling.clock_limit_ppm * draw_error(seed, f"{serial}/clock", law)
    late_s = sampling.latency_limit_s * draw_error(seed, f"{serial}/latency", law)
    true_ns = NS_PER_S / (1 + rate_ppm * 1e-6)
    interval = interval_s or sampling.interval_s
    return VirtualMeter(
        world=world,
        path=path.through(draw_burden_ohm(ammeter, seed, serial, law)),
        channels=tuple(draw_channel(chosen[name], seed, serial, law) for name in names),
        ammeter=ammeter,
        voltmeter=None if volts is None else draw_channel(volts, seed, serial, law),
        averaging=sampling.averaging,
        sense=sense,
        start_ns=origin_ns + int(interval * true_ns * noise.uniform(seed, f"{serial}/start")),
        interval_ns=interval * true_ns,
        aperture_ns=(aperture_s or sampling.aperture_s) * true_ns,
        device_interval_ns=interval * NS_PER_S,
        latency_ns=max(0, nanoseconds(sampling.latency_s + late_s)),
        rate_ppm=rate_ppm,
    )
