"""CSV of meters that write volts and amperes, or watts, under names with their units.

Joulescope, Otii, FNIRSI and POWER-Z each have their own names; what they share is here. The
unit of every column comes from its name, or is the one that the maker documents for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Claim, Evidence, MeterFacts
from powerlab.evidence.files import damaged
from powerlab.evidence.recording import (
    MEAN_TAKEN,
    POINT_TAKEN,
    energy_claim,
    needs_voltage,
    recording,
)
from powerlab.evidence.samples import trace
from powerlab.evidence.tables import Column, Header, header_of, parse_column, read_rows, seconds_ns
from powerlab.findings import Finding
from powerlab.records import FloatArray
from powerlab.terms import Averaging


@dataclass(frozen=True, slots=True)
class Logger:
    """How one logger names its columns.

    ``signature`` tells its header from others, given the names in small letters. ``fixed`` has
    role and scale to SI of names that state no unit, as the maker documents them. ``energy``
    names a column of energy since the start (J after its scale), which is then checked.
    """

    name: str
    title: str
    signature: Callable[[tuple[str, ...]], bool]
    meter: MeterFacts
    timebase: str
    fixed: Mapping[str, tuple[str, float]]
    averaging: Averaging = Averaging.BOXCAR
    energy: str = ""
    findings: tuple[Finding, ...] = ()

    def recognises(self, path: Path) -> bool:
        """Tell by the header whether a file is of this logger."""
        header = header_of(path) if path.is_file() else None
        return header is not None and self.signature(tuple(n.lower() for n in header.names))

    def read(self, path: Path) -> tuple[Evidence, ...]:
        """Read the recording whole."""
        header = header_of(path)
        if header is None:
            raise damaged(path, "has no line with names of columns")
        return (_evidence(self, path, header),)


def _columns(logger: Logger, header: Header) -> list[Column]:
    found = []
    for index, name in enumerate(header.names):
        column = parse_column(index, name)
        key = name.strip().lower()
        if key in logger.fixed:
            role, scale = logger.fixed[key]
            column = Column(index, key, role, scale)
        found.append(column)
    return found


def _evidence(logger: Logger, path: Path, header: Header) -> Evidence:
    columns = _columns(logger, header)
    time = _first(columns, "time")
    power, volts, amps = (_first(columns, role) for role in ("power", "voltage", "current"))
    if time is None:
        raise damaged(path, f"none of its columns is a time: {', '.join(header.names[:8])}")
    if power is None and amps is None:
        raise damaged(path, f"none of its columns is a power: {', '.join(header.names[:8])}")
    if power is None and volts is None:
        raise needs_voltage(path)
    energy = next((each for each in columns if each.name == logger.energy), None)
    wanted = [time, *(each for each in (volts, amps, power, energy) if each is not None)]
    # both simultaneous readings where there are, since a power column is rounded
    both = volts is not None and amps is not None
    rows = read_rows(
        path,
        header,
        [each.index for each in wanted],
        last=(0, len(wanted) - 1) if energy is not None else (0,),
        product=(1, 2) if both else None,
    )
    values = {
        each.role if each is not energy else "counted": row * each.scale
        for each, row in zip(wanted, rows.values, strict=False)
        if each is not time
    }
    stamp_ns = seconds_ns(rows.values[0], time.scale)
    if volts is not None and amps is not None:
        watts = rows.values[-1] * (volts.scale * amps.scale)
    else:
        watts = values["power"]
    usable = stamp_ns > np.iinfo(np.int64).min
    found = trace(logger.name, stamp_ns, watts, averaging=logger.averaging, usable=usable)
    claims = (_counted(found_energy(stamp_ns, watts), values["counted"], path),) if energy else ()
    return recording(
        logger.name,
        path,
        (found,),
        meter=logger.meter,
        timebase=logger.timebase,
        claims=claims,
        assumptions=(
            *_unstated(header, wanted),
            MEAN_TAKEN if logger.averaging is Averaging.BOXCAR else POINT_TAKEN,
            *rows.assumed,
        ),
        findings=logger.findings,
    )


def _unstated(header: Header, used: list[Column]) -> tuple[str, ...]:
    """Say which columns state no unit and are taken in SI."""
    names = [
        each.name for each in used if not parse_column(each.index, header.names[each.index]).role
    ]
    if not names:
        return ()
    told = "columns that state no unit are taken in SI, as the maker documents them"
    return (f"{told}; {', '.join(names)}",)


def _first(columns: list[Column], role: str) -> Column | None:
    return next((each for each in columns if each.role == role), None)


def found_energy(stamp_ns: np.ndarray, watts: FloatArray) -> float:
    """Get the energy from the first reading on: each power held since the reading before."""
    if len(stamp_ns) < 2:
        return math.nan
    return float(np.nansum(watts[1:] * np.diff(stamp_ns) / 1e9))


def _counted(value_j: float, counted: FloatArray, path: Path) -> Claim:
    finite = counted[np.isfinite(counted)]
    published = float(finite[-1] - finite[0]) if len(finite) > 1 else math.nan
    return energy_claim("energy counted", value_j, published, path.name, relative=0.01)
