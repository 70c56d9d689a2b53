"""What the report says, before it is drawn."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from powerlab.findings import Finding, Severity
from powerlab.records import Evidence
from powerlab.report.fonts import choose_fonts
from powerlab.report.headline import ABSENT
from powerlab.report.html import render_html


def plain(text: str) -> str:
    """Get a text with ordinary spaces."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def test_the_summary_says_energy_boundary_device_and_speed(measurement, modelled) -> None:
    """One sentence holds the result with its uncertainty, in English."""
    summary = plain(modelled(measurement).head.summary)
    assert summary.startswith("One inference of Seed CNN takes 33.33 ± 0.14 mJ at the power input")
    assert "the emulated EdgeBoard" in summary
    assert "inferences per second" in summary


def test_the_summary_says_the_same_in_chinese(measurement, modelled) -> None:
    """The Chinese summary holds the same figures."""
    summary = plain(modelled(measurement, "zh").head.summary)
    assert "单次" in modelled(measurement, "zh").texts.say("quantity.energy_per_inference")
    assert "33.33 ± 0.14 mJ" in summary
    assert "仿真的 EdgeBoard" in summary


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("Nothing here was measured on EdgeBoard", "standing in for Paddle-Lite",
                "describe this computer and a power model", "3.9 W idle")),
        ("zh", ("没有任何数据是在 EdgeBoard 上实测的", "代替板卡原生的 Paddle-Lite",
                "本计算机与功率模型", "空闲 3.9 W")),
    ],
)  # fmt: skip
def test_the_banner_says_what_emulation_means(measurement, modelled, lang, words) -> None:
    """Speed is this computer's, power is a model, TFLite stands in for the native runtime."""
    banner = plain(modelled(measurement, lang).head.banner)
    for word in words:
        assert word in banner


def test_a_measured_result_carries_no_banner_and_no_truth(measurement, modelled) -> None:
    """Nothing of the emulation's own words reaches a real measurement's report."""
    model = modelled(measurement.but(evidence=Evidence.MEASURED, truth=None))
    assert not model.emulated
    assert model.head.banner == ""
    assert model.truth is None
    assert "emulated" not in model.head.summary


def test_every_quantity_of_the_result_is_in_the_table(measurement, modelled) -> None:
    """Each row has value, interval and largest term."""
    table = modelled(measurement).results
    assert len(table.rows) == len(measurement.result.quantities)
    for row in table.rows:
        assert len(row) == len(table.columns) == len(table.align)
        assert all(row), row


def test_a_missing_quantity_is_named_as_missing(measurement, modelled) -> None:
    """Table and tile say that a figure was not determined; nothing is left out silently."""
    kept = dict(measurement.result.quantities)
    del kept["throughput"], kept["performance_per_cost"]
    model = modelled(measurement.but(quantities=kept, price=None))
    rows = {row[0]: row for row in model.results.rows}
    assert rows["Throughput"][1] == ABSENT
    assert "not determined" in rows["Throughput"]
    assert model.price is None
    assert model.tiles[1].figures == ()
    assert model.tiles[4].figures == ()
    assert model.tiles[4].note == "the device profile has no price"


def test_figures_that_are_no_numbers_are_named_as_missing(measurement, modelled) -> None:
    """An energy that could not be had is not determined; the rest of the report stands."""
    nowhere = {"value": math.nan, "u": math.nan, "expanded": math.nan, "low": None, "high": None}
    kept = dict(measurement.result.quantities)
    kept["energy_per_inference"] = replace(kept["energy_per_inference"], **nowhere)
    runs = tuple(replace(run, energy_j=math.nan) for run in measurement.result.runs)
    model = modelled(measurement.but(quantities=kept, runs=runs, valid=False))
    assert model.head.key is None
    assert model.budget is None
    assert model.energy_runs is None
    assert "not determined" in {row[0]: row for row in model.results.rows}["Energy per inference"]


def test_an_empty_result_still_makes_a_model(measurement, modelled) -> None:
    """Without runs and quantities the report says so instead of failing."""
    bare = measurement.but(quantities={}, runs=(), truth=None, price=None, valid=False)
    bare = replace(bare, aligned=replace(bare.aligned, windows=()))
    model = modelled(bare)
    assert model.power is None
    assert model.latency is None
    assert model.energy_runs is None
    assert model.budget is None
    assert model.head.key is None
    assert "no energy per inference" in model.head.summary


def test_the_budget_shares_add_up_and_its_lines_fall(measurement, modelled) -> None:
    """The bars are the shares of the variance, sorted."""
    budget = modelled(measurement).budget
    widths = [row.width for row in budget.rows]
    assert widths == sorted(widths, reverse=True)
    assert sum(widths) == pytest.approx(100, abs=0.1)
    combined = {fact.label: plain(fact.text) for fact in budget.combined}
    quantity = measurement.result.quantities["energy_per_inference"]
    assert combined["k = U/u"] == f"{quantity.k:.2f}"
    assert combined["Coverage p"] == "95 %"


def test_an_estimated_accuracy_is_marked(measurement, modelled) -> None:
    """A widened estimate carries a mark, and the mark is explained."""
    model = modelled(measurement)
    basis = {row[0]: row[3] for row in model.accuracy.rows}
    assert basis == {"current": "specified", "sample clock": "estimate †"}
    assert "†" in model.accuracy_note


def test_the_truth_is_compared_for_both_energies(measurement, modelled) -> None:
    """Each stated interval is judged against its own truth."""
    truth = modelled(measurement).truth
    assert "2 of 2 stated intervals hold their truth" in truth.sentence
    assert [row[-1] for row in truth.table.rows] == ["inside", "inside"]
    far = replace(measurement.result.truth, energy_of_these_runs_j=0.04)
    truth = modelled(measurement.but(truth=far)).truth
    assert [row[-1] for row in truth.table.rows] == ["inside", "outside"]


def test_blocking_findings_lead_and_the_verdict_says_not_valid(measurement, modelled) -> None:
    """The gravest finding stands first, also on the first page."""
    blocking = Finding("over-range", Severity.BLOCKING, "3 of 90 samples were beyond", "change it")
    findings = (*measurement.result.findings, blocking)
    model = modelled(measurement.but(valid=False, findings=findings))
    assert model.findings[0].severity == "blocking"
    assert model.pressing[0] == model.findings[0]
    assert model.head.verdict.startswith("Not valid: 1 blocking finding, 1 warning")
    assert model.findings[0].message == "3 of 90 samples were beyond."


def test_the_price_section_states_its_terms(measurement, modelled) -> None:
    """Amount, currency, date, basis, life and the interval of the reciprocal are there."""
    price = modelled(measurement).price
    texts = [plain(fact.text) for fact in price.facts]
    assert texts[:4] == ["5000 CNY", "10 %", "2019-11-30", "list price, one unit, tax included"]
    assert "3 years" in texts
    assert "CNY per million inferences" in price.per_million
    assert any("the throughput is this" in sentence for sentence in price.sentences)


def test_the_method_names_both_clocks_and_both_estimates(measurement, modelled) -> None:
    """Offset, rate and uncertainty of the clocks, tail energy and the meaning of U are told."""
    method = {fact.label: plain(fact.text) for fact in modelled(measurement).method}
    assert "Offset 1234.500" in method["Clocks"]
    assert re.search(r"rate 1[0-9](\.\d+)? ppm, u = [\d.]+ ppm", method["Clocks"])
    assert "own clock runs" in method["Clocks"]
    assert "start-up and tail" in method["Energy"]
    assert "p = 95 %" in method["Uncertainty"]


@pytest.mark.parametrize(("residual", "words"), [(2.5e6, "2.5 ms later"), (-3e5, "300 µs earlier")])
def test_the_markers_say_which_way_the_meter_is_off(measurement, modelled, residual, words) -> None:
    """A marker's residual is told with its sense; without markers nothing is said of them."""
    clocks = {fact.label: fact.text for fact in modelled(measurement).method}["Clocks"]
    assert "marker" not in clocks
    sync = replace(measurement.result.sync, marker_residual_ns=residual)
    method = {fact.label: plain(fact.text) for fact in modelled(measurement.but(sync=sync)).method}
    assert f"The markers show the meter {words} than the clocks say" in method["Clocks"]


def test_limits_and_standard_uncertainties_are_told_apart(measurement, modelled) -> None:
    """Half-widths of limits read "limit ±", standard uncertainties "u ="."""
    wiring = {fact.label: plain(fact.text) for fact in modelled(measurement).wiring}
    assert wiring["Burden resistance"] == "150 mΩ, limit ± 50 mΩ"
    assert wiring["Reading latency"] == "1 ms, limit ± 1 ms"
    assert wiring["Leads"] == "45 mΩ, u = 12 mΩ"


def test_the_runs_table_adds_up(measurement, modelled) -> None:
    """Each = (Wide - Lag) by inferences, from the printed columns."""
    table = modelled(measurement).runs
    names = [column.partition(" /")[0] for column in table.columns]
    for row in table.rows:
        cell = dict(zip(names, (plain(text).replace(" ", "") for text in row), strict=True))
        each = (float(cell["Wide"]) - float(cell["Lag"])) / float(cell["Inferences"]) * 1e3
        assert each == pytest.approx(float(cell["Each"]), rel=1e-4)
        assert float(cell["Lag"]) > 0


def test_an_interval_that_reaches_zero_is_named(measurement, modelled) -> None:
    """The note of the table says what such an interval comes from, and only then."""
    assert "reaches zero" not in modelled(measurement).results_note
    kept = dict(measurement.result.quantities)
    kept["throughput"] = replace(kept["throughput"], low=-3.0)
    assert "reaches zero" in modelled(measurement.but(quantities=kept)).results_note


def test_a_batch_is_counted_in_passes(measurement, modelled) -> None:
    """Of a batch, latency is that of a pass, and the batch is named."""
    request = replace(measurement.result.request, batch=4)
    model = modelled(measurement.but(request=request))
    latency = {fact.label: plain(fact.text) for fact in model.method}["Latency"]
    assert "7320 passes in 5 runs, one after another, each of a batch of 4" in latency
    assert "each a batch of 4" in model.latency.chart.caption
    assert model.tiles[2].note == "percentiles of one pass, batch 4"


def test_findings_are_typeset(measurement, modelled) -> None:
    """A space before %, a curly apostrophe and a true minus, whatever the record has."""
    odd = Finding("odd", Severity.INFO, "the meter's share is -59% of U", "use --runs 10")
    line = modelled(measurement.but(findings=(odd,))).findings[0]
    assert line.message == "The meter\u2019s share is \u221259\u00a0% of U."
    assert line.hint == "Use --runs 10."


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_emulated_report_calls_nothing_measured(measurement, modelled, lang) -> None:
    """Only the banner and the findings, which deny it, use the word."""
    model = replace(modelled(measurement, lang), findings=(), pressing=())
    model = replace(model, head=replace(model.head, banner=""))
    html = render_html(model, choose_fonts("en"))
    body = html.partition("<body")[2]
    for word in ("measured", "测得", "实测"):
        assert word not in body
