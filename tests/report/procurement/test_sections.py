"""The sections behind the first page: offers, tables, charts, evidence."""

from __future__ import annotations

import re

import numpy as np
import pytest

from powerlab.records.decision import Spread
from powerlab.report.procurement import ProcurementEvidence, procurement_model
from powerlab.report.procurement.canvas import DASHES, MARKERS
from powerlab.report.procurement.charts import draw_all
from powerlab.report.procurement.elements import ProcurementModel
from powerlab.report.procurement.figures import spread_text
from powerlab.report.procurement.theme import load_theme
from powerlab.report.texts import load_texts
from tests.report.procurement.decisions import decided
from tests.report.procurement.factory import evidence

SPACES = str.maketrans({"\u00a0": " ", "\u202f": ""})


@pytest.fixture(scope="module")
def ten() -> ProcurementModel:
    """Get the report of ten options with runs behind them."""
    plan, decision = decided("ten")
    return procurement_model(plan, decision, evidence(plan), load_texts("en"), ("plan.toml",))


def facts(model: ProcurementModel, title: str) -> dict[str, str]:
    """Get the facts of one option by their labels, with plain spaces."""
    card = next(card for card in model.cards if card.title == title)
    return {fact.label: fact.text.translate(SPACES) for fact in card.facts}


def test_an_offer_has_all_that_a_buyer_asks(ten) -> None:
    """SKU, supplier, price with and without tax, freight, its basis and date, end of life."""
    nano = facts(ten, "Jetson Nano 4 GB")
    assert nano["SKU"] == "EX-4714-B"
    assert nano["Unit price"] == "129.00 without tax, 145.77 with tax of 13 % / USD"
    assert nano["Freight"] == "3.50 USD a unit"
    assert nano["Price basis"].startswith("quote of 2026-11-01, tax excluded; u = 2.0 %")
    assert nano["Supply"] == "in stock; made until 2028-06-30"
    assert nano["Units measured"] == "one unit; spread between units not known"
    coral = facts(ten, "Coral Dev Board Mini")
    assert coral["Freight"] == "in the price"
    assert coral["Units measured"] == "3 units"
    assert coral["By quantity"] == "from 1: 99.99 USD; from 10: 89.99 USD"
    assert "clock-step" in facts(ten, "Neural Compute Stick 2")["Figures"]


def test_the_plan_adds_its_own_words_and_the_figures_theirs(ten) -> None:
    """Assumptions, exclusions and risks hold those of the plan and those that follow."""
    assert ten.assumptions[0] == "The cameras stay as they are."
    assert "1 USD is 7.12 CNY, on 2026-10-30." in ten.assumptions
    assert "Training of the model." in ten.exclusions
    assert any("made until 2028-06-30 only" in risk for risk in ten.risks)


def test_the_requirements_matrix_states_value_and_probability(ten) -> None:
    """An option that is too slow fails with its figure; the heads state the limits."""
    heads = [head.translate(SPACES) for head in ten.requirements.columns]
    assert heads[1:] == [
        "Latency p99 ≤ 100 ms",
        "Accuracy ≥ 74 %",
        "Power of the fleet ≤ 400 W",
        "Width ≤ 130 mm",
    ]
    slow = ten.requirements.rows[0][1].translate(SPACES)
    assert slow.startswith("✗ does not meet; 330.0 ± 6")
    assert slow.endswith("P < 0.1 %")


def test_the_load_chart_marks_the_flips_of_the_decision() -> None:
    """The three boards: lines at 3.12 and 142.97 a second, and the cheapest line on each side."""
    plan, decision = decided("boards")
    chart = procurement_model(plan, decision, ProcurementEvidence(), load_texts("en")).over_load
    assert [turn.value for turn in chart.turns] == pytest.approx([3.12, 142.972], rel=1e-4)
    assert "at 143.0" in chart.chart.alt.translate(SPACES)
    winners = np.argmin(chart.y, axis=0)
    assert [winners[chart.x < 3][-1], winners[np.searchsorted(chart.x, 100)], winners[-1]] == [
        0,
        1,
        2,
    ]


def test_the_front_holds_what_no_other_betters(ten) -> None:
    """Every option off the front is worse than one on it in both figures."""
    front = ten.front
    off = set(range(len(front.labels))) - set(front.front)
    for place in off:
        assert any(
            front.x[other] <= front.x[place] and front.y[other] <= front.y[place]
            for other in front.front
        )
    assert (np.diff(front.y[list(front.front)]) < 0).all()


def test_options_are_told_apart_without_colour() -> None:
    """Twelve options have twelve different pairs of marker and dash."""
    pairs = {
        (MARKERS[index % len(MARKERS)], str(DASHES[index % len(DASHES)])) for index in range(12)
    }
    assert len(pairs) == 12


def test_every_chart_has_a_name_of_its_own_and_an_alternative_text(ten) -> None:
    """The page finds each chart by its name; who cannot see it reads its figures."""
    names = [item.chart.name for item in ten.charts]
    assert len(names) == len(set(names)) == 14
    assert all(len(item.chart.alt) > 40 for item in ten.charts)


@pytest.mark.parametrize("name", ["alone", "barred", "boards", "tied"])
def test_charts_are_drawn_for_every_outcome_the_same_each_time(name) -> None:
    """One option, no winner, no uncertainty: each is drawn, twice with the same bytes."""
    plan, decision = decided(name)
    model = procurement_model(plan, decision, ProcurementEvidence(), load_texts("en"))
    drawn = draw_all(model, ("DejaVu Sans",), load_theme())
    assert set(drawn) == {item.chart.name for item in model.charts}
    assert drawn == draw_all(model, ("DejaVu Sans",), load_theme())


def test_evidence_names_run_meter_calibration_checks_and_hashes(ten) -> None:
    """Behind every measured figure stands its run, and behind each run its files."""
    row = ten.runs.rows[0]
    assert row[1:5] == (
        "0197-0000",
        "2026-10-28",
        "Keithley DMM6500; serial number 04592871",
        "CAL-2026-07, due 2027-07-01",
    )
    assert row[6].translate(SPACES) == "1.862 \u00b1 0.041 J"
    assert row[7] == "1 warning"
    assert ("0197-0000", "result.json", "ab" * 32) in ten.hashes.rows
    assert any(re.search("not that file", line) for line in ten.evidence)


@pytest.mark.parametrize(
    ("spread", "text"),
    [
        (Spread(632.6, 90.0, 450.0, 815.0), "630 ± 180"),
        (Spread(500.0, 80.0, 400.0, 740.0), "500 (400 … 740)"),
        (Spread(0.045, 0.6, 0.012, 2.6), "0.045 (0.012 … 2.6)"),
        (Spread(1438.16, 0.0, 1438.16, 1438.16), "1438.16"),
        (Spread(12_345_678.0, 0.0, 12_345_678.0, 12_345_678.0), "12345700"),
    ],
)
def test_a_spread_is_set_to_two_digits_of_its_half_width(spread, text) -> None:
    """± where the interval is even, its two ends where it is lopsided, nothing if exact."""
    assert spread_text(spread).translate(SPACES) == text
