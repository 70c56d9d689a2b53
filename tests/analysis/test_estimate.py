"""Inputs that measurements share: identities, signs, and the ratios that rest on them."""

import dataclasses
import math

import numpy as np
import pytest

from powerlab.analysis.align import align
from powerlab.analysis.comparison import compare
from powerlab.analysis.energies import build_model
from powerlab.analysis.estimate import estimate
from powerlab.analysis.inputs import alignment_ns
from powerlab.records import LineReading
from tests.analysis.factories import accuracy, capture, setup, wiring


def estimated(recorded):
    """Get the quantities of a capture."""
    return estimate(recorded, align(recorded)).quantities


def bench(*, serial="7", emulated=False, boot="boot", anchor=0, **changes):
    """Get a capture on a bench where everything errs, in one session or another."""
    recorded = capture(
        wiring=wiring(u_supply_voltage_v=0.05, u_cable_ohm=0.05, supply_lag_limit_s=0.002),
        **changes,
    )
    limits = accuracy("current", gain_limit=0.01, offset_limit=0.002)
    values = recorded.trace.values.copy()
    values[:150] *= 1.01  # idle is higher before the runs than after them
    trace = dataclasses.replace(
        recorded.trace,
        values=values,
        setup=setup(accuracy=(limits,), burden_limit_ohm=0.1, burden_ohm=0.1),
        identity=dataclasses.replace(recorded.trace.identity, serial=serial, emulated=emulated),
    )
    timebase = dataclasses.replace(recorded.timebase, boot_id=boot, anchor_ns=anchor)
    return dataclasses.replace(recorded, trace=trace, timebase=timebase)


def shared(first, second):
    """Get the names of the lines whose inputs the net energies of two captures share."""
    one, other = (estimated(each)["energy_per_inference_net"] for each in (first, second))
    return {name for name, _ in compare(one, other).shared}


SESSION = {"supply voltage", "cable drop", "supply lag"}
METER = {"meter current gain", "meter current offset", "burden voltage"}


def test_options_of_one_session_share_the_whole_bench():
    """Same meter, supply, leads, clocks and idle phases: only the runs differ."""
    common = METER | SESSION | {"clock rate", "idle level"}
    assert shared(bench(), bench(active_w=6.0)) >= common


def test_two_sessions_on_one_meter_share_the_meter():
    """Another session, same boot: the meter's errors and the host's crystal are the same."""
    assert shared(bench(), bench(anchor=1)) >= METER | {"clock rate"}
    assert not shared(bench(), bench(anchor=1)) & SESSION


def test_another_meter_boot_or_range_is_another_error():
    """A second serial number, or another range, shares no meter; another boot no clock."""
    assert not shared(bench(), bench(serial="8", boot="other", anchor=1))
    assert not shared(bench(serial=""), bench(serial="", anchor=1)) & METER
    assert shared(bench(serial=""), bench(serial="")) >= METER
    other = bench()
    limits = dataclasses.replace(other.trace.setup.accuracy[0], full_scale=3.0)
    ranged = dataclasses.replace(other.trace.setup, accuracy=(limits,))
    other = dataclasses.replace(other, trace=dataclasses.replace(other.trace, setup=ranged))
    assert not shared(bench(), other) & METER


def test_an_emulated_meter_exists_in_its_own_world_only():
    """Two emulated worlds draw their errors apart, whatever serial number they show."""
    first, second = (bench(emulated=True, boot=boot) for boot in ("one", "two"))
    assert not shared(first, second)
    assert shared(first, bench(emulated=True, boot="one", anchor=1)) >= METER


def test_signs_say_which_way_an_error_moves_a_quantity():
    """A high gain raises energy, a high idle level lowers the net, a fast clock lowers rates."""
    quantities = estimated(bench())

    def sign(name, line):
        return next(item.sign for item in quantities[name].budget if item.name == line)

    assert sign("energy_per_inference", "meter current gain") == 1
    assert sign("performance_per_watt", "meter current gain") == -1
    assert sign("energy_per_inference_net", "idle level") == -1
    assert sign("power_idle", "idle level") == 1
    assert sign("energy_per_inference", "clock rate") == 1
    assert sign("throughput", "clock rate") == -1
    assert sign("latency_p50", "clock rate") == 1


def test_the_gain_cancels_in_the_ratio_of_two_options():
    """1 % of gain limits both energies to 1 %, and their ratio hardly at all."""
    limits = accuracy("current", gain_limit=0.01)
    made = []
    for active_w in (8.0, 6.0):
        recorded = capture(active_w=active_w)
        trace = dataclasses.replace(recorded.trace, setup=setup(accuracy=(limits,)))
        made.append(estimated(dataclasses.replace(recorded, trace=trace))["energy_per_inference"])
    found = compare(*made)
    assert made[0].expanded / made[0].value == pytest.approx(0.01 * 0.95, rel=0.02)
    assert found.interval.value == pytest.approx(8 / 6, rel=1e-6)
    assert found.expanded / found.interval.value < 1e-4


def test_a_believed_trigger_line_takes_the_place_of_the_clocks():
    """Its u alone is that of the samples' instants; one that is not believed changes nothing."""
    recorded = bench()
    aligned = align(recorded)
    doubted = LineReading(math.nan, math.nan, 2, believed=False, reason="too few")
    for line, expected in (
        (LineReading(0.0, 12_000.0, 9, believed=True, reason=""), 12_000.0),
        (doubted, math.hypot(aligned.clock.u_ns, aligned.board_clock.u_offset_ns)),
    ):
        model = build_model(recorded, dataclasses.replace(aligned, line=line))
        assert alignment_ns(model) == expected


def test_latency_percentiles_are_the_smallest_that_enough_passes_do_not_exceed():
    """Of 100 passes the 99th percentile is the 99th latency, not a mean of two."""
    recorded = capture()

    def spread(phase):
        share = np.arange(1, 101, dtype=np.float64)
        done = phase.start_board_ns + np.cumsum(share) / share.sum() * (
            phase.stop_board_ns - phase.start_board_ns
        )
        return dataclasses.replace(phase, done_board_ns=np.rint(done).astype(np.int64))

    phases = tuple(spread(each) if each.kind == "run" else each for each in recorded.phases)
    quantities = estimated(dataclasses.replace(recorded, phases=phases))
    for name, rank in (("latency_p50", 50), ("latency_p90", 90), ("latency_p99", 99)):
        assert quantities[name].value == pytest.approx(rank * 2.0 / 5050, rel=1e-6)
