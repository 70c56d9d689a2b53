"""What a certificate states of a calibration beside its record, in PDF and in XML alike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from powerlab.analysis.conformity import Limits, Verdict, decide
from powerlab.analysis.uncertainty import component, expanded_uncertainty, standard_uncertainty
from powerlab.records import Accuracy, FloatArray, freeze_arrays
from powerlab.records.calibration import (
    CalibrationPoint,
    CalibrationRecord,
    Item,
    SpecifiedRange,
)
from powerlab.records.correction import CommonError, Correction
from powerlab.units import NS_PER_S

EXACT_K = 2.0
"""The coverage factor that is stated where there is no uncertainty to cover."""

EMULATED = "emulated"
"""The finding of a record whose meter, reference and load were emulated."""


def specified(item: Item, quantity: str, full_scale: float) -> SpecifiedRange | None:
    """Get what a range was specified for, None where there is nothing."""
    for part in item.ranges:
        if part.limit.quantity == quantity and math.isclose(part.limit.full_scale, full_scale):
            return part
    return None


@dataclass(frozen=True, slots=True)
class AsFound:
    """What a meter read at the points of one range, before any correction.

    ``error`` is reading less reference, ``expanded`` its U at 95 % with the reference's common
    error, ``k`` the factor of U; ``limit`` the specified limit of the error (NaN: none); float64
    ``(n,)`` each, in the quantity's unit. ``verdicts`` follow ILAC-G8 with the guard band w = U,
    and are empty without a limit.
    """

    quantity: str
    full_scale: float
    points: tuple[CalibrationPoint, ...]
    error: FloatArray
    expanded: FloatArray
    k: FloatArray
    limit: FloatArray
    verdicts: tuple[Verdict, ...]

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def verdict(self) -> Verdict | None:
        """Get the verdict on the range: the worst of its points, None without a limit."""
        return max(self.verdicts, key=list(Verdict).index, default=None)


def ranges_found(record: CalibrationRecord) -> Iterator[tuple[Correction, AsFound]]:
    """Get each calibrated range with its correction and what the meter read there as found."""
    ranges = ((one, span) for one in record.corrections for span in one.spans)
    for correction, span in ranges:
        points = tuple(
            point
            for point in record.points
            if point.quantity == correction.quantity
            and math.isclose(point.full_scale, span.full_scale)
        )
        if points:
            chosen = specified(record.item, correction.quantity, span.full_scale)
            limit = chosen.limit if chosen is not None else None
            yield correction, _as_found(points, correction.common, limit)


def _as_found(
    points: tuple[CalibrationPoint, ...], common: CommonError, limit: Accuracy | None
) -> AsFound:
    error = np.array([point.reading - point.reference for point in points])
    u, expanded = np.array([_uncertainty(point, common) for point in points]).T
    level = np.array([abs(point.reference) for point in points])
    tolerance = np.full_like(level, math.nan)
    verdicts: tuple[Verdict, ...] = ()
    if limit is not None:
        tolerance = limit.gain_limit * level + limit.offset_limit
        verdicts = tuple(
            decide(float(at), Limits(-float(most), float(most)), float(width))
            for at, most, width in zip(error, tolerance, expanded, strict=True)
        )
    return AsFound(
        quantity=points[0].quantity,
        full_scale=points[0].full_scale,
        points=points,
        error=error,
        expanded=expanded,
        k=np.divide(expanded, u, out=np.full_like(u, EXACT_K), where=u > 0),
        limit=tolerance,
        verdicts=verdicts,
    )


def _uncertainty(point: CalibrationPoint, common: CommonError) -> tuple[float, float]:
    """Get u and U of the error of one point, the reference's certificate included."""
    gain = common.u_gain * abs(point.reference)
    own = math.sqrt(
        max(
            0.0,
            point.u_reading**2
            + point.u_reference**2
            - 2 * point.correlation * point.u_reading * point.u_reference,
        )
    )
    lines = [
        component("gain", "B", gain, common.distribution),
        component("offset", "B", common.u_offset, common.distribution),
        component("point", "A", own),
    ]
    return standard_uncertainty(lines), expanded_uncertainty(lines)


def begun(record: CalibrationRecord) -> str:
    """Get the ISO date of the first point (UTC), or that of the record where it is earlier."""
    first_ns = min((point.at_utc_ns for point in record.points), default=0)
    first = datetime.fromtimestamp(first_ns // NS_PER_S, UTC).date().isoformat()
    return min(first, record.performed)


def is_emulated(record: CalibrationRecord) -> bool:
    """Tell whether nothing of a calibration was measured."""
    return any(finding.code == EMULATED for finding in record.findings)
