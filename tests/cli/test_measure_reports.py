"""``powerlab measure --report`` around its session, which is replaced here by a short one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from powerlab.errors import ReportError
from powerlab.store.archive import list_runs, open_run


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


def test_several_batches_share_a_session_and_have_a_document_and_a_report_each(
    measure, conductor, lab, monkeypatch, tmp_path
):
    """One document and one run folder per batch size, in the order asked for."""
    written = fake_report(monkeypatch)
    ran = measure("--batch", "4,1", "--json", "--report", tmp_path / "page.pdf")
    assert [document["batch"] for document in ran.json] == [4, 1]
    assert [job.batch for job in conductor.jobs] == [4, 1]
    assert [job.label for job in conductor.jobs] == ["batch 4", "batch 1"]
    assert [path.name for path in written] == ["page-batch-4.pdf", "page-batch-1.pdf"]
    entries = list_runs(lab / "runs")
    assert [entry.run for entry in entries] == [document["run"] for document in ran.json]
    assert [open_run(entry.folder).capture.batch for entry in entries] == [4, 1]


def test_runtimes_and_batches_make_options_together(measure, conductor, monkeypatch, tmp_path):
    """Every pair is measured; the name of a report says which one it is."""
    written = fake_report(monkeypatch)
    words = ("--runtime", "openvino,tflite", "--batch", "1,2", "--report", tmp_path / "page.pdf")
    assert len(measure(*words, "--json").json) == 4
    assert [(job.runtime, job.batch) for job in conductor.jobs] == [
        *(("openvino", 1), ("openvino", 2), ("tflite", 1), ("tflite", 2)),
    ]
    assert conductor.jobs[1].label == "openvino, batch 2"
    assert written[3].name == "page-tflite-batch-2.pdf"
    for wrong in ("tflite,tflite", "tflite,", ""):
        assert measure("--runtime", wrong).code == 2


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


def test_the_report_gets_the_very_bytes_of_the_run_folder(measure, run, lab, monkeypatch, tmp_path):
    """At once and later alike: one document, whose digest the manifest has."""
    given: list[bytes] = []

    def write(path: Path, *, kept: dict[str, bytes], **_: Any) -> None:
        given.append(kept["result.json"])
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
