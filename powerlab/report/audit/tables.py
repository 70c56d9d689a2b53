"""The tables of an audit's report: figures, windows, budget, originals, overview."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np

from powerlab.findings import Severity
from powerlab.records import Quantity
from powerlab.report.audit.subject import AuditedRun, Original, Stated, Stretch
from powerlab.report.elements import Table
from powerlab.report.numbers import (
    Shown,
    fixed,
    percent,
    shown,
    significant,
    tidy,
    with_unit,
)
from powerlab.report.texts import Texts

ABSENT = "\u2013"
MOST_FIGURES = 14
MOST_WINDOWS = 12
MOST_LINES = 7
"""Figures and windows that a page has room for; the attached document has all."""

AS_PUBLISHED = frozenset({"mJ", "uJ", "kWh", "W min"})
"""Published units that take no prefix: powerlab's figure stands in them beside the published."""

PERCENT_FROM = 1e-4
"""Relative differences from here on are told in per cent."""

DIGITS = 12
"""Digits of a published figure: what a recomputation can be compared by."""


def figures_table(texts: Texts, stated: tuple[Stated, ...]) -> Table:
    """Get published figures beside the same by their own rule."""
    columns = ("quantity", "published", "rule", "difference", "verdict")
    rows = tuple(
        (
            quantity_text(texts, item.quantity),
            exact(item.published, item.unit),
            exact(item.value, item.unit),
            _difference(item),
            verdict(texts, item),
        )
        for item in stated[:MOST_FIGURES]
    )
    heads = tuple(texts.say(f"audit_figures.column_{key}") for key in columns)
    return Table(heads, ("left", "right", "right", "right", "left"), rows)


def quantity_text(texts: Texts, name: str) -> str:
    """Get a figure's name in the report's language, its own parts translated one by one."""
    return texts.say("audit_text.comma").join(
        texts.known("reason", part) for part in name.split(", ")
    )


def told(texts: Texts, text: str) -> str:
    """Get what a reader says in the report's language, whole or part by part."""
    whole = texts.known("reason", text)
    if whole != text or "; " not in text:
        return whole
    return texts.say("audit_text.semicolon").join(
        texts.known("reason", part) for part in text.split("; ")
    )


def exact(value: float | None, unit: str) -> str:
    """Get a figure with as many digits as tell a recomputation from what was published."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{tidy(f'{value:.{DIGITS}g}')}\u00a0{unit}"


def _difference(item: Stated) -> str:
    if item.published is None or not math.isfinite(item.value):
        return ABSENT
    if not item.published:
        return exact(item.value - item.published, item.unit)
    relative = item.value / item.published - 1
    if abs(relative) < 5e-13:
        return "0"
    if abs(relative) >= PERCENT_FROM:
        return ("+" if relative > 0 else "") + percent(relative, 3)
    return tidy(f"{relative:+.1e}")


def verdict(texts: Texts, item: Stated) -> str:
    """Get whether a figure agrees, in words."""
    if item.agrees is None:
        return texts.say("audit_figures.unpublished")
    return texts.say("audit_figures.agrees" if item.agrees else "audit_figures.differs")


def windows_table(texts: Texts, windows: tuple[Stretch, ...]) -> Table | None:
    """Get the first windows with their energies; None where there is but one of nothing."""
    if not windows:
        return None
    by_rule = any(math.isfinite(each.rule_j) for each in windows)
    published = any(math.isfinite(each.published_j) for each in windows)
    columns = ["number", "start", "duration", "inferences", "integral", "power"]
    columns += ["rule"] if by_rule else []
    columns += ["published"] if published else []
    rows = []
    for number, each in enumerate(windows[:MOST_WINDOWS], start=1):
        length_s = each.stop_s - each.start_s
        row = [
            str(number),
            fixed(each.start_s, 3),
            fixed(length_s, 3),
            tidy(f"{each.inferences:.12g}") if each.inferences else ABSENT,
            significant(each.integral_j, 7),
            significant(each.integral_j / length_s, 5) if length_s else ABSENT,
        ]
        row += [_joule(each.rule_j)] if by_rule else []
        row += [_joule(each.published_j)] if published else []
        rows.append(tuple(row))
    heads = tuple(texts.say(f"audit_windows.column_{key}") for key in columns)
    return Table(heads, ("right",) * len(columns), tuple(rows))


def _joule(value: float) -> str:
    return significant(value, 7) if math.isfinite(value) else ABSENT


def windows_more(texts: Texts, windows: tuple[Stretch, ...]) -> str:
    """Get the sentence on windows beyond the table, empty where it has all."""
    if len(windows) <= MOST_WINDOWS:
        return ""
    energies = np.array([each.integral_j for each in windows])
    return texts.say(
        "audit_windows.more",
        shown=MOST_WINDOWS,
        n=tidy(str(len(windows))),
        low=with_unit(float(energies.min()), "J", 5),
        middle=with_unit(float(np.median(energies)), "J", 5),
        high=with_unit(float(energies.max()), "J", 5),
    )


def budget_table(texts: Texts, item: Quantity | None) -> Table | None:
    """Get the largest terms of the figure's uncertainty, None without any."""
    if item is None or not item.budget:
        return None
    columns = ("term", "kind", "u", "share", "source")
    ordered = sorted(item.budget, key=lambda line: -line.share)
    # the budget is of the first figure's base, so relative terms are what carries over
    base = math.sqrt(math.fsum(line.u**2 for line in item.budget))
    rows = tuple(
        (
            texts.known("reason", line.name),
            line.kind,
            percent(line.u / base * item.u / abs(item.value)) if base and item.value else ABSENT,
            f"{fixed(line.share * 100, 1)}\u00a0%",
            told(texts, line.source) if line.source else "",
        )
        for line in ordered[:MOST_LINES]
    )
    heads = tuple(texts.say(f"audit_budget.column_{key}") for key in columns)
    return Table(heads, ("left", "left", "right", "right", "left"), rows)


def originals_table(texts: Texts, originals: tuple[Original, ...]) -> Table:
    """Get the files that were read, with length and hash."""
    columns = ("name", "bytes", "sha256")
    rows = tuple((item.path, tidy(str(item.bytes)), item.sha256) for item in originals)
    heads = tuple(texts.say(f"audit_originals.column_{key}") for key in columns)
    return Table(heads, ("left", "right", "left"), rows)


def overview_table(texts: Texts, runs: tuple[AuditedRun, ...]) -> Table:
    """Get a row per run: its first figure, whether it agrees, powerlab's own, the findings."""
    columns = ("run", "published", "rule", "verdict", "recomputed", "findings")
    rows = []
    for run in runs:
        first = run.stated[0] if run.stated else None
        counts = Counter(each.severity for each in run.findings)
        counted = texts.say("audit_text.comma").join(
            texts.count(f"audit_overview.{level.value}", counts[level])
            for level in (Severity.BLOCKING, Severity.WARNING)
            if counts[level]
        )
        rows.append(
            (
                run.title,
                exact(first.published, first.unit) if first else ABSENT,
                exact(first.value, first.unit) if first else ABSENT,
                verdict(texts, first) if first else ABSENT,
                own_figure(run.recomputed).text if run.recomputed else ABSENT,
                counted or ABSENT,
            )
        )
    heads = tuple(texts.say(f"audit_overview.column_{key}") for key in columns)
    return Table(heads, ("left", "right", "right", "left", "right", "left"), tuple(rows))


def own_figure(item: Quantity) -> Shown:
    """Get powerlab's figure in the published unit; one in J or W gets the prefix that fits."""
    if item.unit in AS_PUBLISHED:
        return replace(shown(item.value, item.expanded, ""), unit=item.unit)
    return shown(item.value, item.expanded, item.unit)
