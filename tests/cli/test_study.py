"""``powerlab measure --plan``: a matrix of options around a session that takes no time."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from powerlab import session
from powerlab.catalog.layers import load_catalog
from powerlab.cli import _measuring
from powerlab.errors import InstrumentError, Interrupted, TargetError
from powerlab.progress import Progress
from powerlab.store.archive import list_runs, open_run
from tests.store.made import head

PLAN = """
schema = 1
title = "Two networks"

[emulated]
run_s = 1.0
batches = [1]

[[matrix]]
devices = ["edgeboard"]
workloads = ["seed-cnn", "mobilenet-v2"]
runtimes = ["tflite", "openvino"]
batches = [1, 2]
protocol = "quick"
"""

DEVICE = """
schema = 1
id = "edgeboard"
extends = "edgeboard"
name = "Edgeboard, second batch"
"""

OOM = TargetError("nowhere: no memory", hint="less", context={"code": "out-of-memory"})


@pytest.fixture
def plan(tmp_path):
    """Get a function that writes a plan."""

    def write(text=PLAN, name="two.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def study(run, conductor, lab, plan):
    """Get a function that carries a plan out on the lab's bench."""
    return lambda *words, text=PLAN: run("measure", "--plan", plan(text), "--lab", lab, *words)


class Refusing:
    """A session whose board cannot load, or run, what the function picks."""

    def __init__(self, conductor, refuses, error=OOM, phase="load", *, board=True):
        self.measured, self.refuses = conductor.measure, refuses
        self.error, self.phase, self.board = error, phase, board
        self.sessions = []

    def measure(self, jobs, *, sinks, progress, calibrations):
        """Fail at the first option that is refused, as the real session does."""
        self.sessions.append([(job.runtime, job.batch) for job in jobs])
        for sink in sinks:
            sink.event("meter", head()["meter"])
            if self.board:
                sink.event("board", {"hostname": "nowhere"})
        for sink, job in zip(sinks, jobs, strict=True):
            if self.phase == "load" and self.refuses(job):
                raise self.error
            sink.event("target", head()["target"])
        for job in jobs:
            progress(Progress(self.phase, 0, 1, 0.0, 1.0, None, option=job.label))
            if self.refuses(job):
                raise self.error
        return self.measured(jobs, sinks=sinks, progress=progress, calibrations=calibrations)


@pytest.fixture
def refusing(monkeypatch, conductor):
    """Get a function that puts a board that refuses in the place of the short session."""

    def put(refuses, **options):
        board = Refusing(conductor, refuses, **options)
        monkeypatch.setattr(session, "measure", board.measure)
        return board

    return put


def test_every_option_of_the_matrix_is_measured_in_a_session_per_workload(study, conductor, lab):
    """Eight results, two sessions, in the order of the plan, each linked to the plan."""
    ran = study("--json")
    assert ran.code == 0
    found = [(each["workload"], each["runtime"], each["batch"]) for each in ran.json]
    pairs = [("tflite", 1), ("tflite", 2), ("openvino", 1), ("openvino", 2)]
    assert found == [(name, *pair) for name in ("seed-cnn", "mobilenet-v2") for pair in pairs]
    assert {each["status"] for each in ran.json} == {"measured"}
    assert [job.label for job in conductor.jobs[:2]] == ["tflite, batch 1", "tflite, batch 2"]
    kept = open_run(list_runs(lab / "runs")[0].folder).manifest["configuration"]["study"]
    assert (kept["title"], kept["plan"]) == ("Two networks", "two.toml")
    assert len(kept["plan_sha256"]) == 64


def test_the_table_has_a_line_for_each_option(study):
    """Figures with ±, and the end of each run's identifier."""
    ran = study("--quiet")
    assert ran.code == 0
    assert ran.out.startswith("Two networks\n")
    assert ran.out.count("12.30 ± 0.25 mJ") == 8
    assert ran.err == ""


@pytest.mark.parametrize("phase", ["load", "warm-up", "run"])
def test_an_option_that_the_board_cannot_run_is_a_result(study, refusing, phase, lab):
    """The session is begun again without it; it stands in table, array and journal."""
    board = refusing(lambda job: job.batch == 2 and job.runtime == "tflite", phase=phase)
    ran = study("--json")
    assert ran.code == 0
    refused = [each for each in ran.json if each["status"] == "refused"]
    assert [(each["runtime"], each["batch"]) for each in refused] == [("tflite", 2)] * 2
    assert refused[0]["findings"][0]["code"] == "out-of-memory"
    assert refused[0]["valid"] is False
    assert len(ran.json) == 8
    assert [len(options) for options in board.sessions] == [4, 3, 4, 3]
    lines = (lab / "studies" / "two.jsonl").read_text().splitlines()
    assert sum(json.loads(line).get("code") == "out-of-memory" for line in lines) == 2


def test_a_crash_of_the_runtime_is_a_result(study, refusing):
    """Signal 11 belongs to the option."""
    crash = TargetError("ended", hint="no", context={"signal": 11})
    refusing(lambda job: job.batch == 2, error=crash, phase="run")
    ran = study("--json")
    assert ran.code == 0
    assert {each["findings"][0]["code"] for each in ran.json if not each["valid"]} == {"signal-11"}


@pytest.mark.parametrize("context", [{"returncode": 255}, {"code": "line-missing"}, {"signal": 15}])
def test_what_is_no_options_own_is_tried_again(study, refusing, context):
    """A lost connection, a trigger line that is not there, an agent that somebody stopped."""
    lost = TargetError("the connection was closed", hint="look", context=context)
    refusing(lambda job: job.workload.id == "seed-cnn", error=lost, phase="run")
    ran = study("--json")
    assert ran.code == 5
    assert [each["status"] for each in ran.json] == ["not reached"] * 4 + ["measured"] * 4
    assert "--resume" in ran.err


def test_an_agent_that_ends_while_it_starts_is_no_options_fault(study, refusing):
    """The meter was reached, the board never was: nothing is refused for good."""
    crash = TargetError("ended", hint="no", context={"signal": 9})
    refusing(lambda job: job.workload.id == "seed-cnn", error=crash, board=False)
    ran = study("--json")
    assert ran.code == 5
    assert [each["status"] for each in ran.json] == ["not reached"] * 4 + ["measured"] * 4


def test_resume_measures_what_is_left_and_nothing_again(study, conductor, refusing, lab):
    """Measured and refused options stand; those not reached are tried once more."""
    conductor.fails = InstrumentError("unplugged", hint="plug it in")
    assert study("--json").code == 4
    conductor.fails = None
    conductor.jobs.clear()
    first = study("--resume", "--json")
    assert (first.code, len(conductor.jobs)) == (0, 8)
    conductor.jobs.clear()
    again = study("--resume", "--json")
    assert (again.code, conductor.jobs) == (0, [])
    assert again.json == first.json
    (lab / "runs" / again.json[3]["run"] / "result.json").unlink()
    study("--resume")
    assert [(job.runtime, job.batch) for job in conductor.jobs] == [("openvino", 2)]
    board = refusing(lambda job: job.batch == 2)
    study("--json")  # without --resume all are measured again
    assert len(board.sessions) == 6


def test_a_changed_plan_measures_what_changed(study, conductor):
    """The key of an option holds all that decides its result, and no more."""
    study("--json")
    conductor.jobs.clear()
    study("--resume", text=PLAN.replace("[1, 2]", "[1, 2, 4]"))
    assert [job.batch for job in conductor.jobs] == [4] * 4
    conductor.jobs.clear()
    study("--resume", text=PLAN + "threads = 2\n")
    assert len(conductor.jobs) == 8


def test_a_changed_bench_or_device_is_measured_again(study, conductor, lab):
    """A bench that no plan names, and a profile of the lab's own, decide as well."""
    study("--json")
    conductor.jobs.clear()
    study("--resume")
    assert conductor.jobs == []
    place = lab / "powerlab.toml"
    supply = "[bench.desk.supply]\nvoltage_v = 5.1\nu_voltage_v = 0.1\n"
    place.write_text(place.read_text() + supply)
    study("--resume")
    assert len(conductor.jobs) == 8
    conductor.jobs.clear()
    (lab / "devices").mkdir()
    (lab / "devices" / "edgeboard.toml").write_text(DEVICE)
    study("--resume")
    assert len(conductor.jobs) == 8


def test_ctrl_c_tells_how_to_go_on(study, conductor):
    """What is done is printed and kept."""
    conductor.fails = KeyboardInterrupt()
    ran = study("--json")
    assert (ran.code, ran.json) == (130, [])
    assert "Hint:  `powerlab measure --plan" in ran.err
    assert "--resume` goes on" in ran.err
    assert Interrupted.exit_code == 130


def test_what_cannot_be_emulated_is_skipped_with_its_reason(study, conductor, monkeypatch, lab):
    """Stand-ins take the place of a board's own runtime, once; [emulated] shortens."""
    bench = load_catalog(lab).benches["desk"]

    def emulated_bench(*_args, **_options):
        return _Bench(bench)

    monkeypatch.setattr(_measuring, "load_entry", lambda *_: emulated_bench)
    text = PLAN.replace('"edgeboard"', '"edgeboard", "kirin-990"').replace(
        '["tflite", "openvino"]', '["paddle-lite", "tflite", "caffe"]'
    )
    ran = study("--emulate", "--json", text=text)
    assert ran.code == 0
    found = {(each["device"], each["runtime"], each["batch"]): each for each in ran.json}
    assert found["edgeboard", "tflite", 1]["status"] == "measured"
    out = study("--emulate", text=text).out
    assert out.count("stands in: tflite for paddle-lite") == 1
    assert "in the place of 'caffe'" in found["edgeboard", "caffe", 1]["findings"][0]["message"]
    told = [each for key, each in found.items() if key[0] == "kirin-990"]
    assert {each["status"] for each in told} == {"skipped"}
    assert "cannot be emulated" in told[-1]["findings"][0]["message"]
    assert {(job.protocol.run_s, job.batch) for job in conductor.jobs} == {(1.0, 1)}


class _Bench:
    """An emulated bench that is one of the lab's."""

    def __init__(self, bench):
        self.bench = bench

    def __enter__(self):
        return SimpleNamespace(bench=self.bench, truth=None)

    def __exit__(self, *_):
        return None


def test_a_plan_of_which_nothing_can_be_measured_is_refused(run, conductor, plan, tmp_path):
    """Without a bench it says which ways there are, before anything is written."""
    ran = run("measure", "--plan", plan(), "--lab", tmp_path)
    assert ran.code == 2
    assert "no bench has the device 'edgeboard'" in ran.err
    assert "--emulate" in ran.err
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--device", "edgeboard"), "--device and --plan exclude each other"),
        (("--batch", "2"), "--batch and --plan exclude each other"),
    ],
)
def test_a_plan_says_all_itself(study, words, told):
    """What stands in it is not said again beside it."""
    ran = study(*words)
    assert ran.code == 2
    assert told in ran.err


def test_resume_needs_a_plan(run):
    """One device has nothing to go on with."""
    assert run("measure", "--device", "edgeboard", "--resume").code == 2


def test_several_options_of_one_call_cost_each_other_nothing(measure, refusing):
    """Without a plan too; there a refusal is a failure unless the protocol calls it a result."""
    refusing(lambda job: job.batch == 2)
    ran = measure("--batch", "1,2,4", "--json")
    assert ran.code == 5
    assert [each["batch"] for each in ran.json] == [1, 2, 4]
    assert [each["valid"] for each in ran.json] == [True, False, True]
    ran = measure("--protocol", "prylipko-batch-sweep", "--json")
    assert ran.code == 0
    assert [each["batch"] for each in ran.json] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert measure("--batch", "2").code == 5


@pytest.mark.parametrize("name", ["$(touch hit)", "`touch hit`", "; touch hit", "-oProxyCommand=x"])
def test_hostile_names_are_names_and_nothing_else(run, conductor, plan, lab, name):
    """No word of a plan or of the command line is ever read by a shell."""
    ran = run("measure", "--plan", plan(PLAN.replace("edgeboard", name)), "--lab", lab)
    assert ran.code == 2
    assert "there is no device" in ran.err or "must be lower-case" in ran.err
    ran = run("measure", "--device", "edgeboard", "--lab", lab, "--runtime", name)
    assert ran.code == 2
    assert not (lab / "hit").exists()
    assert not Path("hit").exists()
    assert conductor.jobs == []


SHORT = """
schema = 1
title = "Two batch sizes, emulated"

[emulated]
idle_s = 1.0
warm_up_limit_s = 0.4
runs = 2
run_s = 0.8
guard_s = 0.1
marker_s = 0.0
least_passes = 3
batches = [1, 8]

[[matrix]]
devices = ["edgeboard", "kirin-990"]
workloads = ["seed-cnn"]
runtimes = ["paddle-lite"]
protocol = "prylipko-batch-sweep"
"""


def test_a_plan_on_the_emulated_bench(run, plan, tmp_path):
    """Session, agent, inference and meter are real: two results with their truth, one skipped."""
    ran = run("measure", "--plan", plan(SHORT), "--emulate", "--lab", tmp_path, "--json")
    assert ran.code in (0, 6), ran.err  # two short runs on a busy computer may scatter
    one, eight, *phones = ran.json
    assert [each["status"] for each in ran.json] == ["measured"] * 2 + ["skipped"] * 2
    assert [(each["runtime"], each["batch"]) for each in (one, eight)] == [
        ("tflite", 1),
        ("tflite", 8),
    ]
    assert min(each["truth"]["energy_of_these_runs"] for each in (one, eight)) > 0
    assert {each["device"] for each in phones} == {"kirin-990"}
    again = run("measure", "--plan", plan(SHORT), "--emulate", "--lab", tmp_path, "--resume")
    assert again.out.count("(before)") == 2
