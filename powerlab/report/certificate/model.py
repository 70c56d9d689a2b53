"""The certificate's model: every number and sentence decided before anything is drawn."""

from __future__ import annotations

from powerlab.records.calibration import CalibrationRecord, Settling
from powerlab.report.certificate import facts, tables
from powerlab.report.certificate.curves import (
    RangeResults,
    curve_chart,
    range_results,
    residual_chart,
)
from powerlab.report.certificate.elements import CertificateModel, RangeSection
from powerlab.report.certificate.fits import fit_section
from powerlab.report.certificate.subject import Subject
from powerlab.report.texts import load_texts
from powerlab.store.certified import is_emulated, ranges_found


def build_certificate(record: CalibrationRecord, lang: str, digest: str) -> CertificateModel:
    """Decide the whole certificate of one record; ``digest`` is the SHA-256 of what is attached.

    Raises ReportError for an unknown language.
    """
    subject = Subject(record, load_texts(lang))
    item, texts = record.item, subject.texts
    ranges = tuple(
        range_results(subject, correction, found) for correction, found in ranges_found(record)
    )
    model = f"{item.manufacturer} {item.name}".strip()
    names = texts.say("certificate_text.comma").join(
        subject.range_name(results.found.quantity, results.found.full_scale) for results in ranges
    )
    return CertificateModel(
        texts=texts,
        certificate=record.certificate,
        created=subject.created,
        emulated=is_emulated(record),
        valid=subject.valid,
        title=texts.say("certificate_head.title"),
        subtitle=texts.say("certificate_head.subtitle", model=model, serial=record.serial),
        document_title=texts.say(
            "certificate_head.document_title", certificate=record.certificate, model=model
        ),
        summary=texts.say(
            "certificate_head.summary", ranges=names, performed=record.performed, due=record.due
        ),
        item=facts.item_facts(subject),
        calibration=facts.calibration_facts(subject),
        results=tables.results_table(subject, ranges),
        results_note=texts.say("certificate_results.note"),
        environment=facts.environment_facts(subject),
        method=facts.method_facts(subject),
        references=tables.references_table(subject),
        statements=facts.statement_facts(subject),
        ranges=tuple(_range(subject, results, number) for number, results in enumerate(ranges)),
        fits=tuple(fit_section(subject, correction) for correction in record.corrections),
        terms=tables.terms_table(subject),
        step=facts.step_facts(subject),
        history=tables.history_table(subject),
        findings=facts.finding_lines(subject),
        signed=facts.signed_facts(subject),
        evidence=(
            texts.say("certificate_evidence.attached"),
            texts.say("certificate_evidence.digest", digest=digest),
        ),
    )


def _range(subject: Subject, results: RangeResults, number: int) -> RangeSection:
    texts, found = subject.texts, results.found
    note = texts.say("certificate_found.note", k=tables.k_range(found))
    if any(point.settling is Settling.UNSETTLED for point in found.points):
        note += texts.say("certificate_found.unsettled")
    limit = subject.limit(found.quantity, found.full_scale)
    verdict = texts.say("certificate_verdict.none")
    if limit is not None:
        verdict = texts.say(
            "certificate_verdict.sentence",
            verdict=tables.verdict_text(subject, found.verdict),
            source=limit.source.rstrip("."),
        )
        if limit.estimated:
            verdict += texts.say("certificate_verdict.estimated")
    return RangeSection(
        title=subject.range_name(found.quantity, found.full_scale),
        found=tables.found_table(subject, results),
        found_note=note,
        verdict=verdict,
        corrected=tables.corrected_table(subject, results),
        corrected_note=texts.say("certificate_corrected.note"),
        curve=curve_chart(subject, results, f"curve-{number}"),
        residuals=residual_chart(subject, results, f"residual-{number}"),
    )
