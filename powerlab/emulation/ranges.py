"""One quantity on one range of one meter: which range serves, and how it errs in a world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose, sqrt

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.emulation import noise
from powerlab.emulation.wiring import ErrorLaw, SupplyPath, draw_error
from powerlab.emulation.world import World
from powerlab.errors import ConfigError
from powerlab.records import FlagArray, FloatArray, SampleFlag

PEAK_MARGIN = 1.5  # over the active current: what a session asks of a meter's range
_VOLTAGE_MARGIN = 1.01  # a reading errs, and a range ends where it ends


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity on one range of one meter, with its errors drawn.

    ``gain`` is a fraction of reading and ``offset`` in the quantity's unit, both held for
    the world; ``stream`` names the noise of its readings.
    """

    quantity: str
    range: Range
    gain: float
    offset: float
    seed: int
    stream: str

    def read(self, true: FloatArray, first_index: int) -> tuple[FloatArray, FlagArray]:
        """Get the readings and flags of the true means ``(n,)``, numbered from ``first_index``."""
        scatter = self.range.noise * noise.normals(self.seed, self.stream, first_index, true.size)
        value = true * (1 + self.gain) + self.offset + scatter
        value = np.rint(value / self.range.resolution) * self.range.resolution
        over = np.abs(value) > self.range.full_scale * self.range.over_range_factor
        flags = np.where(over, SampleFlag.OVERRANGE, SampleFlag.GOOD).astype(np.uint8)
        return np.where(over, np.nan, value), flags

    def standard_uncertainty(self, value: float) -> float:
        """Get the standard uncertainty of one reading: limits rectangular, noise, resolution."""
        gain = self.range.gain_percent / 100 * value
        limits = (gain**2 + self.range.offset_limit**2) / 3
        return sqrt(limits + self.range.noise**2 + self.range.resolution**2 / 12)


def expected_peaks(world: World, path: SupplyPath) -> Mapping[str, float]:
    """Get what a range has to carry, by quantity: A, V and W."""
    peak_w = PEAK_MARGIN * world.active_w
    volts = _VOLTAGE_MARGIN * path.source_v
    return {"current": peak_w / path.source_v, "voltage": volts, "power": peak_w}


def choose_range(
    profile: InstrumentProfile, quantity: str, full_scale: float | None, expected: float
) -> Range:
    """Get the range asked for by full scale, or else the smallest that carries ``expected``."""
    if full_scale is None:
        found = profile.range_for(quantity, expected)
        asked = f"for {expected:.3g}"
    else:
        found = next(
            (r for r in profile.ranges(quantity) if isclose(r.full_scale, full_scale)), None
        )
        asked = f"of full scale {full_scale:g}"
    if found is None:
        known = ", ".join(f"{item.full_scale:g}" for item in profile.ranges(quantity))
        raise ConfigError(
            f"instrument {profile.id} has no {quantity} range {asked}",
            hint=f"its {quantity} ranges by full scale: {known or 'none'}; choose another meter",
        )
    return found


def draw_channel(item: Range, seed: int, serial: str, law: ErrorLaw) -> Channel:
    """Draw the errors of one range of the meter with this serial number."""
    name = f"{serial}/{item.quantity}/{item.full_scale!r}"
    return Channel(
        quantity=item.quantity,
        range=item,
        gain=item.gain_percent / 100 * draw_error(seed, f"{name}/gain", law),
        offset=item.offset_limit * draw_error(seed, f"{name}/offset", law),
        seed=seed,
        stream=f"{name}/reading",
    )


def draw_burden_ohm(item: Range | None, seed: int, serial: str, law: ErrorLaw) -> float:
    """Draw the true series resistance: anything from nothing to the range's limit."""
    if item is None:
        return 0.0
    stream = f"{serial}/{item.quantity}/{item.full_scale!r}/burden"
    return item.burden_limit_ohm * (0.5 + 0.5 * draw_error(seed, stream, law))
