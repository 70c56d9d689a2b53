"""Which levels a calibration visits, what it leaves out and why, and how long it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from powerlab.analysis.calibration.plan import (
    HAND_S,
    CalibrationPlan,
    MeterAbility,
    RangeAbility,
    SourceAbility,
    plan_calibration,
)
from powerlab.errors import ConfigError
from powerlab.records.calibration import Direction

TESTER = MeterAbility(
    "tester",
    (RangeAbility("current", 5.0, 5.0), RangeAbility("voltage", 24.0, 24.0)),
    interval_s=0.5,
    delay_s=1.0,
)
MULTIMETER = MeterAbility(
    "multimeter",
    (
        RangeAbility("current", 1.0, 1.2),
        RangeAbility("current", 3.0, 3.03),
        RangeAbility("current", 10.0, 10.1),
        RangeAbility("voltage", 10.0, 12.0),
        RangeAbility("voltage", 100.0, 120.0),
    ),
    interval_s=0.02,
    delay_s=0.05,
)
LOAD = SourceAbility("current", 0.02, 40.0, "no less than 20 mA", "the load draws no more", 0.02)
SUPPLY = SourceAbility("voltage", 0.1, 32.0, "no less than 0.1 V", "it delivers no more", 0.02)


def plan(quantity="current", *, source=None, meter=TESTER, references=(MULTIMETER,), **changes):
    """Plan one quantity."""
    usual = {"current": LOAD, "voltage": SUPPLY}[quantity]
    return plan_calibration(
        meter,
        references,
        {quantity: source or usual},
        **{"quantities": (quantity,), "readings": 10, **changes},
    )


def levels(made: CalibrationPlan, direction: Direction) -> list[float]:
    """Get the levels of the only leg that are come to from one side."""
    (leg,) = made.legs
    return [step.nominal for step in leg.steps if step.direction is direction]


def test_a_range_is_walked_up_and_down_between_two_zeros():
    """At 10, 30, 50, 70 and 90 % without a word; the highest level is taken once."""
    made = plan()
    assert levels(made, Direction.UP) == [0.0, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert levels(made, Direction.DOWN) == [3.5, 2.5, 1.5, 0.5, 0.0]
    assert made.points == 11
    assert made.left_out == ()


def test_the_smallest_range_of_the_reference_that_carries_the_top_is_taken():
    """All points of a range are read against one range, else they would not share its error."""
    assert plan().legs[0].reference_full_scale == 10.0
    assert plan(fractions=(0.1, 0.3, 0.5)).legs[0].reference_full_scale == 3.0


def test_levels_beyond_reach_are_left_out_and_the_end_of_reach_is_taken_instead():
    """The plan names the levels and what ends the reach, with room for what comes out larger."""
    weak = replace(LOAD, high=3.0, high_reason="the supply delivers no more")
    made = plan(source=weak)
    assert levels(made, Direction.UP) == [0.0, 0.5, 1.5, 2.5, 2.9]
    assert made.left_out == (
        "current range 5 A: no 3.5, 4.5 A: the supply delivers no more, 2.9 A is taken instead",
    )
    assert made.legs[0].reference_full_scale == 3.0


def test_a_reference_that_ends_early_ends_the_levels():
    """What no range of it carries is not asked of the load."""
    small = replace(MULTIMETER, ranges=MULTIMETER.ranges[:2])
    made = plan(references=(small,))
    assert max(levels(made, Direction.UP)) == 2.9
    assert "multimeter reads no more" in made.left_out[0]


def test_levels_that_cannot_be_set_so_low_are_left_out():
    """A range below what the source sets has no leg at all, and the plan says so."""
    coarse = replace(LOAD, low=0.6)
    assert levels(plan(source=coarse), Direction.UP) == [0.0, 1.5, 2.5, 3.5, 4.5]
    milli = replace(MULTIMETER, ranges=(RangeAbility("current", 0.01, 0.012),))
    with pytest.raises(ConfigError, match="no less than 20 mA"):
        plan(meter=milli)


def test_volts_that_nothing_sets_are_one_level_taken_again_and_again():
    """Only repetition tells then how well it repeats; there is no zero."""
    told = "it gives 5.12 V"
    fixed = SourceAbility("voltage", 5.12, 5.12, told, told, 0.0, zero=False)
    made = plan("voltage", source=fixed)
    assert levels(made, Direction.UP) == [5.12] * 4
    assert levels(made, Direction.DOWN) == []
    assert made.legs[0].reference_full_scale == 10.0


def test_a_meter_that_lives_on_the_volts_is_never_left_without():
    """No zero, and nothing below what it works from."""
    alive = replace(SUPPLY, low=4.5, low_reason="the meter works from 4.5 V on", zero=False)
    made = plan("voltage", source=alive)
    assert min(levels(made, Direction.UP)) == 7.2
    assert made.left_out == ("voltage range 24 V: no 2.4 V: the meter works from 4.5 V on",)


def test_of_two_references_each_has_its_quantity():
    """The first reads amperes and the last volts, so neither has to be wired anew."""
    made = plan_calibration(
        TESTER,
        (MULTIMETER, MULTIMETER),
        {"current": LOAD, "voltage": SUPPLY},
        quantities=("voltage", "current"),
        readings=10,
    )
    assert [(leg.quantity, leg.reference) for leg in made.legs] == [("voltage", 1), ("current", 0)]


def test_every_range_of_a_meter_is_a_leg_unless_some_are_named():
    """Ranges err on their own."""
    made = plan(meter=MULTIMETER)
    assert [leg.full_scale for leg in made.legs] == [1.0, 3.0, 10.0]
    assert [leg.full_scale for leg in plan(meter=MULTIMETER, only=(3.0,)).legs] == [3.0]


def test_nothing_to_calibrate_is_an_error_with_every_reason():
    """Who reads it knows what is missing."""
    with pytest.raises(ConfigError) as caught:
        plan_calibration(
            replace(TESTER, ranges=TESTER.ranges[:1]),
            (replace(MULTIMETER, ranges=MULTIMETER.ranges[3:]),),
            {"current": LOAD},
            quantities=("voltage", "current"),
            readings=10,
        )
    assert "voltage: tester does not read it" in str(caught.value)
    assert "no reference reads current" in str(caught.value)
    assert caught.value.hint


def test_the_predicted_time_counts_readings_of_the_slower_meter_and_hands():
    """Ten readings at two a second are 5 s a point; a person takes longer."""
    made = plan()
    assert 11 * 5 < made.predicted_s < 11 * 10
    assert plan(readings=20).predicted_s - made.predicted_s == pytest.approx(11 * 5)
    by_hand = plan(source=replace(LOAD, by_hand=True))
    assert by_hand.predicted_s - made.predicted_s == pytest.approx(11 * HAND_S)
