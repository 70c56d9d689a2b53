"""A meter in the loop of a calibration, as its profile or its certificate says it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.emulation.circuit import Circuit, History
from powerlab.emulation.ranges import (
    Channel,
    choose_range,
    draw_burden_ohm,
    draw_certified_channel,
    draw_channel,
)
from powerlab.emulation.sampling import ReadingClock, Readings, draw_reading_clock
from powerlab.emulation.wiring import ErrorLaw
from powerlab.records import FloatArray
from powerlab.records.correction import REFERENCE_TEMPERATURE_C, CommonError

USUAL_A = 1.0
"""The current whose range's burden stands for a meter's in the loop, whatever its range."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a model in one world.

    Its errors are those of its profile's limits, at ``temperature_c``; of quantities that
    ``certificates`` name, those of the certificate.
    """

    seed: int
    serial: str
    temperature_c: float = REFERENCE_TEMPERATURE_C
    certificates: tuple[CommonError, ...] = ()
    law: ErrorLaw = ErrorLaw.UNIFORM

    def channel(self, item: Range) -> Channel:
        """Draw the errors of one of its ranges."""
        for common in self.certificates:
            if common.quantity == item.quantity:
                return draw_certified_channel(item, self.seed, self.serial, common)
        return draw_channel(item, self.seed, self.serial, self.law, self.temperature_c)

    def burden_ohm(self, profile: InstrumentProfile) -> float:
        """Draw its series resistance, 0 for a meter that reads no current."""
        ranges = profile.ranges("current")
        usual = profile.range_for("current", USUAL_A) or (ranges[-1] if ranges else None)
        return draw_burden_ohm(usual, self.seed, self.serial, self.law)


@dataclass(frozen=True, slots=True)
class TappedMeter:
    """A meter at work: its volts are those behind ``tap_ohm`` of the loop."""

    circuit: Circuit
    tap_ohm: float
    channels: tuple[Channel, ...]
    clock: ReadingClock

    def sample(self, history: History, first_index: int, count: int) -> Readings:
        """Get readings ``first_index`` to ``first_index + count - 1`` (0 is the first one).

        Right only once ``history`` holds every set-point up to the last aperture's end.
        """
        true = self.true_means(history, first_index, count)
        return self.clock.readings(self.channels, true, first_index)

    def true_means(
        self, history: History, first_index: int, count: int
    ) -> Mapping[str, FloatArray]:
        """Get what truly was over the apertures of these readings, by quantity, ``(count,)``."""
        index = np.arange(first_index, first_index + count, dtype=np.int64)
        start_ns = self.clock.starts_ns(index)
        stop_ns = start_ns + self.clock.span_ns
        current, voltage = self.circuit.means(history, start_ns, stop_ns, self.tap_ohm)
        return {"current": current, "voltage": voltage, "power": current * voltage}


def build_tapped_meter(
    profile: InstrumentProfile,
    unit: Unit,
    circuit: Circuit,
    tap_ohm: float,
    *,
    origin_ns: int,
    channels: tuple[str, ...],
    expected: Mapping[str, float],
    full_scales: Mapping[str, float] | None = None,
    aperture_s: float | None = None,
    interval_s: float | None = None,
) -> TappedMeter:
    """Draw one meter of a model and start it within one interval after ``origin_ns``.

    ``full_scales`` names ranges by quantity; another quantity gets the smallest range that
    carries what is ``expected`` of it. Raises ConfigError where no range serves.
    """
    named = full_scales or {}
    chosen = [choose_range(profile, name, named.get(name), expected[name]) for name in channels]
    return TappedMeter(
        circuit=circuit,
        tap_ohm=tap_ohm,
        channels=tuple(unit.channel(item) for item in chosen),
        clock=draw_reading_clock(
            profile,
            unit.seed,
            unit.serial,
            origin_ns=origin_ns,
            aperture_s=aperture_s,
            interval_s=interval_s,
            law=unit.law,
        ),
    )
