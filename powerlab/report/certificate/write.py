"""The one call that turns a calibration's record into a certificate."""

from __future__ import annotations

from pathlib import Path

from powerlab.records.calibration import CalibrationRecord
from powerlab.report.certificate.charts import draw_curves
from powerlab.report.certificate.elements import CertificateModel
from powerlab.report.certificate.model import build_certificate
from powerlab.report.evidence import Attached, Evidence
from powerlab.report.fonts import Fonts, choose_fonts
from powerlab.report.html import THEME, all_text, render_page
from powerlab.report.pdf import load_weasyprint, write_pdf
from powerlab.report.texts import templates_dir
from powerlab.store.calibration_file import record_bytes, record_sha256
from powerlab.store.dcc_write import dcc_bytes

THEMES = ("certificate", THEME)
"""Folders of the templates, the first preferred: the style sheet builds on the report's."""


def write_certificate(path: Path, *, record: CalibrationRecord, lang: str) -> None:
    """Write the certificate of a record to ``path``: PDF/A-3a, A4, record and DCC attached.

    Everything comes from the record, its dates too: the same arguments give the same bytes.
    ``lang`` is "en" or "zh". Raises
    ReportError where the language is unknown, no font holds the text, or the file cannot be
    written; SetupError where Pango is missing.
    """
    load_weasyprint()
    evidence = collect(record)
    model = build_certificate(record, lang, evidence.result_sha256)
    fonts = choose_fonts(all_text(model))
    write_pdf(
        path,
        render_certificate(model, fonts),
        charts=draw_curves(model, fonts.chart_families),
        evidence=evidence,
        run=f"{record.certificate} {lang}",
        created=model.created,
    )


def collect(record: CalibrationRecord) -> Evidence:
    """Get what travels inside the certificate: the calibration's own file, and its DCC."""
    return Evidence(
        files=(
            Attached(
                "calibration.json",
                "application/json",
                record_bytes(record),
                "Source",
                "powerlab.calibration/1: every figure at full precision",
            ),
            Attached(
                "dcc.xml",
                "application/xml",
                dcc_bytes(record),
                "Alternative",
                "Digital Calibration Certificate (PTB DCC 3.2.0)",
            ),
        ),
        result_sha256=record_sha256(record),
        trace_name="",
        created=record.performed,
    )


def render_certificate(model: CertificateModel, fonts: Fonts) -> str:
    """Get the whole certificate as HTML."""
    folders = [templates_dir() / theme for theme in THEMES]
    return render_page("certificate", folders, model, fonts)
