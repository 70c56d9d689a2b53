"""The report of an audit: both languages, its document, its hashes, the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from powerlab.cli import _audit_report, main
from powerlab.evidence.audit import audit
from powerlab.report.audit.tables import own_figure
from powerlab.report.texts import load_texts
from tests.evidence.every_format import FORMATS
from tests.evidence.made import detail, published, row, session, spl, steps, submission
from tests.store.made import quantity

ROOT = Path(__file__).resolve().parents[2] / "powerlab" / "evidence"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Get a session with what was published of it."""
    root = tmp_path_factory.mktemp("audited")
    found = submission(root, "singlestream")
    session(found, {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    published(root / "published.csv", [row("SingleStream", 1000.0, "Millijoules")])
    return found


def text_of(path: Path) -> str:
    """Get the text of all pages, white space as single blanks."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(path).pages).split())


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_report_tells_what_the_audit_found(place: Path, tmp_path: Path, lang: str) -> None:
    """Figures, verdict, findings and hashes are on the pages; the document is attached."""
    path = tmp_path / "a.pdf"
    assert main(["audit", str(place), "--report", str(path), "--lang", lang]) == 0
    pdf = PdfReader(path)
    attached = json.loads(pdf.attachments["audit.json"][0])
    assert attached["schema"] == "powerlab.audit-report/1"
    (told,) = attached["audits"]
    assert told["published"]["agrees"] is True
    assert told["recomputed"]["value"] == pytest.approx(1000.0)
    text = text_of(path)
    for original in told["originals"]:
        content = (place / original["path"]).read_bytes()
        assert original["sha256"] == hashlib.sha256(content).hexdigest()
        assert original["sha256"] in text
    assert ("agrees" if lang == "en" else "一致") in text
    assert len(pdf.pages) <= 3


@pytest.mark.parametrize("unit", ["W min", "kWh", "uJ"])
def test_the_figure_stands_in_the_published_unit(unit: str) -> None:
    """However large or small: no prefix comes between it and what it is compared with."""
    energy = quantity("energy", "J", 12345.0)
    found = own_figure(replace(energy, unit=unit))
    assert found.unit == unit
    assert found.value.startswith("12")
    assert own_figure(energy).unit == "kJ"


def test_the_same_audit_is_the_same_report(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the page and the document but the audit and its instant."""
    monkeypatch.setattr(_audit_report, "utc_now", lambda: "2026-11-21T12:00:00Z")
    pages = []

    def keep(_path: Path, html: str, **told: object) -> None:
        pages.append((html, told))

    monkeypatch.setattr("powerlab.report.audit.write.write_pdf", keep)
    for _ in range(2):
        _audit_report.write_report(audit(place), place, tmp_path / "a.pdf", "en")
    assert pages[0] == pages[1]


def test_several_runs_have_an_overview(place: Path, tmp_path: Path) -> None:
    """A row for each, a section for each, and what could not be read."""
    root = tmp_path / "all"
    for name in ("a", "b"):
        session(root / name, {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    session(root / "c", {"spl.txt": "Time,\n"}, detail(10.5, 110.5))
    path = tmp_path / "a.pdf"
    assert main(["audit", str(root), "--report", str(path), "--lang", "en"]) == 2
    text = text_of(path)
    assert "2 runs: 0 of 0 published figures" in text
    assert "spl.txt:1:" in text
    assert "2. " in text


def test_more_runs_than_a_report_holds_are_refused(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """The hint names the way that has no end."""
    monkeypatch.setattr(_audit_report, "MOST_RUNS", 0)
    assert main(["audit", str(place), "--report", str(tmp_path / "a.pdf")]) == 2
    assert "--json" in capsys.readouterr().err
    assert not (tmp_path / "a.pdf").exists()


def test_a_report_that_is_no_pdf_is_refused_first(place: Path, tmp_path: Path, capsys) -> None:
    """Before anything is read."""
    assert main(["audit", str(place), "--report", str(tmp_path / "a.html")]) == 2
    assert "a report is a PDF" in capsys.readouterr().err


def test_every_finding_of_evidence_is_in_chinese() -> None:
    """Each code that readers and checks yield has its message and hint."""
    pattern = re.compile(r'Finding\(\s*(?:")([a-z-]+)"|^\s+"([a-z]+-[a-z-]+)",$', re.MULTILINE)
    sources = "".join(path.read_text("utf-8") for path in ROOT.glob("*.py"))
    codes = {one or other for one, other in pattern.findall(sources)}
    codes -= {"mlperf-inference", "published-differs-by"}
    sentences = load_texts("zh").sentences
    missing = {code for code in codes if f"finding.{code}.message" not in sentences}
    assert len(codes) > 25
    assert missing - {"imported"} == set()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With or without traces, windows and figures: what was read and its hashes stand there."""
    pages = []
    monkeypatch.setattr(
        "powerlab.report.audit.write.write_pdf", lambda _path, html, **_told: pages.append(html)
    )
    monkeypatch.setattr("powerlab.report.audit.write.draw_traces", lambda *_told: {})
    path = FORMATS[name](tmp_path)
    read = audit(path)
    for lang in ("en", "zh"):
        _audit_report.write_report(read, path, tmp_path / "a.pdf", lang)
    for original in read.audits[0].evidence.files:
        digest = hashlib.sha256(original.read_bytes()).hexdigest()
        assert all(digest in page for page in pages)
