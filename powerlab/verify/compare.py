"""Two plain documents compared figure by figure, and what a verification found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

RELATIVE = 1e-9
"""What two processors may differ by: sums in another order, other vector instructions. Ten
thousand times finer than any digit a report prints."""

ROUNDED_NS = 2
"""Whole nanoseconds are rounded from such sums."""

ABSENT = "absent"

_OF_QUANTITY = (("value", "U"), ("value", "expanded"))
"""Keys by which a quantity is told: its other figures need not be exact beyond its own size."""

Outcome = Literal["agrees", "differs", "differs by version", "not verifiable"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as recomputed; both sides are plain JSON values.

    ``method`` marks one that another version of powerlab may have made by another method.
    """

    key: str
    stored: Any
    recomputed: Any
    method: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was gone through, and what was seen in a few words."""

    name: str
    told: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked of one run, report or procurement, and what came out.

    ``unchecked`` says what could not be recomputed; ``recomputed`` whether the figures could.
    """

    kind: Literal["run", "report", "procurement", "audit"]
    subject: str
    checks: tuple[Check, ...]
    differences: tuple[Difference, ...]
    unchecked: tuple[str, ...]
    recomputed: bool

    @property
    def outcome(self) -> Outcome:
        """Get the verdict: only what was recomputed without a difference agrees.

        Where all that differs may be another version's method, that is said; it never agrees,
        or whoever forges would state another version.
        """
        if self.differences:
            hard = any(not item.method for item in self.differences)
            return "differs" if hard else "differs by version"
        return "agrees" if self.recomputed else "not verifiable"


@dataclass(frozen=True, slots=True)
class Compared:
    """How many values were compared, and those that differ."""

    values: int
    differences: tuple[Difference, ...]


def compare(stored: Any, recomputed: Any, key: str = "") -> Compared:
    """Compare two plain documents: text, truth and counts exactly, floats within ``RELATIVE``.

    Values under a key in ``_ns`` may differ by ``ROUNDED_NS``; the figures of a quantity by
    ``RELATIVE`` of its value or expanded uncertainty, whichever is larger.
    """
    pairs = list(_pairs(stored, recomputed, key, 0.0))
    return Compared(
        values=len(pairs),
        differences=tuple(
            Difference(name, one, other)
            for name, one, other, scale in pairs
            if not _same(name, one, other, scale)
        ),
    )


def _pairs(
    stored: Any, recomputed: Any, key: str, scale: float
) -> Iterator[tuple[str, Any, Any, float]]:
    """Yield (key, stored, recomputed, size of what the value belongs to) for every leaf."""
    if isinstance(stored, Mapping) and isinstance(recomputed, Mapping):
        own = _scale(recomputed)
        for name in dict.fromkeys((*stored, *recomputed)):
            below = f"{key}.{name}" if key else str(name)
            yield from _pairs(stored.get(name, ABSENT), recomputed.get(name, ABSENT), below, own)
    elif _is_list(stored) and _is_list(recomputed):
        for index in range(max(len(stored), len(recomputed))):
            one = stored[index] if index < len(stored) else ABSENT
            other = recomputed[index] if index < len(recomputed) else ABSENT
            yield from _pairs(one, other, f"{key}[{index}]", scale)
    else:
        yield key, stored, recomputed, scale


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _scale(entry: Mapping[str, Any]) -> float:
    """Get the size of a quantity's figures, 0 for what is no quantity."""
    for names in _OF_QUANTITY:
        found = [abs(value) for name in names if _is_number(value := entry.get(name))]
        if len(found) == len(names):
            return float(max(found))
    return 0.0


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(key: str, stored: Any, recomputed: Any, scale: float) -> bool:
    if not (_is_number(stored) and _is_number(recomputed)):
        return type(stored) is type(recomputed) and bool(stored == recomputed)
    if key.endswith("_ns") and abs(stored - recomputed) <= ROUNDED_NS:
        return True
    if isinstance(stored, int) and isinstance(recomputed, int):
        return stored == recomputed
    try:
        return math.isclose(stored, recomputed, rel_tol=RELATIVE, abs_tol=RELATIVE * scale)
    except OverflowError:  # a whole number beyond any float
        return False
