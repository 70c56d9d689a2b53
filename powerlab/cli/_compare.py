"""Runs set against the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from powerlab.analysis.comparison import Comparison, compare
from powerlab.cli._style import columns, folded
from powerlab.cli._summary import EMULATED, NAMES, NOT_VALID, ordered, quantity_text
from powerlab.records import Evidence, Quantity, Result
from powerlab.units import with_uncertainty

HEADLINE = "energy_per_inference"

NO_RANKING = "Emulated results never rank devices: no verdict is given."

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
        "valid": [result.valid for result in results],
        "ranked": may_rank(results),
        "unranked": [unranked(result, results) for result in results[1:]],
        "ratios": {
            name: [_ratio_document(_compared(result, quantity), result, results)
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
        label = f"{_name(result, results)} [{number + 1}]"
        table[label] = [_text(result.quantities.get(name)) for name in names]
        if number:
            table[f"[{number + 1}] / [1]"] = [
                _ratio_text(_compared(result, first.quantities[name]), result, results)
                for name in names
            ]
    frame = pd.DataFrame(table, index=[NAMES.get(name, name) for name in names])
    lines = [frame.to_string(justify="left"), ""]
    invalid = [f"[{number}]" for number, each in enumerate(results, start=1) if not each.valid]
    if invalid:
        lines = [folded(f"{' and '.join(invalid)} {NOT_VALID}", columns()), "", *lines]
    lines += [f"[{number + 1}] {result.run}" for number, result in enumerate(results)]
    lines += ["", *(folded(text, columns()) for text in (RATIOS, *_sharing(results)))]
    if any(result.evidence is Evidence.EMULATED for result in results):
        lines.append(EMULATED)
    reasons = [(number, unranked(each, results)) for number, each in enumerate(results[1:], 2)]
    if _emulated_devices(results):
        lines.append(NO_RANKING)
    else:
        told = [f"[{number}] and [1]: {reason}" for number, reason in reasons if reason]
        lines += [folded(text, columns()) for text in told]
    return "\n".join(lines)


def may_rank(results: Sequence[Result]) -> bool:
    """Tell whether a verdict may be given of every run."""
    return not any(unranked(result, results) for result in results[1:])


def unranked(result: Result, results: Sequence[Result]) -> str | None:
    """Say why a run gets no verdict against the first, None where it gets one.

    None is given between devices where any of the results is emulated, for what is not valid,
    and between energies that are of different work or at different boundaries.
    """
    first = results[0]
    if _emulated_devices(results):
        return NO_RANKING
    if not (first.valid and result.valid):
        return "not both are valid: no verdict is given."
    for what, here, there in (
        ("workloads", result.request.workload, first.request.workload),
        ("boundaries", result.boundary.value, first.boundary.value),
    ):
        if here != there:
            return f"different {what} ({here}, {there}) are not one thing: no verdict is given."
    return None


def _emulated_devices(results: Sequence[Result]) -> bool:
    devices = {result.request.device for result in results}
    return len(devices) > 1 and any(each.evidence is Evidence.EMULATED for each in results)


def _name(result: Result, results: Sequence[Result]) -> str:
    """Get device and batch, and what else tells a run from the others."""
    parts = [result.request.device, f"batch {result.request.batch}"]
    for name, unit in (
        ("workload", ""),
        ("runtime", ""),
        ("protocol", ""),
        ("instrument", ""),
        ("threads", " threads"),
    ):
        if len({getattr(each.request, name) for each in results}) > 1:
            parts.append(f"{getattr(result.request, name)}{unit}")
    if len({each.boundary for each in results}) > 1:
        parts.append(f"at {result.boundary.value}")
    if not result.valid:
        parts.append("NOT VALID")
    return ", ".join(parts)


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


def _verdict(found: Comparison, result: Result, results: Sequence[Result]) -> str | None:
    if unranked(result, results):
        return None
    if found.tie:
        return "tie"
    return "higher" if found.interval.value > 1 else "lower"


def _ratio_document(
    found: Comparison | None, result: Result, results: Sequence[Result]
) -> dict[str, Any] | None:
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
        "verdict": _verdict(found, result, results),
    }


def _ratio_text(found: Comparison | None, result: Result, results: Sequence[Result]) -> str:
    if found is None:
        return "-"
    value, low, high = found.interval.value, found.interval.low, found.interval.high
    if low is None or high is None or found.expanded is None:
        figure = f"{value:.3g}, no bound"
    elif abs((low + high) / 2 - value) > SYMMETRIC * found.expanded:
        figure = f"{value:.3g} ({low:.3g} to {high:.3g})"
    else:
        figure = with_uncertainty(value, found.expanded, "")
    return f"{figure} {_verdict(found, result, results) or ''}".rstrip()


def _text(quantity: Quantity | None) -> str:
    return "-" if quantity is None else quantity_text(quantity)
