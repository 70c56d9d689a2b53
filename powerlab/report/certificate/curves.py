"""What the charts of a certificate draw: corrections and residuals with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from powerlab.analysis.calibration.correction import calibration_budget, corrected_values
from powerlab.analysis.calibration.fitting import point_arrays
from powerlab.analysis.calibration.inputs import InUse, fit_inputs, span_of
from powerlab.analysis.uncertainty import (
    COVERAGE,
    component,
    expanded_uncertainty,
    joined,
    standard_uncertainty,
    student_t,
)
from powerlab.records import FloatArray, freeze_arrays
from powerlab.records.calibration import Direction
from powerlab.records.correction import Correction
from powerlab.report.certificate.elements import CurveChart, Marks
from powerlab.report.certificate.subject import QUANTITY_UNITS, Subject, use_at_once
from powerlab.report.elements import Chart
from powerlab.store.certified import AsFound
from powerlab.units import prefixed

GRID = 25
"""Readings along a span at which a curve and its band are drawn."""

LIMIT_SHOWN = 4.0
"""Times the rest of a chart up to which the specified limit is drawn: beyond, it hides it."""


@dataclass(frozen=True, slots=True)
class AtWork:
    """A correction at some readings, float64 ``(n,)`` each: corrected values, U and its k."""

    reading: FloatArray
    value: FloatArray
    expanded: FloatArray
    k: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class RangeResults:
    """One calibrated range, evaluated once for all its tables and charts.

    ``work`` is the correction along the span, ``fitted`` U there of the fit alone; ``residual``
    is reference less corrected reading at each point, at the point's own temperature.
    """

    correction: Correction
    found: AsFound
    work: AtWork
    fitted: FloatArray
    residual: FloatArray

    def __post_init__(self) -> None:
        freeze_arrays(self)


def range_results(subject: Subject, correction: Correction, found: AsFound) -> RangeResults:
    """Evaluate one range along its span and at its points."""
    span = span_of(correction, found.full_scale)
    low, high = (span.low, span.high) if span else (0.0, found.full_scale)
    work = at_work(subject, correction, found, np.linspace(low, high, GRID))
    inputs = list(fit_inputs(InUse(correction, use_at_once(subject, found))))
    errors = np.stack([item.error(work.reading) for item in inputs], axis=1)
    shapes = [(item.distribution, item.dof) for item in inputs]
    fitted = [
        expanded_uncertainty(
            [
                component("fit", "A", float(u), distribution, dof=dof)
                for u, (distribution, dof) in zip(row, shapes, strict=True)
            ]
        )
        for row in errors
    ]
    arrays, chosen = point_arrays(found.points), correction.chosen
    curve = arrays.curve(chosen.form).value(arrays.reading, chosen.parameters)
    return RangeResults(correction, found, work, np.array(fitted), arrays.reference - curve)


def at_work(
    subject: Subject, correction: Correction, found: AsFound, reading: FloatArray
) -> AtWork:
    """Get a range's corrected readings with U at 95 %, on the day of the calibration."""
    use = use_at_once(subject, found)
    budgets = [joined(calibration_budget(correction, float(at), use)) for at in reading]
    u = np.array([standard_uncertainty(lines) for lines in budgets])
    expanded = np.array([expanded_uncertainty(lines) for lines in budgets])
    k = np.divide(expanded, u, out=np.full_like(u, np.nan), where=u > 0)
    return AtWork(reading, corrected_values(correction, reading, use), expanded, k)


def curve_chart(subject: Subject, results: RangeResults, name: str) -> CurveChart:
    """Get the correction over the readings, with its band and what the points ask for."""
    work = results.work
    plot = _Plot("curve", work.value - work.reading, work.expanded, -results.found.error)
    return _chart(subject, results, name, plot)


def residual_chart(subject: Subject, results: RangeResults, name: str) -> CurveChart:
    """Get what the correction leaves of the points, with the band of the fit alone."""
    flat = np.zeros_like(results.fitted)
    return _chart(subject, results, name, _Plot("residual", flat, results.fitted, results.residual))


@dataclass(frozen=True, slots=True)
class _Plot:
    """What one of the two charts shows: a line with its band, and the points."""

    kind: str
    line: FloatArray
    band: FloatArray
    points: FloatArray


def _chart(subject: Subject, results: RangeResults, name: str, plot: _Plot) -> CurveChart:
    texts, found = subject.texts, results.found
    unit = QUANTITY_UNITS[found.quantity]
    across, across_unit = prefixed(found.full_scale, unit)
    reach = float(np.max(np.abs(np.concatenate((plot.line, plot.points, plot.band)))))
    upwards, upwards_unit = prefixed(reach, unit)
    reading = results.work.reading
    limit = np.full_like(reading, np.nan)
    if plot.kind == "curve":
        limit = _limit(subject, found, reading, reach)
    told = {
        key: texts.say(
            f"certificate_chart.{plot.kind}_{key}",
            points=len(found.points),
            range=subject.range_name(found.quantity, found.full_scale),
        )
        for key in ("alt", "caption", "line", "band")
    }
    return CurveChart(
        chart=Chart(name, told["alt"], told["caption"]),
        x=reading * across,
        y=plot.line * upwards,
        band=plot.band * upwards,
        limit=limit * upwards,
        marks=tuple(_marks(subject, found, plot.points * upwards, (across, upwards))),
        x_label=texts.say("certificate_chart.reading_axis", unit=across_unit),
        y_label=texts.say(f"certificate_chart.{plot.kind}_axis", unit=upwards_unit),
        legend={
            "line": told["line"],
            "band": told["band"],
            "limit": texts.say("certificate_chart.limit"),
        },
    )


def _limit(subject: Subject, found: AsFound, reading: FloatArray, reach: float) -> FloatArray:
    """Get the specified limit at readings, NaN where it would dwarf what the chart shows."""
    limit = subject.limit(found.quantity, found.full_scale)
    if limit is None:
        return np.full_like(reading, np.nan)
    most = limit.gain_limit * np.abs(reading) + limit.offset_limit
    shown = float(np.max(most)) <= LIMIT_SHOWN * reach
    result: FloatArray = most if shown else np.full_like(reading, np.nan)
    return result


def _marks(
    subject: Subject, found: AsFound, points: FloatArray, scale: tuple[float, float]
) -> list[Marks]:
    """Get the points by the side from which they were approached, with U of their own scatter.

    ``points`` are in the unit of the chart already, ``scale`` turns readings and U into it.
    """
    reading = np.array([point.reading for point in found.points])
    own = np.array([np.hypot(point.u_reading, point.u_reference) for point in found.points])
    half = student_t(COVERAGE, None) * own
    marks = []
    for direction in Direction:
        on = np.array([point.direction is direction for point in found.points])
        if on.any():
            marks.append(
                Marks(
                    label=subject.texts.say(f"certificate_chart.{direction}"),
                    rising=direction is Direction.UP,
                    x=reading[on] * scale[0],
                    y=points[on],
                    half_width=half[on] * scale[1],
                )
            )
    return marks
