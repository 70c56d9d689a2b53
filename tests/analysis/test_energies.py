"""The measurement model: the same by sums over windows as by samples, and what it tells of runs."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from powerlab.analysis.align import align
from powerlab.analysis.clocks import clock_at
from powerlab.analysis.electrics import boundary_power
from powerlab.analysis.energies import build_model, evaluate, nominal_inputs, sample_noise
from powerlab.analysis.integrate import PowerTrace, integrate, mean_inside, quadrature
from powerlab.records import Averaging, Boundary, SampleFlag, VoltageSense
from tests.analysis.factories import accuracy, capture, setup, wiring

SECOND = 1_000_000_000


def with_trace(recorded, **changes):
    """Get a capture whose trace has some fields replaced."""
    return dataclasses.replace(recorded, trace=dataclasses.replace(recorded.trace, **changes))


def reading(channels, averaging=Averaging.BOXCAR, **wired):
    """Get a noisy capture of a meter that reads these channels, on a bench with resistances."""
    recorded = capture(
        runs=3, wiring=wiring(cable_ohm=0.1, source_ohm=0.2, supply_lag_limit_s=0.004, **wired)
    )
    rng = np.random.default_rng(5)
    amperes = recorded.trace.values[:, 0] * (
        1 + 0.02 * rng.standard_normal(len(recorded.trace.values))
    )
    known = {
        "current": amperes,
        "voltage": 10 - 0.2 * amperes,
        "power": (10 - 0.2 * amperes) * amperes,
    }
    return with_trace(
        recorded,
        values=np.stack([known[name] for name in channels], axis=1),
        setup=setup(
            channels=channels,
            accuracy=tuple(accuracy(name) for name in channels),
            averaging=averaging,
            burden_ohm=0.3,
        ),
    )


def modelled(recorded):
    """Get the model of a capture and its evaluation at the best estimates."""
    model = build_model(recorded, align(recorded))
    return model, evaluate(model, nominal_inputs(recorded))


def by_samples(model, inputs):
    """Get gross energies, active powers and the idle level with the power of every sample."""
    circuit, names = inputs.circuit, model.capture.trace.setup.channels
    active_a = model.active_current_a
    if "current" in names:
        active_a = active_a * circuit.gain["current"] + circuit.offset["current"]
    setup_, wired = model.capture.trace.setup, model.capture.wiring
    watts = boundary_power(model.readings.values, setup_, wired, circuit, active_a)
    shift, at = round(inputs.sample_shift_ns), model.readings.power
    trace = PowerTrace(at.start_ns + shift, at.stop_ns + shift, watts, at.point_interval_ns)
    levels = [
        mean_inside(trace, idle.start_ns + model.trim_ns, idle.stop_ns - model.trim_ns)[0]
        for idle in model.idles
    ]
    gross, active = [], []
    for run, spans in zip(model.runs, model.timeline.around, strict=True):
        lag_ns = round(model.capture.wiring.supply_lag_limit_s / 2 * SECOND)
        whole = (run.start_ns - model.guard_ns, run.stop_ns + model.guard_ns)
        edges = (run.start_ns + lag_ns, run.stop_ns + lag_ns)
        unclear_ns = model.trim_ns if trace.point_interval_ns else 0
        rule = quadrature(trace, *whole, edges, unclear_ns)
        wide_j = float(np.dot(watts[rule.chosen], rule.weight_ns)) / SECOND
        inside = mean_inside(trace, run.start_ns + model.trim_ns, run.stop_ns - model.trim_ns)[0]
        length_s = sum(stop - start for start, stop in spans) / SECOND
        idle = sum(integrate(trace, *span).energy_j for span in spans) / length_s
        own = wide_j - idle * 2 * model.guard_ns / SECOND
        own -= (inside - idle) * inputs.supply_lag_s
        gross.append(own * inputs.time_scale / run.inferences)
        active.append(inside)
    return gross, active, float(np.mean(levels)) + inputs.idle_shift_w


MODELS = [
    modelled(reading(("current",), supply_voltage_origin="bench"))[0],
    modelled(reading(("current",), supply_voltage_origin="nominal", boundary=Boundary.DC))[0],
    modelled(reading(("voltage", "current"), voltage_sense=VoltageSense.METER))[0],
    modelled(reading(("voltage", "current"), Averaging.POINT, boundary=Boundary.DC))[0],
    modelled(reading(("power",), Averaging.GATED))[0],
]


@settings(deadline=None)
@given(
    st.integers(0, len(MODELS) - 1),
    st.tuples(st.floats(0.9, 1.1), st.floats(-0.01, 0.01)),
    st.tuples(*[st.floats(0, 0.5)] * 3),
    st.tuples(st.floats(0, 0.01), st.floats(-0.1, 0.1), st.floats(0.99, 1.01)),
    st.sampled_from([0.0, 0.3, -123_456.0, 5e6]),
)
def test_sums_over_windows_give_what_samples_give(which, error, ohms, others, shift_ns):
    """Corrections applied to windows and to every sample agree to the last digits."""
    model = MODELS[which]
    nominal = nominal_inputs(model.capture)
    circuit = nominal.circuit
    for name in model.capture.trace.setup.channels:
        circuit = circuit.with_gain(name, error[0]).with_offset(name, error[1])
    burden_ohm, cable_ohm, source_ohm = ohms
    circuit = dataclasses.replace(
        circuit, burden_ohm=burden_ohm, cable_ohm=cable_ohm, source_ohm=source_ohm
    )
    lag_s, idle_shift_w, time_scale = others
    inputs = dataclasses.replace(
        nominal,
        circuit=circuit,
        supply_lag_s=lag_s,
        idle_shift_w=idle_shift_w,
        time_scale=time_scale,
        sample_shift_ns=shift_ns,
    )
    energies = evaluate(model, inputs)
    gross, active, idle = by_samples(model, inputs)
    assert energies.gross_j == pytest.approx(gross, rel=1e-12)
    assert energies.active_w == pytest.approx(active, rel=1e-12)
    assert energies.idle_w == pytest.approx(idle, rel=1e-12)


def test_energy_is_linear_in_the_meters_gain():
    """A meter of power at the board that reads 1 % more gives 1 % more, gross and net."""
    model = MODELS[-1]
    nominal = nominal_inputs(model.capture)
    at_board = dataclasses.replace(nominal.circuit, cable_ohm=0.0)
    nominal = dataclasses.replace(nominal, circuit=at_board)
    once = evaluate(model, nominal)
    moved = dataclasses.replace(nominal, circuit=nominal.circuit.with_gain("power", 1.01))
    more = evaluate(model, moved)
    assert more.gross_j == pytest.approx(1.01 * once.gross_j, rel=1e-12)
    assert more.net_j == pytest.approx(1.01 * once.net_j, rel=1e-12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=20)
@given(st.permutations(range(5)))
def test_the_order_in_which_phases_are_listed_changes_nothing(order):
    """Windows count by their time."""
    recorded = reading(("current",))
    shuffled = tuple(recorded.phases[k] for k in order)
    _, expected = modelled(recorded)
    _, found = modelled(dataclasses.replace(recorded, phases=shuffled))
    assert found.runs == expected.runs
    assert (found.idle_w, found.gap_limit_j) == (expected.idle_w, expected.gap_limit_j)


def test_a_common_shift_of_all_clocks_changes_nothing():
    """Host instants are differences: an hour later everything is the same."""
    recorded = reading(("current",))
    aligned = align(recorded)
    late = 3600 * SECOND
    clock = dataclasses.replace(
        aligned.clock, start_ns=aligned.clock.start_ns + late, stop_ns=aligned.clock.stop_ns + late
    )
    windows = tuple(
        dataclasses.replace(
            item,
            start_ns=item.start_ns + late,
            stop_ns=item.stop_ns + late,
            done_ns=item.done_ns + late,
        )
        for item in aligned.windows
    )
    moved = dataclasses.replace(aligned, clock=clock, windows=windows)
    inputs = nominal_inputs(recorded)
    here = evaluate(build_model(recorded, aligned), inputs)
    there = evaluate(build_model(recorded, moved), inputs)
    assert there.gross_j == pytest.approx(here.gross_j, rel=1e-12)
    assert there.net_j == pytest.approx(here.net_j, rel=1e-12)


def test_idle_follows_the_line_between_the_phases_around_a_run():
    """A third idle phase between the runs is a knot of that line."""
    recorded = capture(runs=2)
    idle = next(phase for phase in recorded.phases if phase.kind == "idle")
    runs = [phase for phase in recorded.phases if phase.kind == "run"]
    pause = runs[0].stop_board_ns + SECOND // 20, runs[1].start_board_ns - SECOND // 20
    knot = dataclasses.replace(idle, index=2, start_board_ns=pause[0], stop_board_ns=pause[1])
    model, energies = modelled(dataclasses.replace(recorded, phases=(*recorded.phases, knot)))
    assert [window.index for window in model.idles] == [0, 2, 1]
    assert energies.gross_j == pytest.approx([0.16, 0.16], rel=1e-6)


def test_the_supplys_resistance_moves_what_was_read_under_load_least():
    """0.5 ohm inside the supply leave the power under load, and raise it at idle by its drop."""
    stiff, soft = (modelled(capture(wiring=wiring(source_ohm=ohm)))[1] for ohm in (0.0, 0.5))
    assert soft.active_w == pytest.approx(stiff.active_w, rel=1e-9)
    assert soft.idle_w == pytest.approx(0.2 * (10 + 0.6 * 0.5), rel=1e-6)


def test_start_up_and_tail_energy_are_told_run_by_run():
    """40 ms of load after one run is that run's tail, 0.24 J, and nobody else's."""
    recorded = capture(runs=3)
    model, before = modelled(recorded)
    stop = model.aligned.clock.stop_ns
    after = model.runs[1].stop_ns
    late = (stop > after + SECOND // 10) & (stop <= after + SECOND // 10 + 41_000_000)
    values = recorded.trace.values.copy()
    values[late] = 0.8
    assert late.sum() == 2
    _, energies = modelled(with_trace(recorded, values=values))
    tails = [run.tail_j for run in energies.runs]
    assert tails == pytest.approx([0, 0.24, 0], abs=1e-3)
    assert [run.tail_j for run in before.runs] == pytest.approx([0, 0, 0], abs=1e-3)


@pytest.mark.parametrize("averaging", [Averaging.BOXCAR, Averaging.POINT])
def test_a_run_cut_off_by_the_end_of_the_trace_is_a_gap(averaging):
    """The last run's second half was not seen, so it may hide the whole step from idle."""
    recorded = with_trace(capture(runs=2, run_s=2.0), setup=setup(averaging=averaging))
    model, whole = modelled(recorded)
    cut = int(np.searchsorted(model.aligned.clock.stop_ns, model.runs[1].start_ns + SECOND))
    flags = recorded.trace.flags.copy()
    flags[cut:] = SampleFlag.LOST
    _, energies = modelled(with_trace(recorded, flags=flags))
    assert whole.gap_limit_j == 0
    assert energies.runs[0].gap_s == 0
    unseen_s = 1.0 + model.guard_ns / SECOND
    assert energies.runs[1].gap_s == pytest.approx(unseen_s, abs=0.05)
    assert energies.gap_limit_j == pytest.approx(6.0 * unseen_s / 200, rel=0.05)


def test_one_lost_sample_inside_a_run_hides_next_to_nothing():
    """A lost poll is not priced with the step from idle to load."""
    recorded = reading(("power",))
    model, _ = modelled(recorded)
    middle = (model.runs[0].start_ns + model.runs[0].stop_ns) // 2
    lost = int(np.searchsorted(model.aligned.clock.stop_ns, middle))
    flags = recorded.trace.flags.copy()
    flags[lost] = SampleFlag.LOST
    _, energies = modelled(with_trace(recorded, flags=flags))
    assert energies.runs[0].gap_s == pytest.approx(0.02, rel=1e-3)
    assert 0 < energies.gap_limit_j < 1e-3 * energies.gross_j.mean()


def test_unusable_samples_count_where_energies_rest_on_them():
    """In a run, its guards and the idle phases; not in between."""
    recorded = capture(runs=2)
    recorded = dataclasses.replace(
        recorded,
        phases=tuple(
            phase for phase in recorded.phases if phase.kind != "idle" or phase.index == 0
        ),
    )
    model, energies = modelled(recorded)
    assert energies.unusable_inside == 0
    stop = model.aligned.clock.stop_ns
    run = model.runs[1]
    unused = run.stop_ns + model.guard_ns + SECOND
    for at, counted in ((run.start_ns + SECOND, 1), (run.stop_ns + 10**8, 1), (unused, 0)):
        flags = recorded.trace.flags.copy()
        flags[np.searchsorted(stop, at)] = SampleFlag.OVERRANGE
        assert modelled(with_trace(recorded, flags=flags))[1].unusable_inside == counted


def test_every_run_tells_how_the_clocks_stood_and_what_its_passes_took():
    """At the middle of each run; passes where ten samples fall on one."""
    slow = capture(runs=2)
    model, energies = modelled(slow)
    for run in energies.runs:
        middle = (run.start_ns + run.stop_ns) // 2
        assert run.clock == clock_at(model.aligned.board_clock, middle)
        assert run.passes is None
    phases = tuple(
        dataclasses.replace(phase, passes=4, done_board_ns=phase.done_board_ns[24::25].copy())
        if phase.kind == "run"
        else phase
        for phase in slow.phases
    )
    _, energies = modelled(dataclasses.replace(slow, phases=phases))
    for run in energies.runs:
        assert run.passes.samples == pytest.approx(25, abs=0.5)
        assert run.passes.median_j == pytest.approx(8.0 * 0.5, rel=1e-3)


def test_the_noise_of_a_runs_samples_is_that_of_its_energy():
    """White noise of s over n samples leaves s / root n of the run's power."""
    model, energies = modelled(reading(("power",)))
    noise = sample_noise(model, energies)
    inside = [
        energies.power.power_w[energies.power.inside(*span)] for span in model.timeline.inside
    ]
    expected = [level.std(ddof=1) / math.sqrt(len(level)) * 2.0 / 100 for level in inside]
    assert noise == pytest.approx(expected, rel=0.5)
