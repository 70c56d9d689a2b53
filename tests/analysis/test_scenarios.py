"""What MLPerf's rules make of queries: percentiles, least numbers, least durations."""

from __future__ import annotations

import numpy as np
import pytest

from powerlab.analysis.scenarios import QueryRun, scenario_figures, scenario_findings
from powerlab.records.scenario import Scenario


def run(count, length_s=600.0, latency_s=0.01, batch=1):
    """Get a run whose latencies rise to their largest in equal steps."""
    return QueryRun(latency_s * np.arange(1, count + 1) / count, count * batch, length_s)


@pytest.mark.parametrize(
    ("name", "percent", "least"),
    [("single-stream", 90.0, 64), ("multi-stream", 99.0, 662), ("server", 99.0, 662)],
)
def test_each_scenario_has_its_percentile_and_its_least_number(name, percent, least):
    """At the least number one is allowed and none discarded; one less has no bound."""
    scenario = Scenario(name, target_per_s=1.0 if name == "server" else 0.0)
    enough = scenario_figures(scenario, [run(least)])
    assert (enough.percent, enough.rule_met, enough.discarded) == (percent, True, 0)
    assert enough.bound_s == pytest.approx(0.01)
    assert enough.latency_s == pytest.approx(0.01 * percent / 100, rel=0.02)
    short = scenario_figures(scenario, [run(least - 1)])
    assert (short.rule_met, short.bound_s) == (False, None)


def test_the_published_estimate(shared):
    """The count that is discarded of 893,578 queries is the one that was published."""
    import json  # noqa: PLC0415

    case = json.loads(shared("references/mlperf_early_stopping.json").read_text())["case"]
    figures = scenario_figures(Scenario("single-stream"), [run(case["q"])])
    assert figures.discarded == case["discard"]


def test_offline_has_a_throughput_and_no_latency():
    """Its least is counted in inputs of the shortest run."""
    figures = scenario_figures(Scenario("offline"), [run(384, batch=64), run(400, batch=64)])
    assert (figures.percent, figures.latency_s, figures.bound_s) == (None, None, None)
    assert figures.rule_met
    assert figures.queries_per_s == pytest.approx(784 / 1200)
    assert not scenario_figures(Scenario("offline"), [run(383, batch=64)]).rule_met


def test_a_run_that_is_too_short_is_told():
    """The shortest of all runs decides."""
    figures = scenario_figures(Scenario("single-stream"), [run(999), run(999, length_s=2.0)])
    (found,) = scenario_findings(figures)
    assert found.code == "scenario-short"
    assert list(scenario_findings(scenario_figures(Scenario("single-stream"), [run(999)]))) == []


@pytest.mark.parametrize(("rate", "codes"), [(1.8, []), (1.84, ["server-overload"])])
def test_a_server_that_does_not_keep_up_is_told(rate, codes):
    """Below what 990 random queries scatter: three times their root, 9.5 %."""
    figures = scenario_figures(Scenario("server", target_per_s=rate), [run(990)])
    assert [found.code for found in scenario_findings(figures)] == codes


def test_a_scenario_needs_a_run():
    """There is nothing to say of none."""
    with pytest.raises(ValueError, match="needs a run"):
        scenario_figures(Scenario("offline"), [])
