"""What the world knows and the measurement is judged by: the true energy per inference.

Joined to a result only after that is frozen. The energy of a run is the integral of the
power at the stated boundary from the run's first busy to its last idle edge.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from powerlab.emulation.wiring import SupplyPath
from powerlab.emulation.world import Edges, World
from powerlab.errors import ConfigError, TargetError
from powerlab.records import Boundary, Truth
from powerlab.units import NS_PER_S

_LOSS_STEP_NS = 1_000_000


def truth(
    world: World,
    edges: Edges,
    inferences: Mapping[int, int],
    boundary: Boundary,
    path: SupplyPath,
    *,
    inference_s: float | None = None,
) -> Truth:
    """Get the true energies (J) per inference over the runs that ``inferences`` names by tag.

    ``energy_of_these_runs_j`` is of these very runs, ``energy_per_inference_j`` of the same
    windows with every run at the mean and no noise and, where it is known how long an inference
    takes on average, ``inference_s``, none of the luck that these ones had with it. ``path`` is
    the circuit as it truly was, meter included. Raises TargetError where a run never began or
    ended or did no inference, ConfigError for a boundary that has no emulation.
    """
    windows = [run_window(edges, tag) for tag in inferences]
    total = sum(inferences.values())
    if total <= 0:
        raise TargetError(
            "no completed run holds an inference: there is no true energy of one",
            hint="let at least one run finish",
        )
    busy_s = sum(stop - start for start, stop in windows) / NS_PER_S
    luck = 1.0 if inference_s is None else busy_s / (total * inference_s)
    mean = _energy(world.population(), edges, windows, boundary, path) / total
    return Truth(
        energy_per_inference_j=mean / luck,
        energy_of_these_runs_j=_energy(world, edges, windows, boundary, path) / total,
    )


def run_window(edges: Edges, tag: int) -> tuple[int, int]:
    """Get the instants (host ns) of a run's first busy and last idle edge."""
    own = edges.tag == tag
    busy = edges.t_ns[own & (edges.level > 0)]
    idle = edges.t_ns[own & (edges.level == 0)]
    if busy.size == 0 or idle.size == 0 or idle[-1] <= busy[0]:
        raise TargetError(
            f"run {tag} has no busy edge followed by an idle one: its truth is not known",
            hint="ask for the truth of runs that were completed",
        )
    return int(busy[0]), int(idle[-1])


def _energy(
    world: World,
    edges: Edges,
    windows: list[tuple[int, int]],
    boundary: Boundary,
    path: SupplyPath,
) -> float:
    """Get the energy (J) of all windows at the boundary."""
    if boundary is Boundary.WALL:
        raise ConfigError(
            "the mains side of a supply has no emulation",
            hint='set boundary = "board" or "dc" in the emulated bench',
        )
    start, stop = np.array(windows, dtype=np.int64).reshape(-1, 2).T
    energy = float(np.sum(world.energy(edges, start, stop)))
    if boundary is Boundary.BOARD:
        return energy
    return energy + sum(_cable_loss(world, edges, window, path) for window in windows)


def _cable_loss(world: World, edges: Edges, window: tuple[int, int], path: SupplyPath) -> float:
    """Get the heat (J) in the cable over a window, from the mean power of steps of 1 ms.

    What a step's mean leaves out is second order in a loss that is itself small.
    """
    start, stop = window
    steps = max(1, round((stop - start) / _LOSS_STEP_NS))
    cuts = np.rint(np.linspace(0, stop - start, steps + 1)).astype(np.int64)
    length_s = np.diff(cuts) * 1e-9
    power = np.diff(world.cumulative(edges, start + cuts)) / length_s
    return float(np.sum(path.current(power) ** 2 * length_s) * path.cable_ohm)
