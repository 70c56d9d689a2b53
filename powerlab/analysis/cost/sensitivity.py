"""Which input a cost hangs on: variance shares and tornado (method section 5.4)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from powerlab.analysis.cost.draws import Draws, deviation_at, evaluate
from powerlab.analysis.cost.sources import Drawn, Input
from powerlab.records import FloatArray
from powerlab.records.decision import TornadoBar, VarianceShare
from powerlab.records.procurement import Plan

USED = 20_000
"""Draws that shares are worked out from; a share is then good to 0.01."""

CLASSES = 32
"""Classes of equal count; the step of a fleet is seen where it takes a class or more."""

SMALLEST = 0.001
"""Shares below are noise and left out."""


class Classes:
    """The draws of each input sorted once into classes of equal count, for all variances."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._classes: dict[str, np.ndarray[tuple[int], np.dtype[np.intp]]] = {}

    def shares(self, values: FloatArray, options: Iterable[str]) -> tuple[VarianceShare, ...]:
        """Get the first-order share of each input in the variance of ``values (draws,)``.

        ``Var(E[Y | X]) / Var(Y)``, from the draws at hand: the part of the variance between
        the classes of an input (correlation ratio, Pearson 1905; as a sensitivity measure
        Plischke, Borgonovo and Smith, Eur. J. Oper. Res. 226 (2013) 536), less what chance
        puts there (Kelley 1935). Inputs are independent, so shares add up to at most 1; the
        rest is what inputs do only together. Only inputs that touch ``options``. Falling.
        """
        used = values[:USED]
        variance = float(used.var())
        if variance <= (1e-12 * float(np.abs(used).max())) ** 2:
            return ()
        asked = set(options)
        found = []
        for entry in self._draws.inputs.values():
            if entry.options and asked.isdisjoint(entry.options):
                continue
            share = self._between(entry, used) / variance
            corrected = 1 - (1 - share) * (len(used) - 1) / (len(used) - CLASSES)
            if corrected > SMALLEST:
                found.append(_share(entry, corrected))
        return tuple(sorted(found, key=lambda each: -each.share))

    def _between(self, entry: Input, used: FloatArray) -> float:
        """Get the variance between the classes of an input."""
        classes = self._classes.get(entry.identity)
        if classes is None:
            ranks = np.argsort(np.argsort(self._draws.deviations[entry.identity][:USED]))
            classes = self._classes[entry.identity] = ranks * CLASSES // len(ranks)
        counts = np.bincount(classes, minlength=CLASSES)
        means = np.bincount(classes, used, minlength=CLASSES) / counts
        return float(np.average((means - used.mean()) ** 2, weights=counts))


def _share(entry: Input, share: float) -> VarianceShare:
    own = entry.options[0] if len(entry.options) == 1 else ""
    return VarianceShare(entry.identity, entry.label, own, min(share, 1.0))


def tornado(plan: Plan, draws: Draws) -> dict[str, tuple[TornadoBar, ...]]:
    """Get each option's present value with each input at its 5 % and 95 % point, widest first.

    Bars that move nothing are left out.
    """
    places = {identity: 2 * number for number, identity in enumerate(draws.inputs)}

    def moved(entry: Input) -> FloatArray:
        deviations = np.zeros(2 * len(places))
        place = places[entry.identity]
        deviations[place : place + 2] = deviation_at(entry, np.array([0.05, 0.95]))
        return deviations

    found = {}
    for option, figures in evaluate(plan, Drawn(moved)).items():
        values = np.broadcast_to(figures["present_value"], (2 * len(places),))
        bars = [
            TornadoBar(identity, draws.inputs[identity].label, *map(float, values[at : at + 2]))
            for identity, at in places.items()
            if values[at] != values[at + 1]
        ]
        found[option] = tuple(sorted(bars, key=lambda bar: -abs(bar.at_high - bar.at_low)))
    return found
