"""The whole path for real: ssh, agent, inference, meter protocol, clocks, energy, truth."""

import os
import tempfile
from pathlib import Path

import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.emulation.bench import emulated_bench
from powerlab.errors import ConfigError, InstrumentError, TargetError
from powerlab.records import Evidence, Phase, SampleBlock
from powerlab.session import Job, measure

BRIEF = {"idle_s": 1.5, "warm_up_limit_s": 0.6, "runs": 3, "run_s": 1.2, "marker_s": 0.0}
UNHURRIED = {**BRIEF, "idle_s": 3.0, "warm_up_limit_s": 2.0, "runs": 3, "run_s": 7.0}


class Recorder:
    """A sink that keeps what reaches it."""

    def __init__(self):
        self.blocks = []
        self.events = []

    def block(self, block: SampleBlock) -> None:
        """Keep a block."""
        self.blocks.append(block)

    def event(self, kind: str, payload: object) -> None:
        """Keep an event."""
        self.events.append((kind, payload))


def run(*, seed=1, meter="keithley-dmm6500", faults=(), protocol=BRIEF, sink=None, **changes):
    """Measure an emulated EdgeBoard once and get what came of it."""
    catalog = load_catalog()
    runtime = changes.get("runtime", "tflite")
    with emulated_bench(
        catalog, "edgeboard", meter, seed=seed, faults=faults, runtime=runtime
    ) as emulated:
        facts = {
            "run": "test",
            "bench_name": "emulated",
            "bench": emulated.bench,
            "device": catalog.device("edgeboard"),
            "instrument": catalog.instrument(meter),
            "workload": catalog.workload("seed-cnn"),
            "protocol": catalog.protocol("quick").model_copy(update=protocol),
            "runtime": runtime,
            "batch": 1,
            "threads": 1,
        }
        return measure(
            Job(**{**facts, **changes}),
            sink=sink or Recorder(),
            progress=lambda _: None,
            truth=emulated.truth,
        )


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path, monkeypatch):
    """Keep what other tests leave for a moment out of sight."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def leftovers():
    """Get what emulated benches and agents have left in the temporary directory."""
    return [path.name for path in Path(tempfile.gettempdir()).glob("powerlab-*")]


@pytest.mark.parametrize("seed", [3, 20261121])
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
    assert kinds[:2] == ["meter", "target"]
    assert kinds.count("phase") == len(finished.capture.phases)
    assert all(isinstance(item, Phase) for kind, item in sink.events if kind == "phase")
    assert sum(len(block.values) for block in sink.blocks) == len(finished.capture.trace.values)


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


def test_a_late_reply_never_shifts_the_samples():
    """After a reply past the time-out the samples still fit their runs."""
    result = run(faults=("late-reply@1s",), seed=5).result
    energy = result.quantities["energy_of_these_runs"]
    assert abs(energy.value - result.truth.energy_of_these_runs_j) <= 3 * energy.u


def test_a_stepped_board_clock_makes_the_result_not_valid():
    """A clock step is found, whatever the energies look like."""
    result = run(faults=("clock-step@2s",)).result
    assert "clock-step" in {finding.code for finding in result.findings}
    assert not result.valid


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
