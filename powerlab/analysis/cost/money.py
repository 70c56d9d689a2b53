"""Money across currencies, by dated rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from powerlab.errors import ConfigError
from powerlab.records.procurement import ExchangeRate
from powerlab.units import Money

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What an amount is multiplied with, and the ``rate`` it comes from (None: no conversion).

    ``inverse`` tells that the rate is stated the other way round.
    """

    factor: Decimal
    rate: ExchangeRate | None = None
    inverse: bool = False


def conversion(rates: Sequence[ExchangeRate], base: str, target: str, date: str) -> Conversion:
    """Get how ``base`` becomes ``target`` on an ISO date: the latest rate not after it.

    A rate stated the other way round serves as its inverse. Raises ConfigError where there is
    none.
    """
    if base == target:
        return Conversion(Decimal(1))
    known = [
        rate for rate in rates if {rate.base, rate.target} == {base, target} and rate.date <= date
    ]
    if not known:
        raise ConfigError(
            f"no exchange rate of {base} to {target} on or before {date}",
            hint="add a dated rate of the two currencies to the plan",
        )
    latest = max(known, key=lambda rate: rate.date)
    if latest.base == base:
        return Conversion(latest.rate, latest)
    return Conversion(1 / latest.rate, latest, inverse=True)


def converted(money: Money, rates: Sequence[ExchangeRate], target: str, date: str) -> Decimal:
    """Get an amount in another currency, unrounded."""
    return money.amount * conversion(rates, money.currency, target, date).factor


def rounded(amount: Decimal) -> Decimal:
    """Get an amount to the cent, half to even."""
    return amount.quantize(CENT)
