"""What the first page answers, for every outcome and in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from string import Formatter

import pytest

from powerlab.analysis.cost.decide import decide
from powerlab.records.decision import Outcome
from powerlab.records.procurement import Uncertain
from powerlab.report.procurement import ProcurementEvidence, procurement_model
from powerlab.report.procurement.elements import ProcurementModel
from powerlab.report.texts import load_texts, templates_dir
from tests.report.procurement.decisions import decided, plans
from tests.report.procurement.factory import evidence

SPACES = str.maketrans({"\u00a0": " ", "\u202f": ""})

FIXED = re.compile(
    r"JCGM 10[16]|G8:09/2019|SHA-256|sha256|95 %|5 %|100 %|30 %|10⁹|CO₂e|p50|p90|p99|2u|0 年|year 0"
    r"|\b1  |efficiency to 1|设为 1|near 0|接近 0|第 0 年|\d+\.\.\d+"
)
"""Names of documents, coverage and quantiles by definition: the digits that no model makes."""


def model(name: str, lang: str) -> ProcurementModel:
    """Get the report of one of the decisions, without runs."""
    plan, decision = decided(name)
    return procurement_model(plan, decision, ProcurementEvidence(), load_texts(lang))


def told(name: str, lang: str) -> list[str]:
    """Get the decision box as lines with plain spaces."""
    box = model(name, lang).box
    return [line.translate(SPACES) for line in (box.headline, *box.reasons, *box.changes)]


def test_a_sure_answer_says_what_how_many_how_sure_and_what_would_turn_it() -> None:
    """The worked example of three boards at 100 a second, with its flip near 143."""
    assert told("boards", "en") == [
        "Buy 8 \u00d7 RK3588S",
        (
            "With a probability of more than 99.9 % it is the cheapest of the 3 options that may"
            " win, over 3 years."
        ),
        (
            "RK3588S costs 1438 USD at present value over 3 years, of which 1200 USD at purchase;"
            " that is 0.152 USD per million inferences."
        ),
        "RK3588S saves 632.63 USD against ORIN, the next.",
        "Peak load above 143.0 inf/s → ORIN",
        "Price of ORIN below 1366 USD → ORIN",
        "Price of RK3588S above 229.08 USD → ORIN",
        "Price of RPI4 below 20.66 USD → RPI4",
        "Mean tariff above 0.7204 USD/kWh → ORIN",
    ]
    assert told("boards", "zh") == [
        "建议采购 RK3588S \u00d7 8 台",
        "在可入选的 3 个选项中\uff0c3 年内它最便宜的概率为 99.9 % 以上。",
        (
            "RK3588S 3 年内的现值为 1438 USD\uff0c其中购置时支出 1200 USD\uff1b"
            "折合每百万次推理 0.152 USD。"
        ),
        "与次优的 ORIN 相比\uff0cRK3588S 节省 632.63 USD。",
        "峰值负载高于 143.0 次/s → ORIN",
        "ORIN 的价格低于 1366 USD → ORIN",
        "RK3588S 的价格高于 229.08 USD → ORIN",
        "RPI4 的价格低于 20.66 USD → RPI4",
        "平均电价高于 0.7204 USD/kWh → ORIN",
    ]


def test_a_tie_names_all_options_and_recommends_none() -> None:
    """Two like boards: both named, the interval holds zero, and what to find out first."""
    lines = told("tied", "en")
    assert lines[0] == "No single recommendation: ALPHA, BETA cannot be told apart"
    assert lines[1].endswith("none can be excluded at a confidence of 95 %.")
    assert any("The interval holds zero" in line for line in lines)
    assert any(re.search(r"Find out first: price of (ALPHA|BETA)", line) for line in lines)
    assert told("tied", "zh")[0] == "无单一推荐\uff1aALPHA、BETA 无法区分"
    assert any("该区间包含零" in line for line in told("tied", "zh"))


def test_no_recommendation_gives_every_reason() -> None:
    """Each option that may not win stands there with why."""
    assert told("barred", "en")[:4] == [
        "Nothing can be recommended",
        "No option may win.",
        "Raspberry Pi 4 Model B 8 GB: measurement not valid, does not meet a requirement.",
        "Firefly RK3588S: measurement not valid.",
    ]
    assert told("barred", "zh")[3] == "Firefly RK3588S\uff1a测量无效。"


def test_options_that_cannot_be_compared_say_by_what_they_differ() -> None:
    """Workloads and boundaries are named with their options."""
    lines = " ".join(told("unlike", "en"))
    assert "Firefly RK3588S: mobilenet" in lines
    assert "Jetson AGX Orin MaxQ: dc" in lines
    assert "各选项不可比较" in " ".join(told("unlike", "zh"))


def test_a_winner_by_declared_figures_says_so() -> None:
    """The sentence names the options whose figures nobody measured."""
    (line,) = [line for line in told("declared", "en") if "declared figures" in line]
    assert "Hailo-8" in line
    assert "RTX A2000" in line
    assert any("声明值\uff0c未经测量" in line for line in told("declared", "zh"))


def test_an_only_option_is_not_called_the_cheapest() -> None:
    """With one option there is nothing to compare, and nothing would change the answer."""
    lines = told("alone", "en")
    assert lines[1] == "It is the only option of the plan, so nothing is said of others."
    assert model("alone", "en").box.changes == ()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", sorted(plans()))
def test_every_outcome_is_told_whole(name, lang) -> None:
    """No placeholder and no name of the records is left in a report."""
    made = model(name, lang)
    _, decision = decided(name)
    text = "\n".join((made.box.headline, *made.box.reasons, *made.box.changes, *made.risks))
    text += "\n".join(cell for row in made.glance.rows for cell in row)
    assert not re.search(r"[{}]|nan|None|e[+-]\d\d|_", text), text
    assert made.given is (decision.outcome in (Outcome.RECOMMENDED, Outcome.TIED))


def test_the_figures_of_the_answer_are_those_of_the_decision() -> None:
    """Units, saving and probability in the text are the decision's own, to their digits."""
    plan, decision = decided("ten")
    lines = told("ten", "en")
    assert f"Buy {decision.units + decision.spares} \u00d7 " in lines[0]
    assert f"{decision.units} in use, {decision.spares} spare" in lines[0]
    saved = next(line for line in lines if " saves " in line)
    number = float(re.search(r"saves ([\d.]+)", saved)[1])
    assert number == pytest.approx(decision.saving.value, rel=0.05)
    assert plan.option(decision.runner_up).name in saved


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_figure_is_typed(lang) -> None:
    """Template and locale hold no digit but names of documents and definitions."""
    folder = templates_dir()
    page = (folder / "procurement" / "procurement.html").read_text(encoding="utf-8")
    words = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>", "", page, flags=re.DOTALL)
    assert not re.search(r"\d", words)
    for key, sentence in load_texts(lang).sentences.items():
        if key.startswith("procurement_"):
            plain = "".join(part for part, _, _, _ in Formatter().parse(sentence))
            left = FIXED.sub("", plain.replace("\u00a0", " "))
            assert not re.search(r"\d", left), (key, left)


def test_every_remark_on_an_option_is_told_in_both_languages() -> None:
    """What the analysis finds of options is in the report's language, with their names."""
    plan = plans()["declared"]
    one, two, three = plan.options
    old = replace(one.offer, end_of_life="2020-01-01")
    odd = replace(
        plan,
        options=(
            replace(one, offer=old, power_idle_w=Uncertain(900.0)),
            replace(two, supply_efficiency=Uncertain(0.9), units_measured=1),
            replace(three, throughput_per_s=Uncertain(1320.0, 800.0), valid=False),
        ),
    )
    decision = decide(odd, 200)
    for lang, letters in (("en", "[A-Z]"), ("zh", "[\u4e00-\u9fff]")):
        made = procurement_model(odd, decision, ProcurementEvidence(), load_texts(lang))
        lines = [line.message for line in made.findings]
        assert len(lines) == len({finding.code for finding in decision.findings}) >= 7
        assert all(re.match(letters, line) for line in lines), lines
        assert not any("option-" in line for line in lines)


def test_emulation_is_said_and_never_wins() -> None:
    """The banner names the emulated option, and the option may not win."""
    plan, decision = decided("ten")
    made = procurement_model(plan, decision, evidence(plan), load_texts("en"))
    assert made.emulated
    assert "Emulated board" in made.banner
    row = next(row for row in made.glance.rows if row[0] == "Emulated board")
    assert row[-1] == "emulated"
