"""What a calibration is worth: coverage and width over seeded emulated benches in virtual time.

Each bench draws its own meter, reference and load. The meter is calibrated as ``powerlab
calibrate`` does it (the same plan, points, fit and checks), then read once afresh at a level and
a temperature of its own. A method is honest where nominal 95 % intervals hold the truth in
93 % to 97 % of benches, and useful where they shrink as far as the reference allows.

    python benchmarks/calibration.py [--benches 2000] [--class NAME]...

"before" is the uncalibrated meter by its specified limits, "after" the corrected one; "factor"
is the ratio of their U, "floor" the largest ratio that the reference's own U allows. Without
``--first-seed`` the seeds are drawn from the operating system: nobody chose them. Exits with 1
where a class misses the bar.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from powerlab.analysis.calibration.checks import check_fit
from powerlab.analysis.calibration.correction import calibration_budget, corrected_values
from powerlab.analysis.calibration.plan import CalibrationPlan, Leg, Step, plan_calibration
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.calibration.settling import Readings, pair_at
from powerlab.analysis.uncertainty import component, expanded_uncertainty, joined, rectangular
from powerlab.calibrate_bench import ability_of
from powerlab.calibrate_points import shows_one_side
from powerlab.calibrate_record import point_findings, range_named
from powerlab.calibrate_sources import load_ability, supply_ability
from powerlab.catalog.instrument_profile import Range
from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.emulation.calibration_virtual import LevelReadings, virtual_calibration_readings
from powerlab.errors import ConfigError
from powerlab.findings import Severity
from powerlab.instruments.contract import accuracy_of
from powerlab.records import Component, Distribution, FloatArray
from powerlab.records.calibration import CalibrationPoint, Settling
from powerlab.records.correction import REFERENCE_TEMPERATURE_C, CommonError, Drift, Use

LOW, HIGH = 0.93, 0.97
"""The bar for the coverage of nominal 95 % intervals."""

CERTIFICATE = "reference's certificate"
READINGS = 10
WARM_C = (18.0, 28.0)
"""The temperatures of use; calibrations are made at 23 °C."""

LATER_S = 4000.0
"""How long after the first point the fresh reading is taken."""


@dataclass(frozen=True, slots=True)
class BenchClass:
    """A kind of bench: the meter, what it is compared with, what sets the levels.

    The reference's certificate states ``u_gain`` (a fraction) and ``u_offset`` (in the
    quantity's unit), standard uncertainties.
    """

    meter: str
    reference: str
    source: str
    quantity: str
    full_scale: float
    u_gain: float
    u_offset: float
    distribution: Distribution = Distribution.NORMAL


CLASSES = {
    "usb-amperes": BenchClass(
        "rdtech-um25c", "keithley-dmm6500", "rigol-dl3021", "current", 5.0, 2e-4, 2e-4
    ),
    "usb-amperes-uncertified": BenchClass(
        *("rdtech-um25c", "keithley-dmm6500", "rigol-dl3021", "current", 5.0),
        *(rectangular(0.0015), rectangular(0.0015), Distribution.RECTANGULAR),
    ),
    "usb-volts": BenchClass(
        "rdtech-um25c", "keithley-dmm6500", "rigol-dp832", "voltage", 24.0, 3e-5, 1e-4
    ),
    "bench-amperes": BenchClass(
        "keithley-dmm6500", "keithley-dmm6500", "rigol-dl3021", "current", 3.0, 1e-4, 5e-5
    ),
}
"""What is calibrated with what."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One bench: error and U of a fresh reading before and after, in the quantity's unit.

    ``floor`` is the U that the reference alone leaves. A refused one has no correction.
    """

    before: tuple[float, float] = (0.0, 0.0)
    after: tuple[float, float] = (0.0, 0.0)
    floor: float = 0.0
    codes: tuple[str, ...] = ()
    refused: str = ""


@cache
def catalog() -> Catalog:
    """Get the built-in catalogue."""
    return load_catalog(cwd=Path("/"))


@cache
def plan_of(name: str) -> CalibrationPlan:
    """Get the plan of a class, as the command makes it."""
    kind = CLASSES[name]
    meter, reference, source = (
        catalog().instrument(item) for item in (kind.meter, kind.reference, kind.source)
    )
    ability = load_ability(source, None, 12.0) if source.load else supply_ability(source, 0.0)
    return plan_calibration(
        ability_of(meter),
        [ability_of(reference)],
        {kind.quantity: ability},
        quantities=[kind.quantity],
        readings=READINGS,
        only=[kind.full_scale],
    )


def one_bench(name: str, seed: int) -> Outcome:
    """Calibrate one bench and read it once afresh."""
    kind, plan = CLASSES[name], plan_of(name)
    (leg,) = plan.legs
    chosen = range_named(catalog().instrument(kind.meter), leg.quantity, leg.full_scale)
    limit = accuracy_of(chosen)
    common = CommonError(kind.quantity, kind.u_gain, kind.u_offset, CERTIFICATE, kind.distribution)
    nominal = [step.nominal for step in leg.steps]
    levels = _readings(kind, leg, common, nominal, seed=seed, readings=READINGS)
    points = [
        _point(level, step, leg, kind)
        for level, step in zip(levels, leg.steps, strict=True)
        if step.nominal or not shows_one_side(level.meter)
    ]
    try:
        correction = choose_correction(points, common, certificate="benchmark")
    except ConfigError as error:
        return Outcome(refused=type(error).__name__)
    findings = (*point_findings(points, limit, common), *check_fit(correction, points))
    codes = tuple(item.code for item in findings)
    blocking = [item.code for item in findings if item.severity is Severity.BLOCKING]
    if blocking:
        return Outcome(codes=codes, refused=blocking[0])
    rng = np.random.default_rng(seed)
    lowest = min(step.nominal for step in leg.steps if step.nominal)
    level, warm_c = float(rng.uniform(lowest, leg.top)), float(rng.uniform(*WARM_C))
    (fresh,) = _readings(
        kind, leg, common, [level], seed=seed, readings=1, start_s=LATER_S, temperature_c=warm_c
    )
    reading, noise = float(fresh.meter[0]), _noise(chosen)
    use = Use(limit, Drift(0.0, 0.0, ""), 0.0, warm_c, chosen.temperature_percent_per_k / 100)
    corrected = float(corrected_values(correction, np.array([reading]), use)[0])
    budget = joined([*calibration_budget(correction, reading, use), *noise])
    theirs = [line for line in budget if line.input.startswith(f"{CERTIFICATE}/")]
    return Outcome(
        before=(
            reading - fresh.true_meter,
            expanded_uncertainty([*_specified(chosen, reading, warm_c), *noise]),
        ),
        after=(corrected - fresh.true_meter, expanded_uncertainty(budget)),
        floor=expanded_uncertainty(theirs),
        codes=codes,
    )


def _readings(
    kind: BenchClass, leg: Leg, common: CommonError, levels: Sequence[float], **how: Any
) -> tuple[LevelReadings, ...]:
    known = catalog()
    return virtual_calibration_readings(
        known.instrument(kind.meter),
        known.instrument(kind.reference),
        known.instrument(kind.source),
        levels,
        certificate=common,
        full_scale=kind.full_scale,
        reference_full_scale=leg.reference_full_scale,
        **how,
    )


def _point(level: LevelReadings, step: Step, leg: Leg, kind: BenchClass) -> CalibrationPoint:
    """Make the point of a level by the functions that the command uses."""
    reference = catalog().instrument(kind.reference)
    theirs = range_named(reference, leg.quantity, leg.reference_full_scale)
    own = range_named(catalog().instrument(kind.meter), leg.quantity, leg.full_scale)
    pair = pair_at(
        _spread(level.meter),
        _spread(level.reference),
        min(len(level.meter), len(level.reference)),
        first=0,
        steps=(own.resolution, theirs.resolution),
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
        temperature_c=REFERENCE_TEMPERATURE_C,
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


def report(name: str, outcomes: Sequence[Outcome]) -> bool:
    """Print the line of a class; True where it holds the bar."""
    used = [item for item in outcomes if not item.refused]
    before, after = (np.array([getattr(o, at) for o in used]).T for at in ("before", "after"))
    covered = [float(np.mean(np.abs(error) <= expanded)) for error, expanded in (before, after)]
    floor = float(np.mean([item.floor for item in used]))
    held = LOW <= covered[1] <= HIGH
    print(
        f"{name:26s} {covered[0]:8.2%} {covered[1]:8.2%} {before[1].mean():11.3g}"
        f" {after[1].mean():11.3g} {before[1].mean() / after[1].mean():7.2f}"
        f" {before[1].mean() / floor:7.2f} {1 - len(used) / len(outcomes):8.2%}"
        f"{'' if held else '  fails'}"
    )
    for title, words in (
        ("refused", [item.refused for item in outcomes if item.refused]),
        ("findings", [code for item in outcomes for code in item.codes]),
    ):
        told = ", ".join(f"{word} {count}" for word, count in Counter(words).most_common())
        if told:
            print(f"{name:26s} {title}: {told}")
    return held


def main() -> None:
    """Run the benches and print coverage before and after, mean U, factor and refusals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=None)
    parser.add_argument("--class", dest="names", action="append", choices=list(CLASSES))
    options = parser.parse_args()
    first = secrets.randbelow(2**31) if options.first_seed is None else options.first_seed
    print(f"{options.benches} benches from seed {first}")
    print(
        f"{'class':26s} {'before':>8s} {'after':>8s} {'U before':>11s} {'U after':>11s}"
        f" {'factor':>7s} {'floor':>7s} {'refused':>8s}"
    )
    held = True
    with ProcessPoolExecutor() as pool:
        for number, name in enumerate(CLASSES):
            if options.names and name not in options.names:
                continue
            started = time.perf_counter()
            begin = first + number * options.benches
            seeds = range(begin, begin + options.benches)
            held &= report(name, list(pool.map(partial(one_bench, name), seeds, chunksize=10)))
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
