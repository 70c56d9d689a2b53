"""Any table of readings by a mapping in TOML, which says what its columns are.

The mapping stands beside the table as ``TABLE.toml`` (``log.csv`` has ``log.csv.toml`` or
``log.toml``) or is named with ``--mapping``. What it does not say is refused, not guessed.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from powerlab.errors import ConfigError
from powerlab.evidence.contract import Evidence, MeterFacts, Reader, Span
from powerlab.evidence.files import damaged, head, read_text
from powerlab.evidence.ppk2 import Ppk2, read_with_voltage
from powerlab.evidence.recording import emulated_findings, recording
from powerlab.evidence.samples import trace
from powerlab.evidence.tables import Header, Rows, header_of, read_rows, seconds_ns
from powerlab.records import FloatArray, Int64Array
from powerlab.terms import Averaging, Boundary

EVIDENCE = "evidence"
"""The column in which powerlab's own tables of readings say whether they are emulated."""

KEYS = {
    "schema", "columns", "units", "voltage_v", "rate_hz", "averaging", "boundary", "meter",
    "device", "workload", "window",
}  # fmt: skip

_SCALES = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "power": {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "kW": 1e3},
    "voltage": {"V": 1.0, "mV": 1e-3, "uV": 1e-6},
    "current": {"A": 1.0, "mA": 1e-3, "uA": 1e-6, "nA": 1e-9},
}


class MappedCsv:
    """Reader of any table that has a mapping."""

    name = "csv"
    title = "table with a mapping"

    def recognises(self, path: Path) -> bool:
        """Tell whether a table has a mapping of powerlab beside it."""
        found = mapping_beside(path) if path.is_file() and path.suffix != ".toml" else None
        return found is not None and maps_columns(found)

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read a table by the mapping beside it."""
        found = mapping_beside(path)
        if found is None:
            raise damaged(
                path,
                "has no mapping beside it",
                hint=f"write {path.name}.toml, or name one with --mapping",
            )
        return (read_mapped(path, found),)


def maps_columns(mapping: Path) -> bool:
    """Tell whether a TOML file names columns of a table; never raises."""
    try:
        return "columns" in tomllib.loads(mapping.read_text("utf-8", "replace"))
    except (OSError, tomllib.TOMLDecodeError):
        return False


def mapping_beside(path: Path) -> Path | None:
    """Get the mapping that stands beside a table, None where there is none."""
    for each in (path.with_name(f"{path.name}.toml"), path.with_suffix(".toml")):
        if each.is_file():
            return each
    return None


def read_mapped(path: Path, mapping: Path) -> Evidence:
    """Read a table by a mapping. Raises ConfigError for what either leaves open."""
    told = _mapping(mapping)
    header = header_of(path)
    if header is None:
        raise damaged(path, "has no line with names of columns")
    columns = _table(mapping, told, "columns")
    order = sorted(columns, key=lambda role: role != "time")  # the time comes first
    both = {"voltage", "current"} <= columns.keys() and "power" not in columns
    rows = read_rows(
        path,
        header,
        [_place(mapping, header, columns[role]) for role in order],
        last=(0,) if "time" in columns else (),
        product=(order.index("voltage"), order.index("current")) if both else None,
    )
    units = _table(mapping, told, "units")
    scales = {role: _scale(mapping, role, units) for role in order}
    values = {role: row * scales[role] for role, row in zip(order, rows.values, strict=False)}
    if both:
        values["power"] = rows.values[-1] * (scales["voltage"] * scales["current"])
    stamp_ns = _stamps(mapping, told, values, rows)
    averaging = _choice(mapping, told, "averaging", Averaging)
    found = trace(path.name, stamp_ns, _power(mapping, told, values), averaging=averaging)
    return recording(
        MappedCsv.name,
        path,
        (found,),
        meter=_meter(mapping, told),
        timebase="as the mapping says: " + ("a fixed rate" if "time" not in values else "stamps"),
        windows=_windows(mapping, told, _first_ns(stamp_ns)),
        boundary=_choice(mapping, told, "boundary", Boundary),
        device=str(told.get("device", "")),
        workload=str(told.get("workload", "")),
        files=(path, mapping),
        assumptions=rows.assumed,
        findings=emulated_findings(_told_evidence(path, header)),
    )


def _told_evidence(path: Path, header: Header) -> str:
    """Get what the first row of powerlab's own export says of its evidence, "" elsewhere."""
    if EVIDENCE not in header.names:
        return ""
    rows = head(path).decode("utf-8", "replace").splitlines()[header.lines :]
    fields = next((row.split(header.separator) for row in rows if row.strip()), [])
    place = header.names.index(EVIDENCE)
    return fields[place].strip().strip('"') if place < len(fields) else ""


def described(path: Path, mapping: Path, reader: Reader) -> tuple[Evidence, ...]:
    """Read a recording of a known format, and say of it what a mapping without columns says.

    ``voltage_v`` is for one of current alone; windows, boundary, meter, device and workload
    take the place of what the reader has. Raises ConfigError for any other key.
    """
    told = _mapping(mapping)
    for key in ("columns", "units", "rate_hz", "averaging"):
        if key in told:
            raise _wrong(mapping, key, f"is for a table, and {path.name} is of {reader.title}")
    if isinstance(reader, Ppk2) and "voltage_v" in told:
        read: tuple[Evidence, ...] = (read_with_voltage(path, _number(mapping, told, "voltage_v")),)
    else:
        read = reader.read(path)
    return tuple(_described(each, mapping, told) for each in read)


def _described(evidence: Evidence, mapping: Path, told: dict[str, Any]) -> Evidence:
    first = next((each.power for each in evidence.traces if len(each.power.power_w)), None)
    changes: dict[str, Any] = {"files": (*evidence.files, mapping)}
    if "window" in told and first is not None:
        changes["windows"] = _windows(mapping, told, int(first.stop_ns[0]))
        changes["findings"] = tuple(f for f in evidence.findings if f.code != "windows-missing")
    if "boundary" in told:
        changes["boundary"] = _choice(mapping, told, "boundary", Boundary)
        kept = (each for each in evidence.assumptions if "boundary" not in each)
        changes["assumptions"] = tuple(kept)
    if "meter" in told:
        changes["meter"] = _meter(mapping, told)
    for key in ("device", "workload"):
        if told.get(key):
            changes[key] = str(told[key])
    return replace(evidence, **changes)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise damaged(path, f"is not TOML: {error}", hint="correct it there") from error
    unknown = sorted(told.keys() - KEYS)
    if unknown:
        raise _wrong(path, unknown[0], f"is no key; known: {', '.join(sorted(KEYS))}")
    if told.get("schema", 1) != 1:
        raise _wrong(path, "schema", "must be 1")
    return told


def _wrong(path: Path, key: str, what: str) -> ConfigError:
    return damaged(path, f"{key} {what}", hint="docs/how-to/audit.md shows a whole mapping")


def _table(path: Path, told: dict[str, Any], key: str) -> dict[str, str]:
    found = told.get(key, {})
    known = {*_SCALES}
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise _wrong(path, key, "must be a table of texts")
    for role in found:
        if role not in known:
            raise _wrong(path, f"{key}.{role}", f"is none of {', '.join(sorted(known))}")
    if key == "columns" and not found:
        raise _wrong(path, key, "must name the table's columns")
    return found


def _place(path: Path, header: Header, name: str) -> int:
    if name not in header.names:
        have = ", ".join(header.names[:12])
        raise _wrong(path, "columns", f"names {name!r}, and the table has {have}")
    return header.names.index(name)


def _scale(path: Path, role: str, units: dict[str, str]) -> float:
    known = _SCALES[role]
    unit = units.get(role)
    if unit not in known:
        raise _wrong(path, f"units.{role}", f"must be one of {', '.join(known)}")
    return known[unit]


def _number(path: Path, told: dict[str, Any], key: str) -> float:
    value = told.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e18:
        raise _wrong(path, key, "must be a number above 0")
    return float(value)


def _stamps(
    path: Path, told: dict[str, Any], values: dict[str, FloatArray], rows: Rows
) -> Int64Array:
    if "time" in values:
        return seconds_ns(values["time"])
    if "rate_hz" not in told:
        raise _wrong(path, "columns.time", "or rate_hz must say when readings were taken")
    rate = _number(path, told, "rate_hz") / rows.averaged
    count = len(rows.values[0])
    return np.asarray(np.rint(np.arange(1, count + 1) * (1e9 / rate)), dtype=np.int64)


def _power(path: Path, told: dict[str, Any], values: dict[str, FloatArray]) -> FloatArray:
    if "power" in values:
        return values["power"]
    if "current" not in values:
        raise _wrong(path, "columns", "must name power, or current with voltage or voltage_v")
    return values["current"] * _number(path, told, "voltage_v")


def _choice(path: Path, told: dict[str, Any], key: str, terms: Any) -> Any:
    known = [each.value for each in terms if each.value != "counter"]
    if told.get(key) not in known:
        raise _wrong(path, key, f"must be one of {', '.join(known)}")
    return terms(told[key])


def _meter(path: Path, told: dict[str, Any]) -> MeterFacts:
    meter = told.get("meter", {})
    if not isinstance(meter, dict):
        raise _wrong(path, "meter", "must be a table")
    if "gain_limit" not in meter:
        return MeterFacts(model=str(meter.get("model", "")))
    return MeterFacts(
        model=str(meter.get("model", "")),
        serial=str(meter.get("serial", "")),
        gain_limit=_number(path, meter, "gain_limit"),
        offset_limit_w=_number(path, meter, "offset_limit_w") if "offset_limit_w" in meter else 0.0,
        source=str(meter.get("source", f"as {path.name} states")),
        assumed=False,
        calibration=str(meter.get("calibrated", "")),
    )


def _first_ns(stamp_ns: Int64Array) -> int:
    """Get the first stamp, 0 where no reading has one."""
    stamped = stamp_ns[stamp_ns > np.iinfo(np.int64).min]
    return int(stamped[0]) if len(stamped) else 0


def _windows(path: Path, told: dict[str, Any], origin_ns: int) -> tuple[Span, ...]:
    spans = []
    windows = told.get("window", [])
    if not isinstance(windows, list):
        raise _wrong(path, "window", "must be a list: write [[window]]")
    for number, each in enumerate(windows, start=1):
        key = f"window {number}:"
        try:
            start, stop = float(each["start_s"]), float(each["stop_s"])
            count = float(each["inferences"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise _wrong(path, key, "needs start_s, stop_s and inferences") from error
        if not (0 <= start < stop < 1e9 and 0 < count < 1e15):
            raise _wrong(path, key, "must stop after it starts and hold an inference")
        spans.append(Span(origin_ns + round(start * 1e9), origin_ns + round(stop * 1e9), count))
    return tuple(spans)
