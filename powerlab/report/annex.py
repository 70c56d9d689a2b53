"""The tables behind the first page: latency percentiles, energies of single passes."""

from __future__ import annotations

from powerlab.records import Percentile
from powerlab.report.elements import Table
from powerlab.report.headline import ABSENT
from powerlab.report.numbers import fixed, percent, significant, tidy, with_unit
from powerlab.report.subject import Subject
from powerlab.units import prefixed


def latency_table(subject: Subject) -> Table | None:
    """Get the percentiles over all passes with interval and bound; None without any."""
    latency, texts = subject.result.latency, subject.texts
    if latency is None or not latency.percentiles:
        return None
    scale, unit = prefixed(latency.percentiles[0].value, "s")
    rows = tuple(_percentile_row(item, scale) for item in latency.percentiles)
    columns = ("percentile", "value", "interval", "bound", "discarded")
    return Table(
        tuple(texts.say(f"latency.column_{key}", unit=unit) for key in columns),
        ("left", "right", "right", "right", "right"),
        rows,
    )


def _percentile_row(item: Percentile, scale: float) -> tuple[str, ...]:
    enclosed = item.low is not None and item.high is not None
    ends = (f"{significant(end * scale, 4)}" for end in (item.low, item.high) if end is not None)
    return (
        f"p{item.percent:g}",
        significant(item.value * scale, 4),
        " … ".join(ends) if enclosed else ABSENT,
        significant(item.bound * scale, 4) if item.bound is not None else ABSENT,
        tidy(str(item.discarded)) if item.bound is not None else ABSENT,
    )


def latency_note(subject: Subject) -> str:
    """Say how many passes the percentiles rest on, and what was far out among them."""
    latency, texts = subject.result.latency, subject.texts
    if latency is None:
        return ""
    return texts.say(
        "latency.note",
        passes=tidy(str(latency.passes)),
        outliers=tidy(str(latency.outliers)),
        limit=with_unit(latency.outlier_limit_s, "s", 3),
        longest=with_unit(latency.longest_s, "s", 3),
    )


def passes_table(subject: Subject) -> Table | None:
    """Get the energies of single passes, run by run; None where the meter is too slow."""
    texts = subject.texts
    told = [(run.index, run.passes) for run in subject.result.runs if run.passes is not None]
    if not told:
        return None
    scale, unit = prefixed(told[0][1].median_j, "J")
    rows = tuple(
        (
            str(index + 1),
            significant(item.median_j * scale, 4),
            significant(item.p05_j * scale, 4),
            significant(item.p95_j * scale, 4),
            percent((item.p95_j - item.p05_j) / item.median_j) if item.median_j else ABSENT,
            fixed(item.samples, 1),
        )
        for index, item in told
    )
    columns = ("run", "median", "p05", "p95", "spread", "samples")
    return Table(
        tuple(texts.say(f"passes.column_{key}", unit=unit) for key in columns),
        ("right",) * len(columns),
        rows,
    )
