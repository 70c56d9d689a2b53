"""Whose evidence it is: signatures by ssh-keygen, of a run and of a report."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from powerlab.errors import ConfigError
from powerlab.verify.signature import check_signature, sign

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is missing")


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """Get a folder with two keys and the allowed-signers file of the first."""
    place = tmp_path_factory.mktemp("keys")
    for name in ("lab", "other"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", place / name]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    public = (place / "lab.pub").read_text()
    (place / "signers").write_text(f'lab@example.org namespaces="powerlab" {public}')
    return place


def test_a_signed_run_names_its_signer(folder, keys) -> None:
    """The key is that of the one whom the allowed-signers file names."""
    assert sign(folder, keys / "lab") == folder / "run.json.sig"
    found = check_signature(folder, keys / "signers")
    assert found is not None
    assert (found.valid, found.signer) == (True, "lab@example.org")
    assert "ED25519 key SHA256:" in found.key


def test_without_signers_a_signature_is_somebodys(folder, keys) -> None:
    """That the file is what was signed is told; who signed is not known."""
    sign(folder, keys / "lab")
    found = check_signature(folder, None)
    assert found is not None
    assert (found.valid, found.signer) == (True, "")


def test_the_key_of_another_is_not_taken(folder, keys) -> None:
    """A valid signature by somebody who is not allowed names no signer."""
    sign(folder, keys / "other")
    found = check_signature(folder, keys / "signers")
    assert found is not None
    assert (found.valid, found.signer) == (True, "")


def test_a_manifest_changed_after_it_was_signed_is_caught(folder, keys) -> None:
    """One space is enough."""
    sign(folder, keys / "lab")
    with (folder / "run.json").open("a") as file:
        file.write(" ")
    found = check_signature(folder, keys / "signers")
    assert found is not None
    assert not found.valid


def test_a_signature_by_the_plain_command_is_taken(folder, keys) -> None:
    """Who has ssh-keygen needs nothing of powerlab to sign."""
    words = ["ssh-keygen", "-Y", "sign", "-n", "powerlab", "-f", keys / "lab", folder / "run.json"]
    subprocess.run(words, check=True, capture_output=True)
    found = check_signature(folder, keys / "signers")
    assert found is not None
    assert found.signer == "lab@example.org"


def test_a_signature_for_something_else_is_not_one_of_evidence(folder, keys) -> None:
    """One made for another namespace, such as a commit, does not count."""
    words = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", keys / "lab", folder / "run.json"]
    subprocess.run(words, check=True, capture_output=True)
    found = check_signature(folder, keys / "signers")
    assert found is not None
    assert not found.valid


def test_a_report_is_signed_as_a_file(tmp_path, keys) -> None:
    """Its signature stands beside it."""
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-")
    assert check_signature(path, None) is None
    assert sign(path, keys / "lab") == tmp_path / "report.pdf.sig"
    found = check_signature(path, keys / "signers")
    assert found is not None
    assert found.signer == "lab@example.org"


def test_signing_twice_or_without_a_key_is_refused(folder, keys) -> None:
    """A signature is never overwritten, and what is no key makes none."""
    with pytest.raises(ConfigError, match="cannot sign"):
        sign(folder, keys / "signers")
    sign(folder, keys / "lab")
    with pytest.raises(ConfigError, match="exists"):
        sign(folder, keys / "lab")


def test_a_list_of_signers_that_is_not_there_is_told(folder) -> None:
    """Before anything is taken for unsigned."""
    with pytest.raises(ConfigError, match="no file"):
        check_signature(folder, folder / "nowhere")
