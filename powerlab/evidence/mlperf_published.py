"""What was published of an MLPerf run: rows of the summary tables that stand above it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from powerlab.errors import ConfigError
from powerlab.evidence.files import read_text

NAMES = ("published.csv", "summary.csv", "summary_results.json", "results.json")
LEVELS = 9

SCENARIOS = ("singlestream", "multistream", "offline", "server", "interactive")

_UNITS = (
    ("watt", "average power", "W"),
    ("millijoule", "energy per query", "mJ"),
    ("joule", "energy per query", "J"),
)
"""Beginnings of published units: rounds write Joules, Joules/Stream, millijoules, Watts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One published figure; ``scenario`` in small letters, ``inferred`` from another's run."""

    scenario: str
    quantity: str
    unit: str
    value: float
    inferred: bool
    source: str
    organisation: str
    system: str
    result: float


def labels(run: Path) -> tuple[str, ...]:
    """Get the parts of a run's path, those joined with two underscores taken apart."""
    return tuple(part for name in run.absolute().parts for part in name.split("__"))


def scenario_of(run: Path) -> str:
    """Get the scenario that a run was submitted as by its path, empty where it names none."""
    found = [part.lower() for part in labels(run) if part.lower() in SCENARIOS]
    return found[-1] if found else ""


def published_rows(run: Path) -> tuple[Row, ...]:
    """Get what was published of a run: the rows whose system, model and place are its own."""
    place = run.absolute()
    for _ in range(LEVELS):
        for name in NAMES:
            path = place / name
            if path.is_file():
                found = tuple(_matching(path, run))
                if found:
                    return found
        if place == place.parent:
            break
        place = place.parent
    return ()


def _matching(path: Path, run: Path) -> Iterator[Row]:
    parts = {part.lower() for part in labels(run)}
    scenario = scenario_of(run)
    rounds = {part for part in parts if re.fullmatch(r"v\d+\.\d+", part)}
    for number, row in _rows(str(path)):
        wanted = [row.get(key, "").lower() for key in ("Platform", "Model")]
        location = row.get("Location", "")
        if not all(wanted) or not all(
            each in parts or each.replace("/", "_") in parts for each in wanted
        ):
            continue
        if row.get("Organization", "").lower() not in parts or (
            rounds and row.get("version", "").lower() not in (*rounds, "")
        ):
            continue
        stated = row.get("Result_Power_Units", "").strip().lower()
        quantity, unit = next((each[1:] for each in _UNITS if stated.startswith(each[0])), ("", ""))
        try:
            value = float(row.get("Result_Power") or row.get("Power_Result") or "nan")
        except ValueError:
            continue
        if not unit or not value > 0:
            continue
        inferred = row.get("inferred", "0").strip().lower() in ("1", "true")
        own = row.get("Scenario", "").lower()
        # a row inferred from another scenario's run stands for that run as well
        if scenario and own != scenario and not inferred:
            continue
        yield Row(
            scenario=own,
            quantity=quantity,
            unit=unit,
            value=value,
            inferred=inferred,
            source=f"{path.name}, row {number}: {location or row.get('Platform', '')}",
            organisation=row.get("Organization", ""),
            system=row.get("SystemName", ""),
            result=_float(row.get("Result", "")),
        )


@lru_cache(maxsize=8)
def _rows(path: str) -> tuple[tuple[int, Mapping[str, str]], ...]:
    """Get the rows of a table, numbered as an editor shows them; none of what is no table."""
    try:
        text = read_text(Path(path))
        if path.endswith(".json"):
            document = json.loads(text)
            rows: list[Any] = document if isinstance(document, list) else []
        else:
            rows = list(csv.DictReader(io.StringIO(text)))
    except (ConfigError, ValueError, csv.Error, RecursionError):
        return ()
    return tuple(
        (number, {str(key): str(value) for key, value in row.items()})
        for number, row in enumerate(rows, start=2)
        if isinstance(row, dict)
    )


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
