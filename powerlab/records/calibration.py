"""What a calibration is made of: points, terms of the set-up, history, the record.

Values of a point are in the unit of its ``quantity`` ("current" A, "voltage" V, "power" W). A
range is named by its ``full_scale``, as in ``Accuracy``. Dates are ISO dates, instants
nanoseconds of UTC: a calibration may be interrupted and taken up again after a restart of the
computer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from powerlab.findings import Finding
from powerlab.records.arrays import FloatArray, freeze_arrays
from powerlab.records.correction import CommonError, Correction
from powerlab.records.setup import Accuracy
from powerlab.terms import Averaging


class Direction(StrEnum):
    """From which side the load came to a point."""

    UP = "up"
    DOWN = "down"


class Settling(StrEnum):
    """Whether the readings of a point had stopped to move when they were taken."""

    SETTLED = "settled"
    UNSETTLED = "unsettled"
    NOT_WATCHED = "not watched"


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """One level, read by the meter and by the reference.

    ``reference`` ± ``u_reference`` is what the reference says, with the part of its standard
    uncertainty that is of this point alone (what all points share is a ``CommonError``).
    ``reading`` ± ``u_reading`` is the mean of ``readings`` of the meter with the standard
    uncertainty of that mean: scatter and resolution. ``correlation`` is that of the two errors,
    as of a load that wandered while both read it. ``nominal`` is the level asked for;
    ``temperature_c`` NaN where it is not known.
    """

    quantity: str
    full_scale: float
    direction: Direction
    nominal: float
    reference: float
    u_reference: float
    reading: float
    u_reading: float
    readings: int
    settling: Settling
    at_utc_ns: int
    temperature_c: float = math.nan
    correlation: float = 0.0


@dataclass(frozen=True, slots=True)
class SpecifiedRange:
    """What one range of the meter was specified for when it was calibrated.

    Away from 23 °C ``gain_per_k``, a fraction of the reading for each kelvin, comes on top.
    """

    limit: Accuracy
    gain_per_k: float


@dataclass(frozen=True, slots=True)
class Item:
    """The meter as its maker names it, and all of its ranges.

    ``link`` is how it was read ("TCPIP SOCKET", "serial"); ``condition`` in what state it came,
    "" where nobody noted it.
    """

    manufacturer: str
    name: str
    link: str
    condition: str
    ranges: tuple[SpecifiedRange, ...]


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Who calibrates: name, place, and the country's ISO 3166-1 code; "" where nobody said."""

    name: str
    place: str
    country: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The instrument that was believed, and the certificate on which that rests."""

    model: str
    serial: str
    certificate: str
    laboratory: str
    calibrated: str
    due: str
    errors: tuple[CommonError, ...]


@dataclass(frozen=True, slots=True)
class SetupTerm:
    """A measured property of the set-up, "cable-loop" say, with its standard uncertainty."""

    name: str
    unit: str
    value: float
    u: float
    dof: float | None
    source: str


@dataclass(frozen=True, slots=True)
class StepResponse:
    """How a meter's readings follow a step of its load.

    A reading stands for the mean over ``aperture_s`` that ended ``latency_s`` before its
    instant. ``interval_s`` is the time between readings that are measured, ``delivered_s``
    between those delivered: a meter that repeats or interpolates delivers more. ``averaging``
    is None where the steps do not tell. ``steps`` were used; ``chi_squared_reduced`` says how
    well a boxcar explains them.
    """

    latency_s: float
    u_latency_s: float
    aperture_s: float
    u_aperture_s: float
    interval_s: float
    u_interval_s: float
    delivered_s: float
    averaging: Averaging | None
    steps: int
    chi_squared_reduced: float


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a calibration took place; NaN and "" where it was not recorded."""

    temperature_c: float
    u_temperature_c: float
    humidity_percent: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class PastCalibration:
    """What an earlier calibration found on one range: corrections at some readings.

    ``corrections`` (true value less reading) and ``u``, without the reference's common error,
    belong to the rising ``readings``; float64 ``(k,)`` each.
    """

    performed: str
    certificate: str
    quantity: str
    full_scale: float
    readings: FloatArray
    corrections: FloatArray
    u: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """One check against a known load between calibrations, with expanded uncertainties (95 %)."""

    performed: str
    quantity: str
    value: float
    expanded: float
    reference: float
    expanded_reference: float


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """One calibration of one meter, by serial number, in its set-up: all that it found.

    ``instrument`` is the profile's identifier, ``cable_set`` the name of the leads used;
    ``performed`` and ``due`` are ISO dates. ``customer`` is "" where the laboratory's own meter
    was calibrated. ``software`` is what made the record, with its version.
    """

    certificate: str
    instrument: str
    item: Item
    serial: str
    firmware: str
    performed: str
    due: str
    operator: str
    laboratory: Laboratory
    customer: str
    software: str
    environment: Environment
    cable_set: str
    references: tuple[Reference, ...]
    points: tuple[CalibrationPoint, ...]
    corrections: tuple[Correction, ...]
    terms: tuple[SetupTerm, ...]
    step: StepResponse | None
    history: tuple[PastCalibration, ...]
    findings: tuple[Finding, ...]
