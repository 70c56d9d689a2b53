"""Figures and amounts of a plan: as the records that the cost model takes, and what is odd."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from powerlab.catalog.procurement_tables import Figure, Money, Price
from powerlab.records.procurement import Amount, Basis, Uncertain
from powerlab.terms import Distribution
from powerlab.units import Money as Sum

Problems = Iterator[tuple[str, str]]

U_RELATIVE = {
    Basis.QUOTE: 0.0,
    Basis.LIST: 0.1 / math.sqrt(3),
    Basis.HISTORICAL: 0.2 / math.sqrt(3),
    Basis.ESTIMATE: 0.3 / math.sqrt(3),
}
"""Standard uncertainty of a price by what it rests on: a quote is exact, a list price within
10 %, one of the past within 20 %, an estimate within 30 %, all rectangular (method section 5.2).
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a figure must lie; ``above`` excludes ``least`` itself."""

    least: float = 0.0
    most: float = math.inf
    above: bool = False


POSITIVE = Bounds(above=True)
NON_NEGATIVE = Bounds()
FRACTION = Bounds(most=1.0)
PART = Bounds(most=1.0, above=True)
AT_LEAST_ONE = Bounds(least=1.0)


def uncertain(figure: Figure) -> Uncertain:
    """Get a figure with its standard uncertainty; of one without problems."""
    if figure.low is not None and figure.high is not None:
        value = (figure.low + figure.high) / 2
        u, shape = (figure.high - figure.low) / math.sqrt(12), Distribution.RECTANGULAR
    else:
        value, shape = figure.value or 0.0, figure.distribution
        if figure.dof is not None and shape is Distribution.NORMAL:
            shape = Distribution.T
        u = figure.u or (figure.u_relative or 0.0) * abs(value)
    return Uncertain(value, u, shape, figure.dof, figure.input, source=figure.source)


def figure_problems(key: str, figure: Figure | None, bounds: Bounds) -> Problems:
    """Yield (dotted key, message) for a figure that is not stated one way, or out of bounds."""
    if figure is None:
        return
    ends = (figure.low, figure.high)
    if (figure.value is None) == (ends == (None, None)) or (None in ends and any(ends)):
        yield key, "must be a number or a table with a value, or with low and high"
        return
    if figure.low is not None and figure.high is not None and figure.low >= figure.high:
        yield f"{key}.high", f"must be above low, which is {figure.low:g}"
    stated = [name for name in ("u", "u_relative") if getattr(figure, name) is not None]
    if len(stated) > 1:
        yield f"{key}.u_relative", "says again what u says; keep one of them"
    if stated and figure.value is None:
        yield f"{key}.{stated[0]}", "goes with a value; low and high say it already"
    for name in ("value", "low"):
        number = getattr(figure, name)
        if number is not None and not _within(number, bounds):
            yield f"{key}.{name}", f"must be {_in_words(bounds)}, not {number:g}"


def _within(number: float, bounds: Bounds) -> bool:
    return bounds.least <= number <= bounds.most and not (bounds.above and number == bounds.least)


def _in_words(bounds: Bounds) -> str:
    lower = f"{'above' if bounds.above else 'at least'} {bounds.least:g}"
    return lower if math.isinf(bounds.most) else f"{lower} and at most {bounds.most:g}"


def amount(money: Money | None, currency: str, date: str) -> Amount | None:
    """Get an amount with its uncertainty, None for none; see ``stated_amount``."""
    return None if money is None else stated_amount(money, currency, date)


def stated_amount(
    terms: Money | Price, currency: str, date: str, value: Decimal | None = None
) -> Amount:
    """Get an amount on its terms; ``currency`` and ``date`` are the plan's.

    ``value`` is another amount on the same terms, as that of a quantity break.
    """
    stated = terms.unit if isinstance(terms, Price) else terms.amount
    relative = U_RELATIVE[terms.basis] if terms.u_relative is None else terms.u_relative
    return Amount(
        money=Sum(value or stated or Decimal(0), terms.currency or currency, terms.date or date),
        u_relative=relative,
        distribution=Distribution.RECTANGULAR,
        input=f"quote {terms.quote}" if terms.quote else "",
        basis=terms.basis,
        source=terms.source or terms.quote,
    )


def amount_problems(key: str, value: Decimal | None) -> Problems:
    """Yield what is wrong with an amount of money itself."""
    if value is None:
        yield key, "is missing"
    elif not value.is_finite() or value < 0:
        yield key, f"must be at least 0, not {value}"
