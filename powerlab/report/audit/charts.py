"""The charts of an audit as SVG, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from powerlab.report.audit.elements import AuditModel, TraceChart
from powerlab.report.charts import ACCENT, FULL_MM, INK, MM, SHADE, as_svg, chart_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIRST_MM = 46.0
EACH_MM = 26.0


def draw_traces(model: AuditModel, families: tuple[str, ...]) -> Mapping[str, bytes]:
    """Draw the chart of every run that has one, by name, as SVG in the given font families."""
    charts = [run.chart for run in model.runs if run.chart is not None]
    with chart_style(families):
        return {item.chart.name: as_svg(_traces(item), item.chart.name) for item in charts}


def _traces(data: TraceChart) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415

    count = len(data.lines)
    height_mm = FIRST_MM if count == 1 else EACH_MM * count + 10
    figure = Figure(figsize=(FULL_MM * MM, height_mm * MM))
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01)
    rows = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, line in zip(rows, data.lines, strict=True):
        _bands(axes, data)
        if np.array_equal(line.low_w, line.high_w, equal_nan=True):
            axes.plot(line.time_s, line.low_w, color=ACCENT, linewidth=0.55)
        else:
            axes.fill_between(
                line.time_s,
                line.low_w,
                line.high_w,
                facecolor=ACCENT,
                edgecolor=ACCENT,
                linewidth=0.3,
            )
        axes.set_ylim(min(0.0, float(np.nanmin(line.low_w))), _top(float(np.nanmax(line.high_w))))
        axes.set_ylabel(data.y_label)
        if count > 1:
            at = {"transform": axes.transAxes, "va": "bottom", "size": 6.2, "color": INK}
            axes.text(0.0, 1.02, line.name, **at)
    first = min(float(np.nanmin(line.time_s)) for line in data.lines)
    last = max(float(np.nanmax(line.time_s)) for line in data.lines)
    rows[-1].set_xlim(first, last if last > first else first + 1)
    rows[-1].set_xlabel(data.x_label)
    return figure


def _top(largest: float) -> float:
    return largest * 1.06 if largest > 0 else 1.0


def _bands(axes: Axes, data: TraceChart) -> None:
    for band in data.bands:
        axes.axvspan(band.start_s, band.stop_s, color=SHADE, linewidth=0)
