"""Runs set against the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from powerlab.analysis.comparison import Comparison, compare
from powerlab.cli._style import columns, folded
from powerlab.cli._summary import EMULATED, NAMES, ordered, quantity_text
from powerlab.records import Evidence, Quantity, Result
from powerlab.units import with_uncertainty

HEADLINE = "energy_per_inference"

RATIOS = (
    "Ratios are to the first run, ± the half-width of the 95 % interval, or with its ends where "
    "it is not symmetric."
)

SYMMETRIC = 0.1
"""Distance of an interval's middle from the ratio, in half-widths, up to which ± tells it."""


def comparison(results: Sequence[Result]) -> dict[str, Any]:
    """Get the comparison as a document: every quantity's ratio to that of the first run."""
    first = results[0]
    return {
        "schema": "powerlab.comparison/1",
        "runs": [result.run for result in results],
        "ranked": may_rank(results),
        "ratios": {
            name: [_ratio_document(_compared(result, quantity), results)
                   for result in results[1:]]
            for name, quantity in first.quantities.items()
        },
    }  # fmt: skip


def comparison_text(results: Sequence[Result]) -> str:
    """Get the comparison as a table, one column per run and one per ratio."""
    import pandas as pd  # noqa: PLC0415  a second to import

    first = results[0]
    table: dict[str, list[str]] = {}
    names = [quantity.name for quantity in ordered(first)]
    for number, result in enumerate(results):
        label = f"{result.request.device}, batch {result.request.batch} [{number + 1}]"
        table[label] = [_text(result.quantities.get(name)) for name in names]
        if number:
            table[f"[{number + 1}] / [1]"] = [
                _ratio_text(_compared(result, first.quantities[name]), results) for name in names
            ]
    frame = pd.DataFrame(table, index=[NAMES.get(name, name) for name in names])
    lines = [frame.to_string(justify="left"), ""]
    lines += [f"[{number + 1}] {result.run}" for number, result in enumerate(results)]
    lines += ["", *(folded(text, columns()) for text in (RATIOS, *_sharing(results)))]
    if any(result.evidence is Evidence.EMULATED for result in results):
        lines.append(EMULATED)
    if not may_rank(results):
        lines.append("Emulated results never rank devices: no verdict is given.")
    return "\n".join(lines)


def may_rank(results: Sequence[Result]) -> bool:
    """Tell whether a verdict may be given: not between devices where any is emulated."""
    devices = {result.request.device for result in results}
    emulated = any(result.evidence is Evidence.EMULATED for result in results)
    return len(devices) == 1 or not emulated


def _compared(result: Result, reference: Quantity) -> Comparison | None:
    quantity = result.quantities.get(reference.name)
    return None if quantity is None else compare(quantity, reference)


def _sharing(results: Sequence[Result]) -> list[str]:
    """Say of each run which errors of its energy it has in common with the first run."""
    reference = results[0].quantities.get(HEADLINE)
    lines = []
    for number, result in enumerate(results[1:], start=2):
        found = None if reference is None else _compared(result, reference)
        if found is None:
            continue
        names = ", ".join(name for name, _ in found.shared)
        said = (
            f"share {names}: errors of both, which cancel as far as they weigh alike"
            if names
            else "share no meter, supply or clock: their errors are independent"
        )
        lines.append(f"[{number}] and [1] {said}.")
    return lines


def _verdict(found: Comparison, results: Sequence[Result]) -> str | None:
    if not may_rank(results):
        return None
    if found.tie:
        return "tie"
    return "higher" if found.interval.value > 1 else "lower"


def _ratio_document(found: Comparison | None, results: Sequence[Result]) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "value": found.interval.value,
        "u": found.interval.u,
        "U": found.expanded,
        "k": found.k,
        "dof": found.dof,
        "low": found.interval.low,
        "high": found.interval.high,
        "shared": [input_ for _, input_ in found.shared],
        "verdict": _verdict(found, results),
    }


def _ratio_text(found: Comparison | None, results: Sequence[Result]) -> str:
    if found is None:
        return "-"
    value, low, high = found.interval.value, found.interval.low, found.interval.high
    if low is None or high is None or found.expanded is None:
        figure = f"{value:.3g}, no bound"
    elif abs((low + high) / 2 - value) > SYMMETRIC * found.expanded:
        figure = f"{value:.3g} ({low:.3g} to {high:.3g})"
    else:
        figure = with_uncertainty(value, found.expanded, "")
    return f"{figure} {_verdict(found, results) or ''}".rstrip()


def _text(quantity: Quantity | None) -> str:
    return "-" if quantity is None else quantity_text(quantity)
