"""A laboratory's Digital Calibration Certificate (DCC 3.x, PTB) as a reference to believe.

The expanded uncertainties of its measurement errors become the common error of everything
that is compared with that reference: a gain and an offset whose root sum of squares reaches
every one of them. Uncertainties are read as D-SI 2.1 writes them (``expandedUnc``) and as
D-SI 2.2 does (``expandedMU``, ``standardMU``).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from powerlab.errors import ConfigError
from powerlab.records import FloatArray, freeze_arrays
from powerlab.records.calibration import Reference
from powerlab.records.correction import CommonError
from powerlab.store.dcc import (
    DCC,
    MEASURED_VALUE,
    MEASUREMENT_ERROR,
    RECALIBRATION,
    REFERENCE_VALUE,
    SI,
    UNITS,
    parsed_dcc,
)

INTERVAL = timedelta(days=365)
"""How long a certificate counts that states no date for the next calibration: a year, for
which meters are specified."""

PREFIXES = {"": 1.0, "nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "kilo": 1e3, "mega": 1e6}
UNIT = re.compile(r"(?:\\(nano|micro|milli|kilo|mega))?(\\[a-z]+)")
QUANTITIES = {unit: quantity for quantity, unit in UNITS.items()}

UNCERTAINTIES = {
    "expandedUncXMLList": ("uncertaintyXMLList", "coverageFactorXMLList"),
    "expandedMUXMLList": ("valueExpandedMUXMLList", "coverageFactorXMLList"),
    "standardMUXMLList": ("valueStandardMUXMLList", ""),
    "coverageIntervalXMLList": ("standardUncXMLList", ""),
    "expandedUnc": ("uncertainty", "coverageFactor"),
    "expandedMU": ("valueExpandedMU", "coverageFactor"),
    "standardMU": ("valueStandardMU", ""),
    "coverageInterval": ("standardUnc", ""),
}
"""Where an uncertainty stands, by element: its value, and the factor that it was expanded by."""


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """The measurement errors that a certificate states of one quantity, on one range.

    ``level`` are the values at which they were found, ``error`` reading less reference, ``u``
    their standard uncertainties; float64 ``(n,)`` each in the quantity's SI unit.
    """

    quantity: str
    level: FloatArray
    error: FloatArray
    u: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def read_dcc(
    path: Path, *, reaching: Mapping[str, float] | None = None, corrected: bool = False
) -> Reference:
    """Read a laboratory's certificate as a reference with its common errors.

    ``reaching`` names the largest magnitude in use by quantity: of several tables of it, as
    certificates of multimeters have for each range, the shortest that reaches so far counts;
    without, all of them do. The known errors count as uncertainty, in quadrature, unless
    the reference's readings are ``corrected`` by them. Without a date for the next calibration
    it is due after a year.

    Raises ConfigError where the file is no DCC 3.x or states no uncertainty that can be used.
    """
    certificate = _Certificate(path, parsed_dcc(path))
    tables = list(certificate.tables())
    if not tables:
        raise certificate.problem(
            f"it states no measurement errors in {', '.join(QUANTITIES)}",
            f"quantities of the type {MEASUREMENT_ERROR} are read",
        )
    errors = []
    for quantity in dict.fromkeys(table.quantity for table in tables):
        own = [table for table in tables if table.quantity == quantity]
        if reaching is not None and quantity in reaching:
            own = [certificate.reaching(own, reaching[quantity])]
        errors.append(_common(own, certificate.identifier, corrected=corrected))
    return certificate.reference(tuple(errors))


@dataclass(frozen=True, slots=True)
class _Certificate:
    """A parsed certificate with the path that its errors name."""

    path: Path
    root: ET.Element

    def problem(self, why: str, hint: str) -> ConfigError:
        """Get the error that names the file."""
        return ConfigError(f"{self.path}: {why}", hint=hint)

    def text(self, place: str) -> str:
        """Get the text of the first element at a path of DCC elements, "" where none is."""
        found = self.root.find("/".join(f"{{{DCC}}}{part}" for part in place.split("/")))
        return "" if found is None else " ".join("".join(found.itertext()).split())

    @property
    def identifier(self) -> str:
        return self.text("administrativeData/coreData/uniqueIdentifier")

    def reference(self, errors: tuple[CommonError, ...]) -> Reference:
        """Get the reference that the certificate is of."""
        item = "administrativeData/items/item"
        core = "administrativeData/coreData"
        calibrated = self.day(self.text(f"{core}/endPerformanceDate"))
        due = self.due() or (date.fromisoformat(calibrated) + INTERVAL).isoformat()
        return Reference(
            model=self.text(f"{item}/model") or self.text(f"{item}/name/content"),
            serial=self.serial(),
            certificate=self.identifier,
            laboratory=self.text("administrativeData/calibrationLaboratory/contact/name/content"),
            calibrated=calibrated,
            due=due,
            errors=errors,
        )

    def serial(self) -> str:
        """Get the manufacturer's identification of the item, else its first one."""
        entries = self.root.iterfind(f".//{{{DCC}}}item//{{{DCC}}}identification")
        told = [
            (entry.findtext(f"{{{DCC}}}issuer", ""), entry.findtext(f"{{{DCC}}}value", ""))
            for entry in entries
        ]
        return next((value for issuer, value in told if issuer == "manufacturer"), "") or (
            told[0][1] if told else ""
        )

    def due(self) -> str:
        """Get the date for the next calibration, "" where none is stated."""
        for statement in self.root.iter(f"{{{DCC}}}statement"):
            stated = statement.findtext(f"{{{DCC}}}date", "").strip()
            if RECALIBRATION in statement.get("refType", "").split() and stated:
                return self.day(stated)
        return ""

    def day(self, text: str) -> str:
        """Get an XML date without its time zone as an ISO date."""
        try:
            return date.fromisoformat(text.strip()[:10]).isoformat()
        except ValueError as error:
            raise self.problem(
                f"{text!r} is no date", "a DCC states dates as 2026-03-02"
            ) from error

    def tables(self) -> Iterator[ErrorTable]:
        """Get every table of measurement errors in a known unit."""
        results = self.root.iterfind(f"{{{DCC}}}measurementResults//{{{DCC}}}results")
        for container in (part for result in results for part in result.iter()):
            if container.tag not in (f"{{{DCC}}}list", f"{{{DCC}}}data"):
                continue
            quantities = container.findall(f"{{{DCC}}}quantity")
            for entry in quantities:
                if MEASUREMENT_ERROR in entry.get("refType", "").split():
                    yield from self.table(entry, quantities)

    def table(self, entry: ET.Element, beside: Sequence[ET.Element]) -> Iterator[ErrorTable]:
        """Get the errors of one quantity and the levels beside it, none for an unknown unit."""
        found = self.values(entry)
        if found is None:
            return
        element, quantity, scale, error = found
        u = self.uncertainty(element, len(error)) * scale
        level = np.zeros_like(error)
        for kind in (MEASURED_VALUE, REFERENCE_VALUE):
            for other in beside:
                if kind in other.get("refType", "").split():
                    values = self.values(other)
                    if values and values[1] == quantity and len(values[3]) == len(error):
                        level = values[3]
        yield ErrorTable(quantity, level, error, u)

    def values(self, entry: ET.Element) -> tuple[ET.Element, str, float, FloatArray] | None:
        """Get the numbers of a quantity: their element, what they are of, scale, SI values."""
        kinds = (f"{{{SI}}}realListXMLList", f"{{{SI}}}real")
        parts = [*entry, *(part for hybrid in entry.iterfind(f"{{{SI}}}hybrid") for part in hybrid)]
        for element in parts:
            if element.tag not in kinds:
                continue
            units = set(_told(element, "unitXMLList", "unit").split())
            known = UNIT.fullmatch(units.pop()) if len(units) == 1 else None
            if known and known[2] in QUANTITIES:
                scale = PREFIXES[known[1] or ""]
                numbers = self.numbers(_told(element, "valueXMLList", "value"))
                return element, QUANTITIES[known[2]], scale, numbers * scale
        return None

    def uncertainty(self, element: ET.Element, count: int) -> FloatArray:
        """Get the standard uncertainties of ``count`` values, in the unit of their element."""
        for part in element.iter():
            name, factor = UNCERTAINTIES.get(part.tag.removeprefix(f"{{{SI}}}"), ("", ""))
            if not name:
                continue
            u = self.numbers(part.findtext(f"{{{SI}}}{name}", ""))
            k = self.numbers(part.findtext(f"{{{SI}}}{factor}", "")) if factor else np.ones(1)
            sizes = {len(u), len(k)} - {1, count}
            if sizes or not len(u) or not len(k) or not (k >= 1).all() or not (u >= 0).all():
                raise self.problem(
                    "an uncertainty is negative, has no coverage factor k of 1 or more, or "
                    "does not belong to the values beside it",
                    "ask the laboratory to state U and k of every measurement error",
                )
            result: FloatArray = np.broadcast_to(u / k, (count,)).copy()
            return result
        raise self.problem(
            "its measurement errors have no uncertainty",
            "ask the laboratory to state U and k of every measurement error",
        )

    def numbers(self, text: str) -> FloatArray:
        """Get the numbers of an XML list."""
        try:
            values = np.array([float(part) for part in text.split()])
        except ValueError:
            values = np.array([math.nan])
        if not np.isfinite(values).all():
            raise self.problem(
                f"{text[:40]!r} is no list of numbers", "ask the laboratory to correct it"
            )
        return values

    def reaching(self, tables: Sequence[ErrorTable], magnitude: float) -> ErrorTable:
        """Get the shortest table that reaches a magnitude."""
        long = [table for table in tables if _reach(table) >= magnitude]
        if not long:
            most = max(map(_reach, tables))
            raise self.problem(
                f"it covers {tables[0].quantity} up to {most:g}, {magnitude:g} is needed",
                "have the reference calibrated so far, or calibrate less of the range",
            )
        return min(long, key=_reach)


def _told(element: ET.Element, *names: str) -> str:
    """Get the text of the first child that is there."""
    return next(filter(None, (element.findtext(f"{{{SI}}}{name}") for name in names)), "")


def _reach(table: ErrorTable) -> float:
    return float(np.max(np.abs(table.level), initial=0.0))


def _common(tables: Sequence[ErrorTable], certificate: str, *, corrected: bool) -> CommonError:
    """Get the smallest gain and offset parts that reach the uncertainty at every level.

    Of all ``(g² x² + o²) >= u²`` at the levels x, the pair with the least mean of its left side:
    the edge, over the mean of x², of the upper hull of the points ``(x², u²)``.
    """
    level, u, error = (
        np.concatenate([getattr(table, name) for table in tables])
        for name in ("level", "u", "error")
    )
    squared = level**2
    variance = u**2 if corrected else u**2 + error**2
    slope = max(0.0, _hull_slope(squared, variance, float(np.mean(squared))))
    offset = max(0.0, float(np.max(variance - slope * squared)))
    return CommonError(
        quantity=tables[0].quantity,
        u_gain=math.sqrt(slope),
        u_offset=math.sqrt(offset),
        certificate=certificate,
    )


def _hull_slope(x: FloatArray, y: FloatArray, at: float) -> float:
    """Get the slope of the upper hull of points and the origin above an abscissa (0 and up)."""
    hull: list[tuple[float, float]] = []
    for point in sorted([(0.0, 0.0), *zip(x.tolist(), y.tolist(), strict=True)]):
        if hull and hull[-1][0] == point[0]:
            hull.pop()
        while len(hull) > 1 and _rise(hull[-2], point) >= _rise(hull[-2], hull[-1]):
            hull.pop()
        hull.append(point)
    edges = [_rise(left, right) for left, right in itertools.pairwise(hull) if right[0] >= at]
    return edges[0] if edges else 0.0


def _rise(left: tuple[float, float], right: tuple[float, float]) -> float:
    return (right[1] - left[1]) / (right[0] - left[0])
