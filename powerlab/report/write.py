"""The one call that turns a finished measurement into a PDF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.records import Aligned, Capture, Result
from powerlab.report.charts import draw_charts
from powerlab.report.evidence import collect_evidence
from powerlab.report.fonts import choose_fonts
from powerlab.report.html import all_text, render_html
from powerlab.report.model import build_report
from powerlab.report.pdf import load_weasyprint, write_pdf


def write_report(
    path: Path,
    *,
    result: Result,
    capture: Capture,
    aligned: Aligned,
    device: DeviceProfile,
    instrument: InstrumentProfile,
    workload: WorkloadProfile,
    protocol: ProtocolPreset,
    lang: str,
    versions: Mapping[str, str],
    kept: Mapping[str, bytes] | None = None,
) -> None:
    """Write the report of one measurement to ``path``: PDF/A-3a, A4, its data attached.

    ``lang`` is "en" or "zh"; ``versions`` maps names of software to versions; ``kept``
    are the run folder's own files, attached unchanged (None: a document made from the result).
    The same arguments give the same bytes. Raises ReportError where the language is unknown,
    no font holds the text, the document is another run's, or the file cannot be written;
    SetupError where Pango is missing.
    """
    load_weasyprint()
    evidence = collect_evidence(result, capture, aligned, versions, kept)
    model = build_report(
        result=result,
        capture=capture,
        aligned=aligned,
        device=device,
        instrument=instrument,
        workload=workload,
        protocol=protocol,
        lang=lang,
        versions=versions,
        evidence=evidence,
    )
    fonts = choose_fonts(all_text(model))
    write_pdf(
        path,
        render_html(model, fonts),
        charts=draw_charts(model, fonts.chart_families),
        evidence=evidence,
        run=result.run,
        created=model.created,
    )
