"""``powerlab measure --command``: a program on the board that marks its inferences."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from powerlab.store.archive import list_runs

PROGRAM = Path(__file__).parents[1] / "devices" / "programs" / "marked.py"

WORKLOAD = """
schema = 1
id = "detector"
name = "Detector, 320 x 320"
summary = "a program of ours"
command = {command}
precision = "int8"
input_shape = [1, 320, 320, 3]
outputs = 80
parameters = 875_000
macs = 360_000_000

[origin]
source = "the model's own repository"
retrieved = "2026-11-21"
"""

PROTOCOL = """
schema = 1
id = "short"
name = "Short"
summary = "as short as a session can be"
idle_s = 1.0
warm_up_limit_s = 1.0
runs = 2
run_s = 1.5
guard_s = 0.25
"""


@pytest.fixture
def program_lab(lab: Path) -> Path:
    """Get a lab with a workload of its own, which its program infers, and a short protocol."""
    (lab / "workloads" / "protocols").mkdir(parents=True)
    command = f'["./infer", "my model.bin", "$(id)", "{PROGRAM}"]'
    (lab / "workloads" / "detector.toml").write_text(WORKLOAD.format(command=command))
    (lab / "workloads" / "protocols" / "short.toml").write_text(PROTOCOL)
    return lab


def test_words_on_the_command_line(measure, conductor):
    """They are told apart as a shell would, and nothing in them is replaced."""
    ran = measure(
        "--json", "--command", "./infer 'my model' \"$(touch x)\" *.bin a\\ b 'new\nline'"
    )
    assert ran.code == 0
    (job,) = conductor.jobs
    assert job.runtime == "command"
    assert job.workload.command == (
        "./infer",
        "my model",
        "$(touch x)",
        "*.bin",
        "a b",
        "new\nline",
    )
    assert job.workload.id == "seed-cnn"
    assert job.configuration()["workload"]["command"][0] == "./infer"


def test_the_command_of_a_workload(run, conductor, program_lab):
    """A workload that is what its command infers needs neither recipe nor formats."""
    words = ("measure", "--device", "edgeboard", "--workload", "detector", "--lab", program_lab)
    assert run(*words, "--json").code == 0
    (job,) = conductor.jobs
    assert job.runtime == "command"
    assert job.workload.command[1:3] == ("my model.bin", "$(id)")
    assert run("catalog", "lint", "--lab", program_lab).code == 0
    assert run("workloads", "build", "detector", "--lab", program_lab).out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runtime", "command"], "needs the program"),
        (["--command", "a 'b"], "cannot be split"),
        (["--command", "  "], "names no program"),
        (["--command", "a", "--runtime", "tflite"], "not among the runtimes"),
        (["--command", "a", "--batch", "2"], "no --batch and no --dither"),
        (["--command", "a", "--dither"], "no --batch and no --dither"),
    ],
)
def test_what_a_command_cannot_be(measure, conductor, words, said):
    """What does not go together is told before anything starts."""
    ran = measure(*words)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())
    assert conductor.jobs == []


def test_a_workload_without_a_file_for_another_runtime(run, conductor, program_lab):
    """A workload of a command alone says what it can be measured with."""
    words = ("measure", "--device", "edgeboard", "--workload", "detector", "--lab", program_lab)
    ran = run(*words, "--runtime", "tflite")
    assert ran.code == 2
    assert "choose --runtime command" in ran.err


@pytest.mark.parametrize("way", ["good", "segfault"])
def test_on_the_emulated_bench(run, program_lab, way):
    """The markers give the energy per inference; a crash exits 5 and keeps what was recorded."""
    command = f"'{sys.executable}' '{PROGRAM}' {way}"
    ran = run(
        *("measure", "--device", "edgeboard", "--emulate", "--protocol", "short"),
        *("--lab", program_lab, "--command", command, "--json"),
    )
    (entry,) = list_runs(program_lab / "runs")
    if way == "segfault":
        assert ran.code == 5
        assert "SIGSEGV" in ran.err
        assert "no kernel for this shape" in " ".join(ran.err.split())
        assert entry.status == "partial"
        return
    assert entry.status == "complete"
    assert ran.json["runtime"] == "command"
    energy = ran.json["quantities"]["energy_of_these_runs"]
    assert energy["value"] == pytest.approx(ran.json["truth"]["energy_of_these_runs"], rel=0.1)
    assert all(one["inferences"] > 1000 for one in ran.json["runs"])
