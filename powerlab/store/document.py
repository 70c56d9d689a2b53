"""The result document ``powerlab.result/1``: what ``--json`` prints and ``result.json`` holds.

History: 1 is the first. Numbers that JSON lacks (NaN, infinity) become null. The file adds
four keys to the document, ``created``, ``versions``, ``target`` and ``detail``; the last is
the whole record, from which ``result_from_document`` restores it exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from powerlab.errors import ConfigError
from powerlab.records import Component, Price, Quantity, Result, TargetFacts, WindowEnergy
from powerlab.store.serial import from_plain, to_plain

RESULT_SCHEMA = "powerlab.result/1"

_FILE_KEYS = ("created", "versions", "target", "detail")


def result_document(result: Result) -> dict[str, Any]:
    """Get the public document of a result, its keys in their published order.

    It is the same for a result and for the one read back from its stored form.
    """
    result = _as_read_back(result)
    request = result.request
    document: dict[str, Any] = {
        "schema": RESULT_SCHEMA,
        "run": result.run,
        "device": request.device,
        "bench": request.bench,
        "instrument": request.instrument,
        "workload": request.workload,
        "runtime": request.runtime,
        "batch": request.batch,
        "protocol": request.protocol,
        "evidence": result.evidence.value,
        "boundary": result.boundary.value,
        "valid": result.valid,
        "quantities": {
            name: _quantity(quantity, result.price if name == "performance_per_cost" else None)
            for name, quantity in result.quantities.items()
        },
        "budget": {
            name: [_component(item) for item in quantity.budget]
            for name, quantity in result.quantities.items()
            if quantity.budget
        },
        "runs": [_run(run) for run in result.runs],
        "sync": asdict(result.sync),
        "meter": asdict(result.meter),
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity.value,
                "message": finding.message,
                "hint": finding.hint,
            }
            for finding in result.findings
        ],
    }
    if result.latency is not None:
        document["latency"] = asdict(result.latency)
    if result.scenario is not None:
        document["scenario"] = asdict(result.scenario)
    if result.truth is not None:
        document["truth"] = {
            "energy_per_inference": result.truth.energy_per_inference_j,
            "energy_of_these_runs": result.truth.energy_of_these_runs_j,
        }
    finite: dict[str, Any] = _finite(document)
    return finite


def stored_document(
    result: Result, *, created: str, versions: Mapping[str, str], target: TargetFacts
) -> dict[str, Any]:
    """Get what ``result.json`` holds: the document, its origin, and the exact record."""
    return {
        **result_document(result),
        "created": created,
        "versions": dict(versions),
        "target": to_plain(target),
        "detail": to_plain(_as_read_back(result)),
    }


def public_document(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Get the document alone from the contents of ``result.json``."""
    return {key: value for key, value in stored.items() if key not in _FILE_KEYS}


def result_from_document(stored: Mapping[str, Any]) -> Result:
    """Get the record back from the contents of ``result.json``.

    Raises ConfigError for another schema or for contents that do not fit it.
    """
    if stored.get("schema") != RESULT_SCHEMA:
        raise ConfigError(
            f"the result is of schema {stored.get('schema')!r}, not {RESULT_SCHEMA!r}",
            hint="read it with the version of powerlab that wrote it",
        )
    try:
        result: Result = from_plain(Result, stored["detail"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the result document is damaged: {error!r}",
            hint="`powerlab results show RUN` names the files that are not as they were written",
        ) from error
    return result


def _as_read_back(result: Result) -> Result:
    """Get a result with every number of the type its record names: 4 degrees are 4.0."""
    exact: Result = from_plain(Result, to_plain(result))
    return exact


def _quantity(quantity: Quantity, price: Price | None) -> dict[str, Any]:
    """Get one quantity; its price and terms stand beside the figure that rests on them."""
    entry: dict[str, Any] = {
        "value": quantity.value,
        "unit": quantity.unit,
        "u": quantity.u,
        "U": quantity.expanded,
        "k": quantity.k,
        "dof": quantity.dof,
        "p": quantity.p,
        "low": quantity.low,
        "high": quantity.high,
    }
    if price is not None:
        entry["price"] = {
            "amount": str(price.money.amount),
            "currency": price.money.currency,
            "date": price.money.date,
            "basis": price.basis,
            "life_years": price.life_years,
            "u_relative": price.u_relative,
            "source": price.source,
        }
    return entry


def _component(component: Component) -> dict[str, Any]:
    """Get one budget line."""
    return {
        "name": component.name,
        "type": component.kind,
        "u": component.u,
        "share": component.share,
        "dof": component.dof,
    }


def _run(run: WindowEnergy) -> dict[str, Any]:
    """Get one run; its clock and the energies of its passes only where they are known."""
    entry: dict[str, Any] = {
        "inferences": run.inferences,
        "start_ns": run.start_ns,
        "stop_ns": run.stop_ns,
        "energy_j": run.energy_j,
        "tail_j": run.tail_j,
    }
    if run.clock is not None:
        entry |= asdict(run.clock)
    if run.passes is not None:
        entry["passes"] = asdict(run.passes)
    return entry


def _finite(value: Any) -> Any:
    """Replace every number that JSON lacks by None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
