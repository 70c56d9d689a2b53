"""One clock for everything in a capture, and what speaks against it."""

import dataclasses

import numpy as np
import pytest

from powerlab.analysis.align import align
from powerlab.analysis.sample_clock import fit_sample_clock
from powerlab.findings import Severity
from powerlab.records import ClockExchanges
from tests.analysis.factories import BOARD_OFFSET_NS, SECOND, accuracy, capture, setup


def exchanges(at_s, jump_ns=0, jump_s=0.0):
    """Get exchanges of 210 us at some instants, of a board whose clock may jump."""
    t1 = np.rint(np.asarray(at_s) * SECOND).astype(np.int64)
    board = t1 + BOARD_OFFSET_NS + np.where(t1 > jump_s * SECOND, jump_ns, 0)
    return ClockExchanges(t1, board + 100_000, board + 110_000, t1 + 210_000)


def between_runs():
    """Get instants of bursts that lie in the pauses of the default capture."""
    starts = (0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.2, 21.0)
    return np.concatenate([start + np.arange(20) * 0.002 for start in starts])


def codes(aligned):
    """Get the codes of the findings."""
    return {finding.code for finding in aligned.findings}


def test_runs_are_mapped_to_the_host():
    """Windows lie where the runs were, in the order of the phases."""
    aligned = align(capture(exchanges=exchanges(between_runs())))
    runs = [window for window in aligned.windows if window.kind == "run"]
    assert [run.index for run in runs] == [0, 1, 2, 3, 4]
    assert runs[0].start_ns == pytest.approx(3.7 * SECOND, abs=100_000)
    assert runs[0].stop_ns - runs[0].start_ns == pytest.approx(2 * SECOND, abs=10)
    assert aligned.findings == ()


@pytest.mark.parametrize("jump_ns", [-1_000_000, 1_000_000])
def test_a_jump_of_a_millisecond_blocks(jump_ns):
    """A board, or this computer, that slept for a moment within a run makes the rest void."""
    aligned = align(capture(exchanges=exchanges(between_runs(), jump_ns, 10.5)))
    (finding,) = aligned.findings
    assert finding.code == "clock-step"
    assert finding.severity is Severity.BLOCKING
    assert 0.5e6 < finding.evidence["step_ns"] <= 1e6


def test_exchanges_inside_a_run_are_told():
    """An imported capture whose clocks were exchanged during a run carries a warning."""
    at_s = np.concatenate((between_runs(), [4.5, 4.502]))
    (finding,) = align(capture(exchanges=exchanges(at_s))).findings
    assert finding.code == "exchanges-inside"
    assert finding.severity is Severity.WARNING
    assert finding.evidence["exchanges"] == 2


def test_an_exchange_at_a_runs_edge_is_not_inside():
    """An exchange that ends where a run begins disturbed nothing."""
    at_s = np.concatenate((between_runs(), [3.7 - 0.0002]))
    assert align(capture(exchanges=exchanges(at_s))).findings == ()


def test_runs_far_from_the_only_exchanges_are_less_certain():
    """With one burst at the begin, the u of the runs' edges grows with their distance."""
    near = align(capture(exchanges=exchanges(between_runs())))
    far = align(capture(exchanges=exchanges(np.arange(20) * 0.002)))
    assert near.board_clock.u_offset_ns < 75_000
    assert far.board_clock.u_offset_ns > 100_000


def test_pauses_put_between_passes_are_no_latency():
    """Where the begin of each pass is told, latency runs from it, and the pauses are summed."""
    recorded = capture(exchanges=exchanges(between_runs()))
    runs = [phase for phase in recorded.phases if phase.kind == "run"]
    paused = [
        dataclasses.replace(
            run,
            begun_board_ns=np.append(run.start_board_ns, run.done_board_ns[:-1] + 5_000_000),
        )
        for run in runs
    ]
    aligned = align(dataclasses.replace(recorded, phases=tuple(paused)))
    run = next(window for window in aligned.windows if window.kind == "run")
    assert run.latency_s[1:] == pytest.approx(0.015, rel=1e-3)
    assert run.pause_s == pytest.approx(99 * 0.005, rel=1e-3)
    assert run.done_ns[-1] == run.stop_ns


def test_order_of_phases_and_exchanges_changes_nothing():
    """A permutation of what was recorded gives the same windows and clock."""
    recorded = capture()
    order = np.random.default_rng(1).permutation(len(recorded.exchanges.t1_ns))
    mixed = ClockExchanges(
        *(
            getattr(recorded.exchanges, name)[order]
            for name in ("t1_ns", "t2_board_ns", "t3_board_ns", "t4_ns")
        )
    )
    shuffled = dataclasses.replace(
        recorded, phases=tuple(reversed(recorded.phases)), exchanges=mixed
    )
    first, second = align(recorded), align(shuffled)
    assert first.board_clock == second.board_clock
    assert [w.start_ns for w in first.windows] == [w.start_ns for w in reversed(second.windows)]
    assert codes(first) == codes(second)


def with_line(recorded, late_s):
    """Get a capture whose meter also sampled a trigger line, and all of it so much late."""
    trace = recorded.trace
    stop_s = trace.device_ns / SECOND
    high = np.zeros(len(stop_s))
    for phase in recorded.phases:
        if phase.kind == "run":
            start, stop = (
                (board_ns - BOARD_OFFSET_NS) / SECOND
                for board_ns in (phase.start_board_ns, phase.stop_board_ns)
            )
            high += np.clip(np.minimum(stop_s, stop) - np.maximum(stop_s - 0.02, start), 0, None)
    channels = setup(
        channels=("current", "line"), accuracy=(accuracy("current"), accuracy("line", gain_limit=0))
    )
    late_ns = round(late_s * SECOND)
    return dataclasses.replace(
        recorded,
        trace=dataclasses.replace(
            trace,
            setup=channels,
            values=np.stack((trace.values[:, 0], high / 0.02), axis=1),
            poll_sent_ns=trace.poll_sent_ns + late_ns,
            poll_received_ns=trace.poll_received_ns + late_ns,
        ),
    )


def test_samples_are_placed_by_a_trigger_line():
    """A line that shows up 30 ms late moves all samples 30 ms back, to within its own u."""
    recorded = capture(exchanges=exchanges(between_runs()), run_s=2.003)
    aligned = align(with_line(recorded, 0.03))
    plain = align(recorded)
    assert aligned.line.believed
    assert aligned.clock.u_ns == aligned.line.u_delay_ns < 100_000
    off_ns = aligned.clock.stop_ns - recorded.trace.device_ns
    assert np.abs(off_ns).max() <= 3 * aligned.clock.u_ns
    assert plain.line is None


def test_a_line_that_is_not_believed_moves_nothing():
    """A wire that never changed is told, and the samples stay where the polls put them."""
    recorded = with_line(capture(exchanges=exchanges(between_runs())), 0.03)
    values = recorded.trace.values * np.array([1.0, 0.0])
    dead = dataclasses.replace(recorded, trace=dataclasses.replace(recorded.trace, values=values))
    aligned = align(dead)
    assert not aligned.line.believed
    assert codes(aligned) == {"line-not-believed"}
    assert np.array_equal(aligned.clock.stop_ns, fit_sample_clock(dead.trace).stop_ns)
