"""A point from two streams of readings: the same time, settled, and what both share."""

from __future__ import annotations

import numpy as np
import pytest

from powerlab.analysis.calibration.settling import (
    MOST_CORRELATED,
    Readings,
    is_settled,
    pair_at,
    shared_wander,
)

MS = 1_000_000


def readings(values, interval_ms, *, begin_ms=0.0):
    """Get readings that follow one another."""
    values = np.asarray(values, dtype=np.float64)
    start = np.int64(begin_ms * MS) + np.arange(len(values)) * int(interval_ms * MS)
    return Readings(values, start, start + int(interval_ms * MS))


def noisy(count, seed, *, level=1.0, sd=1e-3):
    """Get values around a level."""
    return level + sd * np.random.default_rng(seed).normal(size=count)


STEPS = (1e-6, 1e-6)


def test_the_faster_meter_counts_over_the_time_of_the_slower_one_alone():
    """What it read before and after belongs to other points."""
    meter = readings(noisy(10, 1), 500, begin_ms=1000)
    fast = np.concatenate((np.full(50, 7.0), noisy(250, 2, level=2.0), np.full(50, 7.0)))
    pair = pair_at(meter, readings(fast, 20), 10, first=0, steps=STEPS)
    assert pair is not None
    assert pair.readings == 10
    assert pair.reference.value == pytest.approx(2.0, abs=3e-4)
    assert pair.meter.value == pytest.approx(meter.values.mean())
    assert pair.settled
    assert pair.correlation == 0.0


def test_the_meter_may_be_the_faster_one():
    """Then its readings are averaged, and both figures stay with their own instrument."""
    pair = pair_at(
        readings(noisy(500, 1), 10), readings(noisy(8, 2, level=2.0), 500), 8, first=0, steps=STEPS
    )
    assert pair is not None
    assert pair.meter.value == pytest.approx(1.0, abs=1e-3)
    assert pair.reference.value == pytest.approx(2.0, abs=2e-3)
    assert pair.meter.u < pair.reference.u


@pytest.mark.parametrize(("slow", "fast"), [(9, 400), (10, 200), (10, 0)])
def test_there_is_no_pair_before_both_have_read(slow, fast):
    """Too few of either: wait."""
    meter, reference = readings(noisy(slow, 1), 500), readings(noisy(fast, 2), 20)
    assert pair_at(meter, reference, 10, first=0, steps=STEPS) is None


def test_a_later_set_of_readings_can_be_taken():
    """The set from the third reading on leaves out the first two."""
    values = noisy(12, 1)
    pair = pair_at(readings(values, 500), readings(noisy(600, 2), 20), 10, first=2, steps=STEPS)
    assert pair is not None
    assert pair.meter.value == pytest.approx(values[2:].mean())


def test_a_meter_that_still_follows_has_not_settled():
    """A tail of many noises is seen, whichever meter has it."""
    tail = 0.02 * np.exp(-np.arange(10) / 3)
    slow = pair_at(
        readings(noisy(10, 1) + tail, 500), readings(noisy(300, 2), 20), 10, first=0, steps=STEPS
    )
    assert slow is not None
    assert not slow.settled


def test_a_wandering_load_is_no_unsettled_meter():
    """Both see it: it shows in the correlation, and hardly in the error's u."""
    wander = np.linspace(0.0, 0.01, 10)
    slow = readings(noisy(10, 1, sd=1e-4) + wander, 500)
    fast = readings(noisy(250, 2, sd=1e-4) + np.repeat(wander, 25), 20)
    pair = pair_at(slow, fast, 10, first=0, steps=STEPS)
    assert pair is not None
    assert pair.settled
    assert pair.correlation == MOST_CORRELATED


def test_readings_that_share_nothing_seem_settled_and_uncorrelated():
    """False alarms are as rare as they are meant to be: about one in a hundred."""
    settled, correlated = 0, 0
    for seed in range(400):
        x, y = noisy(10, 2 * seed), noisy(10, 2 * seed + 1)
        settled += is_settled(x, 1e-6)
        correlated += shared_wander(x, y) != 0.0
    assert settled >= 385
    assert correlated <= 15


def test_a_change_within_one_step_of_the_display_is_none():
    """Readings without noise that flip their last digit are as steady as they can be."""
    assert is_settled(np.array([1.0] * 5 + [1.001] * 5), 0.001)
    assert not is_settled(np.array([1.0] * 5 + [1.003] * 5), 0.001)
    assert shared_wander(np.full(5, 1.0), np.full(5, 2.0)) == 0.0
