"""What disturbs a measurement is told, and nothing is told of an undisturbed one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from powerlab.analysis.align import align
from powerlab.analysis.energies import build_model, evaluate, nominal_inputs
from powerlab.analysis.watch import watch
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.virtual import virtual_measurement
from powerlab.findings import Severity
from powerlab.records import Telemetry
from tests.analysis.factories import BOARD_OFFSET_NS, SECOND, TARGET, capture

MEGA = 1_000_000


def findings(made):
    """Get what is told of a capture, by code."""
    aligned = align(made)
    model = build_model(made, aligned)
    told = watch(made, aligned, model, evaluate(model, nominal_inputs(made)))
    assert all(finding.hint for finding in told)
    return {finding.code: finding for finding in told}


def quiet(*, seed=0, runs=5, noise=0.002, spread=0.002, shape=None, pace=None, **changes):
    """Get a capture of runs of 4 s with noise, a level of each run, and passes of 20 ms.

    ``shape(run, t)`` and ``pace(run, t)`` are relative changes of power and of the latency of
    passes over the part t of a run that has passed.
    """
    rng = np.random.default_rng(seed)
    made = capture(runs=runs, run_s=4.0, **changes)
    stop_s = made.trace.device_ns / SECOND
    values = made.trace.values.copy()
    phases = []
    for phase in made.phases:
        if phase.kind != "run":
            phases.append(phase)
            continue
        start, stop = (
            (instant - BOARD_OFFSET_NS) / SECOND
            for instant in (phase.start_board_ns, phase.stop_board_ns)
        )
        inside = (stop_s > start) & (stop_s <= stop + 0.02)
        level = 1 + spread * rng.normal()
        values[inside, 0] *= level + (
            shape(phase.index, (stop_s[inside] - start) / 4) if shape else 0
        )
        part = np.arange(200) / 200
        took = 1 + 0.002 * rng.normal(size=200) + (pace(phase.index, part) if pace else 0)
        edges = np.cumsum(took * (stop - start) / took.sum())
        done = phase.start_board_ns + np.rint(edges * SECOND).astype(np.int64)
        done[-1] = phase.stop_board_ns
        phases.append(replace(phase, passes=200, done_board_ns=done, cpu_s=3.98))
    values *= 1 + noise * rng.normal(size=values.shape)
    return replace(made, phases=tuple(phases), trace=replace(made.trace, values=values))


def read(made, at_s, **told):
    """Get a reading of the board's telemetry, seconds after the first run's start."""
    start = next(phase for phase in made.phases if phase.kind == "run").start_board_ns
    facts = {
        "temperature_c": 50.0,
        "frequency_hz": 1500.0 * MEGA,
        "load": 1.0,
        "memory_free_bytes": 1e9,
        "governor": "performance",
        "throttled": (),
    }
    return Telemetry(at_board_ns=start + round(at_s * SECOND), **(facts | told))


@pytest.mark.parametrize("meter", ["keithley-dmm6500", "rdtech-um25c"])
def test_nothing_is_told_of_undisturbed_worlds(meter):
    """In virtual measurements hardly a finding is false; what remains is of runs that lie apart."""
    catalog, told = load_catalog(), Counter()
    device, instrument = catalog.device("edgeboard"), catalog.instrument(meter)
    for seed in range(40):
        made, _ = virtual_measurement(device, instrument, catalog.protocol("quick"), seed)
        told.update(findings(made))
    assert told.pop("outlying-run", 0) <= 4
    assert not told


def test_nothing_is_told_without_anything_to_tell_by():
    """Noise-free samples, no processor time and no telemetry: silence."""
    assert findings(capture()) == {}
    assert findings(quiet()) == {}


@pytest.mark.parametrize(("runs", "factor"), [(5, 0.0), (25, 0.0), (5, np.nan), (25, -1.0)])
def test_a_trace_that_shows_no_power(runs, factor):
    """A meter that reads nothing, or backwards, is for others to judge: no error, no drift."""
    made = quiet(runs=runs)
    dead = replace(made, trace=replace(made.trace, values=made.trace.values * factor))
    assert set(findings(dead)) <= {"idle-changed"}


@pytest.mark.parametrize("runs", [5, 25])
def test_runs_that_drift(runs):
    """Power that rises from run to run by 4 % in all is not steady, with few runs or many."""
    told = findings(quiet(runs=runs, shape=lambda run, t: 0.04 * run / (runs - 1) + 0 * t))
    assert told["no-steady-state"].severity is Severity.WARNING
    assert told["no-steady-state"].evidence["power_over_the_runs"] == pytest.approx(0.04, rel=0.2)


def test_runs_that_drift_within_themselves():
    """Each run that falls by 2 % from its start to its end, alike, is not steady."""
    told = findings(quiet(shape=lambda _, t: -0.02 * t))
    assert told["no-steady-state"].evidence["power_within_each_run"] == pytest.approx(
        -0.02, rel=0.1
    )
    assert "power moved by -1.9% within each run" in told["no-steady-state"].message


def test_latency_that_drifts():
    """Passes that get longer within every run are told, too."""
    told = findings(quiet(pace=lambda _, t: 0.03 * t))
    assert told["no-steady-state"].evidence["latency_within_each_run"] == pytest.approx(
        0.03, rel=0.1
    )


def queued(made):
    """Get a capture whose passes answered queries that came evenly over each run."""
    phases = []
    for phase in made.phases:
        if phase.kind == "run":
            begun = np.append(phase.start_board_ns, phase.done_board_ns[:-1])
            length = phase.stop_board_ns - phase.start_board_ns
            due = phase.start_board_ns + length * np.arange(phase.passes) // phase.passes
            phase = replace(  # noqa: PLW2901
                phase, begun_board_ns=begun, due_board_ns=np.minimum(begun, due)
            )
        phases.append(phase)
    return replace(made, phases=tuple(phases))


@pytest.mark.parametrize("pace", [lambda _, t: 0.1 * t, lambda run, t: (run + 1) * (0.1 * t)])
def test_a_queue_of_queries_is_no_drift(pace):
    """Their latency is how long they waited; a drift of power is still told."""
    assert "no-steady-state" in findings(quiet(pace=pace))
    assert "no-steady-state" not in findings(queued(quiet(pace=pace)))
    told = findings(queued(quiet(pace=pace, shape=lambda _, t: -0.02 * t)))["no-steady-state"]
    assert set(told.evidence) == {"power_within_each_run"}


def test_a_burst_of_queries_is_no_throttling():
    """More queue and more power at once is what more queries are."""
    more = {"shape": throttled(2, width=-0.2)["shape"], "pace": throttled(2, width=0.2)["pace"]}
    assert "changed-in-run" in findings(quiet(**more))
    assert "changed-in-run" not in findings(queued(quiet(**more)))


def test_scatter_of_runs_is_no_drift():
    """Runs that scatter by 1 % without a trend are steady in nearly all measurements."""
    told = sum("no-steady-state" in findings(quiet(seed=seed, spread=0.01)) for seed in range(60))
    assert told <= 2


def throttled(run, *, at=0.6, width=0.05):
    """Get a fall of power and a rise of latency in one run, from a part of it on."""
    return {
        "shape": lambda index, t: np.where((index == run) & (t > at), -width, 0.0),
        "pace": lambda index, t: np.where((index == run) & (t > at), width, 0.0),
    }


def test_throttling_within_a_run_is_seen_blindly():
    """Latency and power that step together in the third run name it, without telemetry."""
    told = findings(quiet(**throttled(2)))["changed-in-run"]
    assert told.severity is Severity.WARNING
    assert "in run 3" in told.message
    assert told.evidence["latency_change"] == pytest.approx(0.05, rel=0.1)
    assert told.evidence["power_change"] == pytest.approx(-0.05, rel=0.1)


@pytest.mark.parametrize("which", ["shape", "pace"])
def test_a_step_of_one_alone_is_no_throttling(which):
    """Another program slows the passes, another load takes power: not both at once."""
    disturbed = {which: throttled(2)[which]}
    assert "changed-in-run" not in findings(quiet(**disturbed))


def test_steps_at_different_times_are_no_throttling():
    """Latency early and power late in a run have nothing to do with each other."""
    disturbed = {"shape": throttled(2, at=0.75)["shape"], "pace": throttled(2, at=0.3)["pace"]}
    assert "changed-in-run" not in findings(quiet(**disturbed))


@pytest.mark.parametrize(
    ("at_s", "told"), [(-0.1, False), (5.0, True), (24.6, True), (40.0, False)]
)
def test_throttling_told_by_the_board(at_s, told):
    """Told between the runs or right after the last: not valid. Before or long after: nothing."""
    made = quiet()
    readings = [read(made, -0.2), read(made, at_s, throttled=("under-voltage", "throttled"))]
    readings += [read(made, other) for other in (10.0, 25.0)]
    readings.sort(key=lambda reading: reading.at_board_ns)
    found = findings(replace(made, telemetry=tuple(readings)))
    assert ("throttled" in found) is told
    if told:
        assert found["throttled"].severity is Severity.BLOCKING
        assert "under-voltage, throttled" in found["throttled"].message


@pytest.mark.parametrize(
    ("governor", "rate_hz", "told"),
    [
        ("performance", 1400 * MEGA, True),
        ("performance", 1480 * MEGA, False),
        ("performance", float("nan"), False),
        ("ondemand", 600 * MEGA, False),
        ("", 600 * MEGA, False),
    ],
)
def test_a_clock_rate_that_moves(governor, rate_hz, told):
    """More than 2 % between the runs is told where the governor should hold the rate."""
    made = quiet()
    rates = [1500.0 * MEGA] * 4 + [rate_hz, 1500.0 * MEGA]
    readings = [
        read(made, 5 * place - 0.2, frequency_hz=rate, governor=governor)
        for place, rate in enumerate(rates)
    ]
    found = findings(replace(made, telemetry=tuple(readings)))
    assert ("clock-rate-moved" in found) is told


@pytest.mark.parametrize(("rise_k", "told"), [(lambda s: s / 15, True), (lambda s: s / 120, False)])
def test_a_board_that_warms(rise_k, told):
    """4 K per minute is told, half a kelvin is not."""
    made = quiet()
    readings = [
        read(made, at, temperature_c=50 + round(float(rise_k(at)), 1))
        for at in np.arange(-0.2, 26, 5)
    ]
    found = findings(replace(made, telemetry=tuple(readings)))
    assert ("warming" in found) is told
    if told:
        assert found["warming"].evidence["k_per_min"] == pytest.approx(4, rel=0.1)


def test_one_step_of_a_coarse_sensor_is_no_warming():
    """A sensor of whole degrees that goes from 50 to 51 may have warmed by nearly nothing."""
    made = quiet()
    heat = [50.0, 50.0, 50.0, 51.0, 51.0, 51.0]
    readings = [read(made, 5 * n - 0.2, temperature_c=one) for n, one in enumerate(heat)]
    assert "warming" not in findings(replace(made, telemetry=tuple(readings)))


def with_cpu(made, *cpu_s, runtime="tflite", threads=1):
    """Get a capture whose runs had the given processor times of 4 s each."""
    runs = iter(cpu_s)
    phases = tuple(
        replace(phase, cpu_s=next(runs)) if phase.kind == "run" else phase for phase in made.phases
    )
    return replace(made, phases=phases, target=replace(TARGET, runtime=runtime, threads=threads))


@pytest.mark.parametrize(
    ("cpu_s", "target", "told"),
    [
        ((3.98, 3.97, 3.99, 3.98, 3.96), {}, False),
        ((3.98, 3.97, 3.5, 3.98, 3.96), {}, True),
        ((3.8, 3.8, 3.8, 3.8, 3.8), {}, True),
        ((3.8, 3.8, 3.8, 3.8, 3.8), {"runtime": "tensorrt"}, False),
        ((0.800, 0.805, 0.801, 0.803, 0.8), {"runtime": "tensorrt"}, False),
        ((0.8, 0.8, 0.9, 0.8, 0.8), {"runtime": "tensorrt"}, True),
        ((12.0, 12.1, 12.0, 12.05, 12.0), {"threads": 4}, False),
        ((12.0, 12.1, 11.0, 12.05, 12.0), {"threads": 4}, True),
    ],
)
def test_another_program_on_the_processor(cpu_s, target, told):
    """One thread of a processor's own runtime has it whole; for others only differences count."""
    found = findings(with_cpu(quiet(), *cpu_s, **target))
    assert ("cpu-share" in found) is told


@pytest.mark.parametrize(("factor", "told"), [(1.1, True), (0.9, True), (1.03, False)])
def test_idle_that_changes(factor, told):
    """Idle power after the runs that differs by more than 5 % from that before is told."""
    made = quiet()
    values = made.trace.values.copy()
    after = made.trace.device_ns > made.phases[-1].start_board_ns - BOARD_OFFSET_NS
    values[after] *= factor
    found = findings(replace(made, trace=replace(made.trace, values=values)))
    assert ("idle-changed" in found) is told


@pytest.mark.parametrize("runs", [5, 25])
def test_a_run_that_lies_apart_is_told_and_kept(runs):
    """A run that took 5 % more is named, whether Grubbs or the robust spread finds it."""
    told = findings(quiet(runs=runs, shape=lambda run, t: np.where(run == 3, 0.05, 0.0) + 0 * t))
    assert told["outlying-run"].severity is Severity.INFO
    assert told["outlying-run"].evidence["run"] == 3
    assert told["outlying-run"].evidence["relative"] == pytest.approx(0.05, abs=0.01)
