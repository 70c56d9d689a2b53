"""A whole measurement in virtual time hangs together, and with its truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.testing import assert_allclose

from powerlab.analysis.align import align
from powerlab.analysis.codes import plan_marker
from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.emulation.timetable import Network
from powerlab.emulation.virtual import ORIGIN_NS, Setup, virtual_measurement
from powerlab.emulation.wiring import ErrorLaw
from powerlab.records import Boundary, Capture, SampleFlag, VoltageSense
from powerlab.units import NS_PER_S

MARKER = ["marker", "guard"]
GUARDED = ["guard", "run", "guard"]
CALM: Mapping[str, float] = {"run_to_run": 0.0, "drift_w": 0.0, "noise_w": 0.0, "lag_s": 0.0}


@pytest.fixture(scope="module", params=["dmm", "usb_meter"])
def meter(request: pytest.FixtureRequest) -> InstrumentProfile:
    """Get either kind of meter: with a clock, and polled without one."""
    profile = request.getfixturevalue(request.param)
    assert isinstance(profile, InstrumentProfile)
    return profile


def arrays(capture: Capture) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """Get every array of a capture by name."""
    found = {}
    for part in (capture.trace, capture.exchanges, *capture.phases):
        for item in dataclasses.fields(part):
            value = getattr(part, item.name)
            if isinstance(value, np.ndarray):
                found[f"{type(part).__name__}.{item.name}.{getattr(part, 'kind', '')}"] = value
    return found


def test_a_seed_is_a_measurement(
    device: DeviceProfile, meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """The same seed gives the same record to the last bit, another seed another one."""
    first, truth = virtual_measurement(device, meter, protocol, 21)
    again, same = virtual_measurement(device, meter, protocol, 21)
    other, _ = virtual_measurement(device, meter, protocol, 22)
    assert truth == same
    assert first.wiring == again.wiring
    for name, values in arrays(first).items():
        assert np.array_equal(values, arrays(again)[name], equal_nan=True), name
    assert not np.array_equal(first.exchanges.t2_board_ns, other.exchanges.t2_board_ns)


def test_phases_follow_the_order_of_a_session(
    device: DeviceProfile, meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Idle, a warm-up in parts, guarded runs, idle: none overlaps, passes are in their phase."""
    capture, _ = virtual_measurement(device, meter, protocol, 4)
    warm = [("warm-up", part) for part in range(4)]
    runs = [step for n in range(3) for step in guarded(n)]
    order = [("idle", 0), *warm, ("guard", 0), *runs, ("idle", 1)]
    assert [(phase.kind, phase.index) for phase in capture.phases] == order
    edges = [t for phase in capture.phases for t in (phase.start_board_ns, phase.stop_board_ns)]
    assert np.all(np.diff(edges) > 0)
    for phase in capture.phases:
        done = phase.done_board_ns
        assert done.size == phase.passes
        if phase.kind in ("run", "warm-up"):
            assert phase.start_board_ns < done[0]
            assert done[-1] == phase.stop_board_ns
            assert np.all(np.diff(done) > 0)
            assert phase.passes == (1000 if phase.kind == "run" else 250)


def guarded(run: int) -> list[tuple[str, int]]:
    """Get a run between its guards, which are counted as they come."""
    return [("guard", 2 * run + 1), ("run", run), ("guard", 2 * run + 2)]


def test_markers_are_drawn_before_and_after_the_runs(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """A protocol that asks for markers gets the planned pattern, and the trace shows it."""
    asked = protocol.model_copy(update={"marker_s": 4.0})
    capture, truth = virtual_measurement(device, dmm, asked, 4)
    kinds = [phase.kind for phase in capture.phases if phase.kind != "warm-up"]
    assert kinds == ["idle", "guard", *MARKER, *3 * GUARDED, *MARKER, "idle"]
    plan = plan_marker(0.0204, 0.02, budget_s=4.0, shortest_chip_s=0.003)
    assert plan is not None
    lengths = [length_s for _, length_s in plan.pattern][1:-1]
    for phase in capture.phases:
        if phase.kind == "marker":
            drawn_s = np.diff(phase.done_board_ns) / NS_PER_S
            assert phase.passes == 0
            assert_allclose(drawn_s, lengths, atol=0.0015)
            length_s = (phase.stop_board_ns - phase.start_board_ns) / NS_PER_S
            assert_allclose(length_s, plan.duration_s, rtol=1e-3)
    aligned = align(capture)
    assert [marker.believed for marker in aligned.markers] == [True, True]
    without = virtual_measurement(device, dmm, protocol, 4)[1]
    assert_allclose(truth.energy_per_inference_j, without.energy_per_inference_j, rtol=0.01)


def test_a_meter_too_slow_for_a_marker_gets_none(
    device: DeviceProfile, usb_meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Two readings a second cannot show a marker of four seconds."""
    asked = protocol.model_copy(update={"marker_s": 4.0})
    capture, _ = virtual_measurement(device, usb_meter, asked, 4)
    assert "marker" not in {phase.kind for phase in capture.phases}


def test_guards_are_wide_enough_for_the_meter(
    device: DeviceProfile, usb_meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """A slow meter widens the guards to three of its intervals and its latency's limit."""
    capture, _ = virtual_measurement(device, usb_meter, protocol, 4)
    lengths = [p.stop_board_ns - p.start_board_ns for p in capture.phases if p.kind == "guard"]
    assert_allclose(lengths, 1.6 * NS_PER_S, rtol=1e-4)


def test_exchanges_bracket_the_boards_clock(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Delays are positive both ways, the offset is large, and none falls into a busy phase."""
    capture, _ = virtual_measurement(device, dmm, protocol, 8)
    found = capture.exchanges
    for sent, received in ((found.t1_ns, found.t4_ns), (found.t2_board_ns, found.t3_board_ns)):
        assert np.all(received > sent)
        assert np.all(sent[1:] > received[:-1])
    round_trip = (found.t4_ns - found.t1_ns) - (found.t3_board_ns - found.t2_board_ns)
    assert round_trip.min() > 190_000
    offset = found.t2_board_ns - found.t1_ns
    assert np.all(np.abs(offset - 1_234_500_000_000) < 10_000_000)
    for phase in capture.phases:
        inside = found.t2_board_ns >= phase.start_board_ns
        inside &= found.t3_board_ns <= phase.stop_board_ns
        assert not np.any(inside)


def test_a_slower_and_lopsided_network_is_told(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Delays, asymmetry and the number of exchanges are the network's, offset errors too."""
    network = Network(one_way_s=0.002, asymmetry=0.5, tail_s=1e-4, first_burst=50, burst=9)
    worlds = [
        virtual_measurement(device, dmm, protocol, seed, Setup(network=network))[0].exchanges
        for seed in range(20)
    ]
    assert all(found.t1_ns.size == 2 * 50 + 5 * 9 for found in worlds)
    uneven_s = []
    for found in worlds:
        forth, back = found.t2_board_ns - found.t1_ns, found.t4_ns - found.t3_board_ns
        assert_allclose(np.min(forth + back), 4e6, rtol=0.02)
        first = int(np.argmin((forth + back)[:50]))
        uneven_s.append((forth[first] - back[first]) / 2e9 - 1234.5)
    assert np.max(np.abs(uneven_s)) < 0.0011
    assert np.std(uneven_s) > 0.0003


def test_the_offset_drifts_within_the_clocks_limits(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Over worlds board clocks run fast and slow, by no more than limit and load term."""
    rates = []
    for seed in range(40):
        found = virtual_measurement(device, dmm, protocol, seed)[0].exchanges
        offset = found.t2_board_ns - found.t1_ns
        rates.append(float(np.polyfit(found.t1_ns - ORIGIN_NS, offset, 1)[0]) * 1e6)
    assert np.max(np.abs(rates)) < 44
    assert np.std(rates) > 15


def test_a_meter_with_a_clock_hands_out_everything_it_completed(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Counts never fall, end at the number of samples, and device time is even."""
    trace = virtual_measurement(device, dmm, protocol, 8)[0].trace
    assert trace.device_ns is not None
    assert trace.poll_completed[-1] == trace.values.shape[0] == trace.device_ns.size
    assert np.all(np.diff(trace.poll_completed) >= 0)
    assert np.all(trace.poll_received_ns > trace.poll_sent_ns)
    assert set(np.diff(trace.device_ns).tolist()) <= {20_400_000}
    assert trace.poll_completed[0] <= 3


def test_each_poll_lies_between_the_readings_it_tells_apart(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Reading times rebuilt from counts are consistent with one even clock within a reading."""
    trace = virtual_measurement(device, dmm, protocol, 8)[0].trace
    assert trace.device_ns is not None
    told = trace.poll_completed > 0
    newest = trace.device_ns[trace.poll_completed[told] - 1]
    spread = trace.poll_received_ns[told] - newest
    assert np.ptp(spread) < 1.5 * 20_400_000


def test_a_meter_without_a_clock_gives_one_row_per_poll(
    device: DeviceProfile, usb_meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """There is no device time; a row that is not newer than the one before says so."""
    repeats = 0
    for seed in range(60):
        trace = virtual_measurement(device, usb_meter, protocol, seed)[0].trace
        assert trace.device_ns is None
        assert np.array_equal(trace.poll_completed, np.arange(1, trace.values.shape[0] + 1))
        assert np.all(np.isfinite(trace.values))
        again = np.all(trace.values[1:] == trace.values[:-1], axis=1)
        flagged = (trace.flags[1:] & SampleFlag.REPEATED) > 0
        assert np.all(again[flagged])
        repeats += int(flagged.sum())
    assert repeats > 0


def test_samples_cover_the_measurement(
    device: DeviceProfile, meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Sampling lasts from the first exchange to after the last idle phase."""
    capture, _ = virtual_measurement(device, meter, protocol, 8)
    offset = capture.exchanges.t2_board_ns[0] - capture.exchanges.t1_ns[0]
    last_idle_ns = capture.phases[-1].stop_board_ns - offset
    covered_s = capture.trace.values.shape[0] * meter.sampling.interval_s
    assert covered_s > (last_idle_ns - ORIGIN_NS) / NS_PER_S
    assert capture.trace.poll_sent_ns[0] >= ORIGIN_NS
    lag_s = meter.sampling.latency_s - meter.sampling.latency_limit_s + meter.sampling.aperture_s
    assert capture.trace.poll_sent_ns[-1] > last_idle_ns + lag_s * NS_PER_S


@pytest.mark.parametrize("boundary", [Boundary.BOARD, Boundary.DC])
def test_readings_and_truth_are_of_one_world(
    device: DeviceProfile,
    usb_meter: InstrumentProfile,
    protocol: ProtocolPreset,
    boundary: Boundary,
) -> None:
    """In a calm world power from active readings is the truth's power, at either boundary."""
    steady = protocol.model_copy(update={"run_s": 4.0})
    setup = Setup(boundary=boundary, world=CALM, u_cable_ohm=0.0)
    capture, truth = virtual_measurement(device, usb_meter, steady, 3, setup)
    volts, current = capture.trace.values.T
    busy = current > 0.95 * current.max()
    drop = 0.0 if boundary is Boundary.DC else 0.06
    power = float(np.mean(volts[busy] * current[busy] - drop * current[busy] ** 2))
    board = [p for p in capture.phases if p.kind == "run"]
    length = sum(p.stop_board_ns - p.start_board_ns for p in board) / NS_PER_S
    mean = truth.energy_of_these_runs_j * sum(p.passes for p in board) / length
    assert_allclose(power, mean, rtol=3e-3)


def test_truth_of_the_population_has_no_luck(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """These runs scatter around the population's mean from world to world."""
    pairs = [virtual_measurement(device, dmm, protocol, seed)[1] for seed in range(60)]
    ratio = np.array([p.energy_of_these_runs_j / p.energy_per_inference_j for p in pairs])
    assert abs(ratio.mean() - 1) < 0.0015
    assert 0.0005 < ratio.std() < 0.005


def test_volts_are_read_at_the_board_or_taken_from_the_label(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """A bench states its own reading, one without states the label and its uncertainty."""
    read = virtual_measurement(device, dmm, protocol, 3)[0].wiring
    assert read.supply_voltage_origin == "bench"
    assert read.voltage_sense is VoltageSense.BOARD
    assert read.supply_voltage_v is not None
    assert 4.9 < read.supply_voltage_v < 5.1
    assert 0 < read.u_supply_voltage_v < 0.001
    label, truth = virtual_measurement(
        device, dmm, protocol, 3, Setup(supply_origin="nominal", world=CALM)
    )
    assert label.wiring.supply_voltage_v == 5.1
    assert label.wiring.u_supply_voltage_v == 0.1
    assert_allclose(truth.energy_per_inference_j, 0.006, rtol=0.01)


def test_volts_read_with_the_ammeter_in_the_circuit_lack_its_burden(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """A second meter reads what the board truly gets; the first one out, it reads more."""
    read = [
        virtual_measurement(device, dmm, protocol, 3, Setup(supply_origin=origin))[0].wiring
        for origin in ("bench", "circuit")
    ]
    assert [wiring.supply_voltage_origin for wiring in read] == ["bench", "circuit"]
    bench_v, circuit_v = (wiring.supply_voltage_v for wiring in read)
    assert bench_v is not None
    assert circuit_v is not None
    assert 0 < bench_v - circuit_v < 1.3 * 0.2 / 3


def test_a_supply_that_sags_is_stated_with_its_limits(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """The wiring tells the supply's resistance; the volts read under load have sagged by it."""
    stiff = virtual_measurement(device, dmm, protocol, 3)[0].wiring
    setup = Setup(source_ohm=0.1, u_source_ohm=0.01)
    soft = virtual_measurement(device, dmm, protocol, 3, setup)[0].wiring
    assert (stiff.source_ohm, stiff.u_source_ohm) == (0.0, 0.0)
    assert (soft.source_ohm, soft.u_source_ohm) == (0.1, 0.01)
    assert stiff.supply_voltage_v is not None
    assert soft.supply_voltage_v is not None
    sag_v = stiff.supply_voltage_v - soft.supply_voltage_v
    assert_allclose(sag_v, 0.1 * 6.0 / 4.9, rtol=0.25)


def test_a_meter_that_reads_volts_needs_no_supply_voltage(
    device: DeviceProfile, usb_meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Nothing is stated that the samples tell."""
    wiring = virtual_measurement(device, usb_meter, protocol, 3)[0].wiring
    assert wiring.supply_voltage_v is None
    assert wiring.cable_ohm == 0.06
    assert wiring.u_cable_ohm == 0.02


def test_the_setup_states_limits_and_no_errors(
    device: DeviceProfile, dmm: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """What a driver reports is the same in every world."""
    first, second = (virtual_measurement(device, dmm, protocol, n)[0].trace.setup for n in (1, 2))
    assert first == second
    assert first.channels == ("current",)
    assert first.accuracy[0].full_scale == 3.0
    assert_allclose(first.accuracy[0].gain_limit, 1e-3)
    assert_allclose(first.burden_ohm, 0.5 * 0.2 / 3)
    assert_allclose(first.burden_limit_ohm, 0.5 * 0.2 / 3)


@pytest.mark.parametrize("law", list(ErrorLaw))
def test_worlds_that_break_the_assumptions_run_too(
    device: DeviceProfile, meter: InstrumentProfile, protocol: ProtocolPreset, law: ErrorLaw
) -> None:
    """Every law of errors yields a complete record with finite samples."""
    for seed in range(5):
        trace = virtual_measurement(device, meter, protocol, seed, Setup(law=law))[0].trace
        assert np.all(np.isfinite(trace.values))
        assert not np.any(trace.flags & SampleFlag.OVERRANGE)


def test_everything_is_emulated_and_says_so(
    device: DeviceProfile, meter: InstrumentProfile, protocol: ProtocolPreset
) -> None:
    """Neither meter nor board of a virtual measurement passes for a real one."""
    capture, _ = virtual_measurement(device, meter, protocol, 1)
    assert capture.trace.identity.emulated
    assert capture.trace.identity.serial.startswith("EMULATED")
    assert capture.target.emulated
