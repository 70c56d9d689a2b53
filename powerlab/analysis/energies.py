"""The energy of every run and the idle level, for one setting of all corrections.

``evaluate`` is the measurement model ``y = f(x)`` of the GUM: the budget perturbs its inputs
one by one, so that every correction reaches every quantity through the same arithmetic. All
samples are reduced beforehand (``reduction``); an evaluation is arithmetic on windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.clocks import clock_at
from powerlab.analysis.electrics import Circuit, nominal_circuit, power_weights
from powerlab.analysis.gaps import gap_limit_j
from powerlab.analysis.integrate import PowerTrace, standard_error
from powerlab.analysis.passes import pass_energies
from powerlab.analysis.readings import Levels, corrected_readings, usable_samples
from powerlab.analysis.reduction import Readings, WindowTerms, reduce_windows
from powerlab.analysis.timeline import Timeline, timeline
from powerlab.records import (
    Aligned,
    Capture,
    FloatArray,
    PassEnergies,
    RunClock,
    SampleClock,
    Window,
    WindowEnergy,
    freeze_arrays,
)
from powerlab.units import NS_PER_S, nanoseconds


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
    the runs. ``gap_limit_j`` is the half-width per inference of what gaps may hide;
    ``unusable_inside`` counts the unusable samples in the runs, their guards and the idle
    phases. ``power`` has every correction at its best estimate, whatever the inputs were.
    """

    gross_j: FloatArray
    net_j: FloatArray
    active_w: FloatArray
    idle_w: float
    u_idle_w: float
    gap_limit_j: float
    unusable_inside: int
    runs: tuple[WindowEnergy, ...]
    power: PowerTrace

    def __post_init__(self) -> None:
        freeze_arrays(self)


@dataclass(frozen=True, slots=True)
class Model:
    """A capture made ready for evaluation: what does not depend on the inputs.

    ``readings`` are corrected where a calibration applies; ``levels`` has what the meter told
    on each channel of which that is so. ``terms`` are those of unshifted samples;
    ``u_idles_w`` has the noise of each idle level, ``clocks`` and ``passes`` have what is told
    of each run besides its energy.
    """

    capture: Capture
    aligned: Aligned
    timeline: Timeline
    readings: Readings
    active_current_a: float
    levels: dict[str, Levels]
    terms: WindowTerms
    u_idles_w: FloatArray
    clocks: tuple[RunClock, ...]
    passes: tuple[PassEnergies | None, ...]
    gap_limit_j: float
    unusable_inside: int

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def runs(self) -> tuple[Window, ...]:
        """Get the windows of the counted runs in their order of time."""
        return self.timeline.runs

    @property
    def idles(self) -> tuple[Window, ...]:
        """Get the windows of the long idle phases, before, between and after the runs."""
        return self.timeline.idles

    @property
    def guard_ns(self) -> int:
        """Get how much undisturbed idle lies on each side of every run."""
        return self.timeline.guard_ns

    @property
    def trim_ns(self) -> int:
        """Get how far inside a run the load's edges may still show."""
        return self.timeline.trim_ns


def build_model(capture: Capture, aligned: Aligned) -> Model:
    """Prepare a capture: which samples count, what power each tells, and their sums."""
    usable, when = usable_samples(aligned), timeline(capture, aligned)
    corrected = corrected_readings(capture, aligned, usable, when)
    power = corrected.readings.power
    terms = reduce_windows(corrected.readings, when, lag_ns=_lag_ns(capture))
    return Model(
        capture=capture,
        aligned=aligned,
        timeline=when,
        readings=corrected.readings,
        active_current_a=corrected.active_current_a,
        levels=corrected.levels,
        terms=terms,
        u_idles_w=np.array(
            [standard_error(power.power_w[power.inside(*span)]) for span in when.idle]
        ),
        clocks=tuple(clock_at(aligned.board_clock, _middle_ns(run)) for run in when.runs),
        passes=tuple(
            pass_energies(power, run) if capture.target.passes_timed else None for run in when.runs
        ),
        gap_limit_j=gap_limit_j(power, when, terms.gaps),
        unusable_inside=_touching(aligned.clock, ~usable, when),
    )


def _touching(clock: SampleClock, wanted: np.ndarray, when: Timeline) -> int:
    """Count the wanted samples that touch a run, its guards or an idle phase."""
    start, stop = clock.start_ns[wanted], clock.stop_ns[wanted]
    touching = np.zeros(len(start), dtype=bool)
    for first, last in (*when.whole, *when.idle):
        touching |= (stop > first) & (start < last)
    return int(np.count_nonzero(touching))


def _lag_ns(capture: Capture) -> int:
    """Get the supply's lag at the middle of its limits."""
    return nanoseconds(capture.wiring.supply_lag_limit_s / 2)


def _middle_ns(window: Window) -> int:
    return (window.start_ns + window.stop_ns) // 2


def nominal_inputs(capture: Capture) -> Inputs:
    """Get all corrections at their best estimate: the lag at the middle of its limits."""
    return Inputs(
        circuit=nominal_circuit(capture.trace.setup, capture.wiring),
        supply_lag_s=capture.wiring.supply_lag_limit_s / 2,
    )


def evaluate(model: Model, inputs: Inputs) -> Energies:
    """Evaluate the measurement model at one setting of its inputs."""
    terms, shift_ns = model.terms, round(inputs.sample_shift_ns)
    if shift_ns:
        lag_ns = _lag_ns(model.capture)
        terms = reduce_windows(model.readings, model.timeline, lag_ns=lag_ns, shift_ns=shift_ns)
    weights = _weights(model, inputs.circuit)
    levels_w = terms.idle @ weights
    idle_w = float(levels_w.mean()) + inputs.idle_shift_w
    baseline_w = _baselines(model, levels_w) + inputs.idle_shift_w
    runs = _run_energies(model, inputs, terms, weights, baseline_w)
    duration = np.array([(run.stop_ns - run.start_ns) / NS_PER_S for run in runs])
    count = np.array([run.inferences for run in runs], dtype=np.float64)
    gross = np.array([run.energy_j for run in runs]) / count
    active = np.array([run.interior_j for run in runs]) / (duration * inputs.time_scale)
    return Energies(
        gross_j=gross,
        net_j=gross - idle_w * duration * inputs.time_scale / count,
        active_w=active,
        idle_w=idle_w,
        u_idle_w=_u_idle(levels_w, model.u_idles_w),
        gap_limit_j=model.gap_limit_j / float(count.sum()),
        unusable_inside=model.unusable_inside,
        runs=runs,
        power=model.readings.power,
    )


def _weights(model: Model, circuit: Circuit) -> FloatArray:
    """Get the weights of the readings' terms in the power."""
    active_a = model.active_current_a
    if "current" in circuit.gain:
        active_a = active_a * circuit.gain["current"] + circuit.offset["current"]
    return power_weights(model.capture.trace.setup, model.capture.wiring, circuit, active_a)


def _u_idle(levels_w: FloatArray, noise_w: FloatArray) -> float:
    """Get the u of the mean idle power: scatter, and half the change between idle phases."""
    noise = math.sqrt(math.fsum(noise_w**2)) / len(noise_w)
    return math.hypot(noise, float(np.ptp(levels_w)) / 2 / math.sqrt(3))


def _baselines(model: Model, levels_w: FloatArray) -> FloatArray:
    """Get the idle power around each run, on the line from the phase before to the one after."""
    origin_ns = model.idles[0].start_ns
    runs, idles = (
        np.array([_middle_ns(window) - origin_ns for window in windows], dtype=np.float64)
        for windows in (model.runs, model.idles)
    )
    return np.asarray(np.interp(runs, idles, levels_w))


def _run_energies(
    model: Model, inputs: Inputs, terms: WindowTerms, weights: FloatArray, baseline_w: FloatArray
) -> tuple[WindowEnergy, ...]:
    """Get the energies of every run.

    The idle power around a run is that of its own guards; ``baseline_w`` stands in where they
    hold too little that is clear of the load.
    """
    scale = inputs.time_scale
    around_w = terms.around @ weights
    idle_w = np.where(np.isfinite(around_w), around_w, baseline_w)
    duration_s = np.array([(run.stop_ns - run.start_ns) / NS_PER_S for run in model.runs])
    active_w = terms.inside @ weights
    wide_j = terms.whole @ weights - idle_w * 2 * model.guard_ns / NS_PER_S
    interior_j = active_w * duration_s
    # What the board's load leaves after the run is not the run's own.
    after_j = np.where(terms.samples > 0, (active_w - idle_w) * inputs.supply_lag_s, 0.0)
    return tuple(
        WindowEnergy(
            index=run.index,
            start_ns=run.start_ns,
            stop_ns=run.stop_ns,
            inferences=run.inferences,
            energy_j=float(wide_j[i] - after_j[i]) * scale,
            interior_j=float(interior_j[i]) * scale,
            wide_j=float(wide_j[i]) * scale,
            tail_j=float(wide_j[i] - interior_j[i]) * scale,
            samples=int(terms.samples[i]),
            gap_s=float(terms.gaps[i].length_s.sum()),
            clock=model.clocks[i],
            passes=model.passes[i],
        )
        for i, run in enumerate(model.runs)
    )


def sample_noise(model: Model, energies: Energies) -> FloatArray:
    """Get the standard uncertainty of each run's gross energy per inference from its samples.

    float64 ``(runs,)``, 0 for a run of fewer than two samples. The noise of a sample comes from
    the differences of neighbours (von Neumann), which the meter's own noise fills alike; slower
    changes are the board's and belong to the energy of the run.
    """
    noise = np.zeros(len(model.runs))
    for index, (run, span) in enumerate(zip(model.runs, model.timeline.inside, strict=True)):
        steps_w = np.diff(energies.power.power_w[energies.power.inside(*span)])
        if not len(steps_w):
            continue
        variance = float(np.dot(steps_w, steps_w)) / (2 * len(steps_w))
        duration_s = (run.stop_ns - run.start_ns) / NS_PER_S
        noise[index] = math.sqrt(variance / (len(steps_w) + 1)) * duration_s / run.inferences
    return noise
