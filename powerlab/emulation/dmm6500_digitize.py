"""The digitizer of the emulated DMM6500 and the trigger blocks that drive it.

Of the blocks only those stand here that a plain recording needs: clear, measure, wait, delay,
no operation. What waits for an event waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation.scpi import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    Command,
    CommandTable,
    ScpiError,
    number_text,
)

LEAST_RATE_HZ, MOST_RATE_HZ = 1000, 1_000_000
LONGEST_APERTURE_S = 1e-3
MOST_COUNT = 55_000_000
MOST_BLOCKS = 63
ENDLESS = None

_QUANTITIES: dict[str, Literal["current", "voltage"]] = {"CURR": "current", "VOLT": "voltage"}
_FUNCTIONS = {"CURR": "CURRent", "VOLT": "VOLTage"}


@dataclass(slots=True)
class DigitizeSettings:
    """What one digitize function is set to; an ``aperture_s`` of None is as long as can be."""

    quantity: Literal["current", "voltage"]
    ranges: tuple[float, ...]
    range: float
    rate_hz: int = 1000
    aperture_s: float | None = None
    relative_on: bool = False

    @property
    def interval_s(self) -> float:
        """Get the time between two readings."""
        return 1 / self.rate_hz

    @property
    def true_aperture_s(self) -> float:
        """Get the aperture, in whole microseconds as the instrument has it."""
        longest_us = int(1e6 / self.rate_hz)
        return longest_us * 1e-6 if self.aperture_s is None else self.aperture_s


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the trigger model; ``count`` readings into ``buffer``, None for no end."""

    kind: str
    buffer: str = ""
    count: int | None = 1


class Digitizer(Protocol):
    """What these commands need of the instrument."""

    digitizers: dict[str, DigitizeSettings]
    digitizer: str | None
    function: str
    digitize_count: int
    blocks: dict[int, Block]


def new_digitizers(profile: InstrumentProfile) -> dict[str, DigitizeSettings]:
    """Get the settings after power-on or *RST."""
    found = {}
    for name, quantity in _QUANTITIES.items():
        scales = tuple(item.full_scale for item in profile.ranges(quantity))
        found[name] = DigitizeSettings(quantity, scales, scales[-1] if scales else 0.0)
    return found


def register_digitize(table: CommandTable, instrument: Digitizer) -> None:
    """Add the digitize functions and the trigger blocks."""
    root = "[:SENSe]:DIGitize"
    table.on(f"{root}:FUNCtion[:ON]", lambda command: _set_function(instrument, command))
    table.on(f"{root}:FUNCtion[:ON]?", lambda _command: instrument.digitizer or "NONE")
    table.on(f"{root}:COUNt", lambda command: _set_count(instrument, command))
    table.on(f"{root}:COUNt?", lambda _command: str(instrument.digitize_count))
    for name, pattern in _FUNCTIONS.items():
        _register_function(table, instrument, name, f"{root}:{pattern}")
    for pattern, kind in {
        "BUFFer:CLEar": "clear",
        "MDIGitize": "measure",
        "WAIT": "wait",
        "DELay:CONStant": "delay",
        "NOP": "nothing",
    }.items():
        table.on(f":TRIGger:BLOCk:{pattern}", _block_setter(instrument, kind))


def _register_function(table: CommandTable, instrument: Digitizer, name: str, root: str) -> None:
    def settings() -> DigitizeSettings:
        return instrument.digitizers[name]

    def pair(
        header: str,
        setter: Callable[[DigitizeSettings, Command], None],
        getter: Callable[[DigitizeSettings], str],
    ) -> None:
        table.on(f"{root}:{header}", lambda command: setter(settings(), command))
        table.on(f"{root}:{header}?", lambda _command: getter(settings()))

    pair("RANGe[:UPPer]", _set_range, lambda item: number_text(item.range))
    pair("SRATe", _set_rate, lambda item: str(item.rate_hz))
    pair("APERture", _set_aperture, lambda item: number_text(item.true_aperture_s))
    pair("RELative:STATe", _set_relative, lambda item: str(int(item.relative_on)))


def _set_function(instrument: Digitizer, command: Command) -> None:
    name = command.string(0).upper()[:4]
    if name not in instrument.digitizers or not instrument.digitizers[name].ranges:
        raise ScpiError(ILLEGAL_VALUE)
    instrument.digitizer, instrument.function = name, "NONE"


def _set_count(instrument: Digitizer, command: Command) -> None:
    instrument.digitize_count = int(command.number(0, 1, MOST_COUNT, default=1))


def _set_range(settings: DigitizeSettings, command: Command) -> None:
    asked = command.number(0, 0, max(settings.ranges), default=settings.ranges[-1])
    settings.range = next(scale for scale in settings.ranges if asked <= scale)


def _set_rate(settings: DigitizeSettings, command: Command) -> None:
    settings.rate_hz = round(command.number(0, LEAST_RATE_HZ, MOST_RATE_HZ, default=LEAST_RATE_HZ))


def _set_aperture(settings: DigitizeSettings, command: Command) -> None:
    if command.parameter(0).upper() == "AUTO":
        settings.aperture_s = None
        return
    aperture_s = command.number(0, 1e-6, LONGEST_APERTURE_S, default=1e-6)
    if aperture_s > settings.interval_s:
        raise ScpiError(OUT_OF_RANGE)
    settings.aperture_s = aperture_s


def _set_relative(settings: DigitizeSettings, command: Command) -> None:
    settings.relative_on = command.boolean(0)


def _block_setter(instrument: Digitizer, kind: str) -> Callable[[Command], None]:
    def setter(command: Command) -> None:
        place = int(command.number(0, 1, MOST_BLOCKS))
        if place > len(instrument.blocks) + 1:
            raise ScpiError(OUT_OF_RANGE)  # blocks are numbered without gaps
        if kind not in ("clear", "measure"):
            instrument.blocks[place] = Block(kind)
            return
        buffer = command.string(1, "defbuffer1")
        count = _count(command, instrument) if kind == "measure" else 1
        instrument.blocks[place] = Block(kind, buffer, count)

    return setter


def _count(command: Command, instrument: Digitizer) -> int | None:
    word = command.parameter(2, "1").upper()
    if word.startswith("INF"):
        return ENDLESS
    if word == "AUTO":
        return instrument.digitize_count
    return int(command.number(2, 1, MOST_COUNT, default=1, optional=True))
