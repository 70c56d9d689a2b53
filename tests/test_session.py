"""The whole path for real: ssh, agent, inference, meter protocol, clocks, energy, truth."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from powerlab import session, station
from powerlab.catalog.bench_profile import Bench, BenchMeter
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.bench import emulated_bench
from powerlab.errors import ConfigError, InstrumentError, TargetError
from powerlab.job import Job, labels
from powerlab.records import Evidence, Phase, SampleBlock, Telemetry
from powerlab.session import finish, measure
from powerlab.store.calibrations import CalibrationStore

BRIEF = {"idle_s": 1.5, "warm_up_limit_s": 0.6, "runs": 3, "run_s": 1.2, "marker_s": 0.0}
UNHURRIED = {**BRIEF, "idle_s": 3.0, "warm_up_limit_s": 2.0, "runs": 3, "run_s": 7.0}


class Recorder:
    """A sink that keeps what reaches it."""

    def __init__(self):
        self.blocks = []
        self.volts = []
        self.events = []

    def block(self, block: SampleBlock) -> None:
        """Keep a block."""
        self.blocks.append(block)

    def voltmeter_block(self, block: SampleBlock) -> None:
        """Keep a block of the second meter."""
        self.volts.append(block)

    def event(self, kind: str, payload: object) -> None:
        """Keep an event."""
        self.events.append((kind, payload))


def run_all(
    options,
    *,
    seed=1,
    meter="keithley-dmm6500",
    voltmeter=None,
    faults=(),
    protocol=BRIEF,
    sinks=None,
    **changes,
):
    """Measure options (runtime, batch) of an emulated EdgeBoard in one session."""
    catalog = load_catalog()
    runtimes = sorted({runtime for runtime, _ in options})
    with emulated_bench(
        catalog,
        "edgeboard",
        meter,
        voltmeter_id=voltmeter,
        seed=seed,
        faults=faults,
        runtimes=runtimes,
    ) as emulated:
        jobs = [
            Job(
                run=f"run {label}",
                bench_name="emulated",
                bench=emulated.bench,
                device=catalog.device("edgeboard"),
                instrument=catalog.instrument(meter),
                voltmeter=None if voltmeter is None else catalog.instrument(voltmeter),
                workload=catalog.workload("seed-cnn"),
                protocol=catalog.protocol("quick").model_copy(update=protocol),
                runtime=runtime,
                batch=batch,
                threads=1,
                label=label,
                slot=slot,
                **changes,
            )
            for slot, ((runtime, batch), label) in enumerate(
                zip(options, labels(options), strict=True)
            )
        ]
        captures = measure(
            jobs,
            sinks=sinks or [Recorder() for _ in jobs],
            progress=lambda _: None,
            calibrations=CalibrationStore(Path("no lab")),
        )
        return [
            finish(job, capture, emulated.truth)
            for job, capture in zip(jobs, captures, strict=True)
        ]


def run(*, runtime="tflite", sink=None, **changes):
    """Measure one option and get what came of it."""
    (finished,) = run_all([(runtime, 1)], sinks=[sink or Recorder()], **changes)
    return finished


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path, monkeypatch):
    """Keep what other tests leave for a moment out of sight."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def leftovers():
    """Get what emulated benches and agents have left in the temporary directory."""
    return [path.name for path in Path(tempfile.gettempdir()).glob("powerlab-*")]


@pytest.mark.parametrize("seed", [3, pytest.param(20261121, marks=pytest.mark.slow)])
def test_multimeter_bench_states_an_interval_that_holds_the_truth(seed):
    """Over TCP and ssh, the stated energy lies within 3 u of what the world spent."""
    result = run(seed=seed).result
    energy = result.quantities["energy_of_these_runs"]
    assert abs(energy.value - result.truth.energy_of_these_runs_j) <= 3 * energy.u
    assert result.evidence is Evidence.EMULATED
    assert result.valid
    assert result.meter.lost == 0
    assert len(result.runs) == BRIEF["runs"]
    assert result.sync.u_offset_ns < 5e6


def test_volts_of_a_second_meter_take_the_burden_out_of_the_budget():
    """An ammeter and a voltmeter, both read all along, tell the power of every sample."""
    sink = Recorder()
    result = run(voltmeter="siglent-sdm3065x", sink=sink).result
    energy = result.quantities["energy_of_these_runs"]
    assert abs(energy.value - result.truth.energy_of_these_runs_j) <= 3 * energy.u
    names = {line.name for line in energy.budget}
    assert "volts joined" in names
    assert not names & {"burden voltage", "supply voltage"}
    assert "volts-joined" in {finding.code for finding in result.findings}
    assert sink.volts


@pytest.mark.slow
def test_usb_meter_bench_states_an_interval_that_holds_the_truth():
    """Over a PTY at two readings a second, longer runs give an honest interval."""
    result = run(meter="rdtech-um25c", protocol=UNHURRIED).result
    energy = result.quantities["energy_of_these_runs"]
    assert abs(energy.value - result.truth.energy_of_these_runs_j) <= 3 * energy.u
    assert result.valid


def test_everything_reaches_the_sink_as_it_happens():
    """Identity, target, every phase and every sample are recorded, not only returned."""
    sink = Recorder()
    finished = run(sink=sink)
    kinds = [kind for kind, _ in sink.events]
    first = ["timebase", "meter", "wiring", "calibrations", "board", "target", "batch"]
    assert kinds[:7] == first
    assert kinds.count("phase") == len(finished.capture.phases)
    assert all(isinstance(item, Phase) for kind, item in sink.events if kind == "phase")
    assert kinds.count("telemetry") == len(finished.capture.telemetry) > 2
    assert all(isinstance(item, Telemetry) for item in finished.capture.telemetry)
    assert sum(len(block.values) for block in sink.blocks) == len(finished.capture.trace.values)
    # Emulated speed is this computer's: nothing is kept to judge it by.
    assert (finished.capture.work, finished.capture.roofs) == (None, None)


@pytest.mark.slow
def test_markers_show_the_load_where_the_clocks_put_it():
    """Two patterns drawn by the board are found in the trace, within latency and lag."""
    finished = run(protocol={**BRIEF, "marker_s": 4.0})
    markers = finished.aligned.markers
    assert [marker.believed for marker in markers] == [True, True]
    assert abs(finished.result.sync.marker_residual_ns) < 12_000_000
    assert max(marker.u_delay_ns for marker in markers) < 100_000
    assert finished.result.valid


def test_openvino_runs_the_same_workload():
    """The second runtime loads the IR and is named in the facts."""
    finished = run(runtime="openvino")
    assert finished.capture.target.runtime_module == "openvino"
    assert finished.result.valid


def test_an_unplugged_meter_ends_the_measurement_and_keeps_the_samples():
    """A meter that vanishes is an instrument error; what came before is in the sink."""
    sink = Recorder()
    with pytest.raises(InstrumentError) as caught:
        run(faults=("unplug@1s",), sink=sink)
    assert caught.value.exit_code == 4
    assert sum(len(block.values) for block in sink.blocks) > 0


def test_a_crashed_agent_is_a_target_error_and_leaves_nothing():
    """The board's side dies in mid-run: a clear error, no process and no file left."""
    with pytest.raises(TargetError) as caught:
        run(faults=("agent-crash@1s",))
    assert caught.value.exit_code == 5
    assert leftovers() == []


@pytest.mark.slow
def test_a_late_reply_never_shifts_the_samples():
    """After a reply past the time-out the samples still fit their runs."""
    result = run(faults=("late-reply@1s",), seed=5).result
    energy = result.quantities["energy_of_these_runs"]
    assert abs(energy.value - result.truth.energy_of_these_runs_j) <= 3 * energy.u


@pytest.mark.slow
def test_a_stepped_board_clock_makes_the_result_not_valid():
    """A clock step is found, whatever the energies look like."""
    result = run(faults=("clock-step@2s",)).result
    assert "clock-step" in {finding.code for finding in result.findings}
    assert not result.valid


def test_options_of_one_session_each_state_an_interval_that_holds_their_own_truth():
    """Two runtimes in one agent, in one trace: each has its own runs, result and truth."""
    options = [("tflite", 1), ("openvino", 2)]
    one, two = run_all(options, seed=11, protocol={**BRIEF, "runs": 2})
    assert one.capture.trace is two.capture.trace
    assert one.result.truth != two.result.truth
    for finished, (runtime, batch) in zip((one, two), options, strict=True):
        result = finished.result
        assert (result.request.runtime, result.request.batch) == (runtime, batch)
        assert finished.capture.target.runtime == runtime
        energy = result.quantities["energy_of_these_runs"]
        assert abs(energy.value - result.truth.energy_of_these_runs_j) <= 3 * energy.u
        kinds = [phase.kind for phase in finished.capture.phases]
        assert kinds.count("run") == 2
        assert kinds.count("other") > 2
        assert all(run.inferences % batch == 0 for run in result.runs)
    both = {(run.start_ns, run.stop_ns) for each in (one, two) for run in each.result.runs}
    assert len(both) == 4


@pytest.mark.slow
def test_dithered_runs_state_an_interval_that_holds_the_truth():
    """The pauses are part of a run for the meter and for the truth alike."""
    finished = run(dither=True, seed=13)
    energy = finished.result.quantities["energy_of_these_runs"]
    assert abs(energy.value - finished.result.truth.energy_of_these_runs_j) <= 3 * energy.u
    runs = [window for window in finished.aligned.windows if window.kind == "run"]
    assert all(window.pause_s > 0 for window in runs)


class Stub:
    """A meter and a board that are opened and asked for no more than to load a model."""

    identity = SimpleNamespace(emulated=False, model="m")

    def __init__(self, *, emulated):
        self.emulated = emulated
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Close nothing."""

    def configure(self, _):
        """Need no setting."""
        return SimpleNamespace(channels=(), accuracy=())

    def close(self):
        """Close nothing."""

    def hello(self):
        """Tell nothing of a board."""
        return {}

    def open_line(self, spec):
        """Keep which line is wanted."""
        self.lines.append(spec)

    def load(self, *_, **options):
        """Load, and have no room for a second model."""
        if options["slot"]:
            raise TargetError("no room", hint="make some")
        return SimpleNamespace(emulated=self.emulated)


@pytest.mark.parametrize("emulated", [False, True])
def test_what_could_be_possible_is_recorded_of_real_boards_only(monkeypatch, emulated):
    """Work and roofs judge a speed that is the device's own; a trigger line is opened first."""
    catalog, stub = load_catalog(), Stub(emulated=emulated)
    monkeypatch.setattr(station, "open_meter", lambda *_: stub)
    monkeypatch.setattr(session, "open_board", lambda _: stub)
    meter = BenchMeter(model="keithley-dmm6500", resource="nowhere")
    job = Job(
        run="test",
        bench_name="desk",
        bench=Bench(device="edgeboard", host="desk", line="gpiochip0:17", meter=(meter,)),
        device=catalog.device("edgeboard"),
        instrument=catalog.instrument("keithley-dmm6500"),
        workload=catalog.workload("seed-cnn"),
        protocol=catalog.protocol("quick"),
        runtime="tflite",
        batch=4,
        threads=1,
    )
    sinks = [Recorder(), Recorder()]
    with pytest.raises(TargetError, match="no room"):
        measure(
            [job, replace(job, slot=1)],
            sinks=sinks,
            progress=lambda _: None,
            calibrations=CalibrationStore(Path("no lab")),
        )
    assert stub.lines == ["gpiochip0:17"]
    told = dict(sinks[0].events)
    if emulated:
        assert not {"work", "roofs"} & told.keys()
    else:
        assert told["work"].macs == catalog.workload("seed-cnn").macs
        assert told["roofs"].operations_per_s is None


def test_a_runtime_that_has_no_file_is_a_configuration_error():
    """Asking for a runtime the workload has no model for names those it has."""
    with pytest.raises(ConfigError, match="paddle-lite") as caught:
        run(runtime="paddle-lite")
    assert "tflite" in caught.value.hint


def test_nothing_is_left_behind():
    """After a measurement no file of the bench or the agent stays, and no child runs."""
    run()
    assert leftovers() == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
