"""The loop of a calibration: a source, meters and cables, and a load that sets the current.

Current and volts follow what load and source were set to, with first-order responses; the load
warms up and is a little noisy. Every term has a closed integral, so means over apertures are
exact but for the product of noise and settling. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf
from typing import Self

import numpy as np

from powerlab.catalog.instrument_profile import InstrumentProfile
from powerlab.emulation import noise
from powerlab.emulation.wiring import draw_error
from powerlab.errors import ConfigError
from powerlab.records import FloatArray, Int64Array, freeze_arrays
from powerlab.units import NS_PER_S

NOISE_CELL_NS = 100_000_000
"""How long the load's noise stays as it is: slow enough that meters in series see the same."""

LOAD, SUPPLY, BRIDGE = "load", "supply", "bridge"
"""Who changes the loop: the load, the source, and who takes the first reference out of it."""


@dataclass(frozen=True, slots=True)
class History:
    """What load and source were set to, from each instant on until the next.

    ``t_ns`` int64 ``(n,)`` rising on the host's clock; ``load_a`` the current that the load
    truly aims at (0 with its input off), ``source_v`` and ``limit_a`` what the source truly
    aims at and the most it delivers, float64 ``(n,)`` each. ``first_v`` holds before the first
    instant, with the load off. From ``bridged_ns`` on the first reference is out of the loop,
    None for never.
    """

    t_ns: Int64Array
    load_a: FloatArray
    source_v: FloatArray
    limit_a: FloatArray
    first_v: float
    bridged_ns: int | None = None

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @classmethod
    def of(
        cls,
        load: Iterable[tuple[int, float, float]],
        supply: Iterable[tuple[int, float, float]] = (),
        first_v: float = 0.0,
        bridged_ns: int | None = None,
    ) -> Self:
        """Join what load and supply did: ``(t_ns, aim, limit)``, each in rising order."""
        changes = sorted(
            [(t_ns, LOAD, aim, limit) for t_ns, aim, limit in load]
            + [(t_ns, SUPPLY, aim, limit) for t_ns, aim, limit in supply],
            key=lambda change: change[0],
        )
        load_a, source_v, limit_a = 0.0, first_v, inf
        rows = []
        for t_ns, who, aim, limit in changes:
            if who == LOAD:
                load_a = aim
            else:
                source_v, limit_a = aim, limit
            rows.append((t_ns, load_a, source_v, limit_a))
        return cls(
            t_ns=np.array([row[0] for row in rows], dtype=np.int64),
            load_a=np.array([row[1] for row in rows], dtype=np.float64),
            source_v=np.array([row[2] for row in rows], dtype=np.float64),
            limit_a=np.array([row[3] for row in rows], dtype=np.float64),
            first_v=first_v,
            bridged_ns=bridged_ns,
        )

    def bridged(self, at_ns: Int64Array) -> FloatArray:
        """Get 1 at instants at which the first reference is out of the loop, else 0."""
        if self.bridged_ns is None:
            return np.zeros(at_ns.shape)
        return np.asarray(at_ns >= self.bridged_ns, dtype=np.float64)

    @property
    def first_draw_ns(self) -> int | None:
        """Get the instant from which a current flowed first, None before any."""
        drawing = np.flatnonzero(self.load_a > 0)
        return int(self.t_ns[drawing[0]]) if drawing.size else None


@dataclass(frozen=True, slots=True)
class Course:
    """A first-order response to a drive that is constant between instants, solved at these.

    Entry 0 stands for the time before the first instant, entry i for that after instant i - 1:
    ``drive`` there, and ``state`` and its integral ``area`` (s) at the entry's begin.
    """

    t_ns: Int64Array
    drive: FloatArray
    state: FloatArray
    area: FloatArray
    lag_s: float

    @classmethod
    def of(cls, t_ns: Int64Array, drive: FloatArray, lag_s: float, *, cut: bool = False) -> Self:
        """Solve the response to ``drive``, float64 ``(n + 1,)`` for the ``n`` instants.

        With ``cut`` a drive of 0 ends it at once, as an open switch does.
        """
        state, area = [float(drive[0])] * 2, [0.0, 0.0]
        for place, gap_s in enumerate(np.diff(t_ns) / NS_PER_S, start=1):
            level, begin = float(drive[place]), state[place]
            if cut and level == 0:
                begin = state[place] = 0.0
            decay = exp(-gap_s / lag_s) if lag_s > 0 else 0.0
            area.append(area[-1] + level * gap_s + (begin - level) * lag_s * (1 - decay))
            state.append(level + (begin - level) * decay)
        if cut and drive[-1] == 0:
            state[drive.size - 1] = 0.0
        count = drive.size
        return cls(t_ns, drive, np.array(state[:count]), np.array(area[:count]), lag_s)

    def value(self, at_ns: Int64Array) -> FloatArray:
        """Get the response at instants, int64 of any shape."""
        entry, elapsed_s = self._place(at_ns)
        return np.asarray(self.drive[entry] + self._fading(entry, elapsed_s))

    def integral(self, at_ns: Int64Array) -> FloatArray:
        """Get the integral (s) of the response from the first instant on."""
        entry, elapsed_s = self._place(at_ns)
        area = self.area[entry] + self.drive[entry] * elapsed_s
        if self.lag_s > 0:
            faded = self.state[entry] - self.drive[entry] - self._fading(entry, elapsed_s)
            area = area + self.lag_s * faded
        return np.asarray(area)

    def _fading(self, entry: Int64Array, elapsed_s: FloatArray) -> FloatArray:
        """Get what is left of the difference between state and drive."""
        if self.lag_s == 0:
            return np.zeros(entry.shape)
        left = np.exp(-np.maximum(elapsed_s, 0.0) / self.lag_s)
        return np.asarray((self.state[entry] - self.drive[entry]) * left)

    def _place(self, at_ns: Int64Array) -> tuple[Int64Array, FloatArray]:
        """Get each instant's entry and the time since its begin, negative before the first."""
        if self.t_ns.size == 0:
            return np.zeros(at_ns.shape, dtype=np.int64), (at_ns - 0) / NS_PER_S
        entry = np.searchsorted(self.t_ns, at_ns, side="right")
        begin = self.t_ns[np.maximum(entry - 1, 0)]
        return entry, (at_ns - begin) / NS_PER_S


@dataclass(frozen=True, slots=True)
class Circuit:
    """The loop of one world: its resistances, and how load and source behave.

    ``loop_ohm`` is all that is in series with the load, whose own input is never below
    ``on_ohm``: what the source cannot drive through both is not drawn. Current settles with
    ``settle_s``; ``drift`` is the fraction by which it wanders with ``drift_time_s``, and
    ``noise`` the standard deviation of its noise, a fraction. Volts settle with
    ``source_settle_s`` and are ``source_v`` where nothing sets them. ``reference_ohm`` is the
    part of ``loop_ohm`` that goes when the first reference is taken out.
    """

    seed: int
    source_v: float
    loop_ohm: float
    on_ohm: float
    settle_s: float
    drift: float
    drift_time_s: float
    noise: float
    source_settle_s: float
    reference_ohm: float = 0.0

    def current(self, history: History, at_ns: Int64Array) -> FloatArray:
        """Get the current (A) at instants, int64 of any shape."""
        fast, slow, _ = self._courses(history)
        steady = fast.value(at_ns) + self.drift * slow.value(at_ns)
        return np.asarray(steady * (1 + self.noise * self._cells(at_ns)))

    def voltage(self, history: History, at_ns: Int64Array, tap_ohm: float) -> FloatArray:
        """Get the volts behind ``tap_ohm`` of the loop at instants."""
        source = self._courses(history)[2].value(at_ns)
        return np.asarray(
            source - self._before(tap_ohm, history, at_ns) * self.current(history, at_ns)
        )

    def means(
        self, history: History, start_ns: Int64Array, stop_ns: Int64Array, tap_ohm: float
    ) -> tuple[FloatArray, FloatArray]:
        """Get the mean current and volts over stretches; values where one has no length."""
        if np.all(stop_ns == start_ns):
            return self.current(history, start_ns), self.voltage(history, start_ns, tap_ohm)
        length_s = (stop_ns - start_ns) / NS_PER_S
        fast, slow, source = (
            (course.integral(stop_ns) - course.integral(start_ns)) / length_s
            for course in self._courses(history)
        )
        noisy = 1 + self.noise * self._cell_means(start_ns, stop_ns)
        current = (fast + self.drift * slow) * noisy
        before = self._before(tap_ohm, history, start_ns)
        return np.asarray(current), np.asarray(source - before * current)

    def _before(self, tap_ohm: float, history: History, at_ns: Int64Array) -> FloatArray:
        """Get what lies between the source and a place at instants: the load is at the end."""
        gone = self.reference_ohm if tap_ohm >= self.loop_ohm else 0.0
        return tap_ohm - gone * history.bridged(at_ns)

    def _courses(self, history: History) -> tuple[Course, Course, Course]:
        """Solve the current, its slow part, and the source's volts."""
        gone_ohm = self.reference_ohm * history.bridged(history.t_ns)
        whole_ohm = self.loop_ohm + self.on_ohm - gone_ohm
        most_a = np.minimum(history.source_v / whole_ohm, history.limit_a)
        current = np.minimum(history.load_a, most_a)
        limiting = (history.load_a > most_a) & (history.limit_a <= most_a)
        volts = np.where(limiting, most_a * whole_ohm, history.source_v)
        aims = np.concatenate(([0.0], current))
        source = np.concatenate(([history.first_v], volts))
        return (
            Course.of(history.t_ns, aims, self.settle_s, cut=True),
            Course.of(history.t_ns, aims, self.drift_time_s, cut=True),
            Course.of(history.t_ns, source, self.source_settle_s),
        )

    def _cells(self, at_ns: Int64Array) -> FloatArray:
        """Get the unit noise at instants."""
        if self.noise == 0 or at_ns.size == 0:
            return np.zeros(at_ns.shape)
        cell = at_ns // NOISE_CELL_NS
        first = int(cell.min())
        return self._draws(first, int(cell.max()))[cell - first]

    def _cell_means(self, start_ns: Int64Array, stop_ns: Int64Array) -> FloatArray:
        """Get the unit noise's means over stretches."""
        if self.noise == 0 or start_ns.size == 0:
            return np.zeros(start_ns.shape)
        first = int(start_ns.min()) // NOISE_CELL_NS
        draws = self._draws(first, int(stop_ns.max()) // NOISE_CELL_NS)
        whole = np.concatenate(([0.0], np.cumsum(draws)))

        def integral(at_ns: Int64Array) -> FloatArray:
            cell = at_ns // NOISE_CELL_NS - first
            return np.asarray(whole[cell] + draws[cell] * (at_ns % NOISE_CELL_NS) / NOISE_CELL_NS)

        return np.asarray((integral(stop_ns) - integral(start_ns)) * NOISE_CELL_NS) / (
            stop_ns - start_ns
        )

    def _draws(self, first: int, last: int) -> FloatArray:
        return noise.normals(self.seed, "load noise", first, last - first + 1)


def draw_circuit(
    seed: int,
    load: InstrumentProfile,
    supply: InstrumentProfile | None,
    *,
    source_v: float,
    loop_ohm: float,
    reference_ohm: float = 0.0,
) -> Circuit:
    """Draw how a load, and a supply where there is one, behave in the loop of one world."""
    rating = load.load
    if rating is None:
        raise ConfigError(
            f"the profile {load.id} does not say how the load draws its current",
            hint="give it a [load] section",
        )
    return Circuit(
        seed=seed,
        source_v=source_v,
        loop_ohm=loop_ohm,
        on_ohm=rating.on_ohm,
        settle_s=rating.settle_s,
        drift=rating.drift_percent / 100 * draw_error(seed, "load drift"),
        drift_time_s=rating.drift_time_s,
        noise=rating.noise_percent / 100,
        source_settle_s=0.0 if supply is None or supply.supply is None else supply.supply.settle_s,
        reference_ohm=reference_ohm,
    )
