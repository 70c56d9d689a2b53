"""``run.json``, the manifest of a run folder: what it is, who wrote it, what it holds.

History: ``powerlab.run/1`` is the first. Keys: schema, run, status, reason, created,
finished (UTC), versions, request, evidence ("emulated" or "measured", once it is known),
configuration (the bench and the profiles used, whole), files (size and sha256 of every other
file).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from powerlab import __version__
from powerlab.errors import ConfigError

RUN_SCHEMA = "powerlab.run/1"
MANIFEST = "run.json"

RECORDING, COMPLETE, PARTIAL, BROKEN = "recording", "complete", "partial", "broken"
"""The states of a run: being written or left behind, finished, cut short, unreadable."""

_PACKAGES = (
    *("numpy", "scipy", "pyarrow", "pydantic", "pyvisa", "pyvisa-py", "pyserial"),
    *("matplotlib", "weasyprint", "jinja2"),
)


def utc_now() -> str:
    """Get the present instant as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """Get the versions of everything that takes part in a measurement on this computer."""
    found = {
        "powerlab": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` make a file beside ``path``, bring it to the disk and move it there.

    Raises OSError; what was at ``path`` is then untouched and nothing stays beside it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document in one step. Raises OSError."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: discard(temporary.write_text(text, "utf-8")))


def discard(_: object) -> None:
    """Drop the count that a write returns."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a run folder's manifest; raises ConfigError where the folder is not a run."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{folder} is not a run folder: {path.name}: {error.strerror}",
            hint="`powerlab results list` shows the runs of this lab",
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{path} is damaged: {error}",
            hint="restore it from a copy; without its manifest a run cannot be trusted",
        ) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != RUN_SCHEMA:
        raise ConfigError(
            f"{path} is not of schema {RUN_SCHEMA!r}",
            hint="read it with the version of powerlab that wrote it",
        )
    return manifest


def checksums(folder: Path) -> dict[str, dict[str, Any]]:
    """Get size and sha256 of every file of a run but its manifest."""
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    }


def changed_files(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Get the names of the files that are not, or not any more, as the manifest says."""
    return [
        name
        for name, facts in manifest.get("files", {}).items()
        if not (folder / name).is_file() or _sha256(folder / name) != facts["sha256"]
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
