"""Sums over samples as they come, and readings between two looks at them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.live import Tally, add_block, reading_between
from powerlab.records import SampleBlock, SampleFlag
from tests.analysis.factories import setup

S = 1_000_000_000
STEP = S // 10
SETUP = setup(channels=("voltage", "current"), interval_s=0.1)


def block(
    first: int, count: int, *, clock: bool = True, watts: float = 2.0, flag: int = 0, late: int = 0
) -> SampleBlock:
    """Get samples of 4 V at 10 a second, the ``first`` one of them."""
    flags = np.full(count, flag, dtype=np.uint8)
    end_ns = (first + count) * STEP + late
    return SampleBlock(
        values=np.tile([4.0, watts / 4], (count, 1)),
        device_ns=np.arange(first, first + count, dtype=np.int64) * STEP if clock else None,
        flags=flags,
        sent_ns=end_ns - 1000,
        received_ns=end_ns,
        completed=first + count,
    )


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 7), min_size=1, max_size=20), clock=st.booleans())
def test_energy_does_not_depend_on_how_samples_are_parcelled(sizes, clock):
    """By the meter's clock or by arrival."""
    tally, first = Tally(), 0
    for size in sizes:
        if size:
            tally = add_block(tally, block(first, size, clock=clock), SETUP, math.nan)
        first += size
    assert tally.samples == first
    assert tally.energy_j == pytest.approx(2.0 * 0.1 * first)
    assert tally.unseen_s == pytest.approx(0, abs=1e-9)


def test_a_reading_is_the_mean_between_two_looks():
    """Rates, means and totals."""
    early = add_block(Tally(), block(0, 10), SETUP, math.nan)
    late = add_block(early, block(10, 10, watts=4.0), SETUP, math.nan)
    reading = reading_between(early, late, 1.0)
    assert (reading.voltage_v, reading.current_a, reading.power_w) == (4.0, 1.0, 4.0)
    assert reading.rate_hz == pytest.approx(10)
    assert reading.energy_j == pytest.approx(6.0)
    nothing = reading_between(late, late, 1.0)
    assert math.isnan(nothing.power_w)
    assert nothing.rate_hz == 0
    assert nothing.energy_j == reading.energy_j


@pytest.mark.parametrize("clock", [True, False])
def test_a_hole_is_unseen_and_never_bridged(clock):
    """Its energy is not counted; its length is told."""
    tally = add_block(Tally(), block(0, 10, clock=clock), SETUP, math.nan)
    for first in range(20, 30):
        tally = add_block(tally, block(first, 1, clock=clock), SETUP, math.nan)
    assert tally.energy_j == pytest.approx(2.0 * (2.0 + 0.05), abs=0.01)
    assert tally.unseen_s == pytest.approx(0.95, abs=0.01)


def test_flags_are_counted():
    """Lost samples have no values; repeated ones keep theirs."""
    tally = add_block(Tally(), block(0, 5, flag=int(SampleFlag.LOST)), SETUP, math.nan)
    tally = add_block(tally, block(5, 3, flag=int(SampleFlag.REPEATED)), SETUP, math.nan)
    tally = add_block(tally, block(8, 2, flag=int(SampleFlag.OVERRANGE)), SETUP, math.nan)
    assert (tally.samples, tally.lost, tally.repeated, tally.beyond) == (5, 5, 3, 2)
    assert tally.unseen_s == pytest.approx(0.5)


@pytest.mark.parametrize(("supply_v", "power_w"), [(12.0, 6.0), (math.nan, math.nan)])
def test_volts_that_no_channel_reads_are_the_supplys(supply_v, power_w):
    """Where nobody knows them there are no watts."""
    amperes = setup(channels=("current",), interval_s=0.1)
    samples = SampleBlock(
        values=np.full((4, 1), 0.5),
        device_ns=None,
        flags=np.zeros(4, dtype=np.uint8),
        sent_ns=S,
        received_ns=S,
        completed=4,
    )
    tally = add_block(Tally(), samples, amperes, supply_v)
    assert reading_between(Tally(), tally, 0.4).power_w == pytest.approx(power_w, nan_ok=True)


def test_a_power_channel_is_believed_over_the_product():
    """A mains meter knows the phase."""
    mains = setup(channels=("voltage", "current", "power"), interval_s=0.1)
    samples = SampleBlock(
        values=np.array([[230.0, 0.1, 12.0]]),
        device_ns=None,
        flags=np.zeros(1, dtype=np.uint8),
        sent_ns=S,
        received_ns=S,
        completed=1,
    )
    assert add_block(Tally(), samples, mains, math.nan).sum_w == 12.0
