"""A meter seen through its own profile: its errors, its time, its circuit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.metering import VirtualMeter, build_meter
from powerlab.emulation.wiring import ErrorLaw, SupplyPath, build_path, draw_error
from powerlab.emulation.world import Edges, World, build_world
from powerlab.errors import ConfigError
from powerlab.records import Averaging, SampleFlag, VoltageSense
from powerlab.units import NS_PER_S

T0 = 4_000_000_123_456_789
STEADY = {"noise_w": 0.0, "run_to_run": 0.0, "drift_w": 0.0, "lag_s": 0.0}
IDLE = Edges.of([])
BUSY = Edges.of([(T0 - NS_PER_S, 1, -1)])


@pytest.fixture(scope="module")
def world(device: DeviceProfile) -> World:
    """Get a world whose power is constant between edges."""
    return build_world(device, 11, **STEADY)


@pytest.fixture(scope="module")
def path(device: DeviceProfile) -> SupplyPath:
    """Get the circuit of that world."""
    return build_path(device, 11)


def errorless(meter: VirtualMeter) -> VirtualMeter:
    """Get the same meter without gain, offset, noise and steps."""
    channels = tuple(
        dataclasses.replace(
            item,
            gain=0.0,
            offset=0.0,
            range=item.range.model_copy(update={"noise": 0.0, "resolution": 1e-12}),
        )
        for item in meter.channels
    )
    return dataclasses.replace(meter, channels=channels)


def test_a_reading_does_not_depend_on_how_many_are_asked_for(
    dmm: InstrumentProfile, device: DeviceProfile
) -> None:
    """Readings sampled in pieces are the readings sampled at once."""
    noisy = build_world(device, 3)
    meter = build_meter(dmm, noisy, build_path(device, 3), origin_ns=T0)
    edges = Edges.of([(T0 + NS_PER_S, 1, 0), (T0 + 2 * NS_PER_S, 0, 0)])
    whole = meter.sample(edges, 0, 150)
    parts = [meter.sample(edges, first, 50) for first in (0, 50, 100)]
    for name in ("values", "flags", "device_ns", "start_ns", "stop_ns", "available_ns"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(getattr(whole, name), joined), name


def test_current_solves_the_circuit(dmm: InstrumentProfile, world: World, path: SupplyPath) -> None:
    """Source volts times current is the board's power plus what burden and cable burn."""
    meter = errorless(build_meter(dmm, world, path, origin_ns=T0))
    for edges, power in ((IDLE, 2.0), (BUSY, 6.0)):
        current = meter.sample(edges, 0, 3).values[:, 0]
        ohm = meter.path.cable_ohm + meter.path.burden_ohm
        assert_allclose(meter.path.source_v * current - ohm * current**2, power, rtol=1e-9)


def test_without_resistance_current_is_power_over_volts(
    dmm: InstrumentProfile, world: World
) -> None:
    """A bare circuit needs no special case."""
    meter = errorless(build_meter(dmm, world, SupplyPath(5.0, 0.0), origin_ns=T0))
    meter = dataclasses.replace(meter, path=SupplyPath(5.0, 0.0))
    assert_allclose(meter.sample(BUSY, 0, 1).values, 1.2)


def test_a_supply_with_a_resistance_sags(dmm: InstrumentProfile, world: World) -> None:
    """The board still gets its power: at the supply's output volts fall by current times ohms."""
    soft = SupplyPath(5.1, cable_ohm=0.06, source_ohm=0.2)
    meter = errorless(build_meter(dmm, world, soft, origin_ns=T0))
    current = meter.sample(BUSY, 0, 1).values[0, 0]
    board_v = soft.output_v(np.array([current]))[0] - current * (0.06 + meter.path.burden_ohm)
    assert_allclose(board_v * current, 6.0, rtol=1e-9)
    direct = float(soft.current(np.array([6.0]))[0])
    volts, u = build_meter(dmm, world, soft, origin_ns=T0).read_voltage()
    assert abs(volts - (5.1 - 0.26 * direct)) < 4 * u


@pytest.mark.parametrize("sense", list(VoltageSense))
def test_volts_are_those_at_the_tap(
    usb_meter: InstrumentProfile, world: World, path: SupplyPath, sense: VoltageSense
) -> None:
    """At the meter the burden is off the source's volts; at the board the cable's drop too."""
    meter = errorless(build_meter(usb_meter, world, path, origin_ns=T0, sense=sense))
    volts, current = meter.sample(BUSY, 0, 1).values[0]
    if sense is VoltageSense.METER:
        volts -= current * meter.path.cable_ohm
    assert_allclose(volts, 5.1 - current * (meter.path.burden_ohm + meter.path.cable_ohm))
    assert_allclose(volts * current, 6.0, rtol=1e-9)


def test_a_reading_is_the_mean_over_its_aperture(dmm: InstrumentProfile, world: World) -> None:
    """A reading across an edge weighs both levels by their time."""
    meter = errorless(build_meter(dmm, world, SupplyPath(5.0, 0.0), origin_ns=T0))
    meter = dataclasses.replace(meter, path=SupplyPath(5.0, 0.0))
    tenth = meter.sample(IDLE, 10, 1)
    at = int(tenth.start_ns[0] + (tenth.stop_ns[0] - tenth.start_ns[0]) // 4)
    crossed = meter.sample(Edges.of([(at, 1, 0)]), 10, 1).values[0, 0]
    assert_allclose(crossed, (0.25 * 2 + 0.75 * 6) / 5, rtol=1e-6)


def test_a_point_meter_reads_an_instant(
    build_dmm: Callable[..., InstrumentProfile], world: World, path: SupplyPath
) -> None:
    """A point sample has no width and sees the power of its own instant."""
    profile = build_dmm(averaging=Averaging.POINT)
    meter = errorless(build_meter(profile, world, path, origin_ns=T0))
    point = meter.sample(IDLE, 7, 1)
    assert np.array_equal(point.start_ns, point.stop_ns)
    after = meter.sample(Edges.of([(int(point.start_ns[0]) + 1, 1, 0)]), 7, 1)
    at_once = meter.sample(Edges.of([(int(point.start_ns[0]), 1, 0)]), 7, 1)
    assert after.values[0, 0] == point.values[0, 0] < at_once.values[0, 0]


def test_a_counter_tells_the_mean_between_its_readings(
    build_dmm: Callable[..., InstrumentProfile], world: World, path: SupplyPath
) -> None:
    """What a meter accumulated from one reading to the next is a mean over that stretch."""
    counter = build_meter(build_dmm(averaging="counter"), world, path, origin_ns=T0)
    boxcar = build_meter(build_dmm(averaging="boxcar"), world, path, origin_ns=T0)
    readings = counter.sample(IDLE, 7, 3)
    assert np.array_equal(readings.values, boxcar.sample(IDLE, 7, 3).values)


def test_the_errors_of_a_meter_fill_their_limits(
    dmm: InstrumentProfile, device: DeviceProfile
) -> None:
    """Over worlds gain, offset, rate, latency and burden are uniform within ± limit."""
    drawn = []
    for seed in range(400):
        made = build_meter(dmm, build_world(device, seed), build_path(device, seed), origin_ns=T0)
        channel = made.channels[0]
        burden = made.path.burden_ohm / channel.range.burden_limit_ohm
        drawn.append(
            (
                channel.gain / 1e-3,
                channel.offset / channel.range.offset_limit,
                made.rate_ppm / 100,
                (made.latency_ns / NS_PER_S - 0.01) / 0.005,
                (burden - 0.5) / 0.5,
            )
        )
    columns = np.array(drawn)
    assert np.all(np.abs(columns) <= 1 + 1e-6)
    assert_allclose(columns.std(axis=0), 1 / np.sqrt(3), rtol=0.1)
    assert np.all(np.abs(columns.mean(axis=0)) < 0.1)
    off_diagonal = np.corrcoef(columns.T) - np.eye(5)
    assert np.all(np.abs(off_diagonal) < 0.2)


def test_errors_belong_to_serial_and_range(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """The same meter errs the same; another unit, or another range of it, does not."""

    def gain(serial: str, full_scale: float) -> float:
        made = build_meter(
            dmm, world, path, origin_ns=T0, serial=serial, full_scales={"current": full_scale}
        )
        return made.channels[0].gain

    assert gain("A", 3.0) == gain("A", 3.0)
    assert len({gain("A", 3.0), gain("B", 3.0), gain("A", 1.0)}) == 3


def test_readings_scatter_and_step_as_the_profile_says(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """Readings of a constant load lie on the resolution's grid with the noise's spread."""
    values = build_meter(dmm, world, path, origin_ns=T0).sample(IDLE, 0, 4000).values[:, 0]
    assert_allclose(values / 1e-6, np.rint(values / 1e-6), atol=1e-6)
    assert abs(values.std() / 1e-5 - 1) < 0.05


def test_beyond_the_range_a_reading_is_flagged_and_has_no_value(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """Active current above 1.2 times full scale is OVERRANGE and NaN, idle current is good."""
    small = dmm.model_copy(
        update={"range": (dmm.range[0].model_copy(update={"full_scale": 0.9}), *dmm.range[1:])}
    )
    scales = {"current": 0.9}
    meter = build_meter(small, world, path, origin_ns=T0, full_scales=scales)
    over, good = meter.sample(BUSY, 0, 4), meter.sample(IDLE, 0, 4)
    assert np.all(over.flags == SampleFlag.OVERRANGE)
    assert np.all(np.isnan(over.values))
    assert np.all(good.flags == SampleFlag.GOOD)
    assert np.all(np.isfinite(good.values))


def test_a_meter_counts_time_on_its_own_clock(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """Device time advances by the nominal interval while true intervals show the rate error."""
    meter = build_meter(dmm, world, path, origin_ns=T0)
    readings = meter.sample(IDLE, 0, 10_001)
    assert T0 <= readings.start_ns[0] < T0 + meter.interval_ns
    assert readings.device_ns[0] == 0
    assert readings.device_ns[-1] == 204_000_000_000
    span = int(readings.start_ns[-1] - readings.start_ns[0])
    assert_allclose(204_000_000_000 / span - 1, meter.rate_ppm * 1e-6, atol=1e-10)
    assert np.all(readings.available_ns - readings.stop_ns == meter.latency_ns)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(offsets=st.lists(st.integers(-(10**9), 10**11), min_size=1, max_size=20))
def test_completed_counts_what_is_available(
    offsets: list[int], dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """At any instant the last completed reading is available and the next one is not."""
    meter = build_meter(dmm, world, path, origin_ns=T0)
    at = T0 + np.array(offsets, dtype=np.int64)
    count = meter.completed(at)
    assert np.all(count >= 0)
    assert np.all((count == 0) | (meter.available_ns(count - 1) <= at))
    assert np.all(meter.available_ns(count) > at)


def test_completed_is_exact_at_a_readings_very_instant(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """A reading counts from its own nanosecond on, for arrays and for single instants."""
    meter = build_meter(dmm, world, path, origin_ns=T0)
    index = np.arange(0, 3_000_000, 997)
    due = meter.available_ns(index)
    assert np.array_equal(meter.completed(due), index + 1)
    assert np.array_equal(meter.completed(due - 1), index)
    assert int(meter.completed(np.array(due[5]))) == index[5] + 1


def test_the_smallest_range_that_carries_the_load_is_taken(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """6 W from 5.1 V with half as much again needs the 3 A range."""
    assert build_meter(dmm, world, path, origin_ns=T0).channels[0].range.full_scale == 3.0


@pytest.mark.parametrize(("scales", "text"), [({"current": 7.0}, "7"), ({}, "for 177")])
def test_a_range_that_does_not_exist_names_those_that_do(
    dmm: InstrumentProfile, world: World, scales: dict[str, float], text: str
) -> None:
    """No such range, or none large enough, is said with the ranges there are."""
    weak = SupplyPath(5.1 if scales else 0.0509, 0.0)
    with pytest.raises(ConfigError, match=text) as caught:
        build_meter(dmm, world, weak, origin_ns=T0, full_scales=scales)
    assert "1, 3" in caught.value.hint


def test_a_supply_that_cannot_carry_the_board_is_an_error(
    dmm: InstrumentProfile, world: World
) -> None:
    """Beyond the power that a resistance lets through there is no current to report."""
    meter = build_meter(dmm, world, SupplyPath(5.1, 2.0), origin_ns=T0)
    with pytest.raises(ConfigError, match="cannot carry"):
        meter.sample(BUSY, 0, 1)


def test_volts_are_read_once_at_the_board_without_the_burden(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """The reading is the board's voltage under load within its own stated uncertainty."""
    meter = build_meter(dmm, world, path, origin_ns=T0)
    value, u = meter.read_voltage()
    direct = path.through(0.0)
    true = path.source_v - float(direct.current(np.array([6.0]))[0]) * path.cable_ohm
    assert abs(value - true) < 4 * u
    limit = 1e-4 * value + 2e-5 * 10
    assert limit / 3 < u < limit
    assert meter.read_voltage(2.0)[0] > value


def test_a_meter_on_its_voltage_function_burdens_nothing(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """Only volts: the meter lies across the board and its shunt is out of the path."""
    meter = build_meter(
        dmm, world, path, origin_ns=T0, channels=("voltage",), sense=VoltageSense.BOARD
    )
    assert meter.path.burden_ohm == 0
    assert_allclose(meter.sample(BUSY, 0, 1).values[0, 0], meter.read_voltage()[0], atol=1e-4)


def test_a_meter_without_a_voltage_range_cannot_read_volts(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """The error says where to state the volts instead."""
    bare = dmm.model_copy(update={"range": dmm.range[:2]})
    with pytest.raises(ConfigError) as caught:
        build_meter(bare, world, path, origin_ns=T0).read_voltage()
    assert "[supply]" in caught.value.hint


def test_the_cable_lies_within_what_the_bench_states(device: DeviceProfile) -> None:
    """True cables are rectangular around the stated one with the stated standard uncertainty."""
    drawn = np.array([build_path(device, seed).cable_ohm for seed in range(500)])
    assert np.all(np.abs(drawn - 0.06) <= 0.02 * np.sqrt(3))
    assert abs(drawn.std() / 0.02 - 1) < 0.1


def test_the_supplys_resistance_lies_within_what_the_bench_states(device: DeviceProfile) -> None:
    """True source resistances are rectangular around the stated one; none is stated, none is."""
    drawn = np.array(
        [
            build_path(device, seed, source_ohm=0.1, u_source_ohm=0.05).source_ohm
            for seed in range(500)
        ]
    )
    assert np.all(np.abs(drawn - 0.1) <= 0.05 * np.sqrt(3))
    assert abs(drawn.std() / 0.05 - 1) < 0.1
    assert build_path(device, 1).source_ohm == 0


@pytest.mark.parametrize(
    ("law", "spread", "most"),
    [
        (ErrorLaw.UNIFORM, 1 / np.sqrt(3), 1),
        (ErrorLaw.LIMIT, 1, 1),
        (ErrorLaw.ARCSINE, 1 / np.sqrt(2), 1),
        (ErrorLaw.NORMAL, 0.5, 3),
        (ErrorLaw.OUTSIDE, 2, 2),
    ],
)
def test_each_law_has_its_spread(law: ErrorLaw, spread: float, most: float) -> None:
    """Fractions of the limit have the law's standard deviation and greatest size."""
    drawn = np.array([draw_error(seed, "x", law) for seed in range(2000)])
    assert abs(drawn.std() / spread - 1) < 0.05
    assert np.max(np.abs(drawn)) <= most
    assert abs(drawn.mean()) < 0.1 * spread


LINED = {"channels": ("current", "line"), "line_inputs": ("D0",)}


def test_a_line_is_the_part_of_each_aperture_that_was_busy(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """Exact to a nanosecond of the aperture, in a last column without noise or limit."""
    meter = build_meter(dmm.model_copy(update=LINED), world, path, origin_ns=T0)
    fifth = meter.sample(IDLE, 5, 1)
    start, width = int(fifth.start_ns[0]), int(fifth.stop_ns[0] - fifth.start_ns[0])
    rises, falls = start + width // 4, int(meter.sample(IDLE, 7, 1).start_ns[0]) + width // 2
    line = meter.sample(Edges.of([(rises, 1, 0), (falls, 0, 0)]), 4, 5).values[:, -1]
    assert_allclose(line, [0, 0.75, 1, 0.5, 0], atol=2 / width)
    assert [item.quantity for item in meter.accuracy] == ["current", "line"]
    assert (meter.accuracy[1].gain_limit, meter.accuracy[1].offset_limit) == (0, 0)


def test_a_point_meter_reads_the_lines_level(
    build_dmm: Callable[..., InstrumentProfile], world: World, path: SupplyPath
) -> None:
    """At an edge's own instant the new level is read."""
    profile = build_dmm(averaging=Averaging.POINT).model_copy(update=LINED)
    meter = build_meter(profile, world, path, origin_ns=T0)
    at = int(meter.sample(IDLE, 3, 1).start_ns[0])
    for rises, level in ((at, 1), (at + 1, 0)):
        line = meter.sample(Edges.of([(rises, 1, 0)]), 2, 3).values[:, -1]
        assert line.tolist() == [0, level, 1]


def test_a_meter_without_a_line_has_no_column_for_it(
    dmm: InstrumentProfile, world: World, path: SupplyPath
) -> None:
    """The line appears only where the profile, or the caller, names it."""
    assert build_meter(dmm, world, path, origin_ns=T0).sample(BUSY, 0, 2).values.shape == (2, 1)
    asked = build_meter(dmm, world, path, origin_ns=T0, channels=("current", "line"))
    assert asked.sample(BUSY, 0, 2).values[:, 1].tolist() == [1, 1]
