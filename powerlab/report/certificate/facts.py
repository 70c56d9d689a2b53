"""The words of a certificate: who, what, where, by which method, and what it does not claim."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from powerlab.findings import Finding, Severity
from powerlab.records.calibration import Settling, StepResponse
from powerlab.report.certificate.subject import ABSENT, Subject, temperature_text
from powerlab.report.elements import Fact, FindingLine
from powerlab.report.headline import sentence
from powerlab.report.numbers import NO_BREAK, significant, tidy, with_unit
from powerlab.store.certified import begun

METHOD = ("uncertainty", "correction", "conformity")
"""The paragraphs on the method that are the same for every calibration."""

RANGE = re.compile(r"(current|voltage|power) range (\S+) [AVW]: ")
"""What the findings of one of several ranges begin with."""


def item_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get what was calibrated, and in which state."""
    record, item, texts = subject.record, subject.record.item, subject.texts
    rows = {
        "manufacturer": item.manufacturer,
        "model": item.name,
        "serial": record.serial,
        "firmware": record.firmware or texts.say("certificate_text.unknown"),
        "link": item.link or texts.say("certificate_text.not_noted"),
        "condition": item.condition or texts.say("certificate_text.not_noted"),
        "leads": record.cable_set or texts.say("certificate_text.not_noted"),
    }
    return _facts(subject, "certificate_item", rows)


def calibration_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get who calibrated, for whom, and the dates."""
    record, laboratory, texts = subject.record, subject.record.laboratory, subject.texts
    first = begun(record)
    dates = record.performed if first == record.performed else f"{first} … {record.performed}"
    name = laboratory.name or texts.say("certificate_text.not_noted")
    rows = {
        "certificate": record.certificate,
        "laboratory": ", ".join(filter(None, (name, laboratory.place, laboratory.country))),
        "customer": record.customer or texts.say("certificate_text.own"),
        "performed": dates,
        "issued": record.performed,
        "due": record.due,
    }
    return _facts(subject, "certificate_calibration", rows)


def environment_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get where the calibration took place, as far as it was noted."""
    record, texts = subject.record, subject.texts
    noted = record.environment
    room = temperature_text(noted.temperature_c)
    if room != ABSENT and noted.u_temperature_c > 0:
        u = f"{noted.u_temperature_c:.2g}{NO_BREAK}K"
        room = texts.say("wiring.with_u", value=room, u=u)
    seen = [item.temperature_c for item in record.points if math.isfinite(item.temperature_c)]
    low, high = (temperature_text(pick(seen, default=math.nan)) for pick in (min, max))
    humidity = noted.humidity_percent
    rows = {
        "temperature": room,
        "points": ABSENT if not seen else low if low == high else f"{low} … {high}",
        "humidity": f"{tidy(f'{humidity:.0f}')} %" if math.isfinite(humidity) else ABSENT,
        "note": noted.note or ABSENT,
    }
    return _facts(subject, "certificate_environment", rows)


def method_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get the method in short paragraphs, as the points say that it was followed."""
    texts = subject.texts
    told = {key: texts.say(f"certificate_method.{key}") for key in METHOD}
    return tuple(
        Fact(texts.say(f"certificate_method.{key}_title"), text)
        for key, text in {"comparison": _comparison(subject), **told}.items()
    )


def _comparison(subject: Subject) -> str:
    """Say how the points were taken: how many, from which sides, settled or not."""
    texts, points = subject.texts, subject.record.points
    counts = [point.readings for point in points]
    low, high = min(counts, default=0), max(counts, default=0)
    sides = {point.direction for point in points}
    unsettled = sum(point.settling is Settling.UNSETTLED for point in points)
    if unsettled:
        settled = texts.say("certificate_method.unsettled", n=unsettled)
    else:
        watched = all(point.settling is Settling.SETTLED for point in points)
        settled = texts.say(f"certificate_method.{'settled' if watched else 'not_watched'}")
    return texts.say(
        "certificate_method.comparison",
        points=len(points),
        readings=str(low) if low == high else f"{low} … {high}",
        sides=texts.say(f"certificate_method.{'both_sides' if len(sides) > 1 else 'one_side'}"),
        settled=settled,
    )


def statement_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get what the certificate states of itself, beside its numbers."""
    traced = all(item.certificate for item in subject.record.references)
    known = bool(subject.record.references) and traced
    keys = {
        "accreditation": "accreditation",
        "relates": "relates",
        "traceability": "traceability" if known else "traceability_missing",
        "adjustment": "adjustment",
        "due": "due_agreed" if subject.record.customer else "due",
        "copy": "copy",
    }
    return tuple(
        Fact(
            subject.texts.say(f"certificate_statement.{title}_title"),
            subject.texts.say(f"certificate_statement.{key}", due=subject.record.due),
        )
        for title, key in keys.items()
    )


def step_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get what load steps told of the readings' time, empty where none were made."""
    step = subject.record.step
    return () if step is None else _facts(subject, "certificate_step", _step_rows(subject, step))


def _step_rows(subject: Subject, step: StepResponse) -> dict[str, str]:
    texts = subject.texts
    averaging = "unknown" if step.averaging is None else str(step.averaging)

    def timed(value: float, u: float) -> str:
        return texts.say("wiring.with_u", value=with_unit(value, "s"), u=with_unit(u, "s", 2))

    return {
        "latency": timed(step.latency_s, step.u_latency_s),
        "aperture": timed(step.aperture_s, step.u_aperture_s),
        "interval": timed(step.interval_s, step.u_interval_s),
        "delivered": with_unit(step.delivered_s, "s"),
        "averaging": texts.say(f"certificate_averaging.{averaging}"),
        "fit": texts.say(
            "certificate_text.step_fit",
            steps=step.steps,
            reduced=significant(step.chi_squared_reduced, 2),
        ),
    }


def signed_facts(subject: Subject) -> tuple[Fact, ...]:
    """Get who performed the calibration and authorised the certificate."""
    name = subject.record.operator or subject.texts.say("certificate_text.not_noted")
    return _facts(subject, "certificate_signed", {"operator": name, "date": "", "signature": ""})


def finding_lines(subject: Subject) -> tuple[FindingLine, ...]:
    """Get all findings in the certificate's language, the gravest first."""
    order = [Severity.BLOCKING, Severity.WARNING, Severity.INFO]
    ranked = sorted(subject.record.findings, key=lambda item: order.index(item.severity))
    lines = []
    for finding in ranked:
        message, hint = _told(subject, finding)
        label = subject.texts.say(f"severity.{finding.severity}")
        lines.append(FindingLine(str(finding.severity), label, sentence(message), sentence(hint)))
    return tuple(lines)


def _told(subject: Subject, finding: Finding) -> tuple[str, str]:
    """Get message and hint in the language; a range that the message begins with is set apart."""
    found = RANGE.match(finding.message)
    if found is None:
        return subject.texts.finding(finding)
    plain = replace(finding, message=finding.message[found.end() :])
    message, hint = subject.texts.finding(plain)
    name = subject.range_name(found[1], float(found[2]))
    return subject.texts.say("certificate_text.of_range", range=name, message=message), hint


def _facts(subject: Subject, group: str, rows: dict[str, str]) -> tuple[Fact, ...]:
    return tuple(Fact(subject.texts.say(f"{group}.{key}"), text) for key, text in rows.items())
