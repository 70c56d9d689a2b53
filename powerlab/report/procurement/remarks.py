"""Findings of a decision in the report's language, those that say the same of several as one."""

from __future__ import annotations

from powerlab.findings import Finding, Severity
from powerlab.report.elements import FindingLine
from powerlab.report.headline import sentence
from powerlab.report.procurement.figures import declared_percent
from powerlab.report.procurement.subject import Subject

ORDER = (Severity.BLOCKING, Severity.WARNING, Severity.INFO)


def finding_lines(subject: Subject) -> tuple[FindingLine, ...]:
    """Get all findings, the gravest first; one line where a code stands for several options."""
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in subject.decision.findings:
        groups.setdefault((finding.code, finding.severity), []).append(finding)
    ranked = sorted(groups.values(), key=lambda group: ORDER.index(group[0].severity))
    return tuple(line for group in ranked for line in _lines(subject, group))


def _lines(subject: Subject, group: list[Finding]) -> list[FindingLine]:
    """Get the line of a group, or its findings as they are where the locale has no words."""
    code, severity = group[0].code, str(group[0].severity)
    label = subject.texts.say(f"severity.{severity}")
    hint = subject.texts.sentences.get(f"procurement_finding.{code}.hint")
    if hint is None:
        told = [subject.texts.finding(finding) for finding in group]
        return [FindingLine(severity, label, sentence(a), sentence(b)) for a, b in told]
    message = subject.texts.say(
        f"procurement_finding.{code}.message",
        options=subject.listed(_options(subject, group)),
        stated=subject.joined(_stated(subject, group)),
        span=_span(group),
    )
    return [FindingLine(severity, label, sentence(message), sentence(hint))]


def _options(subject: Subject, group: list[Finding]) -> list[str]:
    """Get the names of the options that findings are about, in the plan's order."""
    named = {finding.evidence.get("option") for finding in group}
    keys = {key for finding in group for key in finding.evidence}
    about = named - {None} or keys
    return [option.name for option in subject.plan.options if option.id in about]


def _span(group: list[Finding]) -> str:
    """Get the least and the greatest of fractions in the evidence, as per cent."""
    values = [v for each in group for v in each.evidence.values() if isinstance(v, float)]
    if not values:
        return ""
    return f"{declared_percent(min(values))}\u00a0…\u00a0{declared_percent(max(values))}"


def _stated(subject: Subject, group: list[Finding]) -> list[str]:
    """Get what findings say of each option, as "name: what"."""
    told = {key: value for finding in group for key, value in finding.evidence.items()}
    return [
        subject.texts.say(
            "procurement_text.of_option", option=option.name, what=str(told[option.id])
        )
        for option in subject.plan.options
        if option.id in told
    ]
