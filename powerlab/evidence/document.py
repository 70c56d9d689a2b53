"""The document ``powerlab.audit/1``: what ``audit --json`` prints and an imported run keeps.

History: 1 is the first. ``published_rule`` is the first figure by the publisher's own rule,
``published`` what was published of it, ``recomputed`` the same figure by powerlab's method, in
the same unit. Of a window ``energy_j`` is by the published rule where that has one.
"""

from __future__ import annotations

import math
from typing import Any

from powerlab.evidence.audit import Audit
from powerlab.records import Quantity
from powerlab.units import NS_PER_S

SCHEMA = "powerlab.audit/1"


def document(done: Audit) -> dict[str, Any]:
    """Get the document ``powerlab.audit/1``; numbers that JSON lacks become null."""
    evidence = done.evidence
    first = evidence.claims[0] if evidence.claims else None
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "format": evidence.format,
        "path": str(evidence.path),
        "title": evidence.title,
        "valid": done.valid,
        "published_rule": None
        if first is None
        else {
            "quantity": first.quantity,
            "unit": first.unit,
            "value": first.value,
            "rule": first.rule,
        },
        "published": None
        if first is None or first.published is None
        else {
            "quantity": first.quantity,
            "unit": first.unit,
            "value": first.published,
            "agrees": first.agrees,
            "difference": first.difference,
            "source": first.source,
        },
        "recomputed": None if done.recomputed is None else _quantity(done.recomputed),
        "quantities": {name: _quantity(each) for name, each in done.reckoned.quantities.items()},
        "budget": [
            {"name": line.name, "type": line.kind, "u": line.u, "share": line.share}
            for line in (done.recomputed.budget if done.recomputed else ())
        ],
        "windows": [_window(done, index) for index in range(len(evidence.windows))],
        "claims": [
            {
                "quantity": claim.quantity,
                "unit": claim.unit,
                "value": claim.value,
                "published": claim.published,
                "agrees": claim.agrees,
                "source": claim.source,
            }
            for claim in evidence.claims
        ],
        "meter": {
            "model": evidence.meter.model,
            "serial": evidence.meter.serial,
            "calibration": evidence.meter.calibration or None,
            "limits": evidence.meter.source,
        },
        "boundary": evidence.boundary.value,
        "timebase": evidence.timebase,
        "assumptions": list(evidence.assumptions),
        "findings": [
            {
                "code": each.code,
                "severity": each.severity.value,
                "message": each.message,
                "hint": each.hint,
            }
            for each in done.findings
        ],
    }
    finite: dict[str, Any] = _finite(plain)
    return finite


def _quantity(item: Quantity) -> dict[str, Any]:
    return {
        "value": item.value,
        "unit": item.unit,
        "u": item.u,
        "U": item.expanded,
        "k": item.k,
        "dof": item.dof,
        "p": item.p,
        "low": item.low,
        "high": item.high,
    }


def _window(done: Audit, index: int) -> dict[str, Any]:
    span = done.evidence.windows[index]
    by_rule = math.isfinite(span.energy_j)
    integrated = float(done.reckoned.energy_j[index])
    return {
        "inferences": int(span.inferences) if span.inferences % 1 == 0 else span.inferences,
        "energy_j": span.energy_j if by_rule else integrated,
        "rule": "published" if by_rule else "integral",
        "integral_j": integrated,
        "published_j": span.published_j,
        "duration_s": (span.stop_ns - span.start_ns) / NS_PER_S,
    }


def _finite(value: Any) -> Any:
    """Get plain values with null for the numbers that JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value
