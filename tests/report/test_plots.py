"""What the charts draw."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from powerlab.records import SampleFlag
from powerlab.report import charts, plots


def test_the_power_chart_shows_every_phase_and_both_levels(measurement, modelled) -> None:
    """Five numbered runs, warm-up and idle, and the levels of the result's own quantities."""
    power = modelled(measurement).power
    assert [band.label for band in power.bands if band.kind == "run"] == list("12345")
    assert {band.kind for band in power.bands} == {"idle", "warm-up", "run"}
    levels = [level.value for level in power.levels]
    quantities = measurement.result.quantities
    assert levels == [quantities["power_active"].value, quantities["power_idle"].value]
    assert "5 counted runs" in power.chart.alt
    run = next(band for band in power.bands if band.kind == "run")
    inside = (power.time_s > run.start_s + 0.1) & (power.time_s < run.stop_s - 0.1)
    assert power.low_w[inside].mean() == pytest.approx(levels[0], rel=0.01)


def test_a_gap_breaks_the_line(measurement, modelled) -> None:
    """Lost samples leave a hole in the trace; no line bridges it."""
    flags = np.array(measurement.aligned.flags)
    flags[1000:1020] = SampleFlag.LOST
    holed = replace(measurement, aligned=replace(measurement.aligned, flags=flags))
    power = modelled(holed).power
    assert np.isnan(power.low_w).sum() == 1


@given(arrays(np.float64, st.integers(1, 200), elements=st.floats(-10, 10)), st.integers(1, 9))
def test_decimation_keeps_every_extreme(watts, group) -> None:
    """The least and the greatest reading survive any decimation."""
    _, low, high = plots.decimate(np.arange(len(watts), dtype=np.float64), watts, group)
    assert low.min() == watts.min()
    assert high.max() == watts.max()
    assert (low <= high).all()


def test_a_long_trace_is_drawn_as_a_band_and_says_so(measurement, modelled, monkeypatch) -> None:
    """A decimated chart names how many readings each step spans."""
    monkeypatch.setattr(plots, "POINTS", 500)
    power = modelled(measurement).power
    assert len(power.time_s) < 300
    assert "least and greatest of every" in power.chart.caption


def test_the_histogram_counts_every_inference(measurement, modelled) -> None:
    """What is not drawn is counted in the caption."""
    latency = modelled(measurement).latency
    total = sum(run.inferences for run in measurement.result.runs)
    beyond = int(latency.chart.caption.split("Not drawn: ")[1].split()[0])
    assert latency.counts.sum() + beyond == total
    assert [mark.label[:3] for mark in latency.percentiles] == ["p50", "p90", "p99"]


def test_the_run_chart_says_that_its_axis_is_cut(measurement, modelled) -> None:
    """An axis that does not start at zero is named in the caption."""
    energy_runs = modelled(measurement).energy_runs
    assert "does not start at zero" in energy_runs.chart.caption
    assert energy_runs.band[0] < energy_runs.mean < energy_runs.band[1]


def test_charts_are_the_same_bytes_and_carry_no_date(measurement, modelled) -> None:
    """Drawing twice gives the same SVG, without a date, whatever the user's settings."""
    import matplotlib as mpl  # noqa: PLC0415

    model = modelled(measurement)
    first = charts.draw_charts(model, ("DejaVu Sans",))
    with mpl.rc_context({"font.size": 30, "axes.grid": True}):
        second = charts.draw_charts(model, ("DejaVu Sans",))
    assert first == second
    assert set(first) == {"power", "latency", "runs", "truth"}
    for content in first.values():
        assert b"<dc:date" not in content
        assert ET.fromstring(content).tag.endswith("svg")


def test_outliers_leave_the_histogram_readable(measurement, modelled) -> None:
    """A few latencies a hundred times as long are counted in words, not drawn."""
    windows = []
    for window in measurement.aligned.windows:
        latency = np.array(window.latency_s)
        latency[: len(latency) // 50] *= 100
        windows.append(replace(window, latency_s=latency))
    aligned = replace(measurement.aligned, windows=tuple(windows))
    latency = modelled(replace(measurement, aligned=aligned)).latency
    median = 1e3 * np.median(windows[2].latency_s)
    assert latency.edges[-1] < 3 * median
    assert (latency.counts > 0).sum() > 10
    assert "Not drawn: 179 above" in latency.chart.caption


def test_labels_in_charts_have_the_digits_of_the_tables(measurement, modelled) -> None:
    """One value is printed one way, in a chart as in the table."""
    model = modelled(measurement)
    shown = {row[0]: (row[1], row[3]) for row in model.results.rows}
    load, idle = (level.label for level in model.power.levels)
    assert load == "load {}\u00a0{}".format(*shown["Power under load"])
    assert idle == "idle {}\u00a0{}".format(*shown["Power idle"])
    for mark, name in zip(model.latency.percentiles, ("p50", "p90", "p99"), strict=True):
        assert mark.label == "{} {}\u00a0{}".format(name, *shown[f"Latency {name}"])
