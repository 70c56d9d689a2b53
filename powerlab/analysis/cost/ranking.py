"""Who is the cheapest, how sure that is, and what cannot be told apart (method section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from powerlab.records import FloatArray


@dataclass(frozen=True, slots=True)
class Ranking:
    """Options ranked by their drawn costs; all by option, in the order given.

    ``leader`` has the least expected cost, hence the least expected regret. ``cheapest`` are
    probabilities of the lowest cost, ``regret`` the expected excess over it, ``mean_rank``
    counts from 1. ``tied`` lists the options that cannot be told from the leader, it first.
    """

    leader: str
    cheapest: Mapping[str, float]
    regret: Mapping[str, float]
    mean_rank: Mapping[str, float]
    tied: tuple[str, ...]


def probability_below(first: FloatArray, second: FloatArray) -> float:
    """Get the probability that ``first`` is below ``second``, draw by draw; ties count half."""
    below = np.count_nonzero(first < second) + np.count_nonzero(first == second) / 2
    return float(below / len(first))


def rank(costs: Mapping[str, FloatArray], confidence: float) -> Ranking:
    """Rank at least one option by its draws ``(draws,)`` of what is to be low.

    Tied with the leader is every option that is below it with more than ``1 - confidence``;
    where the leader is the cheapest with less than ``confidence`` all the same, the likeliest
    others join until the set holds the cheapest with it.
    """
    names, table = list(costs), np.stack(list(costs.values()))
    lowest = table.min(axis=0)
    winners = table == lowest
    cheapest = dict(zip(names, (winners / winners.sum(axis=0)).mean(axis=1).tolist(), strict=True))
    regret = dict(zip(names, (table - lowest).mean(axis=1).tolist(), strict=True))
    ranks = table.argsort(axis=0, kind="stable").argsort(axis=0).mean(axis=1) + 1
    leader = min(names, key=regret.__getitem__)
    others = sorted((name for name in names if name != leader), key=lambda name: -cheapest[name])
    tied, held = [leader], cheapest[leader]
    for name in others:
        better = probability_below(costs[name], costs[leader])
        if better > 1 - confidence or held < confidence:
            tied.append(name)
            held += cheapest[name]
    return Ranking(
        leader=leader,
        cheapest=cheapest,
        regret=regret,
        mean_rank=dict(zip(names, ranks.tolist(), strict=True)),
        tied=tuple(tied),
    )


def holm(doubts: Sequence[float], level: float) -> tuple[bool, ...]:
    """Tell which of several statements hold together (Holm, Scand. J. Statist. 6 (1979) 65).

    ``doubts`` are the probabilities that each is wrong; all those marked hold with at least
    ``1 - level``. From the surest on, each against ``level`` over how many are left.
    """
    held = [False] * len(doubts)
    for done, place in enumerate(sorted(range(len(doubts)), key=doubts.__getitem__)):
        if doubts[place] > level / (len(doubts) - done):
            break
        held[place] = True
    return tuple(held)


def front_probability(
    objectives: Mapping[str, Sequence[FloatArray]],
) -> dict[str, float]:
    """Get the probability of each option to be on the Pareto front; every objective is to be low.

    An option is off the front of a draw where another is nowhere above it and somewhere below.
    """
    on = {name: np.ones(len(values[0]), dtype=bool) for name, values in objectives.items()}
    for first, second in combinations(objectives, 2):
        a, b = np.stack(objectives[first]), np.stack(objectives[second])
        some_a, some_b = (a < b).any(axis=0), (b < a).any(axis=0)
        on[first] &= some_a | ~some_b
        on[second] &= some_b | ~some_a
    return {name: float(flags.mean()) for name, flags in on.items()}
