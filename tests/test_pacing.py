"""The plan of a session's runs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from powerlab.catalog.layers import builtin_lab, read_catalog
from powerlab.pacing import (
    Pauses,
    pass_duration_s,
    passes_in,
    plan_pauses,
    randomised_blocks,
    run_deadline_s,
)
from powerlab.records import Phase

S = 1_000_000_000

PROTOCOL = read_catalog([builtin_lab()])[0].protocols["quick"]
"""Runs of six seconds."""


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
    assert passes_in(PROTOCOL, pass_s, planned) / planned.every <= 1001


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, 600),
        ({"least_passes": 1000}, 1000),
        ({"block_passes": 250}, 750),
        ({"least_passes": 100, "run_s": 0.5}, 100),
        ({"scenario": "server", "target_qps": 5.0}, 30),
    ],
)
def test_a_run_fills_its_time_in_whole_blocks(changes, passes):
    """And never has fewer passes than the protocol's least; a rate alone decides a server's."""
    protocol = PROTOCOL.model_copy(update=changes)
    assert passes_in(protocol, 0.01) == passes


def test_a_run_may_take_four_times_what_it_should():
    """A hundred passes of ten seconds are not cut short by a protocol of six."""
    assert run_deadline_s(PROTOCOL, 600, 0.01) == 54.0
    assert run_deadline_s(PROTOCOL, 100, 10.0) == 4030.0
