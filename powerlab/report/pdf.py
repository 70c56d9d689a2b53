"""From HTML and charts to a PDF/A-3a file whose bytes depend on the measurement alone."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from powerlab.errors import ReportError, SetupError
from powerlab.report.evidence import Evidence
from powerlab.report.html import CHART_SCHEME

VARIANT = "pdf/a-3a"
"""Archival, tagged for screen readers, and able to carry the data (PDF/A-3 level A)."""


def load_weasyprint() -> Any:
    """Import WeasyPrint. Raises SetupError naming the packages where Pango is missing."""
    try:
        with warnings.catch_warnings():
            # Without that optional library, fontTools makes the subsets: same pages.
            warnings.filterwarnings("ignore", "HarfBuzz-Subset", DeprecationWarning)
            import weasyprint  # noqa: PLC0415
    except (ImportError, OSError) as error:
        raise SetupError(
            "the PDF writer cannot load the Pango text library of this system",
            hint="apt-get install libpango-1.0-0 libpangoft2-1.0-0 "
            "(macOS: brew install pango), then run the command again",
            context={"cause": str(error)},
        ) from error
    return weasyprint


def write_pdf(
    path: Path,
    html: str,
    *,
    charts: Mapping[str, bytes],
    evidence: Evidence,
    run: str,
    created: str,
) -> None:
    """Write the document to ``path``, replacing it only once it is complete.

    ``created`` is an ISO 8601 instant in UTC that dates the file and its attachments.
    Raises ReportError where the file cannot be written.
    """
    weasyprint = load_weasyprint()
    instant = _instant(created)
    identifier = hashlib.sha256(f"{run} {evidence.result_sha256}".encode()).digest()[:16]
    attachments = [
        weasyprint.Attachment(
            string=item.content,
            name=item.name,
            description=item.description,
            relationship=item.relationship,
            created=instant,
            modified=instant,
        )
        for item in evidence.files
    ]
    with _dated(instant), warnings.catch_warnings():
        # WeasyPrint 70 leaves the closing of its colour profile to the collector.
        warnings.filterwarnings("ignore", "unclosed file.*icc", ResourceWarning)
        document = weasyprint.HTML(string=html, url_fetcher=_fetcher(charts))
        content = document.write_pdf(
            pdf_variant=VARIANT, pdf_identifier=identifier, attachments=attachments
        )
    _replace(path, content)


def _instant(created: str) -> datetime:
    """Get the instant of the measurement; the epoch where the record has none that parses."""
    try:
        parsed = datetime.fromisoformat(created)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


@contextmanager
def _dated(instant: datetime) -> Iterator[None]:
    """Let the font subsetter stamp the measurement's instant, not the present (fontTools)."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(int(instant.timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before


def _fetcher(charts: Mapping[str, bytes]) -> Any:
    """Get a fetcher that knows the charts and local font files, and no network."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse  # noqa: PLC0415

    class ChartFetcher(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
            scheme, _, name = url.partition(":")
            if scheme == CHART_SCHEME:
                return URLFetcherResponse(url, charts[name], {"Content-Type": "image/svg+xml"})
            return super().fetch(url, headers)

    return ChartFetcher(allowed_protocols={"file"})


def _replace(path: Path, content: bytes) -> None:
    """Write beside the target and rename, so that no reader ever sees half a report."""
    partial = path.with_name(f".{path.name}.part")
    try:
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"cannot write the report to {path}: {error.strerror or error}",
            hint="give -o a file in a folder that exists and that you may write to",
        ) from error
