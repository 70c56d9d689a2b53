"""Stated intervals against the truth of many worlds, each with its own meter and board.

A few classes of meters from the coverage benchmark, over fewer worlds than its bars ask for:
the benchmark itself tells 93 % from 95 %, these tests tell a broken budget from a whole one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from scipy import stats

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from coverage_classes import classes
from coverage_worlds import NAMES, one_world, summarise

from powerlab.emulation.wiring import ErrorLaw

WORLDS = 50
LONG = 2000
UNLIKELY = 1e-5
FIRST_SEED = 20_000


def outcomes(name, worlds, *, two_stages=False):
    """Measure worlds of a class with seeds that are the same each time."""
    seeds = range(FIRST_SEED, FIRST_SEED + worlds)
    return [one_world(name, ErrorLaw.UNIFORM, two_stages, seed) for seed in seeds]


@pytest.mark.parametrize("name", ["100sps-boxcar-500ms", "25sps-point-1s", "rdtech-um25c"])
def test_nominal_95_percent_intervals_hold_the_truth_in_most_worlds(name):
    """So few hits as are found once in 1e5 where 95 % are held do not occur; no world is refused.

    Nor are the intervals far wider than the errors.
    """
    found = outcomes(name, WORLDS)
    for energy, label in enumerate(NAMES):
        summary = summarise(found, energy)
        hits = round(summary.covered * WORLDS)
        assert stats.binom.cdf(hits, WORLDS, 0.95) > UNLIKELY, (label, hits)
        assert summary.refused <= 0.02
        assert summary.width < 2


@pytest.mark.slow
def test_two_stages_cover_as_well():
    """The number of runs that the first five fix keeps the intervals honest, and narrows them."""
    plain, staged = (outcomes("25sps-boxcar-1s", 40, two_stages=both) for both in (False, True))
    for energy, label in enumerate(NAMES):
        summary = summarise(staged, energy)
        hits = round(summary.covered * 40)
        assert stats.binom.cdf(hits, 40, 0.95) > UNLIKELY, (label, hits)
    assert summarise(staged, 0).mean_u <= summarise(plain, 0).mean_u
    assert summarise(staged, 0).runs >= 5


def test_a_meter_too_slow_for_its_runs_is_refused():
    """Windows that hold hardly a sample give no valid result, in any world."""
    assert not any(world.valid for world in outcomes("25sps-too-slow-150ms", 20))


@pytest.mark.slow
@pytest.mark.skipif("POWERLAB_SLOW" not in os.environ, reason="set POWERLAB_SLOW to count coverage")
@pytest.mark.timeout(7200)
def test_every_class_holds_its_bars():
    """Coverage, width and refusals of each class lie within the benchmark's bars."""
    for name, meter_class in classes().items():
        found = outcomes(name, LONG)
        missed = [summarise(found, energy).fails(meter_class) for energy in range(len(NAMES))]
        assert not any(missed), (name, missed)
