"""Whose the evidence is: detached signatures, made and checked by ``ssh-keygen -Y``."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from powerlab.errors import ConfigError, SetupError
from powerlab.store.manifest import MANIFEST
from powerlab.verify.run import SIGNATURE_SUFFIX

NAMESPACE = "powerlab"
"""What a signature is for: one made for mail or a commit is none of evidence."""

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a signature.

    ``valid``: the file is what was signed. ``key`` is the fingerprint of the key that signed.
    ``signer`` is whom the allowed-signers file names for it, "" without one.
    """

    path: Path
    valid: bool
    key: str
    signer: str
    told: str


def signed_file(path: Path) -> Path:
    """Get what of a run folder or report is signed: the manifest, which has every hash."""
    return path / MANIFEST if path.is_dir() else path


def signature_path(path: Path) -> Path:
    """Get where the signature of a run folder or report is."""
    signed = signed_file(path)
    return signed.with_name(signed.name + SIGNATURE_SUFFIX)


def sign(path: Path, key: Path) -> Path:
    """Sign a run's manifest or a report with a private key, and get the signature's path.

    A passphrase is asked for by ``ssh-keygen`` itself. Raises ConfigError where there is a
    signature already or the key cannot sign, SetupError without ``ssh-keygen``.
    """
    made = signature_path(path)
    if made.exists():
        raise ConfigError(
            f"{made} exists", hint="remove it first, if it is no longer the signature you want"
        )
    command = ["sign", "-n", NAMESPACE, "-f", str(key), str(signed_file(path))]
    done = subprocess.run(  # noqa: S603  no shell
        [_ssh_keygen(), "-Y", *command], check=False, capture_output=True
    )
    if done.returncode != 0 or not made.exists():
        raise ConfigError(
            f"{key} cannot sign: {_last_line(done)}",
            hint="give a private key; make one with: ssh-keygen -t ed25519 -f KEY",
        )
    return made


def check_signature(path: Path, signers: Path | None) -> Signature | None:
    """Check the signature beside a run's manifest or a report; None where there is not one.

    With ``signers``, an allowed-signers file as in ssh-keygen(1), the key must be one that the
    file names for this namespace. Raises ConfigError where that file cannot be read,
    SetupError without ``ssh-keygen``.
    """
    made = signature_path(path)
    if signers is not None and not signers.is_file():
        raise ConfigError(
            f"there is no file {signers}",
            hint='one signer a line: NAME namespaces="powerlab" ssh-ed25519 AAAA...',
        )
    if not made.is_file():
        return None
    content = signed_file(path).read_bytes()
    about = ("-n", NAMESPACE, "-s", str(made))
    done = _asked(("check-novalidate", *about), content)
    valid, key = done.returncode == 0, _fingerprint(done)
    if not valid or signers is None:
        return Signature(made, valid, key, "", _last_line(done))
    for signer in _principals(made, signers):
        done = _asked(("verify", "-f", str(signers), "-I", signer, *about), content)
        if done.returncode == 0:
            return Signature(made, valid, key, signer, _last_line(done))
    return Signature(made, valid, key, "", f"{signers} does not name the key {key}")


def _principals(signature: Path, signers: Path) -> list[str]:
    done = _asked(("find-principals", "-s", str(signature), "-f", str(signers)), b"")
    return done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []


def _asked(words: tuple[str, ...], content: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603  no shell
        [_ssh_keygen(), "-Y", *words],
        input=content,
        capture_output=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def _ssh_keygen() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        raise SetupError(
            "signatures need ssh-keygen, which this computer lacks",
            hint="install OpenSSH: apt-get install openssh-client",
        )
    return found


def _fingerprint(done: subprocess.CompletedProcess[bytes]) -> str:
    told = re.search(rb"with (\S+ key SHA256:\S+)", done.stdout + done.stderr)
    return told[1].decode() if told else ""


def _last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
