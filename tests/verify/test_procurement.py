"""The report of a procurement verified: plan, runs and decision, each forged once."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pikepdf
import pytest

from powerlab.cli import main
from powerlab.verify.pdf_file import read_pdf
from powerlab.verify.procurement import verify_procurement
from tests.catalog.procurement_files import PLAN
from tests.verify.evidence import attach

SUBJECT = 'boundary = "board"\nworkload = "seed-cnn"'
MEASURED = (
    PLAN.replace('boundary = "wall"', SUBJECT)
    + """
[[option]]
id = "board"
run = "RUN"
life_years = 3
price = "100"
"""
)


@pytest.fixture(scope="session")
def report(kept, tmp_path_factory) -> Path:
    """Get the report of a plan with one measured option, not to be changed."""
    place = tmp_path_factory.mktemp("procurement")
    (place / "powerlab.toml").write_text("schema = 1\n")
    shutil.copytree(kept.parent, place / "runs")
    plan = place / "buy.toml"
    plan.write_text(MEASURED.replace("RUN", kept.name))
    path = place / "report.pdf"
    words = ["report", "--plan", plan, "--lab", place, "--lang", "en", "-o", path]
    code = main([str(word) for word in words])
    assert path.exists(), code
    return path


@pytest.fixture
def verify(report):
    """Get a function that verifies a report, writing anew what the untouched one is."""
    return lambda path: verify_procurement(
        read_pdf(path), lambda _done, to, _lang: shutil.copy(report, to)
    )


def attached(path: Path, name: str) -> bytes:
    """Get the content of one attachment."""
    with pikepdf.open(path) as document:
        return document.attachments[name].get_file().read_bytes()


def test_an_untouched_report_agrees_byte_for_byte(report, capfd) -> None:
    """Run concluded, plan decided and pages written anew, without the lab it came from."""
    assert main(["verify", str(report), "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["kind"] == "procurement"
    names = [check["name"] for check in document["checks"]]
    assert names == ["board files", "board result", "plan", "decision", "pages"]
    assert "byte for byte" in document["checks"][-1]["told"]


def test_a_price_changed_in_the_plan_is_caught(report, verify, tmp_path) -> None:
    """The decision is no longer that of the plan, nor is its hash."""
    content = attached(report, "buy.toml")
    assert content.count(b'price = "75"') == 1
    changed = content.replace(b'price = "75"', b'price = "76"')
    found = verify(attach(report, tmp_path / "a.pdf", buy_toml=changed))
    keys = {item.key for item in found.differences}
    assert "decision.plan_sha256" in keys
    assert any("slow" in key and "capital" in key for key in keys)


def test_a_figure_changed_in_the_decision_is_caught(report, verify, tmp_path) -> None:
    """The one figure is named with what the plan gives."""
    document = json.loads(attached(report, "decision.json"))
    spread = document["decision"]["standings"]["fast"]["spreads"]["present_value"]
    before, spread["value"] = spread["value"], spread["value"] * 1.001
    changed = json.dumps(document).encode()
    found = verify(attach(report, tmp_path / "a.pdf", decision_json=changed))
    told = {item.key: item.recomputed for item in found.differences}
    assert told["decision.standings.fast.spreads.present_value.value"] == pytest.approx(before)


def test_a_figure_changed_in_a_run_is_caught(report, verify, tmp_path) -> None:
    """Its own capture, and the decision that rested on it, both contradict it."""
    content = attached(report, "board-result.json").decode()
    value = json.loads(content)["quantities"]["energy_per_inference"]["value"]
    changed = content.replace(repr(value), repr(value * 0.5)).encode()
    found = verify(attach(report, tmp_path / "a.pdf", board__result_json=changed))
    keys = {item.key for item in found.differences}
    assert "board result.json sha256" in keys
    assert "board quantities.energy_per_inference.value" in keys
    assert any(key.startswith("decision.") for key in keys)


def test_a_run_that_is_not_attached_whole_is_not_verifiable(report, verify, tmp_path) -> None:
    """Its figures are taken as they are, and the report does not agree on that alone."""
    path = tmp_path / "a.pdf"
    with pikepdf.open(report) as document:
        del document.attachments["board-capture.parquet"]
        document.save(path)
    found = verify(path)
    assert found.outcome == "not verifiable"
    assert any("not attached whole" in text for text in found.unchecked)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"decision": 3}', b"\xff"])
def test_a_decision_that_is_none_differs(report, verify, tmp_path, content) -> None:
    """It is told in words."""
    found = verify(attach(report, tmp_path / "a.pdf", decision_json=content))
    assert found.outcome == "differs"


def test_a_plan_that_is_none_differs(report, verify, tmp_path) -> None:
    """So is what is no plan."""
    changed = re.sub(rb"per_s = 50", b"per_s = -50", attached(report, "buy.toml"))
    found = verify(attach(report, tmp_path / "a.pdf", buy_toml=changed))
    assert [item.key for item in found.differences] == ["decision"]
