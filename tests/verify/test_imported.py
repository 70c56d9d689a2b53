"""An imported run verified against its originals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from powerlab.evidence.audit import evidence_at, judged
from powerlab.evidence.importing import Names, import_evidence
from powerlab.verify.run import verify_run
from tests.verify.evidence import change, seal


@pytest.fixture
def originals(shared, tmp_path) -> Path:
    """Get a copy of published evidence."""
    return Path(shutil.copytree(shared("evidence/deepedgebench"), tmp_path / "originals"))


@pytest.fixture
def folder(originals, tmp_path) -> Path:
    """Get one run of it."""
    first = evidence_at(originals)[0][0]
    return import_evidence(judged(first), tmp_path / "runs", Names()).folder


def test_an_imported_run_agrees_with_its_originals(folder) -> None:
    """They are read and audited anew, and every value comes out again."""
    found = verify_run(folder).verification
    assert found.differences == ()
    assert found.outcome == "agrees"
    assert any("originals audited anew" in check.told for check in found.checks)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("result.json", ("quantities", "energy_per_inference", "value")),
        ("audit.json", ("quantities", "energy_per_inference", "value")),
    ],
)
def test_a_figure_changed_in_an_imported_run_is_caught(folder, name, where) -> None:
    """Though the hashes were made to fit."""
    before = change(folder / name, *where, to=1.0)
    seal(folder)
    found = verify_run(folder).verification
    assert [item.recomputed for item in found.differences] == [pytest.approx(before, rel=1e-9)]


def test_an_original_that_changed_is_caught(folder, originals) -> None:
    """By its hash, since nothing may be recomputed from another file."""
    for path in originals.rglob("*"):
        if path.is_file():
            with path.open("ab") as file:
                file.write(b"\n")
    found = verify_run(folder).verification
    assert found.outcome == "differs"
    assert any(str(originals) in item.key for item in found.differences)


def test_without_its_originals_an_imported_run_is_not_verifiable(folder, originals) -> None:
    """The run itself holds no more than what was made of them."""
    shutil.rmtree(originals)
    found = verify_run(folder).verification
    assert found.outcome == "not verifiable"
    assert any("is not there" in text for text in found.unchecked)
