"""The spike filter of the PPK2's own application, over whole arrays, no I/O here.

Two running averages take in every sample, weighted 0.18 and 0.06. From a change of range on,
three samples are replaced by an average: in range 4 by the second one, else by the first; and in
range 4 the first two of them do not enter either. Rule: pc-nrfconnect-ppk, checked against its
published known answer. The filter hides the glitch of a range switch, and with it a little
energy: it is a view of the data, not the data, and no driver uses it yet. It serves to compare
with what that application shows.

An average is looked at only where samples are replaced. Up to there it is a weighted sum, and
what lies more than ``MEMORY`` samples back has no weight left.
"""

from __future__ import annotations

import numpy as np

from powerlab.records import FloatArray

WEIGHTS = (0.18, 0.06)
REPLACED = 3
KEPT_OUT = 2
TOP_RANGE = 4
MEMORY = 1024

_BACK = np.arange(MEMORY)[::-1]
_SUMS = np.stack([weight * (1 - weight) ** _BACK for weight in WEIGHTS])
_LEFT = np.stack([(1 - weight) ** np.arange(MEMORY + 1) for weight in WEIGHTS])


class SpikeFilter:
    """The filter's state from one piece of a stream to the next."""

    def __init__(self) -> None:
        self._averages: tuple[float, float] | None = None
        self._range = 0
        self._since = REPLACED  # samples since the last change, or as many as make no odds

    def apply(self, current: FloatArray, number: np.ndarray) -> FloatArray:
        """Get what the application would show of currents [A] ``(n,)`` in their ranges ``(n,)``.

        Every current must be a number; leave out what is lost.
        """
        if not len(current):
            return current
        if self._averages is None:
            first = float(current[0])
            self._averages, self._range = (first, first), int(number[0])
        places = self._replaced(number)
        shown = current.copy() if places else current
        begin = 0
        for at, since in places:
            top = bool(number[at] == TOP_RANGE)
            self._enter(current[begin:at])
            if not top or since >= KEPT_OUT:
                self._enter(current[at : at + 1])
            shown[at] = self._averages[top]
            begin = at + 1
        self._enter(current[begin:])
        return shown

    def _replaced(self, number: np.ndarray) -> list[tuple[int, int]]:
        """Get the samples to replace, and how many came since the change before each."""
        changes = (np.flatnonzero(number[1:] != number[:-1]) + 1).tolist()
        if number[0] != self._range:
            changes.insert(0, 0)
        since = {at: self._since + 1 + at for at in range(REPLACED - 1 - self._since)}
        for change in changes:
            since |= {change + step: step for step in range(REPLACED)}
        last = len(number) - 1
        before = changes[-1] if changes else -1 - self._since
        self._range, self._since = int(number[-1]), min(last - before, REPLACED)
        return sorted((at, step) for at, step in since.items() if at <= last)

    def _enter(self, values: FloatArray) -> None:
        """Take values into both averages."""
        count = min(len(values), MEMORY)
        if not count:
            return
        assert self._averages is not None  # noqa: S101 - the first sample sets them
        first, second = self._averages
        if count == 1:
            value = float(values[0])
            self._averages = (
                first + WEIGHTS[0] * (value - first),
                second + WEIGHTS[1] * (value - second),
            )
            return
        recent = values[-count:]
        self._averages = (
            float(_SUMS[0, MEMORY - count :] @ recent) + first * float(_LEFT[0, count]),
            float(_SUMS[1, MEMORY - count :] @ recent) + second * float(_LEFT[1, count]),
        )
