"""The board's power and its exact integral."""

from __future__ import annotations

import dataclasses
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from powerlab.catalog.device_profile import DeviceProfile
from powerlab.emulation.world import Edges, World, build_world
from powerlab.errors import ConfigError, TargetError
from powerlab.records import FloatArray, Int64Array
from powerlab.units import NS_PER_S

T0 = 987_654_321_987_654_321  # 31 years of uptime: absolute floats would fail here
WORLD = World(
    seed=5,
    idle_w=2.0,
    active_w=6.0,
    lag_s=0.003,
    run_to_run=0.01,
    drift_w=0.2,
    drift_time_s=3.0,
    noise_w=0.1,
    noise_cell_ns=10_000_000,
)
QUIET = WORLD.population()


def busy_twice(t0_ns: int = T0) -> Edges:
    """Get edges of a warm-up and two runs, half a second each."""
    records = []
    for number, tag in enumerate((-1, 0, 1)):
        start = t0_ns + number * NS_PER_S
        records += [(start, 1, tag), (start + NS_PER_S // 2, 0, tag)]
    return Edges.of(records)


def quadrature(world: World, edges: Edges, start: int, stop: int) -> float:
    """Integrate power by the midpoint rule in steps of 20 µs."""
    step = 20_000
    middles: Int64Array = np.arange(start, stop, step, dtype=np.int64) + step // 2
    return float(world.power(edges, middles).sum()) * step / NS_PER_S


@pytest.mark.parametrize("lag_s", [0.0, 0.003, 0.4])
@pytest.mark.parametrize("noise_w", [0.0, 0.1])
def test_energy_is_the_integral_of_power(lag_s: float, noise_w: float) -> None:
    """The closed form equals a fine numeric quadrature, with and without lag and noise."""
    world = dataclasses.replace(WORLD, lag_s=lag_s, noise_w=noise_w)
    edges = busy_twice()
    spans = [(-300, -100), (-100, 120), (0, 500), (499, 503), (1400, 4000)]
    for begin, end in spans:
        start, stop = T0 + begin * 1_000_000, T0 + end * 1_000_000
        got = world.energy(edges, np.array([start]), np.array([stop]))
        assert_allclose(got, quadrature(world, edges, start, stop), rtol=1e-6, atol=5e-6)


@pytest.mark.parametrize("colour", [0.5, 1.0, 2.0])
def test_coloured_noise_has_a_closed_integral_too(colour: float) -> None:
    """Energy is the integral of power whatever the spectrum of the board's noise."""
    world = coloured(colour)
    edges = busy_twice()
    for begin, end in ((-300, -100), (3, 120), (499, 4000)):
        start, stop = T0 + begin * 1_000_000, T0 + end * 1_000_000
        got = world.energy(edges, np.array([start]), np.array([stop]))
        assert_allclose(got, quadrature(world, edges, start, stop), rtol=1e-6, atol=5e-6)


def coloured(colour: float) -> World:
    """Get a world whose noise has a colour in cells of 10 ms up to 0.64 s."""
    return dataclasses.replace(WORLD, noise_colour=colour, noise_longest_ns=640_000_000)


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_the_spectrum_falls_as_the_colour_says(colour: float) -> None:
    """Over worlds, noise keeps its size and its spectrum the slope between both limits."""
    at = T0 + 5_000_000 + 10_000_000 * np.arange(4096, dtype=np.int64)
    spectra, spread = [], []
    for seed in range(60):
        world = dataclasses.replace(coloured(colour), seed=seed)
        noise = world.power(Edges.of([]), at) - world.idle_w
        spectra.append(np.abs(np.fft.rfft(noise)) ** 2)
        spread.append(float(np.mean(noise**2)))
    mean = np.mean(spectra, axis=0)
    low, high = mean[100:140].mean(), mean[800:1120].mean()
    assert_allclose(np.log2(low / high) / 3, colour, atol=0.35)
    assert_allclose(np.mean(spread), 0.01, rtol=0.05)


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(-(10**9), 5 * 10**9), min_size=3, max_size=30, unique=True),
    gaps=st.lists(st.integers(0, 10**9), max_size=12),
    seed=st.integers(0, 100),
)
def test_energies_of_parts_sum_to_the_whole(cuts: list[int], gaps: list[int], seed: int) -> None:
    """Whatever the edges and the noise, adjoining intervals sum to their union."""
    world = dataclasses.replace(coloured(seed % 3), seed=seed)
    instants = T0 + np.cumsum(np.array(gaps, dtype=np.int64))
    edges = Edges.of((int(t), 1 - i % 2, i // 2) for i, t in enumerate(instants))
    at = T0 + np.sort(np.array(cuts, dtype=np.int64))
    parts = world.energy(edges, at[:-1], at[1:])
    whole = world.energy(edges, at[:1], at[-1:])
    assert_allclose(parts.sum(), whole[0], rtol=1e-10, atol=1e-10)


@given(shift=st.integers(-(10**17), 10**17))
def test_without_noise_only_differences_of_time_matter(shift: int) -> None:
    """Edges and intervals shifted alike give the same energies, however far."""
    edges = busy_twice()
    start = T0 + np.array([-5, 3, 480_123_456, 2_000_000_000], dtype=np.int64)
    stop = start + 123_456_789
    assert_allclose(
        QUIET.energy(edges.shifted(shift), start + shift, stop + shift),
        QUIET.energy(edges, start, stop),
        rtol=1e-12,
    )


def test_before_the_first_edge_and_without_edges_the_board_idles() -> None:
    """No edge, or none yet, means idle power."""
    at = np.array([T0 - 10 * NS_PER_S], dtype=np.int64)
    for edges in (Edges.of([]), busy_twice()):
        assert_allclose(QUIET.power(edges, at), 2.0)
        assert_allclose(QUIET.energy(edges, at, at + NS_PER_S), 2.0)


def test_after_the_last_edge_its_state_holds() -> None:
    """A board that turned busy stays busy: its power settles at active plus drift."""
    edges = Edges.of([(T0, 1, -1)])
    later = np.array([T0 + 3600 * NS_PER_S], dtype=np.int64)
    assert_allclose(QUIET.power(edges, later), 6.2)
    assert_allclose(QUIET.energy(edges, later, later + NS_PER_S), 6.2)


def test_an_edge_rises_as_a_first_order_lag_does() -> None:
    """One lag after a busy edge the power has risen by 1 - 1/e of the step."""
    world = dataclasses.replace(QUIET, drift_w=0.0, lag_s=0.01)
    edges = Edges.of([(T0, 1, -1)])
    got = world.power(edges, np.array([T0 + 10_000_000], dtype=np.int64))
    assert_allclose(got, 2 + 4 * (1 - exp(-1)), rtol=1e-12)


def test_an_interval_of_a_run_costs_what_arithmetic_says() -> None:
    """Without lag, drift and noise a run is power times time, with its own factor."""
    world = dataclasses.replace(WORLD, lag_s=0.0, drift_w=0.0, noise_w=0.0)
    edges = busy_twice()
    start = T0 + NS_PER_S * np.array([0, 1, 2], dtype=np.int64)
    got = world.energy(edges, start, start + NS_PER_S // 2)
    factors = np.array([1.0, world.run_factor(0), world.run_factor(1)])
    assert_allclose(got, 0.5 * (2 + 4 * factors), rtol=1e-12)


def test_run_factors_scatter_as_stated_and_hold() -> None:
    """Factors have the stated spread over runs, and 1 for the warm-up."""
    factors = np.array([WORLD.run_factor(tag) for tag in range(2000)])
    assert abs(factors.std() / 0.01 - 1) < 0.1
    assert abs(factors.mean() - 1) < 0.001
    assert WORLD.run_factor(-1) == 1.0
    assert WORLD.run_factor(17) == factors[17]
    assert QUIET.run_factor(17) == 1.0


def test_noise_is_constant_in_a_cell_and_scatters_between() -> None:
    """Cells lie on the absolute grid; their levels have the stated standard deviation."""
    cell = WORLD.noise_cell_ns
    begin = (T0 // cell + np.arange(5000)) * cell
    idle = Edges.of([])
    first: FloatArray = WORLD.power(idle, begin)
    assert np.array_equal(first, WORLD.power(idle, begin + cell - 1))
    assert abs(first.std() / 0.1 - 1) < 0.05
    assert_allclose(WORLD.energy(idle, begin, begin + cell), first * cell / NS_PER_S, rtol=1e-9)


def test_a_value_does_not_depend_on_what_else_was_asked() -> None:
    """An interval's energy is the same alone and among many, in any shape."""
    edges = busy_twice()
    start = T0 + np.arange(0, 3_000_000_000, 7_654_321, dtype=np.int64).reshape(4, -1)
    stop = start + 20_000_000
    together = WORLD.energy(edges, start, stop)
    assert together.shape == start.shape
    alone = WORLD.energy(edges, start[2:3, 5], stop[2:3, 5])
    assert_allclose(alone[0], together[2, 5], rtol=1e-10)


def test_a_single_world_has_one_lag_within_its_limit(device: DeviceProfile) -> None:
    """Worlds draw their lag from 0 to the limit; the seed fixes it; overrides win."""
    lags = np.array([build_world(device, seed).lag_s for seed in range(300)])
    assert lags.min() >= 0
    assert lags.max() <= 0.004
    assert abs(lags.mean() / 0.002 - 1) < 0.1
    assert build_world(device, 3) == build_world(device, 3)
    assert build_world(device, 3, lag_s=0.0).lag_s == 0


def test_a_board_without_emulation_says_so(device: DeviceProfile) -> None:
    """A profile without the section is refused with the section's name."""
    bare = device.model_copy(update={"emulation": None})
    with pytest.raises(ConfigError, match=r"\[emulation\]"):
        build_world(bare, 1)


def test_edges_out_of_order_are_refused() -> None:
    """Edges that run backwards are the board's error."""
    with pytest.raises(TargetError, match="order"):
        Edges.of([(5, 1, 0), (4, 0, 0)])
