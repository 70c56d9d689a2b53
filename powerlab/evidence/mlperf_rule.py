"""The published rule of MLPerf Inference power, and the ways in which figures depart from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from powerlab.evidence.contract import Claim
from powerlab.evidence.mlperf_detail import DetailLog
from powerlab.evidence.mlperf_published import Row
from powerlab.evidence.mlperf_session import DaemonLog, Session
from powerlab.evidence.mlperf_spl import SplLog
from powerlab.records import FloatArray

SAMPLES_PER_QUERY = 8
"""Of a query of MultiStream (inference_rules.adoc)."""

AVERAGE = ("offline", "server", "interactive")
"""Scenarios that publish mean power."""


@dataclass(frozen=True, slots=True)
class Run:
    """All that is read of one run; ``spl`` is the file of the published rule."""

    place: Path
    detail: DetailLog
    logs: tuple[SplLog, ...]
    session: Session
    daemons: tuple[DaemonLog, ...]
    ranging: tuple[DetailLog, tuple[SplLog, ...]] | None

    @property
    def spl(self) -> SplLog:
        """Get the log that the published rule reads."""
        return self.logs[0]

    @property
    def duration_s(self) -> float:
        """Get the length of the window."""
        # the checker divides whole microseconds, which is the same number
        return (self.detail.end_ns - self.detail.begin_ns) / 1000 / 1e6


def inside(log: SplLog, detail: DetailLog) -> FloatArray:
    """Get the samples strictly inside the window, sentinels and all."""
    chosen = (log.stamp_ns > detail.begin_ns) & (log.stamp_ns < detail.end_ns)
    return np.asarray(log.watts[chosen])


def checker_mean(watts: FloatArray) -> float:
    """Get the mean of what is above 0 W, added up in the order of the log; NaN without any."""
    kept = [value for value in watts.tolist() if value > 0]
    return sum(kept) / len(kept) if kept else math.nan


def plain_mean(watts: FloatArray) -> float:
    """Get the mean with sentinels in it, as rounds up to v2.0 had it."""
    values = watts.tolist()
    return sum(values) / len(values) if values else math.nan


def _figure(mean_w: float, run: Run, scenario: str) -> tuple[str, str, float, str]:
    """Get quantity, unit, value and rule of a scenario's figure from the mean power."""
    mean = "mean of samples with begin < t < end and W > 0"
    if scenario in AVERAGE:
        return "average power", "W", mean_w, mean
    queries = run.detail.queries
    value = mean_w * run.duration_s * 1000 / queries if queries else math.nan
    rule = f"{mean}, x duration x 1000 / queries"
    if scenario == "multistream" and run.detail.scenario == "singlestream":
        value = mean_w * run.duration_s * SAMPLES_PER_QUERY * 1000 / queries if queries else value
        rule += f" x {SAMPLES_PER_QUERY} (inferred from SingleStream)"
    return "energy per query", "mJ", value, rule


def _means(run: Run) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield ways to a mean power, the rule's own first; the others explain a disagreement."""
    logs = run.logs
    if len(logs) > 1 and not is_sum(run):
        yield (
            "means of all analysers added",
            lambda: sum(checker_mean(inside(log, run.detail)) for log in logs),
        )
        yield "all analysers added line by line", lambda: checker_mean(_by_line(run))
    note = f"{run.spl.path.name} alone" if len(logs) > 1 else ""
    yield note, lambda: checker_mean(inside(run.spl, run.detail))
    yield "sentinels averaged in", lambda: plain_mean(inside(run.spl, run.detail))


def mean_power(run: Run) -> float:
    """Get the mean power by the rule: of the first file, or of all where none is the sum."""
    _, mean = next(_means(run))
    return mean()


def is_sum(run: Run) -> bool:
    """Tell whether the first of several files is the sum of the others, to 2 %."""
    total, *parts = (checker_mean(inside(log, run.detail)) for log in run.logs)
    return bool(abs(total - sum(parts)) < 0.02 * abs(total))


def _by_line(run: Run) -> FloatArray:
    parts = [inside(log, run.detail) for log in run.logs]
    shortest = min(map(len, parts))
    return np.asarray(sum(part[:shortest] for part in parts))


def claims_of(run: Run, rows: tuple[Row, ...], submitted: str) -> list[Claim]:
    """Get the figures of a run: that of the scenario it was submitted as, then what rests on it."""
    own = submitted or run.detail.scenario
    wanted = [row for row in rows if not row.inferred or run.detail.scenario == "singlestream"]
    wanted.sort(key=lambda row: row.scenario != own)
    claims = [_claim(run, row.scenario, row) for row in wanted]
    if not any(row.scenario == own for row in wanted):
        claims.insert(0, _claim(run, own, None))
    return claims


def _claim(run: Run, scenario: str, row: Row | None) -> Claim:
    claim = None
    for note, mean in _means(run):
        quantity, unit, value, rule = _figure(mean(), run, scenario)
        published = None
        if row is not None:
            published = row.value * 1000 if (row.unit, unit) == ("J", "mJ") else row.value
            if row.unit == "W" and unit == "mJ":  # round v1.0 published watts of every scenario
                quantity, unit, value = "average power", "W", mean()
        found = Claim(
            quantity=f"{quantity}, {scenario}",
            unit=unit,
            value=value,
            rule=f"{rule}; {note}" if note else rule,
            published=published,
            source=row.source if row else "",
        )
        if published is None or found.agrees:
            return found
        claim = claim or found
    if claim is None:  # there is always the rule's own mean
        raise AssertionError
    return claim
