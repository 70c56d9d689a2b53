"""Where the cheaper option changes, against the method's worked example and a dense search."""

import json
from decimal import Decimal

import numpy as np
import pytest

from powerlab.analysis.cost.decide import decide
from powerlab.analysis.cost.flips import costs_at, load_flips, load_pieces, load_winners
from powerlab.records.procurement import FleetRule, Tariff, Uncertain
from tests.analysis.cost.plans import DATE, boards, option, plan

NAMES = ["rpi4", "rk3588s", "orin"]


def test_the_worked_flip():
    """Between 50 and 1,000 a second the choice turns once, above 11 full RK3588S boards."""
    asked = boards(load=50.0)
    winners = load_winners(asked, load_pieces(asked), NAMES)
    turns = [(round(flip.at, 2), flip.below, flip.above) for flip in winners]
    assert turns == [(3.12, "rpi4", "rk3588s"), (142.97, "rk3588s", "orin")]
    assert all(flip.at_step for flip in winners)


def test_the_flip_with_the_measured_board(shared):
    """The throughput and power of the public log give the flip of the example."""
    reference = json.loads(shared("references/mlperf_v2.1_edge_boards.json").read_text())
    board = next(each for each in reference["boards"] if "firefly" in each["location"])
    asked = plan(
        option("rk3588s", board["queries_per_s"], board["mean_W"], 150),
        option("orin", 778.0, 18.2, 1999),
        load=50.0,
    )
    (flip,) = load_flips(asked, load_pieces(asked), "rk3588s", "orin")
    assert flip.at == pytest.approx(142.97, abs=0.005)
    assert flip.factor == pytest.approx(flip.at / 50)


@pytest.mark.parametrize(
    ("load", "winner"),
    [(1, "rpi4"), (3, "rpi4"), (5, "rk3588s"), (100, "rk3588s"), (150, "orin"), (1000, "orin")],
)
def test_the_cheapest_by_load(load, winner):
    """The decision names the board of the example's table at each of its loads."""
    assert decide(boards(load=float(load)), draws=200).recommended == winner


def test_every_change_of_order_is_listed():
    """A dense search over the load finds no change that is not listed, and none less."""
    asked = plan(
        option("a", 3.1, 6.0, {1: 75, 20: 60}, idle_w=2.0),
        option("b", 13.0, 9.0, 280, idle_w=3.0),
        load=10.0,
        fleet=FleetRule(headroom=Uncertain(1.2), spare_units=1),
    )
    listed = load_flips(asked, load_pieces(asked), "a", "b")
    factors = np.linspace(0.001, 99.9, 400_001)
    values = costs_at(asked, {"load": factors})
    cheaper = np.where(values["a"] < values["b"], "a", "b")
    turns = np.flatnonzero(cheaper[:-1] != cheaper[1:])
    assert [flip.above for flip in listed] == cheaper[turns + 1].tolist()
    assert [flip.factor for flip in listed] == pytest.approx(factors[turns].tolist(), abs=3e-4)
    assert len(listed) > 10


def test_lines_cross_where_energy_outweighs_the_price():
    """A dear board that draws less: the choice turns at a load, a tariff and a price exactly."""
    asked = plan(
        option("cheap", 1000.0, 50.0, 100, idle_w=0.0),
        option("dear", 1000.0, 20.0, 160, idle_w=0.0),
        load=500.0,
    )
    found = {(flip.quantity, flip.option): flip for flip in decide(asked, draws=200).flips}
    hours = 3 * 8766 / 1000
    saved = (25.0 - 10.0) * 0.15 * hours
    assert found["load", ""].factor == pytest.approx(60 / saved)
    assert not found["load", ""].at_step
    assert found["tariff", ""].at == pytest.approx(0.15 * 60 / saved)
    assert (found["tariff", ""].below, found["tariff", ""].above) == ("cheap", "dear")
    assert found["price", "dear"].at == pytest.approx(100 + saved)
    assert found["price", "cheap"].at == pytest.approx(160 - saved)


def test_load_and_tariff_at_once():
    """The map over load and tariff is the model at each of its points."""
    asked = boards(load=100.0)
    values = costs_at(asked, {"load": np.array([0.5, 1.5]), "tariff": np.array([2.0, 3.0])})
    moved = boards(load=150.0, tariff=Tariff((Decimal("0.45"),) * 24, "USD", DATE))
    for name in NAMES:
        same = costs_at(moved, {"load": np.ones(1)})[name]
        assert values[name][1] == pytest.approx(same.item())


def test_break_even_volume_of_fixed_and_variable_costs():
    """(F_B - F_A) / (v_A - v_B): 60 more over three years, 30 mJ less an inference."""
    asked = plan(
        option("cheap", 1000.0, 50.0, 100, idle_w=0.0),
        option("dear", 1000.0, 20.0, 160, idle_w=0.0),
        load=500.0,
    )
    (pair,) = decide(asked, draws=200).pairs
    assert pair.first == "cheap" or pair.saving.value > 0
    assert pair.break_even_per_year == pytest.approx(20 / (0.03 / 3.6e6 * 0.15), rel=1e-9)


def test_a_fleet_of_many_thousands_sees_beyond_its_load():
    """30,000 units make 20,000 steps within the load itself; the change beyond it is found."""
    asked = plan(
        option("small", 1.0, 0.0, 10),
        option("large", 1e6, 0.0, 450_000),
        load=3e4,
        fleet=FleetRule(availability=0.99, repair_days=7),
    )
    (flip,) = load_winners(asked, load_pieces(asked), ["small", "large"])
    assert (flip.below, flip.above) == ("small", "large")
    assert flip.factor == pytest.approx(1.5, abs=1e-3)


def test_options_that_cost_the_same_do_not_change_places():
    """Twins never flip; drawing level for one board's worth of load is no flip either."""
    asked = plan(option("a", 1.0, 0.0, 10), option("b", 1.0, 0.0, 10), load=5.0)
    assert load_winners(asked, load_pieces(asked), ["a", "b"]) == ()
    asked = plan(option("b", 10.0, 0.0, 30), option("a", 1.0, 0.0, 10), load=2.0)
    (flip,) = load_winners(asked, load_pieces(asked), ["b", "a"])[:1]
    assert (flip.at, flip.below, flip.above) == (pytest.approx(3.0), "a", "b")
