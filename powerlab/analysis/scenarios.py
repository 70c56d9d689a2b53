"""What a scenario's rule makes of the latencies of its queries (MLPerf Inference rules).

SingleStream reports the 90th percentile, MultiStream and Server the 99th, each with early
stopping; Offline a throughput. A performance run lasts for 600 s; early stopping needs 64
queries for the 90th percentile and 662 for the 99th, Offline 24,576 samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.percentiles import early_stopping, minimum_queries, nearest_rank
from powerlab.findings import Finding, Severity
from powerlab.records import FloatArray
from powerlab.records.scenario import Scenario, ScenarioFigures

LEAST_RUN_S = 600.0
LEAST_OFFLINE_SAMPLES = 24_576
PERCENTS = {"single-stream": 90.0, "multi-stream": 99.0, "server": 99.0}

KEPT_UP = 0.98
"""Part of a server's rate below which its queries pile up, beyond what random ones scatter."""

SCATTER = 3.0
"""Standard deviations of the number of random queries, which is the root of their number."""


@dataclass(frozen=True, slots=True)
class QueryRun:
    """One run: the latency of each query in seconds ``(n,)``, its inputs, and its length."""

    latency_s: FloatArray
    inputs: int
    length_s: float


def scenario_figures(scenario: Scenario, runs: Sequence[QueryRun]) -> ScenarioFigures:
    """Get the figures of a scenario from its runs; raises ValueError for none."""
    if not runs:
        raise ValueError("a scenario needs a run")
    latency_s = np.concatenate([run.latency_s for run in runs])
    queries, shortest_s = len(latency_s), min(run.length_s for run in runs)
    percent = PERCENTS.get(scenario.name)
    if percent is None:
        enough = min(run.inputs for run in runs) >= LEAST_OFFLINE_SAMPLES
        plain = bound = None
    else:
        enough = queries >= minimum_queries(percent / 100, 1)
        plain = nearest_rank(latency_s, percent / 100)
        bound = early_stopping(latency_s, percent / 100)
    return ScenarioFigures(
        scenario=scenario,
        percent=percent,
        latency_s=plain,
        bound_s=None if bound is None else bound.value,
        discarded=0 if bound is None else bound.discarded,
        queries=queries,
        queries_per_s=queries / math.fsum(run.length_s for run in runs),
        shortest_run_s=shortest_s,
        rule_met=enough and shortest_s >= LEAST_RUN_S,
    )


def scenario_findings(figures: ScenarioFigures) -> Iterable[Finding]:
    """Yield where a scenario's figures are less than its name says."""
    scenario = figures.scenario
    if not figures.rule_met:
        yield Finding(
            code="scenario-short",
            severity=Severity.INFO,
            message=f"{figures.queries} queries in runs of {figures.shortest_run_s:.4g} s and more "
            f"are less than MLPerf's rule for {scenario.name} asks for",
            hint="choose the preset that has its 600 s where the figure is to stand beside "
            "MLPerf's; energy per inference does not depend on it",
            evidence={"queries": figures.queries, "shortest_run_s": figures.shortest_run_s},
        )
    reached = figures.queries_per_s
    least = min(KEPT_UP, 1 - SCATTER / math.sqrt(figures.queries))
    if scenario.target_per_s and reached < least * scenario.target_per_s:
        yield Finding(
            code="server-overload",
            severity=Severity.WARNING,
            message=f"queries came at {scenario.target_per_s:g} a second and were answered at "
            f"{reached:.4g}: they piled up, and their latency says how long the run was",
            hint="lower target_qps to what the board can answer, or measure its throughput offline",
            evidence={"target_per_s": scenario.target_per_s, "reached_per_s": reached},
        )
