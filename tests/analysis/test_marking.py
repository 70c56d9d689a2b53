"""Markers in a capture: found, compared with each other and with the clocks."""

import dataclasses

import numpy as np

from powerlab.analysis.align import align
from powerlab.analysis.clocks import fit_board_clock
from powerlab.analysis.codes import plan_marker
from powerlab.analysis.marking import read_markers
from powerlab.records import LineReading, Phase
from tests.analysis.factories import BOARD_OFFSET_NS, SECOND, accuracy, capture, setup

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


LINE = LineReading(delay_ns=80e6, u_delay_ns=10_000.0, edges=20, believed=True, reason="")


def against(recorded, line):
    """Get the findings of the markers beside a trigger line, by code."""
    samples = align(recorded).clock
    found = read_markers(recorded, samples, fit_board_clock(recorded.exchanges), line)[1]
    return {finding.code: finding for finding in found}


def test_against_a_line_a_small_delay_is_found() -> None:
    """What the clocks alone would explain is too much beside a line that is good to 10 µs."""
    late = marked(0.002, 0.002)
    assert against(late, None) == {}
    found = against(late, LINE)
    assert "trigger line" in found["marker-off"].message
    assert "supply lags" in found["marker-off"].hint


def test_a_line_that_is_not_believed_is_no_yardstick() -> None:
    """Then the clocks' own uncertainty bounds the markers' delay, as without a line."""
    doubted = dataclasses.replace(LINE, believed=False, reason="it changed too often")
    assert against(marked(0.002, 0.002), doubted) == {}


def test_markers_are_read_beside_a_line() -> None:
    """The line's column is last and is not the trace in which a marker is looked for."""
    plain = marked(0.0, 0.0)
    trace = plain.trace
    lined = dataclasses.replace(
        trace,
        values=np.column_stack((trace.values, np.zeros(len(trace.values)))),
        setup=setup(
            channels=("current", "line"),
            accuracy=(accuracy("current"), accuracy("line", gain_limit=0.0)),
        ),
    )
    samples, board = align(plain).clock, fit_board_clock(plain.exchanges)
    beside, _ = read_markers(dataclasses.replace(plain, trace=lined), samples, board)
    assert [marker.believed for marker in beside] == [True, True]
