"""The instruments of a calibration: named, planned with, opened, and switched off at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from powerlab.analysis.calibration.plan import (
    UNITS,
    CalibrationPlan,
    Leg,
    MeterAbility,
    RangeAbility,
    SourceAbility,
    plan_calibration,
)
from powerlab.calibration.sources import (
    Ask,
    FixedSource,
    HandSource,
    LoadSource,
    Source,
    SupplySource,
    fixed_ability,
    hand_ability,
    load_ability,
    supply_ability,
)
from powerlab.catalog.bench_profile import BenchMeter
from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.errors import ConfigError, SetupError
from powerlab.instruments.contract import Load, Meter, Supply, open_load, open_meter, open_supply

QUANTITIES = ("voltage", "current")
"""What is calibrated, in the order of the passes: volts are read without a current path."""

USUAL_V = 5.0
"""The volts of the loop where nothing else is said: a USB supply's."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of a calibration: its model, and where it is reached."""

    profile: InstrumentProfile
    at: BenchMeter


@dataclass(frozen=True, slots=True)
class Instruments:
    """Everything that takes part in a calibration.

    ``supply_v`` are the volts of the loop, None where nobody said; the meter works from
    ``least_v`` on, 0 where it has power of its own. ``ask`` reaches a person, None without one.
    """

    meter: Instrument
    references: tuple[Instrument, ...]
    load: Instrument | None
    supply: Instrument | None
    supply_v: float | None
    least_v: float
    ask: Ask | None

    @property
    def loop_v(self) -> float:
        """Get the volts of the loop."""
        return USUAL_V if self.supply_v is None else self.supply_v

    def sources(self) -> dict[str, SourceAbility]:
        """Get what can set the levels of each quantity; nothing may."""
        found: dict[str, SourceAbility] = {}
        supply = self.supply.profile if self.supply is not None else None
        if self.load is not None:
            found["current"] = load_ability(self.load.profile, supply, self.loop_v)
        elif self.ask is not None:
            found["current"] = hand_ability("current", self.least_v)
        if supply is not None:
            found["voltage"] = supply_ability(supply, self.least_v)
        elif self.supply_v is not None:
            found["voltage"] = fixed_ability(self.supply_v)
        elif self.ask is not None:
            found["voltage"] = hand_ability("voltage", self.least_v)
        return found

    def plan(
        self,
        *,
        quantities: Sequence[str],
        fractions: Sequence[float],
        readings: int,
        only: Sequence[float],
    ) -> CalibrationPlan:
        """Plan the points; see ``plan_calibration``.

        Raises ConfigError for one of ``only`` that the meter does not have, SetupError where a
        person is needed and there is none: to set a current, or to move the one reference from
        volts to amperes.
        """
        _check_ranges(self.meter.profile, quantities, only)
        sources = self.sources()
        if "current" in quantities and "current" not in sources:
            raise SetupError(
                "nothing draws a current: there is no load, and no terminal to ask at",
                hint="name an electronic load with --load ID@RESOURCE, or run the command in a "
                "terminal and set resistors by hand",
            )
        plan = plan_calibration(
            ability_of(self.meter.profile),
            [ability_of(item.profile) for item in self.references],
            sources,
            quantities=[name for name in QUANTITIES if name in quantities],
            fractions=fractions,
            readings=readings,
            only=only,
        )
        if self.ask is None and any(_moved(plan.legs, number) for number in range(len(plan.legs))):
            raise SetupError(
                "the reference must be wired anew between volts and amperes, and there is no "
                "terminal to ask at",
                hint="calibrate one of them at a time (--quantity current), or give a second "
                "--reference for the amperes",
            )
        return plan


def ability_of(profile: InstrumentProfile) -> MeterAbility:
    """Get a meter as a plan sees it."""
    sampling = profile.sampling
    return MeterAbility(
        name=profile.name,
        ranges=tuple(
            RangeAbility(item.quantity, item.full_scale, item.full_scale * item.over_range_factor)
            for item in profile.range
        ),
        interval_s=sampling.interval_s,
        delay_s=sampling.latency_s + sampling.latency_limit_s + sampling.interval_s,
    )


def _check_ranges(
    profile: InstrumentProfile, quantities: Sequence[str], only: Sequence[float]
) -> None:
    """Refuse a full scale that no range of the meter has."""
    own = [item for item in profile.range if item.quantity in quantities]
    for wanted in only:
        if not any(math.isclose(item.full_scale, wanted) for item in own):
            names = (f"{item.full_scale:g} {UNITS[item.quantity]}" for item in own)
            raise ConfigError(
                f"{profile.name} has no {' or '.join(quantities)} range of {wanted:g}",
                hint=f"its ranges: {', '.join(names)}",
            )


def _moved(legs: Sequence[Leg], number: int) -> bool:
    """Tell whether a reference has read another quantity before a leg."""
    leg = legs[number]
    before = (item for item in legs[:number] if item.reference == leg.reference)
    return any(item.quantity != leg.quantity for item in before)


@dataclass(frozen=True, slots=True)
class OpenBench:
    """The instruments of a calibration, opened and identified."""

    named: Instruments
    meter: Meter
    references: tuple[Meter, ...]
    load: Load | None
    supply: Supply | None

    @property
    def serial(self) -> str:
        """Get the serial number of the meter that is calibrated: as it tells, else as named."""
        return self.meter.identity.serial or self.named.meter.at.serial

    @property
    def reference_serials(self) -> tuple[str, ...]:
        """Get those of the references."""
        pairs = zip(self.references, self.named.references, strict=True)
        return tuple(meter.identity.serial or named.at.serial for meter, named in pairs)

    @property
    def emulated(self) -> bool:
        """Tell whether an instrument whose readings count is emulated."""
        return any(item.identity.emulated for item in (self.meter, *self.references))

    def source(self, quantity: str) -> Source:
        """Get what sets the levels of a quantity."""
        named, ability = self.named, self.named.sources()[quantity]
        if ability.by_hand:
            assert named.ask is not None  # noqa: S101 - a hand's reach is that of a person asked
            return HandSource(quantity, named.loop_v, named.ask)
        if quantity == "current":
            assert self.load is not None  # noqa: S101 - what is no hand's is the load's
            return LoadSource(self.load, ability.settle_s)
        if self.supply is not None:
            return SupplySource(self.supply, self.load, named.loop_v, ability.settle_s)
        return FixedSource(self.load)

    def wire(self, leg: Leg) -> None:
        """Have a person wire the reference for a leg, where there is one to ask."""
        if self.named.ask is None:
            return
        meter = self.named.meter.profile.name
        reference = self.named.references[leg.reference].profile.name
        if leg.quantity == "voltage":
            task = (
                f"Volts: put the voltage inputs of {reference} across the output of {meter}, "
                "nothing into its ampere inputs"
            )
        else:
            task = (
                f"Amperes: supply, then {meter}, then the ampere inputs of {reference}, then load"
            )
        self.named.ask(f"{task}; press Enter")


@contextmanager
def open_bench(named: Instruments) -> Iterator[OpenBench]:
    """Open every instrument for a ``with`` block: supply on, load off.

    The supply comes first, since some meters live on what they measure; load and supply are
    switched off at the end, whatever the end is. Raises what opening raises.
    """
    with ExitStack() as stack:
        supply = load = None
        if named.supply is not None:
            supply = stack.enter_context(
                closing(open_supply(named.supply.profile, named.supply.at))
            )
            supply.set_voltage(named.loop_v)
            supply.output(on=True)
        meter, *references = (
            stack.enter_context(closing(open_meter(item.profile, item.at)))
            for item in (named.meter, *named.references)
        )
        if named.load is not None:
            load = stack.enter_context(closing(open_load(named.load.profile, named.load.at)))
        yield OpenBench(named, meter, tuple(references), load, supply)
