"""What a marker's fit refuses: whatever is not the pattern, or not a trace of it."""

import dataclasses
import math

import numpy as np
import pytest

from powerlab.analysis.codes import m_sequence, plan_marker
from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.markers import fit_marker
from tests.analysis.marker_worlds import draw, drawn_edges, fit, rms

MS = 1_000_000
FAST = plan_marker(0.01, 0.01, budget_s=10)


def with_power(drawn, power_w):
    """Get the same marker with another trace."""
    return dataclasses.replace(drawn, trace=dataclasses.replace(drawn.trace, power_w=power_w))


@pytest.mark.parametrize("seed", range(12))
def test_a_trace_without_the_marker_is_refused(seed):
    """Noise alone is never believed."""
    assert "does not show the marker" in fit(draw(seed, FAST, step_w=0.0)).reason


@pytest.mark.parametrize("seed", range(12))
def test_too_much_noise_is_refused(seed):
    """A step of 2 W in 5 W of noise is not believed."""
    found = fit(draw(seed, FAST, noise_w=5.0))
    assert not found.believed
    assert found.reason


@pytest.mark.parametrize("register", [1, 2, 5, 17, 42, 64, 99, 113, 120])
def test_another_code_is_refused(register):
    """Even a rotation of the same code, which agrees over a part, is not believed."""
    drawn = draw(register, FAST)
    other = tuple(int(chip) for chip in m_sequence(7, register))
    edges_s, levels = drawn_edges(dataclasses.replace(FAST, chips=other))
    edges_ns = drawn.edges_ns[0] + np.rint(edges_s * 1e9).astype(np.int64)
    assert not fit_marker(drawn.trace, edges_ns, levels).believed


def test_the_reversed_code_is_refused():
    """The marker read backwards does not stand out."""
    edges_s, levels = drawn_edges(dataclasses.replace(FAST, chips=FAST.chips[::-1]))
    drawn = draw(1, FAST)
    edges_ns = drawn.edges_ns[0] + np.rint(edges_s * 1e9).astype(np.int64)
    assert "does not show" in fit_marker(drawn.trace, edges_ns, levels).reason


@pytest.mark.parametrize("top_w", [4.0, 4.6, 4.99])
def test_a_clipped_trace_is_refused(top_w):
    """A busy level cut at the meter's range is named."""
    drawn = draw(2, FAST)
    clipped = with_power(drawn, np.minimum(drawn.trace.power_w, top_w))
    assert "clipped" in fit(clipped).reason


def test_a_trace_without_its_saturated_samples_is_refused():
    """Where unusable samples were left out, too little of the marker is covered."""
    drawn = draw(2, FAST)
    kept = drawn.trace.power_w < 4.8
    trace = PowerTrace(
        drawn.trace.start_ns[kept], drawn.trace.stop_ns[kept], drawn.trace.power_w[kept]
    )
    found = fit_marker(trace, drawn.edges_ns, drawn.levels)
    assert "cover only" in found.reason
    assert math.isnan(found.delay_ns)


def test_some_lost_samples_do_no_harm():
    """One sample in twenty missing leaves the marker believed and its u honest."""
    errors, stated = [], []
    for seed in range(20):
        drawn = draw(seed, FAST)
        kept = np.random.default_rng(seed).random(len(drawn.trace.power_w)) > 0.05
        trace = PowerTrace(
            drawn.trace.start_ns[kept], drawn.trace.stop_ns[kept], drawn.trace.power_w[kept]
        )
        found = fit_marker(trace, drawn.edges_ns, drawn.levels)
        assert found.believed, found.reason
        errors.append(found.delay_ns / 1e9 - drawn.group_s)
        stated.append(found.u_delay_ns / 1e9)
    assert rms(np.array(errors) / np.array(stated)) < 1.5


def test_a_pulse_that_was_not_reported_is_refused():
    """Two edges missing from the board's report do not pass as noise."""
    drawn = draw(4, FAST)
    kept = np.ones(len(drawn.levels), dtype=bool)
    kept[20:22] = False
    found = fit_marker(drawn.trace, drawn.edges_ns[kept], drawn.levels[kept])
    assert "does not follow" in found.reason


def test_the_wrong_kind_of_averaging_is_refused():
    """Points taken for means scatter the edges by more than a board would."""
    plan = plan_marker(0.04, 0.04, budget_s=20)
    drawn = draw(4, plan, points=True)
    trace = PowerTrace(
        drawn.trace.stop_ns - 40 * MS, drawn.trace.stop_ns.copy(), drawn.trace.power_w
    )
    assert not fit_marker(trace, drawn.edges_ns, drawn.levels).believed


def test_a_marker_outside_the_search_is_refused():
    """A delay of 250 ms is not found within 100 ms, nor something else instead."""
    assert not fit(draw(1, FAST, delay_s=0.25), search_ns=(-100 * MS, 100 * MS)).believed


def test_empty_and_truncated_input_is_refused():
    """No samples, half of the marker, or hardly an edge: a reason, and no error."""
    drawn = draw(1, FAST)
    nothing = np.array([], dtype=np.int64)
    empty = PowerTrace(nothing, nothing.copy(), np.array([]))
    assert "hardly a sample" in fit_marker(empty, drawn.edges_ns, drawn.levels).reason
    half = slice(0, len(drawn.trace.power_w) // 2)
    cut = PowerTrace(
        drawn.trace.start_ns[half], drawn.trace.stop_ns[half], drawn.trace.power_w[half]
    )
    assert not fit_marker(cut, drawn.edges_ns, drawn.levels).believed
    assert "edges" in fit_marker(drawn.trace, drawn.edges_ns[:4], drawn.levels[:4]).reason
