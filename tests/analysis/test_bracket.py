"""Lines between bounds."""

import numpy as np
import pytest

from powerlab.analysis.bracket import line_between


def test_four_bounds_leave_a_polygon_whose_moments_are_known():
    """Between -1 and 1 at both ends of a stretch, level and rise lie in a square on its tip."""
    ends = np.array([0.0, 10.0])
    line = line_between((ends, np.ones(2)), (ends, -np.ones(2)), 1.0, 0.01)
    assert line.level == pytest.approx(0.0, abs=1e-12)
    assert line.slope == pytest.approx(0.0, abs=1e-12)
    assert line.u_slope == pytest.approx(np.sqrt(1 / 6) / 5)
    assert line.u_value == pytest.approx(np.sqrt(1 / 6 * 4 / 3))


def test_one_bound_on_either_side_leaves_the_slope_to_its_limit():
    """Without any lever the slope is zero within its limit."""
    line = line_between((np.zeros(1), np.ones(1)), (np.zeros(1), -np.ones(1)), 0.5, 0.01)
    assert line.level == pytest.approx(0.0, abs=1e-12)
    assert line.u_slope == pytest.approx(0.5 / np.sqrt(3))
    assert line.u_value >= 1 / np.sqrt(3)


@pytest.mark.parametrize("count", [6, 30, 300])
@pytest.mark.parametrize("slope", [-3.0, 0.0, 0.7])
def test_lines_behind_uniform_bounds_are_found_to_their_u(count, slope):
    """Level and slope err by what is stated, the more bounds the less."""
    at_the_end, slopes = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x_upper, x_lower = rng.uniform(0, 100, (2, count))
        true = 1e6 + slope * np.stack((x_upper, x_lower))
        line = line_between(
            (x_upper, true[0] + rng.uniform(0, 20, count)),
            (x_lower, true[1] - rng.uniform(0, 20, count)),
            5.0,
            0.01,
        )
        middle = line.level + line.slope * 50 - (1e6 + slope * 50)
        at_the_end.append(middle / line.u_value)
        slopes.append((line.slope - slope) / line.u_slope)
    assert np.sqrt(np.mean(np.square(at_the_end))) <= 1.1
    assert np.sqrt(np.mean(np.square(slopes))) == pytest.approx(1.0, abs=0.35)


def test_bounds_that_contradict_each_other_are_moved_apart():
    """The line runs midway, and its u tells by how much they disagreed."""
    x = np.linspace(0, 10, 5)
    line = line_between((x, np.full(5, -3.0)), (x, np.full(5, 3.0)), 1.0, 0.01)
    assert line.level == pytest.approx(0.0, abs=0.1)
    assert 1.0 < line.u_value < 10.0
