"""Between calibrations: one known load, its normalised error, and a chart over months."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.uncertainty import student_t
from powerlab.findings import Finding, Severity
from powerlab.records.calibration import ControlPoint

BASELINE = 8
"""Points that fix the limits of a chart; fewer do not know the scatter well enough."""

WITHIN = 0.9973
"""Probability of a point within the limits while nothing has changed: Shewhart's 3 sigma."""

RUN = 8
"""Points in a row on one side of the centre that are no chance (Western Electric)."""


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """Centre and limits of a chart of errors, from its first ``count`` points."""

    centre: float
    low: float
    high: float
    count: int


def normalised_error(point: ControlPoint) -> float:
    """Get ``E_n = (x - ref) / sqrt(U1² + U2²)``; within -1 and 1 the two agree (ISO 13528)."""
    expanded = math.hypot(point.expanded, point.expanded_reference)
    return (point.value - point.reference) / expanded


def control_limits(points: Sequence[ControlPoint], baseline: int = BASELINE) -> ControlLimits:
    """Get the limits of a chart from its first points, in the order given.

    ``mean ± t s sqrt(1 + 1/k)`` with Student's t of k - 1 degrees of freedom: a new point leaves
    them as seldom as it leaves 3 sigma where k is large. Raises ValueError for fewer than
    ``baseline`` points.
    """
    if len(points) < baseline or baseline < 2:
        raise ValueError(f"a control chart takes {max(baseline, 2)} points for its limits")
    errors = np.array([point.value - point.reference for point in points[:baseline]])
    centre, sd = float(errors.mean()), float(errors.std(ddof=1))
    width = student_t(WITHIN, baseline - 1) * sd * math.sqrt(1 + 1 / baseline)
    return ControlLimits(centre, centre - width, centre + width, baseline)


def check_control(points: Sequence[ControlPoint], baseline: int = BASELINE) -> tuple[Finding, ...]:
    """Judge the newest of the points of one known load, in the order of their dates.

    ``E_n``; beyond a limit (Western Electric rule 1); eight in a row on one side. The latter
    two only once the chart has its limits.
    """
    if not points:
        return ()
    return (*_agreement(points[-1]), *_chart(points, baseline))


def _agreement(point: ControlPoint) -> Iterable[Finding]:
    error = normalised_error(point)
    if abs(error) > 1:
        yield Finding(
            code="check-failed",
            severity=Severity.BLOCKING,
            message=f"the known load reads {point.value:.6g}, it is {point.reference:.6g}: "
            f"E_n = {error:+.2f}",
            hint="check the wiring and the known load; if both are right, calibrate again",
            evidence={"e_n": error},
        )


def _chart(points: Sequence[ControlPoint], baseline: int) -> Iterable[Finding]:
    if len(points) <= baseline:
        return
    limits = control_limits(points, baseline)
    last = points[-1].value - points[-1].reference
    evidence = {"error": last, "low": limits.low, "high": limits.high, "centre": limits.centre}
    if not limits.low <= last <= limits.high:
        yield Finding(
            code="control-limit",
            severity=Severity.WARNING,
            message=f"the check of {points[-1].performed} lies outside of its control limits",
            hint="repeat the check; if it stays outside, calibrate again before measuring",
            evidence=evidence,
        )
    newest = [point.value - point.reference - limits.centre for point in points[baseline:]][-RUN:]
    if len(newest) == RUN and (min(newest) > 0 or max(newest) < 0):
        yield Finding(
            code="control-run",
            severity=Severity.WARNING,
            message=f"the last {RUN} checks all lie on one side of the centre: the meter has moved",
            hint="calibrate again, and look at the drift that the history shows",
            evidence=evidence,
        )
