"""CodeCarbon's ``emissions.csv``: a row per run with energies in kWh, and no trace behind them."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from powerlab.evidence.contract import Claim, Evidence, MeterFacts
from powerlab.evidence.files import damaged, number, read_text
from powerlab.evidence.tables import header_of
from powerlab.findings import Finding, Severity
from powerlab.terms import Boundary

METER = MeterFacts(
    model="CodeCarbon's model of the computer",
    source="power is read from counters where there are, else taken from tables of TDP",
    expects_calibration=False,
)

_NEEDED = ("duration", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed")
_PARTS = ("cpu", "gpu", "ram")

_NO_TRACE = Finding(
    "trace-missing",
    Severity.WARNING,
    "there is no power over time behind these energies: they cannot be recomputed from data",
    "keep the trace of a meter beside them",
)


class CodeCarbon:
    """Reader of CodeCarbon's emissions file."""

    name = "codecarbon"
    title = "CodeCarbon emissions"

    def recognises(self, path: Path) -> bool:
        """Tell by the header whether a file is of CodeCarbon."""
        header = header_of(path) if path.is_file() else None
        return header is not None and set(_NEEDED) <= {name.lower() for name in header.names}

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read every row as a run."""
        rows = csv.DictReader(io.StringIO(read_text(path)))
        try:
            found = tuple(_evidence(path, rows.line_num, row) for row in rows)
        except csv.Error as error:
            raise damaged(path, f"is no CSV: {error}", line=rows.line_num) from error
        if not found:
            raise damaged(path, "holds names of columns and no rows")
        return found


def _evidence(path: Path, line: int, row: dict[str, str | None]) -> Evidence:
    figures = {
        name: number(row.get(name) or "nan", path, line, name)
        for name in (*_NEEDED, *(f"{part}_power" for part in _PARTS))
    }
    added = math.fsum(figures[f"{part}_energy"] for part in _PARTS)
    claims = [
        Claim(
            "energy consumed",
            "kWh",
            added,
            "cpu + gpu + ram",
            figures["energy_consumed"],
            f"{path.name}, line {line}",
            relative=1e-6,
        )
    ]
    said = [_NO_TRACE]
    for part in _PARTS:
        watts, kwh = figures[f"{part}_power"], figures[f"{part}_energy"]
        product = watts * figures["duration"] / 3.6e6
        if math.isfinite(product) and kwh > 0 and abs(product / kwh - 1) > 0.2:
            said.append(
                Finding(
                    "power-and-energy-differ",
                    Severity.WARNING,
                    f"{part}: its power times the duration is {product / kwh:.2f} of its energy",
                    "the power is that of the last reading, not the mean",
                    {"part": part, "ratio": product / kwh},
                )
            )
    return Evidence(
        format=CodeCarbon.name,
        path=path,
        title=f"{row.get('project_name') or path.name}, {row.get('run_id') or f'line {line}'}",
        device=str(row.get("cpu_model") or path.stem),
        workload=str(row.get("project_name") or "recording"),
        scenario="",
        boundary=Boundary.BOARD,
        claims=tuple(claims),
        traces=(),
        windows=(),
        meter=METER,
        files=(path,),
        timebase=f"ended {row.get('timestamp') or 'at a time not told'}",
        assumptions=("the boundary is processor, GPU and memory, not the computer",),
        findings=tuple(said),
    )
