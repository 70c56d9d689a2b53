"""The tables of a certificate: numbers of the record, rounded by their uncertainties."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from powerlab.analysis.conformity import Verdict
from powerlab.analysis.uncertainty import COVERAGE, student_t
from powerlab.records import FloatArray
from powerlab.records.calibration import PastCalibration, Settling
from powerlab.records.correction import CommonError
from powerlab.report.certificate.curves import RangeResults, at_work
from powerlab.report.certificate.subject import (
    ABSENT,
    QUANTITY_UNITS,
    Scale,
    Subject,
    scale_for,
)
from powerlab.report.elements import Table
from powerlab.report.headline import dof_text
from powerlab.report.numbers import given, percent, shown, significant, tidy, typeset
from powerlab.store.certified import AsFound

RANGE = re.compile(r", (\S+) [AVW] range$")
"""How the name of a certificate ends that was read for one range."""

TARE = re.compile(r"(tare-(current|voltage|power))-(\S+)")

ARROWS = {"up": "↑", "down": "↓"}


def verdict_text(subject: Subject, verdict: Verdict | None) -> str:
    """Get the words for a verdict, a dash where no limit is specified."""
    return ABSENT if verdict is None else subject.texts.say(f"certificate_verdict.{verdict.name}")


def results_table(subject: Subject, ranges: Sequence[RangeResults]) -> Table:
    """Get one line for each range: span, correction, largest error and U, conformity."""
    rows = []
    for results in ranges:
        found, work = results.found, results.work
        unit = QUANTITY_UNITS[found.quantity]
        worst = int(np.argmax(np.abs(found.error)))
        error = shown(float(found.error[worst]), float(found.expanded[worst]), unit)
        across = scale_for(found.full_scale, unit, [found.full_scale / 100])
        ends = (across.show(float(work.reading[at])) for at in (0, -1))
        rows.append(
            (
                subject.range_name(found.quantity, found.full_scale),
                f"{' … '.join(ends)}\u00a0{across.unit}",
                str(len(found.points)),
                error.text,
                verdict_text(subject, found.verdict),
                subject.form_name(results.correction.chosen.form),
                given(float(f"{np.max(work.expanded):.2g}"), unit),
            )
        )
    align = ("left", "right", "right", "right", "left", "left", "right")
    columns = ("range", "span", "points", "error", "verdict", "form", "expanded")
    return _table(subject, "certificate_results", columns, align, rows)


def found_table(subject: Subject, results: RangeResults) -> Table:
    """Get every point of a range as it was found, with what the correction leaves of it."""
    found = results.found
    unit = QUANTITY_UNITS[found.quantity]
    across = scale_for(found.full_scale, unit, found.expanded.tolist())
    small = _small(np.concatenate((found.error, found.expanded)), unit, found.expanded)
    rows = []
    for index, point in enumerate(found.points):
        mark = "*" if point.settling is Settling.UNSETTLED else ""
        verdict = found.verdicts[index] if found.verdicts else None
        warmth = point.temperature_c
        rows.append(
            (
                f"{index + 1}{mark}",
                ARROWS[point.direction],
                tidy(str(point.readings)),
                f"{warmth:.1f}" if math.isfinite(warmth) else ABSENT,
                across.show(point.reference),
                across.show(point.reading),
                small.show(float(found.error[index])),
                small.show(float(found.expanded[index])),
                f"{found.k[index]:.2f}",
                small.show(float(found.limit[index])),
                verdict_text(subject, verdict),
                small.show(float(results.residual[index])),
            )
        )
    columns = (
        *("number", "direction", "readings", "temperature", "reference", "reading", "error"),
        *("expanded", "k", "limit", "verdict", "residual"),
    )
    align = ("right", "left", *["right"] * 8, "left", "right")
    return _table(
        subject, "certificate_found", columns, align, rows, unit=across.unit, small=small.unit
    )


def corrected_table(subject: Subject, results: RangeResults) -> Table:
    """Get the correction at the levels of the calibration: what a reading stands for, with U."""
    found, along = results.found, results.work.reading
    unit = QUANTITY_UNITS[found.quantity]
    levels = np.unique([point.nominal for point in found.points])
    readings = np.unique(np.clip(levels, along[0], along[-1]))
    work = at_work(subject, results.correction, found, readings)
    change = work.value - work.reading
    across = scale_for(found.full_scale, unit, work.expanded.tolist())
    small = _small(np.concatenate((change, work.expanded)), unit, work.expanded)
    rows = [
        (
            across.show(reading),
            small.show(correct),
            across.show(value),
            small.show(expanded),
            f"{k:.2f}" if math.isfinite(k) else ABSENT,
        )
        for reading, correct, value, expanded, k in zip(
            *(part.tolist() for part in (work.reading, change, work.value, work.expanded, work.k)),
            strict=True,
        )
    ]
    columns = ("reading", "correction", "value", "expanded", "k")
    return _table(
        subject,
        "certificate_corrected",
        columns,
        ("right",) * 5,
        rows,
        unit=across.unit,
        small=small.unit,
    )


def _small(values: FloatArray, unit: str, uncertainties: FloatArray) -> Scale:
    return scale_for(float(np.max(np.abs(values))), unit, uncertainties.tolist())


def references_table(subject: Subject) -> Table:
    """Get the references with the certificates on which they rest."""
    between = subject.texts.say("certificate_text.semicolon")
    rows = [
        (
            item.model,
            item.serial or ABSENT,
            item.certificate or ABSENT,
            subject.texts.known("certificate_issuer", item.laboratory) or ABSENT,
            item.calibrated or ABSENT,
            item.due or ABSENT,
            between.join(_error(subject, error) for error in item.errors) or ABSENT,
        )
        for item in subject.record.references
    ]
    columns = ("model", "serial", "certificate", "laboratory", "calibrated", "due", "u")
    return _table(subject, "certificate_reference", columns, ("left",) * 7, rows)


def _error(subject: Subject, error: CommonError) -> str:
    """Get the standard uncertainty of a reference: a part of the value, and an offset.

    The name of its certificate ends in that of the range where it is of one alone.
    """
    texts, unit = subject.texts, QUANTITY_UNITS.get(error.quantity, "")
    found = RANGE.search(error.certificate)
    name = texts.known("channel", error.quantity)
    if found is not None:
        name = subject.range_name(error.quantity, float(found[1]))
    return texts.say(
        "certificate_reference.error",
        quantity=name,
        gain=percent(error.u_gain),
        offset=given(float(f"{error.u_offset:.2g}"), unit),
    )


def terms_table(subject: Subject) -> Table | None:
    """Get the measured properties of the set-up; None where none was measured."""
    texts = subject.texts
    rows = []
    for term in subject.record.terms:
        unit = "Ω" if term.unit == "ohm" else term.unit
        figure = shown(term.value, student_t(COVERAGE, term.dof) * term.u, unit)
        u = given(float(f"{term.u:.2g}"), unit)
        name = _term_name(subject, term.name)
        source = typeset(texts.known("certificate_source", term.source))
        rows.append((name, figure.text, u, dof_text(term.dof), source))
    align = ("left", "right", "right", "right", "left")
    columns = ("name", "value", "u", "dof", "source")
    return _table(subject, "certificate_terms", columns, align, rows) if rows else None


def _term_name(subject: Subject, name: str) -> str:
    """Get the words for a term; the tare of one of several ranges ends in its full scale."""
    found = TARE.fullmatch(name)
    if found is None:
        return subject.texts.known("certificate_term", name)
    range_name = subject.range_name(found[2], float(found[3]))
    return f"{subject.texts.known('certificate_term', found[1])}, {range_name}"


def history_table(subject: Subject) -> Table | None:
    """Get what earlier calibrations found at both ends of their spans; None without any."""
    rows = []
    for past in sorted(subject.record.history, key=lambda item: item.performed):
        ends = (_past(past, at) for at in (0, -1))
        name = subject.range_name(past.quantity, past.full_scale)
        rows.append((past.performed, past.certificate, name, *ends))
    align = ("left", "left", "left", "right", "right")
    columns = ("performed", "certificate", "range", "low", "high")
    return _table(subject, "certificate_history", columns, align, rows) if rows else None


def _past(past: PastCalibration, at: int) -> str:
    unit = QUANTITY_UNITS[past.quantity]
    half = student_t(COVERAGE, None) * float(past.u[at])
    figure = shown(float(past.corrections[at]), half, unit)
    reading = float(past.readings[at])
    return f"{_rounded(reading, past.full_scale, unit)}: {figure.text}"


def _rounded(reading: float, full_scale: float, unit: str) -> str:
    """Get a reading to a thousandth of its range."""
    across = scale_for(full_scale, unit, [full_scale / 100])
    return f"{across.show(reading)}\u00a0{across.unit}"


def k_range(found: AsFound) -> str:
    """Get the coverage factors of a range's errors, the least and the greatest."""
    low, high = (significant(float(pick(found.k)), 3) for pick in (np.min, np.max))
    return low if low == high else f"{low} … {high}"


def _table(
    subject: Subject,
    group: str,
    columns: tuple[str, ...],
    align: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    **units: str,
) -> Table:
    heads = tuple(subject.texts.say(f"{group}.column_{key}", **units) for key in columns)
    return Table(heads, align, tuple(rows))
