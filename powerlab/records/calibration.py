"""What a calibration is made of: points, fitted corrections, terms of the set-up, the record.

Values of a point and of a correction are in the unit of their ``quantity`` ("current" A,
"voltage" V, "power" W); gains and their uncertainties are fractions. A range is named by its
``full_scale``, as in ``Accuracy``. Dates are ISO dates, instants nanoseconds of UTC: a
calibration may be interrupted and taken up again after a restart of the computer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from powerlab.findings import Finding
from powerlab.records.capture import FloatArray, freeze_arrays
from powerlab.terms import Averaging, Distribution

REFERENCE_TEMPERATURE_C = 23.0
"""The temperature at which the factor ``1 + alpha (T - 23)`` of a correction is 1."""


class Direction(StrEnum):
    """From which side the load came to a point."""

    UP = "up"
    DOWN = "down"


class Settling(StrEnum):
    """Whether the readings of a point had stopped to move when they were taken."""

    SETTLED = "settled"
    UNSETTLED = "unsettled"
    NOT_WATCHED = "not watched"


class CorrectionModel(StrEnum):
    """The shape of ``x_true = f(reading)`` (method section 4)."""

    ZERO = "zero"
    GAIN = "gain"
    GAIN_OFFSET = "gain-offset"
    PER_RANGE = "per-range"
    QUADRATIC = "quadratic"
    PIECEWISE = "piecewise"


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
class CommonError:
    """What the reference errs at all points alike, from its ``certificate``: fully correlated.

    The truth is ``reference * (1 + gain) + offset``; ``u_gain`` is a fraction, ``u_offset`` in
    the quantity's unit, both standard uncertainties of the stated ``distribution``. Meters that
    were calibrated against the same certificate share these errors.
    """

    quantity: str
    u_gain: float
    u_offset: float
    certificate: str
    distribution: Distribution = Distribution.NORMAL


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
class CorrectionForm:
    """A shape with its constants: ``x_true = sum(b_k column_k(r)) (1 + alpha (T - 23))``.

    With ``t = (r - centre) / half_width`` the columns are, by model: zero ``1``, beside ``r``
    itself; gain ``r / half_width``; gain-offset ``1, t``; per-range ``1, t`` for each of
    ``full_scales``, 0 in the others; quadratic ``1, t, 2 t² - 1``; piecewise ``1, t`` and
    ``max(0, t - t_knot)`` for each of ``knots``. With ``temperature`` the last parameter is alpha
    (1/K); without, it is 0.
    """

    model: CorrectionModel
    temperature: bool
    full_scales: tuple[float, ...]
    knots: tuple[float, ...]
    centre: float
    half_width: float


@dataclass(frozen=True, slots=True)
class CorrectionFit:
    """A form fitted to points.

    ``parameters`` is float64 ``(p,)`` in the order of the columns, ``covariance`` ``(p, p)``.
    ``chi_squared`` is the weighted sum of squared residuals with ``dof`` degrees of freedom.
    ``stated`` tells that the covariance comes from the points' own uncertainties; else, as where
    they scatter beyond these, it comes from the residuals and is as uncertain as they are few.
    ``residual_sd`` is the standard deviation of the residuals, in the quantity's unit.
    """

    form: CorrectionForm
    parameters: FloatArray
    covariance: FloatArray
    chi_squared: float
    dof: int
    stated: bool
    residual_sd: float

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A form that was weighed: how well it fits, or the ``reason`` why points do not allow it.

    ``aicc`` is Akaike's criterion corrected for few points, lower is better;
    ``f_probability`` the chance that the form with the lowest one is better than this one by
    luck alone (NaN where this one is not a special case of it).
    """

    model: CorrectionModel
    temperature: bool
    parameters: int
    chi_squared: float = math.nan
    dof: int = 0
    aicc: float = math.nan
    f_probability: float = math.nan
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """What one range was calibrated over: lowest and highest reading, and temperature (NaN)."""

    full_scale: float
    low: float
    high: float
    coldest_c: float
    warmest_c: float


@dataclass(frozen=True, slots=True)
class Correction:
    """The correction of one quantity: what was ``chosen``, against what, and how far it holds.

    ``wider`` is the form with the most terms that the points allow and do not exclude (the chosen
    one itself where there is none other): its covariance and its difference to the chosen one
    are the uncertainty, so that leaving out a term which is too small to be seen leaves out
    none of its uncertainty. ``common`` is the reference's error; ``certificate`` names the
    calibration that this came from.
    """

    quantity: str
    chosen: CorrectionFit
    wider: CorrectionFit
    common: CommonError
    spans: tuple[Span, ...]
    candidates: tuple[Candidate, ...]
    certificate: str


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
    ``performed`` and ``due`` are ISO dates.
    """

    certificate: str
    instrument: str
    serial: str
    firmware: str
    performed: str
    due: str
    operator: str
    environment: Environment
    cable_set: str
    references: tuple[Reference, ...]
    points: tuple[CalibrationPoint, ...]
    corrections: tuple[Correction, ...]
    terms: tuple[SetupTerm, ...]
    step: StepResponse | None
    history: tuple[PastCalibration, ...]
    findings: tuple[Finding, ...]
