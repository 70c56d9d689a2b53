"""Repeated and interpolated readings are found by their rhythm, and only by that."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.renewal import Pattern, find_renewal

NOISE = 3e-3


def levels(seed: int, count: int) -> np.ndarray:
    """Get noisy readings of a steady ampere."""
    return 1 + np.random.default_rng(seed).normal(0, NOISE, count)


def rounded(values: np.ndarray, resolution: float) -> np.ndarray:
    """Get readings in steps of a resolution, 0 for none."""
    return np.round(values / resolution) * resolution if resolution else values


@pytest.mark.parametrize("resolution", [0.0, 1e-4, 1e-3])
@pytest.mark.parametrize("factor", [2, 3, 5, 10, 37])
def test_repeated_values_are_found(factor, resolution):
    """Also where a renewal changes nothing, since its step is too small for the resolution."""
    values = rounded(np.repeat(levels(1, 60), factor), resolution)
    found = find_renewal(values, resolution)
    assert found.pattern is Pattern.REPEATED
    assert found.readings == pytest.approx(factor, rel=0.12)


@pytest.mark.parametrize("factor", [2.2, 2.5, 3.7])
def test_rates_that_do_not_divide_each_other_are_found(factor):
    """Values are repeated two or three times by turns."""
    values = levels(2, 200)[(np.arange(300) / factor).astype(int)]
    found = find_renewal(values, 0.0)
    assert found.pattern is Pattern.REPEATED
    assert found.readings == pytest.approx(factor, rel=0.02)


@pytest.mark.parametrize("resolution", [0.0, 1e-5, 1e-4])
@pytest.mark.parametrize("factor", [2, 3, 5, 10])
def test_straight_lines_between_renewals_are_found(factor, resolution):
    """Their kinks have the rhythm, whether the points are rounded or not."""
    knots = levels(3, 60)
    values = rounded(np.interp(np.arange(50 * factor) / factor, np.arange(60), knots), resolution)
    found = find_renewal(values, resolution)
    assert found.pattern is Pattern.INTERPOLATED
    assert found.readings == pytest.approx(factor, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(5, 400),
    resolution=st.sampled_from([0.0, 1e-4, 1e-3, 5e-3]),
    slope=st.sampled_from([0.0, 1e-4]),
)
def test_new_readings_are_not_accused(seed, count, resolution, slope):
    """Noise, coarse steps and drift alone show no rhythm."""
    values = rounded(levels(seed, count) + slope * np.arange(count), resolution)
    found = find_renewal(values, resolution)
    assert found.pattern in (Pattern.EACH, Pattern.IRREGULAR, Pattern.CONSTANT)


def test_edges_of_a_load_are_no_kinks_of_a_line():
    """A load that switches in step with the samples bends twice at each edge."""
    values = np.where((np.arange(300) // 7) % 2, 1.0, 2.0) + levels(4, 300) / 100
    assert find_renewal(values, 0.0).pattern is Pattern.EACH


def test_a_slow_change_in_single_steps_is_not_the_meters():
    """A quiet meter shows a warming board one step at a time."""
    values = rounded(np.linspace(1, 1.05, 400), 1e-3)
    assert find_renewal(values, 1e-3).pattern is Pattern.IRREGULAR


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0], [0.5] * 50])
def test_what_never_changes_tells_nothing(values):
    """Neither do no readings at all."""
    assert find_renewal(np.array(values), 1e-3).pattern is Pattern.CONSTANT
