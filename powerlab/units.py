"""Units of time and money, and the text of a value with its uncertainty.

Everything else in powerlab is a plain SI float whose name ends in its unit
(``energy_j``, ``power_w``, ``aperture_s``); instants are ``int`` nanoseconds.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from decimal import Decimal

NS_PER_S = 1_000_000_000
SECONDS_PER_YEAR = 365.25 * 86_400

_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money: decimal value, ISO 4217 code, and the date of the fact."""

    amount: Decimal
    currency: str
    date: str


def now_ns() -> int:
    """Get the host's CLOCK_MONOTONIC_RAW in nanoseconds: never slewed, never stepped."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def seconds(duration_ns: float) -> float:
    """Get a duration in seconds from nanoseconds."""
    return duration_ns / NS_PER_S


def nanoseconds(duration_s: float) -> int:
    """Get a duration in whole nanoseconds from seconds."""
    return round(duration_s * NS_PER_S)


def prefixed(value: float, unit: str) -> tuple[float, str]:
    """Get ``(scale, unit)`` such that ``value * scale`` reads between 1 and 1000.

    Reciprocal units (``1/J``) and percentages keep their own size.
    """
    if not math.isfinite(value) or value == 0 or "/" in unit or unit in ("%", ""):
        return 1.0, unit
    exponent = math.floor(math.log10(abs(value)) / 3) * 3
    exponent = min(12, max(-12, exponent))
    return 10.0**-exponent, _PREFIXES[exponent] + unit


def with_uncertainty(value: float, uncertainty: float | None, unit: str) -> str:
    """Get ``value ± uncertainty unit``, the uncertainty to two significant digits.

    The value is rounded to the same place (GUM 7.2.6). Without a usable
    uncertainty, the value carries four significant digits and no ``±``.
    """
    scale, unit = prefixed(value, unit)
    value *= scale
    if uncertainty is None or not math.isfinite(uncertainty) or uncertainty <= 0:
        return f"{value:.4g} {unit}".rstrip()
    uncertainty *= scale
    places = 1 - math.floor(math.log10(uncertainty))
    rounded = round(uncertainty, places)
    if places > 0:
        return f"{value:.{places}f} ± {rounded:.{places}f} {unit}".rstrip()
    return f"{round(value, places):.0f} ± {rounded:.0f} {unit}".rstrip()
