"""An imported run against its originals: audited anew, where they still are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from powerlab.errors import ConfigError
from powerlab.evidence.audit import Audit, audit
from powerlab.evidence.document import document as audit_document
from powerlab.evidence.importing import AUDIT
from powerlab.records import Result
from powerlab.store.archive import StoredRun
from powerlab.store.document import stored_document
from powerlab.verify.compare import ABSENT, Difference

IMPORTED = "imported"
"""The key of the manifest's configuration, and the finding that every import puts first."""


def originals_changed(kept: Mapping[str, Any]) -> tuple[list[Difference], list[str]]:
    """Get which originals are not what was imported, and say which are not there any more."""
    differences, missing = [], []
    for facts in kept["files"]:
        path = Path(facts["path"])
        if not path.is_file():
            missing.append(f"{path} is not there, so nothing can be recomputed from it")
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != facts["sha256"]:
            differences.append(Difference(f"{path} sha256", facts["sha256"], found))
    return differences, missing


def audited_anew(
    stored: StoredRun, result: Result, kept: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Get result and audit of an imported run, as stored and of the originals audited anew.

    Raises ConfigError where the evidence is not found in them, OSError, ValueError.
    """
    done = _audit(kept)
    origin = tuple(item for item in result.findings[:1] if item.code == IMPORTED)
    runs = tuple(
        replace(run, energy_j=energy_j, interior_j=energy_j, wide_j=energy_j)
        for run, energy_j in zip(result.runs, done.reckoned.energy_j.tolist(), strict=True)
    )
    anew = replace(
        result,
        quantities=done.reckoned.quantities,
        valid=done.valid,
        findings=(*origin, *done.findings),
        boundary=done.evidence.boundary,
        runs=runs,
    )
    document = stored.document or {}
    recomputed = stored_document(
        anew,
        created=stored.manifest["created"],
        versions=stored.manifest["versions"],
        target=stored.capture.target if stored.capture else document.get("target", ABSENT),
    )
    told = json.loads((stored.folder / AUDIT).read_text("utf-8"))
    # where the originals were is told as the user wrote it then
    audited = {**audit_document(done), "path": told.get("path")}
    plain = json.loads(json.dumps({**recomputed, AUDIT: audited}, allow_nan=False))
    return {**document, AUDIT: told}, plain


def _audit(kept: Mapping[str, Any]) -> Audit:
    """Audit the originals of one run: at their path there may be several."""
    mapping = next((each["path"] for each in kept["files"] if each["path"].endswith(".toml")), None)
    read = audit(Path(kept["path"]), str(kept["format"]), Path(mapping) if mapping else None)
    for each in read.audits:
        if str(kept["key"]).startswith(f"{each.evidence.format}/{each.evidence.title}/"):
            return each
    raise ConfigError(
        f"{kept['path']} holds no such evidence any more",
        hint="import it again, with the mapping it was imported with",
    )
