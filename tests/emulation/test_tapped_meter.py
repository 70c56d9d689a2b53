"""A meter in the loop of a calibration: the same unit as on a board, at its place in the loop."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from numpy.testing import assert_allclose

from powerlab.emulation.circuit import Circuit, History
from powerlab.emulation.metering import build_meter
from powerlab.emulation.process import emulated_serial
from powerlab.emulation.tapped_meter import Unit, build_tapped_meter
from powerlab.emulation.wiring import build_path
from powerlab.emulation.world import build_world
from powerlab.errors import ConfigError
from powerlab.records import SampleFlag

S = 1_000_000_000
T0 = 9_000 * S
CIRCUIT = Circuit(
    seed=7,
    source_v=5.0,
    loop_ohm=0.4,
    on_ohm=0.1,
    settle_s=0.01,
    drift=0.0,
    drift_time_s=10.0,
    noise=0.0,
    source_settle_s=0.0,
)
HISTORY = History.of([(T0 + S, 2.0, inf)], first_v=5.0)


def build(profile, unit: Unit, *channels: str, expected_a: float = 2.5):
    """Build a meter behind 0.3 ohm of the loop."""
    return build_tapped_meter(
        profile,
        unit,
        CIRCUIT,
        0.3,
        origin_ns=T0,
        channels=channels,
        expected={"current": expected_a, "voltage": 6.0},
    )


def test_it_is_the_unit_of_the_measurements(dmm, device) -> None:
    """The same seed and serial number err alike in a calibration and on a board's bench."""
    serial = emulated_serial(7)
    on_board = build_meter(
        dmm,
        build_world(device, 7),
        build_path(device, 7),
        origin_ns=T0,
        serial=serial,
        full_scales={"current": 3.0},
    )
    in_loop = build(dmm, Unit(7, serial), "current")
    assert in_loop.channels == on_board.channels
    assert in_loop.clock == on_board.clock


def test_it_reads_amperes_of_the_loop_and_volts_at_its_tap(usb_meter) -> None:
    """2 A of 5 V behind 0.3 ohm: 4.4 V, within the limits of the model; nothing before."""
    meter = build(usb_meter, Unit(7, "unit"), "voltage", "current")
    early = meter.sample(HISTORY, 0, 1)
    assert abs(early.values[0, 1]) < 2e-3
    late = meter.sample(HISTORY, 6, 4)
    assert_allclose(late.values, [[4.4, 2.0]] * 4, rtol=4e-3)
    assert not late.flags.any()
    assert np.all(np.diff(late.available_ns) > 0)


def test_readings_do_not_depend_on_how_many_are_asked_for(dmm) -> None:
    """Sampled in pieces they are what they are at once."""
    meter = build(dmm, Unit(7, "unit"), "current")
    at_once = meter.sample(HISTORY, 40, 30).values
    pieces = [meter.sample(HISTORY, first, 10).values for first in (40, 50, 60)]
    assert np.array_equal(at_once, np.concatenate(pieces))


def test_too_small_a_range_overflows(dmm) -> None:
    """A range that was fixed for less is over its end, and says so."""
    readings = build(dmm, Unit(7, "unit"), "current", expected_a=0.5).sample(HISTORY, 100, 3)
    assert np.isnan(readings.values).all()
    assert set(readings.flags) == {SampleFlag.OVERRANGE}


def test_no_range(dmm) -> None:
    """What cannot be emulated is told in words."""
    with pytest.raises(ConfigError, match="no current range"):
        build(dmm, Unit(7, "unit"), "current", expected_a=50.0)


def test_a_burden_is_that_of_the_usual_range(dmm) -> None:
    """Drawn once for a unit, between nothing and the limit of the range for 1 A."""
    drawn = [Unit(seed, "unit").burden_ohm(dmm) for seed in range(50)]
    assert 0 <= min(drawn) < 0.05
    assert 0.15 < max(drawn) <= 0.2
    volts_only = dmm.model_copy(update={"range": dmm.ranges("voltage")})
    assert Unit(3, "unit").burden_ohm(volts_only) == 0.0
