"""The charts: from decided arrays and texts to SVG, the same bytes every time.

Drawn for paper: black and one blue that differ in lightness, patterns where two areas
meet, so that a grey print says the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from powerlab.report.elements import LatencyChart, PowerChart, ReportModel, RunsChart, TruthChart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1a1f24"
MUTED = "#5d6770"
RULE = "#c3cad0"
SHADE = "#e9edf0"
ACCENT = "#0f4c81"
BAND = "#cfdcE8"
MM = 1 / 25.4
FULL_MM = 182.0
HALF_MM = 88.0


def draw_charts(model: ReportModel, families: tuple[str, ...]) -> Mapping[str, bytes]:
    """Draw every chart the model has, by name, as SVG in the given font families."""
    drawn: dict[str, bytes] = {}
    with chart_style(families):
        if model.power is not None:
            drawn["power"] = as_svg(_power(model.power), "power")
        if model.latency is not None:
            drawn["latency"] = as_svg(_latency(model.latency), "latency")
        if model.energy_runs is not None:
            drawn["runs"] = as_svg(_runs(model.energy_runs), "runs")
        if model.truth is not None:
            drawn["truth"] = as_svg(_truth(model.truth.chart), "truth")
    return drawn


@contextmanager
def chart_style(families: tuple[str, ...]) -> Iterator[None]:
    """Set matplotlib up for the time of drawing, whatever the user's own settings are."""
    import matplotlib as mpl  # noqa: PLC0415

    settings: dict[str, Any] = {
        **mpl.rcParamsDefault,
        "font.family": list(families),
        "font.size": 6.6,
        "axes.linewidth": 0.5,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.labelsize": 6.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "xtick.labelsize": 6.2,
        "ytick.labelsize": 6.2,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "hatch.linewidth": 0.35,
        "path.simplify": False,
        "svg.fonttype": "path",
        "svg.hashsalt": "powerlab",
    }
    settings.pop("backend", None)
    with mpl.rc_context(settings):
        yield


def new_figure(width_mm: float, height_mm: float) -> tuple[Figure, Axes]:
    """Get an empty chart of a size on paper."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width_mm * MM, height_mm * MM))
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01)
    return figure, figure.add_subplot()


def as_svg(figure: Figure, name: str) -> bytes:
    """Get a chart as SVG with a title, the same bytes every time."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None, "Title": name}
    figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    return buffer.getvalue()


def _power(data: PowerChart) -> Figure:
    figure, axes = new_figure(FULL_MM, 68)
    top = float(np.nanmax(data.high_w))
    limit = top * 1.06
    for band in data.bands:
        if band.kind == "run":
            axes.axvspan(band.start_s, band.stop_s, color=SHADE, linewidth=0)
        elif band.kind in ("warm-up", "other"):
            axes.axvspan(
                band.start_s,
                band.stop_s,
                facecolor="none",
                edgecolor=RULE,
                hatch="////",
                linewidth=0,
            )
        axes.annotate(
            band.label,
            xy=((band.start_s + band.stop_s) / 2, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=6.2,
            color=INK if band.kind == "run" else MUTED,
        )
    if np.array_equal(data.low_w, data.high_w, equal_nan=True):
        axes.plot(data.time_s, data.low_w, color=ACCENT, linewidth=0.55)
    else:
        axes.fill_between(
            data.time_s, data.low_w, data.high_w, facecolor=ACCENT, edgecolor=ACCENT, linewidth=0.3
        )
    _level_lines(axes, data)
    axes.set_xlim(0, float(np.nanmax(data.time_s)))
    axes.set_ylim(0, limit)
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    return figure


def _level_lines(axes: Axes, data: PowerChart) -> None:
    """Draw each level across the chart and name it in the right margin."""
    for level in data.levels:
        axes.axhline(level.value, color=INK, linewidth=0.5, linestyle=(0, (1, 2)), zorder=3)
        axes.annotate(
            level.label,
            xy=(1, level.value),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            size=6.4,
            color=INK,
        )


def _latency(data: LatencyChart) -> Figure:
    figure, axes = new_figure(HALF_MM, 48)
    axes.stairs(data.counts, data.edges, fill=True, facecolor=BAND, edgecolor=ACCENT, linewidth=0.5)
    top = float(data.counts.max()) or 1.0
    right = float(data.edges[-1])
    styles = ("solid", (0, (4, 2)), (0, (1, 1.5)))
    for step, (mark, style) in enumerate(zip(data.percentiles, styles, strict=False)):
        height, beyond = top * (1.30 - 0.11 * step), mark.value > right
        place = right if beyond else mark.value
        if not beyond:
            axes.plot([place, place], [0, height], color=INK, linewidth=0.7, linestyle=style)
        near_end = place > data.edges[0] + 0.72 * (right - data.edges[0])
        axes.annotate(
            f"{mark.label} →" if beyond else mark.label,
            xy=(place, height),
            xytext=(-2.5 if near_end else 2.5, 0),
            textcoords="offset points",
            va="top",
            ha="right" if near_end else "left",
            size=6.2,
        )
    axes.set_xlim(float(data.edges[0]), right)
    axes.set_ylim(0, top * 1.32)
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    return figure


def _runs(data: RunsChart) -> Figure:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure, axes = new_figure(HALF_MM, 48)
    number = np.arange(1, len(data.used) + 1)
    legend = data.legend
    axes.axhspan(*data.band, color=SHADE, linewidth=0, label=legend["band"])
    axes.axhline(data.mean, color=INK, linewidth=0.6)
    axes.errorbar(
        number,
        data.used,
        yerr=data.half_width,
        fmt="none",
        ecolor=ACCENT,
        elinewidth=0.8,
        capsize=2.4,
        capthick=0.8,
        label=legend["shared"],
    )
    axes.plot(number, data.used, "o", color=ACCENT, markersize=3.6, label=legend["used"])
    axes.plot(
        number + 0.16,
        data.interior,
        "D",
        markerfacecolor="white",
        markeredgecolor=MUTED,
        markeredgewidth=0.7,
        markersize=2.8,
        label=legend["interior"],
    )
    axes.set_xlim(0.5, len(number) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.margins(y=0.08)
    axes.set_xlabel(data.x_label)
    axes.set_ylabel(data.y_label)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        frameon=False,
        fontsize=5.8,
        handlelength=1.3,
        columnspacing=1.0,
        handletextpad=0.4,
        borderaxespad=0.1,
    )
    return figure


def _truth(data: TruthChart) -> Figure:
    figure, axes = new_figure(FULL_MM, 11 + 5.5 * len(data.rows))
    places = np.arange(len(data.rows))[::-1]
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, row in zip(places, data.rows, strict=True):
        axes.errorbar(
            row.value,
            place,
            xerr=[[row.value - row.low], [row.high - row.value]],
            fmt="o",
            color=ACCENT,
            markersize=3.6,
            elinewidth=1.0,
            capsize=3,
            capthick=0.8,
        )
    reach = max(max(abs(row.low), abs(row.high)) for row in data.rows) * 1.15 or 1.0
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-0.7, len(data.rows) - 0.3)
    axes.set_yticks(places, [row.label for row in data.rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.annotate(
        data.zero_label,
        xy=(0, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 1),
        textcoords="offset points",
        ha="center",
        va="bottom",
        size=6.2,
    )
    axes.set_xlabel(data.x_label)
    return figure
