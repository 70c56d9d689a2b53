"""The emulated board's clock: offset, rate error, a rate that drifts with load, a step.

The agent reads this computer's clock; everything it says about time passes through here on its
way out, so that the host has to find the clock of a board out of the exchange alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.agent.protocol import BOARD_INSTANT_SUFFIX
from powerlab.catalog.device_profile import Emulation
from powerlab.emulation.noise import uniform
from powerlab.emulation.world import Edges
from powerlab.records import Int64Array
from powerlab.units import nanoseconds

MIN_LOAD_PPM = 2.0


class BusyTime:
    """The time that the board has spent busy since the first edge; the last state holds."""

    def __init__(self, edges: Edges) -> None:
        level = (edges.level > 0).astype(np.int64)
        spans = np.diff(edges.t_ns) * level[:-1]
        self._t_ns = edges.t_ns
        self._level = level
        self._before = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(spans)))

    def until(self, at_ns: Int64Array) -> Int64Array:
        """Get the busy nanoseconds before each instant, int64 of any shape."""
        if self._t_ns.size == 0:
            return np.zeros_like(at_ns)
        last = np.searchsorted(self._t_ns, at_ns, side="right") - 1
        entry = np.maximum(last, 0)
        total = self._before[entry] + self._level[entry] * (at_ns - self._t_ns[entry])
        return np.where(last >= 0, total, 0).astype(np.int64)

    def until_one(self, at_ns: int) -> int:
        """Get the same for one instant, fast: a ping's answer waits for it."""
        last = int(self._t_ns.searchsorted(at_ns, side="right")) - 1
        if last < 0:
            return 0
        level = int(self._level[last])
        return int(self._before[last]) + level * (at_ns - int(self._t_ns[last]))


@dataclass(frozen=True, slots=True)
class BoardClock:
    """Host nanoseconds to board nanoseconds.

    ``board = host + offset + rate * (host - reference) + load * busy + steps`` with ``busy``
    the time spent busy until then: a board that works is warmer, and its oscillator then runs
    at another rate. A step adds ``step_ns`` from its host instant on.
    """

    reference_ns: int
    offset_ns: int
    rate_ppm: float
    load_ppm: float
    step_ns: int = 0

    def board_ns(
        self, host_ns: Int64Array, busy: BusyTime, steps_at_ns: Sequence[int] = ()
    ) -> Int64Array:
        """Map host instants, int64 of any shape, to the board's clock."""
        since = host_ns - self.reference_ns
        drift = 1e-6 * (self.rate_ppm * since + self.load_ppm * busy.until(host_ns))
        mapped = host_ns + self.offset_ns + np.rint(drift).astype(np.int64)
        for at_ns in steps_at_ns:
            mapped = mapped + np.where(host_ns >= at_ns, self.step_ns, 0)
        return mapped

    def board_instant(self, host_ns: int, busy: BusyTime, steps_at_ns: Sequence[int] = ()) -> int:
        """Map one host instant, exactly as ``board_ns`` does."""
        since = host_ns - self.reference_ns
        drift = 1e-6 * (self.rate_ppm * since + self.load_ppm * busy.until_one(host_ns))
        steps = sum(self.step_ns for at_ns in steps_at_ns if host_ns >= at_ns)
        return host_ns + self.offset_ns + round(drift) + steps


def draw_clock(emulation: Emulation, seed: int, reference_ns: int, step_ns: int = 0) -> BoardClock:
    """Draw the clock of one world: rate uniform within ± the limit, the rest as the profile says.

    The load term is at least 2 ppm: a fit that assumes a constant rate must meet its match.
    """
    return BoardClock(
        reference_ns=reference_ns,
        offset_ns=nanoseconds(emulation.clock_offset_s),
        rate_ppm=(2 * uniform(seed, "board clock") - 1) * emulation.clock_limit_ppm,
        load_ppm=max(MIN_LOAD_PPM, emulation.clock_load_ppm),
        step_ns=step_ns,
    )


def map_board_instants(
    message: object, clock: BoardClock, busy: BusyTime, steps_at_ns: Sequence[int] = ()
) -> object:
    """Get a copy of a decoded agent message with every ``*_board_ns`` on the board's clock."""
    if isinstance(message, dict):
        return {
            key: _mapped(value, clock, busy, steps_at_ns)
            if key.endswith(BOARD_INSTANT_SUFFIX)
            else map_board_instants(value, clock, busy, steps_at_ns)
            for key, value in message.items()
        }
    if isinstance(message, list) and message and isinstance(message[0], dict | list):
        return [map_board_instants(item, clock, busy, steps_at_ns) for item in message]
    return message


def _mapped(value: object, clock: BoardClock, busy: BusyTime, steps_at_ns: Sequence[int]) -> object:
    if isinstance(value, int):
        return clock.board_instant(value, busy, steps_at_ns)
    if isinstance(value, list):
        return clock.board_ns(np.array(value, dtype=np.int64), busy, steps_at_ns).tolist()
    return value
