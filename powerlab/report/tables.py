"""The tables: every quantity, every run, the uncertainty budget, the meter's accuracy."""

from __future__ import annotations

import math

from powerlab.records import Component, Quantity
from powerlab.report.elements import Budget, BudgetRow, Fact, Table
from powerlab.report.headline import ABSENT, dof_text
from powerlab.report.numbers import (
    NARROW_SPACE,
    fixed,
    given,
    percent,
    significant,
    tidy,
    typeset,
    with_unit,
)
from powerlab.report.subject import Subject
from powerlab.units import NS_PER_S, prefixed

ORDER = (
    "energy_per_inference",
    "energy_of_these_runs",
    "energy_per_inference_net",
    "power_active",
    "power_idle",
    "throughput",
    "latency_p50",
    "latency_p90",
    "latency_p99",
    "performance_per_watt",
    "performance_per_cost",
)
"""The quantities in the order a reader looks for them; any other follows."""


def results_table(subject: Subject) -> Table:
    """Get every quantity of the result with its uncertainty; a missing one says so."""
    texts, quantities = subject.texts, subject.result.quantities
    names = [*ORDER, *sorted(set(quantities) - set(ORDER))]
    rows = [_result_row(subject, name, subject.quantity(name)) for name in names]
    columns = ("quantity", "value", "expanded", "unit", "relative", "k", "dof", "interval", "main")
    return Table(
        tuple(texts.say(f"results.column_{key}") for key in columns),
        ("left", "right", "left", "left", "right", "right", "right", "right", "left"),
        tuple(rows),
    )


def _result_row(subject: Subject, name: str, quantity: Quantity | None) -> tuple[str, ...]:
    label = subject.texts.known("quantity", name)
    if quantity is None:
        missing = subject.texts.say("results.missing")
        return (label, ABSENT, "", missing, "", "", "", "", "")
    figure = subject.figure(quantity)
    usable = bool(figure.plus_minus) and quantity.value != 0
    main = quantity.budget[0] if quantity.budget else None
    return (
        label,
        figure.value,
        f"± {figure.plus_minus}" if figure.plus_minus else "",
        figure.unit,
        percent(quantity.expanded / abs(quantity.value)) if usable else ABSENT,
        significant(quantity.k, 3) if usable else ABSENT,
        dof_text(quantity.dof) if usable else ABSENT,
        subject.interval(quantity) if usable else ABSENT,
        _main_term(subject, main) if usable and main else ABSENT,
    )


def _main_term(subject: Subject, line: Component) -> str:
    return f"{subject.texts.known('term', line.name)} {fixed(line.share * 100, 0)} %"


def runs_table(subject: Subject) -> Table:
    """Get every run with its two independent estimates of energy and their difference."""
    runs, texts = subject.result.runs, subject.texts
    energy = [run.energy_j / run.inferences for run in runs if run.inferences]
    scale, unit = prefixed(sum(energy) / len(energy), "J") if energy else (1.0, "J")
    mean = sum(energy) / len(energy) if energy else math.nan
    rows = []
    for run in runs:
        each = run.energy_j / run.inferences if run.inferences else math.nan
        rows.append(
            (
                str(run.index + 1),
                fixed((run.start_ns - subject.origin_ns) / NS_PER_S, 2),
                fixed((run.stop_ns - run.start_ns) / NS_PER_S, 3),
                tidy(str(run.inferences)),
                fixed(run.wide_j, 3),
                fixed(run.wide_j - run.energy_j, 3),
                fixed(run.interior_j, 3),
                fixed(run.tail_j, 3),
                str(run.samples),
                f"{run.gap_s * 1000:.0f}",
                significant(each * scale, 5),
                _signed_percent(each / mean - 1),
            )
        )
    columns = (
        "run",
        "start",
        "duration",
        "inferences",
        "wide",
        "lag",
        "interior",
        "tail",
        "samples",
        "gap",
    )
    heads = [texts.say(f"runs.column_{key}") for key in columns]
    heads.append(texts.say("runs.column_each", unit=unit))
    heads.append(texts.say("runs.column_deviation"))
    return Table(tuple(heads), ("right",) * len(heads), tuple(rows))


def _signed_percent(fraction: float) -> str:
    sign = "+" if fraction >= 0 else ""
    return f"{sign}{fixed(fraction * 100, 2)}"


def budget(subject: Subject) -> Budget | None:
    """Get the uncertainty budget of energy per inference; None where there is none."""
    quantity = subject.quantity("energy_per_inference")
    if quantity is None or not quantity.budget or not 0 < quantity.u < math.inf:
        return None
    texts = subject.texts
    scale, unit = prefixed(quantity.u, quantity.unit)
    places = max(0, 2 - math.floor(math.log10(quantity.u * scale)))
    rows = tuple(
        _budget_row(subject, line, quantity, scale, places)
        for line in sorted(quantity.budget, key=lambda line: -line.share)
    )
    combined = {
        "u": with_unit(quantity.u, quantity.unit),
        "expanded": with_unit(quantity.expanded, quantity.unit),
        "relative": percent(quantity.expanded / abs(quantity.value)),
        "k": significant(quantity.k, 3),
        "dof": dof_text(quantity.dof),
        "p": percent(quantity.p),
    }
    return Budget(
        quantity=f"{texts.say('quantity.energy_per_inference')} = {subject.figure(quantity).text}",
        u_unit=unit,
        rows=rows,
        combined=tuple(Fact(texts.say(f"budget.{key}"), text) for key, text in combined.items()),
    )


def _budget_row(
    subject: Subject, line: Component, quantity: Quantity, scale: float, places: int
) -> BudgetRow:
    texts = subject.texts
    return BudgetRow(
        name=texts.known("term", line.name),
        kind=line.kind,
        u=_small(line.u * scale, places),
        u_relative=_small(line.u / abs(quantity.value) * 1e6, 0) if quantity.value else ABSENT,
        share=_small(line.share * 100, 1),
        width=round(min(max(line.share, 0.0), 1.0) * 100, 2),
        dof=dof_text(line.dof),
        distribution=texts.known("distribution", line.distribution),
        source=_basis(subject, line),
    )


def _basis(subject: Subject, line: Component) -> str:
    """Get what a line rests on; the meter's limits are named once, in their own table."""
    for limit in subject.capture.trace.setup.accuracy:
        if line.source.endswith(limit.source) and limit.source:
            return subject.texts.say(f"source.{'estimate' if limit.estimated else 'specification'}")
    return typeset(subject.texts.known("source", line.source))


def _small(value: float, places: int) -> str:
    """Get a number with fixed decimals; one that would print as zero says it is smaller."""
    least = 10.0**-places
    if 0 < value < least / 2:
        return f"<{NARROW_SPACE}{fixed(least, places)}"
    return fixed(value, places)


def accuracy_table(subject: Subject) -> Table:
    """Get the specified limits that this measurement rests on, with source and date."""
    texts, rows = subject.texts, []
    for item in subject.capture.trace.setup.accuracy:
        unit = texts.known("channel_unit", item.quantity)
        rows.append(
            (
                texts.known("channel", item.quantity),
                given(item.full_scale, unit),
                texts.say(
                    "accuracy.limit",
                    gain=given(item.gain_limit * 100, "%"),
                    offset=given(item.offset_limit, unit),
                ),
                texts.say(f"accuracy.{'estimate' if item.estimated else 'specified'}"),
                item.source,
                item.retrieved,
            )
        )
    sampling, setup = subject.instrument.sampling, subject.capture.trace.setup
    rows.append(
        (
            texts.say("accuracy.clock"),
            ABSENT,
            f"± {setup.clock_limit_ppm:g} ppm",
            texts.say(f"accuracy.{'estimate' if sampling.estimated else 'specified'}"),
            sampling.source,
            sampling.retrieved,
        )
    )
    columns = ("quantity", "range", "limit", "basis", "source", "retrieved")
    return Table(
        tuple(texts.say(f"accuracy.column_{key}") for key in columns),
        ("left", "right", "left", "left", "left", "left"),
        tuple(rows),
    )


def any_estimate(subject: Subject) -> bool:
    """Tell whether a figure of the accuracy table is our own widened estimate."""
    limits = subject.capture.trace.setup.accuracy
    return any(item.estimated for item in limits) or subject.instrument.sampling.estimated
