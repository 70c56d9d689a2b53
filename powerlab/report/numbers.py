"""How a number is set in the report: rounding by its uncertainty, spacing, units, scale.

The rounding itself is ``powerlab.units.with_uncertainty``; this module only splits its
text for typography and gives numbers their locale's magnitudes. Nothing here decides
what is said.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from powerlab.records import Quantity
from powerlab.units import prefixed, with_uncertainty

NO_BREAK = "\u00a0"
NARROW_SPACE = "\u202f"
MINUS = "\u2212"
CURLY = "\u2019"

PERCENT = re.compile(r"(?<=\d)\s*%")
APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
NEGATIVE = re.compile(r"(?<![\w.-])-(?=\d)")

# Quantities counted per something: the unit of the records and its text in the locale.
COUNT_UNITS = {"1/s": "unit.per_second", "1/J": "unit.per_joule"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure ready to be set: ``plus_minus`` is empty where no uncertainty is usable."""

    value: str
    plus_minus: str
    unit: str

    @property
    def text(self) -> str:
        """Get the figure as running text, ``value ± U unit``."""
        return NO_BREAK.join(part for part in (self.bare, self.unit) if part)

    @property
    def bare(self) -> str:
        """Get the figure without its unit, ``value ± U``."""
        if not self.plus_minus:
            return self.value
        return f"{self.value}{NO_BREAK}±{NO_BREAK}{self.plus_minus}"


@dataclass(frozen=True, slots=True)
class Magnitude:
    """A factor that a locale has a word for: 1e6 is "million", 1e4 is "万"."""

    factor: float
    word: str


def tidy(text: str) -> str:
    """Set a plain decimal with a true minus sign and grouped thousands (ISO 80000-1, 7.3.1)."""
    if any(letter in text for letter in "einfa"):
        return text.replace("-", MINUS)
    sign = MINUS if text.startswith("-") else ""
    whole, point, fraction = text.lstrip("-").partition(".")
    if len(whole) > 4:
        first = len(whole) % 3 or 3
        groups = [whole[:first], *(whole[i : i + 3] for i in range(first, len(whole), 3))]
        whole = NARROW_SPACE.join(groups)
    return f"{sign}{whole}{point}{fraction}"


def typeset(text: str) -> str:
    """Set a sentence that came as plain ASCII: space before %, curly apostrophe, true minus."""
    text = PERCENT.sub(f"{NO_BREAK}%", text)
    return NEGATIVE.sub(MINUS, APOSTROPHE.sub(CURLY, text))


def fixed(value: float, places: int) -> str:
    """Get ``value`` with a fixed number of decimals."""
    return tidy(f"{value:.{max(0, places)}f}")


def significant(value: float, digits: int) -> str:
    """Get ``value`` to a number of significant digits, never in exponent form."""
    if value == 0 or not math.isfinite(value):
        return tidy(f"{value:g}")
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return tidy(f"{round(value, places):.{max(0, places)}f}")


def with_unit(value: float, unit: str, digits: int = 3) -> str:
    """Get ``value`` with an SI prefix that reads well, to ``digits`` significant digits."""
    scale, scaled_unit = prefixed(value, unit)
    return f"{significant(value * scale, digits)}{NO_BREAK}{scaled_unit}".rstrip()


def given(value: float, unit: str) -> str:
    """Get a figure that was stated, not measured, as short as it was stated."""
    scale, scaled_unit = prefixed(value, unit)
    return f"{tidy(f'{value * scale:.6g}')}{NO_BREAK}{scaled_unit}".rstrip()


def percent(fraction: float, digits: int = 2) -> str:
    """Get a fraction as per cent to ``digits`` significant digits."""
    return f"{significant(fraction * 100, digits)}{NO_BREAK}%"


def magnitude_of(value: float, magnitudes: tuple[Magnitude, ...]) -> Magnitude:
    """Get the largest magnitude that leaves at least 1 before the decimal sign."""
    fitting = [item for item in magnitudes if abs(value) >= item.factor]
    return max(fitting, key=lambda item: item.factor, default=Magnitude(1.0, ""))


def shown(value: float, expanded: float | None, unit: str) -> Shown:
    """Get a figure rounded to two digits of its expanded uncertainty, with an SI prefix."""
    text = with_uncertainty(value, expanded, unit)
    _, scaled_unit = prefixed(value, unit)
    core = text.removesuffix(f" {scaled_unit}") if scaled_unit else text
    number, _, plus_minus = core.partition(" ± ")
    return Shown(tidy(number), tidy(plus_minus) if plus_minus else "", scaled_unit)


def shown_quantity(quantity: Quantity, unit: str, magnitudes: tuple[Magnitude, ...] = ()) -> Shown:
    """Get a quantity as a figure; a count per something keeps its unit and takes a magnitude.

    ``unit`` is the locale's text of the unit for counts ("inf/s"), else ignored.
    """
    if "/" not in quantity.unit:
        return shown(quantity.value, quantity.expanded, quantity.unit)
    magnitude = magnitude_of(quantity.value, magnitudes)
    figure = shown(quantity.value / magnitude.factor, quantity.expanded / magnitude.factor, "")
    return Shown(figure.value, figure.plus_minus, f"{magnitude.word}{unit}")


def interval_text(quantity: Quantity, magnitudes: tuple[Magnitude, ...] = ()) -> str:
    """Get ``low … high`` in the scale of the value, rounded to its uncertainty."""
    if "/" in quantity.unit:
        factor = 1 / magnitude_of(quantity.value, magnitudes).factor
    else:
        factor, _ = prefixed(quantity.value, quantity.unit)
    places = _places(quantity.expanded * factor)
    low = f"{MINUS}∞" if quantity.low is None else _rounded(quantity.low * factor, places)
    high = "∞" if quantity.high is None else _rounded(quantity.high * factor, places)
    return f"{low}{NO_BREAK}…{NO_BREAK}{high}"


def _rounded(value: float, places: int) -> str:
    """Get ``value`` rounded to a place that may stand before the decimal sign."""
    return fixed(round(value, places), places)


def _places(uncertainty: float) -> int:
    if not math.isfinite(uncertainty) or uncertainty <= 0:
        return 3
    return 1 - math.floor(math.log10(uncertainty))
