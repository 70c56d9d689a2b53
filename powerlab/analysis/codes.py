"""Codes of busy and idle that a board draws on its own load, and which one suits a meter.

A marker must be found once and nowhere else, so its code is one whose correlation with
itself is small at every other shift: a maximal-length sequence, or Barker's of 13 chips.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Code = NDArray[np.int8]

TAPS: dict[int, tuple[int, ...]] = {
    3: (3, 2),
    4: (4, 3),
    5: (5, 3),
    6: (6, 5),
    7: (7, 6),
    8: (8, 6, 5, 4),
    9: (9, 5),
    10: (10, 7),
    11: (11, 9),
    12: (12, 6, 4, 1),
}
"""Stages fed back, per register length: primitive polynomials over GF(2), ``x^7 + x^6 + 1``
for 7 (tabulated since Golomb, Shift Register Sequences, 1967; that each is primitive is
tested by its period)."""

CHIP_INTERVALS = 2 + (3 - math.sqrt(5)) / 2
"""Chip length over sample interval, 2 to 3 (method section 1.5). Its fraction, the golden
ratio's square inverted, is the one whose multiples spread most evenly: every edge meets
the meter at another phase."""

SHORTEST_CHIP_S = 0.02
"""Chips last at least four supply lags of 5 ms, so that levels are reached."""

LONGEST_ORDER = 7
"""127 chips, 64 edges: twice the time would win a factor of 1.4."""

SHORTEST_ORDER = 5
"""Below 31 chips, Barker's 13 have the lower sidelobes."""

GUARD_CHIPS = 3
"""Chips of rest on either side of a code, which show the idle level around it."""


def m_sequence(order: int, register: int | None = None) -> Code:
    """Get a maximal-length sequence of ``2**order - 1`` chips, int8 of +1 and -1.

    ``a[n] = a[n - t1] ^ a[n - t2] ...`` over the taps of that order, 1 drawn as +1; the sum is
    +1, the periodic autocorrelation ``2**order - 1`` at shift 0 and -1 at all others.
    ``register`` holds the first ``order`` chips as bits, the lowest first (all ones unless
    told); another register gives a rotation of the same sequence. Raises ValueError for an
    order outside 3 to 12 or a register without a 1.
    """
    if order not in TAPS:
        raise ValueError(f"no m-sequence of order {order}: 3 to {max(TAPS)} are known")
    length = (1 << order) - 1
    start = length if register is None else register
    if not 0 < start <= length:
        raise ValueError(f"the register of order {order} holds 1 to {length}, not {start}")
    bits = [start >> place & 1 for place in range(order)]
    for place in range(order, length):
        bits.append(sum(bits[place - tap] for tap in TAPS[order]) & 1)
    return (2 * np.array(bits, dtype=np.int8) - 1).astype(np.int8)


def barker13() -> Code:
    """Get Barker's code of 13 chips, int8: aperiodic sidelobes of 0 and 1 only, 22.3 dB."""
    return np.array([1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1], dtype=np.int8)


def periodic_autocorrelation(code: Code) -> NDArray[np.int64]:
    """Get the sums of ``code[n] * code[n + shift]``, cyclic, for every shift from 0."""
    chips = code.astype(np.int64)
    return np.array([int(np.dot(chips, np.roll(chips, -shift))) for shift in range(len(chips))])


def aperiodic_autocorrelation(code: Code) -> NDArray[np.int64]:
    """Get the sums of ``code[n] * code[n + shift]`` over the overlap, for shifts from 0."""
    chips = code.astype(np.int64)
    full: NDArray[np.int64] = np.correlate(chips, chips, mode="full")[len(chips) - 1 :]
    return full


@dataclass(frozen=True, slots=True)
class MarkerPlan:
    """A marker to draw: a code of ±1, how long a chip lasts, and rest on either side.

    ``guard_chips`` of rest lie before and after the code. ``interval_s`` and ``aperture_s``
    are those of the meter that it was planned for.
    """

    chips: tuple[int, ...]
    chip_s: float
    guard_chips: int
    interval_s: float
    aperture_s: float

    @property
    def levels(self) -> tuple[int, ...]:
        """Get the level of every chip to draw, guards included: 1 busy, 0 idle."""
        rest = (0,) * self.guard_chips
        return (*rest, *(int(chip > 0) for chip in self.chips), *rest)

    @property
    def pattern(self) -> tuple[tuple[int, float], ...]:
        """Get the same as ``(level, duration_s)`` of each stretch of one level."""
        return tuple(
            (level, len(list(stretch)) * self.chip_s)
            for level, stretch in itertools.groupby(self.levels)
        )

    @property
    def edges(self) -> int:
        """Get how many edges the board will draw."""
        return len(self.pattern) - 1

    @property
    def duration_s(self) -> float:
        """Get how long it takes to draw, guards included."""
        return len(self.levels) * self.chip_s

    def expected_u_s(self, step_w: float, noise_w: float) -> float:
        """Predict the standard uncertainty of the delay for a load step and noise per sample.

        ``sqrt(interval * aperture / edges) * noise / step`` (method section 1.5, rule of
        thumb; an edge in a meter's dead time tells nothing, hence the mean of the two).
        """
        return math.sqrt(self.interval_s * self.aperture_s / self.edges) * noise_w / step_w


def plan_marker(
    interval_s: float,
    aperture_s: float,
    *,
    budget_s: float,
    shortest_chip_s: float = 0.0,
) -> MarkerPlan | None:
    """Choose the longest code, up to 127 chips, that a meter can see within ``budget_s``.

    A chip lasts 2.38 sample intervals (or apertures, where these are longer), or as many
    whole ones and a fraction as ``SHORTEST_CHIP_S`` and ``shortest_chip_s`` take: give the
    time of three forward passes, as a busy chip ends with the pass under way. None
    where not even 13 chips and their guards fit into the budget. Raises ValueError for
    times that are not positive.
    """
    if not (interval_s > 0 and aperture_s >= 0 and budget_s > 0):
        raise ValueError("a marker is planned for a positive interval, aperture and budget")
    step_s = max(interval_s, aperture_s)
    more = max(0, math.ceil(max(shortest_chip_s, SHORTEST_CHIP_S) / step_s - CHIP_INTERVALS))
    chip_s = (CHIP_INTERVALS + more) * step_s
    codes = [m_sequence(order) for order in range(LONGEST_ORDER, SHORTEST_ORDER - 1, -1)]
    for code in (*codes, barker13()):
        plan = MarkerPlan(
            chips=tuple(int(chip) for chip in code),
            chip_s=chip_s,
            guard_chips=GUARD_CHIPS,
            interval_s=interval_s,
            aperture_s=min(aperture_s, interval_s) or interval_s,
        )
        if plan.duration_s <= budget_s:
            return plan
    return None
