"""Losses that a short counter cannot see, found by the host's clock.

A counter that wraps hides a loss of exactly one turn of it: the numbers go on as if nothing had
happened. But every sample after it comes later, against its number, by the time of one turn, for
good. Late reading delays samples too, only never for good and never by whole turns. So as long
as samples come as early as they did before, none is missing; where they stay late by whole turns
through several stretches of time, those turns are lost, from the first late one on.

What "early" is has to be seen first: a loss in the first half second may be taken for lateness.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from powerlab.units import NS_PER_S, nanoseconds

STRETCH_S = 0.2
STRETCHES = 5
"""So many stretches in a row must be late by the same number of turns."""

WINDOW_S = 1.0
"""Over which time the earliest arrival is remembered: clocks drift apart meanwhile."""

TOLERANCE = 0.3
"""Of a turn, by which a stretch's earliest arrival may miss a whole number of turns."""

GIVE_UP_S = 6.0
"""Arrivals that disagree for so long are judged by the earliest of them."""


@dataclass(slots=True)
class CountWatch:
    """Says of each arrival whether the samples up to it are complete.

    ``turn_ns`` is the device time of one turn of the counter. ``look`` gets the device time of
    the newest sample by count, and when it had arrived.
    """

    turn_ns: int
    _recent: deque[tuple[int, int]] = field(default_factory=deque)
    _late: list[tuple[int, int]] = field(default_factory=list)

    def look(self, device_ns: int, arrived_ns: int) -> int | None:
        """Get how many turns are lost: 0 for none, None where it is not yet clear.

        A number is the verdict on every arrival since the last one: the samples between the
        last good arrival and the first unclear one are those that are missing.
        """
        delay = arrived_ns - device_ns
        if not self._recent or delay < self._earliest() + self.turn_ns // 2:
            self._late.clear()
            self._remember(arrived_ns, delay)
            return 0
        self._late.append((arrived_ns, delay))
        turns = self._turns(arrived_ns)
        if not turns and arrived_ns - self._late[0][0] <= GIVE_UP_S * NS_PER_S:
            return None
        # No host is late for so long by any whole turn: the least delay is nearest to the truth.
        least = min(delay for _, delay in self._late)
        turns = turns or round((least - self._earliest()) / self.turn_ns)
        self._late.clear()
        self._recent.clear()
        self._remember(arrived_ns, delay - turns * self.turn_ns)
        return turns

    def _earliest(self) -> int:
        """Get the smallest delay remembered, which is always the first one."""
        return self._recent[0][1]

    def _remember(self, arrived_ns: int, delay: int) -> None:
        """Keep a good arrival; those that are old, or came later against their count, say no more.

        While it is unclear whether samples are lost, nothing grows old.
        """
        while self._recent and self._recent[-1][1] >= delay:
            self._recent.pop()
        while self._recent and arrived_ns - self._recent[0][0] > WINDOW_S * NS_PER_S:
            self._recent.popleft()
        self._recent.append((arrived_ns, delay))

    def _turns(self, arrived_ns: int) -> int:
        """Get the turns by which every stretch so far was late, 0 where they disagree."""
        stretch_ns = nanoseconds(STRETCH_S)
        first_ns = self._late[0][0]
        if arrived_ns - first_ns < STRETCHES * stretch_ns:
            return 0
        least: dict[int, int] = {}
        for at_ns, delay in self._late:
            number = (arrived_ns - at_ns) // stretch_ns
            if number < STRETCHES:
                least[number] = min(delay, least.get(number, delay))
        if len(least) < STRETCHES:
            return 0
        base = self._earliest()
        late = [(delay - base) / self.turn_ns for delay in least.values()]
        turns = round(min(late))
        agree = all(abs(value - turns) <= TOLERANCE for value in late)
        return turns if turns and agree else 0
