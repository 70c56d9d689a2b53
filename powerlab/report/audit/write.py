"""The one call that turns an audit into a PDF."""

from __future__ import annotations

import hashlib
from pathlib import Path

from powerlab.report.audit.charts import draw_traces
from powerlab.report.audit.elements import AuditModel
from powerlab.report.audit.model import DOCUMENT, audit_model
from powerlab.report.audit.subject import AuditEvidence
from powerlab.report.evidence import Attached, Evidence
from powerlab.report.fonts import Fonts, choose_fonts
from powerlab.report.html import THEME, all_text, render_page
from powerlab.report.pdf import load_weasyprint, write_pdf
from powerlab.report.texts import load_texts, templates_dir

THEMES = ("audit", THEME)
"""Folders of the templates, the first preferred: the style sheet builds on the report's."""


def write_audit(path: Path, evidence: AuditEvidence, lang: str) -> None:
    """Write the report of an audit to ``path``: PDF/A-3a, A4, its document attached.

    ``lang`` is "en" or "zh". The same arguments give the same bytes. Raises ReportError where
    the language is unknown, no font holds the text, or the file cannot be written; SetupError
    where Pango is missing.
    """
    load_weasyprint()
    model = audit_model(evidence, load_texts(lang))
    fonts = choose_fonts(all_text(model))
    digest = hashlib.sha256(evidence.document).hexdigest()
    write_pdf(
        path,
        render_audit(model, fonts),
        charts=draw_traces(model, fonts.chart_families),
        evidence=Evidence(
            files=(
                Attached(
                    DOCUMENT,
                    "application/json",
                    evidence.document,
                    "Data",
                    "powerlab.audit/1 of every run: every figure at full precision",
                ),
            ),
            result_sha256=digest,
            trace_name="",
            created=evidence.created,
        ),
        run=f"{digest} {lang}",
        created=evidence.created,
    )


def render_audit(model: AuditModel, fonts: Fonts) -> str:
    """Get the whole report as HTML."""
    folders = [templates_dir() / theme for theme in THEMES]
    return render_page("audit", folders, model, fonts)
