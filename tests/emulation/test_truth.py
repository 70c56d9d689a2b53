"""The truth that results are judged by."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from powerlab.emulation.truth import run_window, truth
from powerlab.emulation.wiring import SupplyPath
from powerlab.emulation.world import Edges, World
from powerlab.errors import ConfigError, TargetError
from powerlab.records import Boundary
from powerlab.units import NS_PER_S

T0 = 5 * 10**15
WORLD = World(
    seed=9,
    idle_w=2.0,
    active_w=6.0,
    lag_s=0.0,
    run_to_run=0.02,
    drift_w=0.0,
    drift_time_s=10.0,
    noise_w=0.0,
    noise_cell_ns=10_000_000,
)
RUNS = {0: 100, 1: 300}
EDGES = Edges.of(
    [
        (T0, 1, -1),
        (T0 + NS_PER_S, 0, -1),
        (T0 + 2 * NS_PER_S, 1, 0),
        (T0 + 3 * NS_PER_S, 0, 0),
        (T0 + 4 * NS_PER_S, 1, 1),
        (T0 + 7 * NS_PER_S, 0, 1),
    ]
)
PATH = SupplyPath(source_v=5.0, cable_ohm=0.1, burden_ohm=0.2)


def test_at_the_board_it_is_power_times_time_over_inferences() -> None:
    """Of these runs with their factors, of the population without."""
    got = truth(WORLD, EDGES, RUNS, Boundary.BOARD, PATH)
    own = (2 + 4 * WORLD.run_factor(0)) + 3 * (2 + 4 * WORLD.run_factor(1))
    assert_allclose(got.energy_of_these_runs_j, own / 400, rtol=1e-12)
    assert_allclose(got.energy_per_inference_j, 6 * 4 / 400, rtol=1e-12)


def test_at_the_supply_the_cables_heat_is_added_and_the_burden_is_not() -> None:
    """The board's energy plus I²R of the cable alone, with the meter in the circuit."""
    steady = WORLD.population()
    got = truth(steady, EDGES, RUNS, Boundary.DC, PATH)
    current = float(PATH.current(np.array([6.0]))[0])
    assert_allclose(got.energy_of_these_runs_j, 4 * (6 + current**2 * 0.1) / 400, rtol=1e-9)
    assert got.energy_per_inference_j == got.energy_of_these_runs_j


def test_what_the_supply_burns_inside_is_not_delivered() -> None:
    """A supply with a resistance of its own changes the current, and with it the cable's heat."""
    steady = WORLD.population()
    soft = dataclasses.replace(PATH, source_ohm=0.2)
    got = truth(steady, EDGES, RUNS, Boundary.DC, soft)
    current = float(soft.current(np.array([6.0]))[0])
    assert current > float(PATH.current(np.array([6.0]))[0])
    assert_allclose(got.energy_of_these_runs_j, 4 * (6 + current**2 * 0.1) / 400, rtol=1e-9)


def test_the_population_mean_is_what_many_worlds_average_to() -> None:
    """Over worlds the energy of the runs scatters around the population's."""
    noisy = dataclasses.replace(WORLD, noise_w=0.2, lag_s=0.01, drift_w=0.1)
    both = [
        truth(dataclasses.replace(noisy, seed=seed), EDGES, RUNS, Boundary.DC, PATH)
        for seed in range(200)
    ]
    these = np.array([item.energy_of_these_runs_j for item in both])
    mean = both[0].energy_per_inference_j
    assert len({item.energy_per_inference_j for item in both}) == 1
    assert abs(these.mean() - mean) < 4 * these.std() / np.sqrt(200)
    assert these.std() / mean > 0.005


def test_the_population_has_no_luck_with_the_duration_of_inferences() -> None:
    """Runs that took longer than inferences do on average cost more; the population does not."""
    usual = truth(WORLD, EDGES, RUNS, Boundary.BOARD, PATH)
    slow = truth(WORLD, EDGES, RUNS, Boundary.BOARD, PATH, inference_s=0.008)
    assert slow.energy_of_these_runs_j == usual.energy_of_these_runs_j
    assert_allclose(slow.energy_per_inference_j, 6 * 0.008, rtol=1e-12)


def test_a_lag_moves_energy_out_of_the_window() -> None:
    """The tail after the last edge is not the run's: each run lacks one lag of its step."""
    lagging = dataclasses.replace(WORLD.population(), lag_s=0.002)
    got = truth(lagging, EDGES, RUNS, Boundary.BOARD, PATH)
    assert_allclose(got.energy_of_these_runs_j, (24 - 2 * 4 * 0.002) / 400, rtol=1e-9)


def test_a_window_spans_all_edges_of_its_tag() -> None:
    """A run that paused counts from its first busy to its last idle edge."""
    paused = Edges.of([(10, 1, 4), (20, 0, 4), (30, 1, 4), (45, 0, 4), (50, 1, 5)])
    assert run_window(paused, 4) == (10, 45)


@pytest.mark.parametrize("tag", [2, 5])
def test_a_run_without_an_end_has_no_truth(tag: int) -> None:
    """A run that never began or never ended is named."""
    open_ended = Edges.of([(10, 1, 5)])
    with pytest.raises(TargetError, match=f"run {tag}"):
        truth(WORLD, open_ended, {tag: 1}, Boundary.BOARD, PATH)


@pytest.mark.parametrize("runs", [{}, {0: 0}])
def test_no_inference_has_no_energy(runs: dict[int, int]) -> None:
    """Nothing is divided by zero."""
    with pytest.raises(TargetError, match="inference"):
        truth(WORLD, EDGES, runs, Boundary.BOARD, PATH)


def test_the_mains_side_is_not_emulated() -> None:
    """The wall boundary is refused with the two that exist."""
    with pytest.raises(ConfigError, match="mains") as caught:
        truth(WORLD, EDGES, RUNS, Boundary.WALL, PATH)
    assert "dc" in caught.value.hint
