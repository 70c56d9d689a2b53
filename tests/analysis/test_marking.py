"""Markers in a capture: found, compared with each other and with the clocks."""

import dataclasses

import numpy as np

from powerlab.analysis.align import align
from powerlab.analysis.codes import plan_marker
from powerlab.records import Phase
from tests.analysis.factories import BOARD_OFFSET_NS, SECOND, capture

PLAN = plan_marker(0.02, 0.02, budget_s=4.0)


def marked(*delays_s, noise=0.001):
    """Get a capture with a marker per delay in its runs' place, shown late by that much."""
    recorded = capture(runs=len(delays_s), run_s=PLAN.duration_s + 1)
    rng = np.random.default_rng(1)
    amperes = 0.2 + rng.normal(0, noise, len(recorded.trace.values))
    stop_s = recorded.trace.device_ns / SECOND
    phases = []
    for phase, delay_s in zip(
        [p for p in recorded.phases if p.kind == "run"], delays_s, strict=True
    ):
        start_s = (phase.start_board_ns - BOARD_OFFSET_NS) / SECOND
        levels = np.array([0, *PLAN.levels, 0])
        edges_s = start_s + np.flatnonzero(np.diff(levels)) * PLAN.chip_s
        for busy, idle in edges_s.reshape(-1, 2) + delay_s:
            overlap = np.minimum(stop_s, idle) - np.maximum(stop_s - 0.02, busy)
            amperes += 0.6 * np.clip(overlap, 0, None) / 0.02
        drawn = np.rint(edges_s * SECOND).astype(np.int64) + BOARD_OFFSET_NS
        phases.append(Phase("marker", phase.index, int(drawn[0]), int(drawn[-1]), 0, drawn))
    others = [phase for phase in recorded.phases if phase.kind != "run"]
    trace = dataclasses.replace(recorded.trace, values=amperes[:, None])
    return dataclasses.replace(recorded, trace=trace, phases=(*others, *phases))


def codes(aligned):
    """Get the finding codes."""
    return {finding.code for finding in aligned.findings}


def test_markers_where_the_clocks_put_them_raise_nothing():
    """A trace without delay is found where the sample clock allows, and is believed."""
    aligned = align(marked(0.0, 0.0))
    assert [marker.believed for marker in aligned.markers] == [True, True]
    assert max(abs(marker.delay_ns) for marker in aligned.markers) < 3 * aligned.clock.u_ns
    assert max(marker.u_delay_ns for marker in aligned.markers) < 50_000
    assert codes(aligned) == set()


def test_a_meter_later_than_its_profile_says_is_found():
    """Both markers 80 ms late: the profile's latency is wrong."""
    aligned = align(marked(0.08, 0.08))
    assert codes(aligned) == {"marker-off"}


def test_two_markers_that_disagree_block():
    """A delay that changes during the measurement is no latency."""
    assert "markers-disagree" in codes(align(marked(0.0, 0.05)))


def test_a_trace_without_the_marker_is_not_believed():
    """Noise as large as the step hides the pattern, and that is said."""
    aligned = align(marked(0.0, 0.0, noise=3.0))
    assert not any(marker.believed for marker in aligned.markers)
    assert "marker-not-believed" in codes(aligned)
