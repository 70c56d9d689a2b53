"""The line under a cloud of delays."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.envelope import lower_envelope


def test_lower_envelope_is_that_of_the_reference_problem(shared):
    """The hull's line equals the optimum of the linear programme in the reference."""
    case = json.loads(shared("references/clock_alignment.json").read_text())["lower_envelope"]
    intercept, slope = lower_envelope(
        np.array(case["frame_index"], dtype=float), np.array(case["arrival_s"])
    )
    assert intercept == pytest.approx(case["a"], rel=1e-12)
    assert slope == pytest.approx(case["b"], rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(-10, 10)), min_size=1, max_size=60))
def test_lower_envelope_lies_under_every_point(points):
    """No point is below the line, and at least one touches it."""
    x, y = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    intercept, slope = lower_envelope(x, y)
    above = y - (intercept + slope * x)
    assert above.min() >= -1e-9
    assert above.min() <= 1e-9


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(-50, 50)), min_size=2, max_size=8, unique=True
    )
)
def test_lower_envelope_is_the_best_of_all_lines_through_two_points(points):
    """Of all lines under the points that touch two, it leaves the least sum above itself."""
    x, y = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    intercept, slope = lower_envelope(x, y)
    least = np.sum(y - intercept - slope * x)
    for first in range(len(x)):
        for second in range(len(x)):
            if x[first] < x[second]:
                other = (y[second] - y[first]) / (x[second] - x[first])
                above = y - y[first] - other * (x - x[first])
                assert above.min() < -1e-9 or above.sum() >= least - 1e-6


@pytest.mark.parametrize(("scale", "shift"), [(1e9, 0.0), (1.0, 1e6), (1e-3, -50.0)])
def test_lower_envelope_does_not_depend_on_units(scale, shift):
    """Seconds or nanoseconds, from any origin: the same line."""
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 100, 200)
    y = 3.0 - 0.02 * x + rng.exponential(1.0, 200)
    intercept, slope = lower_envelope(x, y)
    scaled, steep = lower_envelope(x * scale + shift, y * scale)
    assert steep == pytest.approx(slope, rel=1e-6)
    assert scaled + steep * shift == pytest.approx(intercept * scale, rel=1e-6)
