"""Energies of single passes: told where the meter is fast enough, and from whole passes only."""

import numpy as np
import pytest

from powerlab.analysis.integrate import PowerTrace
from powerlab.analysis.passes import pass_energies
from powerlab.records import Window

MS = 1_000_000
PASS_MS = 25
PASSES = 40


def run(*, batch=1):
    """Get a run of 40 passes of 25 ms, from 100.4 ms on: no edge meets a sample's."""
    start = 100 * MS + 400_000
    done = start + PASS_MS * MS * np.arange(1, PASSES + 1, dtype=np.int64)
    latency = np.full(PASSES, PASS_MS * 1e-3)
    return Window("run", 0, start, int(done[-1]), PASSES * batch, latency, done)


def millisecond_means(power_at, *, until_ms=1400, jitter_ns=0):
    """Get a trace of means over milliseconds of ``power_at(ms)``, its edges jittered."""
    edges = np.arange(until_ms + 1, dtype=np.int64) * MS
    edges[1:-1] += np.random.default_rng(0).integers(-jitter_ns, jitter_ns + 1, until_ms - 1)
    middle = (edges[1:] + edges[:-1]) / 2 / MS
    return PowerTrace(edges[:-1].copy(), edges[1:].copy(), np.asarray(power_at(middle)))


def constant(ms):
    """Get 8 W at any time."""
    return np.full(len(ms), 8.0)


def rising(ms):
    """Get a power that rises by 1 mW each millisecond."""
    return 8.0 + ms / 1000


def without(trace, chosen):
    """Get a trace without some samples."""
    kept = np.ones(len(trace.power_w), dtype=bool)
    kept[chosen] = False
    return PowerTrace(
        trace.start_ns[kept], trace.stop_ns[kept], trace.power_w[kept], trace.point_interval_ns
    )


def test_equal_passes_have_equal_energies_and_a_batch_shares_them():
    """8 W over 25 ms is 0.2 J, of which a batch of four takes a quarter each."""
    found = pass_energies(millisecond_means(constant), run())
    assert (found.p05_j, found.median_j, found.p95_j) == pytest.approx((0.2, 0.2, 0.2), rel=1e-12)
    assert found.samples == pytest.approx(PASS_MS, rel=0.01)
    assert pass_energies(millisecond_means(constant), run(batch=4)).median_j == pytest.approx(0.05)


@pytest.mark.parametrize("jitter_ns", [0, 1, 40_000])
def test_unequal_passes_show_their_spread(jitter_ns):
    """The percentiles are those of the passes, whether the samples are even or not."""
    found = pass_energies(millisecond_means(rising, jitter_ns=jitter_ns), run())
    middle_ms = 100.4 + PASS_MS * (np.arange(PASSES) + 0.5)
    expected = np.percentile(rising(middle_ms) * PASS_MS * 1e-3, (5, 50, 95))
    assert (found.p05_j, found.median_j, found.p95_j) == pytest.approx(tuple(expected), rel=1e-5)


def test_points_are_joined_to_passes_too():
    """Point samples at a millisecond give the same energies as means."""
    at = np.arange(1401, dtype=np.int64) * MS
    trace = PowerTrace(at, at.copy(), rising(at / MS), MS)
    means = pass_energies(millisecond_means(rising), run())
    found = pass_energies(trace, run())
    assert (found.p05_j, found.p95_j) == pytest.approx((means.p05_j, means.p95_j), rel=1e-5)


def test_a_pass_that_lost_samples_is_left_out():
    """What no sample covers says nothing of a pass; the others still count."""
    trace = millisecond_means(lambda ms: np.where((ms > 300) & (ms < 310), 80.0, 8.0))
    found = pass_energies(without(trace, slice(300, 310)), run())
    assert (found.p05_j, found.p95_j) == pytest.approx((0.2, 0.2), rel=1e-9)


def test_a_slow_meter_tells_nothing_of_passes():
    """Below ten samples a pass there are no figures, nor where every pass lost some."""
    slow = millisecond_means(constant)
    every_third = without(slow, np.arange(1400) % 3 > 0)
    assert pass_energies(every_third, run()) is None
    assert pass_energies(without(slow, np.arange(1400) % 20 == 0), run()) is None
    assert pass_energies(without(slow, slice(0, 1400)), run()) is None
