"""The report of an audit: its originals hashed, audited anew, and the report written anew."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from powerlab import __version__
from powerlab.errors import ConfigError
from powerlab.evidence.audit import Audited, audit
from powerlab.evidence.document import document
from powerlab.verify.compare import (
    ABSENT,
    RELATIVE,
    Check,
    Difference,
    Verification,
    compare,
)
from powerlab.verify.pdf_file import PdfFile
from powerlab.verify.report import with_pages
from powerlab.verify.run import UNUSABLE
from powerlab.verify.versions import of_method, versions_told

AUDIT = "audit.json"
SCHEMA = "powerlab.audit-report/1"

Render = Callable[[Audited, Mapping[str, Any], Path, str], None]
"""Writes the report of audits, with the attached document's path, instant and versions."""


def verify_audit(pdf: PdfFile, render: Render) -> Verification:
    """Check the originals where they still are, audit them anew, and compare everything.

    Raises ConfigError for an attachment that is no audit's, SetupError where this computer
    cannot write reports.
    """
    told = _document(pdf.attachments[AUDIT])
    changed, missing = _originals(told["audits"])
    subject = str(told.get("path"))
    if changed or missing:
        return Verification("audit", subject, (), tuple(changed), tuple(missing), recomputed=False)
    wrote = str(told.get("versions", {}).get("powerlab", "of no version"))
    try:
        mapping = _mapping(told["audits"])
        form = None if Path(subject).is_dir() else str(told["audits"][0]["format"])
        read = audit(Path(subject), form, mapping)
        anew = [json.loads(json.dumps(document(each))) for each in read.audits]
        kept = [_without_originals(each) for each in told["audits"]]
        compared = compare(kept, anew, "audits")
    except UNUSABLE as error:
        why = Difference("audits", "audits", f"none can be made: {error}")
        return Verification("audit", subject, (), of_method([why], wrote), (), recomputed=False)
    count = sum(len(each["originals"]) for each in told["audits"])
    found = Verification(
        kind="audit",
        subject=subject,
        checks=(
            Check("originals", f"{count} files, by SHA-256"),
            Check(
                "audits",
                f"{compared.values} values of {AUDIT} against the originals audited anew "
                f"(within {RELATIVE:g} of each)",
            ),
        ),
        differences=of_method(compared.differences, wrote),
        unchecked=()
        if wrote == __version__
        else (versions_told(wrote, len(compared.differences), None),),
        recomputed=True,
    )
    with tempfile.TemporaryDirectory(prefix="powerlab-verify-") as place:
        return with_pages(
            found,
            pdf,
            Path(place) / "made.pdf",
            lambda path: render(read, told, path, pdf.lang),
            wrote=wrote,
        )


def _document(content: bytes) -> dict[str, Any]:
    try:
        told = json.loads(content)
        whole = told["schema"] == SCHEMA and told["audits"] and "created" in told
        originals = [item["sha256"] for each in told["audits"] for item in each["originals"]]
    except UNUSABLE:
        whole, originals = False, []
    if not whole or not originals:
        raise ConfigError(
            f"the attached {AUDIT} is not that of an audit's report",
            hint="give a report as powerlab audit wrote it",
        )
    return dict(told)


def _originals(audits: Sequence[Mapping[str, Any]]) -> tuple[list[Difference], list[str]]:
    """Get which originals are not what was audited, and say which are not there any more."""
    differences, missing = [], []
    for each in audits:
        for facts in each["originals"]:
            path = _place(each, facts)
            if not path.is_file():
                missing.append(f"{path} is not there, so nothing can be recomputed from it")
                continue
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != facts["sha256"]:
                differences.append(Difference(f"{path} sha256", facts.get("sha256", ABSENT), found))
    return differences, missing


def _place(each: Mapping[str, Any], facts: Mapping[str, Any]) -> Path:
    """Get where an original is: beside or below the run, or where its whole path says."""
    run = Path(str(each["path"]))
    return (run if run.is_dir() else run.parent) / str(facts["path"])


def _mapping(audits: Sequence[Mapping[str, Any]]) -> Path | None:
    """Get the mapping that the one recording was read by, None without one."""
    if len(audits) != 1:
        return None
    own = [f for f in audits[0]["originals"] if str(f["path"]).endswith(".toml")]
    return _place(audits[0], own[0]) if own else None


def _without_originals(each: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in each.items() if key != "originals"}
