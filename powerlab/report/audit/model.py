"""The model of an audit's report: every number and sentence decided before anything is drawn."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import replace

from powerlab.findings import Finding, Severity
from powerlab.report.audit.curves import trace_chart
from powerlab.report.audit.elements import AuditModel, RunSection
from powerlab.report.audit.subject import AuditedRun, AuditEvidence, Stated
from powerlab.report.audit.tables import (
    ABSENT,
    AS_PUBLISHED,
    MOST_FIGURES,
    budget_table,
    exact,
    figures_table,
    originals_table,
    overview_table,
    own_figure,
    quantity_text,
    told,
    windows_more,
    windows_table,
)
from powerlab.report.elements import Fact, FindingLine
from powerlab.report.headline import sentence
from powerlab.report.numbers import interval_text, percent, significant, tidy, with_unit
from powerlab.report.texts import Texts

ORDER = (Severity.BLOCKING, Severity.WARNING, Severity.INFO)
DOCUMENT = "audit.json"
COLONS = (":", "\uff1a")


def audit_model(evidence: AuditEvidence, texts: Texts) -> AuditModel:
    """Decide the report of one or several audited runs."""
    runs = evidence.runs
    several = len(runs) > 1
    published = [run.stated[0] for run in runs if run.stated and run.stated[0].agrees is not None]
    agreeing = sum(bool(item.agrees) for item in published)
    sections = tuple(
        _section(run, texts, number if several else 0) for number, run in enumerate(runs, start=1)
    )
    title = texts.say("audit_head.title_several") if several else runs[0].title
    return AuditModel(
        texts=texts,
        created=evidence.created,
        valid=all(run.valid for run in runs),
        title=title,
        subtitle=evidence.path if several else sections[0].subtitle,
        document_title=texts.say("audit_head.document_title", title=title),
        summary=texts.say(
            "audit_head.summary_several",
            runs=texts.count("audit_head.runs", len(runs)),
            agreeing=agreeing,
            published=len(published),
            invalid=sum(not run.valid for run in runs),
        )
        if several
        else sections[0].summary,
        overview=overview_table(texts, runs) if several else None,
        failed=evidence.failed,
        runs=sections,
        versions=tuple(Fact(name, value) for name, value in sorted(evidence.versions.items())),
        evidence=(
            texts.say("audit_evidence.originals"),
            texts.say("audit_evidence.attached", name=DOCUMENT),
            texts.say(
                "audit_evidence.digest", digest=hashlib.sha256(evidence.document).hexdigest()
            ),
        ),
    )


def _section(run: AuditedRun, texts: Texts, number: int) -> RunSection:
    shown_notes, shown_label = _notes(run, texts), ""
    if run.recomputed is not None:
        name = run.stated[0].quantity if run.stated else run.recomputed.name.replace("_", " ")
        shown_label = texts.say("audit_figure.label", quantity=quantity_text(texts, name))
    return RunSection(
        title=f"{number}. {run.title}" if number else run.title,
        subtitle=texts.say("audit_head.subtitle", format=texts.known("reason", run.format_title)),
        valid=run.valid,
        summary=_summary(run, texts),
        figures=figures_table(texts, run.stated),
        figures_more=_figures_more(run.stated, texts),
        rules=tuple(_rules(run.stated, texts)),
        shown=own_figure(run.recomputed) if run.recomputed else None,
        shown_label=shown_label,
        shown_notes=shown_notes,
        facts=tuple(_facts(run, texts)),
        assumptions=tuple(sentence(told(texts, item)) for item in run.assumptions),
        chart=trace_chart(run, texts, f"power-{number}"),
        windows=windows_table(texts, run.windows),
        windows_more=windows_more(texts, run.windows),
        budget=budget_table(texts, run.recomputed),
        findings=tuple(_lines(run, texts)),
        originals=originals_table(texts, run.originals),
    )


def _summary(run: AuditedRun, texts: Texts) -> str:
    """Get what was published, what its rule gives, and what powerlab's method does."""
    parts = []
    if run.stated:
        first = run.stated[0]
        key = {True: "agrees", False: "differs", None: "unpublished"}[first.agrees]
        parts.append(
            texts.say(
                f"audit_summary.{key}",
                quantity=quantity_text(texts, first.quantity),
                published=exact(first.published, first.unit),
                value=exact(first.value, first.unit),
                relative=_relative(first),
            )
        )
    if run.recomputed is not None:
        parts.append(texts.say("audit_summary.recomputed", value=own_figure(run.recomputed).text))
    return texts.say("audit_text.between").join(parts) or texts.say("audit_summary.nothing")


def _relative(item: Stated) -> str:
    if not item.published:
        return ABSENT
    return percent(item.value / item.published - 1, 3)


def _figures_more(stated: tuple[Stated, ...], texts: Texts) -> str:
    rest = [item for item in stated[MOST_FIGURES:] if item.agrees is not None]
    if not rest:
        return ""
    return texts.say("audit_figures.more", agreeing=sum(bool(e.agrees) for e in rest), n=len(rest))


def _rules(stated: tuple[Stated, ...], texts: Texts) -> Iterator[Fact]:
    """Yield each rule once, with the figures that it makes and where they were published."""
    rules: dict[str, list[Stated]] = {}
    for item in stated:
        rules.setdefault(item.rule, []).append(item)
    for rule, items in rules.items():
        sources = dict.fromkeys(item.source for item in items if item.source)
        text = sentence(told(texts, rule))
        if sources:
            text += texts.say("audit_text.between") + texts.say(
                "audit_figures.source", source=texts.say("audit_text.semicolon").join(sources)
            )
        label = quantity_text(texts, items[0].quantity)
        if len(items) > 1:
            label = texts.say("audit_figures.and_more", first=label, n=len(items) - 1)
        yield Fact(label, text)


def _notes(run: AuditedRun, texts: Texts) -> tuple[str, ...]:
    """Get the small lines under powerlab's figure: interval, and where the rule's lies in it."""
    item = run.recomputed
    if item is None:
        return ()
    notes = [
        texts.say(
            "audit_figure.interval",
            p=significant(item.p * 100, 2),
            interval=interval_text(replace(item, unit="") if item.unit in AS_PUBLISHED else item),
            unit=own_figure(item).unit,
        )
    ]
    first = run.stated[0] if run.stated else None
    if first is not None and math.isfinite(first.value) and item.value:
        inside = abs(first.value - item.value) <= item.expanded
        notes.append(
            texts.say(
                f"audit_figure.{'inside' if inside else 'outside'}",
                off=percent(first.value / item.value - 1, 2),
            )
        )
    return tuple(notes)


def _facts(run: AuditedRun, texts: Texts) -> Iterator[Fact]:
    def fact(key: str, text: str) -> Fact:
        return Fact(texts.say(f"audit_fact.{key}"), text)

    serial = texts.say("audit_fact.of_serial", serial=run.serial) if run.serial else ""
    yield fact("meter", (run.meter or texts.say("audit_fact.not_named")) + serial)
    yield fact("limits", sentence(told(texts, run.meter_source)))
    yield fact("calibration", run.calibration or texts.say("audit_fact.not_told"))
    yield fact("boundary", texts.say(f"boundary_long.{run.boundary.value}"))
    yield fact("time", sentence(told(texts, run.timebase)))
    for trace in run.traces:
        yield fact(
            "samples",
            texts.say(
                "audit_fact.of_trace",
                name=trace.name,
                n=tidy(str(trace.samples)),
                interval=with_unit(trace.interval_s, "s", 4),
                unusable=trace.unusable,
            ),
        )
    if run.windows:
        counted = sum(each.inferences for each in run.windows)
        yield fact(
            "windows",
            texts.say(
                "audit_fact.of_windows",
                n=tidy(str(len(run.windows))),
                counted=tidy(f"{counted:.12g}"),
                seconds=significant(sum(each.stop_s - each.start_s for each in run.windows), 5),
            ),
        )
    yield fact("path", run.path)


def _lines(run: AuditedRun, texts: Texts) -> Iterator[FindingLine]:
    names = tuple(f"{trace.name}{colon}" for trace in run.traces for colon in COLONS)
    for item in sorted(run.findings, key=lambda each: ORDER.index(each.severity)):
        message, hint = texts.finding(_worded(item, texts))
        label = texts.say(f"severity.{item.severity}")
        text = sentence(message)
        if message.startswith(names):  # a name keeps its letters
            text = message[:1] + text[1:]
        yield FindingLine(str(item.severity), label, text, sentence(hint))


def _worded(item: Finding, texts: Texts) -> Finding:
    """Get a finding whose figure and reason are named in the report's language."""
    named: dict[str, str] = {}
    if "quantity" in item.evidence:
        named["quantity"] = quantity_text(texts, str(item.evidence["quantity"]))
    if "why" in item.evidence:
        named["why"] = texts.known("reason", str(item.evidence["why"]))
    return replace(item, evidence={**item.evidence, **named}) if named else item
