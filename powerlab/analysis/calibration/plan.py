"""Which levels a calibration visits: what the meter's ranges ask for and the bench can set.

For each range the levels are parts of its full scale, visited up and then down between two
zeros, so that hysteresis, drift and curvature can each be told (method section 4). What cannot
be reached is left out, and the plan says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from powerlab.errors import ConfigError
from powerlab.records.calibration import Direction

FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Parts of a range that are visited, at the least (method section 4)."""

HEADROOM = 1.02
"""A level may come out this much larger than it was asked for."""

WORTHWHILE = 1.1
"""How far the end of reach must lie above the last level to be a level of its own."""

REPEATED = 4
"""How often the only level of a range is taken."""

SETTLING = 5.0
"""Time constants of what sets a level until it has settled."""

HAND_S = 20.0
"""How long a hand takes to set a level."""

OVERHEAD_S = 0.5
"""Setting, reading back and polling, for each point."""

RANGE_S = 3.0
"""Opening a range of two meters."""

UNITS = {"current": "A", "voltage": "V"}


@dataclass(frozen=True, slots=True)
class RangeAbility:
    """One range of one meter: the largest magnitude that it reads is ``most``."""

    quantity: str
    full_scale: float
    most: float


@dataclass(frozen=True, slots=True)
class MeterAbility:
    """A meter as a plan sees it.

    A reading comes every ``interval_s``; ``delay_s`` after a change of the load readings show
    nothing of before.
    """

    name: str
    ranges: tuple[RangeAbility, ...]
    interval_s: float
    delay_s: float

    def of(self, quantity: str) -> tuple[RangeAbility, ...]:
        """Get the ranges of one quantity, smallest first."""
        chosen = (item for item in self.ranges if item.quantity == quantity)
        return tuple(sorted(chosen, key=lambda item: item.full_scale))

    def range_for(self, quantity: str, level: float) -> RangeAbility | None:
        """Get the smallest range that carries a level with its headroom, None where none does."""
        return next((r for r in self.of(quantity) if level * HEADROOM <= r.most), None)


@dataclass(frozen=True, slots=True)
class SourceAbility:
    """What can set the levels of one quantity, from ``low`` to ``high``.

    ``low_reason`` and ``high_reason`` say in words what ends the reach. ``zero`` tells that
    nothing can be set, too. It settles with the time constant ``settle_s``; ``by_hand`` is a
    person's.
    """

    quantity: str
    low: float
    high: float
    low_reason: str
    high_reason: str
    settle_s: float
    zero: bool = True
    by_hand: bool = False

    @property
    def fixed(self) -> bool:
        """Tell whether there is only one level, which nothing sets."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Step:
    """One point to take: the level to set, and from which side it is come to."""

    nominal: float
    direction: Direction


@dataclass(frozen=True, slots=True)
class Leg:
    """The points of one range of the meter, against one range of one reference.

    ``reference`` counts the references from 0; ``full_scale`` names the range of the meter.
    """

    quantity: str
    full_scale: float
    reference: int
    reference_full_scale: float
    steps: tuple[Step, ...]
    predicted_s: float

    @property
    def top(self) -> float:
        """Get the highest level."""
        return max(step.nominal for step in self.steps)


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
    """What a calibration visits, leg by leg, with ``readings`` of the slower meter at each point.

    ``left_out`` says in words what is not visited, and why.
    """

    legs: tuple[Leg, ...]
    readings: int
    left_out: tuple[str, ...]

    @property
    def points(self) -> int:
        """Get how many points there are."""
        return sum(len(leg.steps) for leg in self.legs)

    @property
    def predicted_s(self) -> float:
        """Get how long all of it takes."""
        return sum(leg.predicted_s for leg in self.legs)


def plan_calibration(
    meter: MeterAbility,
    references: Sequence[MeterAbility],
    sources: Mapping[str, SourceAbility],
    *,
    quantities: Sequence[str],
    fractions: Sequence[float] = FRACTIONS,
    readings: int,
    only: Sequence[float] = (),
) -> CalibrationPlan:
    """Plan the levels of every range of the meter that the bench can calibrate.

    ``quantities`` in the order of their passes; ``only`` names ranges by full scale, () for all.
    Amperes are read by the first reference that can, volts by the last: of two, neither has to
    be wired anew. Raises ConfigError, with the reasons, where nothing is left to calibrate.
    """
    legs: list[Leg] = []
    left_out: list[str] = []
    for quantity in quantities:
        source = sources.get(quantity)
        if not meter.of(quantity):
            left_out.append(f"{quantity}: {meter.name} does not read it")
        elif source is None:
            left_out.append(f"{quantity}: nothing sets it")
        else:
            asked = _Asked(meter, references, source, sorted(fractions), readings)
            for chosen in meter.of(quantity):
                if only and not any(math.isclose(chosen.full_scale, item) for item in only):
                    continue
                leg, reasons = _plan_range(chosen, asked)
                left_out += reasons
                legs += [leg] if leg else []
    if not legs:
        told = "; ".join(left_out) or f"{meter.name} has no such range"
        raise ConfigError(
            f"there is nothing to calibrate: {told}",
            hint="take a load, a supply or a reference that reaches the meter's ranges, "
            "or name others with --quantity and --range",
        )
    return CalibrationPlan(tuple(legs), readings, tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the ranges of one quantity are planned for."""

    meter: MeterAbility
    references: Sequence[MeterAbility]
    source: SourceAbility
    fractions: Sequence[float]
    readings: int

    def each_s(self, reference: MeterAbility) -> float:
        """Get how long a point takes."""
        return (
            SETTLING * self.source.settle_s
            + max(self.meter.delay_s, reference.delay_s)
            + self.readings * max(self.meter.interval_s, reference.interval_s)
            + OVERHEAD_S
            + (HAND_S if self.source.by_hand else 0.0)
        )


def _plan_range(chosen: RangeAbility, asked: _Asked) -> tuple[Leg | None, list[str]]:
    """Plan one range: its leg, None where no level is left, and what is left out of it."""
    meter, source = asked.meter, asked.source
    unit = UNITS[chosen.quantity]
    name = f"{chosen.quantity} range {chosen.full_scale:g} {unit}"
    able = [(n, item) for n, item in enumerate(asked.references) if item.of(chosen.quantity)]
    if not able:
        return None, [f"{name}: no reference reads {chosen.quantity}"]
    number, reference = able[0 if chosen.quantity == "current" else -1]
    ends = [
        (source.high / (1.0 if source.fixed else HEADROOM), source.high_reason),
        (reference.of(chosen.quantity)[-1].most / HEADROOM, f"{reference.name} reads no more"),
        (chosen.most / HEADROOM, f"{meter.name} reads no more"),
    ]
    most, reason = min(ends)
    wanted = [float(f"{chosen.full_scale * part:.6g}") for part in asked.fractions]
    levels = [level for level in wanted if source.low <= level <= most]
    left_out = _told(name, unit, [level for level in wanted if level < source.low], source)
    beyond = [level for level in wanted if level > most]
    if beyond:
        end = max(_rounded_down(most), source.low)
        extra = WORTHWHILE * max(levels, default=0.0) <= end <= most
        levels += [end] if extra else []
        instead = f", {end:g} {unit} is taken instead" if extra else ""
        left_out.append(f"{name}: no {_listed(beyond)} {unit}: {reason}{instead}")
    if not levels:
        return None, left_out
    found = reference.range_for(chosen.quantity, levels[-1])
    assert found is not None  # noqa: S101 - levels end where the reference does
    steps = tuple(_walk(levels, zero=source.zero))
    leg = Leg(
        quantity=chosen.quantity,
        full_scale=chosen.full_scale,
        reference=number,
        reference_full_scale=found.full_scale,
        steps=steps,
        predicted_s=RANGE_S + asked.each_s(reference) * len(steps),
    )
    return leg, left_out


def _walk(levels: list[float], *, zero: bool) -> Iterable[Step]:
    """Yield the way up and down: zero, the levels, all but the highest again, zero.

    A single level is taken several times: nothing else tells how well it repeats.
    """
    if zero:
        yield Step(0.0, Direction.UP)
    for level in levels if len(levels) > 1 else levels * REPEATED:
        yield Step(level, Direction.UP)
    for level in reversed(levels[:-1]):
        yield Step(level, Direction.DOWN)
    if zero:
        yield Step(0.0, Direction.DOWN)


def _told(name: str, unit: str, low: Sequence[float], source: SourceAbility) -> list[str]:
    return [f"{name}: no {_listed(low)} {unit}: {source.low_reason}"] if low else []


def _listed(levels: Sequence[float]) -> str:
    return ", ".join(f"{level:g}" for level in levels)


def _rounded_down(value: float) -> float:
    """Get two significant digits of a number, none of them rounded up."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / step + 1e-9) * step:.6g}")
