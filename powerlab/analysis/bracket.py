"""The line between two clouds of bounds, with what the bounds leave open.

Every bound rules out a half-plane of all lines; what none rules out is a convex polygon in
the plane of level and slope. Where the bounds are as far off as chance has it, uniformly, every
line of the polygon is as likely as any other: its centroid is the estimate, its second moments
the variances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.envelope import lower_hull
from powerlab.records import FloatArray

Polygon = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class BracketedLine:
    """A line ``level + slope * x``, the u of its slope, and the u of a value on it.

    ``u_value`` is the root mean square over the stretch from the first bound to the last.
    """

    level: float
    slope: float
    u_value: float
    u_slope: float


def line_between(
    upper: tuple[FloatArray, FloatArray],
    lower: tuple[FloatArray, FloatArray],
    slope_limit: float,
    least: float,
) -> BracketedLine:
    """Get the line below all ``upper`` points (x, y) and above all ``lower`` ones.

    ``slope_limit`` is the largest slope possible. Bounds that contradict each other are moved
    apart until a line fits between them, by ``least`` at first, and as far again: so much no
    line explains.
    """
    x = np.concatenate((upper[0], lower[0]))
    centre, half = float(x.max() + x.min()) / 2, max(float(np.ptp(x)) / 2, 1.0)
    base = float(upper[1].min())
    above = [((at - centre) / half, value - base) for at, value in lower_hull(*upper)]
    below = [((at - centre) / half, -value - base) for at, value in lower_hull(lower[0], -lower[1])]
    steep = slope_limit * half
    margin = 0.0
    while len(_open_lines(above, below, steep, margin)) < 3:
        margin += margin or least
    polygon = _open_lines(above, below, steep, 2 * margin)
    level, rise, u_level, u_rise = _moments(polygon)
    return BracketedLine(
        level=base + level - rise * centre / half,
        slope=rise / half,
        # The square of an abscissa from -1 to 1 is 1/3 on average.
        u_value=math.hypot(u_level, u_rise / math.sqrt(3)),
        u_slope=u_rise / half,
    )


def _open_lines(
    above: list[tuple[float, float]], below: list[tuple[float, float]], steep: float, margin: float
) -> Polygon:
    """Get the corners (level, rise) of all lines that the bounds, moved by a margin, leave."""
    highest = max(value for _, value in above) + steep + margin
    lowest = min(value for _, value in below) - steep - margin
    polygon = [(lowest, -steep), (highest, -steep), (highest, steep), (lowest, steep)]
    for at, value in above:
        polygon = _clip(polygon, 1.0, at, value + margin)
    for at, value in below:
        polygon = _clip(polygon, -1.0, -at, margin - value)
    return polygon


def _clip(polygon: Polygon, level: float, rise: float, most: float) -> Polygon:
    """Cut off where ``level`` and ``rise`` times the corner exceed ``most``.

    Sutherland and Hodgman (1974), for one edge.
    """
    left = [most - level * corner[0] - rise * corner[1] for corner in polygon]
    kept: Polygon = []
    for number, corner in enumerate(polygon):
        before, here = left[number - 1], left[number]
        if (before < 0) != (here < 0):
            part = before / (before - here)
            last = polygon[number - 1]
            kept.append(
                (last[0] + part * (corner[0] - last[0]), last[1] + part * (corner[1] - last[1]))
            )
        if here >= 0:
            kept.append(corner)
    return kept


def _moments(polygon: Polygon) -> tuple[float, float, float, float]:
    """Get the means and the standard deviations of the uniform density on a convex polygon.

    Summed over its triangles from one corner; a triangle's second moment about that corner is
    (a**2 + b**2 + (a + b)**2) / 12, of its area, for sides a and b.
    """
    corners = np.array(polygon)
    first, second = corners[1:-1] - corners[0], corners[2:] - corners[0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    weight = (area + 1e-300) / (area + 1e-300).sum()
    mean = weight @ (first + second) / 3
    square = weight @ (first**2 + second**2 + (first + second) ** 2) / 12
    u_level, u_rise = np.sqrt(np.maximum(square - mean**2, 0.0)).tolist()
    level, rise = (corners[0] + mean).tolist()
    return level, rise, u_level, u_rise
