"""Latency percentiles: MLPerf's counts exactly, and intervals that cover."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.percentiles import (
    early_stopping,
    minimum_queries,
    nearest_rank,
    overlatency_limit,
    percentile_interval,
    quantile,
    queries_for_margin,
)


def test_published_run_and_minimum_counts(shared):
    """The discard count of 893,578 queries, the least counts and the planned counts are exact."""
    data = json.loads(shared("references/mlperf_early_stopping.json").read_text())
    case = data["case"]
    assert overlatency_limit(case["q"], case["p"], case["c"]) == case["t"] == case["discard"] + 1
    least = data["minimum_queries"]
    assert minimum_queries(0.90, 1) == least["p90_t1"]
    assert minimum_queries(0.99, 1) == least["p99_t1"]
    assert minimum_queries(0.90, 0) == least["p90_t0"]
    assert minimum_queries(0.99, 0) == least["p99_t0"]
    for count in data["query_counts"]:
        found = queries_for_margin(count["percentile"], count["confidence"], count["margin"])
        assert found == count["n"]


@pytest.mark.parametrize(("queries", "discarded"), [(2048, 172), (2116, 178), (2145, 181)])
def test_published_discards_of_short_runs(queries, discarded):
    """The counts that public LoadGen summaries print for the 90th percentile."""
    latency = np.random.default_rng(1).permutation(queries) + 1.0
    found = early_stopping(latency, 0.9)
    assert found.discarded == discarded
    assert found.value == queries - discarded


def exact_tail(queries, overlatency, percentile):
    """Sum the binomial in whole numbers and rational probabilities."""
    miss = 1 - percentile
    return math.fsum(
        math.comb(queries, k) * miss**k * percentile ** (queries - k)
        for k in range(overlatency + 1)
    )


@given(
    st.integers(1, 400),
    st.sampled_from([0.5, 0.9, 0.97, 0.99]),
    st.sampled_from([0.8, 0.95, 0.99]),
    st.sampled_from([0.0, 0.005, 0.02]),
)
def test_limit_is_the_largest_that_passes(queries, percentile, confidence, tolerance):
    """By the binomial sum itself: the limit passes, one more does not."""
    limit = overlatency_limit(queries, percentile, confidence, tolerance)
    latency = np.arange(float(queries))
    bound = early_stopping(latency, percentile, confidence, tolerance)
    share, risk = percentile - tolerance, 1 - confidence
    if limit is None:
        assert exact_tail(queries, 0, share) > risk * (1 - 1e-9)
        assert queries < minimum_queries(share, 0, confidence)
        assert bound is None
        return
    assert exact_tail(queries, limit, share) <= risk * (1 + 1e-9)
    assert exact_tail(queries, limit + 1, share) > risk * (1 - 1e-9)
    least = [minimum_queries(share, count, confidence) for count in (limit, limit + 1)]
    assert least[0] <= queries < least[1]
    assert (bound is None) == (limit == 0)
    if bound is not None:
        assert (bound.discarded, bound.value) == (limit - 1, queries - limit)


def test_too_few_queries_give_no_bound():
    """One query short of the minimum there is no estimate; at it, the highest but none."""
    latency = np.arange(64.0)
    assert early_stopping(latency[:63], 0.9) is None
    assert early_stopping(latency, 0.9).value == 63
    assert early_stopping(latency, 0.9).discarded == 0
    assert overlatency_limit(0, 0.9) is None


def test_tolerance_lets_more_exceed():
    """A tolerance on the percentile raises the count that may exceed it."""
    assert overlatency_limit(5000, 0.9, tolerance=0.01) > overlatency_limit(5000, 0.9)


def test_early_stopping_bounds_the_percentile():
    """The bound lies above the true percentile in 99 of 100 runs."""
    rng = np.random.default_rng(2)
    above = sum(
        early_stopping(rng.exponential(size=500), 0.9).value >= -math.log(0.1) for _ in range(2000)
    )
    assert above / 2000 > 0.983


@pytest.mark.parametrize(("count", "percentile"), [(30, 0.5), (100, 0.9), (400, 0.99)])
def test_interval_covers_as_often_as_it_states(count, percentile):
    """Over drawn runs of a skewed latency the coverage is the stated one, at least 95 %."""
    rng = np.random.default_rng(count)
    truth = -math.log(1 - percentile)
    inside, stated = 0, math.nan
    for _ in range(2000):
        found = percentile_interval(rng.exponential(size=count), percentile)
        stated = found.coverage
        low = -math.inf if found.low is None else found.low
        high = math.inf if found.high is None else found.high
        inside += low <= truth < high
    assert stated >= 0.95
    assert inside / 2000 == pytest.approx(stated, abs=0.012)


def test_interval_without_an_end():
    """Ten latencies hold no upper bound of their 99th percentile, and say so."""
    found = percentile_interval(np.arange(10.0), 0.99)
    assert found.high is None
    assert found.low is not None
    assert percentile_interval(np.arange(3.0), 0.5).low is None


@given(st.integers(1, 500), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(count, fraction):
    """The published definition: no interpolation, and one value less would be too few."""
    value = quantile(np.random.default_rng(count).permutation(count) + 1.0, fraction)
    assert value == math.ceil(round(fraction * count, 9))


@given(st.lists(st.floats(1e-4, 10), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_order_does_not_matter(latency, percentile):
    """A permutation changes nothing, and the interval encloses the value."""
    values = np.array(latency)
    found = percentile_interval(values, percentile)
    assert found == percentile_interval(values[::-1], percentile)
    assert found.low is None or found.low <= found.value
    assert found.high is None or found.high >= found.value
    assert values.min() <= nearest_rank(values, percentile) <= values.max()
