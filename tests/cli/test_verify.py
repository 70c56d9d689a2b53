"""``powerlab verify``: what it prints, and its exit status."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.verify.evidence import change, keep_run, seal

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is missing")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Get a finished run in a lab."""
    return keep_run(tmp_path / "lab" / "runs")


def test_a_run_that_agrees_is_good(run, folder) -> None:
    """Exit status 0, what was checked, and that this is no proof of origin."""
    ran = run("verify", folder)
    assert ran.code == 0
    assert ran.out.startswith(f"{folder}: agrees")
    assert "only a signature" in ran.out
    assert "Signature: none" in ran.out


def test_a_run_is_found_by_its_name_in_a_lab(run, folder) -> None:
    """As every command that takes a run."""
    assert run("verify", "last", "--lab", folder.parent.parent).code == 0


def test_a_run_that_differs_is_not_valid(run, folder) -> None:
    """Exit status 6, and the key with both figures."""
    before = change(folder / "result.json", "quantities", "power_idle", "value", to=3.0)
    seal(folder)
    ran = run("verify", folder)
    assert ran.code == 6
    assert f"quantities.power_idle.value: stored 3.0, recomputed {before!r}" in ran.out
    document = run("verify", folder, "--json").json
    assert document["schema"] == "powerlab.verification/1"
    assert document["outcome"] == "differs"
    assert document["differences"] == [
        {
            "key": "quantities.power_idle.value",
            "stored": 3.0,
            "recomputed": pytest.approx(before, rel=1e-12),
        }
    ]


def test_numbers_that_json_lacks_are_printed_as_text(run, folder) -> None:
    """A NaN put into a file does not break the answer."""
    path = folder / "result.json"
    document = json.loads(path.read_text())
    document["quantities"]["power_idle"]["value"] = float("nan")
    path.write_text(json.dumps(document))
    seal(folder)
    ran = run("verify", folder, "--json")
    assert ran.code == 6
    assert ran.json["differences"][0]["stored"] == "NaN"


@pytest.mark.parametrize("name", ["nothing", "empty", "text.txt", "text.pdf"])
def test_what_is_no_evidence_is_refused(run, tmp_path, name) -> None:
    """Exit status 2 for what is neither a run nor a report."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("a text")
    (tmp_path / "text.pdf").write_text("%PDF-1.7\na text\n")
    ran = run("verify", tmp_path / name)
    assert ran.code == 2
    assert ran.err.startswith("Error:")


@needs_ssh
def test_what_agrees_is_signed_and_must_then_be_signed(run, folder, tmp_path) -> None:
    """--sign signs, --signers wants one of them; without a signature that is a difference."""
    key = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", key],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    signers = tmp_path / "signers"
    signers.write_text(f"someone {key.with_suffix('.pub').read_text()}")
    assert run("verify", folder, "--signers", signers).code == 6
    assert run("verify", folder, "--sign", key).code == 0
    ran = run("verify", folder, "--signers", signers, "--json")
    assert ran.code == 0
    assert ran.json["signature"]["signer"] == "someone"
    change(folder / "run.json", "created", to="2026-01-01")
    assert run("verify", folder).code == 6


@needs_ssh
def test_what_does_not_agree_is_not_signed(run, folder, tmp_path) -> None:
    """A signature under figures that do not follow from the data would be worth nothing."""
    (folder / "events.jsonl").write_bytes(b"")
    ran = run("verify", folder, "--sign", tmp_path / "key")
    assert ran.code == 2
    assert not (folder / "run.json.sig").exists()
