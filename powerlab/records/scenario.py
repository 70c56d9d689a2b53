"""How queries came, and what the rule of that scenario makes of their latencies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """How queries come: "single-stream", "multi-stream", "offline" or "server".

    ``target_per_s`` is the rate at which a server's come, 0 for the others. ``timed`` is
    "forward" or "end-to-end". A query is one pass, whatever its batch.
    """

    name: str
    target_per_s: float = 0.0
    timed: str = "forward"


@dataclass(frozen=True, slots=True)
class ScenarioFigures:
    """The figures that MLPerf's rule of a scenario reports, over all runs together.

    ``percent`` is the percentile of the latency that counts, ``latency_s`` its plain value and
    ``bound_s`` the early-stopping one, after ``discarded`` highest (None where the queries are
    too few); all None for "offline", which has a throughput alone. ``queries_per_s`` is the
    rate that was reached. ``shortest_run_s`` and ``queries`` are what ``rule_met`` goes by.
    """

    scenario: Scenario
    percent: float | None
    latency_s: float | None
    bound_s: float | None
    discarded: int
    queries: int
    queries_per_s: float
    shortest_run_s: float
    rule_met: bool
