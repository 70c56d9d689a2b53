"""Problems with published answers: finance, ratios and ranking, conformity."""

import json
import math
from decimal import Decimal

import pytest

from powerlab.analysis.conformity import Limits, global_risk, probability_of_conformity
from powerlab.analysis.cost.capital import (
    capital_recovery_factor,
    payback_years,
    present_value,
    straight_line,
)
from powerlab.analysis.cost.decide import decide
from powerlab.analysis.cost.draws import draw
from powerlab.analysis.cost.model import embodied_share
from powerlab.analysis.cost.ranking import probability_below
from powerlab.analysis.ratio import Operands, fieller_interval
from powerlab.records.procurement import Requirement, Sense, Uncertain
from tests.analysis.cost.plans import changed, option, plan


@pytest.fixture
def finance(shared):
    """Get the reference problems of finance."""
    return json.loads(shared("references/finance.json").read_text())


def test_the_published_worksheet_comes_out(finance):
    """Net present value to the unit and payback to two decimals, as the worksheet prints them."""
    case = finance["npv"]
    flows = [Decimal(flow) for flow in case["flows"]]
    assert round(present_value(Decimal(str(case["rate"])), flows)) == case["published_npv"]
    assert float(payback_years(flows)) == pytest.approx(case["recomputed_payback"], abs=5e-6)


def test_capital_recovery_factors(finance):
    """The closed form, and one over n without interest."""
    for case in finance["crf"]:
        found = capital_recovery_factor(Decimal(str(case["i"])), Decimal(case["n"]))
        assert float(found) == pytest.approx(case["crf"], abs=1e-12)
    assert capital_recovery_factor(Decimal(0), Decimal(4)) == Decimal("0.25")


def test_straight_line_of_study_000(finance):
    """5,000 over three years."""
    case = finance["straight_line"]
    found = straight_line(Decimal(case["price"]), Decimal(case["residual"]), Decimal(case["years"]))
    assert float(found) == pytest.approx(case["per_year"], abs=1e-4)


def test_the_embodied_carbon_of_the_sci_specification(finance):
    """1,000 kg over four years of 8,760 hours are around 28 g an hour."""
    case = finance["sci"]
    grams, hours = Decimal(case["embodied_kg"] * 1000), Decimal(case["life_years"] * 8760)
    found = embodied_share(grams, Decimal(case["reserved_hours"]), hours)
    assert float(found) == pytest.approx(case["M_g"], abs=1e-4)


def two_prices(first, second, common):
    """Get a plan whose two options cost what they are bought for, and what they err by.

    Their errors are one up to ``sqrt(common)`` of each, the rest is each one's own.
    """
    from powerlab.records import Component, Distribution  # noqa: PLC0415

    def budget(u):
        return (
            Component(
                "common", "B", u * math.sqrt(common), Distribution.NORMAL, None, 0.0, "", "meter"
            ),
            Component("own", "A", u * math.sqrt(1 - common), Distribution.NORMAL, None, 0.0),
        )

    options = [
        option(name, 1.0, 1.0, 0, energy_per_inference_j=Uncertain(value, budget=budget(u)))
        for name, (value, u) in (("a", first), ("b", second))
    ]
    return plan(*options, load=0.5)


def test_ranking_with_and_without_a_common_meter(shared):
    """P(A > B) of the references comes out of the draws: a common error cancels."""
    reference = json.loads(shared("references/ratio_interval.json").read_text())
    for case in reference["ranking"]["examples"]:
        drawn = draw(two_prices((case["mB"], case["uB"]), (case["mA"], case["uA"]), case["r"]))
        found = probability_below(
            drawn.figures["a"]["present_value"], drawn.figures["b"]["present_value"]
        )
        assert found == pytest.approx(case["P"], abs=0.004)


def test_ratios_of_the_references(shared):
    """Fieller's intervals of throughput over power."""
    reference = json.loads(shared("references/ratio_interval.json").read_text())
    for case in reference["cases"]:
        dof = None if case["df"] == "inf" else float(case["df"])
        found = fieller_interval(Operands(case["x"], case["y"], case["u_x"], case["u_y"], dof=dof))
        assert (found.low, found.high) == pytest.approx(case["fieller95"], rel=1e-9)


def test_specific_risk_of_the_references(shared):
    """The probability to lie outside of limits, in closed form and of the draws."""
    reference = json.loads(shared("references/risk_guardband.json").read_text())
    for case in reference["cases"]:
        if not case.get("specific_risk"):
            continue
        mean, sd, (low, high) = case["mean"], case["sd"], case["limits"]
        exact = 1 - probability_of_conformity(mean, sd, Limits(low, high))
        assert exact == pytest.approx(case["P_out"], abs=1e-5)
        asked = plan(
            option("a", 1.0, 1.0, 1, figures={"width_mm": Uncertain(mean, sd)}),
            requirements=(
                Requirement("width_mm", Sense.AT_LEAST, low),
                Requirement("width_mm", Sense.AT_MOST, high),
            ),
        )
        outside = sum(1 - each.probability for each in decide(asked).conformities)
        assert outside == pytest.approx(case["P_out"], abs=0.003)


def test_global_risk_of_the_references(shared):
    """The published false accept and false reject."""
    reference = json.loads(shared("references/risk_guardband.json").read_text())
    case = reference["cases"][0]
    found = global_risk(0.0, case["process_sd"], case["test_sd"], Limits(*case["limits"]))
    assert found.false_accept == pytest.approx(case["PFA_recomputed"], abs=1e-9)
    assert found.false_reject == pytest.approx(case["PFR_recomputed"], abs=1e-8)


def test_the_guard_band_of_a_symmetric_figure_is_its_u():
    """The rule U: a value 2.1 standard uncertainties inside passes, 1.9 inside is not said."""
    asked = plan(
        option("a", 1.0, 1.0, 1, figures={"width_mm": Uncertain(10.0, 0.1)}),
        requirements=(Requirement("width_mm", Sense.AT_MOST, 10.21),),
    )
    (held,) = decide(asked).conformities
    assert held.guard_band == pytest.approx(0.196, abs=0.003)
    assert held.conforms == "meets"
    near = changed(asked, "a", figures={"width_mm": Uncertain(10.02, 0.1)})
    (held,) = decide(near).conformities
    assert held.conforms == "cannot be said"
