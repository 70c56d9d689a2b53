"""Time and money: discounting, amortisation, payback (method section 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate, pairwise

from powerlab.analysis.cost.numbers import Number


def discount_factor(rate: Number, year: int) -> Number:
    """Get what one unit of money paid at the end of ``year`` is worth at the beginning."""
    return 1 / (1 + rate) ** year


def present_value(rate: Number, flows: Sequence[Number]) -> Number:
    """Get the present value of flows at the ends of years 0, 1, 2, ...; at least one."""
    value = flows[0]
    for year, flow in enumerate(flows[1:], start=1):
        value = value + flow * discount_factor(rate, year)
    return value


def annuity_factor(rate: Number, years: int) -> Number:
    """Get the present value of one unit of money a year, ``years`` from 1 up."""
    factor = discount_factor(rate, 1)
    for year in range(2, years + 1):
        factor = factor + discount_factor(rate, year)
    return factor


def capital_recovery_factor(rate: Decimal, years: Decimal) -> Decimal:
    """Get ``i (1 + i)^n / ((1 + i)^n - 1)``, the yearly payment for one unit of money now.

    ``1 / n`` without interest; ``years`` may be a fraction.
    """
    growth = (1 + rate) ** years
    if growth == 1:
        return 1 / years
    return rate * growth / (growth - 1)


def capital_per_year(price: Decimal, residual: Decimal, rate: Decimal, years: Decimal) -> Decimal:
    """Get ``(C - S / (1 + i)^n) CRF(i, n)``: capital with interest, residual value S at the end."""
    return (price - residual / (1 + rate) ** years) * capital_recovery_factor(rate, years)


def straight_line(price: Decimal, residual: Decimal, years: Decimal) -> Decimal:
    """Get ``(C - S) / n``: capital without interest."""
    return (price - residual) / years


def payback_years(flows: Sequence[Decimal]) -> Decimal | None:
    """Get when the undiscounted sum of flows turns positive for good; None where it does not.

    Each year's flow comes in evenly over that year; 0 where nothing is laid out. Reproduces
    1.46 years for an outlay of 1,650,000 and returns of 1,118,675 and 1,150,000.
    """
    sums = list(accumulate(flows))
    if sums[-1] < 0:
        return None
    turns = [year for year, (before, after) in enumerate(pairwise(sums)) if before < 0 <= after]
    if not turns:
        return Decimal(0)
    year = turns[-1]
    return year + -sums[year] / flows[year + 1]
