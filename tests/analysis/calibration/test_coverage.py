"""Corrected readings against the truth of many set-ups, one fresh reading in each."""

import numpy as np
import pytest

from powerlab.analysis.calibration.correction import calibration_budget, corrected_values
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.uncertainty import component, expanded_uncertainty, rectangular
from powerlab.records import Distribution
from powerlab.records.correction import CommonError, Drift, Use
from tests.analysis.calibration.worlds import (
    COMMON,
    FULL_SCALE,
    LEVELS,
    LIMIT,
    PER_K,
    drawn_world,
)

WORLDS = 600
NO_DRIFT = Drift(0.0, 0.0, "calibrated today")


def uncalibrated(reading, noise):
    """Get U of a reading by the specified limits alone."""
    flat = Distribution.RECTANGULAR
    return expanded_uncertainty(
        [
            component("gain", "B", rectangular(LIMIT.gain_limit) * reading, flat),
            component("offset", "B", rectangular(LIMIT.offset_limit), flat),
            component("noise", "A", noise),
        ]
    )


def readings(worlds, common=COMMON, *, away_k=3.0, warm=None, levels=LEVELS, knots=(), **facts):
    """Yield (error, U, reading, noise) of one corrected reading in each set-up."""
    for seed in range(worlds):
        rng = np.random.default_rng(10_000 + seed)
        world = drawn_world(
            seed,
            reference_gain=rng.normal() * common.u_gain,
            reference_offset=rng.normal() * common.u_offset,
            **facts,
        )
        at_c = rng.uniform(21, 25)
        points = world.points(levels, warm=warm or (lambda step, at_c=at_c: at_c))
        correction = choose_correction(points, common, certificate="C-1", knots=knots)
        now_c, true = at_c + rng.uniform(-away_k, away_k), rng.uniform(0.05, 0.95) * FULL_SCALE
        reading, _ = world.read(true, now_c)
        use = Use(LIMIT, NO_DRIFT, 0.0, now_c, gain_per_k=PER_K)
        budget = calibration_budget(correction, reading, use)
        expanded = expanded_uncertainty([*budget, component("noise", "A", world.noise)])
        value = corrected_values(correction, np.array([reading]), use)[0]
        yield value - true, expanded, reading, world.noise


def test_corrected_readings_cover_the_truth_and_u_shrinks():
    """95 % intervals hold the truth in about 95 % of set-ups, at a tenth of the specified U."""
    found = np.array(list(readings(WORLDS)))
    assert 0.925 <= np.mean(np.abs(found[:, 0]) <= found[:, 1]) <= 0.975
    before = np.array([uncalibrated(reading, noise) for *_, reading, noise in found[:100]])
    assert np.median(found[:100, 1] / before) < 0.13


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"curve": 0.0, "offset": 0.0},
        {"curve": 2e-4},
        {"noise": 2e-3},
        {"levels": (0.0, 0.3, 0.9)},
        {"levels": tuple(np.linspace(0, 1, 9)), "knots": (1.5,), "kink": 5e-4, "curve": 0.0},
        {"warm": lambda step: 18.0 if step < 6 else 28.0},
    ],
)
def test_a_better_reference_leaves_the_fit_honest(facts):
    """With next to no error of the reference, what selection and fit leave still covers."""
    exact = CommonError("current", 1e-6, 1e-7, "REF-2")
    found = np.array(list(readings(300, exact, away_k=0.0, **facts)))
    assert 0.92 <= np.mean(np.abs(found[:, 0]) <= found[:, 1]) <= 0.985
