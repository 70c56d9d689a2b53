"""Run folders read back: which there are, what they hold, and left-overs finished."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powerlab.analysis.joined import joined
from powerlab.catalog.layers import HOME_VARIABLE, nearest_lab
from powerlab.errors import ConfigError, UnknownId
from powerlab.records import Capture, Result
from powerlab.store.capture_file import read_capture
from powerlab.store.document import result_from_document
from powerlab.store.manifest import COMPLETE, MANIFEST, RECORDING, changed_files, read_manifest
from powerlab.store.recording import is_locked, read_events
from powerlab.store.run_folder import BLOCKS, EVENTS, RESULT, SAMPLES, salvage

_LIST = "`powerlab results list` shows the runs of this lab"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run on disk. ``capture`` and ``result`` are None where it was cut short before them.

    Volts that a second meter read are joined to the samples of the capture.

    ``document`` is what ``result.json`` holds; ``changed`` names the files that are not as
    the manifest says.
    """

    folder: Path
    manifest: Mapping[str, Any]
    document: Mapping[str, Any] | None
    result: Result | None
    capture: Capture | None
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One line of the list of runs; ``document`` is None for a run without a result.

    ``evidence`` is "emulated", "measured" or "imported", None for a run that ended before it
    was known.
    """

    run: str
    folder: Path
    status: str
    created: str
    request: Mapping[str, Any]
    document: Mapping[str, Any] | None
    evidence: str | None


def lab_root(lab: Path | None = None, cwd: Path | None = None) -> Path:
    """Get where runs and calibrations lie: the lab, without one the user's data directory."""
    place = lab or nearest_lab(cwd)
    if place is not None:
        return place.resolve()
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path  # noqa: PLC0415  20 ms, seldom needed

    return user_data_path("powerlab")


def run_root(lab: Path | None = None, cwd: Path | None = None) -> Path:
    """Get where runs go: ``runs/`` in the lab's root."""
    return lab_root(lab, cwd) / "runs"


def list_runs(root: Path) -> list[RunEntry]:
    """Get all runs below ``root``, oldest first; folders that are no run are passed over."""
    entries = []
    for path in sorted(root.glob(f"*/{MANIFEST}")):
        try:
            manifest = read_manifest(path.parent)
            document = _document(path.parent)
        except ConfigError:
            continue
        entries.append(
            RunEntry(
                run=manifest["run"],
                folder=path.parent,
                status=_present_status(path.parent, manifest["status"]),
                created=manifest["created"],
                request=manifest["request"],
                document=document,
                evidence=(document or manifest).get("evidence"),
            )
        )
    return sorted(entries, key=lambda entry: entry.run)


def find_run(reference: str, root: Path) -> Path:
    """Get a run's folder from its path, its identifier, the start or end of that, or "last".

    "last" is the newest complete run. Raises UnknownId where none or more than one fits.
    """
    if (Path(reference) / MANIFEST).is_file():
        return Path(reference)
    names = sorted(path.parent.name for path in root.glob(f"*/{MANIFEST}"))
    if reference == "last" and names:
        return _last_complete(root, names)
    found = [name for name in names if name.startswith(reference) or name.endswith(reference)]
    if len(found) == 1:
        return root / found[0]
    if found:
        raise UnknownId(
            f"{len(found)} runs fit {reference!r}", hint=f"give more of its identifier; {_LIST}"
        )
    raise UnknownId(f"there is no run {reference!r} in {root}", hint=_LIST)


def _last_complete(root: Path, names: Sequence[str]) -> Path:
    """Get the newest run that has a result: one cut short is no answer to "last"."""
    for name in reversed(names):
        with contextlib.suppress(ConfigError):
            if read_manifest(root / name)["status"] == COMPLETE:
                return root / name
    raise UnknownId(
        f"there is no complete run in {root}",
        hint=f"`powerlab results show {names[-1]}` shows the newest; {_LIST}",
    )


def open_run(folder: Path) -> StoredRun:
    """Read a run whole. Raises ConfigError where it is no run or one of its files is damaged."""
    manifest = read_manifest(folder)
    changed = tuple(changed_files(folder, manifest))
    document = _document(folder)
    try:
        capture = (
            read_capture(folder / SAMPLES, read_events(folder / EVENTS))
            if (folder / SAMPLES).exists()
            else None
        )
        capture = None if capture is None else joined(capture)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the capture of run {manifest['run']} cannot be read: {error}",
            hint=f"files that are not as they were written: {', '.join(changed) or 'none'}",
        ) from error
    return StoredRun(
        folder=folder,
        manifest=manifest,
        document=document,
        result=None if document is None else result_from_document(document),
        capture=capture,
        changed=changed,
    )


def is_unfinished(folder: Path) -> bool:
    """Tell whether a run was left behind in the form in which it is recorded."""
    status = read_manifest(folder)["status"]
    return status == RECORDING or (status != COMPLETE and (folder / BLOCKS).exists())


def recover(folder: Path) -> StoredRun:
    """Finish what a killed process left behind as a partial run, and read it.

    Raises ConfigError where nothing is left to recover or the recording still goes on.
    """
    manifest = read_manifest(folder)
    if not is_unfinished(folder):
        raise ConfigError(
            f"the run {manifest['run']} is {manifest['status']}: there is nothing to recover",
            hint=f"`powerlab results show {manifest['run']}` shows what it holds",
        )
    if (folder / BLOCKS).exists() and is_locked(folder / BLOCKS):
        raise ConfigError(
            f"the run {manifest['run']} is still being recorded",
            hint="wait for the measurement to end, or stop it with Ctrl-C",
        )
    salvage(folder, manifest.get("reason") or "the recording process ended without closing it")
    return open_run(folder)


def _present_status(folder: Path, status: str) -> str:
    """Tell a recording in progress from one that a killed process left behind."""
    recording = folder / BLOCKS
    if status == RECORDING and not (recording.exists() and is_locked(recording)):
        return "left over"
    return status


def _document(folder: Path) -> dict[str, Any] | None:
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", hint="restore the file from a copy"
        ) from error
    return document
