"""Imported runs: labelled so, whole, and usable beside measured ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from powerlab.cli import main
from powerlab.errors import ConfigError
from powerlab.evidence.audit import audit
from powerlab.evidence.importing import Imported, Names, import_evidence
from powerlab.records import Evidence
from powerlab.store.archive import open_run
from tests.evidence.made import detail, published, row, session, spl, steps, submission


def imported(folder: Path, root: Path, name: str = "box") -> Imported:
    """Import a session of 1000 inferences of 1 J each."""
    place = submission(folder, "singlestream")
    if not place.exists():
        session(place, {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    (done,) = audit(place).audits
    return import_evidence(done, root, Names(device=name))


def test_an_imported_run_reads_back_whole(tmp_path: Path) -> None:
    """Result, capture and files of the run folder are those of a run, labelled imported."""
    made = imported(tmp_path / "s", tmp_path / "runs")
    stored = open_run(made.folder)
    assert stored.changed == ()
    assert stored.manifest["status"] == "complete"
    assert stored.manifest["evidence"] == "imported"
    assert stored.result is not None
    assert stored.result.evidence is Evidence.IMPORTED
    assert stored.result.quantities["energy_per_inference"].value == pytest.approx(1.0)
    assert stored.capture is not None
    assert len(stored.capture.trace.flags) == 121


def test_hashes_of_the_originals_are_kept(tmp_path: Path) -> None:
    """Every file that was read stands in the manifest with its sha256."""
    made = imported(tmp_path / "s", tmp_path / "runs")
    kept = json.loads((made.folder / "run.json").read_text())["configuration"]["imported"]
    assert len(kept["files"]) == 2
    for entry in kept["files"]:
        content = Path(entry["path"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_same_evidence_is_imported_once(tmp_path: Path) -> None:
    """A second import finds the first run."""
    first = imported(tmp_path / "s", tmp_path / "runs")
    again = imported(tmp_path / "s", tmp_path / "runs")
    assert again.known
    assert again.folder == first.folder


def test_evidence_that_counts_nothing_is_refused(tmp_path: Path) -> None:
    """A recording without inferences cannot stand beside measured runs."""
    path = tmp_path / "log.csv"
    path.write_text("#time,current,voltage\n" + "".join(f"{k},1,1\n" for k in range(9)))
    (done,) = audit(path).audits
    with pytest.raises(ConfigError, match="counts no inferences"):
        import_evidence(done, tmp_path / "runs", Names())


def test_import_and_compare_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two imported runs are listed and compared like measured ones."""
    monkeypatch.setenv("POWERLAB_HOME", str(tmp_path / "home"))
    for name, watts in (("a", 10.0), ("b", 12.0)):
        session(tmp_path / name, {"spl.txt": spl(steps(121, high=watts))}, detail(10.5, 110.5))
        assert main(["import", str(tmp_path / name), "--device", name, "--json"]) == 0
    runs = [folder.name for folder in sorted((tmp_path / "home" / "runs").iterdir())]
    capsys.readouterr()
    assert main(["results", "compare", *runs, "--json"]) == 0
    ratio = json.loads(capsys.readouterr().out)["ratios"]["energy_per_inference"][0]
    assert ratio["value"] == pytest.approx(1.2)


def test_what_cannot_be_imported_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording beside a session is named with exit code 2, the session is imported."""
    monkeypatch.setenv("POWERLAB_HOME", str(tmp_path / "home"))
    session(tmp_path / "x" / "a", {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    (tmp_path / "x" / "analyser.txt").write_text(spl(steps(121)))
    assert main(["import", str(tmp_path / "x")]) == 2
    assert "analyser.txt: counts no inferences" in capsys.readouterr().err
    assert len(list((tmp_path / "home" / "runs").iterdir())) == 1


def test_audit_prints_one_document_or_a_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run is a document of schema powerlab.audit/1, a folder of two a list."""
    place = submission(tmp_path / "x", "singlestream")
    published(tmp_path / "x" / "published.csv", [row("SingleStream", 1000.0, "millijoules")])
    session(place, {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    assert main(["audit", str(tmp_path / "x"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "powerlab.audit/1"
    assert document["format"] == "mlperf-inference"
    assert document["published_rule"]["value"] == pytest.approx(1000.0)
    assert document["published"]["agrees"] is True
    assert document["recomputed"]["unit"] == "mJ"
    assert document["recomputed"]["u"] > 0
    assert document["windows"][0]["inferences"] == 1000
    session(tmp_path / "x" / "other", {"spl.txt": spl(steps(121))}, detail(10.5, 110.5))
    assert main(["audit", str(tmp_path / "x"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_exit_codes_tell_what_an_audit_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 for good evidence, 2 for what is not recognised, 6 for a blocking finding."""
    text = spl(steps(121))
    session(tmp_path / "good", {"spl.txt": text}, detail(10.5, 110.5))
    session(tmp_path / "bad", {"spl.txt": text}, detail(10.5, 110.5, validity="INVALID"))
    (tmp_path / "odd.txt").write_text("hello")
    assert main(["audit", str(tmp_path / "good")]) == 0
    assert "by powerlab's method" in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "odd.txt")]) == 2
    assert main(["audit", str(tmp_path / "bad")]) == 6
    assert "loadgen" in capsys.readouterr().out.lower()
