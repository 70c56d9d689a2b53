"""Stored runs as tables and text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from powerlab.cli._style import columns, folded
from powerlab.errors import ConfigError
from powerlab.records import Result
from powerlab.store.archive import RunEntry, StoredRun, find_run, open_run
from powerlab.store.run_folder import BLOCKS
from powerlab.units import with_uncertainty

LEAST_FOR_IDENTIFIERS = 100
"""Columns below which the list of runs has short identifiers."""


def entry_document(entry: RunEntry) -> dict[str, Any]:
    """Get one line of the list for JSON."""
    quantities = (entry.document or {}).get("quantities", {})
    return {
        "run": entry.run,
        "created": entry.created,
        "status": entry.status,
        **entry.request,
        "evidence": entry.evidence,
        "valid": (entry.document or {}).get("valid"),
        "energy_per_inference": quantities.get("energy_per_inference"),
        "folder": str(entry.folder),
    }


def list_text(entries: Sequence[RunEntry]) -> str:
    """Get the list of runs as a table; in a narrow terminal with the ends of identifiers.

    Such an end is as good as the whole for every command that takes a run.
    """
    import pandas as pd  # noqa: PLC0415  a second to import

    narrow = columns() < LEAST_FOR_IDENTIFIERS
    rows = []
    for entry in entries:
        document = entry.document or {}
        energy = document.get("quantities", {}).get("energy_per_inference")
        rows.append(
            {
                "run": entry.run[-8:] if narrow else entry.run,
                "created": entry.created[5 if narrow else 0 : 16].replace("T", " "),
                "status": entry.status if document.get("valid", True) else "not valid",
                "evidence": entry.evidence or "-",
                "device": entry.request["device"],
                "workload": entry.request["workload"],
                "batch": entry.request["batch"],
                ("energy" if narrow else "energy per inference"): _energy(energy)
                if energy
                else "-",
            }
        )
    return pd.DataFrame(rows).to_string(index=False, justify="left")


def partial_text(stored: StoredRun) -> str:
    """Get what is there of a run without a result."""
    from powerlab.cli._recovering import can_conclude  # noqa: PLC0415  a list needs no analysis

    manifest, capture = stored.manifest, stored.capture
    request = manifest["request"]
    lines = [
        f"run {manifest['run']}: {manifest['status']}{_worth(manifest)}",
        (
            f"  {request['device']}, {request['workload']}, batch {request['batch']}, "
            f"begun {manifest['created']}"
        ),
    ]
    if manifest.get("reason"):
        lines.append(f"  reason: {manifest['reason']}")
    if capture is not None:
        kinds = Counter(phase.kind for phase in capture.phases if phase.kind != "guard")
        phases = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        lines.append(f"  {len(capture.trace.flags)} samples; phases: {phases}")
    files = ", ".join(sorted(manifest["files"])) or "no files"
    lines.append(f"  {stored.folder}: {files}")
    recover = f"`powerlab results recover {manifest['run']}`"
    if BLOCKS in manifest["files"]:
        lines.append(f"  the recording is not converted yet: {recover}")
    elif can_conclude(stored):
        lines.append(f"  it holds enough for a result: {recover}")
    return folded("\n".join(lines), columns())


def _worth(manifest: Mapping[str, Any]) -> str:
    """Get ", EMULATED" or ", measured", or nothing for a run that ended before it was known."""
    told = manifest.get("evidence")
    return "" if told is None else f", {'EMULATED' if told == 'emulated' else told}"


def results_of(references: Sequence[str], root: Path) -> list[Result]:
    """Get the results of several runs; raises ConfigError for one that has none."""
    results = []
    for reference in references:
        stored = open_run(find_run(reference, root))
        if stored.result is None:
            raise ConfigError(
                f"the run {stored.manifest['run']} is {stored.manifest['status']}, "
                "without a result",
                hint="compare complete runs: `powerlab results list` shows them",
            )
        results.append(stored.result)
    return results


def _energy(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "-"
    return with_uncertainty(entry["value"], entry["U"], entry["unit"])
