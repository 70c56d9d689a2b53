"""What of a run folder is enough to conclude anew from, as bytes and back into a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from powerlab.store.manifest import MANIFEST, read_manifest
from powerlab.store.run_folder import EVENTS, RESULT, SAMPLES
from powerlab.store.voltmeter_file import VOLTMETER

REQUIRED = (RESULT, MANIFEST, SAMPLES, EVENTS)
VERIFIABLE = (*REQUIRED, VOLTMETER)
"""The files by name; all but the last are needed, and that one where the manifest names it."""


def verifiable_files(folder: Path) -> dict[str, bytes]:
    """Get the files of a finished run from which its result can be concluded anew.

    The manifest is told of these files alone: a report that is added to the run later leaves
    the bytes as they are. Raises ConfigError where the folder is no run, OSError.
    """
    manifest = read_manifest(folder)
    files = manifest.get("files", {})
    manifest["files"] = {name: files[name] for name in VERIFIABLE if name in files}
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    wanted = [name for name in VERIFIABLE if name in REQUIRED or name in files]
    found = {name: (folder / name).read_bytes() for name in wanted if name != MANIFEST}
    return found | {MANIFEST: text.encode()}


def unpack(files: Mapping[str, bytes], folder: Path) -> tuple[str, ...]:
    """Write files into a new folder and get the names of those that are missing.

    Only names of ``VERIFIABLE`` are written, whatever else ``files`` holds.
    """
    folder.mkdir(parents=True)
    for name in VERIFIABLE:
        if name in files:
            (folder / name).write_bytes(files[name])
    return tuple(name for name in REQUIRED if name not in files)
