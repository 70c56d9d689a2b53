"""What the charts of the annexes draw: what moves a cost, hours, roofs, traces."""

from __future__ import annotations

import numpy as np

from powerlab.records.procurement import Option
from powerlab.report.elements import Chart
from powerlab.report.numbers import significant
from powerlab.report.plots import decimate
from powerlab.report.procurement.curves import short
from powerlab.report.procurement.elements import (
    HoursChart,
    RoofChart,
    RoofRow,
    TornadoChart,
    TornadoRow,
    TraceChart,
)
from powerlab.report.procurement.evidence import RunEvidence
from powerlab.report.procurement.subject import Subject

TORNADO_ROWS = 9
TORNADO_LEAST = 0.01
"""Bars of less than this part of the widest are not seen, and left out."""


TRACE_POINTS = 1500


def tornado_charts(subject: Subject) -> tuple[TornadoChart, ...]:
    """Get what moves the cost of leader and next; none where nothing does."""
    found = []
    texts = subject.texts
    for number, option in enumerate(subject.subjects):
        bars = list(subject.decision.tornado[option.id][:TORNADO_ROWS])
        if not bars:
            continue
        widest = abs(bars[0].at_high - bars[0].at_low)
        bars = [bar for bar in bars if abs(bar.at_high - bar.at_low) >= TORNADO_LEAST * widest]
        rows = tuple(TornadoRow(subject.input(bar.label), bar.at_low, bar.at_high) for bar in bars)
        caption = texts.say("procurement_chart.tornado_caption", option=option.name)
        listed = subject.joined(
            f"{row.label}: {subject.money(row.at_low)} … {subject.money(row.at_high)}"
            for row in rows
        )
        alt = texts.say("procurement_chart.bars_alt", caption=caption, listed=listed)
        found.append(
            TornadoChart(
                Chart(f"tornado-{number}", alt, caption),
                rows,
                float(subject.cost(option).present_value),
                texts.say("procurement_chart.at_low"),
                texts.say("procurement_chart.at_high"),
                texts.say(
                    "procurement_chart.cost_axis",
                    currency=subject.currency,
                    horizon=subject.horizon(),
                ),
            )
        )
    return tuple(found)


def hours_chart(subject: Subject) -> HoursChart:
    """Get load and tariff by hour of the day or of the week."""
    plan, texts = subject.plan, subject.texts
    load = np.array(plan.load.hourly_per_s, dtype=np.float64)
    hourly = np.array([float(each) for each in plan.tariff.hourly_per_kwh])
    tariff = np.tile(hourly, len(load) // len(hourly)) if len(load) > len(hourly) else hourly
    load = np.tile(load, len(tariff) // len(load))
    uneven = len(set(plan.tariff.hourly_per_kwh)) > 1
    kind = "day" if len(load) == 24 else "week"
    caption = texts.say(f"procurement_chart.hours_caption{'_tariff' if uneven else ''}")
    alt = texts.say(
        "procurement_chart.hours_alt",
        caption=caption,
        low=subject.plain("throughput", float(load.min())),
        high=subject.plain("throughput", float(load.max())),
    )
    return HoursChart(
        Chart("hours", alt, caption),
        load,
        tariff if uneven else None,
        texts.say(f"procurement_chart.hour_axis_{kind}"),
        texts.say("procurement_chart.load_hour_axis", unit=texts.say("unit.per_second")),
        texts.say("procurement_chart.tariff_axis", currency=plan.tariff.currency),
    )


def roof_chart(subject: Subject) -> RoofChart | None:
    """Get the rooflines of the options whose evidence has one; None without."""
    rows = tuple(
        RoofRow(
            short(subject.name(run.option)),
            roof.operations_per_s,
            roof.bytes_per_s,
            roof.intensity,
            roof.reached_per_s,
        )
        for run in subject.evidence.runs
        if (roof := run.roof) is not None
    )
    if not rows:
        return None
    texts = subject.texts
    caption = texts.say("procurement_chart.roof_caption")
    alt = texts.say(
        "procurement_chart.bars_alt",
        caption=caption,
        listed=subject.joined(
            f"{row.label}: {significant(row.reached_per_s / ceiling(row) * 100, 2)}\u00a0%"
            for row in rows
        ),
    )
    return RoofChart(
        Chart("roof", alt, caption),
        rows,
        texts.say("procurement_chart.intensity_axis"),
        texts.say("procurement_chart.operations_axis"),
    )


def ceiling(row: RoofRow) -> float:
    """Get the operations per second that the roof allows at the workload's intensity."""
    return min(row.operations_per_s, row.bytes_per_s * row.intensity)


def trace_charts(subject: Subject) -> tuple[TraceChart, ...]:
    """Get the power over time of the first run with one of leader and next."""
    found: list[TraceChart] = []
    for option in subject.subjects:
        run = next((run for run in subject.runs_of(option) if run.power is not None), None)
        if run is not None:
            found.append(_trace(subject, option, run, len(found)))
    return tuple(found)


def _trace(subject: Subject, option: Option, run: RunEvidence, number: int) -> TraceChart:
    texts, power = subject.texts, run.power
    assert power is not None  # noqa: S101  chosen for it
    group = -(-len(power.power_w) // TRACE_POINTS)
    time_s, low, high = decimate(power.time_s, power.power_w, group)
    caption = texts.say("procurement_chart.trace_caption", option=option.name, run=run.run)
    return TraceChart(
        Chart(
            f"trace-{number}", texts.say("procurement_chart.trace_alt", caption=caption), caption
        ),
        time_s,
        low,
        high,
        texts.say("chart.time_axis"),
        texts.say("chart.power_axis"),
    )
