"""The charts of a procurement report as SVG, the same bytes every time.

Options are told apart by marker and dash, parts by hatching, so that a grey print says the
same; the recommended one is set apart by weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from powerlab.report.charts import FULL_MM, HALF_MM, as_svg, chart_style, new_figure
from powerlab.report.procurement import shapes
from powerlab.report.procurement.canvas import (
    DASHES,
    MARKERS,
    SMALL,
    add_legend,
    label_decades,
    name_rows,
    row_height,
    stack_height,
)
from powerlab.report.procurement.elements import (
    BarChart,
    FrontChart,
    HoursChart,
    LineChart,
    ProcurementModel,
    RoofChart,
    StackChart,
    TornadoChart,
    TraceChart,
)
from powerlab.report.procurement.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_all(
    model: ProcurementModel, families: tuple[str, ...], theme: Theme
) -> Mapping[str, bytes]:
    """Draw every chart of a report, by name, as SVG in the given font families."""
    draw: dict[type, Callable[[Any, Theme], Figure]] = {
        BarChart: _bars,
        FrontChart: _front,
        LineChart: _lines,
        StackChart: shapes.stack,
        TornadoChart: shapes.tornado,
        HoursChart: shapes.hours,
        RoofChart: shapes.roof,
        TraceChart: shapes.trace,
    }
    import matplotlib as mpl  # noqa: PLC0415

    # Texts stay texts: a page then draws them once as glyphs of its own fonts.
    with chart_style(families), mpl.rc_context({"svg.fonttype": "none", "path.simplify": True}):
        return {
            item.chart.name: as_svg(draw[type(item)](item, theme), item.chart.name)
            for item in model.charts
        }


def _bars(data: BarChart, theme: Theme) -> Figure:
    figure, axes = new_figure(HALF_MM, row_height(len(data.labels)))
    places = name_rows(axes, data.labels)
    colours = [
        theme.accent if index == data.marked else theme.muted for index in range(len(places))
    ]
    reach = np.stack((data.values - data.low, data.high - data.values))
    if data.logarithmic:
        axes.set_xscale("log")
        label_decades(axes.xaxis)
        axes.hlines(places, data.values.min() / 2, data.values, color=theme.rule, linewidth=0.5)
        axes.errorbar(
            data.values,
            places,
            xerr=reach,
            fmt="none",
            ecolor=theme.ink,
            elinewidth=0.8,
            capsize=1.8,
            capthick=0.8,
        )
        axes.scatter(data.values, places, c=colours, s=14, zorder=3)
        axes.set_xlim(data.values.min() / 2, data.high.max() * 2)
    else:
        axes.barh(places, data.values, height=0.56, color=colours, zorder=1)
        axes.errorbar(
            data.values,
            places,
            xerr=reach,
            fmt="none",
            ecolor=theme.ink,
            elinewidth=0.8,
            capsize=1.8,
            capthick=0.8,
            zorder=2,
        )
        axes.set_xlim(0, float(data.high.max()) * 1.06)
        axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(data.x_label)
    return figure


def _front(data: FrontChart, theme: Theme) -> Figure:
    figure, axes = new_figure(FULL_MM, 76)
    axes.set_xscale("log")
    axes.set_yscale("log")
    label_decades(axes.xaxis, axes.yaxis)
    front = list(data.front)
    axes.plot(
        data.x[front],
        data.y[front],
        drawstyle="steps-post",
        color=theme.accent,
        linewidth=1.0,
        linestyle=(0, (4, 1.5)),
        label=data.front_label,
    )
    for index, name in enumerate(data.labels):
        on_front = index in front
        axes.errorbar(
            data.x[index],
            data.y[index],
            xerr=[[data.x[index] - data.x_low[index]], [data.x_high[index] - data.x[index]]],
            yerr=[[data.y[index] - data.y_low[index]], [data.y_high[index] - data.y[index]]],
            fmt=MARKERS[index % len(MARKERS)],
            color=theme.accent if on_front else theme.muted,
            markerfacecolor=theme.accent if on_front else "white",
            markersize=4.4,
            elinewidth=0.7,
            capsize=1.6,
            label=name,
        )
    axes.margins(0.09)
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=5.8,
        handlelength=2.0,
        labelspacing=0.7,
    )
    return figure


def _lines(data: LineChart, theme: Theme) -> Figure:
    wide = data.logarithmic
    height = 82.0 if wide else stack_height(len(data.labels))
    figure, axes = new_figure(FULL_MM if wide else HALF_MM, height)
    if wide:
        axes.set_xscale("log")
        axes.set_yscale("log")
        label_decades(axes.xaxis, axes.yaxis)
    for index, (name, line) in enumerate(zip(data.labels, data.y, strict=True)):
        marked = index == data.marked
        axes.plot(
            data.x,
            line,
            color=theme.accent if marked else theme.ink,
            linewidth=1.5 if marked else 0.7,
            linestyle=DASHES[index % len(DASHES)],
            marker=MARKERS[index % len(MARKERS)],
            markevery=(index * 5, 55) if wide else 1,
            markersize=3.4,
            markerfacecolor=theme.accent if marked else "white",
            markeredgewidth=0.6,
            zorder=3 if marked else 2,
            label=name,
        )
    for turn in data.turns:
        axes.axvline(turn.value, color=theme.ink, linewidth=0.6, linestyle=(0, (1, 1.5)))
        _note(axes, turn.value, turn.label, 0.985, "left")
    if data.here is not None:
        axes.axvline(data.here.value, color=theme.rule, linewidth=2.4, zorder=0)
        _note(axes, data.here.value, data.here.label, 0.02, "left")
    if wide:
        axes.set_xlim(float(data.x[0]), float(data.x[-1]))
    else:
        axes.set_xticks(data.x)
        axes.set_ylim(bottom=0)
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    add_legend(axes, 4 if wide else 2)
    return figure


def _note(axes: Axes, place: float, text: str, height: float, side: str) -> None:
    axes.annotate(
        text,
        xy=(place, height),
        xycoords=("data", "axes fraction"),
        xytext=(2, 0),
        textcoords="offset points",
        ha=side,
        va="top" if height > 0.5 else "bottom",
        size=SMALL,
    )
