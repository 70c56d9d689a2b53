"""EnergiBridge's CSV and other logs of RAPL: a time and counters of energy, joined by their steps.

``Delta,Time,…,PACKAGE_ENERGY (J),DRAM_ENERGY (J),…`` with Time in milliseconds of the epoch.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Claim, Evidence, MeterFacts
from powerlab.evidence.files import damaged
from powerlab.evidence.recording import recording, wraps
from powerlab.evidence.samples import trace
from powerlab.evidence.tables import (
    Column,
    Header,
    counter_power,
    header_of,
    parse_column,
    read_rows,
    seconds_ns,
)
from powerlab.findings import Finding
from powerlab.terms import Boundary

METER = MeterFacts(
    model="energy counters of the processor",
    gain_limit=0.05,
    source="no limits are stated for RAPL counters: 5 % of the reading is taken",
    expects_calibration=False,
)

EARLIEST_MS, LATEST_MS = 9e11, 4e12
"""The years 1998 to 2096: what a time without a unit must lie in to be one in milliseconds."""

_COUNTER = re.compile(r"(package|pkg|psys|dram|gpu|system|cpu)_?\w*energy|energy_(uj|j)\b")
_INSIDE = re.compile(r"\b(pp0|pp1|core|uncore)_?\w*energy")


class EnergiBridge:
    """Reader of logs of energy counters."""

    name = "energibridge"
    title = "EnergiBridge or RAPL CSV"

    def recognises(self, path: Path) -> bool:
        """Tell by the header whether a file has a time and counters of energy."""
        header = header_of(path) if path.is_file() else None
        return header is not None and _time(header) is not None and bool(_counters(header))

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read every counter; cores are inside of packages and are not added."""
        header = header_of(path)
        time = None if header is None else _time(header)
        if header is None or time is None or not _counters(header):
            raise damaged(path, "has no time and counters of energy")
        return (_evidence(path, header, time, _counters(header)),)


def _time(header: Header) -> Column | None:
    for index, name in enumerate(header.names):
        column = parse_column(index, name)
        lower = name.strip().lower()
        if column.role == "time" and lower != "delta":
            return column
        if lower == "time":  # EnergiBridge: milliseconds of the epoch
            return Column(index, lower, "time", 1e-3)
    return None


def _counters(header: Header) -> list[Column]:
    found = []
    for index, name in enumerate(header.names):
        lower = name.strip().lower()
        if not _COUNTER.search(lower) or _INSIDE.search(lower):
            continue
        column = parse_column(index, name)
        if column.role == "energy":
            found.append(column)
        elif lower.endswith("energy_uj"):
            found.append(Column(index, lower, "energy", 1e-6))
    whole = [column for column in found if "psys" in column.name or "system" in column.name]
    return whole[:1] or found


def _evidence(path: Path, header: Header, time: Column, counters: list[Column]) -> Evidence:
    wanted = [time.index, *(each.index for each in counters)]
    rows = read_rows(path, header, wanted, last=tuple(range(len(wanted))))
    if time.name == "time" and not EARLIEST_MS < float(np.nanmedian(rows.values[0])) < LATEST_MS:
        raise damaged(
            path,
            f"Time states no unit and {rows.values[0][0]:g} is no millisecond of the epoch",
            hint="say what the columns are in a mapping (docs/how-to/audit.md)",
        )
    stamp_ns = seconds_ns(rows.values[0], time.scale)
    traces, claims = [], []
    found: list[Finding] = []
    for column, values in zip(counters, rows.values[1:], strict=True):
        energy_j = values * column.scale
        power, fell = counter_power(stamp_ns, np.asarray(energy_j))
        traces.append(trace(column.name, power.stamp_ns, power.power_w))
        found.extend(wraps(fell, column.name))
        rule = "last reading of the counter less the first"
        claims.append(
            Claim(f"energy of {column.name}", "J", float(energy_j[-1] - energy_j[0]), rule)
        )
    return recording(
        EnergiBridge.name,
        path,
        tuple(traces),
        meter=METER,
        timebase="epoch of the computer",
        claims=tuple(claims),
        boundary=Boundary.BOARD,
        assumptions=(
            "the boundary is the processor's package and memory, not the board",
            *(
                ("Time has no unit: milliseconds of the epoch are taken, as EnergiBridge has it",)
                if time.name == "time"
                else ()
            ),
            *rows.assumed,
        ),
        findings=tuple(found),
    )
