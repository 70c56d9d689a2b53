"""Whether points can be used, and whether the meter was within its specification as found."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from powerlab.analysis.conformity import Limits, Verdict, decide
from powerlab.analysis.uncertainty import COVERAGE, component, expanded_uncertainty
from powerlab.findings import Finding, Severity
from powerlab.records import Accuracy
from powerlab.records.calibration import CalibrationPoint, Settling
from powerlab.records.correction import CommonError

FOLLOWS = 0.9
"""Part of a step in what was asked of the load that the reference must see."""

OVERDONE = 3.0
"""Times its specified limit beyond which a meter does not err but is wired or set wrongly."""


def check_points(
    points: Sequence[CalibrationPoint], limit: Accuracy, common: CommonError
) -> tuple[Finding, ...]:
    """Check the points of one range before they are fitted.

    Points that did not settle, a load that saturates, and what the meter read as found against
    its specified limit (ILAC-G8:09/2019, guard band U at 95 %).
    """
    return (*_unsettled(points), *_saturated(points), *_as_found(points, limit, common))


def _unsettled(points: Sequence[CalibrationPoint]) -> Iterable[Finding]:
    moving = [point.nominal for point in points if point.settling is Settling.UNSETTLED]
    if moving:
        yield Finding(
            code="calibration-unsettled",
            severity=Severity.WARNING,
            message=f"{len(moving)} of {len(points)} points were read before they settled, the "
            f"first at {moving[0]:g}",
            hint="take them again with a longer wait, and look for a load that heats up",
            evidence={"points": len(moving)},
        )


def _saturated(points: Sequence[CalibrationPoint]) -> Iterable[Finding]:
    """Yield a finding at the first step up that the reference did not see.

    With its input off a load draws nothing, with it on its offset too: the first step up from
    zero is no measure of how it follows.
    """
    loaded = (point for point in points if point.nominal)
    rising = sorted(loaded, key=lambda point: point.nominal)
    for low, high in itertools.pairwise(rising):
        asked, seen = high.nominal - low.nominal, high.reference - low.reference
        noise = 3 * math.hypot(low.u_reference, high.u_reference)
        if asked > 0 and seen + noise < FOLLOWS * asked:
            yield Finding(
                code="calibration-load-saturated",
                severity=Severity.BLOCKING,
                message=f"the load was asked for {high.nominal:g}, the reference saw "
                f"{high.reference:g}",
                hint="raise the supply's current limit or voltage, or end the calibration below",
                evidence={"nominal": high.nominal, "reference": high.reference},
            )
            return


def _as_found(
    points: Sequence[CalibrationPoint], limit: Accuracy, common: CommonError
) -> Iterable[Finding]:
    outside = []
    for point in points:
        tolerance = limit.gain_limit * abs(point.reference) + limit.offset_limit
        error = point.reading - point.reference
        expanded = _expanded(point, common)
        if abs(error) > OVERDONE * tolerance + expanded:
            yield _wrong(point, error, tolerance)
            return
        if decide(error, Limits(-tolerance, tolerance), expanded) is not Verdict.PASS:
            outside.append(point.nominal)
    if outside:
        yield Finding(
            code="calibration-out-of-specification",
            severity=Severity.WARNING,
            message=f"as found, {len(outside)} of {len(points)} points were not safely within the "
            f"specified limit, the first at {outside[0]:g}",
            hint="measurements made with this meter before rest on that limit: look at them again",
            evidence={"points": len(outside)},
        )


def _wrong(point: CalibrationPoint, error: float, tolerance: float) -> Finding:
    return Finding(
        code="calibration-implausible",
        severity=Severity.BLOCKING,
        message=f"at {point.nominal:g} the meter errs by {error:.3g}, far beyond its specified "
        f"limit of {tolerance:.2g}",
        hint="check that both instruments read the same quantity, on the range that was named",
        evidence={"nominal": point.nominal, "error": error, "limit": tolerance},
    )


def _expanded(point: CalibrationPoint, common: CommonError) -> float:
    """Get U of the error of one point, the reference's certificate included."""
    gain = common.u_gain * abs(point.reference)
    own = math.hypot(point.u_reading, point.u_reference)
    lines = [
        component("gain", "B", gain, common.distribution),
        component("offset", "B", common.u_offset, common.distribution),
        component("point", "A", own),
    ]
    return expanded_uncertainty(lines, COVERAGE)
