"""CSV of ``nvidia-smi --query-gpu=timestamp,…,power.draw --format=csv``: one trace per GPU."""

from __future__ import annotations

import csv
import io
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Evidence, MeterFacts
from powerlab.evidence.files import damaged, read_text
from powerlab.evidence.recording import POINT_TAKEN, recording
from powerlab.evidence.samples import trace
from powerlab.evidence.tables import header_of
from powerlab.findings import Finding, Severity
from powerlab.terms import Averaging, Boundary

METER = MeterFacts(
    model="NVML sensor of the GPU",
    gain_limit=0.05,
    source="± 5 % is what NVIDIA documents for power.draw",
    assumed=False,
    expects_calibration=False,
)

_EACH = ("index", "uuid", "pci.bus_id", "gpu_bus_id", "gpu_uuid")
_SAMPLED = Finding(
    "gated-sensor",
    Severity.WARNING,
    "power.draw of A100 and H100 averages 25 ms of every 100 ms: most of the time is not seen",
    "vary the period of the load, or use a meter outside; the boundary is the GPU, not the system",
)


class NvidiaSmi:
    """Reader of CSV of nvidia-smi."""

    name = "nvidia-smi"
    title = "nvidia-smi CSV"

    def recognises(self, path: Path) -> bool:
        """Tell by the header whether a file is such a query."""
        header = header_of(path) if path.is_file() else None
        return header is not None and any(
            name.lower().startswith("power.draw") for name in header.names
        )

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read a recording of one or several GPUs."""
        return (_evidence(path),)


def _evidence(path: Path) -> Evidence:
    rows = csv.reader(io.StringIO(read_text(path)), skipinitialspace=True)
    names = [name.strip().lower() for name in next(rows, [])]
    power = next((i for i, name in enumerate(names) if name.startswith("power.draw")), None)
    if power is None or "timestamp" not in names:
        raise damaged(path, "needs the columns timestamp and power.draw", line=1)
    when = names.index("timestamp")
    which = next((names.index(each) for each in _EACH if each in names), None)
    found: dict[str, tuple[list[int], list[float]]] = {}
    try:
        for row in rows:
            if len(row) < len(names):
                continue
            gpu = f"GPU {row[which]}" if which is not None else "GPU"
            stamps, watts = found.setdefault(gpu, ([], []))
            stamps.append(_stamp_ns(row[when], path, rows.line_num))
            watts.append(_watts(row[power], path, rows.line_num))
    except csv.Error as error:
        raise damaged(path, f"is no CSV: {error}", line=rows.line_num) from error
    traces = tuple(
        trace(gpu, np.array(stamps, dtype=np.int64), np.array(watts), averaging=Averaging.POINT)
        for gpu, (stamps, watts) in found.items()
    )
    return recording(
        NvidiaSmi.name,
        path,
        traces,
        meter=METER,
        timebase="the computer's local time, without a zone",
        boundary=Boundary.BOARD,
        assumptions=(POINT_TAKEN, "the boundary is the GPU's own board"),
        findings=(_SAMPLED,),
    )


def _stamp_ns(text: str, path: Path, line: int) -> int:
    for form in ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"):
        try:
            at = datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return round(at.timestamp() * 1e6) * 1000
    raise damaged(path, f"the timestamp is {text[:40]!r}", line=line)


def _watts(text: str, path: Path, line: int) -> float:
    text = text.strip()
    if text.startswith("["):  # [N/A], [Not Supported], [Unknown Error]
        return math.nan
    try:
        return float(text.removesuffix("W").strip())
    except ValueError as error:
        raise damaged(path, f"power.draw is {text[:40]!r}", line=line) from error
