"""The charts of a certificate: corrections and residuals as SVG, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from powerlab.report.certificate.elements import CertificateModel, CurveChart
from powerlab.report.charts import (
    ACCENT,
    BAND,
    HALF_MM,
    INK,
    MUTED,
    as_svg,
    chart_style,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT_MM = 50.0


def draw_curves(model: CertificateModel, families: tuple[str, ...]) -> Mapping[str, bytes]:
    """Draw every chart of a certificate, by name, as SVG in the given font families."""
    charts = [chart for part in model.ranges for chart in (part.curve, part.residuals)]
    with chart_style(families):
        return {item.chart.name: as_svg(_curve(item), item.chart.name) for item in charts}


def _curve(data: CurveChart) -> Figure:
    figure, axes = new_figure(HALF_MM, HEIGHT_MM)
    legend, limited = data.legend, bool(np.isfinite(data.limit).all())
    axes.fill_between(
        data.x,
        data.y - data.band,
        data.y + data.band,
        facecolor=BAND,
        linewidth=0,
        label=legend["band"],
    )
    if limited:
        for side, label in ((1, legend["limit"]), (-1, None)):
            axes.plot(
                data.x,
                side * data.limit,
                color=INK,
                linewidth=0.6,
                linestyle=(0, (1, 2)),
                label=label,
            )
    axes.plot(data.x, data.y, color=ACCENT, linewidth=0.9, label=legend["line"])
    for marks in data.marks:
        axes.errorbar(
            marks.x,
            marks.y,
            yerr=marks.half_width,
            fmt="^" if marks.rising else "v",
            color=INK,
            markerfacecolor=INK if marks.rising else "white",
            markeredgewidth=0.6,
            markersize=3.2,
            ecolor=MUTED,
            elinewidth=0.6,
            capsize=1.6,
            capthick=0.6,
            label=marks.label,
        )
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.margins(y=0.1)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=5.8,
        handlelength=1.6,
        columnspacing=1.0,
        handletextpad=0.5,
        borderaxespad=0.2,
    )
    return figure
