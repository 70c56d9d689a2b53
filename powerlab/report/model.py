"""The report's model: every number and sentence decided before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.findings import Severity
from powerlab.records import Aligned, Capture, Quantity, Result
from powerlab.report import annex, headline, method, plots, tables
from powerlab.report.elements import Headline, ReportModel
from powerlab.report.evidence import Evidence
from powerlab.report.numbers import significant
from powerlab.report.subject import Subject
from powerlab.report.texts import load_texts

PRESSING = 3
"""Findings named on the first page; all of them stand in their own section."""


def build_report(
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
    evidence: Evidence,
) -> ReportModel:
    """Decide the whole report of one measurement. Raises ReportError for an unknown language."""
    subject = Subject(
        result,
        capture,
        aligned,
        device,
        instrument,
        workload,
        protocol,
        versions,
        load_texts(lang),
        evidence.created,
    )
    trace = plots.boundary_trace(subject) if result.runs else None
    texts, findings = subject.texts, headline.finding_lines(subject)
    energy = subject.quantity("energy_per_inference")
    p = significant((energy.p if energy else 0.95) * 100, 2)
    return ReportModel(
        texts=texts,
        run=result.run,
        created=subject.created,
        emulated=subject.emulated,
        valid=result.valid,
        head=_headline(subject),
        tiles=headline.tiles(subject),
        facts=headline.facts(subject),
        power=plots.power_chart(subject, trace) if trace is not None else None,
        latency=plots.latency_chart(subject),
        energy_runs=plots.runs_chart(subject),
        results=tables.results_table(subject),
        results_note=_results_note(subject, p),
        runs=tables.runs_table(subject),
        passes=annex.passes_table(subject),
        budget=tables.budget(subject),
        price=method.price_section(subject),
        method=method.method_facts(subject),
        wiring=method.wiring_facts(subject),
        accuracy=tables.accuracy_table(subject),
        accuracy_note=_accuracy_note(subject),
        findings=findings,
        pressing=tuple(line for line in findings if line.severity != Severity.INFO)[:PRESSING],
        truth=plots.truth_section(subject),
        versions=method.version_facts(subject),
        evidence=_evidence_note(subject, evidence),
    )


def _headline(subject: Subject) -> Headline:
    return Headline(
        title=headline.title(subject),
        subtitle=headline.subtitle(subject),
        document_title=headline.document_title(subject),
        summary=headline.summary(subject),
        banner=headline.banner(subject),
        verdict=headline.verdict(subject),
        key=subject.shown("energy_per_inference"),
        key_notes=headline.key_notes(subject),
    )


def _results_note(subject: Subject, p: str) -> str:
    """Say what the columns are, and what an interval means that reaches zero."""
    note = subject.texts.say("results.note", p=p)
    if not any(_reaches_zero(quantity) for quantity in subject.result.quantities.values()):
        return note
    return note + subject.texts.say("results.note_zero")


def _reaches_zero(quantity: Quantity) -> bool:
    return quantity.value > 0 and (quantity.low is None or quantity.low <= 0)


def _accuracy_note(subject: Subject) -> str:
    note = subject.texts.say("accuracy.note")
    if not tables.any_estimate(subject):
        return note
    return f"{note} {subject.texts.say('accuracy.estimate_note')}"


def _evidence_note(subject: Subject, evidence: Evidence) -> tuple[str, ...]:
    texts = subject.texts
    if evidence.trace_name:
        attached = texts.say("evidence_text.attached", trace=evidence.trace_name)
    else:
        attached = texts.say("evidence_text.attached_result")
    told = [attached, texts.say("evidence_text.digest", digest=evidence.result_sha256)]
    if evidence.kept:
        key = "capture" if evidence.complete else "capture_apart"
        told.append(texts.say(f"evidence_text.{key}"))
    told += [
        texts.say("evidence_text.digest_of", name=name, digest=digest)
        for name, digest in evidence.kept.items()
    ]
    return tuple(told)
