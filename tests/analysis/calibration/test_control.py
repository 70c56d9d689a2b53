"""Checks between calibrations: agreement with a known load, and charts over months."""

import numpy as np
import pytest

from powerlab.analysis.calibration.control import (
    BASELINE,
    check_control,
    control_limits,
    normalised_error,
)
from powerlab.records.calibration import ControlPoint


def point(value, expanded=0.03, reference=1.0, expanded_reference=0.04):
    """Get a check of a load of 1 A."""
    return ControlPoint("2026-01-01", "current", value, expanded, reference, expanded_reference)


def codes(values):
    """Get the findings on the last of some checks."""
    return {finding.code for finding in check_control([point(value) for value in values])}


def test_normalised_error():
    """E_n is the difference over both expanded uncertainties in quadrature."""
    assert normalised_error(point(1.1)) == pytest.approx(2.0)
    assert normalised_error(point(0.975)) == pytest.approx(-0.5)


def test_a_known_load_that_disagrees_is_told_at_once():
    """E_n beyond 1 needs no chart."""
    assert codes([1.06]) == {"check-failed"}
    assert codes([1.04]) == set()
    assert check_control([]) == ()


def test_limits_come_from_the_first_points_alone():
    """Later points do not move the limits they are judged by."""
    rng = np.random.default_rng(1)
    first = [point(value) for value in 1 + 1e-3 * rng.normal(size=BASELINE)]
    alone = control_limits(first)
    assert control_limits([*first, point(1.02)]) == alone
    assert alone.low < alone.centre < alone.high
    assert alone.count == BASELINE
    with pytest.raises(ValueError, match="8 points"):
        control_limits(first[:-1])


def test_a_jump_and_a_slow_move_are_told():
    """A point beyond its limits, and eight in a row on one side."""
    quiet = 1 + 1e-3 * np.array([0.5, -0.5, 1, -1, 0.3, -0.3, 0.8, -0.8])
    assert codes([*quiet, 1.02]) == {"control-limit"}
    assert codes([*quiet, *(8 * [1.001])]) == {"control-run"}
    assert codes([*quiet, *(7 * [1.001])]) == set()
    assert codes([*quiet, *(7 * [1.001]), 0.999]) == set()


def test_a_meter_in_control_raises_few_alarms():
    """A point leaves the limits of eight points as seldom as 3 sigma; runs stay rare."""
    outside = runs = 0
    for seed in range(3000):
        values = 1 + 1e-3 * np.random.default_rng(seed).normal(size=BASELINE + 8)
        found = codes(values)
        outside += "control-limit" in found
        runs += "control-run" in found
    assert outside / 3000 <= 0.006
    assert runs / 3000 <= 0.05


def test_a_shift_of_four_sigma_is_seen_soon():
    """Within ten checks a meter that moved by four sigma is told in nearly all cases."""
    seen = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = [*(1 + 1e-3 * rng.normal(size=BASELINE)), *(1.004 + 1e-3 * rng.normal(size=10))]
        seen += any(
            codes(values[:count]) & {"control-limit", "control-run"}
            for count in range(BASELINE + 1, len(values) + 1)
        )
    assert seen >= 0.98 * 200
