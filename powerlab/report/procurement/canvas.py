"""What the charts of a procurement report share: marks, rows, legends, plain decades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from powerlab.report.numbers import tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "os^Dv<>pP*Xd"
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
ROW_MM = 6.0
SMALL = 6.0
MANY = 6
"""From this number of rows on, a row takes less height."""


def row_height(rows: int) -> float:
    """Get the height in mm of a chart with a number of rows, its axis included."""
    return 13 + rows * (ROW_MM if rows < MANY else ROW_MM * 0.85)


def name_rows(axes: Axes, labels: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """Set names beside the rows, the first at the top; get their places."""
    places = np.arange(len(labels))[::-1]
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0, labelsize=5.8)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    return places


def add_legend(axes: Axes, columns: int) -> None:
    """Set the legend above the axes."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=5.8,
        handlelength=2.4,
        columnspacing=1.2,
        handletextpad=0.5,
        borderaxespad=0.2,
    )


def label_decades(*axes: Any) -> None:
    """Label logarithmic axes with plain numbers at their decades."""
    from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: PLC0415

    for axis in axes:
        axis.set_major_formatter(FuncFormatter(lambda value, _: tidy(_plain(value))))
        axis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    return f"{value:.0f}" if value >= 1 else f"{value:.12f}".rstrip("0")


def stack_height(options: int) -> float:
    """Get the height that the two charts of a year's costs share."""
    return max(62.0, row_height(options) + 6)
