"""The chart of an audited run: which points, bands and texts it shows, ready to be drawn."""

from __future__ import annotations

import numpy as np

from powerlab.report.audit.elements import TraceChart, TraceLine
from powerlab.report.audit.subject import AuditedRun, Recorded
from powerlab.report.elements import Band, Chart
from powerlab.report.numbers import tidy
from powerlab.report.plots import POINTS, decimate
from powerlab.report.texts import Texts
from powerlab.units import NS_PER_S

MOST_TRACES = 6
MOST_BANDS = 60
"""More windows than this are drawn as one band: they could not be told apart."""

GAP = 2.5
"""Intervals without a sample that break a line."""


def trace_chart(run: AuditedRun, texts: Texts, name: str) -> TraceChart | None:
    """Get power over time of a run's traces; None where it has none."""
    drawn = [each for each in run.traces if len(each.power.power_w)][:MOST_TRACES]
    if not drawn:
        return None
    samples = sum(len(each.power.power_w) for each in drawn)
    caption = texts.say("audit_chart.caption", samples=tidy(str(samples)))
    if any(len(each.power.power_w) > POINTS for each in drawn):
        caption += texts.say("audit_chart.decimated")
    if len(run.windows) > MOST_BANDS:
        caption += texts.say("audit_chart.one_band", n=tidy(str(len(run.windows))))
    if len(drawn) < len(run.traces):
        caption += texts.say("audit_chart.traces", shown=len(drawn), n=len(run.traces))
    return TraceChart(
        Chart(name, texts.say("audit_chart.alt", title=run.title, caption=caption), caption),
        tuple(_line(each, run.origin_ns) for each in drawn),
        _bands(run),
        texts.say("chart.time_axis"),
        texts.say("chart.power_axis"),
    )


def _line(trace: Recorded, origin_ns: int) -> TraceLine:
    power = trace.power
    time_s = ((power.start_ns - origin_ns) + (power.stop_ns - origin_ns)) / 2 / NS_PER_S
    holes = np.flatnonzero(np.diff(time_s) > GAP * max(trace.interval_s, 1e-9)) + 1
    watts = power.power_w
    if len(holes) <= len(time_s) // 4:  # else it samples sparsely, which is no gap
        time_s = np.insert(time_s, holes, time_s[holes - 1] if len(holes) else [])
        watts = np.insert(watts, holes, np.nan)
    group = -(-len(watts) // (POINTS // 2)) if len(watts) > POINTS else 1
    time_s, low, high = decimate(time_s, watts, group)
    return TraceLine(trace.name, time_s.copy(), low.copy(), high.copy())


def _bands(run: AuditedRun) -> tuple[Band, ...]:
    if not run.windows:
        return ()
    if len(run.windows) > MOST_BANDS:
        return (Band("run", run.windows[0].start_s, run.windows[-1].stop_s, ""),)
    return tuple(Band("run", each.start_s, each.stop_s, "") for each in run.windows)
