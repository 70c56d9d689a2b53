"""What a board's counters tell, as rows of watts: pure functions, no link.

The messages are those of ``powerlab.agent.counters.serve``. A counter of energy becomes the mean
power between two reads; what a late read brings is spread over the time since the one before, so
that no energy is lost and no row is much longer than the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from powerlab.errors import InstrumentProtocolError
from powerlab.records import FlagArray, FloatArray, Int64Array, SampleFlag
from powerlab.units import NS_PER_S, nanoseconds

POWER, ENERGY = "power", "energy"
FEWEST_CHANGES = 5
"""Changes of a reading from which its update period can be told."""

EVERY_LOOK = 0.8
"""Share of looks that brought something new above which the period is below that of looks."""


@dataclass(frozen=True, slots=True)
class CounterFacts:
    """What the source on the board says of itself.

    ``parts`` are what is added up, ``scope`` is "board", "sum" or "rail", ``not_read`` other
    parts that there are. An ``energy`` counts ``unit_j`` and begins anew at ``wraps_at`` (0:
    never). ``update_s`` is stated by the board's driver, 0 where it is not; a power is the mean
    of ``mean_of_s``, 0 of an instant, None where that is not known; of no longer than
    ``mean_limit_s`` then, 0 where that is not known either. One that ``pushes`` tells by itself
    and cannot be looked at in between.
    """

    quantity: str
    parts: tuple[str, ...]
    scope: str
    not_read: tuple[str, ...]
    chips: tuple[str, ...]
    unit_j: float
    wraps_at: tuple[int, ...]
    update_s: float
    mean_of_s: float | None
    mean_limit_s: float
    pushes: bool
    stands_for: str
    device: str
    serial: str
    driver: str
    emulated: bool


@dataclass(frozen=True, slots=True)
class Readings:
    """Raw readings: board instants int64 ``(n,)``, values float64 ``(n, parts)``, NaN for none.

    A count is a whole number, exact up to 2**53.
    """

    at_ns: Int64Array
    values: FloatArray

    def part(self, numbers: Sequence[int]) -> Readings:
        """Get those of these numbers."""
        chosen = np.array(numbers, dtype=np.intp)
        return Readings(self.at_ns[chosen], self.values[chosen])

    def told(self) -> Readings:
        """Get those that tell a number for each part."""
        told = np.isfinite(self.values).all(axis=1)
        return Readings(self.at_ns[told], self.values[told])

    def after(self, other: Readings | None) -> Readings:
        """Get these with earlier ones before them."""
        if other is None:
            return self
        return Readings(
            np.concatenate((other.at_ns, self.at_ns)),
            np.concatenate((other.values, self.values)),
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for a sample block: board instants, watts and flags, ``(n,)`` each."""

    at_ns: Int64Array
    power_w: FloatArray
    flags: FlagArray


def parse_facts(message: Mapping[str, Any]) -> CounterFacts:
    """Read the answer to "hello"; ``InstrumentProtocolError`` where something is missing."""
    try:
        mean_of_s = message.get("mean_of_s")
        facts = CounterFacts(
            quantity=str(message["quantity"]),
            parts=tuple(map(str, message["parts"])),
            scope=str(message["scope"]),
            not_read=tuple(map(str, message["not_read"])),
            chips=tuple(map(str, message["chips"])),
            unit_j=float(message["unit_j"]),
            wraps_at=tuple(map(int, message["wraps_at"])),
            update_s=float(message["update_s"]),
            mean_of_s=None if mean_of_s is None else float(mean_of_s),
            mean_limit_s=float(message.get("mean_limit_s", 0.0)),
            pushes=bool(message["pushes"]),
            stands_for=str(message["stands_for"]),
            device=str(message.get("device", "")),
            serial=str(message.get("serial", "")),
            driver=str(message.get("driver", "")),
            emulated=bool(message["emulated"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _broken(f"what it says of itself ({error!r})") from error
    known = facts.quantity in (POWER, ENERGY) and len(facts.parts) == len(facts.wraps_at)
    if not (known and facts.parts):
        raise _broken(f"a quantity {facts.quantity!r} of {len(facts.parts)} parts")
    return facts


def parse_readings(message: Mapping[str, Any], facts: CounterFacts) -> Readings:
    """Read the answer to "read"; ``InstrumentProtocolError`` where it is no table of numbers."""
    try:
        at_ns = np.array(message["at_board_ns"], dtype=np.int64)
        values = np.array(message["values"], dtype=np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _broken(f"its readings ({error!r})") from error
    if not values.size:
        values = values.reshape(0, len(facts.parts))
    whole = at_ns.ndim == 1 and values.shape == (len(at_ns), len(facts.parts))
    if not whole or np.any(at_ns[1:] <= at_ns[:-1]):
        raise _broken("readings without order, or of other parts than it named")
    return Readings(at_ns, values)


def power_rows(readings: Readings) -> Rows:
    """Get a row for each power, summed over the parts; of the first reading only what it repeats.

    The first reading is that before these. A row that tells no number is marked
    ``NOT_AVAILABLE``; one that is as the row before to the last digit, ``REPEATED``.
    """
    values = readings.values[1:]
    power_w = values.sum(axis=1)
    missing = ~np.isfinite(power_w)
    same = np.all(values == readings.values[:-1], axis=1)
    return Rows(readings.at_ns[1:], power_w, _flags(missing=missing, repeated=same))


def energy_rows(facts: CounterFacts, readings: Readings, interval_s: float) -> Rows:
    """Get the mean power between counts that were told, in rows of about ``interval_s``.

    A counter that went back has begun anew at its ``wraps_at``; where it has none, that row is
    ``NOT_AVAILABLE``. One that did not move is ``REPEATED``.
    """
    told = readings.told()
    at_ns, gained = told.at_ns, np.diff(told.values, axis=0)
    wraps = np.array(facts.wraps_at, dtype=np.float64)
    gained = np.where(gained < 0, np.where(wraps > 0, gained + wraps, np.nan), gained)
    lasted_ns, interval_ns = np.diff(at_ns), nanoseconds(interval_s)
    power_w = gained.sum(axis=1) * facts.unit_j / (lasted_ns / NS_PER_S)
    parts = np.maximum(1, np.rint(lasted_ns / interval_ns)).astype(np.int64)
    of = np.repeat(np.arange(len(parts)), parts)
    left = np.repeat(np.cumsum(parts), parts) - np.arange(len(of)) - 1
    stop_ns = at_ns[:-1][of] + (parts[of] - left) * interval_ns
    flags = _flags(missing=~np.isfinite(power_w), repeated=power_w == 0)
    return Rows(np.where(left == 0, at_ns[1:][of], stop_ns), power_w[of], flags[of])


def observed_update_s(readings: Readings) -> float:
    """Get the time between changes of a reading, by looking faster than it changes.

    Where nearly every look brought something new, it is shorter than what this returns, the time
    between looks. 0 where it changed too seldom to tell.
    """
    if len(readings.at_ns) <= FEWEST_CHANGES:
        return 0.0
    changed = np.any(np.diff(readings.values, axis=0) != 0, axis=1)
    if np.count_nonzero(changed) < FEWEST_CHANGES:
        return 0.0
    seen_ns = readings.at_ns if changed.mean() > EVERY_LOOK else readings.at_ns[1:][changed]
    return float(np.median(np.diff(seen_ns))) / NS_PER_S


def _flags(*, missing: np.ndarray, repeated: np.ndarray) -> FlagArray:
    good = np.where(repeated, SampleFlag.REPEATED, SampleFlag.GOOD)
    return np.where(missing, SampleFlag.NOT_AVAILABLE, good).astype(np.uint8)


def _broken(what: str) -> InstrumentProtocolError:
    return InstrumentProtocolError(
        f"the board's counters answered with {what} that cannot be read",
        hint="use the same version of powerlab on both sides",
    )
