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
from powerlab.records import Accuracy, Distribution, FlagArray, FloatArray, SampleFlag
from powerlab.records.correction import REFERENCE_TEMPERATURE_C, CommonError

PEAK_MARGIN = 1.5  # over the active current: what a session asks of a meter's range
_UNITS = {"current": "A", "voltage": "V", "power": "W"}
_DOES = {"current": "draws", "voltage": "is supplied", "power": "draws"}
_VOLTAGE_MARGIN = 1.01  # a reading errs, and a range ends where it ends

LINE_ACCURACY = Accuracy(
    quantity="line",
    full_scale=1.0,
    gain_limit=0.0,
    offset_limit=0.0,
    source="a digital input has no limit",
    retrieved="",
    estimated=False,
)


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity on one range of one meter, with its errors drawn.

    ``gain`` is a fraction of reading, ``offset`` in the quantity's unit, ``curvature`` what a
    reading at half of full scale departs from a straight line, and ``warmth`` the fraction of
    reading that the temperature adds: all held for the world. ``stream`` names the noise of its
    readings.
    """

    quantity: str
    range: Range
    gain: float
    offset: float
    seed: int
    stream: str
    curvature: float = 0.0
    warmth: float = 0.0

    def read(self, true: FloatArray, first_index: int) -> tuple[FloatArray, FlagArray]:
        """Get the readings and flags of the true means ``(n,)``, numbered from ``first_index``."""
        scatter = self.range.noise * noise.normals(self.seed, self.stream, first_index, true.size)
        value = self.steady(true) + scatter
        value = np.rint(value / self.range.resolution) * self.range.resolution
        if self.range.unsigned:
            value = np.maximum(value, 0.0)
        over = np.abs(value) > self.range.full_scale * self.range.over_range_factor
        flags = np.where(over, SampleFlag.OVERRANGE, SampleFlag.GOOD).astype(np.uint8)
        return np.where(over, np.nan, value), flags

    def steady(self, true: FloatArray) -> FloatArray:
        """Get what the meter would read of true values without noise and steps.

        ``((1 + gain) x + offset + 4 curvature (x / F) (1 - |x| / F)) (1 + warmth)``, F full scale.
        """
        part = true / self.range.full_scale
        bend = 4 * self.curvature * part * (1 - np.abs(part))
        result: FloatArray = (true * (1 + self.gain) + self.offset + bend) * (1 + self.warmth)
        return result

    @property
    def accuracy(self) -> Accuracy:
        """Get the range's specified limit, half a step of its resolution included."""
        return Accuracy(
            quantity=self.quantity,
            full_scale=self.range.full_scale,
            gain_limit=self.range.gain_percent / 100,
            offset_limit=self.range.offset_limit + self.range.resolution / 2,
            source=self.range.source,
            retrieved=self.range.retrieved,
            estimated=self.range.estimated,
        )

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
    unit = _UNITS.get(quantity, "")
    if full_scale is None:
        found = profile.range_for(quantity, expected)
        asked = f"for {expected:.3g} {unit}".rstrip()
        asked += f": the board {_DOES.get(quantity, 'needs')} too much for it"
    else:
        found = next(
            (r for r in profile.ranges(quantity) if isclose(r.full_scale, full_scale)), None
        )
        asked = f"of full scale {full_scale:g} {unit}".rstrip()
    if found is None:
        scales = ", ".join(f"{item.full_scale:g}" for item in profile.ranges(quantity))
        known = f"{scales} {unit}".rstrip() if scales else "none"
        raise ConfigError(
            f"instrument {profile.id} has no {quantity} range {asked}",
            hint=f"its {quantity} ranges by full scale: {known}; choose another meter",
        )
    return found


def draw_channel(
    item: Range,
    seed: int,
    serial: str,
    law: ErrorLaw,
    temperature_c: float = REFERENCE_TEMPERATURE_C,
) -> Channel:
    """Draw the errors of one range of the meter with this serial number."""
    name = f"{serial}/{item.quantity}/{item.full_scale!r}"
    away_k = temperature_c - REFERENCE_TEMPERATURE_C

    def drawn(percent: float, error: str) -> float:
        return percent / 100 * draw_error(seed, f"{name}/{error}", law) if percent else 0.0

    return Channel(
        quantity=item.quantity,
        range=item,
        gain=drawn(item.gain_percent, "gain"),
        offset=drawn(item.offset_percent, "offset") * item.full_scale,
        seed=seed,
        stream=f"{name}/reading",
        curvature=drawn(item.curvature_percent, "curvature") * item.full_scale,
        warmth=drawn(item.temperature_percent_per_k, "temperature") * away_k,
    )


def draw_certified_channel(item: Range, seed: int, serial: str, common: CommonError) -> Channel:
    """Draw the errors of a reference's range as its certificate states them.

    The truth is ``reference * (1 + gain) + offset``, both of the certificate's distribution;
    in one world all ranges of all references share the errors of one certificate.
    """
    name = f"certificate/{common.certificate}/{common.quantity}"
    gain, offset = (
        u * _standard_error(seed, f"{name}/{error}", common.distribution)
        for u, error in ((common.u_gain, "gain"), (common.u_offset, "offset"))
    )
    return Channel(
        quantity=item.quantity,
        range=item,
        gain=1 / (1 + gain) - 1,
        offset=-offset / (1 + gain),
        seed=seed,
        stream=f"{serial}/{item.quantity}/{item.full_scale!r}/reading",
    )


def _standard_error(seed: int, stream: str, distribution: Distribution) -> float:
    """Draw one error in units of its standard deviation."""
    if distribution is Distribution.RECTANGULAR:
        return sqrt(3) * draw_error(seed, stream)
    return noise.normal(seed, stream)


def draw_burden_ohm(item: Range | None, seed: int, serial: str, law: ErrorLaw) -> float:
    """Draw the true series resistance: anything from nothing to the range's limit."""
    if item is None:
        return 0.0
    stream = f"{serial}/{item.quantity}/{item.full_scale!r}/burden"
    return item.burden_limit_ohm * (0.5 + 0.5 * draw_error(seed, stream, law))
