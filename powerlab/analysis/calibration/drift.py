"""How far a meter may have moved since its calibration: from its history or its data sheet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from powerlab.analysis.calibration.setup_terms import MISFIT
from powerlab.analysis.lines import fit_line
from powerlab.analysis.uncertainty import COVERAGE, student_t
from powerlab.records import Accuracy, FloatArray
from powerlab.records.calibration import PastCalibration
from powerlab.records.correction import Drift

DAYS_PER_YEAR = 365.25


def years_between(start: str, stop: str) -> float:
    """Get the years from one ISO date to another, negative where the second is earlier."""
    return (date.fromisoformat(stop) - date.fromisoformat(start)).days / DAYS_PER_YEAR


def drift_from_limits(limits: Mapping[float, Accuracy]) -> Drift:
    """Get rates from the specified limits of one range, by the days each of them holds.

    The steepest rise between neighbouring columns (24 h, 90 d, 1 y, 2 y). A single column may
    all be drift: its whole limit over its days. Raises ValueError for no column.
    """
    if not limits:
        raise ValueError("drift takes one specified limit at least")
    columns = sorted(limits.items())
    steps = [
        ((later_days - days) / DAYS_PER_YEAR, limit, later)
        for (days, limit), (later_days, later) in itertools.pairwise(columns)
    ]
    last_days, last = columns[-1]
    if not steps:
        years = last_days / DAYS_PER_YEAR
        gain, offset = last.gain_limit / years, last.offset_limit / years
    else:
        gain = max(0.0, *((b.gain_limit - a.gain_limit) / years for years, a, b in steps))
        offset = max(0.0, *((b.offset_limit - a.offset_limit) / years for years, a, b in steps))
    days = ", ".join(f"{item:g}" for item, _ in columns)
    return Drift(gain, offset, f"specified limits over {days} days: {last.source}")


def drift_from_history(history: Sequence[PastCalibration]) -> Drift:
    """Get rates from two or more calibrations of one range, the greatest they do not exclude.

    Gain and offset are those of the line through the correction at the ends of the span that
    all calibrations share; each rate is a line over time, and the limit is its slope's
    magnitude with its expanded uncertainty, by the scatter around it where three or more do not
    fit their uncertainties. Raises ValueError for fewer than two dates or no common span.
    """
    low = max(float(past.readings[0]) for past in history)
    high = min(float(past.readings[-1]) for past in history)
    first = min(past.performed for past in history)
    years = np.array([years_between(first, past.performed) for past in history])
    if not (np.ptp(years) > 0 and high > low):
        raise ValueError("drift takes two calibrations of the same span at different dates")
    at_low, at_high = ([_at(past, reading) for past in history] for reading in (low, high))
    gain = [
        ((b - a) / (high - low), math.hypot(u_a, u_b) / (high - low))
        for (a, u_a), (b, u_b) in zip(at_low, at_high, strict=True)
    ]
    offset = [
        (a - slope * low, math.hypot(u_a, u_slope * low))
        for (a, u_a), (slope, u_slope) in zip(at_low, gain, strict=True)
    ]
    return Drift(
        gain=_greatest_rate(years, gain),
        offset=_greatest_rate(years, offset),
        source=f"{len(history)} calibrations since {first}",
    )


def _at(past: PastCalibration, reading: float) -> tuple[float, float]:
    return (
        float(np.interp(reading, past.readings, past.corrections)),
        float(np.interp(reading, past.readings, past.u)),
    )


def _greatest_rate(years: FloatArray, values: Sequence[tuple[float, float]]) -> float:
    height = np.array([value for value, _ in values])
    u = np.array([u for _, u in values])
    line = fit_line(years, height, np.maximum(u, np.finfo(np.float64).tiny))
    misfit = line.tail_probability < MISFIT
    u_slope = line.u_slope * (line.residual_sd if misfit else 1.0)
    return abs(line.slope) + student_t(COVERAGE, line.dof if misfit else None) * u_slope
