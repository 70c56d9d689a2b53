"""The settings of the emulated WT310E, and the forms in which it tells them and its numbers.

Headers are there or not, long or short; numbers come as text or as floats.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.scpi import ILLEGAL_VALUE, OUT_OF_RANGE, Command, CommandTable, ScpiError

RATES_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
FUNCTIONS = ("U", "I", "P", "S", "Q", "LAMBda", "PHI", "FU", "FI", "TIME", "WH")
MOST_ITEMS = 255
FILTERS = ("RISE", "FALL", "BOTH", "NEVer")

NO_DATA, OVER = "NAN", "INF"
NO_DATA_BITS, OVER_VALUE = 0x7E951BEE, 9.9e37

_UNITS = {"V": 1.0, "A": 1.0, "S": 1.0, "MS": 1e-3, "MA": 1e-3, "MV": 1e-3}


@dataclass(slots=True)
class Settings:
    """What the front panel and commands have set; as after power-on, where not said otherwise."""

    voltages: tuple[float, ...]
    currents: tuple[float, ...]
    voltage_v: float
    current_a: float
    voltage_auto: bool = True
    current_auto: bool = True
    header: bool = True
    verbose: bool = True
    verbose_errors: bool = False
    rate_s: float = 0.25
    mode: str = "RMS"
    synchronisation: str = "CURR"
    crest: str = "3"
    hold: bool = False
    integrating: bool = False
    form: str = "ASC"
    filters: list[str] = field(default_factory=lambda: ["NEV"] * 16)
    switches: dict[str, bool] = field(default_factory=dict)
    number: int = 3
    items: list[str] = field(default_factory=lambda: ["U,1", "I,1", "P,1"] + ["NONE"] * 252)


def power_on(profile: InstrumentProfile) -> Settings:
    """Get the settings after power-on: automatic ranges, headers on."""
    volts = tuple(item.full_scale for item in profile.ranges("voltage"))
    amperes = tuple(item.full_scale for item in profile.ranges("current"))
    return Settings(volts, amperes, volts[-1], amperes[-1])


def quantity(command: Command, index: int = 0) -> float:
    """Get a number that may carry its unit, such as ``100MS`` or ``150V``."""
    text = command.parameter(index).upper()
    match = re.fullmatch(r"([+-]?[\d.]+(?:E[+-]?\d+)?)([A-Z]*)", text)
    try:
        return float(match[1]) * _UNITS.get(match[2], 1.0) if match else float(text)
    except ValueError:
        raise ScpiError(ILLEGAL_VALUE) from None


def range_text(value: float) -> str:
    """Write a range as the meter does: ``150.0E+00``, ``1.0E+00``, ``500.0E-03``."""
    return f"{value * 1e3:.1f}E-03" if value < 1 else f"{value:.1f}E+00"


def decimal_places(full_scale: float) -> int:
    """Get how many decimals a range shows: five digits in all."""
    return 4 - math.floor(math.log10(full_scale) + 1e-9)


def number_text(value: float, full_scale: float) -> str:
    """Write a number as the meter does: a power of a thousand for what is small or large."""
    decimals = decimal_places(full_scale)
    digits = 4 - decimals
    exponent = 0 if 0 <= digits < 3 else 3 * math.floor(digits / 3)
    return f"{value / 10.0**exponent:.{decimals + exponent}f}E{exponent:+03d}"


def float_block(numbers: Sequence[tuple[float, float] | str]) -> bytes:
    """Write numbers as big-endian singles in a block whose length has always four digits."""
    payload = b"".join(
        struct.pack(">I", NO_DATA_BITS)
        if number == NO_DATA
        else struct.pack(">f", OVER_VALUE if isinstance(number, str) else number[0])
        for number in numbers
    )
    return b"#4%04d" % len(payload) + payload


class SettingCommands:
    """Adds the commands that set and tell; ``changed`` is called where readings start anew."""

    def __init__(self, table: CommandTable, state: Settings, changed: Callable[[], None]) -> None:
        self._table = table
        self._state = state
        self._changed = changed

    def pair(
        self, pattern: str, setter: Callable[[Command], None], getter: Callable[[], str]
    ) -> None:
        """Add a setting and its query, which answers with the header where that is on."""
        long, short = _headers(pattern)

        def told(_command: Command) -> str:
            header = f"{long if self._state.verbose else short} " if self._state.header else ""
            return header + getter()

        self._table.on(pattern, setter)
        self._table.on(pattern + "?", told)

    def switch(self, pattern: str, name: str, *, anew: bool = False) -> None:
        """Add a switch."""

        def setter(command: Command) -> None:
            setattr(self._state, name, command.boolean(0))
            if anew:
                self._changed()

        self.pair(pattern, setter, lambda: str(int(getattr(self._state, name))))

    def choice(self, pattern: str, name: str, *words: str) -> None:
        """Add a choice of words."""

        def setter(command: Command) -> None:
            setattr(self._state, name, command.choice(0, *words))

        self.pair(pattern, setter, lambda: str(getattr(self._state, name)))

    def kept(self, pattern: str) -> None:
        """Add a switch that is off, can be put on, and has no effect here."""
        switches = self._state.switches
        switches[pattern] = False

        def setter(command: Command) -> None:
            switches[pattern] = command.boolean(0)

        self.pair(pattern, setter, lambda: str(int(switches[pattern])))

    def scale(
        self, pattern: str, name: str, allowed: tuple[float, ...], automatic: str = ""
    ) -> None:
        """Add a number out of those allowed; setting it ends what was ``automatic``."""

        def setter(command: Command) -> None:
            value = quantity(command)
            chosen = [item for item in allowed if abs(item - value) <= 1e-6 * item]
            if not chosen or self._state.integrating:
                raise ScpiError(ILLEGAL_VALUE if chosen else OUT_OF_RANGE)
            setattr(self._state, name, chosen[0])
            if automatic:
                setattr(self._state, automatic, False)
            self._changed()

        self.pair(pattern, setter, lambda: range_text(getattr(self._state, name)))


def register_settings(table: CommandTable, state: Settings, changed: Callable[[], None]) -> None:
    """Add every setting; ``changed`` is called where readings start anew."""
    add = SettingCommands(table, state, changed)
    add.switch(":COMMunicate:HEADer", "header")
    add.switch(":COMMunicate:VERBose", "verbose")
    add.switch(":STATus:QMESsage", "verbose_errors")
    add.switch(":HOLD", "hold")
    add.scale("[:INPut]:VOLTage:RANGe", "voltage_v", state.voltages, "voltage_auto")
    add.scale("[:INPut]:CURRent:RANGe", "current_a", state.currents, "current_auto")
    add.switch("[:INPut]:VOLTage:AUTO", "voltage_auto", anew=True)
    add.switch("[:INPut]:CURRent:AUTO", "current_auto", anew=True)
    add.choice("[:INPut]:MODE", "mode", "RMS", "VMEan", "DC")
    add.choice("[:INPut]:SYNChronize", "synchronisation", "VOLTage", "CURRent", "OFF")
    add.choice("[:INPut]:CFACtor", "crest", "3", "6")
    add.choice(":NUMeric:FORMat", "form", "ASCii", "FLOat")
    add.scale(":RATE", "rate_s", RATES_S)
    add.kept(":COMMunicate:REMote")
    add.kept(":MEASure:MHOLd")
    add.kept(":MEASure:AVERaging[:STATe]")
    add.kept("[:INPut]:SCALing[:STATe]")
    add.kept("[:INPut]:FILTer[:LINE]")
    add.kept("[:INPut]:FILTer:FREQuency")
    _register_items(table, state)


def _register_items(table: CommandTable, state: Settings) -> None:
    def set_number(command: Command) -> None:
        state.number = int(command.number(0, 1, MOST_ITEMS))

    def set_item(place: int, command: Command) -> None:
        name = command.choice(0, *FUNCTIONS, "NONE")
        element = command.parameter(1, "1")
        state.items[place] = "NONE" if name == "NONE" else f"{name},{element}"

    def set_filter(place: int, command: Command) -> None:
        state.filters[place] = command.choice(0, *FILTERS)

    def items(_command: Command) -> str:
        told = state.items[: state.number]
        if not state.header:
            return ";".join((str(state.number), *told))
        root = ":NUMERIC:NORMAL:" if state.verbose else ":NUM:"
        named = (f"ITEM{place} {item}" for place, item in enumerate(told, 1))
        return ";".join((f"{root}NUMBER {state.number}", *named))

    table.on(":NUMeric[:NORMal]:NUMber", set_number)
    table.on(":NUMeric[:NORMal]?", items)
    for place in range(16):
        # A closure's own place: the loop's is the last one by the time of the call.
        def filtered(command: Command, place: int = place) -> None:
            set_filter(place, command)

        def item(command: Command, place: int = place) -> None:
            set_item(place, command)

        table.on(f":STATus:FILTer{place + 1}", filtered)
        table.on(f":NUMeric[:NORMal]:ITEM{place + 1}", item)


def _headers(pattern: str) -> tuple[str, str]:
    """Get the long and the short form of a header; the short one leaves out optional nodes."""
    long = pattern.replace("[", "").replace("]", "").upper()
    short = re.sub(r"\[[^]]*\]", "", pattern)
    return long, "".join(letter for letter in short if not letter.islower())
