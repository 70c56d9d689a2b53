"""One emulated bench: calibrate its meter as the command does, then read a load afresh.

Every bench draws its own meter, reference and load within what its class states, and all of it
runs in virtual time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from calibration_classes import CLASSES, BenchClass

from powerlab.analysis.calibration.checks import check_fit
from powerlab.analysis.calibration.correction import calibration_budget, corrected_values
from powerlab.analysis.calibration.drift import drift_from_limits
from powerlab.analysis.calibration.plan import CalibrationPlan, Leg, Step, plan_calibration
from powerlab.analysis.calibration.points import check_points
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.calibration.settling import Readings, pair_at
from powerlab.analysis.calibration.use import SPECIFIED_DAYS
from powerlab.analysis.uncertainty import component, expanded_uncertainty, joined, rectangular
from powerlab.calibration.bench import ability_of
from powerlab.calibration.points import shows_one_side
from powerlab.calibration.record import range_named
from powerlab.calibration.reference import believed
from powerlab.calibration.sources import load_ability, supply_ability
from powerlab.catalog.instrument_profile import InstrumentProfile, Range
from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.emulation.calibration_virtual import LevelReadings, virtual_calibration_readings
from powerlab.errors import ConfigError
from powerlab.findings import Severity
from powerlab.instruments.contract import accuracy_of
from powerlab.records import Component, Distribution, FloatArray
from powerlab.records.calibration import CalibrationPoint, Settling
from powerlab.records.correction import (
    REFERENCE_TEMPERATURE_C,
    CommonError,
    Correction,
    CorrectionFit,
    Use,
)

READINGS = 10
CALIBRATED_C = (20.0, 26.0)
"""The temperatures of calibrations, and of measurements before them."""

BEFORE_S, CALIBRATED_S, AFTER_S = 0.0, 1000.0, 9000.0
"""When the measurement before, the first point and the measurement after are taken."""

LOAD_V = 12.0
ON = "2026-01-01"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One bench: error and U of a reading before and after, in the quantity's unit.

    ``before`` and ``uncalibrated`` are the specified limits at work on a reading before the
    calibration, and on the one after. ``floor`` is the U that a fit without any error would leave.
    ``form`` was chosen, its uncertainty is that of ``wider``. A refused bench has no correction.
    """

    before: tuple[float, float] = (0.0, 0.0)
    after: tuple[float, float] = (0.0, 0.0)
    uncalibrated: float = 0.0
    floor: float = 0.0
    form: str = ""
    wider: str = ""
    codes: tuple[str, ...] = ()
    refused: str = ""


@cache
def catalog() -> Catalog:
    """Get the built-in catalogue."""
    return load_catalog(cwd=Path("/"))


@dataclass(frozen=True, slots=True)
class Bench:
    """The instruments of a class, its plan as the command makes it, and what is believed."""

    kind: BenchClass
    meter: InstrumentProfile
    reference: InstrumentProfile
    source: InstrumentProfile
    plan: CalibrationPlan
    common: CommonError

    @property
    def leg(self) -> Leg:
        """Get the only range that is calibrated."""
        (leg,) = self.plan.legs
        return leg

    @property
    def range(self) -> Range:
        """Get the range of the meter."""
        return range_named(self.meter, self.kind.quantity, self.kind.full_scale)

    @property
    def readings(self) -> int:
        """Get how many readings the meter takes while the slower of both takes its own."""
        slower_s = max(self.meter.sampling.interval_s, self.reference.sampling.interval_s)
        return ceil((READINGS + 1) * slower_s / self.meter.sampling.interval_s)

    def read(self, levels: Sequence[float], seed: int, **how: Any) -> tuple[LevelReadings, ...]:
        """Set levels and read both meters of the bench of a seed."""
        return virtual_calibration_readings(
            self.meter,
            self.reference,
            self.source,
            levels,
            seed=seed,
            certificate=self.common,
            full_scale=self.leg.full_scale,
            reference_full_scale=self.leg.reference_full_scale,
            **how,
        )


@cache
def bench_of(name: str) -> Bench:
    """Get the bench of a class."""
    kind = CLASSES[name]
    meter, reference, source = (
        catalog().instrument(item) for item in (kind.meter, kind.reference, kind.source)
    )
    able = load_ability(source, None, LOAD_V) if source.load else supply_ability(source, 0.0)
    plan = plan_calibration(
        ability_of(meter),
        [ability_of(reference)],
        {kind.quantity: able},
        quantities=[kind.quantity],
        fractions=kind.fractions,
        readings=READINGS,
        only=[kind.full_scale],
    )
    if kind.certificate is None:
        known = believed(reference, "", None, plan.legs, on=ON, temperature_c=23.0)
        common = known.error(plan.legs[0])
    else:
        u_gain, u_offset = kind.certificate.gain / 2, kind.certificate.offset / 2
        common = CommonError(kind.quantity, u_gain, u_offset, "certificate")
    return Bench(kind, meter, reference, source, plan, common)


def taken_points(bench: Bench, seed: int, warm_c: float) -> list[CalibrationPoint]:
    """Take the plan's points on the bench of a seed, at a temperature."""
    steps = bench.leg.steps
    taken = bench.read(
        [step.nominal for step in steps],
        seed,
        readings=bench.readings,
        start_s=CALIBRATED_S,
        temperature_c=warm_c,
    )
    return [
        _point(level, step, bench, warm_c)
        for level, step in zip(taken, steps, strict=True)
        if step.nominal or not _one_sided(level)
    ]


def one_bench(name: str, seed: int) -> Outcome:
    """Measure, calibrate and measure again on the bench of one seed."""
    bench, rng = bench_of(name), np.random.default_rng(seed)
    kind, leg, limit = bench.kind, bench.leg, accuracy_of(bench.range)
    warm_c = float(rng.uniform(*CALIBRATED_C))
    nominal = [step.nominal for step in leg.steps]
    low, high = min(level for level in nominal if level), leg.top
    if kind.levels is not None:
        low, high = (part * leg.full_scale for part in kind.levels)
    first, second = rng.uniform(low, high, 2).tolist()
    before, _ = _fresh(bench, first, seed, BEFORE_S, warm_c)
    points = taken_points(bench, seed, warm_c)
    try:
        correction = choose_correction(points, bench.common, certificate="benchmark")
    except ConfigError as error:
        return Outcome(refused=type(error).__name__)
    findings = (*check_points(points, limit, bench.common), *check_fit(correction, points))
    codes = tuple(item.code for item in findings)
    blocking = [item.code for item in findings if item.severity is Severity.BLOCKING]
    if blocking:
        return Outcome(codes=codes, refused=blocking[0])
    away_k = float(rng.choice((-1.0, 1.0)) if kind.exactly else rng.uniform(-1, 1)) * kind.away_k
    drift = drift_from_limits({SPECIFIED_DAYS: limit})
    moved = rng.uniform(-kind.years, kind.years, 2) * (drift.gain, drift.offset)
    return _used(bench, correction, (before, moved), (second, seed, warm_c + away_k), codes)


def _used(
    bench: Bench,
    correction: Correction,
    drawn: tuple[tuple[float, float], FloatArray],
    occasion: tuple[float, int, float],
    codes: tuple[str, ...],
) -> Outcome:
    """Read a level once with the calibrated meter, which has ``moved`` in gain and offset."""
    before, moved = drawn
    level, seed, warm_c = occasion
    (error, uncalibrated), reading = _fresh(bench, level, seed, AFTER_S, warm_c)
    true = reading - error
    reading = reading * (1 + moved[0]) + moved[1]
    chosen, limit = bench.range, accuracy_of(bench.range)
    drift = drift_from_limits({SPECIFIED_DAYS: limit})
    per_k = chosen.temperature_percent_per_k / 100
    use = Use(limit, drift, bench.kind.years, warm_c, per_k)
    corrected = float(corrected_values(correction, np.array([reading]), use)[0])
    budget = joined([*calibration_budget(correction, reading, use), *_noise(chosen)])
    fit = [line for line in budget if "/fit " in line.input or line.input.endswith("/model")]
    return Outcome(
        before=before,
        after=(corrected - true, expanded_uncertainty(budget)),
        uncalibrated=uncalibrated,
        floor=expanded_uncertainty([line for line in budget if line not in fit]),
        form=_named(correction.chosen),
        wider=_named(correction.wider),
        codes=codes,
    )


def _fresh(
    bench: Bench, level: float, seed: int, start_s: float, warm_c: float
) -> tuple[tuple[float, float], float]:
    """Read a level once: error and U by the specified limits, and the reading."""
    (fresh,) = bench.read([level], seed, readings=1, start_s=start_s, temperature_c=warm_c)
    reading = float(fresh.meter[0])
    budget = [*_specified(bench.range, reading, warm_c), *_noise(bench.range)]
    return (reading - fresh.true_meter, expanded_uncertainty(budget)), reading


def _named(fit: CorrectionFit) -> str:
    return fit.form.model.value + (" with temperature" if fit.form.temperature else "")


def _one_sided(level: LevelReadings) -> bool:
    return shows_one_side(level.meter) or shows_one_side(level.reference)


def _point(level: LevelReadings, step: Step, bench: Bench, warm_c: float) -> CalibrationPoint:
    """Make the point of a level by the functions that the command uses."""
    leg = bench.leg
    theirs = range_named(bench.reference, leg.quantity, leg.reference_full_scale)
    pair = pair_at(
        _spread(level.meter),
        _spread(level.reference),
        min(len(level.meter), len(level.reference)),
        first=0,
        steps=(bench.range.resolution, theirs.resolution),
    )
    if pair is None:
        raise RuntimeError("a level of a virtual bench has too few readings")
    return CalibrationPoint(
        quantity=leg.quantity,
        full_scale=leg.full_scale,
        direction=step.direction,
        nominal=step.nominal,
        reference=pair.reference.value,
        u_reference=pair.reference.u,
        reading=pair.meter.value,
        u_reading=pair.meter.u,
        readings=pair.readings,
        settling=Settling.SETTLED if pair.settled else Settling.UNSETTLED,
        at_utc_ns=level.at_ns,
        temperature_c=warm_c,
        correlation=pair.correlation,
    )


def _spread(values: FloatArray) -> Readings:
    """Get readings as they lie within the one time that both meters read."""
    edges = np.linspace(0, 1_000_000, len(values) + 1).astype(np.int64)
    return Readings(values, edges[:-1].copy(), edges[1:].copy())


def _noise(chosen: Range) -> list[Component]:
    """Get what one reading scatters by."""
    return [
        component("noise", "A", chosen.noise),
        component("step", "B", rectangular(chosen.resolution / 2), Distribution.RECTANGULAR),
    ]


def _specified(chosen: Range, reading: float, warm_c: float) -> list[Component]:
    """Get the specified limits as they count without a calibration."""
    warmth = chosen.temperature_percent_per_k / 100 * abs(warm_c - REFERENCE_TEMPERATURE_C)
    limits = {
        "gain": chosen.gain_percent / 100 * abs(reading),
        "offset": chosen.offset_limit,
        "temperature": warmth * abs(reading),
    }
    flat = Distribution.RECTANGULAR
    return [component(name, "B", rectangular(part), flat) for name, part in limits.items()]
