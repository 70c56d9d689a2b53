"""Where the figures come from: budgets of measurements, runs, hashes, what travels along."""

from __future__ import annotations

import hashlib

from powerlab.findings import Severity
from powerlab.records import Component
from powerlab.records.procurement import Uncertain
from powerlab.report.elements import Table
from powerlab.report.headline import dof_text
from powerlab.report.numbers import shown, significant
from powerlab.report.procurement.elements import BudgetTable
from powerlab.report.procurement.evidence import RunEvidence
from powerlab.report.procurement.figures import share_text
from powerlab.report.procurement.subject import ABSENT, Subject
from powerlab.report.procurement.tables import made
from powerlab.terms import Evidence

MOST_LINES = 8


def budget_tables(subject: Subject) -> tuple[BudgetTable, ...]:
    """Get the budgets of the measured figures of leader and next."""
    names = ("energy_per_inference", "throughput")
    return tuple(
        BudgetTable(
            subject.texts.say(
                "procurement_text.of_option", option=option.name, what=subject.quantity(name)
            ),
            _budget(subject, figure),
        )
        for option in subject.subjects
        for name, figure in zip(
            names, (option.energy_per_inference_j, option.throughput_per_s), strict=True
        )
        if figure.budget
    )


def _budget(subject: Subject, figure: Uncertain) -> Table:
    def row(line: Component) -> tuple[str, ...]:
        relative = line.u / figure.value * 100 if figure.value else 0.0
        return (
            subject.texts.known("term", line.name),
            line.kind,
            f"{significant(relative, 2)}\u00a0%",
            share_text(line.share),
            dof_text(line.dof),
            subject.texts.say(f"distribution.{line.distribution}"),
            _source(subject, line),
        )

    return made(
        subject,
        "procurement_budget",
        ("name", "kind", "u", "share", "dof", "distribution", "source"),
        map(row, figure.budget[:MOST_LINES]),
        ("name", "kind", "distribution", "source"),
    )


def _source(subject: Subject, line: Component) -> str:
    """Get what a line rests on, in words that stand without the run's own report."""
    own = subject.texts.sentences.get(f"procurement_budget.source_{line.source}")
    return own or subject.texts.known("source", line.source)


def figures_table(subject: Subject) -> Table:
    """Get where the figures of every option come from, a line for each source."""
    rows = []
    for option in subject.plan.options:
        figures = {
            "throughput": option.throughput_per_s,
            "energy_per_inference": option.energy_per_inference_j,
            "power_idle": option.power_idle_w,
            **option.figures,
        }
        groups: dict[tuple[Evidence, str], list[str]] = {}
        for name, figure in figures.items():
            told = subject.texts.say(
                "procurement_text.named",
                what=subject.quantity(name),
                value=subject.stated(name, figure),
            )
            groups.setdefault((figure.evidence, figure.source), []).append(told)
        rows += [
            (
                "" if number else option.name,
                subject.joined(told),
                subject.kind(kind),
                source or ABSENT,
            )
            for number, ((kind, source), told) in enumerate(groups.items())
        ]
    columns = ("option", "figures", "evidence", "source")
    return made(subject, "procurement_figures", columns, rows, columns)


def runs_table(subject: Subject) -> Table | None:
    """Get every run behind the figures: meter, calibration, checks; None without runs."""
    if not subject.evidence.runs:
        return None
    columns = (
        *("option", "run", "date", "meter", "calibration", "boundary"),
        *("energy", "checks", "evidence"),
    )
    rows = [_run(subject, run) for run in subject.evidence.runs]
    return made(subject, "procurement_runs", columns, rows, columns)


def _run(subject: Subject, run: RunEvidence) -> tuple[str, ...]:
    texts = subject.texts
    counts = {
        severity: sum(finding.severity is severity for finding in run.findings)
        for severity in Severity
    }
    checks = subject.listed(
        texts.count(f"count.{key}", counts[severity])
        for key, severity in (
            ("blocking", Severity.BLOCKING),
            ("warning", Severity.WARNING),
            ("note", Severity.INFO),
        )
        if counts[severity]
    )
    certificates = dict.fromkeys(
        texts.say("procurement_runs.certificate", certificate=used.certificate, due=used.due)
        for used in run.calibrations
    )
    energy = run.quantities.get("energy_per_inference")
    serial = texts.say("procurement_runs.serial", serial=run.serial) if run.serial else ""
    return (
        subject.name(run.option),
        run.run,
        run.created[:10],
        subject.joined((run.meter, serial)),
        subject.joined(certificates) or texts.say("procurement_runs.specified"),
        str(run.boundary),
        shown(energy.value, energy.expanded, "J").text if energy is not None else ABSENT,
        subject.joined(
            (
                checks or texts.say("procurement_runs.no_findings"),
                "" if run.valid else texts.say("procurement_bar.measurement-not-valid"),
            )
        ),
        subject.kind(run.evidence),
    )


def hashes_table(subject: Subject) -> Table | None:
    """Get the SHA-256 of every file of every run; None without any."""
    rows = [
        (run.run, name, sha256)
        for run in subject.evidence.runs
        for name, sha256 in sorted(run.files.items())
    ]
    if not rows:
        return None
    columns = ("run", "file", "sha256")
    return made(subject, "procurement_hashes", columns, rows, columns)


def evidence_sentences(subject: Subject, attached: tuple[str, ...]) -> tuple[str, ...]:
    """Get what travels in the file, and the plan's hash; ``attached`` are names of files."""
    texts, evidence = subject.texts, subject.evidence
    told = [
        texts.say("procurement_files.attached", files=subject.listed(attached)),
        texts.say("procurement_files.plan", sha256=subject.plan.sha256),
    ]
    left = [i.name for run in evidence.runs for i in run.attached if i.name not in attached]
    if left:
        told.append(texts.say("procurement_files.too_large", files=subject.listed(left)))
    if evidence.plan_file:
        own = hashlib.sha256(evidence.plan_file).hexdigest()
        key = "same" if own == subject.plan.sha256 else "other"
        told.append(texts.say(f"procurement_files.{key}", sha256=own))
    return tuple(told)
