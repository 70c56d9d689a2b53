"""Evidence to verify, and ways to forge it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pikepdf

from powerlab.analysis.conclude import conclude
from powerlab.circumstances import latest_price
from powerlab.records import Evidence
from powerlab.store.run_folder import RunWriter
from tests.report.conftest import build_measurement

NAMES = ("result.json", "run.json", "capture.parquet", "events.jsonl")


def keep_run(root: Path) -> Path:
    """Keep a measurement of arithmetic as a finished run."""
    made = build_measurement()
    profiles = {
        name: getattr(made, name).model_dump(mode="json", by_alias=True)
        for name in ("device", "instrument", "workload", "protocol")
    }
    request = made.result.request
    writer = RunWriter(root, request=request, configuration=profiles, evidence=Evidence.EMULATED)
    price = latest_price(made.device)
    result, _ = conclude(made.capture, run=writer.run, request=request, price=price)
    writer.finish(made.capture, result)
    return writer.folder


def copy_of(folder: Path, place: Path) -> Path:
    """Get a copy that a test may forge."""
    return Path(shutil.copytree(folder, place / "copy"))


def seal(folder: Path) -> None:
    """Make the manifest fit the files, as whoever forges them would."""
    path = folder / "run.json"
    manifest = json.loads(path.read_text())
    for name, facts in manifest["files"].items():
        facts["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


def change(path: Path, *keys: str | int, to: Any) -> Any:
    """Put a value into a JSON file and get the one that was there."""
    document = json.loads(path.read_text())
    place = document
    for key in keys[:-1]:
        place = place[key]
    before, place[keys[-1]] = place[keys[-1]], to
    path.write_text(json.dumps(document))
    return before


def attach(source: Path, target: Path, **files: bytes) -> Path:
    """Write a copy of a PDF in which some attachments are others; underscores stand for dots."""
    with pikepdf.open(source) as document:
        for name, content in files.items():
            plain = name.replace("__", "-").replace("_", ".")
            if plain in document.attachments:
                stream = document.attachments[plain].obj.EF.F
                stream.write(content)
            else:
                document.attachments[plain] = content
        document.save(target, static_id=True)
    return target
