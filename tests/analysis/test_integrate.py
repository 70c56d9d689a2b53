"""Energy of windows over samples that are means of their stretch, or points."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.integrate import (
    MOST_VALUES,
    PowerTrace,
    integrate,
    mean_inside,
    quadrature,
    standard_error,
)

SECOND = 1_000_000_000


def contiguous(edges_ns, power):
    """Get a trace of stretches that meet at the given edges."""
    edges = np.asarray(edges_ns, dtype=np.int64)
    return PowerTrace(edges[:-1].copy(), edges[1:].copy(), np.asarray(power, dtype=float))


def broken(trace, data):
    """Get a trace without some of its samples, the first and the last one kept."""
    kept = np.array([data.draw(st.booleans()) for _ in trace.power_w])
    kept[[0, -1]] = True
    return PowerTrace(trace.start_ns[kept], trace.stop_ns[kept], trace.power_w[kept])


traces = st.lists(st.tuples(st.integers(1, 10**9), st.floats(-5, 50)), min_size=1, max_size=30).map(
    lambda parts: contiguous(
        np.concatenate(([0], np.cumsum([length for length, _ in parts]))), [p for _, p in parts]
    )
)


def test_boxcar_reference_is_exact(shared):
    """Fractional end intervals reproduce the closed-form energy of the reference."""
    case = json.loads(shared("references/integration_closed_form.json").read_text())[
        "boxcar_rectangle"
    ]
    trace = contiguous([round(edge * SECOND) for edge in case["edges"]], case["mean_power"])
    start, stop = (round(edge * SECOND) for edge in case["window"])
    assert integrate(trace, start, stop).energy_j == pytest.approx(case["E"], rel=1e-12)


def points(times_s, power, interval_s):
    """Get a trace of point samples."""
    instants = np.array([round(t * SECOND) for t in times_s], dtype=np.int64)
    return PowerTrace(
        instants, instants.copy(), np.asarray(power, dtype=float), round(interval_s * SECOND)
    )


def test_trapezoid_reference_is_exact(shared):
    """Irregular points with interpolated edges reproduce the closed-form energy."""
    case = json.loads(shared("references/integration_closed_form.json").read_text())[
        "trapezoid_irregular"
    ]
    trace = points(case["t"], case["P"], 0.4)
    start, stop = (round(edge * SECOND) for edge in case["window"])
    integral = integrate(trace, start, stop)
    assert integral.energy_j == pytest.approx(case["E"], rel=1e-12)
    assert integral.gap_s == 0.0


def test_gap_between_points_is_flagged_as_the_reference_expects(shared):
    """Three seconds without a point are 12 J interpolated, and named."""
    case = json.loads(shared("references/integration_closed_form.json").read_text())["gap"]
    trace = points(case["t"], case["P"], case["nominal_interval"])
    integral = integrate(trace, 0, 6 * SECOND)
    assert integral.energy_j == pytest.approx(24.0)
    assert (integral.gap_s, integral.gap_j) == pytest.approx((3.0, 12.0))


@given(st.lists(st.floats(-5, 50), min_size=2, max_size=30), st.data())
def test_energy_of_points_is_additive(power, data):
    """The trapezoid with interpolated edges loses nothing at a cut."""
    trace = points(range(len(power)), power, 1.0)
    end = (len(power) - 1) * SECOND
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, end)] * 3)))
    whole = integrate(trace, a, c).energy_j
    parts = integrate(trace, a, b).energy_j + integrate(trace, b, c).energy_j
    assert parts == pytest.approx(whole, rel=1e-12, abs=1e-12)


@given(traces, st.data())
def test_energy_is_additive_over_adjacent_windows(trace, data):
    """Two windows that meet hold the energy of their union, gaps or none."""
    trace = broken(trace, data)
    end = int(trace.stop_ns[-1])
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, end)] * 3)))
    whole = integrate(trace, a, c).energy_j
    parts = integrate(trace, a, b).energy_j + integrate(trace, b, c).energy_j
    assert parts == pytest.approx(whole, rel=1e-12, abs=1e-12)


@given(traces, st.integers(-(10**15), 10**15))
def test_energy_does_not_know_the_time_of_day(trace, shift):
    """A common shift of samples and window changes nothing."""
    end = int(trace.stop_ns[-1])
    moved = PowerTrace(trace.start_ns + shift, trace.stop_ns + shift, trace.power_w.copy())
    here = integrate(trace, end // 3, end).energy_j
    there = integrate(moved, end // 3 + shift, end + shift).energy_j
    assert there == pytest.approx(here, rel=1e-12, abs=1e-12)


@given(traces, st.floats(0.1, 10))
def test_energy_is_linear_in_gain(trace, gain):
    """Twice the power is twice the energy."""
    end = int(trace.stop_ns[-1])
    scaled = PowerTrace(trace.start_ns.copy(), trace.stop_ns.copy(), trace.power_w * gain)
    expected = gain * integrate(trace, 0, end).energy_j
    assert integrate(scaled, 0, end).energy_j == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(traces, st.data())
def test_splitting_a_sample_conserves_energy(trace, data):
    """A stretch cut in two at any instant holds what it held."""
    end = int(trace.stop_ns[-1])
    cut = data.draw(st.integers(1, end))
    edges = np.unique(np.concatenate((trace.start_ns, [end, cut])))
    power = trace.power_w[np.searchsorted(trace.stop_ns, edges[1:], side="left")]
    split = contiguous(edges, power)
    assert integrate(split, 0, end).energy_j == pytest.approx(
        integrate(trace, 0, end).energy_j, rel=1e-12, abs=1e-12
    )


def test_a_gap_is_filled_from_both_sides_and_named():
    """A hole in the samples is interpolated, and says how long it was."""
    trace = PowerTrace(
        np.array([0, 3 * SECOND]), np.array([SECOND, 4 * SECOND]), np.array([4.0, 6.0])
    )
    integral = integrate(trace, 0, 4 * SECOND)
    assert integral.energy_j == pytest.approx(4 + 2 * 5 + 6)
    assert (integral.gap_s, integral.gap_j) == pytest.approx((2.0, 10.0))


def test_square_steps_reference(shared):
    """A framed window loses whichever way it is shifted; from idle to idle nothing is lost."""
    case = json.loads(shared("references/integration_closed_form.json").read_text())["offset_bias"]
    idle_w, active_w, length = case["P_idle"], case["P_active"], round(case["T"] * SECOND)
    trace = contiguous([-SECOND, 0, length, length + SECOND], [idle_w, active_w, idle_w])
    for framed in case["framed"]:
        late = round(framed["delta"] * SECOND)
        energy = integrate(trace, late, length + late).energy_j
        assert energy == pytest.approx(framed["E"], rel=1e-12)
        wide = integrate(trace, late - SECOND // 2, length + late + SECOND // 2).energy_j
        assert wide - idle_w == pytest.approx(case["true_E"], rel=1e-12)


def test_a_gap_over_a_step_is_filled_from_both_sides_of_the_step():
    """Where the load is known to change, each side's level holds up to there."""
    trace = PowerTrace(
        np.array([0, 3 * SECOND]), np.array([SECOND, 4 * SECOND]), np.array([2.0, 8.0])
    )
    step = SECOND + SECOND // 4
    rule = quadrature(trace, 0, 4 * SECOND, [step])
    energy = float(rule.weight_ns @ trace.power_w) / SECOND
    assert energy == pytest.approx(2 * 1.25 + 8 * 2.75, rel=1e-12)
    assert rule.gaps.energy_j(trace.power_w) == pytest.approx([2 * 0.25 + 8 * 1.75])


def test_power_is_held_beyond_the_ends_of_a_trace_and_that_is_a_gap():
    """A trace that ends within a window says how much of it was not seen."""
    ends = integrate(contiguous([0, SECOND], [3.0]), 0, 3 * SECOND)
    assert (ends.energy_j, ends.gap_s) == pytest.approx((9.0, 2.0))
    begins = integrate(points([2, 3, 4], [3.0, 3.0, 3.0], 1.0), 0, 3 * SECOND)
    assert (begins.energy_j, begins.gap_s) == pytest.approx((9.0, 2.0))
    shorter = integrate(points([0.9, 1.9, 2.9], [3.0, 3.0, 3.0], 1.0), 0, 3 * SECOND)
    assert (shorter.energy_j, shorter.gap_s) == pytest.approx((9.0, 0.0))


def test_a_window_without_samples_is_all_gap():
    """No sample at all: no energy is made up."""
    trace = contiguous([0, SECOND], [1.0])
    integral = integrate(trace, 5 * SECOND, 6 * SECOND)
    assert (integral.energy_j, integral.gap_s) == (0.0, 1.0)
    nothing = PowerTrace(np.array([], dtype=np.int64), np.array([], dtype=np.int64), np.array([]))
    integral = integrate(nothing, 0, SECOND)
    assert (integral.energy_j, integral.gap_s) == (0.0, 1.0)


def test_only_samples_wholly_inside_make_the_interior_mean():
    """Samples that touch an edge do not count."""
    trace = contiguous([0, 10, 20, 30, 40], [1.0, 5.0, 7.0, 1.0])
    assert mean_inside(trace, 5, 35) == (6.0, 2)


def test_standard_error_of_white_noise_is_s_over_root_n():
    """Independent values need no correction."""
    values = np.random.default_rng(1).normal(0, 1, 4000)
    assert standard_error(values) == pytest.approx(1 / np.sqrt(4000), rel=0.15)


def test_standard_error_of_a_slow_process_is_larger():
    """An AR(1) process of 0.9 needs the factor sqrt(19)."""
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, 20_000)
    values = np.empty_like(noise)
    values[0] = noise[0]
    for k in range(1, len(noise)):
        values[k] = 0.9 * values[k - 1] + noise[k]
    naive = values.std(ddof=1) / np.sqrt(len(values))
    assert standard_error(values) / naive == pytest.approx(np.sqrt(19), rel=0.2)


def test_standard_error_of_many_values_is_that_of_their_means():
    """A long record is judged by the means of neighbours, its autocorrelation kept."""
    rng = np.random.default_rng(3)
    slow = np.repeat(rng.normal(0, 1, 2 * MOST_VALUES), 10)
    assert standard_error(slow) == pytest.approx(1 / np.sqrt(2 * MOST_VALUES), rel=0.1)
