"""Where the numbers of a plan come from: best estimates as Decimal, or draws as arrays.

Each stated figure is asked for once by name. A source of draws joins what errs together: all
that name one input get the same deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol, TypeVar

import numpy as np

from powerlab.records import Component, Distribution, FloatArray
from powerlab.records.procurement import Uncertain

Number_co = TypeVar("Number_co", Decimal, FloatArray, covariant=True)

LEAST = 0.01
"""A draw of what is not negative stays at or above this part of its best estimate."""


@dataclass(frozen=True, slots=True)
class Input:
    """Something in the world that errs, with the distribution of its standardised deviation.

    ``figure`` is the first stated figure that it enters, ``line`` the line of that figure's
    budget ("" without one), ``options`` all options that it touches, empty for what touches
    all.
    """

    identity: str
    figure: str
    line: str
    distribution: Distribution
    dof: float | None
    options: tuple[str, ...]

    @property
    def label(self) -> str:
        """Get ``figure`` or ``figure/line``."""
        return f"{self.figure}/{self.line}" if self.line else self.figure


class Source(Protocol[Number_co]):
    """Numbers for the model, all of one arithmetic."""

    def constant(self, value: Decimal | float) -> Number_co:
        """Get a number that is exact."""

    def figure(self, stated: Uncertain, name: str, option: str = "") -> Number_co:
        """Get a stated figure."""

    def factor(
        self,
        u_relative: float,
        distribution: Distribution,
        name: str,
        option: str = "",
        *,
        identity: str = "",
    ) -> Number_co:
        """Get a factor of best estimate 1."""

    def scale(self, name: str) -> Number_co:
        """Get by how much ``load``, ``tariff`` or ``price/OPTION`` is moved, 1 for not at all."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best estimates, as Decimal; the shortest text of a float is taken as its value."""

    def constant(self, value: Decimal | float) -> Decimal:
        """Get the value as Decimal."""
        return value if isinstance(value, Decimal) else Decimal(repr(value))

    def figure(self, stated: Uncertain, name: str, option: str = "") -> Decimal:  # noqa: ARG002
        """Get the stated value."""
        return self.constant(stated.value)

    def factor(
        self,
        u_relative: float,  # noqa: ARG002
        distribution: Distribution,  # noqa: ARG002
        name: str,  # noqa: ARG002
        option: str = "",  # noqa: ARG002
        *,
        identity: str = "",  # noqa: ARG002
    ) -> Decimal:
        """Get 1."""
        return Decimal(1)

    def scale(self, name: str) -> Decimal:  # noqa: ARG002
        """Get 1."""
        return Decimal(1)


@dataclass(slots=True)
class Drawn:
    """Draws: best estimates moved by the deviations of their inputs.

    ``deviation`` gives an input's standardised deviations ``(n,)``, or ``(1,)`` for none.
    ``scales`` moves load, tariff or prices. ``inputs`` collects every input met and
    ``deviations`` theirs, by identity.
    """

    deviation: Callable[[Input], FloatArray]
    scales: Mapping[str, FloatArray] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    deviations: dict[str, FloatArray] = field(default_factory=dict)

    def constant(self, value: Decimal | float) -> FloatArray:
        """Get the value as an array ``(1,)``."""
        return np.array([float(value)])

    def figure(self, stated: Uncertain, name: str, option: str = "") -> FloatArray:
        """Get ``value + sum(sign u deviation)`` over the lines of the figure's budget."""
        drawn = self.constant(stated.value)
        for number, line in enumerate(stated.budget or _lines(stated)):
            if line.u > 0:
                alone = f"{option}/{name}/{number}"
                entry = Input(
                    identity=line.input or alone,
                    figure=name,
                    line=line.name,
                    distribution=line.distribution,
                    dof=line.dof,
                    options=(option,) if option else (),
                )
                drawn = drawn + line.sign * line.u * self._deviation(entry)
        return np.maximum(drawn, LEAST * stated.value) if stated.value >= 0 else drawn

    def factor(
        self,
        u_relative: float,
        distribution: Distribution,
        name: str,
        option: str = "",
        *,
        identity: str = "",
    ) -> FloatArray:
        """Get ``1 + u_relative deviation``; figures of one ``identity`` share the deviation."""
        line = Uncertain(1.0, u_relative, distribution, input=identity)
        return self.figure(line, name, option)

    def scale(self, name: str) -> FloatArray:
        """Get by how much something is moved."""
        return self.scales.get(name, np.ones(1))

    def _deviation(self, entry: Input) -> FloatArray:
        """Get an input's deviations, the same at each meeting."""
        met = self.inputs.get(entry.identity)
        if met is None:
            self.inputs[entry.identity] = entry
            self.deviations[entry.identity] = self.deviation(entry)
        elif not entry.options or not met.options:
            self.inputs[entry.identity] = replace(met, options=())
        elif entry.options[0] not in met.options:
            self.inputs[entry.identity] = replace(met, options=met.options + entry.options)
        return self.deviations[entry.identity]


def _lines(stated: Uncertain) -> tuple[Component, ...]:
    """Get the one line of a figure that is stated without a budget."""
    line = Component(
        name="",
        kind="B",
        u=stated.u,
        distribution=stated.distribution,
        dof=stated.dof,
        share=1.0,
        source=stated.source,
        input=stated.input,
    )
    return (line,)
