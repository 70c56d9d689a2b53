"""Which form is chosen, and what the others weigh."""

import math
from collections import Counter

import numpy as np
import pytest

from powerlab.analysis.calibration.fitting import TooFewPoints
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.records.correction import CorrectionModel
from tests.analysis.calibration.worlds import COMMON, FULL_SCALE, World, point_at

WORLDS = 100


def chosen(knots=(), warm=lambda step: 23.0, levels=None, **facts):
    """Count the forms chosen over many meters of one kind."""
    counts = Counter()
    for seed in range(WORLDS):
        world = World(np.random.default_rng(seed), **facts)
        points = world.points(*([levels] if levels else []), warm=warm)
        found = choose_correction(points, COMMON, certificate="C-1", knots=knots)
        counts[found.chosen.form.model, found.chosen.form.temperature] += 1
    return counts


@pytest.mark.parametrize(
    ("expected", "facts"),
    [
        (CorrectionModel.ZERO, {"offset": 3e-3}),
        (CorrectionModel.GAIN, {"gain": 1.004}),
        (CorrectionModel.GAIN_OFFSET, {"gain": 1.004, "offset": -3e-3}),
        (CorrectionModel.QUADRATIC, {"gain": 1.004, "offset": -3e-3, "curve": 3e-3}),
    ],
)
def test_the_true_form_is_chosen_in_most_set_ups(expected, facts):
    """What a meter really does is found nine times in ten; larger forms only by chance."""
    assert chosen(**facts)[expected, False] >= 0.88 * WORLDS


def test_a_kink_is_found_where_it_is_named():
    """A change of gain at a known range switch is chosen over a quadratic."""
    levels = tuple(np.linspace(0, 1, 11))
    counts = chosen(knots=(FULL_SCALE / 2,), levels=levels, kink=3e-3, gain=1.004, offset=2e-3)
    assert counts[CorrectionModel.PIECEWISE, False] >= 0.88 * WORLDS


def test_a_temperature_coefficient_is_found_at_two_temperatures():
    """Up at 18 °C and down at 28 °C shows 100 ppm/K; at one temperature it is no candidate."""
    facts = {"gain": 1.004, "offset": -3e-3, "warmth": 1e-4}
    counts = chosen(warm=lambda step: 18.0 if step < 6 else 28.0, **facts)
    assert counts[CorrectionModel.GAIN_OFFSET, True] >= 0.88 * WORLDS
    points = World(np.random.default_rng(1), **facts).points()
    found = choose_correction(points, COMMON, certificate="C-1")
    refused = [item for item in found.candidates if item.temperature]
    assert all("5 K" in item.reason for item in refused)


def test_ranges_with_errors_of_their_own_get_their_own_lines():
    """Two ranges of different gain are not forced onto one line."""
    rng = np.random.default_rng(2)
    levels = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    points = [
        point_at(
            scale * level,
            (gain * level + 1e-5 * rng.normal()) * scale,
            1e-5 * scale,
            1e-6 * scale,
            full_scale=scale,
        )
        for scale, gain in ((0.1, 1.002), (1.0, 0.997))
        for level in levels
    ]
    found = choose_correction(points, COMMON, certificate="C-1")
    assert found.chosen.form.model is CorrectionModel.PER_RANGE
    assert [span.full_scale for span in found.spans] == [0.1, 1.0]


def test_every_candidate_says_how_it_did_or_why_it_could_not():
    """A record names all forms: with AICc and F-test, or with the reason against it."""
    world = World(np.random.default_rng(3), gain=1.004, offset=-3e-3)
    found = choose_correction(world.points(), COMMON, certificate="C-1")
    assert len(found.candidates) == 2 * len(CorrectionModel)
    tried = {item.model: item for item in found.candidates if not item.reason}
    assert set(tried) == {
        CorrectionModel.ZERO,
        CorrectionModel.GAIN,
        CorrectionModel.GAIN_OFFSET,
        CorrectionModel.QUADRATIC,
    }
    best = min(tried.values(), key=lambda item: item.aicc)
    assert best.model is CorrectionModel.GAIN_OFFSET
    assert math.isnan(best.f_probability)
    assert tried[CorrectionModel.GAIN].f_probability < 1e-3
    assert math.isnan(tried[CorrectionModel.QUADRATIC].f_probability)
    assert found.chosen.form.model is CorrectionModel.GAIN_OFFSET
    assert found.wider.form.model is CorrectionModel.QUADRATIC


def test_never_more_terms_than_points_support():
    """With 3 levels no curvature is corrected, but it is uncertain; 2 points support nothing."""
    world = World(np.random.default_rng(4), curve=0.05)
    found = choose_correction(world.points((0.0, 0.5, 0.9)), COMMON, certificate="C-1")
    assert found.chosen.form.model is not CorrectionModel.QUADRATIC
    assert found.wider.form.model is CorrectionModel.QUADRATIC
    assert all(item.reason for item in found.candidates if item.model is found.wider.form.model)
    with pytest.raises(TooFewPoints, match="2 points"):
        choose_correction(world.points((0.5,)), COMMON, certificate="C-1")


def test_three_points_at_two_levels_leave_no_offset_out_of_the_uncertainty():
    """Two levels prove a gain at the most, but they fix the offset that may be beside it."""
    world = World(np.random.default_rng(6), gain=1.004, offset=3e-3)
    points = world.points((0.1, 0.9))
    found = choose_correction([points[0], *points[2:]], COMMON, certificate="C-1")
    assert found.chosen.form.model in {CorrectionModel.ZERO, CorrectionModel.GAIN}
    assert found.wider.form.model is CorrectionModel.GAIN_OFFSET


def test_points_without_uncertainties_are_weighed_by_their_scatter():
    """Without stated u the form is chosen by the scatter that each leaves."""
    rng = np.random.default_rng(5)
    levels = np.repeat(np.linspace(0, 1, 6), 2)
    points = [point_at(x, 1.02 * x + 0.1 + 1e-3 * rng.normal()) for x in levels]
    found = choose_correction(points, COMMON, certificate="C-1")
    assert found.chosen.form.model is CorrectionModel.GAIN_OFFSET
    assert not found.chosen.stated
