"""The two arithmetics of the cost model: Decimal, and float64 arrays of draws.

Arrays are ``(n,)``, or ``(1,)`` for what is the same in every draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TypeVar

import numpy as np

from powerlab.records import FloatArray

Number = TypeVar("Number", Decimal, FloatArray)

SLACK = Decimal("1e-9")
"""A quotient this close to a whole number, relatively, is that number: 0.3 / 0.1 is 3."""


def ceiling(x: Number) -> Number:
    """Get the least whole number that is not below ``x`` by more than the slack."""
    if isinstance(x, Decimal):
        return (x * (1 - SLACK)).to_integral_value(ROUND_CEILING)
    return np.ceil(x * (1 - float(SLACK)))


def floor(x: Number) -> Number:
    """Get the greatest whole number that is not above ``x`` by more than the slack."""
    if isinstance(x, Decimal):
        return (x * (1 + SLACK)).to_integral_value(ROUND_FLOOR)
    return np.floor(x * (1 + float(SLACK)))


def at_least(x: Number, lowest: int) -> Number:
    """Get ``x``, or ``lowest`` where it is below."""
    if isinstance(x, Decimal):
        return max(x, Decimal(lowest))
    return np.maximum(x, lowest)


def from_quantity(n: Number, steps: Sequence[tuple[int, Number]]) -> Number:
    """Get the value of the last step ``(from, value)`` that ``n`` reaches; steps rise."""
    value = steps[0][1]
    for begin, other in steps[1:]:
        value = _chosen(n, begin, other, value)
    return value


def _chosen(n: Number, begin: int, reached: Number, below: Number) -> Number:
    if isinstance(n, Decimal):
        return reached if n >= begin else below
    return np.where(n >= begin, reached, below)
