"""Shares, their intervals, ranks."""

from __future__ import annotations

import numpy as np
import pytest

from powerlab.analysis.accuracy import (
    accuracy,
    ranks,
    ranks_among,
    stated_accuracy_findings,
    wilson,
)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [
        # Newcombe, Two-sided confidence intervals for the single proportion, Statistics in
        # Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_gives_the_published_intervals(hits, count, low, high):
    """Newcombe's worked examples, to the four figures that are printed."""
    told = wilson(hits, count)
    assert (told.low, told.high) == pytest.approx((low, high), abs=5e-5)
    assert told.value == hits / count


@pytest.mark.parametrize(("hits", "count"), [(0, 0), (2, 1), (-1, 5)])
def test_a_share_of_nothing_is_none(hits, count):
    """No picture, or more hits than pictures, have no share."""
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, count)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.99])
def test_wilson_covers_the_true_share(share):
    """About 95 of 100 intervals hold the share that the pictures were drawn with."""
    hits = np.random.default_rng(1).binomial(300, share, 2000)
    held = [(told := wilson(int(one), 300)).low <= share <= told.high for one in hits]
    assert 0.93 < np.mean(held) < 0.975


def test_ranks_and_ties():
    """A rank counts the classes before; of equal ones the lower comes first."""
    outputs = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    labels = np.array([1, 0, 1, 2])
    assert ranks(outputs, labels).tolist() == [0, 0, 1, 2]
    best = np.argsort(-outputs, axis=1, kind="stable")[:, :2]
    assert ranks_among(best, labels).tolist() == [0, 0, 1, 2]


def test_accuracy_of_ranks():
    """The first and the first five."""
    told = accuracy(np.array([0, 0, 3, 4, 5, 9]))
    assert (told.top1.hits, told.top5.hits, told.top1.count) == (2, 4, 6)


def test_another_accuracy_than_stated_is_told():
    """An 85 % that was counted on a few sorted pictures does not fit one of 77 % on many."""
    (finding,) = stated_accuracy_findings(wilson(850, 1000), wilson(7700, 10_000))
    assert finding.code == "accuracy-differs"
    assert not stated_accuracy_findings(wilson(17, 20), wilson(7700, 10_000))
