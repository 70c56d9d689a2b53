"""What sets the levels of a calibration: a load, a supply, or a person with resistors.

A source is begun before the first level of a range and rested after the last; between them it
holds each level until the next is set. Failures of load and supply are raised as their drivers
raise them, with nothing left under current.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from powerlab.analysis.calibration.plan import UNITS, SourceAbility
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.instruments.contract import Load, Supply, accuracy_of

Ask = Callable[[str], None]
"""Shows a person what to do, and waits until it is done."""

WELL_SET = 3.0
"""Offset limits of a source below which a level is more offset than level."""

HAND_SETTLE_S = 0.2
"""The time constant of a contact that was just made, or of a supply whose knob was turned."""

HAND_LOW_A, HAND_HIGH_A = 1e-3, 10.0
HAND_HIGH_V = 60.0
"""What is asked of a person at the most: volts that are safe to touch, and common resistors."""


class Source(Protocol):
    """What sets the levels of one quantity, and settles with a time constant."""

    @property
    def by_hand(self) -> bool:
        """Tell whether a person sets the levels."""

    @property
    def settle_s(self) -> float:
        """Get the time constant."""

    def begin(self) -> None:
        """Get ready, with nothing flowing yet."""

    def set(self, level: float) -> None:
        """Set a level; 0 for nothing."""

    def confirm(self) -> None:
        """Raise ``InstrumentError`` where what was set is not delivered."""

    def rest(self) -> None:
        """Set nothing."""


@dataclass(frozen=True, slots=True)
class LoadSource:
    """Amperes by an electronic load."""

    load: Load
    settle_s: float
    by_hand: bool = False

    def begin(self) -> None:
        """Switch the input off."""
        self.rest()

    def set(self, level: float) -> None:
        """Draw a current; the input is off for none."""
        self.load.set_current(level)
        self.load.input(on=level > 0)

    def confirm(self) -> None:
        """Have the load read what it draws."""
        self.load.measure()

    def rest(self) -> None:
        """Switch the input off."""
        self.load.input(on=False)


@dataclass(frozen=True, slots=True)
class SupplySource:
    """Volts by a programmable supply, no load on it; between levels it stays at ``supply_v``.

    It is never switched off before the end: some meters live on what they measure.
    """

    supply: Supply
    load: Load | None
    supply_v: float
    settle_s: float
    by_hand: bool = False

    def begin(self) -> None:
        """Take the load off."""
        if self.load is not None:
            self.load.input(on=False)
        self.rest()

    def set(self, level: float) -> None:
        """Deliver volts."""
        self.supply.set_voltage(level)

    def confirm(self) -> None:
        """Have the supply read what it delivers."""
        self.supply.measure()

    def rest(self) -> None:
        """Go back to the usual volts."""
        self.supply.set_voltage(self.supply_v)


@dataclass(frozen=True, slots=True)
class FixedSource:
    """Volts of a supply that nobody sets: they are what they are."""

    load: Load | None
    settle_s: float = 0.0
    by_hand: bool = False

    def begin(self) -> None:
        """Take the load off."""
        if self.load is not None:
            self.load.input(on=False)

    def set(self, level: float) -> None:
        """Leave the volts alone."""

    def confirm(self) -> None:
        """Believe them."""

    def rest(self) -> None:
        """Leave the volts alone."""


@dataclass(frozen=True, slots=True)
class HandSource:
    """Levels that a person sets: resistors for amperes, the knob of a supply for volts."""

    quantity: str
    supply_v: float
    ask: Ask
    settle_s: float = HAND_SETTLE_S
    by_hand: bool = True

    def begin(self) -> None:
        """Wait for the first level."""

    def set(self, level: float) -> None:
        """Say what to set, and wait for Enter."""
        self.ask(f"{self._task(level)}; press Enter")

    def confirm(self) -> None:
        """Believe the person: the reference shows what came of it."""

    def rest(self) -> None:
        """Leave it to the person, whom the last level told already."""

    def _task(self, level: float) -> str:
        if self.quantity == "voltage":
            return f"Set the supply to about {level:g} V" if level else "Short the voltage inputs"
        if not level:
            return "Disconnect the load, so that no current flows"
        ohm, watts = self.supply_v / level, self.supply_v * level
        return (
            f"Set about {level:g} A: {ohm:.3g} ohm at {self.supply_v:g} V "
            f"({watts:.2g} W in the resistor)"
        )


def load_ability(
    load: InstrumentProfile, supply: InstrumentProfile | None, supply_v: float
) -> SourceAbility:
    """Get the amperes that a load can draw from a supply of ``supply_v``."""
    rating = load.load
    low, low_reason = _lowest(load, "current")
    top = load.ranges("current")[-1]
    ends = [(top.full_scale * top.over_range_factor, f"{load.name} draws no more")]
    if rating is not None:
        ends.append((rating.power_w / supply_v, f"{rating.power_w:g} W of {load.name}"))
        if rating.on_ohm:
            why = f"{load.name} needs more than {supply_v:g} V for it"
            ends.append((supply_v / rating.on_ohm, why))
    if supply is not None and supply.supply is not None:
        ends.append((supply.supply.current_a, f"{supply.name} delivers no more"))
    high, high_reason = min(ends)
    settle_s = rating.settle_s if rating is not None else 0.1
    return SourceAbility("current", low, high, low_reason, high_reason, settle_s)


def supply_ability(supply: InstrumentProfile, least_v: float) -> SourceAbility:
    """Get the volts that a supply can deliver to a meter that works from ``least_v`` on."""
    low, low_reason = _lowest(supply, "voltage")
    if least_v > low:
        low, low_reason = least_v, f"the meter works from {least_v:g} V on"
    top = supply.ranges("voltage")[-1]
    settle_s = supply.supply.settle_s if supply.supply is not None else 0.1
    return SourceAbility(
        "voltage",
        low,
        top.full_scale * top.over_range_factor,
        low_reason,
        f"{supply.name} delivers no more",
        settle_s,
        zero=not least_v,
    )


def fixed_ability(supply_v: float) -> SourceAbility:
    """Get the one level of a supply that nothing sets."""
    reason = f"the supply gives {supply_v:g} V, and nothing sets it (--supply ID)"
    return SourceAbility("voltage", supply_v, supply_v, reason, reason, 0.0, zero=False)


def hand_ability(quantity: str, least_v: float) -> SourceAbility:
    """Get what a person can set: resistors, or the volts of a laboratory supply."""
    low, high = (HAND_LOW_A, HAND_HIGH_A) if quantity == "current" else (least_v, HAND_HIGH_V)
    unit = UNITS[quantity]
    return SourceAbility(
        quantity,
        low,
        high,
        f"no less than {low:g} {unit} is set by hand",
        f"no more than {high:g} {unit} is set by hand",
        HAND_SETTLE_S,
        zero=quantity == "current" or not least_v,
        by_hand=True,
    )


def _lowest(profile: InstrumentProfile, quantity: str) -> tuple[float, str]:
    """Get the least level that a source sets to within a third, and a sentence on it."""
    chosen = profile.ranges(quantity)[0]
    low = WELL_SET * accuracy_of(chosen).offset_limit
    return low, f"{profile.name} sets no less than {low:.2g} {UNITS[quantity]} to within a third"
