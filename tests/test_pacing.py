"""The plan of a session's runs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from powerlab.pacing import Pauses, pass_duration_s, passes_in, plan_pauses, randomised_blocks
from powerlab.records import Phase

S = 1_000_000_000


def test_blocks_are_complete_and_differ_from_draw_to_draw():
    """An option that wants fewer runs is left out of the last blocks."""
    wanted = {0: range(2, 6), 1: range(2, 4), 2: range(2, 2)}
    orders = {randomised_blocks(wanted, random.Random(seed)) for seed in range(20)}
    assert len(orders) == 4
    for order in orders:
        assert sorted(order[:2]) == [(0, 2), (1, 2)]
        assert sorted(order[2:4]) == [(0, 3), (1, 3)]
        assert order[4:] == ((0, 4), (0, 5))
    assert randomised_blocks({}, random.Random(0)) == ()


def test_a_pass_is_timed_in_the_second_half_of_all_slices():
    """The pauses between the slices count for nothing."""
    slow = Phase("warm-up", 0, 0, 4 * S, 2, np.array([2 * S, 4 * S]))
    fast = Phase("warm-up", 1, 9 * S, 11 * S, 4, np.array([9.5, 10, 10.5, 11]) * S)
    assert pass_duration_s([slow, fast]) == pytest.approx(0.5)
    assert pass_duration_s([slow]) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("pass_s", "interval_s", "pauses"),
    [
        (0.002, 0.02, Pauses(0.002, 10)),
        (0.002, 0.0205, Pauses(0.002, 10)),
        (0.5, 0.02, Pauses(0.02, 1)),
        (0.001, 1e-5, Pauses(1e-5, 6)),
    ],
)
def test_pauses_come_once_in_a_sample_interval(pass_s, interval_s, pauses):
    """As long as a pass or an interval, whichever is shorter; never more than fit."""
    planned = plan_pauses(pass_s, interval_s, run_s=6.0, most=1000)
    assert planned == pauses
    assert passes_in(6.0, pass_s, planned) / planned.every <= 1001
