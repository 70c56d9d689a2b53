"""What a stored run says of an option of a procurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from powerlab.findings import Severity
from powerlab.records import Boundary, Evidence, Price, Quantity, Result
from powerlab.records.procurement import Uncertain
from powerlab.terms import Distribution

FIGURES = ("latency_p50", "latency_p90", "latency_p99", "accuracy")


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one run, each with the lines of its budget; None for what it lacks.

    ``name`` is that of the device. ``findings`` are the codes of the blocking ones.
    """

    run: str
    device: str
    name: str
    workload: str
    boundary: Boundary
    evidence: Evidence
    valid: bool
    findings: tuple[str, ...]
    energy_per_inference_j: Uncertain | None
    power_idle_w: Uncertain | None
    throughput_per_s: Uncertain | None
    figures: Mapping[str, Uncertain]
    price: Price | None


Runs = Sequence[Measured | None]
"""The runs of a plan's options in their order."""


def measured(result: Result, name: str = "") -> Measured:
    """Get what a result says of an option; ``name`` is that of the device in words."""
    found = {
        each: figure
        for each, quantity in result.quantities.items()
        if (figure := _figure(quantity, result)) is not None
    }
    request = result.request
    return Measured(
        run=result.run,
        device=request.device,
        name=name or request.device,
        workload=request.workload,
        boundary=result.boundary,
        evidence=result.evidence,
        valid=result.valid,
        findings=tuple(
            finding.code for finding in result.findings if finding.severity is Severity.BLOCKING
        ),
        energy_per_inference_j=found.get("energy_per_inference"),
        power_idle_w=found.get("power_idle"),
        throughput_per_s=found.get("throughput"),
        figures={each: found[each] for each in FIGURES if each in found},
        price=result.price,
    )


def _figure(quantity: Quantity, result: Result) -> Uncertain | None:
    """Get a quantity with its budget; None for one that is no number above 0."""
    if not (math.isfinite(quantity.value) and math.isfinite(quantity.u) and quantity.value > 0):
        return None
    return Uncertain(
        value=quantity.value,
        u=quantity.u,
        distribution=Distribution.NORMAL if quantity.dof is None else Distribution.T,
        dof=quantity.dof,
        evidence=result.evidence,
        source=result.run,
        budget=quantity.budget,
    )
