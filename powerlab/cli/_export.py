"""Tables for other programs: the quantities of runs, the options of a procurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from powerlab.cli._output import check_output_file
from powerlab.records import Quantity, Result
from powerlab.store.table_file import turned, write_table, writer_of


def check_table(path: Path) -> None:
    """Make sure that a table can be written; raises ConfigError or SetupError."""
    writer_of(path)
    check_output_file(path, "--output")


def export_options(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a row per option; in Markdown, which people read, a column per option."""
    write_table(path, turned(rows, "option") if path.suffix.lower() == ".md" else rows)


def export_results(path: Path, results: Sequence[Result]) -> None:
    """Write a row per quantity of each run."""
    write_table(path, [row for result in results for row in quantity_rows(result)])


def quantity_rows(result: Result) -> Iterator[dict[str, Any]]:
    """Yield what a run is, and one quantity of it with its interval."""
    request = result.request
    for quantity in result.quantities.values():
        yield {
            "run": result.run,
            "device": request.device,
            "bench": request.bench,
            "instrument": request.instrument,
            "workload": request.workload,
            "runtime": request.runtime,
            "batch": request.batch,
            "threads": request.threads,
            "protocol": request.protocol,
            "evidence": result.evidence.value,
            "boundary": result.boundary.value,
            "valid": result.valid,
            **_figures(quantity),
        }


def _figures(quantity: Quantity) -> dict[str, Any]:
    return {
        "quantity": quantity.name,
        "unit": quantity.unit,
        "value": quantity.value,
        "u": quantity.u,
        "U": quantity.expanded,
        "k": quantity.k,
        "dof": quantity.dof,
        "p": quantity.p,
        "low": quantity.low,
        "high": quantity.high,
    }
