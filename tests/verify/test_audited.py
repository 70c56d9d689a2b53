"""The report of an audit verified: originals, figures and pages."""

from __future__ import annotations

import json
from pathlib import Path

import pikepdf
import pytest

from powerlab.cli import main
from powerlab.cli._verify import verified
from tests.evidence.made import detail, session, spl, steps


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Get the report of an audited session."""
    place = session(tmp_path / "run", {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    path = tmp_path / "audit.pdf"
    assert main(["audit", str(place), "--report", str(path), "--lang", "en"]) == 0
    return path


def test_an_untouched_report_agrees_until_an_original_changes(report: Path) -> None:
    """Byte for byte from the originals; a changed or missing one is named."""
    found = verified(str(report), "", None)[1]
    assert (found.kind, found.outcome, found.differences) == ("audit", "agrees", ())
    assert any("byte for byte" in check.told for check in found.checks)
    original = report.parent / "run" / "run_1" / "spl.txt"
    content = original.read_text()
    original.write_text(content.replace("Watts,10.000000", "Watts,10.000001", 1))
    found = verified(str(report), "", None)[1]
    assert [each.key for each in found.differences] == [f"{original} sha256"]
    assert found.outcome == "differs"
    original.unlink()
    found = verified(str(report), "", None)[1]
    assert found.outcome == "not verifiable"
    assert str(original) in found.unchecked[0]


def test_a_figure_changed_in_the_document_is_caught(report: Path) -> None:
    """Though the original is whole: it comes out otherwise, and so do the pages."""
    forged = report.with_name("forged.pdf")
    with pikepdf.open(report) as pdf:
        told = json.loads(pdf.attachments["audit.json"].get_file().read_bytes())
        told["audits"][0]["recomputed"]["value"] *= 1.001
        content = json.dumps(told).encode()
        pdf.attachments["audit.json"] = pikepdf.AttachedFileSpec(pdf, content)
        pdf.save(forged)
    found = verified(str(forged), "", None)[1]
    assert found.outcome == "differs"
    assert "audits[0].recomputed.value" in {each.key for each in found.differences}
