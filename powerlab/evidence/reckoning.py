"""Powerlab's method on other tools' evidence: integrals over the windows, with a budget.

Every window is integrated with exact fractions at its ends, each meter on its own stamps. The
budget has what the evidence leaves open: the meter's limits, the clocks, the ends of the
windows, gaps, the meter's noise, and from run to run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from powerlab.analysis.integrate import Integral, PowerTrace, integrate, standard_error
from powerlab.analysis.uncertainty import component, quantity, reciprocal, rectangular
from powerlab.evidence.contract import ClockCheck, Evidence, Span, Trace
from powerlab.records import Component, Distribution, FloatArray, Quantity, freeze_arrays
from powerlab.units import NS_PER_S

RUN_TO_RUN = 0.0052
"""Relative u of one run's energy where there is no second one: the median difference of two runs
of 26 systems of MLPerf v2.1 is 0.5 %, which is 0.95 times this (method section 0, fact 6)."""

CLOCK_LIMIT_PPM = 50.0
"""A crystal against the true second (method section 1.3)."""


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What the method makes of one evidence; arrays are float64 ``(windows,)``.

    ``step_w`` is how far power falls outside the windows, which is what a shift of the clocks is
    worth per second; ``quantities`` is empty where there is no window with inferences.
    """

    energy_j: FloatArray
    duration_s: FloatArray
    gap_s: FloatArray
    gap_j: FloatArray
    step_w: float
    quantities: dict[str, Quantity]

    def __post_init__(self) -> None:
        freeze_arrays(self)


def reckon(evidence: Evidence) -> Reckoned:
    """Integrate every window and give the figures their budgets."""
    windows = [_integral(evidence, span) for span in evidence.windows]
    energy = np.array([each.energy_j for each in windows])
    duration = np.array([(each.stop_ns - each.start_ns) / NS_PER_S for each in evidence.windows])
    gap_s = np.array([each.gap_s for each in windows])
    gap_j = np.array([each.gap_j for each in windows])
    step_w = _step_w(evidence)
    parts = Reckoned(energy, duration, gap_s, gap_j, step_w, {})
    counts = np.array([span.inferences for span in evidence.windows])
    usable = len(counts) and (counts > 0).all() and energy.sum() > 0
    quantities = _quantities(evidence, parts, counts) if usable else _power_alone(evidence, parts)
    return Reckoned(energy, duration, gap_s, gap_j, step_w, quantities)


def _integral(evidence: Evidence, span: Span) -> Integral:
    read = [each.power for each in evidence.traces if len(each.power.power_w)]
    parts = [integrate(each, span.start_ns, span.stop_ns) for each in read]
    return Integral(
        energy_j=math.fsum(each.energy_j for each in parts),
        gap_j=math.fsum(each.gap_j for each in parts),
        gap_s=max((each.gap_s for each in parts), default=0.0),
    )


def samples_inside(trace: Trace, span: Span) -> FloatArray:
    """Get the power of the samples that touch a window."""
    return np.asarray(trace.power.power_w[trace.power.between(span.start_ns, span.stop_ns)])


def _step_w(evidence: Evidence) -> float:
    """Get by how much power falls beside the windows, 0 where nothing was recorded there."""
    if not evidence.windows:
        return 0.0
    total = 0.0
    for trace in evidence.traces:
        power = trace.power
        outside = np.ones(len(power.power_w), dtype=bool)
        inside = np.zeros(len(power.power_w), dtype=bool)
        for span in evidence.windows:
            outside[power.between(span.start_ns, span.stop_ns)] = False
            inside[power.inside(span.start_ns, span.stop_ns)] = True
        if outside.any() and inside.any():
            total += float(power.power_w[inside].mean() - np.median(power.power_w[outside]))
    return total


def _quantities(evidence: Evidence, parts: Reckoned, counts: FloatArray) -> dict[str, Quantity]:
    each = parts.energy_j / counts
    value = float(each.mean())
    lines = _systematic(evidence, parts, counts)
    energy = quantity(
        "energy_per_inference", "J", value, [*lines, *_scatter(evidence, each), *_noise(evidence)]
    )
    power_w = float(parts.energy_j.sum() / parts.duration_s.sum())
    rate = float(counts.sum() / parts.duration_s.sum())
    found = [
        energy,
        quantity("energy_of_these_runs", "J", value, [*lines, *_noise(evidence)]),
        _scaled(energy, "power_active", "W", power_w),
        _throughput(counts / parts.duration_s, rate),
        reciprocal("performance_per_watt", "1/J", energy),
    ]
    if math.isfinite(evidence.idle_w) and evidence.idle_w > 0:
        limit = evidence.idle_w * evidence.meter.gain_limit + evidence.meter.offset_limit_w
        line = component("meter", "B", rectangular(limit), Distribution.RECTANGULAR)
        found.append(quantity("power_idle", "W", evidence.idle_w, [line]))
    for percent, seconds in evidence.latencies_s.items():
        name = f"latency_p{percent}"
        if name in ("latency_p50", "latency_p90", "latency_p99"):
            found.append(quantity(name, "s", seconds, [_time_line(seconds)]))
    return {item.name: item for item in found}


def _power_alone(evidence: Evidence, parts: Reckoned) -> dict[str, Quantity]:
    """Get the mean power where there are windows and nothing is counted in them."""
    length_s = float(parts.duration_s.sum())
    if length_s <= 0:
        return {}
    total_j = float(parts.energy_j.sum())
    one = np.array([1.0])
    whole = Reckoned(
        np.array([total_j]), np.array([length_s]), parts.gap_s[:1], parts.gap_j[:1], 0.0, {}
    )
    lines = _systematic(evidence, whole, one)
    energy = quantity("energy", "J", total_j, lines)
    return {
        "energy": energy,
        "power_active": _scaled(energy, "power_active", "W", total_j / length_s),
    }


def _scaled(base: Quantity, name: str, unit: str, value: float) -> Quantity:
    """Get a quantity that errs as another does, relatively."""
    factor = value / base.value if base.value else math.nan
    lines = [
        component(
            line.name, line.kind, line.sign * line.u * factor, line.distribution, dof=line.dof,
            source=line.source, input_=line.input,
        )
        for line in base.budget
    ]  # fmt: skip
    return quantity(name, unit, value, lines)


def _throughput(rates: FloatArray, mean: float) -> Quantity:
    lines = [_time_line(mean)]
    if len(rates) > 1:
        u = float(rates.std(ddof=1)) / math.sqrt(len(rates))
        lines.append(component("run to run", "A", u, Distribution.T, dof=len(rates) - 1))
    return quantity("throughput", "1/s", mean, lines)


def _time_line(value: float) -> Component:
    u = rectangular(CLOCK_LIMIT_PPM * 1e-6 * value)
    return component("clock rate", "B", u, Distribution.RECTANGULAR, source="a computer's crystal")


# --- the budget ----------------------------------------------------------------------


def _systematic(evidence: Evidence, parts: Reckoned, counts: FloatArray) -> list[Component]:
    """Get the lines of the mean energy per inference that all windows share, in joule."""
    meter = evidence.meter
    mean_j = float((parts.energy_j / counts).mean())
    seconds_each = float((parts.duration_s / counts).mean())
    owner = f"{meter.model}/{meter.serial or evidence.path}"
    offset_j = meter.offset_limit_w * seconds_each * max(1, len(evidence.traces))
    clock_s = _clock_limit_s(evidence.clocks)
    clock_j = abs(parts.step_w) * clock_s * float((1 / counts).mean())
    edges_j = math.sqrt(math.fsum(_edge_u_j(evidence, span) ** 2 for span in evidence.windows))
    edges_j /= float(counts.mean()) * len(counts)
    gaps_j = float((_gap_limits_j(evidence) / counts).mean())
    rows = (
        ("meter gain", rectangular(meter.gain_limit * mean_j), meter.source, f"{owner}/gain"),
        ("meter offset", rectangular(offset_j), meter.source, f"{owner}/offset"),
        ("clock offset", rectangular(clock_j), "the clocks' brackets, times the step of power", ""),
        ("window edges", edges_j, "samples across the ends of the windows", ""),
        ("gaps", rectangular(gaps_j), "what no sample covers, by the swing around it", ""),
        ("clock rate", rectangular(CLOCK_LIMIT_PPM * 1e-6 * mean_j), "a computer's crystal", ""),
    )
    return [
        component(name, "B", u, Distribution.RECTANGULAR, source=source, input_=input_)
        for name, u, source, input_ in rows
        if u > 0
    ]


def _clock_limit_s(clocks: tuple[ClockCheck, ...]) -> float:
    """Get the most by which the clocks may have differed: offsets found are not corrected."""
    return max((max(abs(each.low_s), abs(each.high_s)) for each in _narrow(clocks)), default=0.0)


def _narrow(clocks: tuple[ClockCheck, ...]) -> list[ClockCheck]:
    """Get the checks whose bracket is at most three times the narrowest."""
    width = min((each.high_s - each.low_s for each in clocks), default=0.0)
    return [each for each in clocks if each.high_s - each.low_s <= 3 * width]


def clock_offset(clocks: tuple[ClockCheck, ...]) -> ClockCheck | None:
    """Get the check with the largest offset among the narrow ones, None without any."""
    return max(_narrow(clocks), key=lambda each: abs(each.middle_s), default=None)


def _edge_u_j(evidence: Evidence, span: Span) -> float:
    """Get the u of a window's energy from the samples that its two ends cut.

    A mean does not tell where in its stretch power changed, and a stamp is only so fine: at
    either end the energy may be off by the swing of its neighbours times half of both.
    """
    total = 0.0
    for trace in evidence.traces:
        power = trace.power
        for edge in (span.start_ns, span.stop_ns):
            at = int(np.searchsorted(power.stop_ns, edge))
            near = power.power_w[max(0, at - 1) : at + 2]
            if len(near) > 1:
                reach_s = (trace.interval_ns / 2 + span.edge_ns) / NS_PER_S
                total += rectangular(float(np.ptp(near)) * reach_s) ** 2
    return math.sqrt(total)


def _gap_limits_j(evidence: Evidence) -> FloatArray:
    """Get per window the half-width of what its gaps may hide."""
    limits = np.zeros(len(evidence.windows))
    for i, span in enumerate(evidence.windows):
        for trace in evidence.traces:
            if not len(trace.power.power_w):
                continue
            gap_s = integrate(trace.power, span.start_ns, span.stop_ns).gap_s
            if gap_s > 0:
                swing = samples_inside(trace, span)
                limits[i] += gap_s * (float(np.ptp(swing)) / 2 if len(swing) else 0.0)
    return limits


def _noise(evidence: Evidence) -> list[Component]:
    """Get the meter's noise in the mean energy per inference: from neighbours' differences."""
    total = 0.0
    for span in evidence.windows:
        for trace in evidence.traces:
            steps = np.diff(samples_inside(trace, span))
            if len(steps) > 1:
                variance = float(np.dot(steps, steps)) / (2 * len(steps))
                length_s = (span.stop_ns - span.start_ns) / NS_PER_S
                total += variance / len(steps) * (length_s / span.inferences) ** 2
    u = math.sqrt(total) / len(evidence.windows)
    return [component("sample noise", "A", u)] if u > 0 else []


def _scatter(evidence: Evidence, each: FloatArray) -> list[Component]:
    """Get the line of the scatter from run to run, or what stands in for it."""
    count = len(each)
    if count > 1:
        u = float(each.std(ddof=1)) / math.sqrt(count)
        return [component("run to run", "A", u, Distribution.T, dof=count - 1)]
    value = float(each[0])
    source = "one run only: by pairs of runs of MLPerf v2.1"
    u = RUN_TO_RUN * value
    if math.isfinite(evidence.second_j):
        u = max(u, abs(value - evidence.second_j) / math.sqrt(2))
        source = "one run and its ranging run, or pairs of runs of MLPerf v2.1 if they say more"
    return [component("run to run", "B", u, source=source)]


def slow_error(trace: PowerTrace, span: Span) -> tuple[float, float, int]:
    """Get mean power, its standard error with autocorrelation, and the samples in a window."""
    values = trace.power_w[trace.inside(span.start_ns, span.stop_ns)]
    if len(values) < 3:
        return math.nan, math.nan, len(values)
    return float(values.mean()), standard_error(values), len(values)
