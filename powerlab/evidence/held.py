"""Rows of a long recording held in bounded memory: neighbours averaged as often as it takes."""

from __future__ import annotations

import numpy as np

from powerlab.records import FloatArray

MOST_ROWS = 1 << 22
"""Rows held at once; of more, neighbours are averaged, so that memory is bounded."""


class Held:
    """What was read of a table so far, its rows averaged in pairs as often as it must be."""

    def __init__(
        self,
        places: tuple[int, ...],
        last: tuple[int, ...],
        product: tuple[int, int] | None = None,
    ) -> None:
        self.pieces: list[FloatArray] = []
        self.halvings = 0
        self._places, self._last, self._product = list(places), list(last), product
        self._rows = 0

    def add(self, table: FloatArray) -> None:
        """Add rows."""
        table = table[:, self._places]
        if self._product is not None:
            volts, amps = self._product
            with np.errstate(over="ignore"):  # what no meter reads is left out later
                table = np.column_stack((table, table[:, volts] * table[:, amps]))
        for _ in range(self.halvings):
            table = self._halved(table)
        self.pieces.append(table)
        self._rows += len(table)
        while self._rows > MOST_ROWS:
            # all of them together: pieces of one row would never become fewer
            self.pieces = [self._halved(np.concatenate(self.pieces))]
            self.halvings += 1
            self._rows = len(self.pieces[0])

    def _halved(self, table: FloatArray) -> FloatArray:
        even = len(table) // 2 * 2
        pairs = table[:even].reshape(-1, 2, table.shape[1])
        mean = pairs.mean(axis=1)
        mean[:, self._last] = pairs[:, 1, self._last]
        return np.concatenate((mean, table[even:]))
