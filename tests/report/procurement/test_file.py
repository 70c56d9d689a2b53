"""The file: pages, tags, attachments, fonts, the same bytes."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pikepdf
import pytest

from powerlab.report import fonts
from powerlab.report.evidence import Attached
from powerlab.report.procurement import (
    ProcurementEvidence,
    RunEvidence,
    procurement_model,
    write,
    write_procurement,
)
from powerlab.report.texts import load_texts
from powerlab.terms import Boundary, Evidence
from tests.report.procurement.decisions import decided
from tests.report.procurement.factory import evidence
from tests.report.test_pdf import page_texts

needs_chinese = pytest.mark.skipif(
    not fonts.installed_cjk(), reason="no known Chinese font on this machine (fonts-droid-fallback)"
)


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    """Get the English report of ten options and what the writer had to say."""
    plan, decision = decided("ten")
    path = tmp_path_factory.mktemp("report") / "report.pdf"
    write_procurement(plan, decision, evidence(plan), path, "en")
    return path


@needs_chinese
def test_ten_options_are_a_dozen_tagged_archival_pages(english) -> None:
    """A4, PDF/A-3a, tagged, with alternative texts and bookmarks."""
    with pikepdf.open(english) as document:
        assert 10 <= len(document.pages) <= 13
        assert document.Root.MarkInfo.Marked
        assert document.open_metadata().pdfa_status == "3A"
        with document.open_outline() as outline:
            headings = [item.title for item in outline.root[0].children]
        assert headings[0] == "The options at a glance"
        assert headings[-1] == "Sign-off"
        figures = [
            item
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/Figure"
        ]
        assert len(figures) == 14
        assert all(len(str(item.Alt)) > 40 for item in figures)


@needs_chinese
def test_plan_decision_and_results_travel_in_the_file(english) -> None:
    """The plan as it was read, the decision at full precision, and a result of every run."""
    plan, decision = decided("ten")
    with pikepdf.open(english) as document:
        names = set(document.attachments)
        assert {"procurement.toml", "decision.json", "0197-0004-result.json"} <= names
        stored = json.loads(document.attachments["decision.json"].get_file().read_bytes())
        content = document.attachments["procurement.toml"].get_file().read_bytes()
    assert content == evidence(plan).plan_file
    assert stored["decision"]["saving"]["value"] == decision.saving.value


def test_a_file_too_large_to_travel_is_named(monkeypatch) -> None:
    """What a report leaves out for its size, its last page says."""
    monkeypatch.setattr(write, "ATTACHED_LIMIT", 2)
    plan, decision = decided("declared")
    plan = replace(plan, options=(replace(plan.options[0], runs=("run-1",)), *plan.options[1:]))
    big = Attached("readings.csv", "text/csv", b"1,2,3\n", "Source", "readings")
    run = RunEvidence(
        plan.options[0].id,
        "run-1",
        "2026-10-28",
        Evidence.MEASURED,
        Boundary.WALL,
        "Meter",
        attached=(big,),
    )
    behind = ProcurementEvidence(runs=(run,))
    names = tuple(item.name for item in write.collect(plan, decision, behind).files)
    assert names == ("plan.json", "decision.json")
    made = procurement_model(plan, decision, behind, load_texts("en"), names)
    assert any("Too large" in line and "readings.csv" in line for line in made.evidence)


@needs_chinese
def test_every_page_says_emulated_and_its_number(english) -> None:
    """One option is emulated, so no page can be taken for a measured one."""
    texts = page_texts(english)
    assert all("EMULATED" in text for text in texts)
    assert f"page {len(texts)} of {len(texts)}" in texts[-1]


@needs_chinese
def test_the_first_page_stands_alone(english) -> None:
    """Requester, number, dates, answer and every option are on the first page."""
    first = page_texts(english)[0].replace("\u00a0", " ")
    for text in ("R. Example", "PR-2026-014", "2027-01-31", "Buy 5", "Jetson Nano", "What would"):
        assert text in first
    assert "The question, declared" not in first


@needs_chinese
def test_a_chinese_report_has_every_glyph_and_the_same_bytes_twice(tmp_path, caplog) -> None:
    """No empty box, no complaint of the writer, nothing of the present in the file."""
    plan, decision = decided("declared")
    paths = [tmp_path / name for name in ("first.pdf", "second.pdf")]
    with caplog.at_level(logging.WARNING, logger="weasyprint"):
        for path in paths:
            write_procurement(plan, decision, evidence(plan), path, "zh")
    complaints = [item.getMessage() for item in caplog.records if item.name == "weasyprint"]
    assert [text for text in complaints if "HarfBuzz-Subset" not in text] == []
    assert paths[0].read_bytes() == paths[1].read_bytes()
    text = "".join(page_texts(paths[0]))
    assert "\ufffd" not in text
    assert "建议采购" in text
