"""Findings of a whole capture: what blocks, what warns, and the figures they carry."""

import dataclasses

import numpy as np
import pytest

from powerlab.analysis.conclude import conclude
from powerlab.findings import Severity
from powerlab.records import Averaging, Figure, Request, Roofs, SampleFlag, Work
from tests.analysis.factories import capture, setup

REQUEST = Request("board", "bench", "meter", "net", "tflite", 1, 1, "quick")


def concluded(recorded):
    """Get the result of a capture."""
    return conclude(recorded, run="r", request=REQUEST, price=None)[0]


def finding(result, code):
    """Get the one finding with a code, None without."""
    found = [item for item in result.findings if item.code == code]
    assert len(found) <= 1
    return found[0] if found else None


def with_flag(recorded, index, flag):
    """Get a capture with one sample flagged, its value unusable."""
    flags, values = recorded.trace.flags.copy(), recorded.trace.values.copy()
    flags[index] = flag
    values[index] = np.nan
    trace = dataclasses.replace(recorded.trace, flags=flags, values=values)
    return dataclasses.replace(recorded, trace=trace)


def with_runs(recorded, change):
    """Get a capture whose runs are changed by a function of a phase."""
    phases = (change(phase) if phase.kind == "run" else phase for phase in recorded.phases)
    return dataclasses.replace(recorded, phases=tuple(phases))


@pytest.mark.parametrize(("at_s", "severity"), [(4.5, Severity.BLOCKING), (3.1, Severity.WARNING)])
def test_over_range_blocks_where_it_touches_what_is_used(at_s, severity):
    """Inside a run it spoils the energy, between idle phase and guard it is told."""
    result = concluded(with_flag(capture(), round(at_s / 0.02), SampleFlag.OVERRANGE))
    assert finding(result, "over-range").severity is severity
    assert finding(result, "over-range").evidence["samples"] == 1
    assert result.valid is (severity is Severity.WARNING)


@pytest.mark.parametrize("run_s", [0.02, 0.05, 0.1])
def test_a_meter_too_slow_names_the_run_length_that_would_do(run_s):
    """Refused with a length, and runs of that length are not refused."""
    refused = finding(concluded(capture(run_s=run_s)), "meter-too-slow")
    assert refused.severity is Severity.BLOCKING
    needed_s = refused.evidence["needed_run_s"]
    assert needed_s > run_s
    assert finding(concluded(capture(run_s=needed_s)), "meter-too-slow") is None


def test_the_length_that_would_do_keeps_the_edges_within_the_wanted_precision():
    """The edges' error weighs by the inverse of the length: ten times the precision and length."""
    usual, fine = (
        dataclasses.replace(capture(run_s=0.1), precision=precision, first_stage=5)
        for precision in (0.01, 0.001)
    )
    needed_s = [
        finding(concluded(each), "meter-too-slow").evidence["needed_run_s"]
        for each in (capture(run_s=0.1), usual, fine)
    ]
    assert needed_s[0] == needed_s[1] > 6 * 0.02
    assert needed_s[2] == pytest.approx(10 * needed_s[1])


def test_dithered_runs_say_how_much_of_them_was_pauses():
    """A quarter of each run in pauses is told; runs back to back say nothing of it."""

    def dithered(phase):
        gaps = np.diff(phase.done_board_ns, prepend=phase.start_board_ns)
        begun = phase.done_board_ns - (0.75 * gaps).astype(np.int64)
        return dataclasses.replace(phase, begun_board_ns=begun)

    told = finding(concluded(with_runs(capture(), dithered)), "dithered")
    assert told.severity is Severity.INFO
    assert told.evidence["share"] == pytest.approx(0.25, rel=1e-6)
    assert finding(concluded(capture()), "dithered") is None


def test_claims_beyond_the_device_block():
    """A rate of ten times the peak, and an energy below idle power's, are impossible."""
    work = Work(macs=1e9)
    fast = dataclasses.replace(capture(), work=work, roofs=Roofs(operations_per_s=Figure(1e10)))
    assert finding(concluded(fast), "impossible-arithmetic-roof").severity is Severity.BLOCKING
    thrifty = dataclasses.replace(capture(), work=work, roofs=Roofs(idle_w=Figure(20.0, 0.5)))
    assert finding(concluded(thrifty), "impossible-energy-floor").severity is Severity.BLOCKING
    possible = dataclasses.replace(
        capture(), work=work, roofs=Roofs(operations_per_s=Figure(1e12), idle_w=Figure(1.9))
    )
    assert concluded(possible).valid


def test_a_few_slow_passes_that_take_time_are_told():
    """One pass in a hundred that takes half of the time is counted, not dropped."""

    def stalled(phase):
        share = np.where(np.arange(100) == 50, 99.0, 1.0)
        done = phase.start_board_ns + np.cumsum(share) / share.sum() * (
            phase.stop_board_ns - phase.start_board_ns
        )
        return dataclasses.replace(phase, done_board_ns=np.rint(done).astype(np.int64))

    result = concluded(with_runs(capture(), stalled))
    told = finding(result, "latency-outliers")
    assert told.severity is Severity.INFO
    assert told.evidence["outliers"] == result.latency.outliers == 5
    assert told.evidence["share"] == pytest.approx(0.5, rel=1e-3)
    assert result.quantities["throughput"].value == pytest.approx(50.0, rel=1e-6)
    assert finding(concluded(capture()), "latency-outliers") is None


def test_a_lock_is_found_by_the_interval_that_samples_really_had():
    """Points every 20 ms on inferences of 20 ms lock, whatever interval the profile states."""
    recorded = capture()
    stated = setup(averaging=Averaging.POINT, aperture_s=0.0, interval_s=0.0207)
    locked = dataclasses.replace(recorded, trace=dataclasses.replace(recorded.trace, setup=stated))
    told = finding(concluded(locked), "aliasing")
    assert told.evidence["interval_s"] == pytest.approx(0.02, rel=1e-6)
    assert told.severity is Severity.WARNING
    assert told.evidence["worst"] == pytest.approx(0.75, rel=1e-3)
