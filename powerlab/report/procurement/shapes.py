"""Charts of parts, ranges, hours, roofs and traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from powerlab.report.charts import FULL_MM, HALF_MM, new_figure
from powerlab.report.procurement.canvas import (
    DASHES,
    MARKERS,
    add_legend,
    label_decades,
    name_rows,
    row_height,
    stack_height,
)
from powerlab.report.procurement.elements import (
    HoursChart,
    RoofChart,
    StackChart,
    TornadoChart,
    TraceChart,
)
from powerlab.report.procurement.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx")


GIGA = 1e9


def stack(data: StackChart, theme: Theme) -> Figure:
    """Draw the parts of every option's cost, told apart by hatching."""
    figure, axes = new_figure(HALF_MM, stack_height(len(data.labels)))
    places = name_rows(axes, data.labels)
    start = np.zeros(len(places))
    faces = (theme.accent, "white", theme.band, "white", theme.rule)
    for number, (name, values) in enumerate(data.parts.items()):
        _patches(
            axes,
            places,
            start,
            values,
            faces[number % len(faces)],
            HATCHES[number % len(HATCHES)],
            theme,
            name,
        )
        start = start + values
    axes.set_xlim(0, float(start.max()) * 1.04)
    axes.locator_params(axis="x", nbins=5)
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    axes.set_xlabel(data.x_label)
    add_legend(axes, 3)
    return figure


def _patches(  # noqa: PLR0917  a bar's own parts
    axes: Axes,
    places: Any,
    start: Any,
    lengths: Any,
    face: str,
    hatch: str,
    theme: Theme,
    name: str,
) -> None:
    """Draw bars of one look as one shape, so that their hatching is drawn once."""
    from matplotlib.patches import PathPatch  # noqa: PLC0415
    from matplotlib.path import Path  # noqa: PLC0415

    corners = [
        Path(
            [(a, y - 0.29), (a + n, y - 0.29), (a + n, y + 0.29), (a, y + 0.29), (a, y - 0.29)],
            closed=True,
        )
        for a, n, y in zip(start, lengths, places, strict=True)
        if n
    ]
    if corners:
        axes.add_patch(
            PathPatch(
                Path.make_compound_path(*corners),
                facecolor=face,
                edgecolor=theme.ink,
                hatch=hatch,
                linewidth=0.4,
                label=name,
            )
        )


def tornado(data: TornadoChart, theme: Theme) -> Figure:
    """Draw what moves a cost, the widest bar at the top."""
    figure, axes = new_figure(HALF_MM, max(44.0, row_height(len(data.rows)) + 5))
    places = name_rows(axes, tuple(row.label for row in data.rows))
    for ends, face, hatch, name in (
        ([row.at_low for row in data.rows], "white", "////", data.low_label),
        ([row.at_high for row in data.rows], theme.accent, "", data.high_label),
    ):
        base = np.full(len(places), data.base)
        _patches(axes, places, base, np.array(ends) - data.base, face, hatch, theme, name)
    axes.axvline(data.base, color=theme.ink, linewidth=0.8)
    ends = [end for row in data.rows for end in (row.at_low, row.at_high, data.base)]
    edge = (max(ends) - min(ends)) * 0.06
    axes.set_xlim(min(ends) - edge, max(ends) + edge)
    axes.locator_params(axis="x", nbins=5)
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    axes.set_xlabel(data.x_label)
    add_legend(axes, 2)
    return figure


def hours(data: HoursChart, theme: Theme) -> Figure:
    """Draw load and tariff by hour as steps."""
    figure, axes = new_figure(FULL_MM, 36)
    edges = np.arange(len(data.load) + 1)
    axes.stairs(
        data.load, edges, color=theme.accent, linewidth=1.1, fill=False, label=data.load_label
    )
    axes.set_xlim(0, len(data.load))
    axes.set_ylim(0, float(data.load.max()) * 1.12)
    axes.set_xticks(np.arange(0, len(data.load) + 1, 3 if len(data.load) == 24 else 24))
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.load_label)
    if data.tariff is not None:
        other = axes.twinx()
        other.spines["right"].set_visible(True)
        other.stairs(data.tariff, edges, color=theme.ink, linewidth=0.8, linestyle=(0, (3, 1.5)))
        other.set_ylim(0, float(data.tariff.max()) * 1.12)
        other.set_ylabel(data.tariff_label)
    return figure


def roof(data: RoofChart, theme: Theme) -> Figure:
    """Draw rooflines and the points reached, both axes logarithmic."""
    figure, axes = new_figure(HALF_MM, 62)
    axes.set_xscale("log")
    axes.set_yscale("log")
    label_decades(axes.xaxis, axes.yaxis)
    ridges = [row.operations_per_s / row.bytes_per_s for row in data.rows]
    places = [*ridges, *(row.intensity for row in data.rows)]
    span = np.geomspace(min(places) / 8, max(places) * 8, 200)
    for index, row in enumerate(data.rows):
        colour = theme.accent if not index else theme.ink
        axes.plot(
            span,
            np.minimum(row.operations_per_s, row.bytes_per_s * span) / GIGA,
            color=colour,
            linewidth=0.9,
            linestyle=DASHES[index % len(DASHES)],
        )
        axes.plot(
            row.intensity,
            row.reached_per_s / GIGA,
            MARKERS[index % len(MARKERS)],
            color=colour,
            markersize=4.4,
            label=row.label,
            markerfacecolor="white" if index else colour,
        )
    reached = [row.reached_per_s / GIGA for row in data.rows]
    peaks = [row.operations_per_s / GIGA for row in data.rows]
    axes.set_ylim(10 ** np.floor(np.log10(min(reached))), 10 ** np.ceil(np.log10(max(peaks))))
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    add_legend(axes, 2)
    return figure


def trace(data: TraceChart, theme: Theme) -> Figure:
    """Draw power over time; a decimated trace as a band from least to greatest."""
    figure, axes = new_figure(HALF_MM, 48)
    if np.array_equal(data.low_w, data.high_w, equal_nan=True):
        axes.plot(data.time_s, data.low_w, color=theme.accent, linewidth=0.6)
    else:
        axes.fill_between(
            data.time_s,
            data.low_w,
            data.high_w,
            facecolor=theme.accent,
            edgecolor=theme.accent,
            linewidth=0.3,
        )
    axes.set_xlim(0, float(np.nanmax(data.time_s)))
    axes.set_ylim(0, float(np.nanmax(data.high_w)) * 1.06)
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    return figure
