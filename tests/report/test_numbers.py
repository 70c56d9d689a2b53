"""How numbers are set."""

from __future__ import annotations

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from powerlab.records import Quantity
from powerlab.report.numbers import (
    Magnitude,
    fixed,
    given,
    interval_text,
    percent,
    shown,
    shown_quantity,
    significant,
    tidy,
)

WORDS = (Magnitude(1e6, "million "), Magnitude(1e9, "billion "))


def quantity(value: float, expanded: float, unit: str = "J", **ends: float | None) -> Quantity:
    """Make a quantity without a budget."""
    bounds = {"low": value - expanded, "high": value + expanded, **ends}
    return Quantity("x", unit, value, expanded / 2, expanded, 2.0, None, 0.95, **bounds, budget=())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1039744", "1\u202f039\u202f744"), ("1234.5", "1234.5"), ("-0.25", "\u22120.25")],
)
def test_plain_decimals_get_thin_groups_and_a_true_minus(text: str, expected: str) -> None:
    """Thousands are grouped from five digits on, as ISO 80000-1 has it."""
    assert tidy(text) == expected


def test_a_figure_is_rounded_by_its_uncertainty_and_keeps_one_unit() -> None:
    """Value and uncertainty end at the same place and share one SI prefix."""
    figure = shown(0.0333271, 0.000141, "J")
    assert (figure.value, figure.plus_minus, figure.unit) == ("33.33", "0.14", "mJ")
    assert figure.text == "33.33\u00a0±\u00a00.14\u00a0mJ"


def test_a_figure_without_uncertainty_says_none() -> None:
    """No ± is printed where none is known."""
    assert shown(8.06612, None, "W").text == "8.066\u00a0W"


@for_all(
    st.floats(1e-9, 1e9), st.floats(1e-4, 0.5), st.sampled_from(["J", "W", "s"]), st.booleans()
)
def test_no_figure_loses_its_value(value: float, share: float, unit: str, negative: bool) -> None:  # noqa: FBT001
    """What is printed differs from the value by less than the uncertainty beside it."""
    figure = shown(-value if negative else value, value * share, unit)
    number = float(figure.value.replace("\u2212", "-").replace("\u202f", ""))
    spread = float(figure.plus_minus.replace("\u202f", ""))
    scale = (-value if negative else value) / number if number else 1.0
    assert abs((-value if negative else value) - number * scale) <= spread * abs(scale)
    assert (number < 0) == negative or number == 0


def test_counts_take_a_word_for_their_magnitude() -> None:
    """Inferences per currency unit read in millions, not with an exponent."""
    figure = shown_quantity(quantity(4.58e6, 9.0e5, "1/CNY"), "inf/CNY", WORDS)
    assert (figure.value, figure.plus_minus, figure.unit) == ("4.58", "0.90", "million inf/CNY")


def test_an_interval_keeps_the_scale_and_the_open_ends() -> None:
    """An unbounded side is printed as infinite."""
    assert interval_text(quantity(0.033, 0.0002)) == "32.80\u00a0…\u00a033.20"
    assert interval_text(quantity(0.033, 0.0002, high=None)).endswith("∞")
    assert interval_text(quantity(1413.0, 2345.0, "1/s")) == "\u2212900\u00a0…\u00a03800"
    assert interval_text(quantity(4.58e6, 9.0e5, "1/CNY"), WORDS) == "3.68\u00a0…\u00a05.48"


def test_stated_and_measured_figures_differ_in_zeros() -> None:
    """A stated figure is as short as it was stated, a measured one keeps its digits."""
    assert given(0.02, "s") == "20\u00a0ms"
    assert significant(20.0, 3) == "20.0"
    assert percent(0.00424) == "0.42\u00a0%"
    assert fixed(-0.004, 2) == "\u22120.00"
