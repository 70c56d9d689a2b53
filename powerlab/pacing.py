"""The plan of a session's runs: how many passes, which pauses between them, in which order."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.catalog.protocol_preset import ProtocolPreset
from powerlab.records import Phase
from powerlab.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Pauses:
    """Dithering: a pause uniform on 0 to ``longest_s`` after each ``every`` passes."""

    longest_s: float
    every: int


def randomised_blocks(
    wanted: Mapping[int, range], draw: random.Random
) -> tuple[tuple[int, int], ...]:
    """Get the order of runs ``(slot, index)``: blocks with a run of each slot, shuffled within.

    A slot that wants fewer runs than another is left out of the last blocks. The indices of
    a slot rise.
    """
    order: list[tuple[int, int]] = []
    for block in range(max(map(len, wanted.values()), default=0)):
        runs = [(slot, indices[block]) for slot, indices in wanted.items() if block < len(indices)]
        draw.shuffle(runs)
        order += runs
    return tuple(order)


def pass_duration_s(warm_up: Sequence[Phase]) -> float:
    """Get how long a pass takes, from the second half of a warm-up in one or more parts."""
    stamps = [np.concatenate(([part.start_board_ns], part.done_board_ns)) for part in warm_up]
    took = np.concatenate([np.diff(part) for part in stamps])
    return max(float(took[len(took) // 2 :].mean()), 1.0) / NS_PER_S


def plan_pauses(pass_s: float, interval_s: float, *, run_s: float, most: int) -> Pauses:
    """Plan pauses that break a lock between inferences and samples (method section 2.3).

    One in each sample interval, as long as a pass or an interval, whichever is shorter; in a
    run of ``run_s`` not more than ``most``.
    """
    longest_s = min(pass_s, interval_s)
    every = max(1, math.floor(interval_s / pass_s), math.ceil(run_s / pass_s / most))
    return Pauses(longest_s, every)


def passes_in(
    protocol: ProtocolPreset, pass_s: float, pauses: Pauses | None = None, batch: int = 1
) -> int:
    """Get how many passes make a run: they fill its time, in whole blocks, the least at least.

    With a rate of queries those that are expected in that time, however long a pass takes.
    """
    pause_s = pauses.longest_s / 2 / pauses.every if pauses else 0.0
    period_s = 1 / protocol.target_qps if protocol.target_qps else pass_s + pause_s
    least = max(protocol.least_passes, math.ceil(protocol.least_inferences / batch))
    passes = max(least, math.ceil(protocol.run_s / period_s))
    return protocol.block_passes * math.ceil(passes / protocol.block_passes)


def run_deadline_s(protocol: ProtocolPreset, passes: int, pass_s: float) -> float:
    """Get when a run is cut short: after four times what it should take, and half a minute."""
    return 4 * max(protocol.run_s, passes * pass_s) + 30
