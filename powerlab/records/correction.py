"""A correction fitted to the points of a calibration: its form, its reach, its use.

Values of a correction are in the unit of its ``quantity`` ("current" A, "voltage" V, "power"
W); gains and their uncertainties are fractions. A range is named by its ``full_scale``, as in
``Accuracy``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from powerlab.findings import Finding
from powerlab.records.arrays import FloatArray, freeze_arrays
from powerlab.records.setup import Accuracy
from powerlab.terms import Distribution

REFERENCE_TEMPERATURE_C = 23.0
"""The temperature at which the factor ``1 + alpha (T - 23)`` of a correction is 1."""


class CorrectionModel(StrEnum):
    """The shape of ``x_true = f(reading)`` (method section 4)."""

    ZERO = "zero"
    GAIN = "gain"
    GAIN_OFFSET = "gain-offset"
    PER_RANGE = "per-range"
    QUADRATIC = "quadratic"
    PIECEWISE = "piecewise"


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
class Drift:
    """The greatest rates at which a range may move, per year: a gain and an offset.

    ``u = rate * t / sqrt(3)`` after the time t (method section 4). ``gain`` is a fraction,
    ``offset`` in the quantity's unit; ``source`` says where they come from.
    """

    gain: float
    offset: float
    source: str


@dataclass(frozen=True, slots=True)
class Use:
    """When and how a calibrated range is used.

    ``temperature_c`` is the meter's surroundings now (NaN: not known), ``gain_per_k`` (a
    fraction) and ``offset_per_k`` the limits of the model's temperature coefficients;
    ``years`` have passed since the calibration, at rates of at most ``drift``. ``limit`` is
    the specified limit of the range: all that is known where nothing was calibrated.
    """

    limit: Accuracy
    drift: Drift
    years: float
    temperature_c: float = math.nan
    gain_per_k: float = 0.0
    offset_per_k: float = 0.0


@dataclass(frozen=True, slots=True)
class ChannelCalibration:
    """What the lab knew of one channel's range when its meter was set up.

    ``correction`` was ``performed`` and is ``due`` on these ISO dates; it is None, and they are
    "", where no calibration applies and the specified limits count. ``findings`` say what is
    doubtful of it, and why a newer one is not used.
    """

    channel: str
    correction: Correction | None
    use: Use
    performed: str
    due: str
    findings: tuple[Finding, ...]
