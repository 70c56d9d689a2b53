"""The PDF report of a run: concluded and written anew from its own attachments."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from powerlab import __version__
from powerlab.errors import ConfigError, SetupError
from powerlab.store.archive import StoredRun
from powerlab.store.document import public_document, result_document, result_from_document
from powerlab.store.run_folder import RESULT
from powerlab.store.verifiable import unpack
from powerlab.verify.compare import Check, Difference, Verification, compare
from powerlab.verify.pdf_file import PdfFile, compare_pages, read_pdf
from powerlab.verify.run import UNUSABLE, verify_run

Render = Callable[[StoredRun, Path, str], None]
"""Writes the report of a stored run to a path in a language."""


def verify_report(
    pdf: PdfFile, render: Render, kept: Mapping[str, bytes] | None = None
) -> Verification:
    """Conclude anew from the attached run, write the report anew, and compare both.

    ``kept`` are the files of a run folder, for those that the report does not attach. Raises
    SetupError where this computer cannot write reports.
    """
    with tempfile.TemporaryDirectory(prefix="powerlab-verify-") as place:
        folder = Path(place) / "run"
        missing = unpack({**(kept or {}), **pdf.attachments}, folder)
        if missing:
            return _without_capture(pdf, missing)
        try:
            verified = verify_run(folder)
        except ConfigError as error:
            return _refused(pdf, Difference("attachment run.json", error.message, "a manifest"))
        found = replace(verified.verification, kind="report")
        if verified.run is None or not found.recomputed:
            return found
        # what does not agree with the hashes has been told; the pages are compared all the same
        run = replace(verified.run, changed=())
        return with_pages(
            found,
            pdf,
            Path(place) / "made.pdf",
            lambda path: render(run, path, pdf.lang),
            wrote=run.manifest["versions"].get("powerlab"),
        )


def with_pages(
    found: Verification,
    pdf: PdfFile,
    path: Path,
    write: Callable[[Path], None],
    *,
    wrote: str | None,
) -> Verification:
    """Write the report anew to ``path`` and add how its pages compare.

    ``wrote`` is the version of powerlab that wrote the report: another one may word and lay
    out the same figures otherwise. Raises SetupError where this computer cannot write reports.
    """
    try:
        write(path)
    except (SetupError, OSError):
        raise
    except UNUSABLE as error:
        told = Difference("pages", "a report", f"none can be written: {error}")
        return replace(found, differences=(*found.differences, told))
    checks, differences, unchecked = compare_pages(pdf, read_pdf(path), alike=wrote == __version__)
    return replace(
        found,
        checks=(*found.checks, *checks),
        differences=(*found.differences, *_of_pages(differences, wrote)),
        unchecked=(*found.unchecked, *unchecked),
    )


def _of_pages(differences: tuple[Difference, ...], wrote: str | None) -> Iterator[Difference]:
    """Mark the numbers of pages that another version may print otherwise; attachments are not."""
    for item in differences:
        numbers = item.key.startswith("pages, how often")
        yield replace(item, method=True) if numbers and wrote != __version__ else item


def _refused(pdf: PdfFile, difference: Difference) -> Verification:
    return Verification("report", _run_of(pdf.attachments), (), (difference,), (), recomputed=False)


def _without_capture(pdf: PdfFile, missing: tuple[str, ...]) -> Verification:
    """Check what a report without its capture allows: the document against itself."""
    content = pdf.attachments[RESULT]
    digest = hashlib.sha256(content).hexdigest()
    unchecked = (
        f"{', '.join(missing)}: not attached, so no figure can be recomputed",
        f"verify the run folder whose {RESULT} has the SHA-256 {digest}",
    )
    try:
        document = json.loads(content)
        result = result_from_document(document)
        compared = compare(public_document(document), result_document(result))
    except UNUSABLE as error:
        return _refused(pdf, Difference(f"attachment {RESULT}", str(error), "a result"))
    return Verification(
        kind="report",
        subject=result.run,
        checks=(Check("result", f"{compared.values} values of {RESULT} against its exact record"),),
        differences=compared.differences,
        unchecked=unchecked,
        recomputed=False,
    )


def _run_of(attachments: Mapping[str, bytes]) -> str:
    try:
        document: Any = json.loads(attachments[RESULT])
        return str(document["run"])
    except UNUSABLE:
        return "unknown"
