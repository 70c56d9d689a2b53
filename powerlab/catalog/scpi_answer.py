"""The form of an SCPI answer, taken from an example of it: fields, signs, digits, units."""

from __future__ import annotations

import re
from dataclasses import dataclass

from powerlab.catalog.scpi_profile import PREFIXES

FIELD = re.compile(
    r"(?:(?P<header>[:*A-Za-z][\w:]*)[ \t]+)?"
    r"(?P<number>(?P<sign>[+-]?)(?:\d+\.?(?P<part>\d*)|\.\d+)"
    r"(?:[eE][+-]?(?P<exponent>\d{1,3}))?)"
    r"[ \t]*(?P<suffix>[A-Za-z%]\w*)?",
    re.ASCII,
)
"""One field: ``1.5``, ``+1.50000E+00``, ``A 10.5W``, ``+1.73730000E+00 VDC``."""

_SUFFIX = re.compile(r"(?P<prefix>[numk]?)(?P<unit>[AVW])(?:DC|AC)?", re.ASCII)
_SEPARATOR = re.compile(r"[,;]")


@dataclass(frozen=True, slots=True)
class FieldForm:
    """How one field is written: what heads it, its number's form, its unit.

    ``exponent`` is the number of digits of the exponent, 0 for a number without one.
    """

    header: str
    plus: bool
    decimals: int
    exponent: int
    suffix: str

    def write(self, value: float) -> str:
        """Write a number in this form."""
        sign = "+" if self.plus else ""
        if self.exponent:
            mantissa, _, power = f"{value:{sign}.{self.decimals}E}".partition("E")
            text = f"{mantissa}E{power[0]}{int(power[1:]):0{self.exponent}d}"
        else:
            text = f"{value:{sign}.{self.decimals}f}"
        return f"{self.header} {text}".lstrip() + self.suffix


def split_fields(answer: str) -> tuple[str, ...]:
    """Get the fields of an answer, without the spaces around them."""
    return tuple(item.strip() for item in _SEPARATOR.split(answer))


def forms(example: str) -> tuple[FieldForm, ...]:
    """Get the forms of the fields of an example. ValueError where a field is no number."""
    found = []
    for text in split_fields(example):
        match = FIELD.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no number, with a header and a unit or without")
        suffix = text[match.end("number") :]
        found.append(
            FieldForm(
                header=match["header"] or "",
                plus=match["sign"] == "+",
                decimals=len(match["part"] or ""),
                exponent=len(match["exponent"] or ""),
                suffix=suffix,
            )
        )
    return tuple(found)


def unit_scale(suffix: str, unit: str) -> float | None:
    """Get by what a number with a suffix is multiplied for ``unit``, None for one of another."""
    match = _SUFFIX.fullmatch(suffix)
    if match is None or match["unit"] != unit:
        return None
    return PREFIXES[match["prefix"]]
