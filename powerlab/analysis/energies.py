"""The energy of every run and the idle level, for one setting of all corrections.

``evaluate`` is the measurement model ``y = f(x)`` of the GUM: the budget perturbs its inputs
one by one, so that every correction reaches every quantity through the same arithmetic.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from powerlab.analysis.electrics import Circuit, boundary_power, nominal_circuit
from powerlab.analysis.integrate import (
    PowerTrace,
    integrate,
    mean_inside,
    power_trace,
    standard_error,
)
from powerlab.records import (
    Aligned,
    Averaging,
    Capture,
    FloatArray,
    SampleClock,
    SampleFlag,
    Window,
    WindowEnergy,
    freeze_arrays,
)
from powerlab.units import NS_PER_S, nanoseconds

UNUSABLE = SampleFlag.LOST | SampleFlag.OVERRANGE | SampleFlag.SATURATED | SampleFlag.NOT_AVAILABLE


@dataclass(frozen=True, slots=True)
class Inputs:
    """The corrections that the budget perturbs, at one setting.

    ``supply_lag_s`` is the delay of the board's load edges at its input; ``idle_shift_w``
    moves the idle level; ``time_scale`` is the host's second against the true one;
    ``sample_shift_ns`` moves all samples against the windows.
    """

    circuit: Circuit
    supply_lag_s: float
    idle_shift_w: float = 0.0
    time_scale: float = 1.0
    sample_shift_ns: float = 0.0


@dataclass(frozen=True, slots=True)
class Energies:
    """What one evaluation yields: per run (float64 ``(runs,)``) and for the idle phases.

    ``gross_j`` and ``net_j`` are energies per inference, ``active_w`` the mean power inside
    the runs.
    """

    gross_j: FloatArray
    net_j: FloatArray
    active_w: FloatArray
    idle_w: float
    u_idle_w: float
    gap_limit_j: float
    runs: tuple[WindowEnergy, ...]
    power: PowerTrace

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Model:
    """A capture made ready for evaluation: what does not depend on the corrections."""

    capture: Capture
    aligned: Aligned
    usable: np.ndarray
    active_current_a: float
    guard_ns: int

    @property
    def point_interval_ns(self) -> int:
        """Get the nominal interval of a meter that reads points, 0 for one that reads means."""
        setup = self.capture.trace.setup
        return nanoseconds(setup.interval_s) if setup.averaging is Averaging.POINT else 0

    @property
    def trim_ns(self) -> int:
        """Get how far inside a run the load's edges may still show: supply lag and clocks."""
        lag_s = 5 * self.capture.wiring.supply_lag_limit_s
        return nanoseconds(lag_s) + round(3 * self.aligned.clock.u_ns)

    @property
    def runs(self) -> tuple[Window, ...]:
        """Get the windows of the counted runs in their order."""
        return tuple(window for window in self.aligned.windows if window.kind == "run")

    @property
    def idles(self) -> tuple[Window, ...]:
        """Get the windows of the long idle phases, before and after the runs."""
        return tuple(window for window in self.aligned.windows if window.kind == "idle")


def build_model(capture: Capture, aligned: Aligned) -> Model:
    """Prepare a capture: which samples count, how much idle lies around each run."""
    usable = (aligned.flags & UNUSABLE) == 0
    usable &= np.isfinite(aligned.values).all(axis=1)
    model = Model(capture, aligned, usable, 0.0, _guard_ns(aligned))
    if "current" not in capture.trace.setup.channels:
        return model
    column = capture.trace.setup.channels.index("current")
    current = power_trace(
        aligned.clock, aligned.values[usable, column], usable, model.point_interval_ns
    )
    means = [mean_inside(current, run.start_ns, run.stop_ns)[0] for run in model.runs]
    return replace(model, active_current_a=float(np.nanmean(means)))


def _guard_ns(aligned: Aligned) -> int:
    """Get how much undisturbed idle lies on each side of every run.

    The shortest recorded guard; without any, half of the shortest pause between
    neighbouring busy windows.
    """
    guards = [w.stop_ns - w.start_ns for w in aligned.windows if w.kind == "guard"]
    if guards:
        return min(guards)
    busy = [w for w in aligned.windows if w.kind in ("run", "warm-up")]
    busy.sort(key=lambda window: window.start_ns)
    pauses = [(after.start_ns - w.stop_ns) // 2 for w, after in itertools.pairwise(busy)]
    return max(0, min([*pauses, NS_PER_S]))


def nominal_inputs(capture: Capture) -> Inputs:
    """Get all corrections at their best estimate: the lag at the middle of its limits."""
    return Inputs(
        circuit=nominal_circuit(capture.trace.setup, capture.wiring),
        supply_lag_s=capture.wiring.supply_lag_limit_s / 2,
    )


def evaluate(model: Model, inputs: Inputs) -> Energies:
    """Evaluate the measurement model at one setting of its inputs."""
    power = _power(model, inputs)
    levels = [_idle_level(power, window, model.trim_ns) for window in model.idles]
    idle_w, u_idle_w = _idle(levels)
    runs = tuple(
        _run_energy(model, inputs, power, run, _baseline(levels, run) + inputs.idle_shift_w)
        for run in model.runs
    )
    duration = np.array([(run.stop_ns - run.start_ns) / NS_PER_S for run in runs])
    count = np.array([run.inferences for run in runs], dtype=np.float64)
    gross = np.array([run.energy_j for run in runs]) / count
    active = np.array([run.interior_j for run in runs]) / (duration * inputs.time_scale)
    idle_j = (idle_w + inputs.idle_shift_w) * duration * inputs.time_scale
    return Energies(
        gross_j=gross,
        net_j=gross - idle_j / count,
        active_w=active,
        idle_w=idle_w + inputs.idle_shift_w,
        u_idle_w=u_idle_w,
        gap_limit_j=_gap_limit(power, runs),
        runs=runs,
        power=power,
    )


def _power(model: Model, inputs: Inputs) -> PowerTrace:
    capture, aligned = model.capture, model.aligned
    watts = boundary_power(
        aligned.values[model.usable],
        capture.trace.setup,
        capture.wiring,
        inputs.circuit,
        model.active_current_a * inputs.circuit.gain.get("current", 1.0),
    )
    shift = round(inputs.sample_shift_ns)
    clock = SampleClock(
        start_ns=aligned.clock.start_ns + shift,
        stop_ns=aligned.clock.stop_ns + shift,
        u_ns=aligned.clock.u_ns,
        rate_ppm=aligned.clock.rate_ppm,
        u_rate_ppm=aligned.clock.u_rate_ppm,
    )
    return power_trace(clock, watts, model.usable, model.point_interval_ns)


@dataclass(frozen=True, slots=True)
class _Level:
    middle_ns: int
    power_w: float
    u_w: float


def _idle_level(power: PowerTrace, window: Window, trim_ns: int) -> _Level:
    """Get the level of an idle phase, leaving out where a neighbour's load may still show."""
    start, stop = window.start_ns + trim_ns, window.stop_ns - trim_ns
    mean, _ = mean_inside(power, start, stop)
    u = standard_error(power.power_w[power.inside(start, stop)])
    return _Level(middle_ns=(start + stop) // 2, power_w=mean, u_w=u)


def _idle(levels: list[_Level]) -> tuple[float, float]:
    """Get the mean idle power and its u: scatter, and half the change from before to after."""
    powers = np.array([level.power_w for level in levels])
    noise = math.sqrt(math.fsum(level.u_w**2 for level in levels)) / len(levels)
    change = float(np.ptp(powers)) / 2 if len(powers) > 1 else 0.0
    return float(powers.mean()), math.hypot(noise, change / math.sqrt(3))


def _baseline(levels: list[_Level], run: Window) -> float:
    """Get the idle power around a run, on the line from the phase before to the one after."""
    first, last = levels[0], levels[-1]
    instant_ns = (run.start_ns + run.stop_ns) // 2
    if first.middle_ns == last.middle_ns:
        return first.power_w
    fraction = (instant_ns - first.middle_ns) / (last.middle_ns - first.middle_ns)
    return first.power_w + (last.power_w - first.power_w) * fraction


def _run_energy(
    model: Model, inputs: Inputs, power: PowerTrace, run: Window, baseline_w: float
) -> WindowEnergy:
    guard = model.guard_ns
    whole = integrate(power, run.start_ns - guard, run.stop_ns + guard)
    duration_s = (run.stop_ns - run.start_ns) / NS_PER_S
    wide_j = whole.energy_j - baseline_w * 2 * guard / NS_PER_S
    mean_w, samples = mean_inside(power, run.start_ns + model.trim_ns, run.stop_ns - model.trim_ns)
    interior_j = mean_w * duration_s
    after_j = (mean_w - baseline_w) * inputs.supply_lag_s if samples else 0.0
    return WindowEnergy(
        index=run.index,
        start_ns=run.start_ns,
        stop_ns=run.stop_ns,
        inferences=run.inferences,
        energy_j=(wide_j - after_j) * inputs.time_scale,
        interior_j=interior_j * inputs.time_scale,
        wide_j=wide_j * inputs.time_scale,
        tail_j=(wide_j - interior_j) * inputs.time_scale,
        samples=samples,
        gap_s=whole.gap_s,
    )


def sample_noise(model: Model, energies: Energies) -> FloatArray:
    """Get the standard uncertainty of each run's gross energy per inference from its samples.

    Their scatter inside the run, autocorrelation kept; float64 ``(runs,)``, 0 for a run of
    fewer than two samples.
    """
    noise = np.zeros(len(model.runs))
    for index, run in enumerate(model.runs):
        inside = energies.power.inside(run.start_ns + model.trim_ns, run.stop_ns - model.trim_ns)
        error = standard_error(energies.power.power_w[inside])
        duration_s = (run.stop_ns - run.start_ns) / NS_PER_S
        noise[index] = error * duration_s / run.inferences if math.isfinite(error) else 0.0
    return noise


def _gap_limit(power: PowerTrace, runs: tuple[WindowEnergy, ...]) -> float:
    """Get the half-width of the energy that gaps may hide, per inference (method section 2.2)."""
    if not len(power.power_w):
        return 0.0
    swing = float(np.ptp(power.power_w))
    inferences = sum(run.inferences for run in runs)
    return swing / 2 * math.fsum(run.gap_s for run in runs) / inferences
