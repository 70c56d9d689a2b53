"""Combining uncertainties: GUM for the standard one, JCGM 101 for the interval.

Standard uncertainty and degrees of freedom are propagated by GTC's uncertain numbers, one
per line. The expanded uncertainty is the half-width of the central interval of the convolved
distribution (scaled t for type A, rectangles for specified limits), so the coverage
factor is a result: 1.65 where a rectangle dominates, 2.78 where five runs do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from powerlab.records import Component, Distribution, FloatArray, Quantity

BINS = 1 << 13
MINOR = 0.01
"""Lines below this share of the combined u are convolved together, as one normal."""

COVERAGE = 0.95


def component(
    name: str,
    kind: str,
    u: float,
    distribution: Distribution = Distribution.NORMAL,
    *,
    dof: float | None = None,
    source: str = "",
    input_: str = "",
) -> Component:
    """Make a budget line; its share is filled in when the budget is combined.

    ``u`` is the change of the quantity for one standard uncertainty of the input ``input_``:
    a negative one gives the line the sign -1.
    """
    return Component(
        name=name,
        kind=kind,
        u=abs(u),
        distribution=distribution,
        dof=dof,
        share=0.0,
        source=source,
        input=input_,
        sign=-1 if u < 0 else 1,
    )


def rectangular(half_width: float) -> float:
    """Get the standard uncertainty of a rectangular density (GUM 4.3.7)."""
    return half_width / math.sqrt(3)


def standard_uncertainty(budget: Sequence[Component]) -> float:
    """Combine independent lines in quadrature (GUM 5.1.2)."""
    return math.sqrt(math.fsum(line.u**2 for line in budget))


def joined(budget: Sequence[Component]) -> list[Component]:
    """Get a budget of independent lines: those of one input become one, by their signs."""
    lines: dict[object, Component] = {}
    for number, line in enumerate(budget):
        key = line.input or number
        if key in lines:
            before = lines[key]
            net = before.sign * before.u + line.sign * line.u
            line = replace(before, u=abs(net), sign=-1 if net < 0 else 1)  # noqa: PLW2901
        lines[key] = line
    return list(lines.values())


def uncertain_number(value: float, budget: Sequence[Component], inputs: dict[str, Any]) -> Any:
    """Get a value with its budget as an uncertain number of GTC: the sum of its lines.

    ``inputs`` holds the standardised inputs met so far, by the names that lines give them:
    numbers made with the same one are correlated as they must be. It is added to.
    """
    from GTC import ureal  # noqa: PLC0415  a third of a second to import

    total = ureal(value, 0.0)
    for line in budget:
        if line.u > 0:
            known = inputs.get(line.input) if line.input else None
            if known is None:
                known = ureal(0.0, 1.0, line.dof or math.inf, label=line.name)
                if line.input:
                    inputs[line.input] = known
            total += line.sign * line.u * known
    return total


def combined(budget: Sequence[Component]) -> tuple[float, float | None]:
    """Get standard uncertainty and effective degrees of freedom, None where infinite.

    GUM 5.2.2 and G.4.1 (Welch-Satterthwaite), by GTC. An infinite or undefined line leaves
    NaN and None.
    """
    if not all(math.isfinite(line.u) for line in budget):
        return math.nan, None
    total = uncertain_number(0.0, budget, {})
    dof = float(total.df)
    return float(total.u), dof if math.isfinite(dof) else None


def student_t(p: float, dof: float | None) -> float:
    """Get the two-sided coverage factor of Student's t, or of the normal for ``dof`` None."""
    tail = (1 + p) / 2
    return float(special.ndtri(tail) if dof is None else special.stdtrit(dof, tail))


def expanded_uncertainty(budget: Sequence[Component], p: float = COVERAGE) -> float:
    """Get the half-width of the central interval of probability ``p`` of the sum of all lines.

    The lines are independent (``joined``). Their densities are convolved numerically on a
    grid of exact cell masses; relative error below 1e-3 of the result. 0 for an empty or
    exact budget.
    """
    lines = _merge_minor([line for line in budget if line.u > 0])
    if not lines:
        return 0.0
    if len(lines) == 1:
        return _quantile(lines[0], p)
    if all(line.distribution is Distribution.NORMAL and line.dof is None for line in lines):
        return student_t(p, None) * standard_uncertainty(lines)
    wide = max(student_t(p, line.dof) * line.u for line in lines)
    span = 6 * standard_uncertainty(lines) + 6 * wide
    step = 2 * span / BINS
    edges: FloatArray = (np.arange(BINS + 1, dtype=np.float64) - BINS / 2 - 0.5) * step
    spectrum = np.ones(BINS // 2 + 1, dtype=np.complex128)
    for line in lines:
        mass = np.diff(_distribution_function(line, edges))
        spectrum *= np.fft.rfft(np.fft.ifftshift(mass))
    total = np.fft.fftshift(np.fft.irfft(spectrum, BINS))
    return _central_half_width(total, step, p)


def _merge_minor(lines: list[Component]) -> list[Component]:
    """Join lines too small for their shape to show; their variance is kept."""
    limit = MINOR * standard_uncertainty(lines)
    minor = [line for line in lines if line.u < limit]
    if len(minor) < 2:
        return lines
    rest = [line for line in lines if line.u >= limit]
    return [*rest, component("minor lines", "B", standard_uncertainty(minor))]


def _central_half_width(mass: FloatArray, step: float, p: float) -> float:
    middle = BINS // 2
    right = np.concatenate(([mass[middle] / 2], mass[middle + 1 :]))
    inner = 2 * np.cumsum(right)
    upper = (np.arange(len(right)) + 0.5) * step
    # What lies beyond the grid stays beyond: the mass is not scaled back to 1.
    return float(np.interp(p, inner, upper))


def _quantile(line: Component, p: float) -> float:
    """Get the half-width of one line alone, in closed form."""
    u = line.u
    match line.distribution:
        case Distribution.RECTANGULAR:
            return p * math.sqrt(3) * u
        case Distribution.TRIANGULAR:
            return math.sqrt(6) * u * (1 - math.sqrt(1 - p))
        case Distribution.ARCSINE:
            return math.sqrt(2) * u * math.sin(math.pi * p / 2)
        case Distribution.T:
            return student_t(p, line.dof) * u
        case _:
            return student_t(p, None) * u


def _distribution_function(line: Component, x: FloatArray) -> FloatArray:
    """Get the cumulative distribution of a line of standard uncertainty ``u``, centred on 0."""
    z = x / line.u
    if line.distribution is Distribution.RECTANGULAR:
        return _as_float(np.clip(z / (2 * math.sqrt(3)) + 0.5, 0, 1))
    if line.distribution is Distribution.TRIANGULAR:
        t = np.clip(z / math.sqrt(6), -1, 1)
        return _as_float(np.where(t < 0, (1 + t) ** 2 / 2, 1 - (1 - t) ** 2 / 2))
    if line.distribution is Distribution.ARCSINE:
        return _as_float(np.arcsin(np.clip(z / math.sqrt(2), -1, 1)) / math.pi + 0.5)
    if line.distribution is Distribution.T and line.dof is not None:
        return _as_float(special.stdtr(line.dof, z))
    return _as_float(special.ndtr(z))


def _as_float(values: object) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def quantity(
    name: str, unit: str, value: float, budget: Sequence[Component], p: float = COVERAGE
) -> Quantity:
    """Make a quantity from its value and its budget lines, in the same unit.

    Lines are independent unless they name the same input, which makes them one.
    """
    budget = joined(budget)
    u, dof = combined(budget)
    expanded = expanded_uncertainty(budget, p) if math.isfinite(u) else math.nan
    if not math.isfinite(value):
        u = expanded = math.nan
    shares = [
        replace(line, share=(line.u / u) ** 2 if u > 0 and math.isfinite(u) else 0.0)
        for line in budget
    ]
    shares.sort(key=lambda line: -line.share)
    return Quantity(
        name=name,
        unit=unit,
        value=value,
        u=u,
        expanded=expanded,
        k=expanded / u if u > 0 else 0.0,
        dof=dof,
        p=p,
        low=value - expanded,
        high=value + expanded,
        budget=tuple(shares),
    )


def reciprocal(name: str, unit: str, base: Quantity, factor: float = 1.0) -> Quantity:
    """Get ``factor / base``: relative uncertainties carry over, the interval's ends exactly.

    Errors that raise the base lower its reciprocal: the signs of the lines turn over.
    """
    if not base.value:
        return replace(base, name=name, unit=unit, value=math.nan, expanded=math.nan, u=math.nan)
    value = factor / base.value
    scale = abs(value / base.value)
    low = factor / base.high if base.high else None
    high = factor / base.low if base.low is not None and base.low > 0 else None
    return replace(
        base,
        name=name,
        unit=unit,
        value=value,
        u=base.u * scale,
        expanded=base.expanded * scale,
        low=low,
        high=high,
        budget=tuple(replace(line, u=line.u * scale, sign=-line.sign) for line in base.budget),
    )
