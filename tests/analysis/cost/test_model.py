"""What an option costs, line by line, by figures worked out by hand."""

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.cost.draws import evaluate, unmoved
from powerlab.analysis.cost.sources import Drawn
from powerlab.analysis.cost.statement import statement
from powerlab.errors import ConfigError
from powerlab.records import Boundary
from powerlab.records.procurement import (
    ExchangeRate,
    FleetRule,
    Host,
    Load,
    Tariff,
    Uncertain,
)
from tests.analysis.cost.plans import DATE, amount, boards, offer, option, plan

HOURS = 8766


def stated(*options, **more):
    """Get the statement of the first option of a plan."""
    asked = plan(*options, **more)
    return statement(asked, asked.options[0])


def cny_per_usd(rate, date=DATE):
    """Get an exchange rate of the dollar."""
    return ExchangeRate("USD", "CNY", Decimal(str(rate)), date)


@pytest.mark.parametrize(
    ("load", "units", "costs"),
    [
        (1, (1, 1, 1), (98, 180, 2071)),
        (5, (2, 1, 1), (196, 180, 2071)),
        (100, (33, 8, 1), (3231, 1438, 2071)),
        (150, (49, 12, 1), (4798, 2157, 2071)),
        (1000, (321, 77, 2), (31432, 13842, 4142)),
    ],
)
def test_three_boards_over_five_loads(load, units, costs):
    """Boards and costs over three years, always on, as worked out in the method."""
    asked = boards(load)
    found = [statement(asked, each) for each in asked.options]
    assert tuple(each.units for each in found) == units
    assert [float(each.present_value) for each in found] == pytest.approx(costs, abs=0.6)


def test_energy_by_hour_with_idle_tariff_and_overheads():
    """Day and night at two tariffs: idle of the fleet, work on top, PUE and supply within."""
    found = stated(
        option("a", 10.0, 20.0, 0, idle_w=5.0, supply_efficiency=Uncertain(0.8)),
        load=(0.0,) * 12 + (15.0,) * 12,
        tariff=Tariff((Decimal("0.1"),) * 12 + (Decimal("0.3"),) * 12, "USD", DATE),
        pue=Uncertain(1.5),
    )
    night, day = 2 * 5.0, 2 * 5.0 + 15.0 * (2.0 - 0.5)
    kwh = (night + day) / 2 * 1.5 / 0.8 * HOURS / 1000
    money = (0.1 * night + 0.3 * day) / 2 * 1.5 / 0.8 * HOURS / 1000
    assert found.units == 2
    assert float(found.energy_kwh_per_year) == pytest.approx(kwh, rel=1e-12)
    assert float(found.years[1].energy) == pytest.approx(money, abs=0.005)
    assert found.fleet_power_w == pytest.approx(day * 1.5 / 0.8)
    assert found.energy_per_inference_j == pytest.approx(kwh * 3.6e6 / (7.5 * HOURS * 3600))
    assert found.utilisation == pytest.approx(7.5 / 20)


def test_a_week_of_load_meets_a_day_of_tariff():
    """168 hours of load and 24 of tariff make the same year as the week written out."""
    week = tuple(float(hour % 24) + 1 for hour in range(168))
    tariff = Tariff(tuple(Decimal(hour) / 100 for hour in range(24)), "USD", DATE)
    long = Tariff(tariff.hourly_per_kwh * 7, "USD", DATE)
    board = option("a", 50.0, 20.0, 100, idle_w=5.0)
    assert stated(board, load=week, tariff=tariff) == stated(board, load=week, tariff=long)


def test_a_fleet_with_headroom_utilisation_and_spares():
    """ceil(100 * 1.2 / (10 * 0.8)) = 15 run, the spares are bought and not powered."""
    rule = FleetRule(headroom=Uncertain(1.2), utilisation=Uncertain(0.8), spare_units=2)
    found = stated(option("a", 10.0, 10.0, 100), load=100.0, fleet=rule)
    assert (found.units, found.spares) == (15, 2)
    assert found.capital == 1700
    assert found.fleet_power_w == pytest.approx(150)


def test_a_quotient_that_is_whole_takes_no_unit_more():
    """0.3 over 0.1 is 3.0000000000000004 in binary and three units."""
    assert stated(option("a", 0.1, 1.0, 1), load=0.3).units == 3


def test_spares_by_availability():
    """Ten units, each away 1 % of the time: two spares keep ten at work with 99.9 %."""
    rule = FleetRule(availability=0.999, repair_days=365.25 / 99)
    board = option("a", 10.0, 10.0, 100, failure_rate=Uncertain(1.0))
    found = stated(board, load=100.0, fleet=rule)
    away = [math.comb(12, k) * 0.01**k * 0.99 ** (12 - k) for k in range(3)]
    fewer = [math.comb(11, k) * 0.01**k * 0.99 ** (11 - k) for k in range(2)]
    assert sum(away) >= 0.999 > sum(fewer)
    assert found.spares == 2


def test_the_price_break_is_that_of_the_whole_order():
    """Nine running and one spare are ten at the price of ten."""
    found = stated(
        option("a", 10.0, 10.0, {1: 100, 10: 80, 100: 50}),
        load=90.0,
        fleet=FleetRule(spare_units=1),
    )
    assert found.unit_price == 80
    assert found.capital == 800


def test_tax_and_freight():
    """13 % is taken off a price that holds it, unless the buyer cannot reclaim it."""
    terms = {
        "tax_rate": Decimal("0.13"),
        "tax_included": True,
        "freight_per_unit": amount(3),
        "freight_per_order": amount(20),
    }
    board = option("a", 10.0, 10.0, 0)
    board = replace(board, offer=offer(113, **terms))
    net, gross = (stated(board, load=20.0, tax_counts=counts) for counts in (False, True))
    assert (net.unit_price, net.unit_price_net, net.unit_price_gross) == (100, 100, 113)
    assert net.freight == 26
    assert (net.capital, gross.capital) == (226, 252)


def test_hosts_carry_accelerators():
    """Five sticks at four a host take two hosts, bought and powered."""
    host = Host(4, amount(50), Uncertain(3.0))
    found = stated(option("a", 10.0, 2.0, 10, host=host), load=50.0)
    assert found.hosts == 2
    assert found.capital == 5 * 10 + 2 * 50
    assert found.fleet_power_w == pytest.approx(5 * 2 + 2 * 3)


def test_lives_shorter_than_the_horizon_are_replaced():
    """Two and a half years of life in six: bought again in the third and the fifth year."""
    board = option("a", 10.0, 0.0, 100, life_years=Uncertain(2.5), residual=Uncertain(0.1))
    found = stated(board, load=5.0, horizon_years=6)
    assert [float(year.replacements) for year in found.years] == [0, 0, 0, 100, 0, 100, 0]
    assert [float(year.residual) for year in found.years] == [0, 0, 0, 10, 0, 10, 10]


def test_a_life_that_ends_at_the_horizon_needs_no_successor():
    """Three years of life in three and in six years."""
    board = option("a", 10.0, 0.0, 100)
    assert stated(board, load=5.0).total_cost == 100
    assert stated(board, load=5.0, horizon_years=6).total_cost == 200


def test_failures_beyond_the_warranty_and_labour():
    """20 units at 5 % a year: labour from the first year, units from after the warranty."""
    board = option(
        "a",
        10.0,
        0.0,
        100,
        failure_rate=Uncertain(0.05),
        labour_h_per_failure=Uncertain(2.0),
        labour_h_per_unit_year=Uncertain(0.5),
        maintenance_per_unit_year=amount(4),
    )
    board = replace(board, offer=offer(100, warranty_years=1.5))
    found = stated(board, load=200.0, labour_rate=amount(30))
    assert [float(year.replacements) for year in found.years] == [0, 0, 50, 100]
    assert [float(year.operation) for year in found.years] == [0, 440, 440, 440]


def test_discounting_and_the_levelled_cost():
    """Years at 10 %; the levelled cost pays the present value back over the inferences."""
    board = option("a", 10.0, 0.0, 1000, fee_per_million=amount(1), engineering=amount(500))
    found = stated(board, load=5.0, discount_rate=Uncertain(0.1))
    fees = 5 * 3600 * HOURS / 1e6
    value = 1500 + sum(fees / 1.1**year for year in (1, 2, 3))
    assert float(found.present_value) == pytest.approx(value, abs=0.01)
    factor = 0.1 * 1.1**3 / (1.1**3 - 1)
    assert float(found.cost_per_million) == pytest.approx(value * factor / fees, rel=1e-5)
    assert found.inferences_per_money * found.cost_per_million == pytest.approx(Decimal(10**6))
    assert float(found.capital_per_year) == pytest.approx(1000 * factor, abs=0.01)
    assert float(found.straight_line_per_year) == pytest.approx(333.33)


def test_currencies_by_the_latest_rate_not_after_the_plan():
    """A rate of tomorrow does not count; the inverse of a stated rate does."""
    rates = (cny_per_usd(7.3, "2026-01-01"), cny_per_usd(7.0), cny_per_usd(6.0, "2027-01-01"))
    board = option("a", 10.0, 0.0, 100)
    assert stated(board, currency="CNY", rates=rates, load=5.0).capital == 700
    back = replace(board, offer=offer(700, "CNY"))
    assert stated(back, rates=rates, load=5.0).capital == 100


def test_a_currency_without_a_rate_stops():
    """The error names both currencies."""
    board = replace(option("a", 10.0, 0.0, 1), offer=offer(100, "EUR"))
    with pytest.raises(ConfigError, match="EUR to USD"):
        stated(board)


def test_carbon_of_an_inference():
    """Operation at 500 g/kWh, and a unit's making over its life."""
    board = option("a", 10.0, 10.0, 0, embodied_kg=Uncertain(87.66), life_years=Uncertain(5.0))
    found = stated(board, load=5.0, carbon_intensity=Uncertain(500.0))
    inferences = 5 * 3600 * HOURS
    assert found.carbon_operational_g == pytest.approx(10 * HOURS / 1000 * 500 / inferences)
    assert found.carbon_embodied_g == pytest.approx(87_660 / 5 / inferences)
    bare = stated(option("a", 10.0, 10.0, 0), load=5.0)
    assert (bare.carbon_operational_g, bare.carbon_embodied_g) == (None, None)


def test_performance_of_one_unit():
    """Per watt, per price, and energy times the median latency."""
    board = option("a", 10.0, 20.0, 50, figures={"latency_p50": Uncertain(0.1)})
    found = stated(board, load=5.0)
    assert found.performance_per_watt == pytest.approx(0.5)
    assert found.performance_per_price == pytest.approx(0.2)
    assert found.energy_delay_js == pytest.approx(0.2)


figures = st.floats(0.05, 500.0)


@settings(max_examples=60, deadline=None)
@given(
    throughput=figures,
    power=figures,
    idle=st.floats(0.0, 1.0),
    price=st.integers(0, 100_000),
    load=figures,
    life=st.floats(0.7, 9.0),
    rate=st.floats(0.0, 0.2),
    horizon=st.integers(1, 12),
    accelerators=st.integers(1, 8),
)
def test_decimal_and_arrays_agree(
    *, throughput, power, idle, price, load, life, rate, horizon, accelerators
):
    """The statement is the array model's best estimate to its rounding to the cent."""
    board = option(
        "a",
        throughput,
        power,
        {1: price, 5: price * 0.9},
        idle_w=idle * power,
        life_years=Uncertain(life),
        residual=Uncertain(0.1),
        failure_rate=Uncertain(0.03),
        labour_h_per_failure=Uncertain(1.5),
        host=Host(accelerators, amount(70, "CNY"), Uncertain(4.0)),
        supply_efficiency=Uncertain(0.87),
        fee_per_million=amount("0.011"),
        boundary=Boundary.DC,
    )
    asked = plan(
        board,
        load=load,
        horizon_years=horizon,
        discount_rate=Uncertain(rate),
        pue=Uncertain(1.3),
        labour_rate=amount(40),
        rates=(cny_per_usd(7.123),),
        fleet=FleetRule(headroom=Uncertain(1.25), availability=0.99, repair_days=14),
    )
    exact = statement(asked, board)
    drawn = evaluate(asked, Drawn(unmoved))["a"]
    assert drawn["units"].item() == exact.units
    rounding = 0.005 * 6 * (horizon + 1) + 1e-12 * float(exact.present_value)
    assert abs(drawn["present_value"].item() - float(exact.present_value)) <= rounding
    assert drawn["energy_at_mains"].item() == pytest.approx(exact.energy_per_inference_j, rel=1e-9)


def test_the_columns_of_a_statement_add_up():
    """Totals are of the rounded years, to the last cent."""
    found = stated(option("a", 7.0, 11.0, "33.337", idle_w=3.0), load=100.0)
    assert found.total_cost == sum(year.total for year in found.years)
    assert all(year.energy == round(year.energy, 2) for year in found.years)


def test_a_peak_above_the_mean_sizes_the_fleet():
    """Hours are means; the peak within them is stated apart."""
    board = option("a", 10.0, 1.0, 1)
    asked = replace(plan(board), load=Load((50.0,) * 24, peak_per_s=80.0))
    assert statement(asked, board).units == 8
    assert np.isclose(float(statement(asked, board).inferences_per_year), 50 * 3600 * HOURS)
