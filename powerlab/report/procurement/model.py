"""The procurement report's model: every number and sentence decided before anything is drawn."""

from __future__ import annotations

from powerlab.findings import Severity
from powerlab.records.decision import Decision
from powerlab.records.procurement import Plan
from powerlab.report.elements import Fact
from powerlab.report.numbers import tidy
from powerlab.report.procurement import (
    annex,
    changes,
    comparisons,
    curves,
    drivers,
    facts,
    provenance,
    remarks,
    tables,
    words,
)
from powerlab.report.procurement.elements import ProcurementModel
from powerlab.report.procurement.evidence import ProcurementEvidence
from powerlab.report.procurement.subject import Subject
from powerlab.report.texts import Texts

PRESSING = 3
"""Findings named on the first page; all of them stand in their own section."""

SIGNATURES = ("prepared", "technical", "commercial", "approved")


def procurement_model(
    plan: Plan,
    decision: Decision,
    evidence: ProcurementEvidence,
    texts: Texts,
    attached: tuple[str, ...] = (),
) -> ProcurementModel:
    """Decide the whole report of a decision; ``attached`` are the names of the files within.

    Raises KeyError where the decision is not of this plan.
    """
    subject = Subject(plan, decision, evidence, texts)
    findings = remarks.finding_lines(subject)
    say = texts.say
    return ProcurementModel(
        texts=texts,
        number=plan.report_number,
        created=subject.created,
        emulated=subject.emulated,
        given=decision.recommended is not None,
        title=plan.title,
        subtitle=say("procurement_head.subtitle"),
        document_title=say("procurement_head.document_title", title=plan.title),
        summary=words.summary(subject),
        banner=words.banner(subject),
        meta=facts.meta_facts(subject),
        box=words.decision_box(subject),
        glance=tables.glance_table(subject),
        glance_note=say("procurement_glance.note", draws=tidy(str(decision.draws))),
        pressing=tuple(line for line in findings if line.severity != Severity.INFO)[:PRESSING],
        question=facts.question_facts(subject),
        hours=drivers.hours_chart(subject),
        cards=facts.option_cards(subject),
        performance=tables.performance_table(subject),
        performance_note=say("procurement_performance.note"),
        costs=tables.costs_table(subject),
        costs_note=say("procurement_costs.note", horizon=subject.horizon()),
        ranking=tables.ranking_table(subject),
        ranking_note=say("procurement_ranking.note"),
        bars=curves.bar_charts(subject),
        front=curves.front_chart(subject),
        over_load=curves.load_chart(subject),
        winners=comparisons.winners_table(subject),
        stack=curves.stack_chart(subject),
        by_year=curves.year_chart(subject),
        years=tables.years_table(subject),
        years_note=say("procurement_years.note", currency=subject.currency),
        pairs=comparisons.pairs_table(subject),
        pairs_note=say("procurement_pairs.note", unit=say("unit.per_second")),
        turns=comparisons.turns_table(subject),
        tornados=drivers.tornado_charts(subject),
        requirements=comparisons.requirements_table(subject),
        requirements_note=say("procurement_requirements.note", guard=changes.guard_text(subject)),
        assumptions=annex.assumptions(subject),
        exclusions=annex.exclusions(subject),
        shares=annex.share_tables(subject),
        shares_note=say("procurement_shares.note"),
        budgets=provenance.budget_tables(subject),
        roofs=drivers.roof_chart(subject),
        traces=drivers.trace_charts(subject),
        method=annex.method_facts(subject),
        risks=annex.risks(subject),
        findings=findings,
        figures=provenance.figures_table(subject),
        runs=provenance.runs_table(subject),
        runs_note=say("procurement_runs.note"),
        hashes=provenance.hashes_table(subject),
        versions=tuple(Fact(name, version) for name, version in evidence.versions.items()),
        evidence=provenance.evidence_sentences(subject, attached),
        signatures=tuple(say(f"procurement_sign.{each}") for each in SIGNATURES),
    )
