"""Where a drawn pattern lies in a trace, and how uniquely."""

import numpy as np
import pytest

from powerlab.analysis.codes import plan_marker
from powerlab.analysis.correlate import Stretches, find_pattern, stretches_of
from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.lagged import drawn_pattern
from tests.analysis.marker_worlds import draw

SECOND = 1_000_000_000


def found_in(drawn, search_s=(-1.0, 1.0)):
    """Find a drawn marker in its own trace."""
    pattern = drawn_pattern(drawn.edges_ns, drawn.levels)
    stretches = stretches_of(drawn.trace, pattern.origin_ns, None)
    return find_pattern(stretches, pattern, search_s, 2 * pattern.chip_s)


@pytest.mark.parametrize(("interval_s", "points"), [(0.01, False), (0.04, False), (0.01, True)])
def test_the_place_is_good_to_a_part_of_a_chip(interval_s, points):
    """Wherever the marker lies, the coarse place is within a fifth of a chip, and unique."""
    plan = plan_marker(interval_s, interval_s, budget_s=20)
    for seed in range(20):
        drawn = draw(seed, plan, points=points)
        found = found_in(drawn)
        assert abs(found.delay_s - drawn.group_s) < plan.chip_s / 5
        assert found.correlation > 0.8
        assert found.peak_to_sidelobe_db > 12


def test_search_is_kept():
    """A marker outside the search is not reported to stand out."""
    plan = plan_marker(0.01, 0.01, budget_s=20)
    found = found_in(draw(1, plan, delay_s=0.25), (-0.1, 0.1))
    assert abs(found.delay_s) <= 0.1 + plan.chip_s
    assert found.peak_to_sidelobe_db < 0


def test_a_trace_that_never_changes_shows_nothing():
    """A constant trace has no correlation at all."""
    plan = plan_marker(0.01, 0.01, budget_s=20)
    found = found_in(draw(1, plan, step_w=0.0, noise_w=0.0))
    assert abs(found.correlation) < 1e-6


def test_joining_keeps_energy_and_leaves_gaps_out():
    """Joined neighbours have their common mean; a group across a gap is dropped."""
    start = np.array([0.0, 1.0, 2.0, 4.5, 5.5, 6.5, 7.5])
    stop = np.array([1.0, 2.0, 3.0, 5.5, 6.5, 7.5, 8.5])
    joined = Stretches(start, stop, np.arange(7.0)).joined(4)
    assert joined.start_s.tolist() == [0.0, 5.5]
    assert joined.stop_s.tolist() == [2.0, 7.5]
    assert joined.power_w.tolist() == [0.5, 4.5]


def test_few_stretches_stay_as_they_are():
    """Nothing is joined below the limit."""
    stretches = Stretches(np.array([0.0]), np.array([1.0]), np.array([5.0]))
    assert stretches.joined(4) is stretches


def test_points_stand_for_halfway_to_their_neighbours():
    """Points get stretches that meet, but do not bridge a gap."""
    at = np.array([0, 1, 2, 6], dtype=np.int64) * SECOND
    trace = PowerTrace(at, at.copy(), np.ones(4), SECOND)
    stretches = stretches_of(trace, SECOND, None)
    assert stretches.start_s.tolist() == [-1.75, -0.5, 0.5, 4.25]
    assert stretches.stop_s.tolist() == [-0.5, 0.5, 1.75, 5.75]


def test_gated_samples_stand_for_their_aperture():
    """With an aperture given, a sample starts that much before its end."""
    edges = np.array([0, 1, 2], dtype=np.int64) * SECOND
    trace = PowerTrace(edges[:-1].copy(), edges[1:].copy(), np.ones(2))
    stretches = stretches_of(trace, 0, 0.25)
    assert stretches.start_s.tolist() == [0.75, 1.75]
    assert stretches.stop_s.tolist() == [1.0, 2.0]
