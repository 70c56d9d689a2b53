"""What only an MLPerf session can be wrong in: scenario, zone, PTDaemon's own doubts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from powerlab.evidence.mlperf_detail import DetailLog
from powerlab.evidence.mlperf_session import DaemonLog
from powerlab.evidence.mlperf_spl import SplLog
from powerlab.findings import Finding, Severity
from powerlab.units import NS_PER_S

LEAST_LOAD = 0.1
"""Of the range: below it the limit of range outweighs that of reading five times and more."""

LEAST_STEP_S = 1700.0
"""Clocks are put forward or back by half an hour at the least."""


def session_findings(
    detail: DetailLog,
    logs: Sequence[SplLog],
    daemons: Sequence[DaemonLog],
    *,
    submitted: str,
    shift_s: int,
    notes: Sequence[str],
) -> Iterator[Finding]:
    """Yield what the session's files say against the run."""
    yield from _result(detail, submitted)
    yield from _zone(logs, shift_s)
    yield from _daemon(daemons)
    yield from _lengths(logs)
    yield from _loads(detail, logs, daemons)
    for note in notes:
        yield Finding(
            "session-record-damaged", Severity.WARNING, note, "get the session's records anew"
        )


def _result(detail: DetailLog, submitted: str) -> Iterator[Finding]:
    if detail.values.get("result_validity", "VALID") != "VALID" or detail.errors:
        why = "; ".join(detail.errors[:2]) or "it does not say why"
        yield Finding(
            "loadgen-invalid",
            Severity.BLOCKING,
            f"LoadGen calls the run {detail.values.get('result_validity', 'erroneous')}: {why}",
            "a run that LoadGen rejects has no figure to publish",
            {"verdict": str(detail.values.get("result_validity", "erroneous")), "why": why},
        )
    if submitted and detail.scenario and submitted != detail.scenario:
        yield Finding(
            "scenario-mismatch",
            Severity.WARNING,
            f"submitted as {submitted}, run as {detail.scenario}: the figure is inferred",
            "a MultiStream figure that is inferred is 8 times that of SingleStream; it was not "
            "measured",
            {"submitted": submitted, "run": detail.scenario},
        )
    if not detail.queries:
        yield Finding(
            "queries-missing",
            Severity.BLOCKING,
            "the detail log does not say how many queries were answered",
            "without a count there is no energy per inference",
        )


def _zone(logs: Sequence[SplLog], shift_s: int) -> Iterator[Finding]:
    if shift_s:
        yield Finding(
            "zone-differs",
            Severity.WARNING,
            f"the clocks of LoadGen and PTDaemon are {shift_s / 3600:g} h apart by their zones",
            "powerlab joins them by the session's epoch stamps; the published rule compares texts",
            {"shift_s": shift_s, "shift_h": shift_s / 3600},
        )
    for log in logs:
        steps_s = np.diff(log.stamp_ns) / NS_PER_S
        jumps = steps_s[np.abs(steps_s) > LEAST_STEP_S]
        if len(jumps):
            yield Finding(
                "clock-put-forward" if jumps[0] > 0 else "clock-put-back",
                Severity.BLOCKING,
                f"{log.path.name}: the clock jumps by {jumps[0] / 3600:+.2f} h between two samples",
                "the log is in local time over a change to or from summer time; use UTC",
                {"log": log.path.name, "jump_s": float(jumps[0]), "jump_h": float(jumps[0]) / 3600},
            )


def _daemon(daemons: Sequence[DaemonLog]) -> Iterator[Finding]:
    for log in daemons:
        if log.unknown:
            yield Finding(
                "uncertainty-unknown",
                Severity.WARNING,
                f"PTDaemon could not evaluate the uncertainty of {log.unknown} samples of the run",
                "fixed ranges that hold the load let it; the rules allow this while ranging only",
                {"samples": log.unknown},
            )
        if log.above:
            yield Finding(
                "uncertainty-over-limit",
                Severity.WARNING,
                f"PTDaemon calls {log.above} samples of the run worse than 1 % (worst "
                f"{log.worst_percent:g} %)",
                "choose a smaller range: the limit of range weighs most at low power",
                {"samples": log.above, "worst_percent": log.worst_percent},
            )


def _loads(
    detail: DetailLog, logs: Sequence[SplLog], daemons: Sequence[DaemonLog]
) -> Iterator[Finding]:
    """Say which analyser was far below its range, where logs and PTDaemons pair off."""
    each = [part for log in logs for part in log.parts or (log,)]
    if len(each) != len(daemons):
        return
    means = []
    for log in each:
        inside = (log.stamp_ns > detail.begin_ns) & (log.stamp_ns < detail.end_ns)
        watts = log.watts[inside & (log.watts > 0)]
        means.append(float(watts.mean()) if len(watts) else 0.0)
    for log, daemon, mean_w in zip(each, daemons, means, strict=True):
        range_w = daemon.volt_range * daemon.amp_range
        load = mean_w / range_w if range_w else 1.0
        if 0 < load < LEAST_LOAD:
            yield Finding(
                "load-factor",
                Severity.INFO,
                f"{log.name}: {mean_w / sum(means):.1%} of the power, and {load:.1%} of the range "
                f"of its analyser ({daemon.volt_range:g} V x {daemon.amp_range:g} A)",
                "the limit of range weighs most at so little load",
                {"trace": log.name, "share": mean_w / sum(means), "load": load},
            )


def _lengths(logs: Sequence[SplLog]) -> Iterator[Finding]:
    counts = [len(log.stamp_ns) for log in logs]
    if len(set(counts)) > 1:
        yield Finding(
            "analysers-unequal",
            Severity.INFO,
            f"the {len(logs)} logs of samples hold {', '.join(map(str, counts))} lines",
            "they are joined by time here; adding them line by line shifts one against the other",
            {"logs": len(logs), "lines": ", ".join(map(str, counts))},
        )
    for log in logs:
        if not log.parts:
            continue
        apart = max(
            float(np.abs(part.stamp_ns - log.parts[0].stamp_ns).max()) / NS_PER_S
            if len(part.stamp_ns) == len(log.parts[0].stamp_ns)
            else 0.0
            for part in log.parts
        )
        yield Finding(
            "analysers-joined-by-line",
            Severity.INFO,
            f"the log adds samples of {len(log.parts)} analysers whose stamps are up to "
            f"{apart:.3f} s apart",
            "each is integrated on its own stamps here",
            {"analysers": len(log.parts), "apart_s": apart},
        )
