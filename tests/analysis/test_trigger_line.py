"""A trigger line sampled with the data: what it tells of the samples' clock, and when nothing."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from powerlab.analysis.trigger_line import line_findings, read_line
from powerlab.catalog.layers import load_catalog
from powerlab.records import ClockFit, SampleClock, SampleFlag
from tests.analysis.factories import BOARD_OFFSET_NS, capture
from tests.analysis.line_worlds import Bench, make_bench


@pytest.fixture
def bench(tmp_path):
    """Get a maker of benches with meters and boards of the shipped catalogue."""
    return functools.partial(make_bench, load_catalog(cwd=tmp_path))


@pytest.mark.parametrize(
    ("kind", "seeds", "rms_us"),
    [
        ("100 kS/s points", 4, 20),
        ("1 kS/s points", 20, 20),
        ("1 kS/s means", 20, 20),
        ("100 S/s points", 20, 100),
        ("100 S/s means", 20, 20),
        ("49 S/s gated", 20, 20),
    ],
)
def test_the_delay_is_found_within_its_uncertainty(bench, kind, seeds, rms_us) -> None:
    """Every delay lies within three u, and the rms error is below the goal of 20 µs.

    Levels at instants 10 ms apart allow no more than 100 µs with 136 edges.
    """
    errors, limits = [], []
    for seed in range(seeds):
        made = bench(kind, seed)
        reading = made.read()
        assert reading.believed, reading.reason
        errors.append(reading.delay_ns - made.delay_ns)
        limits.append(3 * reading.u_delay_ns)
    assert np.all(np.abs(errors) <= limits)
    assert np.sqrt(np.mean(np.square(errors))) <= rms_us * 1e3


def test_no_line_no_reading() -> None:
    """A capture without a line channel says nothing, and nothing is found."""
    recorded = capture()
    stop = recorded.trace.device_ns
    samples = SampleClock(stop - 20_000_000, stop.copy(), 0.0, 0.0, 0.0)
    board = ClockFit(0, BOARD_OFFSET_NS, 0.0, 1.0, 0.0, 1, 0.0, 10)
    assert read_line(recorded, samples, board) is None
    assert line_findings(None) == ()


def test_pauses_within_runs_are_edges_too(bench) -> None:
    """A dithered run's idle and busy edges count where the meter can tell them apart."""
    plain, dithered = bench("1 kS/s means", 3), bench("1 kS/s means", 3, pauses=20)
    assert dithered.read().believed
    assert dithered.read().edges > plain.read().edges + 60
    assert abs(dithered.read().delay_ns - dithered.delay_ns) < 3 * dithered.read().u_delay_ns


def test_runs_alone_are_enough(bench) -> None:
    """Without markers the edges of warm-up and runs place the samples."""
    made = bench("100 kS/s points", 5, markers=0, runs=4)
    reading = made.read()
    assert reading.believed
    assert reading.edges == 10
    assert abs(reading.delay_ns - made.delay_ns) < 3 * reading.u_delay_ns


def test_jitter_of_the_pin_widens_the_uncertainty(bench) -> None:
    """Edges that scatter by 100 µs still tell the mean, with a larger u."""
    steady, shaky = bench("1 kS/s means", 7), bench("1 kS/s means", 7, jitter_ns=100_000)
    assert shaky.read().believed
    assert shaky.read().u_delay_ns > steady.read().u_delay_ns
    assert abs(shaky.read().delay_ns - shaky.delay_ns) < 3 * shaky.read().u_delay_ns


def test_a_reading_out_of_range_still_tells_the_line(bench) -> None:
    """The line is digital: an over-range current does not spoil it."""
    made = bench("1 kS/s points", 1)
    flags = np.full(len(made.line), SampleFlag.OVERRANGE, dtype=np.uint8)
    assert made.showing(made.line, flags).read().believed


def test_some_lost_samples_do_not_matter(bench) -> None:
    """Edges in a gap are left out; few of them do no harm."""
    made = bench("1 kS/s points", 1)
    flags = made.capture.trace.flags.copy()
    flags[::400] = SampleFlag.LOST
    reading = made.showing(made.line, flags).read()
    assert reading.believed
    assert abs(reading.delay_ns - made.delay_ns) < 3 * reading.u_delay_ns


def spoilt(name: str, made: Bench) -> Bench:
    """Get a bench whose line shows something else than the board's edges."""
    line, count = made.line, len(made.line)
    random = np.random.default_rng(0)
    if name == "not connected":
        line[:] = 0
    elif name == "not a number":
        line[:] = math.nan
    elif name == "another signal":
        line = (np.arange(count) // 90 % 2).astype(float)
    elif name == "noise":
        line = random.integers(0, 2, count).astype(float)
    elif name == "inverted":
        line = 1 - line
    elif name == "half of it":
        line[: count // 2] = 0
    return made.showing(line)


@pytest.mark.parametrize(
    "name", ["not connected", "not a number", "another signal", "inverted", "half of it"]
)
@pytest.mark.parametrize("kind", ["1 kS/s points", "100 S/s means"])
def test_a_line_that_is_not_the_boards_is_not_believed(bench, kind, name) -> None:
    """Too few of the board's edges are in the samples, and a finding says so."""
    reading = spoilt(name, bench(kind, 2)).read()
    assert not reading.believed
    assert "edges that the board set are in the samples" in reading.reason
    (finding,) = line_findings(reading)
    assert finding.code == "line-not-believed"
    assert reading.reason in finding.message


def test_a_loose_wire_is_not_believed(bench) -> None:
    """Noise that changes at every other sample has an edge near every one of the board's."""
    reading = spoilt("noise", bench("100 kS/s points", 2)).read()
    assert not reading.believed
    assert "it changed" in reading.reason


def test_too_few_edges_tell_nothing(bench) -> None:
    """One run is not enough to tell a delay from an accident."""
    reading = bench("1 kS/s means", 1, markers=0, runs=0).read()
    assert not reading.believed
    assert "fewer than four" in reading.reason


def test_edges_that_scatter_by_milliseconds_are_not_believed(bench) -> None:
    """A pin that follows at random times is no clock."""
    reading = bench("1 kS/s means", 4, jitter_ns=3_000_000).read()
    assert not reading.believed
    assert reading.reason
