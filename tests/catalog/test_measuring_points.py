"""Where on a bench power is measured, and which meters belong together there."""

from __future__ import annotations

import pytest

from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.measuring_points import measuring_points, point_name
from powerlab.errors import ConfigError

AMMETER = BenchMeter(model="a", resource="r1")
VOLTMETER = BenchMeter(model="v", resource="r2", measures=("voltage",), voltage_sense="board")
BOTH = BenchMeter(model="b", resource="r3", measures=("voltage", "current"))


def bench(*meters: BenchMeter) -> Bench:
    """Get a bench with these meters at the board."""
    return Bench(device="edgeboard", host="h", meter=meters)


def test_one_meter_is_one_point() -> None:
    """A bench as most are is its own only point."""
    assert measuring_points(bench(BOTH)) == (bench(BOTH),)


def test_a_voltmeter_belongs_to_the_ammeter_at_its_place() -> None:
    """Whatever their order, the meter of the current comes first."""
    (point,) = measuring_points(bench(VOLTMETER, AMMETER))
    assert [meter.model for meter in point.meter] == ["a", "v"]


def test_places_are_told_apart_by_boundary_and_rail() -> None:
    """A meter at the wall and two rails are three points, each with its own boundary."""
    wall = BenchMeter(model="w", resource="r4", measures=("power",), boundary="wall")
    rail = BOTH.model_copy(update={"rail": "3V3", "resource": "r5"})
    points = measuring_points(bench(BOTH, wall, rail))
    assert [point.boundary for point in points] == ["board", "wall", "board"]
    assert [point_name(point) for point in points] == ["board", "wall", "3V3"]
    assert all(len(point.meter) == 1 for point in points)


@pytest.mark.parametrize(
    ("meters", "told"),
    [
        ((BOTH, AMMETER), "2 meters read power"),
        ((VOLTMETER,), "no meter reads the current"),
        ((BOTH, VOLTMETER), "read by more than one meter"),
        ((AMMETER, VOLTMETER, VOLTMETER), "read by more than one meter"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(meters: tuple[BenchMeter, ...], told: str) -> None:
    """Nobody guesses which of two meters is meant."""
    with pytest.raises(ConfigError, match=told) as caught:
        measuring_points(bench(*meters))
    assert caught.value.hint
