"""The distribution of latency over all passes of a measurement: nothing left out.

Percentiles over runs end up in quantities, whose scatter is that between runs. Here all
passes count as one set: percentiles with the order statistics around them, MLPerf's bound,
and the passes that took much longer than the rest, which are counted and never dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from powerlab.analysis.percentiles import early_stopping, percentile_interval
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray, Latency, Percentile, Window

PERCENTS = (50.0, 90.0, 99.0)

OUTLIER = 10.0
"""Robust standard deviations above the median from which a pass is an outlier."""

MAD_TO_SD = 1.4826
MEAN_DEVIATION_TO_SD = math.sqrt(math.pi / 2)
"""A normal distribution's standard deviation over its median and mean absolute deviations."""

NOTABLE = 0.01
"""Share of the time in outliers above which they are a finding."""


def latency(runs: Sequence[Window]) -> Latency | None:
    """Get the distribution of latency over all passes of all runs, None without a pass.

    An outlier took longer than the median plus ten robust standard deviations (1.4826 times
    the median absolute deviation; where more than half of the passes are equal, 1.2533 times
    the mean absolute one).
    """
    passes = np.concatenate([run.latency_s for run in runs]) if runs else np.empty(0)
    if not len(passes):
        return None
    limit_s = _outlier_limit_s(passes)
    return Latency(
        passes=len(passes),
        percentiles=tuple(_percentile(passes, percent) for percent in PERCENTS),
        outliers=int(np.count_nonzero(passes > limit_s)),
        outlier_limit_s=limit_s,
        longest_s=float(passes.max()),
    )


def _percentile(passes: FloatArray, percent: float) -> Percentile:
    found = percentile_interval(passes, percent / 100)
    bound = early_stopping(passes, percent / 100)
    return Percentile(
        percent=percent,
        value=found.value,
        low=found.low,
        high=found.high,
        bound=None if bound is None else bound.value,
        discarded=0 if bound is None else bound.discarded,
    )


def _outlier_limit_s(passes: FloatArray) -> float:
    middle = float(np.median(passes))
    away = np.abs(passes - middle)
    sd = MAD_TO_SD * float(np.median(away)) or MEAN_DEVIATION_TO_SD * float(away.mean())
    return middle + OUTLIER * sd


def latency_findings(runs: Sequence[Window], found: Latency) -> Iterable[Finding]:
    """Yield what outliers do to the mean, where they take a notable share of the time."""
    passes = np.concatenate([run.latency_s for run in runs])
    share = float(passes[passes > found.outlier_limit_s].sum()) / float(passes.sum())
    if share > NOTABLE:
        one = found.outliers == 1
        yield Finding(
            code="latency-outliers",
            severity=Severity.INFO,
            message=f"{found.outliers} of {found.passes} passes took longer than "
            f"{found.outlier_limit_s * 1e3:.4g} ms and {'takes' if one else 'take'} {share:.1%} "
            f"of the time; the longest took {found.longest_s * 1e3:.4g} ms",
            hint="they are counted in every figure; keep other programs off the board, or fix "
            "its clock rate, if they do not belong to the work",
            evidence={
                "outliers": found.outliers,
                "limit_s": found.outlier_limit_s,
                "longest_s": found.longest_s,
                "share": share,
            },
        )
