"""The energies of single passes, where the meter is fast enough to tell them."""

from __future__ import annotations

from powerlab.report.elements import Table
from powerlab.report.headline import ABSENT
from powerlab.report.numbers import fixed, percent, significant
from powerlab.report.subject import Subject
from powerlab.units import prefixed


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
