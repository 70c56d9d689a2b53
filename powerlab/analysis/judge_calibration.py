"""What a measurement says of the calibrations that it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from powerlab.analysis.calibration.inputs import span_of
from powerlab.analysis.estimate import Estimate
from powerlab.findings import Finding, Severity
from powerlab.records import Capture
from powerlab.records.correction import ChannelCalibration

BEYOND = 0.02
"""Part of the span by which a level may leave it, for noise at its ends."""


def calibration_findings(capture: Capture, done: Estimate) -> Iterable[Finding]:
    """Yield what was found of each channel's calibration at set-up and in its readings.

    A finding on the whole meter, which every channel repeats, is told once.
    """
    told = set()
    for item in capture.calibrations:
        for finding in (*item.findings, *_span(item, done)):
            named = _of_channel(finding, item.channel)
            if named.message not in told:
                told.add(named.message)
                yield named


def _span(item: ChannelCalibration, done: Estimate) -> Iterable[Finding]:
    """Check the levels that the energy comes from: idle and active."""
    span = span_of(item.correction, item.use.limit.full_scale) if item.correction else None
    if span is None:
        return
    levels, margin = done.model.levels[item.channel], BEYOND * (span.high - span.low)
    for name, level in (("idle", levels.idle), ("under load", levels.active)):
        if level < span.low - margin or level > span.high + margin:
            yield Finding(
                code="calibration-extrapolated",
                severity=Severity.WARNING,
                message=f"{name}, {item.channel} reads {level:.4g}, outside of the calibrated "
                f"{span.low:.4g} to {span.high:.4g}",
                hint="calibrate at the levels that are measured; outside, the uncertainty grows",
                evidence={"level": level, "low": span.low, "high": span.high},
            )


def _of_channel(finding: Finding, channel: str) -> Finding:
    if finding.code != "calibration-range":
        return finding
    return replace(finding, message=f"{channel}: {finding.message}")
