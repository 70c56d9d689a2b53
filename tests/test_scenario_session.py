"""Scenarios from the preset to the result, on an emulated bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.cli._summary import summary
from tests.test_session import BRIEF, run


def test_a_server_states_latencies_from_arrival_and_an_interval_that_holds_the_truth():
    """Queries at random instants: rate reached, percentile by the rule, energy at that load."""
    protocol = {**BRIEF, "scenario": "server", "target_qps": 60.0, "run_s": 2.0}
    finished = run(protocol=protocol, seed=7)
    result, runs = finished.result, [one for one in finished.capture.phases if one.kind == "run"]
    assert all(len(one.due_board_ns) == one.passes == 120 for one in runs)
    scenario = result.scenario
    assert (scenario.scenario.name, scenario.percent, scenario.queries) == ("server", 99.0, 360)
    assert not scenario.rule_met
    energy = result.quantities["energy_of_these_runs"]
    assert abs(energy.value - result.truth.energy_of_these_runs_j) <= 3 * energy.u
    assert result.quantities["throughput"].value == pytest.approx(60, rel=0.3)
    assert "dithered" not in {finding.code for finding in result.findings}
    assert "scenario server at 60/s, forward: 360 queries" in summary(result, folder=Path("run"))


@pytest.mark.slow
def test_end_to_end_is_declared_and_takes_longer_than_the_forward_pass():
    """What belongs to a pass stands among the facts."""
    protocol = {**BRIEF, "scenario": "single-stream", "timed": "end-to-end"}
    finished = run(protocol=protocol)
    assert "averaged to 88 x 88" in finished.capture.target.environment["timed"]
    assert finished.result.scenario.scenario.timed == "end-to-end"
