"""Coverage of the stated intervals over seeded worlds in virtual time.

Each world draws its own meter, board, clocks and noise, and knows its own truth. A method is
honest where nominal 95 % intervals hold the truth in 95 % of worlds: 1,900 ± 40 of 2,000.

    python benchmarks/coverage.py [--worlds 2000] [--first-seed N] [--meter ID] [--device ID]
                                  [--precision 0.013]

With ``--precision`` the first five runs of each world fix the number of runs (two stages).

Without ``--first-seed`` the seeds are drawn from the operating system: nobody chose them.
"""

from __future__ import annotations

import argparse
import secrets
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from powerlab.analysis.align import align
from powerlab.analysis.conclude import conclude
from powerlab.analysis.estimate import estimate, first_stage_plan
from powerlab.analysis.precision import RunPlan
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.virtual import virtual_measurement
from powerlab.records import Capture, Request, Truth

NAMES = ("energy_per_inference", "energy_of_these_runs")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One world: error over U for both energies, relative U and error, and validity."""

    seed: int
    ratio: tuple[float, float]
    relative_u: tuple[float, float]
    relative_error: tuple[float, float]
    valid: bool
    runs: int


def measured(device_id: str, meter_id: str, precision: float, seed: int) -> tuple[Capture, Truth]:
    """Measure one world, in two stages where a precision is asked for."""
    catalog = load_catalog()
    device, meter = catalog.device(device_id), catalog.instrument(meter_id)
    protocol = catalog.protocol("quick")
    capture, truth = virtual_measurement(device, meter, protocol, seed)
    if not precision:
        return capture, truth
    first = len([phase for phase in capture.phases if phase.kind == "run"])
    plan = first_stage_plan(estimate(capture, align(capture)), first, precision)
    if isinstance(plan, RunPlan) and plan.runs > first:
        longer = protocol.model_copy(update={"runs": plan.runs})
        capture, truth = virtual_measurement(device, meter, longer, seed)
    return replace(capture, first_stage=first, precision=precision), truth


def one_world(device_id: str, meter_id: str, precision: float, seed: int) -> Outcome:
    """Measure one world and compare both energies with their own truths."""
    capture, truth = measured(device_id, meter_id, precision, seed)
    request = Request(device_id, "virtual", meter_id, "seed-cnn", "tflite", 1, 1, "quick")
    result, _ = conclude(capture, run=str(seed), request=request, price=None)
    truths = (truth.energy_per_inference_j, truth.energy_of_these_runs_j)
    pairs = [(result.quantities[name], true) for name, true in zip(NAMES, truths, strict=True)]
    return Outcome(
        seed=seed,
        ratio=tuple((item.value - true) / item.expanded for item, true in pairs),
        relative_u=tuple(item.expanded / item.value for item, _ in pairs),
        relative_error=tuple((item.value - true) / true for item, true in pairs),
        valid=result.valid,
        runs=len(result.runs),
    )


def main() -> None:
    """Run the worlds and print coverage, bias and width for both energies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=None)
    parser.add_argument("--meter", default="keithley-dmm6500")
    parser.add_argument("--device", default="edgeboard")
    parser.add_argument("--precision", type=float, default=0.0)
    options = parser.parse_args()
    first = secrets.randbelow(2**31) if options.first_seed is None else options.first_seed
    seeds = range(first, first + options.worlds)
    with ProcessPoolExecutor() as pool:
        work = partial(one_world, options.device, options.meter, options.precision)
        outcomes = list(pool.map(work, seeds, chunksize=20))
    print(f"{options.meter} on {options.device}, {len(outcomes)} worlds from seed {first}")
    refused = sum(not outcome.valid for outcome in outcomes)
    runs = np.mean([outcome.runs for outcome in outcomes])
    print(f"refused: {refused}; {runs:.1f} runs on average")
    for index, name in enumerate(NAMES):
        ratio = np.array([outcome.ratio[index] for outcome in outcomes])
        error = np.array([outcome.relative_error[index] for outcome in outcomes])
        width = np.array([outcome.relative_u[index] for outcome in outcomes])
        covered = int(np.count_nonzero(np.abs(ratio) <= 1))
        print(
            f"{name:22s} covered {covered} of {len(ratio)} ({covered / len(ratio):.2%})  "
            f"mean U {width.mean():.3%}  bias {error.mean():+.4%}  "
            f"95th percentile of |error| {np.quantile(np.abs(error), 0.95):.3%}"
        )


if __name__ == "__main__":
    main()
