"""What a figure is worth that rests on a board's own counter."""

from __future__ import annotations

from collections.abc import Iterable

from powerlab.findings import Finding, Severity
from powerlab.records import Capture

ON_BOARD = "agent:"
"""How the resource of a meter begins that the board itself has."""

SCOPES = {
    "board": "it sees the module's input rail: the adapter, its leads and whatever hangs on the "
    "carrier board are not in it",
    "sum": "it is the sum of the parts that have a sensor: what has none is not in it",
    "rail": "it is one part of the board, not the board",
}


def counter_findings(capture: Capture) -> Iterable[Finding]:
    """Yield that the power is a counter's of the board itself, and of which part of it."""
    trace = capture.trace
    if not trace.identity.resource.startswith(ON_BOARD):
        return
    parts = str(trace.setup.settings.get("parts", ""))
    scope = str(trace.setup.settings.get("scope", "rail"))
    yield Finding(
        code="board-counter",
        severity=Severity.WARNING,
        message=f"the power is what the board's own counter says ({parts}): nobody has calibrated "
        f"it, and reading it costs the board energy too; {SCOPES.get(scope, SCOPES['rail'])}",
        hint="compare it once with a meter in the supply line (same workload, same protocol); "
        "set boards against each other by such a meter only",
        evidence={"parts": parts, "scope": scope},
    )
