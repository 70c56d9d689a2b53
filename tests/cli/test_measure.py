"""``powerlab measure`` around its conductor, which is replaced here by a short one."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from powerlab import session
from powerlab.cli import _measuring
from powerlab.errors import InstrumentError, ReportError
from powerlab.findings import Finding, Severity
from powerlab.progress import Progress
from powerlab.records import Evidence, Truth
from powerlab.session import Finished, Job
from powerlab.store.archive import list_runs, open_run
from powerlab.store.document import result_document
from tests.store.made import blocks, capture, exchange_bursts, head, phases, result

BENCH = """
schema = 1
[bench.desk]
device = "edgeboard"
host = "nowhere"
[[bench.desk.meter]]
model = "keithley-dmm6500"
resource = "TCPIP0::127.0.0.1::1::SOCKET"
"""


@dataclass
class Conductor:
    """Stands in for the conductor: records, tells progress, concludes; may fail."""

    fails: BaseException | None = None
    samples: bool = True
    valid: bool = True
    jobs: list[Job] = field(default_factory=list)

    def measure(self, job: Job, *, sink: Any, progress: Any, truth: Any = None) -> Finished:
        """Do what ``session.measure`` promises."""
        self.jobs.append(job)
        progress(Progress("idle", 0, 2, 0.5, 9.5, 3.0))
        progress(Progress("idle", 0, 2, 1.0, 9.0, 3.0))
        progress(Progress("run", 1, 5, 2.0, 8.0, None))
        for kind in ("meter", "target"):
            sink.event(kind, head()[kind])
        if self.samples:
            for block in blocks():
                sink.block(block)
            for burst in exchange_bursts():
                sink.event("exchanges", burst)
            for phase in phases():
                sink.event("phase", phase)
        if self.fails is not None:
            raise self.fails
        made = replace(result(job.run), request=job.request(), valid=self.valid)
        if not self.valid:
            bad = Finding("no-runs", Severity.BLOCKING, "nothing ran", "let it run")
            made = replace(made, findings=(bad,))
        if truth is not None:
            made = replace(made, truth=truth({0: 3}), evidence=Evidence.EMULATED)
        return Finished(made, capture(), SimpleNamespace())


@pytest.fixture
def conductor(monkeypatch: pytest.MonkeyPatch) -> Conductor:
    """Put the short conductor in the place of the real one."""
    stand_in = Conductor()
    monkeypatch.setattr(session, "measure", stand_in.measure)
    return stand_in


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get a lab with one bench."""
    place = tmp_path / "lab"
    place.mkdir()
    (place / "powerlab.toml").write_text(BENCH)
    return place


@pytest.fixture
def measure(run, conductor, lab):
    """Get a function that measures on that bench."""
    return lambda *words: run("measure", "--device", "edgeboard", "--lab", lab, *words)


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
    assert kept["device"]["id"] == "edgeboard"
    assert stored.manifest["request"]["threads"] == 2


def test_several_batches_give_an_array_and_a_report_each(measure, conductor, monkeypatch, tmp_path):
    """One document and one run folder per batch size, in the order asked for."""
    written = fake_report(monkeypatch)
    ran = measure("--batch", "4,1", "--json", "--report", tmp_path / "page.pdf")
    assert [document["batch"] for document in ran.json] == [4, 1]
    assert [job.batch for job in conductor.jobs] == [4, 1]
    assert [path.name for path in written] == ["page-batch-4.pdf", "page-batch-1.pdf"]


def fake_report(monkeypatch: pytest.MonkeyPatch, fails: Exception | None = None) -> list[Path]:
    """Replace the report by five bytes; get the list of paths written."""
    written: list[Path] = []

    def write(path: Path, **_: Any) -> None:
        if fails is not None:
            raise fails
        path.write_bytes(b"%PDF-")
        written.append(path)

    monkeypatch.setattr("powerlab.report.write.write_report", write)
    return written


def test_a_report_is_written_and_kept_with_the_run(measure, lab, monkeypatch, tmp_path):
    """The file that was asked for, and a copy beside the data that it rests on."""
    fake_report(monkeypatch)
    ran = measure("--report", tmp_path / "page.pdf")
    assert ran.code == 0
    assert f"report  {tmp_path / 'page.pdf'}" in ran.out
    (entry,) = list_runs(lab / "runs")
    assert open_run(entry.folder).manifest["files"]["report.pdf"]["bytes"] == 5


def test_a_failed_report_does_not_cost_the_measurement(measure, lab, monkeypatch, tmp_path):
    """The answer is out, the run is complete, and the way to try again is told."""
    fake_report(monkeypatch, ReportError("no ink", hint="buy some"))
    ran = measure("--json", "--report", tmp_path / "page.pdf")
    assert ran.code == 7
    assert ran.json["schema"] == "powerlab.result/1"
    (entry,) = list_runs(lab / "runs")
    assert entry.status == "complete"
    assert f"powerlab report {entry.run}" in ran.err


@pytest.mark.parametrize(
    ("path", "code"), [("no/such/page.pdf", 2), (".", 2), ("/dev/null", 2), ("/proc/page.pdf", 3)]
)
def test_an_unwritable_report_is_found_before_anything_is_measured(measure, conductor, path, code):
    """No bench time is spent on a result that could not be written."""
    ran = measure("--report", path)
    assert ran.code == code
    assert "--report" in ran.err
    assert conductor.jobs == []


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
    wanted = {"seed": 7, "faults": ("gap@1s", "overrange@2s"), "runtime": "openvino"}
    assert asked == [("edgeboard", "rdtech-um25c", wanted)]
    assert ran.json["truth"] == {"energy_per_inference": 0.001, "energy_of_these_runs": 3}
    assert conductor.jobs[0].runtime == "openvino"


def test_an_emulated_summary_says_that_it_is_no_measurement(measure, asked):
    """The banner comes first, and the truth is told beside the interval."""
    out = measure("--emulate").out
    assert out.startswith("EMULATED: not a measurement")
    assert "OUTSIDE the interval" in out


def test_the_report_gets_the_very_bytes_of_the_run_folder(measure, run, lab, monkeypatch, tmp_path):
    """At once and later alike: one document, whose digest the manifest has."""
    given: list[bytes] = []

    def write(path: Path, *, document: bytes, **_: Any) -> None:
        given.append(document)
        path.write_bytes(b"%PDF-")

    monkeypatch.setattr("powerlab.report.write.write_report", write)
    monkeypatch.setattr("powerlab.analysis.align.align", lambda _: SimpleNamespace())
    measure("--report", tmp_path / "page.pdf")
    again = run("report", "last", "-o", tmp_path / "again.pdf", "--lab", lab)
    assert again.code == 0, again.err
    (entry,) = list_runs(lab / "runs")
    kept = (entry.folder / "result.json").read_bytes()
    assert given == [kept, kept]
    digest = open_run(entry.folder).manifest["files"]["result.json"]["sha256"]
    assert digest == hashlib.sha256(kept).hexdigest()


def test_a_report_that_is_no_pdf_is_refused_before_anything_is_measured(measure, conductor):
    """With the name to write instead."""
    ran = measure("--report", "page.txt")
    assert ran.code == 2
    assert "--report page.pdf" in ran.err
    assert conductor.jobs == []


def test_ctrl_c_before_the_first_reading_leaves_no_run(measure, conductor, lab):
    """An empty folder would only be in the way."""
    conductor.fails = KeyboardInterrupt()
    conductor.samples = False
    ran = measure()
    assert ran.code == 130
    assert "before the first reading" in ran.err
    assert list((lab / "runs").iterdir()) == []


def test_a_folder_is_named_once(measure, monkeypatch):
    """Where the message has it already, no note repeats it."""
    folders = []

    def fail(_job: Job, *, sink: Any, **_: Any) -> Finished:
        folders.append(sink.folder)
        sink.block(blocks()[0])
        raise InstrumentError(f"full; kept in {sink.folder}", hint="make room")

    monkeypatch.setattr(session, "measure", fail)
    ran = measure()
    assert ran.err.count(str(folders[0])) == 1


def test_batches_that_were_finished_are_printed_when_a_later_one_fails(
    measure, conductor, monkeypatch
):
    """An hour's result is not lost to the next one's unplugged meter."""

    def once(job: Job, **options: Any) -> Finished:
        conductor.fails = InstrumentError("unplugged", hint="plug it in") if job.batch > 1 else None
        return conductor.measure(job, **options)

    monkeypatch.setattr(session, "measure", once)
    ran = measure("--batch", "1,2", "--json")
    assert ran.code == 4
    assert [document["batch"] for document in ran.json] == [1]


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
