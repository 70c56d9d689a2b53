"""What the charts draw: figures of every option, costs over load and years, tornados."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from powerlab.analysis.cost.flips import costs_at
from powerlab.analysis.cost.inputs import peak_load
from powerlab.records import FloatArray
from powerlab.records.decision import Spread
from powerlab.records.procurement import Option
from powerlab.report.elements import Chart, Level
from powerlab.report.numbers import significant
from powerlab.report.procurement.elements import (
    BarChart,
    FrontChart,
    LineChart,
    StackChart,
)
from powerlab.report.procurement.subject import Subject
from powerlab.report.procurement.tables import common_latency
from powerlab.units import prefixed

LABEL_WIDTH = 24
"""Letters of an option's name on one line beside a chart."""

LOAD_POINTS = 240
LOAD_SPAN = 40.0
"""The load is drawn from today's over this to today's times this, flips near by included."""

PARTS = ("capital", "engineering", "energy", "operation", "replacements")


def label(name: str) -> str:
    """Get a name for a chart: two lines at most, cut where it is longer."""
    lines = textwrap.wrap(name, LABEL_WIDTH) or [name]
    if len(lines) > 2:
        lines = [lines[0], f"{lines[1][: LABEL_WIDTH - 1]}…"]
    return "\n".join(lines)


def short(name: str) -> str:
    """Get a name for a legend, on one line."""
    return textwrap.shorten(name, LABEL_WIDTH + 4, placeholder="…") or name[:LABEL_WIDTH]


def bar_charts(subject: Subject) -> tuple[BarChart, ...]:
    """Get throughput, linear and logarithmic, and performance per watt and per price."""
    charts = (
        _bars(subject, "throughput", "throughput"),
        _bars(subject, "throughput_log", "throughput", logarithmic=True),
        _bars(subject, "per_watt", "performance_per_watt"),
        _bars(subject, "per_price", "performance_per_price"),
    )
    return tuple(chart for chart in charts if len(chart.values))


def _bars(subject: Subject, name: str, quantity: str, *, logarithmic: bool = False) -> BarChart:
    options = [o for o in subject.plan.options if quantity in subject.standing(o).spreads]
    spreads = [subject.standing(option).spreads[quantity] for option in options]
    leader = subject.decision.recommended
    unit, factor = subject.unit(quantity)
    listed = subject.joined(
        f"{option.name}: {subject.figure(quantity, spread)}"
        for option, spread in zip(options, spreads, strict=True)
    )
    texts = subject.texts
    caption = texts.say(f"procurement_chart.{name}_caption")
    return BarChart(
        Chart(
            name, texts.say("procurement_chart.bars_alt", caption=caption, listed=listed), caption
        ),
        tuple(label(option.name) for option in options),
        *(_columns(spreads, factor)),
        next((place for place, option in enumerate(options) if option.id == leader), None),
        logarithmic,
        texts.say("procurement_chart.axis", quantity=subject.quantity(quantity), unit=unit),
    )


def _columns(spreads: Sequence[Spread], factor: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Get best estimates, lower and upper ends as arrays."""
    value, low, high = (
        np.array([getattr(spread, end) for spread in spreads]) * factor
        for end in ("value", "low", "high")
    )
    return value, np.minimum(low, value), np.maximum(high, value)


def front_chart(subject: Subject) -> FrontChart | None:
    """Get energy against latency with the front; None where fewer than two have a latency."""
    delay = common_latency(subject)
    options = [option for option in subject.plan.options if delay in option.figures]
    if len(options) < 2:
        return None
    texts = subject.texts
    energy = [subject.standing(option).spreads["energy_per_inference"] for option in options]
    late = [subject.standing(option).spreads[delay] for option in options]
    scales = [
        prefixed(float(np.median([each.value for each in spreads])), unit)
        for spreads, unit in ((energy, "J"), (late, "s"))
    ]
    y, x = (_columns(s, scale[0]) for s, scale in zip((energy, late), scales, strict=True))
    front = _front(x[0], y[0])
    caption = texts.say("procurement_chart.front_caption")
    return FrontChart(
        Chart(
            "front",
            texts.say(
                "procurement_chart.front_alt",
                caption=caption,
                listed=subject.listed(options[place].name for place in front),
            ),
            caption,
        ),
        tuple(_with_probability(subject, option) for option in options),
        *x,
        *y,
        front,
        texts.say("procurement_chart.front_line"),
        texts.say("procurement_chart.axis", quantity=subject.quantity(delay), unit=scales[1][1]),
        texts.say(
            "procurement_chart.axis",
            quantity=subject.quantity("energy_per_inference"),
            unit=scales[0][1],
        ),
    )


def _with_probability(subject: Subject, option: Option) -> str:
    front = subject.standing(option).front
    name = short(option.name)
    return f"{name} · {subject.chance(front)}" if np.isfinite(front) else name


def _front(x: FloatArray, y: FloatArray) -> tuple[int, ...]:
    """Get the places that no other betters in both, rising in x."""
    found: list[int] = []
    for place in np.lexsort((y, x)).tolist():
        if not found or y[place] < y[found[-1]]:
            found.append(place)
    return tuple(found)


def load_chart(subject: Subject) -> LineChart:
    """Get every option's cost over the peak load, with the flips of the cheapest marked."""
    plan, texts = subject.plan, subject.texts
    peak = peak_load(plan)
    near = [
        flip for flip in subject.decision.load_winners if 1 / LOAD_SPAN <= flip.factor <= LOAD_SPAN
    ]
    places = [flip.factor for flip in near]
    low = min([1 / LOAD_SPAN, *(place / 2 for place in places)])
    high = max([LOAD_SPAN, *(place * 2 for place in places)])
    steps = [place * (1 + side * 1e-7) for place in places for side in (-1, 1)]
    factors = np.unique(np.concatenate((np.geomspace(low, high, LOAD_POINTS), steps)))
    costs = costs_at(plan, {"load": factors})
    unit = texts.say("unit.per_second")
    caption = texts.say("procurement_chart.load_caption")
    told = subject.joined(
        texts.say(
            "procurement_chart.flip",
            at=f"{significant(flip.at, 4)}\u00a0{unit}",
            below=subject.name(flip.below),
            above=subject.name(flip.above),
        )
        for flip in near
    ) or texts.say("procurement_chart.no_flip")
    return LineChart(
        Chart(
            "load", texts.say("procurement_chart.load_alt", caption=caption, flips=told), caption
        ),
        tuple(short(option.name) for option in plan.options),
        factors * peak,
        np.stack([costs[option.id] for option in plan.options]),
        subject.leader_place,
        tuple(Level(flip.at, significant(flip.at, 4)) for flip in near),
        Level(peak, texts.say("procurement_chart.today")),
        logarithmic=True,
        x_label=texts.say("procurement_chart.load_axis", unit=unit),
        y_label=texts.say(
            "procurement_chart.cost_axis", currency=subject.currency, horizon=subject.horizon()
        ),
    )


def stack_chart(subject: Subject) -> StackChart:
    """Get what every option's cost is made of, plain sums over the horizon."""
    texts, options = subject.texts, subject.plan.options
    parts = {
        texts.say(f"procurement_part.{part}"): np.array(
            [
                float(sum(getattr(year, part) for year in subject.cost(option).years))
                for option in options
            ]
        )
        for part in PARTS
    }
    caption = texts.say("procurement_chart.stack_caption", horizon=subject.horizon())
    listed = subject.joined(
        f"{option.name}: {subject.money(subject.cost(option).total_cost)}" for option in options
    )
    return StackChart(
        Chart(
            "stack",
            texts.say("procurement_chart.bars_alt", caption=caption, listed=listed),
            caption,
        ),
        tuple(label(option.name) for option in options),
        {name: values for name, values in parts.items() if values.any()},
        texts.say("procurement_chart.sum_axis", currency=subject.currency),
    )


def year_chart(subject: Subject) -> LineChart:
    """Get what every option has cost by the end of each year, plain sums."""
    texts, options = subject.texts, subject.plan.options
    sums = [
        [float(each) for each in accumulate(year.total for year in subject.cost(option).years)]
        for option in options
    ]
    caption = texts.say("procurement_chart.year_caption")
    listed = subject.joined(
        f"{option.name}: {subject.money(row[0])} → {subject.money(row[-1])}"
        for option, row in zip(options, sums, strict=True)
    )
    return LineChart(
        Chart(
            "years",
            texts.say("procurement_chart.bars_alt", caption=caption, listed=listed),
            caption,
        ),
        tuple(short(option.name) for option in options),
        np.arange(subject.plan.horizon_years + 1, dtype=np.float64),
        np.array(sums),
        subject.leader_place,
        (),
        None,
        logarithmic=False,
        x_label=texts.say("procurement_chart.year_axis"),
        y_label=texts.say("procurement_chart.sum_axis", currency=subject.currency),
    )
