"""Two results set against each other: ratios in which what both share cancels.

The energies of two options on one meter are wrong by the same gain, so their ratio is not.
Lines of two budgets that name the same input are one error; what is left, and Student's t of
the runs, makes the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from powerlab.analysis.ratio import Operands, RatioInterval, fieller_interval
from powerlab.analysis.uncertainty import (
    COVERAGE,
    combined,
    component,
    expanded_uncertainty,
    joined,
    uncertain_number,
)
from powerlab.records import Component, Distribution, Quantity


@dataclass(frozen=True, slots=True)
class Comparison:
    """A quantity over its reference: the interval that is not excluded, and what they share.

    ``k`` is the coverage factor of the first-order interval, ``U / u``; ``dof`` the effective
    degrees of freedom, None where infinite. ``shared`` are the lines of both budgets that
    have one input, by name and input.
    """

    interval: RatioInterval
    k: float
    dof: float | None
    shared: tuple[tuple[str, str], ...]

    @property
    def tie(self) -> bool:
        """Tell whether the interval holds 1: neither is shown to be the larger."""
        return any(low <= 1 <= high for low, high in self.interval.pieces)

    @property
    def expanded(self) -> float | None:
        """Get the half-width of the interval, None where it is unbounded."""
        low, high = self.interval.low, self.interval.high
        return None if low is None or high is None else (high - low) / 2


def compare(quantity: Quantity, reference: Quantity, p: float = COVERAGE) -> Comparison | None:
    """Get ``quantity / reference`` with its interval; None where it has no meaning.

    Standard uncertainty, covariance and degrees of freedom are propagated by GTC. The interval
    is Fieller's, all R for which ``quantity - R reference`` may be 0, with the coverage factor
    of that difference's convolved distribution (JCGM 101) at the ratio found.
    """
    if not reference.value or quantity.unit != reference.unit:
        return None
    if not all(map(math.isfinite, (quantity.u, reference.u, quantity.value, reference.value))):
        return None
    from GTC import get_covariance  # noqa: PLC0415  a third of a second to import

    inputs: dict[str, Any] = {}
    x, y = (uncertain_number(item.value, item.budget, inputs) for item in (quantity, reference))
    ratio = x / y
    expanded = expanded_uncertainty(_difference(quantity, reference), p)
    k = expanded / float(ratio.u) if ratio.u > 0 else 0.0
    operands = Operands(
        x=float(x.x), y=float(y.x), u_x=float(x.u), u_y=float(y.u), covariance=get_covariance(x, y)
    )
    return Comparison(
        interval=fieller_interval(operands, k=k),
        k=k,
        dof=float(ratio.df) if math.isfinite(ratio.df) else None,
        shared=_shared(quantity, reference),
    )


def _difference(quantity: Quantity, reference: Quantity) -> list[Component]:
    """Get the independent lines of ``quantity - R reference`` over the reference, R their ratio.

    The scatters of the runs of both become one scaled t by Welch and Satterthwaite: two t
    convolved (Behrens and Fisher) cover 97 % where five runs each are to cover 95 %.
    """
    ratio = quantity.value / reference.value
    scaled = [
        replace(line, u=line.u * abs(factor), sign=line.sign if factor > 0 else -line.sign)
        for item, factor in ((quantity, 1 / reference.value), (reference, -ratio / reference.value))
        for line in item.budget
    ]
    lines = joined(scaled)
    scatter = [line for line in lines if line.distribution is Distribution.T and line.u > 0]
    if len(scatter) < 2:
        return lines
    u, dof = combined(scatter)
    rest = [line for line in lines if line not in scatter]
    return [*rest, component("scatter of both", "A", u, Distribution.T, dof=dof)]


def _shared(quantity: Quantity, reference: Quantity) -> tuple[tuple[str, str], ...]:
    """List the lines with an input of both, in the order of the quantity's budget."""
    known = {line.input for line in reference.budget}
    return tuple((line.name, line.input) for line in quantity.budget if line.input in known - {""})
