"""Random draws: what errs together, what repeats, and which input weighs."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from powerlab.analysis.cost.draws import deviation_at, draw
from powerlab.analysis.cost.ranking import front_probability, holm, probability_below, rank
from powerlab.analysis.cost.sensitivity import Classes, tornado
from powerlab.analysis.cost.sources import Input
from powerlab.records import Component, Distribution
from powerlab.records.procurement import ExchangeRate, Load, Tariff, Uncertain
from tests.analysis.cost.plans import DATE, boards, measured, offer, option, plan

GAIN = "meter/1/power/gain"


def on_meter(value, gain, runs, identity=GAIN):
    """Get a figure with a meter's gain, and the scatter of five runs, of relative sizes."""
    return Uncertain(
        value,
        budget=(
            Component(
                "gain",
                "B",
                gain * value,
                Distribution.RECTANGULAR,
                None,
                0.0,
                "",
                identity,
            ),
            Component("run to run", "A", runs * value, Distribution.T, 4, 0.0),
        ),
    )


def powered(id_, power, gain, runs, identity=GAIN):
    """Get an option that costs its energy and nothing else."""
    return option(
        id_,
        1.0,
        power,
        0,
        idle_w=0.0,
        energy_per_inference_j=on_meter(power, gain, runs, identity),
    )


def saving(asked):
    """Get the drawn difference of two options' present values."""
    found = draw(asked).figures
    return found["b"]["present_value"] - found["a"]["present_value"]


def test_the_gain_of_one_meter_cancels_in_a_difference():
    """Two options of 10 W on one meter differ by their runs alone; on two meters by the gains."""
    shared = plan(powered("a", 10.0, 0.02, 0.0), powered("b", 10.0, 0.02, 0.0), load=0.5)
    apart = plan(powered("a", 10.0, 0.02, 0.0, "x"), powered("b", 10.0, 0.02, 0.0, "y"), load=0.5)
    cost = 10 * 0.5 * 8.766 * 3 * 0.15
    assert np.ptp(saving(shared)) == pytest.approx(0, abs=1e-9)
    assert saving(apart).std() == pytest.approx(0.02 * 2**0.5 * cost, rel=0.01)


def test_a_rate_is_one_for_all_prices_in_its_currency():
    """Two prices in dollars, seen in yuan, differ by what they differ."""
    rate = ExchangeRate("USD", "CNY", Decimal(7), DATE, 0.05)
    options = [option(name, 1.0, 0.0, 100) for name in "ab"]
    asked = plan(*options, currency="CNY", rates=(rate,), load=0.5)
    assert np.ptp(saving(asked)) == pytest.approx(0, abs=1e-9)
    own = replace(options[1], offer=offer(700, "CNY"))
    apart = saving(replace(asked, options=(options[0], own)))
    assert apart.std() == pytest.approx(700 * 0.05, rel=0.02)


def test_prices_of_one_quote_err_together():
    """Options that name one quote share its error."""
    breaks = [
        replace(
            each.offer,
            breaks=tuple(
                replace(b, price=replace(b.price, u_relative=0.1, input="quote 17"))
                for b in each.offer.breaks
            ),
        )
        for each in (option("a", 1.0, 0.0, 100), option("b", 1.0, 0.0, 100))
    ]
    options = [
        option(name, 1.0, 0.0, 0, offer=each) for name, each in zip("ab", breaks, strict=True)
    ]
    assert np.ptp(saving(plan(*options, load=0.5))) == pytest.approx(0, abs=1e-9)


def test_the_same_plan_draws_the_same_and_another_hash_does_not():
    """Draws hang on the plan's hash and on nothing else, whatever other options there are."""
    asked = boards(load=100.0)
    asked = replace(asked, load=Load((100.0,) * 24, u_relative=0.1))
    first, again = draw(asked), draw(asked)
    fewer = draw(replace(asked, options=asked.options[1:]))
    other = draw(replace(asked, sha256="a1" * 32))
    values = first.figures["orin"]["present_value"]
    assert np.array_equal(values, again.figures["orin"]["present_value"])
    assert np.array_equal(values, fewer.figures["orin"]["present_value"])
    loads = first.figures["rpi4"]["units"]
    assert not np.array_equal(loads, other.figures["rpi4"]["units"])


def test_a_throughput_near_a_step_makes_two_fleets():
    """100 a second at 12.5 ± 0.1 take eight or nine boards, about as often."""
    drawn = draw(plan(option("a", 12.5, 5.0, 100, u=0.008), load=100.0))
    numbers, counts = np.unique(drawn.figures["a"]["units"], return_counts=True)
    assert numbers.tolist() == [8, 9]
    assert counts / counts.sum() == pytest.approx([0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("distribution", list(Distribution))
def test_deviations_have_the_stated_standard_uncertainty(distribution):
    """One, for every distribution; Student's t is wider by its few degrees of freedom."""
    figure = Uncertain(100.0, 1.0, distribution, dof=5 if distribution == "t" else None)
    drawn = draw(plan(option("a", 1.0, 1.0, 1, energy_per_inference_j=figure), load=0.5))
    expected = (5 / 3) ** 0.5 if distribution == "t" else 1.0
    values = drawn.figures["a"]["energy_per_inference"]
    assert values.std() == pytest.approx(expected, rel=0.02)
    assert values.mean() == pytest.approx(100.0, abs=0.02)
    entry = Input("x", "x", "", distribution, figure.dof, ())
    sure = deviation_at(entry, np.array([0.05, 0.95]))
    assert np.quantile(values - 100, [0.05, 0.95]) == pytest.approx(sure, abs=0.03)


def test_shares_of_independent_inputs():
    """A price of 10 % beside one of 5 %: four fifths and one fifth of the difference."""
    asked = plan(
        option("a", 1.0, 0.0, 100, u_price=0.1), option("b", 1.0, 0.0, 100, u_price=0.05), load=0.5
    )
    drawn = draw(asked)
    shares = Classes(drawn).shares(saving(asked), ("a", "b"))
    assert [(each.option, each.label) for each in shares] == [("a", "price"), ("b", "price")]
    assert [each.share for each in shares] == pytest.approx([0.8, 0.2], abs=0.01)


def test_the_step_of_a_fleet_has_its_share():
    """A throughput that decides between eight boards and nine carries the variance."""
    asked = plan(option("a", 12.5, 5.0, 100, u=0.008, idle_w=0.0), load=100.0)
    drawn = draw(asked)
    top = Classes(drawn).shares(drawn.figures["a"]["present_value"], ("a",))[0]
    assert (top.label, top.option) == ("throughput", "a")
    assert top.share > 0.95


def test_the_tornado_moves_one_input_at_a_time():
    """A price of ± 10 %, rectangular, at its 5 % and 95 % points; the tariff likewise."""
    asked = plan(
        option("a", 1.0, 0.5, 100, u_price=0.1 / 3**0.5),
        tariff=Tariff((Decimal("0.15"),) * 24, "USD", DATE, 0.02 / 3**0.5),
        load=0.5,
    )
    bars = tornado(asked, draw(asked))["a"]
    energy = 0.5 * 8.766 * 3 * 0.15
    price, tariff = bars
    assert (price.label, tariff.label) == ("price", "tariff")
    assert (price.at_low, price.at_high) == pytest.approx((91 + energy, 109 + energy))
    assert (tariff.at_low, tariff.at_high) == pytest.approx(
        (100 + energy * 0.982, 100 + energy * 1.018)
    )


def test_ranking_by_draws():
    """Three draws each: the likeliest, what it costs to be wrong, and ties by halves."""
    costs = {
        "a": np.array([1.0, 1.0, 1.0, 4.0]),
        "b": np.array([2.0, 2.0, 2.0, 2.0]),
        "c": np.array([9.0, 9.0, 9.0, 9.0]),
    }
    found = rank(costs, 0.95)
    assert found.leader == "a"
    assert found.cheapest == {"a": 0.75, "b": 0.25, "c": 0.0}
    assert found.regret == {"a": 0.5, "b": 0.75, "c": 7.75}
    assert found.mean_rank == {"a": 1.25, "b": 1.75, "c": 3.0}
    assert found.tied == ("a", "b")
    assert probability_below(costs["a"], costs["a"]) == 0.5


def test_holm_takes_the_surest_first():
    """0.03 would do alone but not beside a second statement."""
    assert holm([0.03, 0.04], 0.05) == (False, False)
    assert holm([0.03, 0.02], 0.05) == (True, True)
    assert holm([0.2, 0.001, 0.03], 0.05) == (False, True, False)


def test_the_pareto_front():
    """Who is nowhere better is off the front of that draw; twins are both on it."""
    front = front_probability(
        {
            "a": [np.array([1.0, 1.0]), np.array([2.0, 2.0])],
            "b": [np.array([2.0, 0.5]), np.array([3.0, 3.0])],
            "c": [np.array([1.0, 1.0]), np.array([2.0, 2.0])],
        }
    )
    assert front == {"a": 1.0, "b": 0.5, "c": 1.0}


def test_figures_stay_above_nothing():
    """A throughput of 10 ± 8 is never drawn at or below 0."""
    board = option("a", 10.0, 5.0, 1, throughput_per_s=measured(10.0, 0.8))
    assert draw(plan(board)).figures["a"]["throughput"].min() == pytest.approx(0.1)
