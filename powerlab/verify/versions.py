"""What another version of powerlab wrote: which differences may be of method, and how large.

A newer method need not give an older one's digits. Such differences are neither passed over nor
taken for forgery: they are listed under both versions, with what they are against the
uncertainty stated. Only the version that wrote can compare digit by digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from powerlab import __version__
from powerlab.verify.compare import Difference


def of_method(differences: Iterable[Difference], wrote: str) -> tuple[Difference, ...]:
    """Mark differences as those that another method may make, where another version wrote."""
    if wrote == __version__:
        return tuple(differences)
    return tuple(replace(item, method=True) for item in differences)


def largest_shift(told: Mapping[str, Any], recomputed: Mapping[str, Any]) -> float | None:
    """Get by how much a quantity moved at most, in its expanded uncertainty; None without one.

    Of two uncertainties the larger counts. A quantity that only one side has does not.
    """
    shifts = []
    one, other = told.get("quantities"), recomputed.get("quantities")
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return None
    for name in one.keys() & other.keys():
        pair = [each[name] for each in (one, other)]
        try:
            value, again = (float(each["value"]) for each in pair)
            expanded = max(float(each["U"]) for each in pair)
        except (KeyError, TypeError, ValueError):
            continue
        if expanded > 0:
            shifts.append(abs(value - again) / expanded)
    return max(shifts, default=None)


def versions_told(wrote: str, count: int, shift: float | None) -> str:
    """Say who wrote, who recomputed, and what came of it."""
    text = f"written by powerlab {wrote}, recomputed by powerlab {__version__}: "
    if not count:
        return text + "every figure came out again"
    text += f"{count} values differ"
    if shift is not None:
        text += f", no quantity by more than {shift:.2g} of its expanded uncertainty"
    return f"{text}; powerlab {wrote} would compare them digit by digit"
