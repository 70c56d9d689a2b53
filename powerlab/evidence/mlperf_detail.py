"""LoadGen's detail log: lines ``:::MLLOG {json}``, of which the result, window and errors count."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powerlab.evidence.files import damaged, numbered_lines
from powerlab.evidence.mlperf_spl import stamp_ns

PREFIX = ":::MLLOG"

MOST_QUERIES = 1e15

_WANTED = re.compile(
    r'"key": ?"(power_begin|power_end|effective_\w+|requested_scenario|result_[\w.]+|'
    r'generated_\w+|test_datetime|sut_name|loadgen_version|early_stopping\w*)"'
)
_ERROR = re.compile(r'"is_error": ?true')
_PERCENTILE = re.compile(r"result_([\d.]+)_percentile_(?:per_query_)?latency_ns")


@dataclass(frozen=True, slots=True)
class DetailLog:
    """What LoadGen says of one run; ``values`` by key, ``errors`` the messages it marked so.

    ``begin_ns`` and ``end_ns`` are the texts of its clock taken as UTC.
    """

    path: Path
    values: Mapping[str, Any]
    begin_ns: int
    end_ns: int
    errors: tuple[str, ...]

    @property
    def scenario(self) -> str:
        """Get the scenario that was run, in small letters: "singlestream"."""
        return str(self.values.get("effective_scenario", "")).lower()

    @property
    def queries(self) -> int:
        """Get how many queries were answered, 0 where the log does not say."""
        told = self.values.get("result_query_count", 0)
        # nothing else than a count may stand there
        return int(told) if isinstance(told, int | float) and 0 <= told < MOST_QUERIES else 0

    @property
    def samples(self) -> float:
        """Get how many inputs were inferred, 0 where the log does not say.

        A query of MultiStream holds several samples and one of Offline all of them.
        """
        per_query = self.values.get("effective_samples_per_query", 1)
        known = isinstance(per_query, int | float) and 0 < per_query < MOST_QUERIES
        return float(self.queries * (per_query if known else 1))

    def latencies_s(self) -> dict[str, float]:
        """Get the latencies that LoadGen states, by percentile: ``{"90": 0.0425}``."""
        found = {}
        for key, value in self.values.items():
            match = _PERCENTILE.fullmatch(key)
            if match and isinstance(value, int | float):
                found[f"{float(match[1]):g}"] = value * 1e-9
        return found


def read_detail(path: Path) -> DetailLog:
    """Read a detail log. Raises ConfigError where it is damaged or holds no power window."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    lines: dict[str, int] = {}
    for line_number, line in numbered_lines(path):
        match = _WANTED.search(line)
        if match is None and not _ERROR.search(line):
            continue
        try:
            entry = json.loads(line[line.index("{") :])
            key = entry["key"]
        except (ValueError, KeyError, TypeError) as error:
            raise damaged(path, "is not an entry of LoadGen's log", line=line_number) from error
        values[key], lines[key] = entry.get("value"), line_number
        if (entry.get("metadata") or {}).get("is_error"):
            errors.append(f"{key}: {entry.get('value')}")
    edges = []
    for key in ("power_begin", "power_end"):
        if key not in values:
            raise damaged(
                path, f"has no {key}", hint="only a run of LoadGen with power has its window"
            )
        try:
            edges.append(stamp_ns(str(values[key])))
        except ValueError as error:
            raise damaged(path, f"{key}: {error}", line=lines[key]) from error
    return DetailLog(path, values, edges[0], edges[1], tuple(errors))
