"""The plan of a session's runs: how many passes, which pauses between them, in which order."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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


def passes_in(run_s: float, pass_s: float, pauses: Pauses | None) -> int:
    """Get how many passes, and the pauses between them, fill a run."""
    pause_s = pauses.longest_s / 2 / pauses.every if pauses else 0.0
    return max(1, math.ceil(run_s / (pass_s + pause_s)))
