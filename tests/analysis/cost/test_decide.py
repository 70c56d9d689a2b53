"""What is recommended, what cannot be, and what is said beside it."""

from dataclasses import replace

import pytest

from powerlab.analysis.cost.decide import decide
from powerlab.findings import Severity
from powerlab.records import Boundary, Evidence
from powerlab.records.decision import Bar, Conforms, Outcome
from powerlab.records.procurement import (
    DecisionRule,
    FleetRule,
    GuardRule,
    Load,
    Requirement,
    Sense,
    Uncertain,
)
from tests.analysis.cost.plans import boards, changed, measured, offer, option, plan

DRAWS = 4_000


def two(u=0.01, u_price=0.05, **more):
    """Get a plan of a small board at 1,437 and a large one at 2,071."""
    return plan(
        option("small", 13.0, 7.5, 150, u=u, u_price=u_price),
        option("large", 778.0, 18.2, 1999, u=u, u_price=u_price),
        load=100.0,
        **more,
    )


def codes(decision, severity=None):
    """Get the codes of a decision's findings."""
    return {each.code for each in decision.findings if severity in {None, each.severity}}


def declared(u):
    """Get a declared energy, idle power and throughput of the small board."""
    return {
        "energy_per_inference_j": Uncertain(7.5 / 13, 7.5 / 13 * u),
        "power_idle_w": Uncertain(7.5, 7.5 * u),
        "throughput_per_s": Uncertain(13.0, 13.0 * u),
    }


def test_a_clear_case_is_recommended():
    """Eight small boards, how surely, and what they save against the next."""
    found = decide(two(), DRAWS)
    assert (found.outcome, found.recommended, found.units) == (Outcome.RECOMMENDED, "small", 8)
    assert found.probability > 0.99
    assert (found.runner_up, found.tied) == ("large", ("small",))
    assert found.saving.value == pytest.approx(634.11, abs=0.01)
    assert found.saving.low < 634 < found.saving.high
    assert found.saving.u == pytest.approx((60**2 + 100**2) ** 0.5, rel=0.05)
    assert found.declared == ()
    assert found.pairs[0].sure


def test_the_same_plan_gives_the_same_decision():
    """Every figure, spreads and shares included."""
    assert repr(decide(two(), DRAWS)) == repr(decide(two(), DRAWS))


def test_a_tie_is_said_and_what_would_settle_it():
    """With prices known to 30 % neither is shown to be cheaper; the quote would settle it."""
    found = decide(two(u_price=0.3), DRAWS)
    assert (found.outcome, found.recommended) == (Outcome.TIED, "small")
    assert found.tied == ("small", "large")
    assert 0.5 < found.probability < 0.95
    assert (found.settling.option, found.settling.figure) == ("large", "price")
    assert found.standings["large"].tied
    assert sum(each.cheapest for each in found.standings.values()) == pytest.approx(1)


def test_the_confidence_asked_for_decides_what_a_tie_is():
    """What is tied at 95 % is recommended to a buyer to whom 70 % is enough."""
    found = decide(two(u_price=0.3, rule=DecisionRule(confidence=0.7)), DRAWS)
    assert found.outcome is Outcome.RECOMMENDED


def test_a_measurement_that_is_not_valid_cannot_win():
    """The cheaper board is barred, and is in no comparison."""
    found = decide(changed(two(), "small", valid=False, findings=("clock-step",)), DRAWS)
    assert (found.recommended, found.runner_up) == ("large", None)
    assert found.standings["small"].bars == (Bar.NOT_VALID,)
    assert found.pairs == ()
    assert "measurement-not-valid" in codes(found)


def test_an_emulated_figure_bars_an_option():
    """One emulated figure among measured ones is enough."""
    idle = replace(measured(7.5), evidence=Evidence.EMULATED)
    found = decide(changed(two(), "small", power_idle_w=idle), DRAWS)
    assert found.recommended == "large"
    assert found.standings["small"].bars == (Bar.EMULATED,)


def test_nothing_may_win_where_all_is_emulated():
    """No recommendation, no probability, but the costs are there."""
    idle = replace(measured(7.5), evidence=Evidence.EMULATED)
    asked = changed(changed(two(), "small", power_idle_w=idle), "large", power_idle_w=idle)
    found = decide(asked, DRAWS)
    assert (found.outcome, found.recommended) == (Outcome.NONE_MAY_WIN, None)
    assert found.costs["small"].units == 8


def test_a_declared_winner_names_the_measurement_that_would_settle_it():
    """The declared throughput decides how many boards are bought."""
    found = decide(changed(two(), "small", **declared(0.1)), DRAWS)
    assert found.recommended == "small"
    assert found.declared == ("small",)
    assert (found.settling.option, found.settling.figure) == ("small", "throughput")
    assert 0.3 < found.settling.share < 1


def test_a_declared_figure_without_uncertainty_is_noted():
    """It makes the answer look surer than it is."""
    assert "declared-exact" in codes(decide(changed(two(), "small", **declared(0.0)), DRAWS))
    assert "declared-exact" not in codes(decide(two(), DRAWS))


def test_different_workloads_block_unless_declared_equivalent():
    """Costs are worked out all the same."""
    asked = changed(two(), "small", workload="mobilenet")
    found = decide(asked, DRAWS)
    assert found.outcome is Outcome.NOT_COMPARABLE
    assert (found.recommended, found.pairs) == (None, ())
    assert codes(found, Severity.BLOCKING) == {"workloads-differ"}
    same = replace(asked, equivalent=(frozenset({"mobilenet", "resnet50"}),))
    assert decide(same, DRAWS).outcome is Outcome.RECOMMENDED


def test_different_boundaries_block():
    """A board's input beside the wall is no comparison."""
    found = decide(changed(two(), "small", boundary=Boundary.BOARD), DRAWS)
    assert found.outcome is Outcome.NOT_COMPARABLE
    assert codes(found, Severity.BLOCKING) == {"boundaries-differ"}


def test_accuracies_that_differ_are_shown_and_do_not_block():
    """Both values stand in the finding."""
    asked = changed(two(), "small", figures={"accuracy": measured(0.71)})
    asked = changed(asked, "large", figures={"accuracy": measured(0.76)})
    found = decide(asked, DRAWS)
    shown = next(each for each in found.findings if each.code == "accuracy-differs")
    assert shown.evidence == {"small": 0.71, "large": 0.76}
    assert found.outcome is Outcome.RECOMMENDED


def test_a_load_that_one_option_cannot_carry():
    """Five boards can be had where eight are needed."""
    asked = changed(two(), "small", offer=offer(150, most_units=5))
    found = decide(asked, DRAWS)
    assert found.recommended == "large"
    assert found.standings["small"].bars == (Bar.NO_CAPACITY,)
    assert codes(found, Severity.WARNING) == {"load-not-carried"}


def test_a_load_that_no_option_can_carry():
    """Blocking, and nothing is recommended."""
    found = decide(replace(two(fleet=FleetRule(most_units=3)), load=Load((9e3,) * 24)), draws=DRAWS)
    assert found.outcome is Outcome.NONE_MAY_WIN
    assert codes(found, Severity.BLOCKING) == {"load-not-carried"}


def test_requirements_bar_what_fails_and_what_cannot_be_said():
    """Above the limit by more than U, within U of it, and without the figure."""
    limit = Requirement("latency_p99", Sense.AT_MOST, 0.1, "s")
    asked = plan(
        option("slow", 100.0, 5.0, 10, figures={"latency_p99": Uncertain(0.2, 0.01)}),
        option("near", 100.0, 5.0, 20, figures={"latency_p99": Uncertain(0.09, 0.01)}),
        option("unknown", 100.0, 5.0, 30),
        option("fast", 100.0, 5.0, 40, figures={"latency_p99": Uncertain(0.05, 0.01)}),
        requirements=(limit,),
    )
    found = decide(asked, DRAWS)
    assert [each.conforms for each in found.conformities] == [
        Conforms.FAILS,
        Conforms.UNDECIDED,
        Conforms.UNDECIDED,
        Conforms.MEETS,
    ]
    assert found.recommended == "fast"
    near = found.conformities[1]
    assert near.probability == pytest.approx(0.841, abs=0.02)
    assert found.conformities[2].value is None
    simple = replace(asked, rule=DecisionRule(guard_band=GuardRule.NONE))
    assert decide(simple, DRAWS).recommended == "near"
    lenient = replace(asked, rule=DecisionRule(GuardRule.PROBABILITY, guard_probability=0.8))
    assert decide(lenient, DRAWS).recommended == "near"


@pytest.mark.parametrize(
    ("quantity", "at_most"),
    [
        ("power_active", 7.5),
        ("fleet_power", 60.0),
        ("unit_price", 150.0),
        ("capital", 1200.0),
        ("total_cost", 1436.682),
        ("energy_per_inference", 7.5 / 13),
    ],
)
def test_every_quantity_of_a_requirement(quantity, at_most):
    """The small board's own figure is the limit it just meets, and less is not met."""
    for limit, conforms in ((at_most * 1.0001, "meets"), (at_most * 0.9999, "does not meet")):
        asked = two(u=0.0, u_price=0.0, requirements=(Requirement(quantity, Sense.AT_MOST, limit),))
        assert decide(asked, DRAWS).conformities[0].conforms == conforms


def test_units_by_chance():
    """A load known to 5 %: eight boards likeliest, and how many suffice nearly surely."""
    asked = replace(two(), load=Load((100.0,) * 24, u_relative=0.05))
    standing = decide(asked, 20_000).standings["small"]
    assert standing.chances[0][0] == 8
    assert sum(part for _, part in standing.chances) == pytest.approx(1, abs=0.01)
    assert standing.units_enough == 9


def test_payback_and_saving_of_a_pair():
    """40 more at first, 30 a year less: back after a year and a third."""
    hours = 8766 / 1000 * 0.15
    asked = plan(
        option("cheap", 100.0, 50.0, 100),
        option("thrifty", 100.0, 50.0 - 30 / hours, 140),
        load=50.0,
    )
    (pair,) = decide(asked, DRAWS).pairs
    assert (pair.first, float(pair.npv)) == ("thrifty", pytest.approx(50, abs=0.02))
    assert pair.payback_years == pytest.approx(4 / 3, abs=0.001)


def test_the_front_leaves_ineligible_options_out():
    """Cheapest and thriftiest are on it; one that is neither is not; a barred one has none."""
    asked = plan(
        option("cheap", 100.0, 10.0, 100),
        option("thrifty", 100.0, 5.0, 200),
        option("neither", 100.0, 12.0, 300),
        option("barred", 100.0, 1.0, 1, valid=False),
        load=50.0,
    )
    front = {name: each.front for name, each in decide(asked, DRAWS).standings.items()}
    assert (front["cheap"], front["thrifty"], front["neither"]) == (1.0, 1.0, 0.0)
    assert front["barred"] != front["barred"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"units_measured": 1}, "one-unit"),
        ({"supply_efficiency": Uncertain(0.9)}, "supply-counted-twice"),
        ({"power_idle_w": measured(30.0)}, "idle-above-active"),
        ({"offer": offer(75, end_of_life="2025-01-01")}, "end-of-life"),
        ({"throughput_per_s": measured(3.12, 0.4)}, "uncertainty-wide"),
    ],
)
def test_what_a_reader_must_know_of_an_option(changes, code):
    """Each is a finding that names the option and does not block."""
    found = decide(changed(boards(), "rpi4", **changes), DRAWS)
    (finding,) = (each for each in found.findings if each.code == code)
    assert finding.evidence == {"option": "rpi4"}
    assert finding.severity is not Severity.BLOCKING
    assert code not in codes(decide(boards(), DRAWS))
