"""Latency over all passes: percentiles with their bounds, outliers counted and kept."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.latencies import latency, latency_findings
from powerlab.analysis.percentiles import early_stopping, percentile_interval
from powerlab.records import Window


def run(latency_s, index=0):
    """Get a run of these passes, back to back."""
    latency_s = np.asarray(latency_s, dtype=np.float64)
    done = np.rint(np.cumsum(latency_s) * 1e9).astype(np.int64)
    stop = int(done[-1]) if len(done) else 0
    return Window("run", index, 0, stop, len(latency_s), latency_s, done)


def test_percentiles_are_those_of_all_passes_together():
    """Two runs are one set of passes: value, both ends and MLPerf's bound."""
    rng = np.random.default_rng(1)
    first, second = rng.exponential(0.01, 700), rng.exponential(0.02, 300)
    found = latency([run(first), run(second, 1)])
    together = np.concatenate((first, second))
    assert found.passes == 1000
    assert [each.percent for each in found.percentiles] == [50, 90, 99]
    for each in found.percentiles:
        interval = percentile_interval(together, each.percent / 100)
        bound = early_stopping(together, each.percent / 100)
        assert (each.value, each.low, each.high) == (interval.value, interval.low, interval.high)
        assert (each.bound, each.discarded) == (bound.value, bound.discarded)
        assert np.mean(together <= each.value) >= each.percent / 100


def test_too_few_passes_have_no_bound_of_their_tail():
    """Fifty passes bound their median but not their 99th percentile."""
    found = latency([run(np.linspace(0.01, 0.02, 50))])
    median, _, tail = found.percentiles
    assert median.bound is not None
    assert (tail.high, tail.bound, tail.discarded) == (None, None, 0)


def test_outliers_are_counted_and_stay_in():
    """Three passes of a second among a thousand of 10 ms: named, and in the percentiles."""
    passes = np.full(1000, 0.01) + np.random.default_rng(2).normal(0, 1e-4, 1000)
    passes[[3, 500, 999]] = 1.0
    found = latency([run(passes)])
    assert found.outliers == 3
    assert found.longest_s == 1.0
    assert 0.0105 < found.outlier_limit_s < 0.012
    assert found.passes == 1000
    (told,) = latency_findings([run(passes)], found)
    assert told.evidence["share"] == pytest.approx(3 / (3 + 9.97), rel=0.01)
    assert "3 of 1000 passes" in told.message


def test_a_single_outlier_reads_well():
    """One pass takes, several take."""
    passes = np.append(np.linspace(0.0099, 0.0101, 20), 1.0)
    (told,) = latency_findings([run(passes)], latency([run(passes)]))
    assert "1 of 21 passes" in told.message
    assert "takes" in told.message


def test_equal_passes_have_no_outliers_and_equal_passes_but_one_have_one():
    """Where more than half are equal the median deviation is 0 and says nothing."""
    assert latency([run(np.full(100, 0.01))]).outliers == 0
    assert latency([run([*([0.01] * 999), 0.5])]).outliers == 1


def test_without_passes_there_is_no_latency():
    """Nothing is made up."""
    assert latency([]) is None
    assert latency([run([])]) is None


@given(st.lists(st.floats(1e-4, 10), min_size=1, max_size=60), st.floats(0.1, 1e3))
def test_units_and_order_do_not_matter(values, scale):
    """Milliseconds or seconds, first or last: the same outliers, the same ranks."""
    plain = latency([run(values)])
    scaled = latency([run(np.array(values[::-1]) * scale)])
    assert scaled.passes == plain.passes
    for one, other in zip(plain.percentiles, scaled.percentiles, strict=True):
        assert other.value == pytest.approx(one.value * scale)
        assert (other.low is None, other.discarded) == (one.low is None, one.discarded)
    assert scaled.longest_s == pytest.approx(plain.longest_s * scale)
    assert math.isclose(scaled.outlier_limit_s, plain.outlier_limit_s * scale, rel_tol=1e-9)
