"""The world of an emulated bench: the board's power over time, which it alone knows.

At the board's input, with ``b`` the tag's run factor while busy and 0 while idle,

    P(t) = idle_w + (active_w - idle_w) * lag(b)(t) + drift_w * slow(busy)(t) + noise(t)

where ``lag`` and ``slow`` are first-order responses (time constants ``lag_s`` and
``drift_time_s``) and the noise is constant in cells of ``noise_cell_ns``. Noise that is not
white is the sum of layers, each constant in cells twice as long as those of the layer before.
Every term has a closed integral, so energies are exact but for rounding. Everything here
is pure: a seed and the edges fix every value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp
from typing import Self

import numpy as np

from powerlab.catalog.device_profile import DeviceProfile, Emulation
from powerlab.emulation import noise
from powerlab.errors import ConfigError, TargetError
from powerlab.records import FloatArray, Int64Array, freeze_arrays
from powerlab.units import NS_PER_S, nanoseconds

WARM_UP_TAG = -1


@dataclass(frozen=True, slots=True)
class Edges:
    """When the board turned busy or idle, and for which run.

    ``t_ns`` int64 ``(n,)`` in rising order on the host's CLOCK_MONOTONIC_RAW, ``level`` int32
    ``(n,)`` 1 busy or 0 idle, ``tag`` int32 ``(n,)`` the run's index, -1 for the warm-up. The
    board is idle before the first edge and keeps its last state after the last one.
    Raises TargetError where the instants go backwards.
    """

    t_ns: Int64Array
    level: np.ndarray[tuple[int], np.dtype[np.int32]]
    tag: np.ndarray[tuple[int], np.dtype[np.int32]]

    def __post_init__(self) -> None:
        if np.any(np.diff(self.t_ns) < 0):
            raise TargetError(
                "the board's busy and idle edges are not in the order of time",
                hint="let one agent at a time write edges on an emulated board",
            )
        freeze_arrays(self)

    @classmethod
    def of(cls, records: Iterable[tuple[int, int, int]]) -> Self:
        """Get edges from ``(t_ns, level, tag)`` records in rising order; none are allowed."""
        rows = list(records)
        return cls(
            t_ns=np.array([row[0] for row in rows], dtype=np.int64),
            level=np.array([row[1] for row in rows], dtype=np.int32),
            tag=np.array([row[2] for row in rows], dtype=np.int32),
        )

    def shifted(self, by_ns: int) -> Edges:
        """Get the same edges ``by_ns`` later."""
        return replace(self, t_ns=self.t_ns + by_ns)


@dataclass(frozen=True, slots=True)
class _Response:
    """A first-order response to a drive that is constant between edges, solved at the edges.

    Entry 0 stands for the time before the first edge, entry i for that after edge i - 1:
    ``drive`` there, and ``state`` and its integral ``area`` (s) at the entry's begin.
    """

    drive: FloatArray
    state: FloatArray
    area: FloatArray
    lag_s: float

    def value(self, entry: Int64Array, elapsed_s: FloatArray) -> FloatArray:
        """Get the response ``elapsed_s`` after the begin of each entry."""
        drive = self.drive[entry]
        if self.lag_s == 0:
            return drive
        return drive + (self.state[entry] - drive) * np.exp(-elapsed_s / self.lag_s)

    def integral(self, entry: Int64Array, elapsed_s: FloatArray) -> FloatArray:
        """Get the response's integral (s) from the first edge on."""
        drive = self.drive[entry]
        area = self.area[entry] + drive * elapsed_s
        if self.lag_s == 0:
            return area
        fading = -np.expm1(-elapsed_s / self.lag_s)
        return area + (self.state[entry] - drive) * (self.lag_s * fading)


def _respond(edges: Edges, drive: FloatArray, lag_s: float) -> _Response:
    """Solve the response to ``drive`` (one value per edge, held until the next)."""
    state, area = [0.0, 0.0], [0.0, 0.0]
    for level, gap_s in zip(drive, np.diff(edges.t_ns) / NS_PER_S, strict=False):
        decay = exp(-gap_s / lag_s) if lag_s > 0 else 0.0
        area.append(area[-1] + level * gap_s + (state[-1] - level) * lag_s * (1 - decay))
        state.append(level + (state[-1] - level) * decay)
    entries = drive.size + 1
    return _Response(
        drive=np.concatenate(([0.0], drive)),
        state=np.array(state[:entries], dtype=np.float64),
        area=np.array(area[:entries], dtype=np.float64),
        lag_s=lag_s,
    )


@lru_cache(maxsize=4096)
def _run_draw(seed: int, tag: int) -> float:
    return float(noise.normals(seed, "run factor", tag, 1)[0])


@dataclass(frozen=True, slots=True)
class World:
    """One board in one world: the draws that hold for all of it.

    ``lag_s`` is this world's own supply lag. Powers are in watt at the board's input. The noise
    has the standard deviation ``noise_w`` and a spectrum that falls as 1/f to the power of
    ``noise_colour`` (0 white, 1 flicker, 2 as a random walk) down to the frequency of the
    longest cells, ``noise_longest_ns``, and is flat below.
    """

    seed: int
    idle_w: float
    active_w: float
    lag_s: float
    run_to_run: float
    drift_w: float
    drift_time_s: float
    noise_w: float
    noise_cell_ns: int
    noise_colour: float = 0.0
    noise_longest_ns: int = 0

    def run_factor(self, tag: int) -> float:
        """Get the factor on a run's active power above idle; 1 for the warm-up (tag < 0)."""
        if tag < 0 or self.run_to_run == 0:
            return 1.0
        return 1.0 + self.run_to_run * _run_draw(self.seed, tag)

    def population(self) -> World:
        """Get this world as it is on average over runs: no run-to-run spread, no noise."""
        return replace(self, run_to_run=0.0, noise_w=0.0)

    def power(self, edges: Edges, t_ns: Int64Array) -> FloatArray:
        """Get the power (W) at the instants ``t_ns``, int64 of any shape."""
        at = np.asarray(t_ns, dtype=np.int64)
        fast, slow, entry, elapsed_s = self._place(edges, at)
        power: FloatArray = self.drift_w * slow.value(entry, elapsed_s)
        power += self.idle_w + (self.active_w - self.idle_w) * fast.value(entry, elapsed_s)
        if self.noise_w == 0 or at.size == 0:
            return power
        cell = at // self.noise_cell_ns
        first = int(cell.min())
        cells = self._cells(first, int(cell.max()) - first + 1)
        power += self.noise_w * cells[cell - first]
        return power

    def cumulative(self, edges: Edges, t_ns: Int64Array) -> FloatArray:
        """Get the energy (J) from the earliest of ``t_ns`` to each of them, up to a constant.

        int64 of any shape in, float64 of that shape out. Only differences within one
        answer have a meaning: they are the exact energies between the instants.
        """
        at = np.asarray(t_ns, dtype=np.int64)
        if at.size == 0:
            return np.zeros(at.shape)
        fast, slow, entry, elapsed_s = self._place(edges, at)
        energy: FloatArray = self.idle_w * ((at - at.min()) / NS_PER_S)
        energy += (self.active_w - self.idle_w) * fast.integral(entry, elapsed_s)
        energy += self.drift_w * slow.integral(entry, elapsed_s)
        if self.noise_w != 0:
            energy += self.noise_w * self._noise_integral(at)
        return energy

    def energy(self, edges: Edges, t0_ns: Int64Array, t1_ns: Int64Array) -> FloatArray:
        """Get the exact energy (J) from each ``t0_ns`` to each ``t1_ns``, int64 of one shape.

        Additive: the energies of adjoining intervals sum to that of the whole.
        """
        start, stop = np.broadcast_arrays(
            np.asarray(t0_ns, dtype=np.int64), np.asarray(t1_ns, dtype=np.int64)
        )
        both = self.cumulative(edges, np.stack((start, stop)))
        return np.asarray(both[1] - both[0])

    def _place(
        self, edges: Edges, at: Int64Array
    ) -> tuple[_Response, _Response, Int64Array, FloatArray]:
        """Solve both responses and find each instant's entry and the time since its begin."""
        busy = (edges.level > 0).astype(np.float64)
        factor = np.array([self.run_factor(int(tag)) for tag in edges.tag])
        entry = np.searchsorted(edges.t_ns, at, side="right")
        begin = edges.t_ns[np.maximum(entry - 1, 0)] if edges.t_ns.size else at
        # Before the first edge nothing has responded: any elapsed time that is not negative.
        elapsed_s = np.maximum(at - begin, 0) / NS_PER_S
        fast = _respond(edges, busy * factor, self.lag_s)
        slow = _respond(edges, busy, self.drift_time_s)
        return fast, slow, entry, elapsed_s

    def _cells(self, first: int, count: int) -> FloatArray:
        """Get the unit noise in ``count`` cells from ``first`` on.

        A layer of cells ``2**k`` times as long has ``2**(k * (colour - 1))`` of the first one's
        variance: its spectrum, flat up to its own frequency, then continues the power law.
        """
        cells = noise.normals(self.seed, "cell", first, count)
        octaves = max(1, self.noise_longest_ns // self.noise_cell_ns).bit_length()
        if self.noise_colour == 0 or octaves == 1:
            return cells
        share = 2.0 ** (np.arange(octaves) * (self.noise_colour - 1))
        weight = np.sqrt(share / share.sum())
        cells *= weight[0]
        index = np.arange(first, first + count)
        for octave in range(1, octaves):
            stream = f"cell/{octave}"
            # Cells of all layers that began together would make the noise's size periodic.
            begin = int(noise.uniform(self.seed, f"{stream}/begin") * 2**octave)
            longer = (index + begin) >> octave
            low = int(longer[0])
            draws = noise.normals(self.seed, stream, low, int(longer[-1]) - low + 1)
            cells += weight[octave] * draws[longer - low]
        return cells

    def _noise_integral(self, at: Int64Array) -> FloatArray:
        """Get the integral (s) of the unit cell noise from a common cell's begin."""
        cell = at // self.noise_cell_ns
        first = int(cell.min())
        draws = self._cells(first, int(cell.max()) - first + 1)
        whole = np.concatenate(([0.0], np.cumsum(draws)[:-1])) * self.noise_cell_ns
        into_ns = at - cell * self.noise_cell_ns
        index = cell - first
        return np.asarray((whole[index] + draws[index] * into_ns) / NS_PER_S)


def emulation_of(device: DeviceProfile) -> Emulation:
    """Get the device's emulation section, ConfigError where it has none."""
    if device.emulation is None:
        raise ConfigError(
            f"device {device.id} cannot be emulated: its profile has no [emulation] section",
            hint="add [emulation] to the profile, or measure the real board without --emulate",
        )
    return device.emulation


def build_world(device: DeviceProfile, seed: int, **overrides: float) -> World:
    """Draw a world from the device's ``[emulation]``; ``overrides`` name fields of World.

    The supply lag is uniform from 0 to the profile's limit. Raises ConfigError where the
    profile has no emulation section.
    """
    section = emulation_of(device)
    world = World(
        seed=seed,
        idle_w=section.idle_w,
        active_w=section.active_w,
        lag_s=section.lag_limit_s * noise.uniform(seed, "supply lag"),
        run_to_run=section.run_to_run,
        drift_w=section.drift_w,
        drift_time_s=section.drift_time_s,
        noise_w=section.noise_w,
        noise_cell_ns=nanoseconds(section.noise_cell_s),
    )
    return replace(world, **overrides)  # type: ignore[arg-type]
