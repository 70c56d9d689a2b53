"""How figures of a procurement are set: spreads, amounts, shares."""

from __future__ import annotations

import math
from decimal import Decimal

from powerlab.records.decision import Spread
from powerlab.records.procurement import Uncertain
from powerlab.report.numbers import (
    NO_BREAK,
    fixed,
    percent,
    significant,
    tidy,
)

LOPSIDED = 0.15
"""Part of the half-width by which an interval may be off its value and still be set with ±."""


EXACT = 1e-6
"""Below this relative half-width a figure has no uncertainty worth setting."""


def twice(figure: Uncertain) -> Spread:
    """Get a stated figure with twice its standard uncertainty on either side."""
    u = figure.u or math.sqrt(sum(line.u**2 for line in figure.budget))
    return Spread(figure.value, u, figure.value - 2 * u, figure.value + 2 * u)


def scaled_by(spread: Spread, factor: float) -> Spread:
    """Get a spread in another unit."""
    return Spread(
        spread.value * factor, spread.u * factor, spread.low * factor, spread.high * factor
    )


def spread_text(spread: Spread) -> str:
    """Get a spread as ``value ± U`` to two digits of U, with its ends where it is lopsided."""
    half = spread.expanded
    if not math.isfinite(half) or half <= EXACT * abs(spread.value):
        return stated(spread.value)
    places = 1 - math.floor(math.log10(half))
    value = rounded(spread.value, places)
    if abs((spread.low + spread.high) / 2 - spread.value) > LOPSIDED * half:
        value, low, high = (
            rounded(each, max(places, digits(each)))
            for each in (spread.value, spread.low, spread.high)
        )
        return f"{value}{NO_BREAK}({low}{NO_BREAK}…{NO_BREAK}{high})"
    return f"{value}{NO_BREAK}±{NO_BREAK}{rounded(half, places)}"


def digits(value: float) -> int:
    """Get the decimal places that show two significant digits of a value."""
    return 1 - math.floor(math.log10(abs(value))) if value else 0


def rounded(value: float, places: int) -> str:
    """Get a value rounded to a place that may stand before the decimal sign."""
    return fixed(round(value, places) or 0.0, places)


def stated(value: float) -> str:
    """Get an exact figure as short as it was stated, never in exponent form."""
    if value == 0 or not math.isfinite(value):
        return tidy(f"{value:g}")
    text = f"{value:.6g}"
    return significant(value, 6) if "e" in text else tidy(text)


def declared_percent(fraction: float) -> str:
    """Get a declared fraction as per cent, as short as it was declared."""
    return f"{tidy(f'{fraction * 100:.4g}')}{NO_BREAK}%"


def money(amount: Decimal | float) -> str:
    """Get an amount of money: whole units from a thousand on, cents from one on, else digits."""
    value = float(amount)
    if 0 < abs(value) < 1:
        return significant(value, 3)
    places = 0 if abs(value) >= 1000 else 2
    return tidy(f"{round(value, places) or 0.0:.{places}f}")


def price(amount: Decimal) -> str:
    """Get a price to the cent."""
    return tidy(f"{amount:.2f}")


def share_text(share: float) -> str:
    """Get a part of a variance as per cent."""
    return percent(share) if share >= 0.01 else f"<{NO_BREAK}1{NO_BREAK}%"
