"""One world of a class, measured and compared with its truth, and what many of them show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from calibration_benches import ON, bench_of, taken_points
from coverage_classes import DEVICE, MeterClass, classes
from scipy import stats

from powerlab.analysis.align import align
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.conclude import conclude
from powerlab.analysis.estimate import estimate, first_stage_plan
from powerlab.analysis.precision import RunPlan
from powerlab.emulation.virtual import virtual_measurement
from powerlab.emulation.wiring import ErrorLaw
from powerlab.findings import Severity
from powerlab.records import Capture, Request, Truth
from powerlab.records.correction import (
    REFERENCE_TEMPERATURE_C,
    ChannelCalibration,
    Drift,
    Use,
)

NAMES = ("energy_per_inference", "energy_of_these_runs")
COVERAGE = (0.93, 0.97)
MOST_WIDTH = 1.4
"""Mean U over the 95th percentile of |error|: wider than this is not honest but useless."""

MOST_REFUSED = 0.02
LEAST_REFUSED = 0.98


@dataclass(frozen=True, slots=True)
class Outcome:
    """One world: relative error and relative U of both energies, validity, reasons, runs."""

    seed: int
    error: tuple[float, ...]
    expanded: tuple[float, ...]
    valid: bool
    codes: tuple[str, ...]
    runs: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What the worlds of a class show of one energy; ``low`` to ``high`` is the 95 % band."""

    worlds: int
    covered: float
    low: float
    high: float
    bias: float
    mean_u: float
    p95_error: float
    refused: float
    runs: float

    @property
    def width(self) -> float:
        """Get mean U over the 95th percentile of |error|."""
        return self.mean_u / self.p95_error

    def fails(self, meter_class: MeterClass) -> tuple[str, ...]:
        """List the bars that the class misses."""
        if meter_class.refused:
            return ("not refused",) if self.refused < LEAST_REFUSED else ()
        missed = []
        if not COVERAGE[0] <= self.covered <= COVERAGE[1]:
            missed.append("coverage")
        if self.width > MOST_WIDTH:
            missed.append("width")
        if self.refused > MOST_REFUSED:
            missed.append("refused")
        return tuple(missed)


def _measured(
    meter_class: MeterClass, seed: int, law: ErrorLaw, *, two_stages: bool
) -> tuple[Capture, Truth]:
    """Measure one world, in two stages where a precision is asked for."""
    instrument, setup = meter_class.instrument(), meter_class.world(seed, law)
    device, protocol = meter_class.device(seed), meter_class.protocol(seed)
    capture, truth = virtual_measurement(device, instrument, protocol, seed, setup)
    known = tuple(_calibration(name, capture, seed) for name in meter_class.calibrated_by)
    capture = replace(capture, calibrations=known)
    if not two_stages:
        return capture, truth
    first = protocol.runs
    plan = first_stage_plan(estimate(capture, align(capture)), first, meter_class.precision)
    if isinstance(plan, RunPlan) and plan.runs > first:
        longer = protocol.model_copy(update={"runs": plan.runs})
        capture, truth = virtual_measurement(device, instrument, longer, seed, setup)
    told = {"first_stage": first, "precision": meter_class.precision, "calibrations": known}
    return replace(capture, **told), truth


def _calibration(name: str, capture: Capture, seed: int) -> ChannelCalibration:
    """Calibrate a channel of the meter in the same world, at the temperature of its use."""
    bench, setup = bench_of(name), capture.trace.setup
    channel = bench.kind.quantity
    limit = setup.accuracy[setup.channels.index(channel)]
    points = taken_points(bench, seed, REFERENCE_TEMPERATURE_C)
    correction = choose_correction(points, bench.common, certificate=name)
    use = Use(limit, Drift(0.0, 0.0, "new"), 0.0, REFERENCE_TEMPERATURE_C)
    return ChannelCalibration(channel, correction, use, ON, ON, ())


def one_world(name: str, law: ErrorLaw, two_stages: bool, seed: int) -> Outcome:  # noqa: FBT001
    """Measure one world of a class and compare both energies with their own truths."""
    capture, truth = _measured(classes()[name], seed, law, two_stages=two_stages)
    request = Request(DEVICE, "virtual", name, "virtual", "virtual", 1, 1, "class")
    result, _ = conclude(capture, run=str(seed), request=request, price=None)
    truths = (truth.energy_per_inference_j, truth.energy_of_these_runs_j)
    found = [(result.quantities[name], true) for name, true in zip(NAMES, truths, strict=True)]
    return Outcome(
        seed=seed,
        error=tuple((item.value - true) / true for item, true in found),
        expanded=tuple(item.expanded / true for item, true in found),
        valid=result.valid,
        codes=tuple(f.code for f in result.findings if f.severity is Severity.BLOCKING),
        runs=len(result.runs),
    )


def summarise(outcomes: Sequence[Outcome], energy: int) -> Summary:
    """Summarise one of the two energies over the worlds of a class.

    Worlds that were refused tell nothing of widths; above 2 % they count as not covered.
    """
    valid = [item for item in outcomes if item.valid]
    refused = 1 - len(valid) / len(outcomes)
    error = np.array([item.error[energy] for item in valid])
    expanded = np.array([item.expanded[energy] for item in valid])
    hits = int(np.count_nonzero(np.abs(error) <= expanded))
    trials = len(outcomes) if refused > MOST_REFUSED else len(valid)
    band = stats.binomtest(hits, trials).proportion_ci(0.95)
    return Summary(
        worlds=len(outcomes),
        covered=hits / trials,
        low=float(band.low),
        high=float(band.high),
        bias=float(error.mean()) if valid else np.nan,
        mean_u=float(expanded.mean()) if valid else np.nan,
        p95_error=float(np.quantile(np.abs(error), 0.95)) if valid else np.nan,
        refused=refused,
        runs=float(np.mean([item.runs for item in outcomes])),
    )
