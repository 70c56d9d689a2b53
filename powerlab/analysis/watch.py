"""What disturbed a measurement: unsteady runs, throttling, heat, other programs, odd runs.

Two witnesses: the board's own telemetry where it has any, and the trace itself, which sees
throttling blindly as a change of latency and power at once (method section 2.5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from scipy import special

from powerlab.analysis.energies import Energies, Model
from powerlab.analysis.integrate import mean_inside
from powerlab.analysis.lines import fit_line
from powerlab.analysis.steady import (
    ALARM,
    FEWEST,
    FEWEST_TO_SETTLE,
    TOLERANCE,
    Change,
    Verdict,
    is_steady,
    last_change,
    middle_mean,
    without_spikes,
)
from powerlab.analysis.telemetry import telemetry_findings
from powerlab.analysis.uncertainty import student_t
from powerlab.analysis.warm import (
    Series,
    latency_series,
    power_series,
    samples_of,
    warm_up_state,
)
from powerlab.findings import Finding, Severity
from powerlab.records import Aligned, Capture, FloatArray, Window
from powerlab.units import NS_PER_S

TOGETHER = 0.1
"""Part of a run within which latency and power must change to have changed at once."""

CPU_RUNTIMES = ("tflite", "openvino")
"""Runtimes whose work is the processor's: with one thread they use one, all the time."""

CPU_FULL, CPU_LIMIT = 0.97, 0.02
"""Share of a processor that such a thread has at least; relative difference between runs."""

IDLE_LIMIT = 0.05
"""Relative change of idle power from before the runs to after them that is a finding."""

OUTLYING_SIGMA, GRUBBS, OUTLYING_LEAST = 5.0, 0.01, 1e-3
"""Robust standard deviations from the median; significance of Grubbs' test; least distance of a
run that is told, relative."""


def watch(
    capture: Capture, aligned: Aligned, model: Model, energies: Energies
) -> tuple[Finding, ...]:
    """List what disturbed the runs of an evaluated capture; nothing where nothing is known."""
    return (
        *_warm_up(capture, aligned),
        *_drift(model, energies),
        *_changes(model, energies),
        *telemetry_findings(capture),
        *_cpu_share(capture, model),
        *_idle_change(model, energies),
        *_outlying(model, energies),
    )


# --- the trace and the passes --------------------------------------------------------


def _warm_up(capture: Capture, aligned: Aligned) -> Iterable[Finding]:
    state = warm_up_state(capture, aligned)
    if state.unsteady:
        yield Finding(
            code="no-steady-state",
            severity=Severity.WARNING,
            message=f"the warm-up never became steady: {' and '.join(state.unsteady)} still "
            "changed in its second half, or scattered too much to tell",
            hint="allow a longer warm-up (warm_up_limit_s of the protocol), and look for other "
            "programs on the board",
            evidence={"passes": state.passes, "power_samples": state.power_samples},
        )


def _drift(model: Model, energies: Energies) -> Iterable[Finding]:
    """Yield a drift from run to run, or from the start to the end of every run.

    The latency of queries that came by themselves is the length of their queue: left out.
    """
    middle = np.array([(run.start_ns + run.stop_ns) / 2 for run in model.runs])
    judged: dict[str, tuple[_SeriesOf, FloatArray]] = {"power": (_powers, energies.active_w)}
    if not any(run.open_loop for run in model.runs):
        latency = np.array([float(middle_mean(run.latency_s)) for run in model.runs])
        judged["latency"] = (_latencies, latency)
    moved: dict[tuple[str, str], float] = {}
    for name, (series, means) in judged.items():
        moved[name, "over the runs"] = _change_over(middle, means)
        each = [is_steady(*series(model, energies, run)).change for run in model.runs]
        moved[name, "within each run"] = _common(np.array(each))
    beyond = {what: change for what, change in moved.items() if change}
    if beyond:
        told = [f"{name} moved by {by:+.1%} {where}" for (name, where), by in beyond.items()]
        yield Finding(
            code="no-steady-state",
            severity=Severity.WARNING,
            message=f"the runs were not steady: {', '.join(told)}",
            hint="warm up longer, or look for throttling, fans and other programs on the board",
            evidence={"_".join(what).replace(" ", "_"): by for what, by in beyond.items()},
        )


def _change_over(at_ns: FloatArray, means: FloatArray) -> float:
    """Get the relative change over the means of runs, 0 unless it is beyond doubt and matters."""
    if len(means) < 3 or not (means > 0).all():
        return 0.0
    if len(means) >= FEWEST:
        steadiness = is_steady(at_ns, means)
        return steadiness.change if steadiness.verdict is Verdict.DRIFTING else 0.0
    line = fit_line(at_ns, means)
    scale = float(np.ptp(at_ns)) / line.level
    return _beyond(line.slope * scale, line.u_slope * scale, line.dof)


def _common(changes: FloatArray) -> float:
    """Get the mean of the relative changes of all runs, 0 unless it is beyond doubt."""
    count = len(changes)
    if count < 2 or not np.isfinite(changes).all():
        return 0.0
    u = float(changes.std(ddof=1)) / math.sqrt(count)
    return _beyond(float(changes.mean()), u, count - 1)


def _beyond(change: float, u: float, dof: int) -> float:
    return change if abs(change) - student_t(ALARM, dof) * u > TOLERANCE else 0.0


_SeriesOf = Callable[[Model, Energies, Window], Series]


def _latencies(_model: Model, _energies: Energies, run: Window) -> Series:
    return latency_series([run])


def _powers(model: Model, energies: Energies, run: Window) -> Series:
    return power_series(samples_of(energies.power, [run], model.trim_ns), [run])


def _changes(model: Model, energies: Energies) -> Iterable[Finding]:
    found = {run.index: _changed(model, energies, run) for run in model.runs}
    changed = {index: both for index, both in found.items() if both}
    if changed:
        index, (latency, power) = next(iter(changed.items()))
        runs = ", ".join(str(one + 1) for one in changed)
        yield Finding(
            code="changed-in-run",
            severity=Severity.WARNING,
            message=f"latency and power changed at once in run {runs}: {latency:+.1%} and "
            f"{power:+.1%} in run {index + 1}",
            hint="the board's clock rate was changed, by heat, power limit or governor: cool it, "
            "fix the rate, and measure again",
            evidence={"runs": len(changed), "latency_change": latency, "power_change": power},
        )


def _changed(model: Model, energies: Energies, run: Window) -> tuple[float, float] | None:
    """Get the relative changes of latency and power where both stepped at once in a run.

    None of queries that came by themselves: more of them are more queue and more power.
    """
    if run.open_loop:
        return None
    both = [_latencies(model, energies, run), _powers(model, energies, run)]
    steps: list[tuple[int, Change]] = []
    for at_ns, values in both:
        told = len(values) >= FEWEST_TO_SETTLE
        change = last_change(without_spikes(values)) if told else None
        if change is None or change.before <= 0:
            return None
        steps.append((int(at_ns[change.index]), change))
    apart_ns = abs(steps[0][0] - steps[1][0])
    if apart_ns > TOGETHER * (run.stop_ns - run.start_ns):
        return None
    latency, power = (step.after / step.before - 1 for _, step in steps)
    return latency, power


def _outlying(model: Model, energies: Energies) -> Iterable[Finding]:
    """Yield the runs whose energy lies apart; they stay in every figure."""
    energy = energies.gross_j
    distance = _distances(energy)
    for place in np.flatnonzero(distance > 1):
        relative = float(energy[place] / np.median(energy)) - 1
        yield Finding(
            code="outlying-run",
            severity=Severity.INFO,
            message=f"run {model.runs[place].index + 1} took {relative:+.1%} energy per inference "
            "against the median of the runs; it is kept",
            hint="look at that run: something else may have worked on the board then",
            evidence={"run": model.runs[place].index, "relative": relative},
        )


def _distances(energy: FloatArray) -> FloatArray:
    """Get how far each value lies apart, in units of what is allowed; ``(n,)``.

    From 20 values on, 5 robust standard deviations from the median. For fewer, of which the
    median deviation is no measure, Grubbs' two-sided test at 1 % (Technometrics 11 (1969) 1).
    """
    count = len(energy)
    if count < 3 or not (energy > 0).all():
        return np.zeros(count)
    median = float(np.median(energy))
    if count >= FEWEST:
        away = np.abs(energy - median)
        allowed = OUTLYING_SIGMA * 1.4826 * float(np.median(away))
    else:
        away = np.abs(energy - energy.mean())
        t = float(special.stdtrit(count - 2, GRUBBS / (2 * count)))
        share = math.sqrt(t**2 / (count - 2 + t**2))
        allowed = (count - 1) / math.sqrt(count) * share * float(energy.std(ddof=1))
    return np.asarray(away / max(allowed, OUTLYING_LEAST * median))


def _idle_change(model: Model, energies: Energies) -> Iterable[Finding]:
    if len(model.idles) < 2:
        return
    spans = model.timeline.idle
    before_w, after_w = (mean_inside(energies.power, *spans[end])[0] for end in (0, -1))
    u = math.hypot(model.u_idles_w[0], model.u_idles_w[-1])
    if abs(after_w - before_w) > max(IDLE_LIMIT * abs(energies.idle_w), 2 * u):
        yield Finding(
            code="idle-changed",
            severity=Severity.WARNING,
            message=f"idle power went from {before_w:.4g} W before the runs to {after_w:.4g} W "
            "after them",
            hint="let the board settle before the first idle phase, and look for programs that "
            "started or ended meanwhile, and for fans",
            evidence={"before_w": before_w, "after_w": after_w},
        )


# --- the processor -------------------------------------------------------------------


def _cpu_share(capture: Capture, model: Model) -> Iterable[Finding]:
    """Yield another program's work: the agent had less of its processors than it could use."""
    target = capture.target
    used_s = np.array([run.cpu_s for run in model.runs])
    if not len(used_s) or not np.isfinite(used_s).all():
        return
    busy_s = [(run.stop_ns - run.start_ns) / NS_PER_S - run.pause_s for run in model.runs]
    shares = used_s / (target.threads * np.array(busy_s))
    least, most = float(shares.min()), float(shares.max())
    alone = target.runtime in CPU_RUNTIMES and target.threads == 1
    if (alone and least < CPU_FULL) or most - least > CPU_LIMIT * float(np.median(shares)):
        yield Finding(
            code="cpu-share",
            severity=Severity.WARNING,
            message=f"the inference had {least:.1%} to {most:.1%} of its processor time in the "
            "runs: another program took part of it",
            hint="stop what else runs on the board (top shows it), and measure again",
            evidence={"least": least, "most": most},
        )
