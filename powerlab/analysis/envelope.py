"""The line that lies under a cloud of delays.

Every instant a computer stamps arrives late, never early, so the truth runs along the
lower edge of a cloud of delays. That edge is a line under all points which maximises
their sum (Moon, Skelly and Towsley 1999); it is the segment of the lower convex hull
above which the mean abscissa lies (Zhang, Liu and Xia 2002).
"""

from __future__ import annotations

import itertools

import numpy as np

from powerlab.records import FloatArray


def lower_envelope(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Fit the line ``y = intercept + slope * x`` that lies under all points, closest to them.

    ``x`` need not be sorted; two arrays of equal length, at least one point. With points at
    a single abscissa the slope is 0. Returns ``(intercept, slope)``.
    """
    hull = lower_hull(x, y)
    if len(hull) == 1:
        return hull[0][1], 0.0
    centre = float(np.mean(x))
    straddles = (edge for edge in itertools.pairwise(hull) if edge[1][0] >= centre)
    (x0, y0), (x1, y1) = next(straddles)
    slope = (y1 - y0) / (x1 - x0)
    return y0 - slope * x0, slope


def lower_hull(x: FloatArray, y: FloatArray) -> list[tuple[float, float]]:
    """Get the corners of the lower convex hull, from left to right (Andrew 1979)."""
    order = np.lexsort((y, x))
    hull: list[tuple[float, float]] = []
    for px, py in zip(x[order].tolist(), y[order].tolist(), strict=True):
        if hull and px == hull[-1][0]:
            continue
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], (px, py)):
            hull.pop()
        hull.append((px, py))
    return hull


def _turns_down(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])
