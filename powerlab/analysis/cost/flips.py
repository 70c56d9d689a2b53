"""Where the cheaper option changes: over load exactly, over tariff and prices by straight lines.

Between two steps of a fleet the present value is linear in the load, and it is linear in the
tariff and in each option's prices for a given fleet. So every change of order is found, none
by search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from powerlab.analysis.cost.draws import evaluate, unmoved
from powerlab.analysis.cost.inputs import peak_load
from powerlab.analysis.cost.sources import Drawn
from powerlab.records import FloatArray
from powerlab.records.decision import Flip, OptionCost
from powerlab.records.procurement import Option, Plan

REACH = 100.0
"""Loads are looked at up to this multiple of the plan's."""

MOST_STEPS = 20_000
"""Steps of one fleet that are looked at; large fleets shorten the reach, to ``NEAR`` at least."""

NEAR = 2.0

LEVEL = 1e-12
"""Costs that differ by less than this part are the same."""

BESIDE = 1e-8
"""How far beside a step its two sides are evaluated, relatively: beyond the ceiling's slack."""


def costs_at(plan: Plan, scales: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Get each option's present value with things moved by factors, arrays of one shape ``(n,)``.

    By name: ``load`` (above 0; the whole profile and its peak), ``tariff``, ``price/OPTION``.
    """
    moved = evaluate(plan, Drawn(unmoved, scales))
    shape = np.broadcast_shapes(*(each.shape for each in scales.values()))
    return {
        name: np.array(np.broadcast_to(figures["present_value"], shape))
        for name, figures in moved.items()
    }


def load_steps(plan: Plan, option: Option) -> FloatArray:
    """Get the factors of the load at which an option's fleet is full, rising, up to the reach."""
    per_unit = option.throughput_per_s.value * plan.fleet.utilisation.value
    first = per_unit / (peak_load(plan) * plan.fleet.headroom.value)
    count = min(math.floor(REACH / first), max(MOST_STEPS, math.ceil(NEAR / first)))
    return first * np.arange(1, count + 1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Present values over the load in pieces that are straight for every option.

    Piece i runs from ``begin[i]`` to ``end[i]``, factors of the load; ``left`` and ``right``
    are the values at its ends, by option.
    """

    begin: FloatArray
    end: FloatArray
    left: Mapping[str, FloatArray]
    right: Mapping[str, FloatArray]


def load_pieces(plan: Plan) -> Pieces:
    """Cut the load at every step of every fleet, from nearly nothing to the reach of all."""
    steps = [load_steps(plan, option) for option in plan.options]
    reach = min((each[-1] for each in steps if len(each) >= MOST_STEPS), default=REACH)
    inner = np.unique(np.concatenate(steps))
    # Steps of two fleets that are one in exact arithmetic must not leave a piece between them.
    inner = inner[np.diff(inner, prepend=-1.0) > 4 * BESIDE * inner]
    edges = np.concatenate(([reach * 1e-6], inner[(inner > reach * 1e-6) & (inner < reach)]))
    ends = np.append(edges[1:], reach)
    left = costs_at(plan, {"load": edges * (1 + BESIDE)})
    right = costs_at(plan, {"load": ends * (1 - BESIDE)})
    return Pieces(edges, ends, left, right)


def load_flips(plan: Plan, pieces: Pieces, first: str, second: str) -> tuple[Flip, ...]:
    """Get every load at which the cheaper of two options changes, rising.

    ``at`` is the peak load in inferences per second.
    """
    left = pieces.left[first] - pieces.left[second]
    right = pieces.right[first] - pieces.right[second]
    factors, signs, steps = _changes(pieces, left, right)
    peak = peak_load(plan)
    names = {-1: first, 1: second}
    return tuple(
        Flip("load", "", factor * peak, factor, names[before], names[after], step)
        for factor, (before, after), step in zip(factors, signs, steps, strict=True)
    )


def _changes(
    pieces: Pieces, left: FloatArray, right: FloatArray
) -> tuple[list[float], list[tuple[int, int]], list[bool]]:
    """Find the changes of sign of a difference over the pieces, within them and between them.

    Over pieces where it is 0 what was the cheaper before stays so.
    """
    ends = np.column_stack([np.sign(left), np.sign(right)]).ravel()
    known = np.flatnonzero(ends)
    turned = np.flatnonzero(ends[known[:-1]] != ends[known[1:]])
    factors, signs, steps = [], [], []
    for last, next_ in zip(known[turned].tolist(), known[turned + 1].tolist(), strict=True):
        piece = next_ // 2
        inside = last // 2 == piece
        factor = float(pieces.begin[piece])
        if inside:
            part = left[piece] / (left[piece] - right[piece])
            factor += float(part * (pieces.end[piece] - pieces.begin[piece]))
        before = int(ends[last])
        factors.append(factor)
        signs.append((before, -before))
        steps.append(not inside)
    return factors, signs, steps


def load_winners(plan: Plan, pieces: Pieces, options: Sequence[str]) -> tuple[Flip, ...]:
    """Get every load at which the cheapest of some options changes, rising.

    One that only draws level does not take over.
    """
    if not options:
        return ()
    crossings = {
        flip.factor: flip.at_step
        for first, second in combinations(options, 2)
        for flip in load_flips(plan, pieces, first, second)
    }
    factors = np.array([pieces.begin[0], *sorted(crossings)])
    values = costs_at(plan, {"load": factors * (1 + 2 * BESIDE)})
    table = np.stack([values[name] for name in options])
    level = table <= table.min(axis=0) * (1 + LEVEL)
    peak, found = peak_load(plan), []
    current = int(np.argmin(table[:, 0]))
    for place, factor in enumerate(factors.tolist()):
        if not level[current, place]:
            best = int(np.argmin(table[:, place]))
            names, step = (options[current], options[best]), crossings[factor]
            found.append(Flip("load", "", factor * peak, factor, *names, step))
            current = best
    return tuple(found)


def line_flips(
    plan: Plan, scale: str, options: Sequence[str], today: float, owner: str = ""
) -> tuple[Flip, ...]:
    """Get the factors of a tariff or price at which the cheapest option changes, rising.

    ``scale`` is ``tariff`` or ``price/OPTION``, ``today`` the value at factor 1. Fleets stay as
    they are, so every present value is a straight line.
    """
    ends = costs_at(plan, {scale: np.array([0.0, 1.0])})
    lines = {name: (float(ends[name][0]), float(np.diff(ends[name])[0])) for name in options}

    def cheapest(factor: float) -> str:
        return min(options, key=lambda name: lines[name][0] + lines[name][1] * factor)

    crossings = sorted(
        (lines[first][0] - lines[second][0]) / (lines[second][1] - lines[first][1])
        for first, second in combinations(options, 2)
        if lines[first][1] != lines[second][1]
    )
    quantity = scale.partition("/")[0]
    found = []
    for factor in crossings:
        if 0 < factor < REACH:
            below, above = cheapest(factor * (1 - BESIDE)), cheapest(factor * (1 + BESIDE))
            if below != above:
                found.append(Flip(quantity, owner, factor * today, factor, below, above))
    return tuple(found)


def nearest_flips(
    plan: Plan,
    options: Sequence[str],
    costs: Mapping[str, OptionCost],
    winners: Sequence[Flip],
) -> tuple[Flip, ...]:
    """Get what would change the cheapest of some options, the least change first.

    The nearest value below today's and above it of the load (``winners`` over it), the tariff
    (its mean, in its own currency) and each option's price.
    """
    hourly = plan.tariff.hourly_per_kwh
    tariff = float(sum(hourly) / len(hourly))
    found = [*_nearest(winners), *_nearest(line_flips(plan, "tariff", options, tariff))]
    for name in options:
        price = float(costs[name].unit_price)
        found += _nearest(line_flips(plan, f"price/{name}", options, price, name))
    return tuple(sorted(found, key=lambda flip: abs(math.log(flip.factor))))


def _nearest(flips: Sequence[Flip]) -> tuple[Flip, ...]:
    """Get the nearest of rising flips below today's value and above it."""
    below = [flip for flip in flips if flip.factor < 1]
    above = [flip for flip in flips if flip.factor >= 1]
    return tuple(below[-1:] + above[:1])
