"""What a study found: one table for people, one array of documents for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from powerlab.cli._studying import Ended
from powerlab.cli._summary import quantity_text
from powerlab.records import Result
from powerlab.store.document import RESULT_SCHEMA, result_document
from powerlab.store.study_journal import MEASURED, SKIPPED


def study_rows(ended: Sequence[Ended]) -> list[dict[str, object]]:
    """Get a row for each option of a study; of those skipped for one reason, one for all."""
    alike: dict[tuple[object, ...], list[Ended]] = {}
    for number, each in enumerate(ended):
        option = each.option
        one = each.message if each.status == SKIPPED else number
        alike.setdefault(
            (option.device, option.workload, option.runtime, option.protocol, one), []
        ).append(each)
    return [_row(group) for group in alike.values()]


def option_document(ended: Ended) -> dict[str, Any]:
    """Get the document of one option: its result, or the same keys without any figure.

    ``status`` is added to both: "measured", "refused", "skipped" or "not reached".
    """
    if ended.result is not None:
        return {**result_document(ended.result), "status": ended.status}
    option = ended.option
    finding = {
        "code": ended.code or ended.status,
        "severity": "blocking",
        "message": ended.message,
        "hint": ended.hint,
    }
    return {
        "schema": RESULT_SCHEMA,
        "run": ended.folder.name if ended.folder else None,
        "device": option.device,
        "bench": option.bench,
        "instrument": None,
        "workload": option.workload,
        "runtime": option.runtime,
        "batch": option.batch,
        "protocol": option.protocol,
        "evidence": None,
        "boundary": None,
        "valid": False,
        "quantities": {},
        "budget": {},
        "runs": [],
        "sync": None,
        "meter": None,
        "findings": [finding],
        "status": ended.status,
    }


def option_line(ended: Ended) -> str:
    """Get one line on an option that has just ended."""
    option = ended.option
    name = f"{option.device}, {option.workload} by {option.runtime}, batch {option.batch}"
    if ended.result is None:
        return f"{name}: {ended.status}: {ended.message}"
    return f"{name}: {_figure(ended.result, 'energy_per_inference')}"


def _row(group: Sequence[Ended]) -> dict[str, object]:
    ended = group[0]
    option, result = ended.option, ended.result
    row: dict[str, object] = {
        "device": option.bench or option.device,
        "workload": option.workload,
        "protocol": option.protocol,
        "runtime": option.runtime,
        "batch": ", ".join(str(each.option.batch) for each in group),
        "energy per inference": _figure(result, "energy_per_inference"),
        "throughput": _figure(result, "throughput"),
        "pass, median": _figure(result, "latency_p50"),
    }
    return row | {"": _ending(ended)}


def _ending(ended: Ended) -> str:
    if ended.status == MEASURED and ended.result is not None:
        run = f"run {ended.result.run[-8:]}"
        words = run if ended.result.valid else f"NOT VALID, {run}"
    else:
        words = f"{ended.status}: {ended.message}"
    return f"{words} (before)" if ended.before else words


def _figure(result: Result | None, name: str) -> str:
    if result is None or name not in result.quantities:
        return "-"
    return quantity_text(result.quantities[name])
