"""Times of use: what each hour of a day or a week gets."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.catalog.procurement_files import changed, plan_of, problems_of


def hours(folder, stated: str) -> tuple[float, ...]:
    """Get the load by hour of a plan that states it so."""
    return plan_of(folder, changed("per_s = 50", f"per_s = {stated}")).load.hourly_per_s


def test_a_range_begins_with_its_first_hour_and_ends_before_its_last(tmp_path):
    """07-22 is 15 hours; what no range names is other."""
    day = hours(tmp_path, '{ "07-22" = 20, other = 2 }')
    assert day == (2.0,) * 7 + (20.0,) * 15 + (2.0,) * 2


def test_a_range_runs_over_midnight(tmp_path):
    """22-07 is the night."""
    day = hours(tmp_path, '{ "22-7" = 1, "7-22" = 3 }')
    assert day == (1.0,) * 7 + (3.0,) * 15 + (1.0,) * 2


def test_weekdays_and_weekend_make_a_week_from_monday(tmp_path):
    """Each a number or ranges of its own."""
    week = hours(tmp_path, '{ weekdays = { "8-18" = 9, other = 1 }, weekend = 2 }')
    assert len(week) == 168
    assert week[:24] == (1.0,) * 8 + (9.0,) * 10 + (1.0,) * 6
    assert week[4 * 24 + 12] == 9
    assert set(week[5 * 24 :]) == {2.0}


@pytest.mark.parametrize("count", [24, 168])
def test_a_list_is_taken_as_it_is(tmp_path, count):
    """From midnight, or from Monday's."""
    assert hours(tmp_path, str(list(range(1, count + 1)))) == tuple(range(1, count + 1))


def test_a_tariff_has_its_times_in_exact_decimals(tmp_path):
    """Whether written as text or as a number."""
    plan = plan_of(tmp_path, changed('"0.25"', '{ "0-12" = "0.10", "12-24" = 0.3 }'))
    assert plan.tariff.hourly_per_kwh == (Decimal("0.10"),) * 12 + (Decimal("0.3"),) * 12


@pytest.mark.parametrize(
    ("stated", "key", "part"),
    [
        ('{ "7-22" = 1 }', "load.per_s", "has no value for 9 hours, the first from 00"),
        ('{ "0-12" = 1, "11-24" = 2 }', "load.per_s.11-24", "names hour 11 again"),
        ("{ noon = 1, other = 2 }", "load.per_s.noon", "must be a range of hours"),
        ('{ "7-25" = 1, other = 2 }', "load.per_s.7-25", "must be a range of hours"),
        ("{ weekdays = 1 }", "load.per_s.weekend", "has no value for 24 hours"),
        ('{ "0-24" = "many" }', "load.per_s.0-24", "an amount"),
        ("{ weekdays = 1, weekend = 2, holidays = 3 }", "load.per_s.holidays", "no key"),
        ("[1, true]", "load.per_s[2]", "an amount"),
    ],
)
def test_what_leaves_an_hour_undecided_is_told(tmp_path, stated, key, part):
    """Under the range that is wrong, or under the table that lacks one."""
    told = problems_of(tmp_path, changed("per_s = 50", f"per_s = {stated}"))
    assert part in told.get(key, ""), told
