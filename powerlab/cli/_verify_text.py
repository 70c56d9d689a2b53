"""A verification as text and as one JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from powerlab.cli._style import columns, folded
from powerlab.store.serial import to_plain
from powerlab.verify.compare import RELATIVE, Difference, Verification
from powerlab.verify.signature import Signature

SCHEMA = "powerlab.verification/1"

MOST_SHOWN = 40
"""Differences that the terminal lists; ``--json`` has all."""

CONSISTENCY = (
    "This shows that the figures follow from the data, not whose data they are: "
    "only a signature tells that."
)


def verification_document(
    path: Path, found: Verification, signature: Signature | None
) -> dict[str, Any]:
    """Get a verification for JSON."""
    return {
        "schema": SCHEMA,
        "path": str(path),
        "kind": found.kind,
        "subject": found.subject,
        "outcome": found.outcome,
        "tolerance": RELATIVE,
        "checks": [to_plain(check) for check in found.checks],
        "differences": [_plain_difference(item) for item in found.differences],
        "unchecked": list(found.unchecked),
        "signature": None
        if signature is None
        else {
            "file": str(signature.path),
            "valid": signature.valid,
            "key": signature.key,
            "signer": signature.signer or None,
        },
    }


def _plain_difference(item: Difference) -> dict[str, Any]:
    """Get a difference for JSON; ``method`` stands there only where it may be one of that."""
    plain = dict(to_plain(item))
    if not item.method:
        del plain["method"]
    return plain


def verification_text(path: Path, found: Verification, signature: Signature | None) -> str:
    """Get the verdict, what was checked, every difference, and what nothing was said of."""
    names = {
        "run": "run",
        "report": "report of run",
        "procurement": "report of procurement",
        "audit": "report of audit",
    }
    lines = [f"{path}: {found.outcome} ({names[found.kind]} {found.subject})"]
    lines += [f"  checked: {check.name}: {check.told}" for check in found.checks]
    if found.differences:
        count = len(found.differences)
        lines.append("1 difference:" if count == 1 else f"{count} differences:")
        lines += [_difference(item) for item in found.differences[:MOST_SHOWN]]
        if count > MOST_SHOWN:
            lines.append(f"  and {count - MOST_SHOWN} more: --json has all")
    if found.unchecked:
        lines.append("Not checked:")
        lines += [f"  {text}" for text in found.unchecked]
    lines += [_signature(signature), CONSISTENCY]
    return folded("\n".join(lines), columns())


def _difference(item: Difference) -> str:
    mark = " (method)" if item.method else ""
    return f"  {item.key}{mark}: stored {_shown(item.stored)}, recomputed {_shown(item.recomputed)}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _signature(signature: Signature | None) -> str:
    if signature is None:
        return "Signature: none"
    if not signature.valid:
        return f"Signature: {signature.path} is not of this file"
    whose = f"by {signature.signer}" if signature.signer else "whose key is not known here"
    return f"Signature: {signature.path}, {whose} ({signature.key})"
