"""Which reads of a board's counter become rows, and when each was made.

A sensor renews its reading on a clock of its own. Read at the same pace, it would be seen in
turns twice and not at all, and how old a reading is would jump by a whole update. So it is looked
at several times in each, and what is taken is the first look at each new one. When it was renewed
lies between that look and the one before; updates come evenly, so that where in between follows
from those before: a phase-locked loop that is held within these bounds.
"""

from __future__ import annotations

import numpy as np

from powerlab.instruments.counter_frames import (
    ENERGY,
    CounterFacts,
    Readings,
    Rows,
    energy_rows,
    power_rows,
)
from powerlab.instruments.counter_pace import Pace
from powerlab.units import nanoseconds

EARLIEST = 0.5
"""Part of an update within which another change is the rest of the same (volts, then amperes)."""

GAIN = 0.05
"""Part of a correction of an update's instant that is put down to the length of updates."""

MOST_OFF = 0.2
"""By which part updates may be longer or shorter than was stated or seen."""

STEADY_COUNTS = 4
"""Updates after which a counter that did not move is taken as one that counts nothing."""


class Updates:
    """When a source renews its reading, followed look by look (board instants, ns)."""

    def __init__(self, update_ns: int, look_ns: int, first_ns: int) -> None:
        self._nominal_ns = update_ns
        self._look_ns = look_ns
        self._length_ns = float(update_ns)
        self._last_ns = float(first_ns)
        self._changed_ns: int | None = None

    def changed(self, before_ns: int, at_ns: int) -> int | None:
        """Get when it was renewed that was seen to change; None for the rest of an update."""
        if self._changed_ns is not None:
            if at_ns - self._changed_ns < EARLIEST * self._nominal_ns:
                return None
            steps = max(1, round((at_ns - self._last_ns) / self._length_ns))
            due_ns = self._last_ns + steps * self._length_ns
            renewed_ns = min(max(due_ns, before_ns), at_ns)
            length_ns = self._length_ns + GAIN * (renewed_ns - due_ns) / steps
            off_ns = MOST_OFF * self._nominal_ns
            self._length_ns = min(
                max(length_ns, self._nominal_ns - off_ns), self._nominal_ns + off_ns
            )
        else:
            renewed_ns = (before_ns + at_ns) / 2
        self._changed_ns = at_ns
        self._last_ns = renewed_ns
        return round(renewed_ns)

    def unchanged(self, at_ns: int, updates: int = 1) -> int | None:
        """Get when it was renewed without a change, if it must have been: a steady load."""
        due_ns = self._last_ns + updates * self._length_ns
        if at_ns < due_ns + self._look_ns:
            return None
        self._last_ns = due_ns
        return round(due_ns)


class RowMaker:
    """Makes rows of a source's readings, as they come."""

    def __init__(self, facts: CounterFacts, pace: Pace) -> None:
        self._facts = facts
        self._pace = pace
        self._seen: Readings | None = None
        self._taken: Readings | None = None
        self._updates: Updates | None = None

    def rows(self, readings: Readings) -> Rows:
        """Get the rows that further readings give; the very first only begins the first row."""
        chosen = self._followed(readings) if self._pace.follows_s else readings
        chosen = chosen.after(self._taken)
        told = chosen.told()
        self._taken = told.part([-1]) if len(told.at_ns) else self._taken
        if self._facts.quantity == ENERGY:
            return energy_rows(self._facts, chosen, self._pace.interval_s)
        return power_rows(chosen)

    def _followed(self, readings: Readings) -> Readings:
        """Get the readings of the looks that found an update, at the instants of these."""
        looks = readings.after(self._seen)
        if not len(looks.at_ns):
            return looks
        self._seen = looks.part(range(max(0, len(looks.at_ns) - 2), len(looks.at_ns)))
        at_ns = looks.at_ns.tolist()
        if self._updates is None:
            pace = self._pace
            self._updates = Updates(nanoseconds(pace.follows_s), nanoseconds(pace.look_s), at_ns[0])
        changed = (looks.values[1:] != looks.values[:-1]).any(axis=1).tolist()
        # A counter stands still where it has nothing to tell yet: that is waited for longer.
        patience = STEADY_COUNTS if self._facts.quantity == ENERGY else 1
        numbers, renewed_ns = [], []
        for number, new in enumerate(changed[:-1], start=1):
            when_ns = self._updates.changed(at_ns[number - 1], at_ns[number]) if new else None
            # Volts and amperes are not renewed at once: the next look has both.
            taken = number if when_ns is None else number + 1
            if when_ns is None:
                when_ns = self._updates.unchanged(at_ns[number], patience)
            if when_ns is not None:
                numbers.append(taken)
                renewed_ns.append(when_ns)
        return Readings(np.array(renewed_ns, dtype=np.int64), looks.part(numbers).values)
