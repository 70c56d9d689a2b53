"""A drawn pattern through a lag: exact over any stretch, and its derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.lagged import Pattern, drawn_pattern, respond, samples_of, template
from tests.analysis.marker_worlds import ramp, step

stretches = st.lists(st.floats(0.01, 0.1), min_size=5, max_size=20)
lags = st.sampled_from([0.0, 1e-5, 1e-3, 0.01, 0.3])


def pattern_of(lengths):
    """Get a pattern whose stretches have the given lengths, of an even count of edges."""
    lengths = lengths[: len(lengths) - (len(lengths) % 2 == 0)]
    edges = np.concatenate(([0.0], np.cumsum(lengths)))
    return Pattern(0, edges, np.where(np.arange(len(edges)) % 2 == 0, 1.0, -1.0))


@given(stretches, lags, st.floats(-0.05, 0.05), st.floats(-0.004, 0.004), st.integers(0, 9999))
def test_means_equal_the_sum_over_single_edges(lengths, lag_s, delay_s, asymmetry_s, seed):
    """The recursion over edges gives what each edge's own closed integral adds up to."""
    pattern = pattern_of(lengths)
    cuts = np.sort(np.random.default_rng(seed).uniform(-0.2, pattern.edges_s[-1] + 0.5, 40))
    samples = samples_of(cuts[:-1], cuts[1:], np.zeros(39))
    seen = template(samples, pattern, delay_s=delay_s, lag_s=lag_s, asymmetry_s=asymmetry_s)
    shown = pattern.edges_s + delay_s - pattern.rises * asymmetry_s / 2
    expected = sum(
        rise * (ramp(cuts[1:] - at, lag_s) - ramp(cuts[:-1] - at, lag_s))
        for at, rise in zip(shown, pattern.rises, strict=True)
    )
    assert seen.value * np.diff(cuts) == pytest.approx(expected, abs=1e-12)


@given(stretches, st.sampled_from([1e-3, 0.01, 0.3]), st.integers(0, 9999))
def test_points_equal_the_sum_over_single_edges(lengths, lag_s, seed):
    """A point reads the response at its instant."""
    pattern = pattern_of(lengths)
    at_s = np.random.default_rng(seed).uniform(-0.1, pattern.edges_s[-1] + 0.3, 50)
    samples = samples_of(at_s, at_s, np.zeros(50))
    seen = template(samples, pattern, delay_s=0.01, lag_s=lag_s, asymmetry_s=0.0)
    expected = sum(
        rise * step(at_s - 0.01 - at, lag_s)
        for at, rise in zip(pattern.edges_s, pattern.rises, strict=True)
    )
    assert samples.points
    assert seen.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("lag_s", [0.0, 0.002, 0.02])
def test_derivatives_are_those_of_the_template(lag_s):
    """Delay and asymmetry change the samples as finite differences do."""
    pattern = pattern_of([0.031, 0.052, 0.047, 0.11, 0.026])
    cuts = np.linspace(-0.05, 0.4, 30)
    samples = samples_of(cuts[:-1], cuts[1:], np.zeros(29))
    here = {"delay_s": 0.0037, "lag_s": lag_s, "asymmetry_s": 0.001}
    seen = template(samples, pattern, **here)
    for name, slope in (("delay_s", seen.by_delay), ("asymmetry_s", seen.by_asymmetry)):
        more = template(samples, pattern, **{**here, name: here[name] + 1e-7}).value
        less = template(samples, pattern, **{**here, name: here[name] - 1e-7}).value
        assert slope == pytest.approx((more - less) / 2e-7, abs=1e-4)


def test_points_have_the_slope_of_the_response():
    """With a lag, the derivatives of points are those of the exponential."""
    pattern = pattern_of([0.03, 0.05, 0.04])
    at_s = np.array([-0.01, 0.004, 0.02, 0.041, 0.09, 0.2])
    samples = samples_of(at_s, at_s, np.zeros(6))
    here = {"delay_s": 0.001, "lag_s": 0.01, "asymmetry_s": 0.0}
    seen = template(samples, pattern, **here)
    for name, slope in (("delay_s", seen.by_delay), ("asymmetry_s", seen.by_asymmetry)):
        more = template(samples, pattern, **{**here, name: here[name] + 1e-7}).value
        less = template(samples, pattern, **{**here, name: here[name] - 1e-7}).value
        assert slope == pytest.approx((more - less) / 2e-7, abs=1e-4)


def test_response_settles_at_the_level():
    """Long after an edge the load is at its level, and late by the lag in area."""
    pattern = pattern_of([1.0, 1.0, 1.0])
    late = respond(pattern, 0.01, np.array([0.9, 3.9]))
    assert late.value == pytest.approx([1.0, 0.0], abs=1e-12)
    assert late.area_s == pytest.approx([0.9 - 0.01, 2.0], abs=1e-12)


def test_repeated_levels_are_no_edges():
    """Edges that change nothing, and idle before the first busy one, are left out."""
    pattern = drawn_pattern(np.array([5, 10, 20, 25, 30, 40, 50]), [0, 1, 0, 0, 1, 0, 0])
    assert pattern.origin_ns == 10
    assert pattern.edges_s == pytest.approx([0.0, 1e-8, 2e-8, 3e-8])
    assert pattern.rises.tolist() == [1.0, -1.0, 1.0, -1.0]


@pytest.mark.parametrize(
    ("edges", "levels"), [([], []), ([1, 2, 3], [1, 0, 1]), ([1, 2, 2, 3], [1, 0, 1, 0])]
)
def test_too_little_is_no_pattern(edges, levels):
    """Fewer than four edges, or edges that do not rise in time, are no pattern."""
    assert drawn_pattern(np.array(edges, dtype=np.int64), levels) is None
