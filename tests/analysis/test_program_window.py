"""A window that was found by a program's own lines: what it may be off is in the budget."""

from __future__ import annotations

import dataclasses
import math

import pytest

from powerlab.analysis.align import align
from powerlab.analysis.estimate import estimate
from tests.analysis.factories import capture


def test_the_edges_of_a_program_cost_energy_by_the_rise_of_its_load():
    """10 ms of 6 W more than idle, rectangular, over the inferences of a run; gross and net.

    What the runs tell themselves, 4 ms in the mean, goes before what was seen at loading.
    """
    recorded = capture(idle_w=2.0, active_w=8.0)
    told = {**recorded.target.environment, "edges_within_s": "0.010"}
    off = dataclasses.replace(
        recorded, target=dataclasses.replace(recorded.target, environment=told)
    )
    done = estimate(off, align(off))
    inferences = done.energies.runs[0].inferences
    for name in ("energy_per_inference", "energy_per_inference_net"):
        (line,) = [each for each in done.quantities[name].budget if each.name == "program's window"]
        assert line.u == pytest.approx(0.010 * 6.0 / inferences / math.sqrt(3), rel=0.02)
    within_s = iter((0.002, 0.003, 0.004, 0.005, 0.006))
    phases = tuple(
        dataclasses.replace(phase, edges_within_s=next(within_s)) if phase.kind == "run" else phase
        for phase in off.phases
    )
    warm = dataclasses.replace(off, phases=phases)
    budget = estimate(warm, align(warm)).quantities["energy_per_inference"].budget
    (line,) = [each for each in budget if each.name == "program's window"]
    assert line.u == pytest.approx(0.004 * 6.0 / inferences / math.sqrt(3), rel=0.02)
    plain = estimate(recorded, align(recorded)).quantities["energy_per_inference"]
    assert "program's window" not in [line.name for line in plain.budget]
