"""The one call that turns a plan and its decision into a PDF."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup, escape

from powerlab.records.decision import Decision
from powerlab.records.procurement import Plan
from powerlab.report.evidence import Attached, Evidence
from powerlab.report.fonts import Fonts, choose_fonts
from powerlab.report.html import all_text, render_page
from powerlab.report.pdf import load_weasyprint, write_pdf
from powerlab.report.procurement.charts import draw_all
from powerlab.report.procurement.elements import ProcurementModel
from powerlab.report.procurement.evidence import ProcurementEvidence
from powerlab.report.procurement.model import procurement_model
from powerlab.report.procurement.theme import Theme, load_theme, themed_texts
from powerlab.store.serial import to_plain

DECISION_SCHEMA = "powerlab.decision-record/1"

SLASHED = re.compile(r"\w+/\w+")

ATTACHED_LIMIT = 16 << 20
"""Bytes of a run's file up to which it travels in the report; beyond, its hash stands there."""


def write_procurement(
    plan: Plan,
    decision: Decision,
    evidence: ProcurementEvidence,
    path: Path,
    lang: str,
    *,
    labs: Sequence[Path] = (),
) -> None:
    """Write the report of a decision to ``path``: PDF/A-3a, A4, its data attached.

    ``lang`` is "en" or "zh"; ``labs`` are directories whose ``templates/`` may override look and
    wording, later ones win. The same arguments give the same bytes. Raises ReportError where the
    language is unknown, no font holds the text, or the file cannot be written; ProfileError for
    a theme that is malformed; SetupError where Pango is missing.
    """
    load_weasyprint()
    texts, theme = themed_texts(lang, labs), load_theme(labs)
    travelling = collect(plan, decision, evidence)
    names = tuple(item.name for item in travelling.files)
    model = procurement_model(plan, decision, evidence, texts, names)
    fonts = choose_fonts(all_text(model))
    write_pdf(
        path,
        render_procurement(model, fonts, theme),
        charts=draw_all(model, fonts.chart_families, theme),
        evidence=travelling,
        run=f"{plan.sha256} {lang}",
        created=model.created,
    )


def collect(plan: Plan, decision: Decision, evidence: ProcurementEvidence) -> Evidence:
    """Get what travels inside the report: the plan, the decision, and what runs give along.

    Without the plan's own file, the plan as it was read stands in for it.
    """
    document = {
        "schema": DECISION_SCHEMA,
        "versions": dict(evidence.versions),
        "decision": to_plain(decision),
    }
    content = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    files = [_plan_file(plan, evidence)]
    files.append(
        Attached(
            "decision.json",
            "application/json",
            content,
            "Data",
            f"{DECISION_SCHEMA}: every figure at full precision",
        )
    )
    files += [
        item
        for run in evidence.runs
        for item in run.attached
        if len(item.content) <= ATTACHED_LIMIT
    ]
    unique = {item.name: item for item in files}
    return Evidence(
        files=tuple(unique.values()),
        result_sha256=hashlib.sha256(content).hexdigest(),
        trace_name="",
        created=plan.date,
    )


def _plan_file(plan: Plan, evidence: ProcurementEvidence) -> Attached:
    if evidence.plan_file:
        return Attached(
            evidence.plan_name, "application/toml", evidence.plan_file, "Source", "the plan"
        )
    content = (json.dumps(to_plain(plan), indent=1, ensure_ascii=False) + "\n").encode()
    return Attached("plan.json", "application/json", content, "Source", "the plan as it was read")


def render_procurement(model: ProcurementModel, fonts: Fonts, theme: Theme) -> str:
    """Get the whole report as HTML."""
    return render_page(
        "procurement",
        theme.folders,
        model,
        fonts,
        filters={"kept": kept},
        theme=theme,
        logo=theme.logo.resolve().as_uri() if theme.logo else "",
    )


def kept(text: str) -> Markup:
    """Get a text as markup in which no line breaks within what a slash joins, as units."""
    return Markup(SLASHED.sub(r'<span class="kept">\g<0></span>', str(escape(text))))  # noqa: S704
