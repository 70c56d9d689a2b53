"""CSV of devlib and workload-automation: columns named ``SITE_power``, ``SITE_voltage``, in SI."""

from __future__ import annotations

import re
from pathlib import Path

from powerlab.evidence.contract import Evidence, MeterFacts, Trace
from powerlab.evidence.files import damaged
from powerlab.evidence.recording import MEAN_TAKEN, recording
from powerlab.evidence.samples import trace
from powerlab.evidence.tables import Header, header_of, read_rows, seconds_ns

METER = MeterFacts(
    model="instrument of devlib",
    source="the file names no meter: 5 % of the reading is taken",
)

_NAME = re.compile(
    r"^(?P<site>\w+?)_(?P<kind>power|voltage|current|energy|temperature|time(?:_us|_ms|_ns)?)$",
    re.IGNORECASE,
)
_TIME = {"time": 1.0, "time_us": 1e-6, "time_ms": 1e-3, "time_ns": 1e-9}


class Devlib:
    """Reader of CSV of devlib's instruments."""

    name = "devlib"
    title = "devlib or workload-automation CSV"

    def recognises(self, path: Path) -> bool:
        """Tell by the header whether every column is a channel of devlib."""
        header = header_of(path) if path.is_file() else None
        if header is None or header.separator != ",":
            return False
        return all(_kind(name) for name in header.names) and any(
            _kind(name) in ("power", "voltage") for name in header.names
        )

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read every site with power, or with volts and amperes."""
        header = header_of(path)
        if header is None:
            raise damaged(path, "has no line with names of columns")
        return (_evidence(path, header),)


def _kind(name: str) -> str:
    match = _NAME.match(name.strip())
    if name.strip().lower() in ("timestamp", "time"):
        return "time"
    return match["kind"].lower() if match else ""


def _evidence(path: Path, header: Header) -> Evidence:
    kinds = [_kind(name) for name in header.names]
    time = next((i for i, kind in enumerate(kinds) if kind.startswith("time")), None)
    if time is None:
        raise damaged(
            path,
            "has no column of time, and its sample rate stands in no file",
            hint="give rate_hz and the columns in a mapping (docs/how-to/audit.md)",
        )
    sites: dict[str, dict[str, int]] = {}
    for index, name in enumerate(header.names):
        match = _NAME.match(name.strip())
        if match and kinds[index] in ("power", "voltage", "current"):
            sites.setdefault(match["site"], {})[kinds[index]] = index
    used = {
        site: each
        for site, each in sites.items()
        if "power" in each or {"voltage", "current"} <= each.keys()
    }
    if not used:
        raise damaged(path, "has no site with power, or with volts and amperes")
    traces: list[Trace] = []
    assumed: tuple[str, ...] = ()
    for site, each in used.items():
        watts = [each["power"]] if "power" in each else [each["voltage"], each["current"]]
        product = None if "power" in each else (1, 2)
        rows = read_rows(path, header, [time, *watts], product=product)
        stamp_ns = seconds_ns(rows.values[0], _TIME[kinds[time]])
        traces.append(trace(site, stamp_ns, rows.values[-1]))
        assumed = rows.assumed
    return recording(
        Devlib.name,
        path,
        tuple(traces),
        meter=METER,
        timebase="as the instrument stamped it",
        assumptions=(
            "watts, volts and amperes, as devlib documents its channels",
            MEAN_TAKEN,
            *((f"{len(used)} sites are added",) if len(used) > 1 else ()),
            *assumed,
        ),
    )
