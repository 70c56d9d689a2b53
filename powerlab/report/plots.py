"""What the charts draw: arrays, bands, references and their texts, ready to be placed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from powerlab.analysis.energies import build_model, evaluate, nominal_inputs
from powerlab.analysis.integrate import PowerTrace
from powerlab.records import FloatArray, Quantity
from powerlab.report.elements import (
    Band,
    Chart,
    LatencyChart,
    Level,
    PowerChart,
    RunsChart,
    Table,
    TruthChart,
    TruthRow,
    TruthSection,
)
from powerlab.report.numbers import NO_BREAK, fixed, percent, significant, tidy
from powerlab.report.subject import Subject
from powerlab.units import NS_PER_S, prefixed

POINTS = 4000
"""Points across a full-width chart before it is decimated: above what a printer resolves."""

BINS = 64
TAIL = 99.5
"""The histogram ends at this percentile; what lies beyond is counted in words."""

BULK = 90.0
REACH = 8.0
"""It ends at this many widths of the bulk at most, so that outliers leave the bulk readable."""


def boundary_trace(subject: Subject) -> PowerTrace:
    """Get the power at the boundary as the analysis integrates it, every correction applied."""
    model = build_model(subject.capture, subject.aligned)
    return evaluate(model, nominal_inputs(subject.capture)).power


def power_chart(subject: Subject, trace: PowerTrace) -> PowerChart | None:
    """Get power over time with every phase of the protocol as a band; None without samples."""
    if not len(trace.power_w):
        return None
    texts, origin = subject.texts, subject.origin_ns
    middle = (trace.start_ns - origin) / 2 / NS_PER_S + (trace.stop_ns - origin) / 2 / NS_PER_S
    time_s, watts = _broken_at_gaps(trace, middle)
    group = -(-len(watts) // (POINTS // 2)) if len(watts) > POINTS else 1
    time_s, low, high = decimate(time_s, watts, group)
    bands = _bands(subject)
    runs = sum(band.kind == "run" for band in bands)
    caption = texts.say("chart.power_caption", samples=tidy(str(len(trace.power_w))))
    if any(band.kind == "marker" for band in bands):
        caption += texts.say("chart.power_markers")
    if any(band.kind == "other" for band in bands):
        caption += texts.say("chart.power_other")
    if group > 1:
        caption += texts.say("chart.power_decimated", group=group)
    chart = Chart("power", texts.say("chart.power_alt", runs=runs, caption=caption), caption)
    return PowerChart(
        chart,
        time_s,
        low,
        high,
        bands,
        _levels(subject),
        texts.say("chart.time_axis"),
        texts.say("chart.power_axis"),
    )


def _bands(subject: Subject) -> tuple[Band, ...]:
    """Get every phase but the guards as a band; the slices of a warm-up make one."""
    bands: list[Band] = []
    for window in subject.aligned.windows:
        if window.kind == "guard":
            continue
        start_s, stop_s = (
            (instant_ns - subject.origin_ns) / NS_PER_S
            for instant_ns in (window.start_ns, window.stop_ns)
        )
        if window.kind == "warm-up" and bands and bands[-1].kind == "warm-up":
            bands[-1] = replace(bands[-1], stop_s=stop_s)
            continue
        label = _band_label(subject, window.kind, window.index)
        bands.append(Band(window.kind, start_s, stop_s, label))
    return tuple(bands)


def decimate(
    time_s: FloatArray, watts: FloatArray, group: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Get ``(time, min, max)`` over groups of samples, so that no peak is lost.

    NaN inside a group is skipped; a group of NaN alone stays NaN and breaks the line.
    """
    if group <= 1:
        return time_s, watts, watts
    count = -(-len(watts) // group)
    padding = (0, count * group - len(watts))
    times = np.pad(time_s, padding, mode="edge").reshape(count, group)
    values = np.pad(watts, padding, mode="edge").reshape(count, group)
    blank = np.isnan(values).all(axis=1)
    low = np.where(np.isnan(values), np.inf, values).min(axis=1)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=1)
    low[blank], high[blank] = np.nan, np.nan
    return times.mean(axis=1), low, high


def _broken_at_gaps(trace: PowerTrace, middle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Put a NaN where more than half a sample is missing between two neighbours."""
    stretch = np.median(trace.stop_ns - trace.start_ns)
    holes = np.flatnonzero(trace.start_ns[1:] - trace.stop_ns[:-1] > max(stretch, 1) / 2) + 1
    if len(holes) > len(middle) // 4:  # a meter that samples sparsely, not one with gaps
        return middle, trace.power_w
    times = np.insert(middle, holes, (middle[holes] + middle[holes - 1]) / 2)
    return times, np.insert(trace.power_w, holes, np.nan)


def _band_label(subject: Subject, kind: str, index: int) -> str:
    return str(index + 1) if kind == "run" else subject.texts.known("phase", kind)


def _levels(subject: Subject) -> tuple[Level, ...]:
    levels = []
    for name in ("power_active", "power_idle"):
        quantity = subject.quantity(name)
        if quantity is not None and np.isfinite(quantity.value):
            label = subject.texts.say(f"chart.{name}", value=_value_text(subject, quantity))
            levels.append(Level(quantity.value, label))
    return tuple(levels)


def _value_text(subject: Subject, quantity: Quantity) -> str:
    """Get the value alone, with the digits and the unit that the tables give it."""
    figure = subject.figure(quantity)
    return f"{figure.value}{NO_BREAK}{figure.unit}"


def _histogram_end(latency: FloatArray) -> float:
    """Get where the axis ends: at ``TAIL``, or nearer where few but long ones lie there."""
    start, bulk, tail = (float(np.percentile(latency, at)) for at in (0.0, BULK, TAIL))
    if bulk > start:
        tail = min(tail, start + REACH * (bulk - start))
    return max(tail, start * 1.001)


def latency_chart(subject: Subject) -> LatencyChart | None:
    """Get the distribution of all latencies of the counted runs; None where none were timed."""
    runs = [window.latency_s for window in subject.aligned.windows if window.kind == "run"]
    timed = subject.capture.target.passes_timed
    if not timed or sum(len(run) for run in runs) < 2:
        return None
    texts, latency = subject.texts, np.concatenate(runs)
    scale, unit = prefixed(float(np.median(latency)), "s")
    scaled = latency * scale
    start = float(scaled.min())
    stop = _histogram_end(scaled)
    batch = subject.result.request.batch
    kind = "one" if batch == 1 else "batch"
    counts, edges = np.histogram(scaled[scaled <= stop], bins=BINS, range=(start, stop))
    beyond = int((scaled > stop).sum())
    caption = texts.say(f"chart.latency_caption_{kind}", n=tidy(str(len(scaled))), batch=batch)
    if beyond:
        caption += texts.say(
            "chart.latency_beyond",
            n=beyond,
            limit=f"{significant(stop, 3)} {unit}",
            longest=f"{significant(float(scaled.max()), 3)} {unit}",
        )
    marks = tuple(
        Level(quantity.value * scale, f"{name} {_value_text(subject, quantity)}")
        for name in ("p50", "p90", "p99")
        if (quantity := subject.quantity(f"latency_{name}")) is not None
    )
    chart = Chart("latency", texts.say("chart.latency_alt", caption=caption), caption)
    return LatencyChart(
        chart,
        edges,
        counts.astype(np.float64),
        marks,
        texts.say("chart.latency_axis", unit=unit),
        texts.say("chart.count_axis"),
    )


def runs_chart(subject: Subject) -> RunsChart | None:
    """Get the energy per inference of every run, and the interval of their mean."""
    energy, runs = subject.quantity("energy_per_inference"), subject.result.runs
    if energy is None or len(runs) < 2 or not all(run.inferences for run in runs):
        return None
    texts = subject.texts
    scale, unit = prefixed(energy.value, "J")
    realised = subject.quantity("energy_of_these_runs")
    half_width = 0.0 if realised is None else realised.expanded
    low = energy.value - energy.expanded if energy.low is None else energy.low
    high = energy.value + energy.expanded if energy.high is None else energy.high
    used = np.array([run.energy_j / run.inferences for run in runs])
    spread = float(np.std(used, ddof=1) / energy.value)
    caption = texts.say("chart.runs_caption", spread=percent(spread))
    chart = Chart("runs", texts.say("chart.runs_alt", n=len(runs), caption=caption), caption)
    legend = ("used", "interior", "shared", "band")
    return RunsChart(
        chart,
        used * scale,
        np.array([run.interior_j / run.inferences for run in runs]) * scale,
        half_width * scale,
        energy.value * scale,
        (low * scale, high * scale),
        texts.say("chart.run_axis"),
        texts.say("chart.energy_axis", unit=unit),
        {key: texts.say(f"chart.runs_legend_{key}") for key in legend},
    )


def truth_section(subject: Subject) -> TruthSection | None:
    """Get the comparison of the stated intervals with the emulated world's own energies."""
    truth = subject.result.truth
    if truth is None:
        return None
    texts = subject.texts
    pairs = {
        "energy_per_inference": truth.energy_per_inference_j,
        "energy_of_these_runs": truth.energy_of_these_runs_j,
    }
    known = {
        name: (quantity, value)
        for name, value in pairs.items()
        if (quantity := subject.quantity(name)) is not None and value
    }
    if not known:
        return None
    inside = sum(_covers(quantity, value) for quantity, value in known.values())
    rows = tuple(_truth_row(subject, name, *pair) for name, pair in known.items())
    chart = Chart("truth", texts.say("truth.alt", n=inside, total=len(known)), "")
    return TruthSection(
        TruthChart(chart, rows, texts.say("truth.axis"), texts.say("truth.zero")),
        _truth_table(subject, known),
        texts.say("truth.sentence", n=inside, total=len(known)),
    )


def _covers(quantity: Quantity, value: float) -> bool:
    above = quantity.low is None or quantity.low <= value
    return above and (quantity.high is None or value <= quantity.high)


def _truth_row(subject: Subject, name: str, quantity: Quantity, value: float) -> TruthRow:
    low = quantity.value - quantity.expanded if quantity.low is None else quantity.low
    high = quantity.value + quantity.expanded if quantity.high is None else quantity.high
    covered = "inside" if _covers(quantity, value) else "outside"
    return TruthRow(
        label=subject.texts.say(f"quantity.{name}"),
        value=(quantity.value / value - 1) * 100,
        low=(low / value - 1) * 100,
        high=(high / value - 1) * 100,
        verdict=subject.texts.say(f"truth.{covered}"),
    )


def _truth_table(subject: Subject, known: dict[str, tuple[Quantity, float]]) -> Table:
    texts, rows = subject.texts, []
    for name, (quantity, value) in known.items():
        figure = subject.figure(quantity)
        scale, _ = prefixed(quantity.value, quantity.unit)
        places = len(figure.value.partition(".")[2])
        in_u = abs(quantity.value - value) / quantity.u if quantity.u > 0 else float("nan")
        rows.append(
            (
                texts.say(f"quantity.{name}"),
                figure.text,
                f"{fixed(value * scale, places + 1)} {figure.unit}",
                percent(quantity.value / value - 1),
                fixed(in_u, 1),
                texts.say(f"truth.{'inside' if _covers(quantity, value) else 'outside'}"),
            )
        )
    columns = ("quantity", "stated", "truth", "deviation", "in_u", "verdict")
    return Table(
        tuple(texts.say(f"truth.column_{key}") for key in columns),
        ("left", "right", "right", "right", "right", "left"),
        tuple(rows),
    )
