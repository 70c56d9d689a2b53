"""``powerlab measure`` around its session, which is replaced here by a short one."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from powerlab import session
from powerlab.cli import _measuring
from powerlab.errors import InstrumentError
from powerlab.job import Job
from powerlab.records import Capture, Truth
from powerlab.store.archive import list_runs, open_run
from powerlab.store.document import result_document
from tests.store.made import blocks, result


def test_json_is_the_document_alone(measure, conductor):
    """Only the published document is on stdout, progress on stderr."""
    ran = measure("--json")
    assert ran.code == 0
    made = replace(result(conductor.jobs[0].run), request=conductor.jobs[0].request())
    assert ran.json == result_document(made)
    assert ran.json["bench"] == "desk"
    lines = ran.err.splitlines()
    assert [line.split("  ")[-1] for line in lines[-2:]] == [
        "idle 1 of 2, about 10 s left",
        "run 2 of 5, about 8 s left",
    ]


def test_the_summary_has_figures_budget_findings_and_the_run(measure, lab):
    """People get value ± U, where the uncertainty comes from, and where the run is."""
    ran = measure("--quiet")
    assert ran.err == ""
    assert "energy per inference  12.30 ± 0.25 mJ" in ran.out
    assert "k = 2.00" in ran.out
    assert "90.0%  meter gain" in ran.out
    assert "warning: seen" in ran.out
    assert "EMULATED" not in ran.out
    (entry,) = list_runs(lab / "runs")
    assert str(entry.folder) in ran.out


def test_the_run_folder_is_complete_and_holds_its_profiles(measure, lab):
    """The result can be read back, and the report made, without the catalogue."""
    measure("--json", "--runs", "3", "--threads", "2")
    (entry,) = list_runs(lab / "runs")
    stored = open_run(entry.folder)
    assert entry.status == "complete"
    assert stored.changed == ()
    kept = stored.manifest["configuration"]
    assert kept["bench"]["host"] == "nowhere"
    assert kept["protocol"]["runs"] == 3
    assert kept["options"] == {"precision": 0.0, "dither": False}
    assert kept["device"]["id"] == "edgeboard"
    assert stored.manifest["request"]["threads"] == 2


def test_one_option_has_no_label(measure, conductor):
    """There is nothing to tell it apart from."""
    measure("--batch", "2", "--dither")
    assert [(job.label, job.dither) for job in conductor.jobs] == [("", True)]


def test_an_unwritable_lab_is_found_before_anything_is_measured(measure, conductor, lab):
    """So is a place where runs cannot be kept."""
    (lab / "runs").write_text("in the way")
    ran = measure()
    assert ran.code == 3
    assert str(lab / "runs") in ran.err
    assert conductor.jobs == []


def test_a_result_that_is_not_valid_exits_6_and_is_kept(measure, conductor, lab):
    """The document says so too; scripts need not read it."""
    conductor.valid = False
    ran = measure("--json")
    assert ran.code == 6
    assert ran.json["valid"] is False
    assert "nothing ran" in ran.err
    assert [entry.status for entry in list_runs(lab / "runs")] == ["complete"]


def test_ctrl_c_keeps_a_partial_run(measure, conductor, lab):
    """What was recorded is readable, marked partial, and named in the message."""
    conductor.fails = KeyboardInterrupt()
    ran = measure("--json")
    assert (ran.code, ran.out) == (130, "")
    (entry,) = list_runs(lab / "runs")
    assert entry.status == "partial"
    assert str(entry.folder) in ran.err
    stored = open_run(entry.folder)
    assert len(stored.capture.trace.flags) == 250
    assert stored.capture.batch == 1


def test_an_error_keeps_what_was_recorded(measure, conductor, lab):
    """A meter that fails half-way costs no sample that came before."""
    conductor.fails = InstrumentError("unplugged", hint="plug it in")
    ran = measure()
    assert ran.code == 4
    (entry,) = list_runs(lab / "runs")
    assert entry.status == "partial"
    assert open_run(entry.folder).manifest["reason"] == "unplugged"
    assert str(entry.folder) in ran.err


def test_an_error_before_the_first_sample_leaves_no_run(measure, conductor, lab):
    """An unreachable meter leaves no empty folder behind."""
    conductor.fails = InstrumentError("no answer", hint="switch it on")
    conductor.samples = False
    assert measure().code == 4
    assert list((lab / "runs").iterdir()) == []


def test_without_a_bench_the_ways_to_go_on_are_told(run, conductor):
    """A stranger's first command is answered with what to type next."""
    ran = run("measure", "--device", "edgeboard")
    assert ran.code == 2
    assert "--emulate" in ran.err
    assert conductor.jobs == []


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replace the emulated bench; get what it was asked for."""
    calls: list[Any] = []

    @contextlib.contextmanager
    def emulated_bench(catalog, device, meter, **options):
        calls.append((device, meter, options))
        yield SimpleNamespace(
            bench=catalog.benches["desk"], truth=lambda runs: Truth(0.001, runs[0])
        )

    monkeypatch.setattr(_measuring, "load_entry", lambda *_: emulated_bench)
    return calls


def test_emulation_is_asked_for_as_the_options_say(measure, asked, conductor):
    """Meter, seed, faults and runtime reach the emulated bench; truth joins the result."""
    ran = measure(
        *("--emulate", "--meter", "rdtech-um25c", "--seed", "7", "--fault", "gap@1s"),
        *("--fault", "overrange@2s", "--runtime", "openvino", "--json"),
    )
    assert ran.code == 0
    wanted = {
        "voltmeter_id": None,
        "seed": 7,
        "faults": ("gap@1s", "overrange@2s"),
        "runtimes": ("openvino",),
    }
    assert asked == [("edgeboard", "rdtech-um25c", wanted)]
    assert ran.json["truth"] == {"energy_per_inference": 0.001, "energy_of_these_runs": 3}
    assert conductor.jobs[0].runtime == "openvino"


def test_an_emulated_summary_says_that_it_is_no_measurement(measure, asked):
    """The banner comes first, and the truth is told beside the interval."""
    out = measure("--emulate").out
    assert out.startswith("EMULATED: not a measurement")
    assert "OUTSIDE the interval" in out


def test_ctrl_c_before_the_first_reading_leaves_no_run(measure, conductor, lab):
    """An empty folder would only be in the way."""
    conductor.fails = KeyboardInterrupt()
    conductor.samples = False
    ran = measure()
    assert ran.code == 130
    assert "before the first reading" in ran.err
    assert list((lab / "runs").iterdir()) == []


def test_a_folder_is_named_once(measure, monkeypatch, lab):
    """Where the message has it already, no note repeats it."""
    folders = []

    def fail(_jobs: list[Job], *, sinks: Any, **_: Any) -> tuple[Capture, ...]:
        (sink,) = sinks
        folders.extend((lab / "runs").iterdir())
        sink.block(blocks()[0])
        raise InstrumentError(f"full; kept in {folders[0]}", hint="make room")

    monkeypatch.setattr(session, "measure", fail)
    ran = measure()
    assert ran.err.count(str(folders[0])) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InstrumentError("cut", hint="mend")])
def test_a_session_that_is_cut_short_leaves_every_option_partial(measure, conductor, lab, error):
    """Each folder holds what was recorded until then, and both are named."""
    conductor.fails = error
    ran = measure("--batch", "1,2", "--json")
    assert ran.code == (130 if isinstance(error, KeyboardInterrupt) else 4)
    assert ran.out == ""
    entries = list_runs(lab / "runs")
    assert [entry.status for entry in entries] == ["partial", "partial"]
    for entry, batch in zip(entries, (1, 2), strict=True):
        assert open_run(entry.folder).capture.batch == batch
        assert str(entry.folder) in ran.err


def test_an_option_that_cannot_be_concluded_takes_back_none_before_it(measure, conductor, lab):
    """What was concluded before is printed and complete, the rest is kept as recorded."""
    conductor.inconclusive = 1
    ran = measure("--batch", "1,2,4", "--json")
    assert ran.code == 4
    assert [document["batch"] for document in ran.json] == [1]
    assert [entry.status for entry in list_runs(lab / "runs")] == [
        *("complete", "partial", "partial"),
    ]


def test_truth_outside_is_no_alarm(measure, asked):
    """The summary says how often it is to be expected, and an emulated run is stored as one."""
    assert "one truth in twenty" in measure("--emulate").out


def test_the_manifest_says_emulated_before_anything_is_recorded(measure, asked, conductor, lab):
    """A run that is killed at once is known for what it is."""
    conductor.fails = InstrumentError("unplugged", hint="plug it in")
    measure("--emulate")
    (entry,) = list_runs(lab / "runs")
    assert (entry.status, entry.evidence) == ("partial", "emulated")


def test_the_leads_of_a_bench_without_a_file_can_be_told(run, conductor, tmp_path):
    """``--cable-ohm`` is kept with the run; without an uncertainty it is refused."""
    words = ["measure", "--device", "edgeboard", "--host", "h", "--lab", tmp_path]
    words += ["--meter", "keithley-dmm6500@TCPIP0::127.0.0.1::1::SOCKET", "--json"]
    assert run(*words, "--cable-ohm", "0.1±0.02").code == 0
    (meter,) = conductor.jobs[0].bench.meter
    assert (meter.cable_ohm, meter.u_cable_ohm) == (0.1, 0.02)
    ran = run(*words, "--cable-ohm", "0.1")
    assert ran.code == 2
    assert "0.1±0.02" in ran.err
