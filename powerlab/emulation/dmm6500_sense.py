"""The measure functions of the emulated DMM6500: their settings and the SENSe commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.scpi import ILLEGAL_VALUE, OUT_OF_RANGE, Command, CommandTable, ScpiError
from powerlab.emulation.scpi import number_text as text

LINE_HZ = 50.0
MIN_NPLC, MAX_NPLC = 0.0005, 12.0  # at 50 Hz (reference manual, :SENSe:<function>:NPLCycles)
DIGITS = 6

_FUNCTIONS = {"CURR:DC": "CURRent[:DC]", "VOLT:DC": "VOLTage[:DC]"}


@dataclass(slots=True)
class FunctionSettings:
    """What one measure function is set to; ``ranges`` are its full scales, rising."""

    quantity: Literal["current", "voltage"]
    ranges: tuple[float, ...]
    range: float
    autorange: bool = True
    nplc: float = 1.0
    autozero: bool = True
    relative: float = 0.0
    relative_on: bool = False
    digits: int = DIGITS


class Sensing(Protocol):
    """What the SENSe commands need of the instrument."""

    functions: dict[str, FunctionSettings]
    function: str
    digitizer: str | None


def new_settings(profile: InstrumentProfile) -> dict[str, FunctionSettings]:
    """Get the settings after power-on or *RST."""
    quantities: dict[str, Literal["current", "voltage"]]
    quantities = {"CURR:DC": "current", "VOLT:DC": "voltage"}
    settings = {}
    for name, quantity in quantities.items():
        scales = tuple(item.full_scale for item in profile.ranges(quantity))
        settings[name] = FunctionSettings(quantity, scales, scales[0] if scales else 0.0)
    return settings


def register_sense(table: CommandTable, instrument: Sensing) -> None:
    """Add the commands that set and read the measure functions."""
    table.on("[:SENSe]:FUNCtion[:ON]", lambda command: _set_function(instrument, command))
    table.on("[:SENSe]:FUNCtion[:ON]?", lambda _command: instrument.function)
    table.on("[:SENSe]:AZERo:ONCE", lambda _command: None)
    for name, pattern in _FUNCTIONS.items():
        _register_function(table, instrument, name, pattern)


def _register_function(table: CommandTable, instrument: Sensing, name: str, pattern: str) -> None:
    def settings() -> FunctionSettings:
        return instrument.functions[name]

    def pair(
        header: str,
        setter: Callable[[FunctionSettings, Command], None],
        getter: Callable[[FunctionSettings], str],
    ) -> None:
        table.on(header, lambda command: setter(settings(), command))
        table.on(header + "?", lambda _command: getter(settings()))

    root = f"[:SENSe]:{pattern}"
    pair(f"{root}:RANGe[:UPPer]", _set_range, lambda item: text(item.range))
    pair(f"{root}:RANGe:AUTO", _set_autorange, lambda item: str(int(item.autorange)))
    pair(f"{root}:NPLCycles", _set_nplc, lambda item: text(item.nplc))
    pair(f"{root}:APERture", _set_aperture, lambda item: text(item.nplc / LINE_HZ))
    pair(f"{root}:AZERo[:STATe]", _set_autozero, lambda item: str(int(item.autozero)))
    pair(f"{root}:RELative", _set_relative, lambda item: text(item.relative))
    pair(f"{root}:RELative:STATe", _set_relative_on, lambda item: str(int(item.relative_on)))
    pair(f":DISPlay:{pattern}:DIGits", _set_digits, lambda item: str(item.digits))


def _set_function(instrument: Sensing, command: Command) -> None:
    word = command.string(0).upper()
    name = {"CURR": "CURR:DC", "CURRENT": "CURR:DC", "VOLT": "VOLT:DC", "VOLTAGE": "VOLT:DC"}.get(
        word.removesuffix(":DC")
    )
    if name is None or not instrument.functions[name].ranges:
        raise ScpiError(ILLEGAL_VALUE)
    instrument.function, instrument.digitizer = name, None


def _set_range(settings: FunctionSettings, command: Command) -> None:
    asked = command.number(0, 0, max(settings.ranges), default=settings.ranges[0])
    settings.range = next(scale for scale in settings.ranges if asked <= scale)
    settings.autorange = False


def _set_autorange(settings: FunctionSettings, command: Command) -> None:
    settings.autorange = command.boolean(0)


def _set_nplc(settings: FunctionSettings, command: Command) -> None:
    settings.nplc = command.number(0, MIN_NPLC, MAX_NPLC, default=1.0)


def _set_aperture(settings: FunctionSettings, command: Command) -> None:
    seconds = command.number(0, MIN_NPLC / LINE_HZ, MAX_NPLC / LINE_HZ, default=1 / LINE_HZ)
    settings.nplc = seconds * LINE_HZ


def _set_autozero(settings: FunctionSettings, command: Command) -> None:
    settings.autozero = command.boolean(0)


def _set_relative(settings: FunctionSettings, command: Command) -> None:
    limit = max(settings.ranges)
    settings.relative = command.number(0, -limit, limit, default=0.0)


def _set_relative_on(settings: FunctionSettings, command: Command) -> None:
    settings.relative_on = command.boolean(0)


def _set_digits(settings: FunctionSettings, command: Command) -> None:
    digits = command.number(0, 3, 6, default=DIGITS)
    if digits != int(digits):
        raise ScpiError(OUT_OF_RANGE)
    settings.digits = int(digits)
