"""Runs set against the first of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from powerlab.cli._summary import EMULATED, NAMES, ordered, quantity_text
from powerlab.records import Evidence, Quantity, Result
from powerlab.units import with_uncertainty

COVARIANCE = (
    "Ratios are to the first run, ± the half-width of the 95 % interval with the two runs taken "
    "as independent: errors that they share, as of one meter, make it narrower than shown."
)


def comparison(results: Sequence[Result]) -> dict[str, Any]:
    """Get the comparison as a document: every quantity's ratio to that of the first run."""
    first = results[0]
    return {
        "schema": "powerlab.comparison/1",
        "runs": [result.run for result in results],
        "ranked": may_rank(results),
        "ratios": {
            name: [_ratio_document(result.quantities.get(name), quantity, results)
                   for result in results[1:]]
            for name, quantity in first.quantities.items()
        },
    }  # fmt: skip


def comparison_text(results: Sequence[Result]) -> str:
    """Get the comparison as a table, one column per run and one per ratio."""
    import pandas as pd  # noqa: PLC0415  a second to import

    first = results[0]
    columns: dict[str, list[str]] = {}
    names = [quantity.name for quantity in ordered(first)]
    for number, result in enumerate(results):
        label = f"{result.request.device}, batch {result.request.batch} [{number + 1}]"
        columns[label] = [_text(result.quantities.get(name)) for name in names]
        if number:
            columns[f"[{number + 1}] / [1]"] = [
                _ratio_text(result.quantities.get(name), first.quantities[name], results)
                for name in names
            ]
    table = pd.DataFrame(columns, index=[NAMES.get(name, name) for name in names])
    lines = [table.to_string(justify="left"), ""]
    lines += [f"[{number + 1}] {result.run}" for number, result in enumerate(results)]
    lines += ["", COVARIANCE]
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


def ratio(quantity: Quantity, reference: Quantity) -> tuple[float, float] | None:
    """Get a ratio and its 95 % half-width, first order, independent; None where undefined."""
    if not (quantity.value and reference.value) or quantity.unit != reference.unit:
        return None
    value = quantity.value / reference.value
    relative = math.hypot(quantity.expanded / quantity.value, reference.expanded / reference.value)
    return (value, abs(value) * relative) if math.isfinite(value * relative) else None


def _verdict(value: float, half_width: float) -> str:
    if abs(value - 1) <= half_width:
        return "tie"
    return "higher" if value > 1 else "lower"


def _ratio_document(
    quantity: Quantity | None, reference: Quantity, results: Sequence[Result]
) -> dict[str, Any] | None:
    found = None if quantity is None else ratio(quantity, reference)
    if found is None:
        return None
    verdict = _verdict(*found) if may_rank(results) else None
    return {"value": found[0], "U": found[1], "verdict": verdict}


def _ratio_text(quantity: Quantity | None, reference: Quantity, results: Sequence[Result]) -> str:
    found = None if quantity is None else ratio(quantity, reference)
    if found is None:
        return "-"
    verdict = f" {_verdict(*found)}" if may_rank(results) else ""
    return with_uncertainty(*found, "") + verdict


def _text(quantity: Quantity | None) -> str:
    return "-" if quantity is None else quantity_text(quantity)
