"""What gaps may hide: little in the middle of a run, the step of the load at its edges."""

import math

import numpy as np
import pytest

from powerlab.analysis.gaps import gap_limit_j
from powerlab.analysis.integrate import PowerTrace, quadrature
from powerlab.analysis.timeline import Timeline
from powerlab.records import Window

SECOND = 1_000_000_000
IDLE_W, ACTIVE_W, RIPPLE_W = 2.0, 8.0, 0.01
STEP_W = ACTIVE_W - IDLE_W


def window(kind, index, start_s, stop_s):
    """Get a window without passes."""
    none = np.array([], dtype=np.int64)
    start, stop = round(start_s * SECOND), round(stop_s * SECOND)
    return Window(kind, index, start, stop, 1, none.astype(float), none)


TIMELINE = Timeline(
    runs=(window("run", 0, 10, 20), window("run", 1, 24, 34)),
    idles=(window("idle", 0, 0, 8),),
    guard_ns=2 * SECOND,
    trim_ns=SECOND // 10,
    interval_ns=SECOND // 10,
)


def limit(*lost, interval_s=0.1, until_s=36.0):
    """Get the limit in joule where the samples that start at the given seconds are lost.

    Two levels with a small ripple; neighbours differ by 20 mW.
    """
    count = round(until_s / interval_s)
    edges = np.rint(np.arange(count + 1) * interval_s * SECOND).astype(np.int64)
    busy = np.zeros(count)
    for run in TIMELINE.runs:
        covered = np.minimum(edges[1:], run.stop_ns) - np.maximum(edges[:-1], run.start_ns)
        busy += np.clip(covered, 0, None) / (interval_s * SECOND)
    watts = IDLE_W + STEP_W * busy + RIPPLE_W * (-1) ** np.arange(count)
    kept = ~np.isin(np.arange(count), np.rint(np.array(lost) / interval_s))
    trace = PowerTrace(edges[:-1][kept], edges[1:][kept], watts[kept])
    gaps = [quadrature(trace, *span).gaps for span in TIMELINE.whole]
    return gap_limit_j(trace, TIMELINE, gaps)


def test_no_gap_hides_nothing():
    """Every sample is there."""
    assert limit() == 0.0


def test_a_sample_lost_inside_a_run_hides_no_more_than_the_run_swings():
    """The ripple of the samples in that run, not the step from idle to load."""
    inside = limit(15.0)
    assert 0.1 * RIPPLE_W <= inside <= 0.1 * 3 * RIPPLE_W


def test_a_sample_lost_in_a_guard_hides_no_more_than_idle_swings():
    """Well before and well after a run the board is idle."""
    for lost in (9.0, 21.0, 23.0):
        assert 0.1 * RIPPLE_W <= limit(lost) <= 0.1 * 3 * RIPPLE_W


def test_a_sample_lost_at_an_edge_may_hide_half_the_step():
    """Which part of it was load is not known, on either side of the edge."""
    for lost in (9.9, 10.0, 19.9, 20.0):
        assert limit(lost) == pytest.approx(0.1 * STEP_W / 2, rel=0.01)


def test_limits_add_up():
    """Gaps of several runs are priced together."""
    assert limit(10.0, 15.0, 24.0, 30.0) == pytest.approx(
        limit(10.0) + limit(15.0) + limit(24.0) + limit(30.0), rel=1e-9
    )


def test_a_trace_that_ends_in_a_run_may_hide_the_whole_step():
    """Nothing was seen of what followed, for the rest of the run and its guard."""
    assert limit(until_s=30.0) == pytest.approx(6.0 * STEP_W, rel=0.01)


def test_a_steady_run_of_few_samples_is_not_trusted_to_be_steady():
    """With two samples in a run their difference says little: a gap costs the step."""
    few = limit(14.0, 28.0, interval_s=2.0)
    assert few >= 2.0 * math.sqrt(6) * RIPPLE_W


def test_a_trace_without_samples_has_no_swing():
    """Nothing was measured, and nothing is claimed of it."""
    none = np.array([], dtype=np.int64)
    trace = PowerTrace(none, none.copy(), none.astype(float))
    gaps = [quadrature(trace, *span).gaps for span in TIMELINE.whole]
    assert gap_limit_j(trace, TIMELINE, gaps) == 0.0
