"""What a line-oriented SCPI instrument is told and answers: the ``[scpi]`` section of a profile.

It is all that the drivers "scpi-meter" and "scpi-source" need to know of a model, and all that
their emulators know of it too. Commands are written as they go over the wire, with placeholders
in braces for what is decided at set-up (``METER_PLACEHOLDERS``, ``SOURCE_PLACEHOLDERS``).
"""

from __future__ import annotations

import string
from typing import Literal

from pydantic import Field

from powerlab.catalog.facts import Model, NonNegative

UNITS = {"current": "A", "voltage": "V", "power": "W"}
PREFIXES = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3}

METER_PLACEHOLDERS = (
    "range",
    "current_range",
    "voltage_range",
    "power_range",
    "most",
    "nplc",
    "aperture_s",
)
"""Full scale of the function's only quantity, or of one by name; the most that the range of the
only quantity reads, its over-range included; aperture in power line cycles, and in seconds."""

OF_ONE_QUANTITY = ("range", "most")
"""Placeholders that say nothing where a function reads several quantities."""

SOURCE_PLACEHOLDERS = ("level", "range", "limit", "switch")
"""What is set [A or V], full scale of the range for it, greatest current, the switch's word."""

Unit = Literal["A", "mA", "uA", "nA", "V", "mV", "uV", "W", "mW", "uW", "kW"]


class ScpiField(Model):
    """One quantity in an answer: by place (the first is 1), or by the name that heads it."""

    quantity: Literal["current", "voltage", "power"]
    unit: Unit
    index: int = Field(default=1, ge=1)
    name: str = ""

    @property
    def scale(self) -> float:
        """Get by what a number is multiplied for A, V or W."""
        return PREFIXES[self.unit[:-1]]


class ScpiFunction(Model):
    """One state in which the meter measures, and the query that reads it.

    Quantities that one query answers together are fields of one function; where volts and
    amperes are functions of their own, each is read in a pass of its own. ``setup`` is sent in
    this order; each query of ``confirm`` must then answer as it says: a number to within a
    thousandth, other text as it stands. ``answer`` is an example of what ``read`` brings: from
    it come the number of fields and the form of the numbers. ``takes`` is "triggered" where
    ``read`` starts a reading and answers when it is done, "latest" where it answers the newest
    of readings that go on by themselves.
    """

    field: tuple[ScpiField, ...] = Field(min_length=1)
    setup: tuple[str, ...] = ()
    confirm: dict[str, str] = Field(default_factory=dict)
    read: str
    answer: str
    takes: Literal["triggered", "latest"] = "triggered"

    @property
    def quantities(self) -> tuple[str, ...]:
        """Get what it measures, in the order of its fields."""
        return tuple(item.quantity for item in self.field)

    @property
    def integrates(self) -> bool:
        """Tell whether the length of a reading is set, and not the meter's own."""
        commands = (*self.setup, *self.confirm.values())
        named = {name for text in commands for name in placeholders(text)}
        return bool(named & {"nplc", "aperture_s"})


class ScpiDrive(Model):
    """How a load or supply is driven: its level is amperes of a load, volts of a supply.

    ``switch`` turns it on and off with the words of ``switch_words``, off first. ``level`` is
    written with ``level_digits`` digits behind the point. ``volts`` and ``amperes`` read what is
    at its terminals; each ``_answer`` is an example of what its query brings. A query that is
    left out is not asked: what was set is then told by the instrument's own readings alone.
    """

    setup: tuple[str, ...] = ()
    confirm: dict[str, str] = Field(default_factory=dict)
    switch: str
    switch_words: tuple[str, str] = ("0", "1")
    switch_query: str = ""
    level: str
    level_digits: int = Field(default=4, ge=0, le=9)
    level_query: str = ""
    level_answer: str = ""
    range: str = ""
    range_query: str = ""
    volts: str
    volts_answer: str = "0.0000"
    amperes: str
    amperes_answer: str = "0.0000"


class ScpiProfile(Model):
    """A line-oriented SCPI instrument.

    ``models`` are patterns of the model's name in the answer to ``*IDN?`` (``*`` and ``?`` stand
    for letters), ``identity`` is an example of that answer with ``{serial}`` in its place.
    ``line_end`` ends each command; an answer ends with a line feed, with a carriage return
    before it or not. A header that names what was asked, as in ``A 10.5``, is read past; the
    command that turns headers off belongs to ``open``. ``clear`` makes it forget old errors.
    ``over_range`` and ``no_reading`` are what stands in the place of a number, ``no_error`` is
    the code that the error queue tells when it is empty.
    """

    models: tuple[str, ...] = Field(min_length=1)
    identity: str
    line_end: Literal["lf", "crlf", "cr"] = "lf"
    language_query: str = ""
    language: str = ""
    language_hint: str = ""
    open: tuple[str, ...] = ()
    clear: str = "*CLS"
    close: tuple[str, ...] = ()
    error_query: str = "SYST:ERR?"
    no_error: int = 0
    line_frequency_query: str = ""
    settle_s: NonNegative = 0.0
    reply_limit_s: float = Field(default=2.0, gt=0)
    over_range: tuple[str, ...] = ("9.9E37",)
    no_reading: tuple[str, ...] = ("9.91E37",)
    function: tuple[ScpiFunction, ...] = ()
    drive: ScpiDrive | None = None


def placeholders(text: str) -> tuple[str, ...]:
    """Get the names in braces of a command; ValueError where there are more than names."""
    try:
        parts = tuple(string.Formatter().parse(text))
    except ValueError:
        raise ValueError("has a brace without its other half") from None
    if any(form or conversion for _, _, form, conversion in parts):
        raise ValueError("has more than a name in braces")
    return tuple(name for _, name, _, _ in parts if name is not None)
