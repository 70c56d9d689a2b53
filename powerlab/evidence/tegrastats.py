"""Logs of NVIDIA's tegrastats: a line per interval, rails as ``NAME 933/933`` or ``5139mW/…``."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Claim, Evidence, MeterFacts
from powerlab.evidence.files import damaged, head, numbered_lines
from powerlab.evidence.mlperf_spl import stamps_ns
from powerlab.evidence.recording import POINT_TAKEN, recording
from powerlab.evidence.samples import trace
from powerlab.findings import Finding, Severity
from powerlab.terms import Averaging, Boundary
from powerlab.units import NS_PER_S

TOTALS = ("VDD_IN", "POM_5V_IN", "VIN")
"""Rails that are the board's whole input, by NVIDIA's naming."""

METER = MeterFacts(
    model="INA3221 of the board, by tegrastats",
    gain_limit=0.05,
    source="no limits are stated for the board's own sensor: 5 % of the reading is taken",
    expects_calibration=False,
)

_RAIL = re.compile(r"\b([A-Z][A-Z0-9_]*) (\d+)(?:mW)?/(\d+)(?:mW)?(?:/\d+(?:mW)?)?(?=\s|$)")
_STAMP = re.compile(r"^(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\b")
_LINE = re.compile(rb"\bRAM \d+/\d+MB")


class Tegrastats:
    """Reader of logs of tegrastats."""

    name = "tegrastats"
    title = "tegrastats log"

    def recognises(self, path: Path) -> bool:
        """Tell whether a file holds lines of tegrastats with rails."""
        start = head(path)
        return bool(_LINE.search(start)) and bool(_RAIL.search(start.decode("utf-8", "ignore")))

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read all lines; the rail of the whole board has the figure."""
        return (_evidence(path),)


def _evidence(path: Path) -> Evidence:
    stamps: list[str] = []
    rails: dict[str, list[float]] = {}
    for line_number, line in numbered_lines(path):
        if "RAM" not in line:
            continue
        if match := _STAMP.match(line):
            stamps.append(match[1])
        found = {
            name: float(now) for name, now, _ in _RAIL.findall(line) if name not in ("RAM", "SWAP")
        }
        if not found:
            raise damaged(path, "names no power rail", line=line_number)
        count = max(map(len, rails.values()), default=0)
        for name, milliwatt in found.items():
            kept = rails.setdefault(name, [math.nan] * count)
            kept.append(milliwatt * 1e-3)
        for name in rails.keys() - found.keys():
            rails[name].append(math.nan)
    if not rails:
        raise damaged(path, "holds no line of tegrastats with power rails")
    count = len(next(iter(rails.values())))
    claims = tuple(
        Claim(f"mean power of {name}", "W", float(np.nanmean(values)), "mean of the readings")
        for name, values in rails.items()
    )
    stamp_ns, told = _stamps(path, stamps, count)
    total = next((name for name in TOTALS if name in rails), None)
    if total is None:
        return _without_total(path, claims, told)
    ordered = sorted(claims, key=lambda claim: not claim.quantity.endswith(total))
    power = trace(total, stamp_ns, np.array(rails[total]), averaging=Averaging.POINT)
    return recording(
        Tegrastats.name,
        path,
        (power,),
        meter=METER,
        timebase="the board's local time, without a zone" if stamps else "no stamps",
        claims=tuple(ordered),
        boundary=Boundary.BOARD,
        assumptions=(told, POINT_TAKEN, f"the rail of the board's whole input is taken; {total}"),
    )


def _stamps(path: Path, stamps: list[str], count: int) -> tuple[np.ndarray, str]:
    """Get the instants of the lines and what was assumed of them."""
    if len(stamps) != count:
        at = np.arange(count, dtype=np.int64) * NS_PER_S
        return at, "lines have no stamps: one second between them, tegrastats' default, is taken"
    try:
        at = stamps_ns([f"{text}.000".encode() for text in stamps])
    except ValueError as error:
        raise damaged(path, str(error)) from error
    whole = (at[-1] - at[0]) if count > 1 else 0
    # several lines in a second: whole seconds are spread evenly
    even = at[0] + np.linspace(0, whole, count).astype(np.int64)
    return even, "stamps have whole seconds: lines are spread evenly between first and last"


def _without_total(path: Path, claims: tuple[Claim, ...], told: str) -> Evidence:
    return Evidence(
        format=Tegrastats.name,
        path=path,
        title=path.name,
        device=path.stem,
        workload="recording",
        scenario="",
        boundary=Boundary.BOARD,
        claims=claims,
        traces=(),
        windows=(),
        meter=METER,
        files=(path,),
        timebase="the board's local time, without a zone",
        assumptions=(told,),
        findings=(
            Finding(
                "total-rail-missing",
                Severity.BLOCKING,
                "no rail of this board is its whole input: "
                + ", ".join(claim.quantity.rpartition(" ")[2] for claim in claims),
                "rails do not add up to the board; measure at its input",
                {"rails": ", ".join(claim.quantity.rpartition(" ")[2] for claim in claims)},
            ),
        ),
    )
