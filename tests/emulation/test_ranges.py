"""How one range errs: gain and offset, and curvature, temperature, certificates beside them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from powerlab.catalog.layers import load_catalog
from powerlab.emulation.ranges import choose_range, draw_certified_channel, draw_channel
from powerlab.emulation.wiring import ErrorLaw
from powerlab.errors import ConfigError
from powerlab.records import Distribution
from powerlab.records.correction import CommonError

BENT = {"curvature_percent": 0.05, "temperature_percent_per_k": 0.02}


@pytest.fixture
def item(dmm):
    """Get a current range of 3 A with every kind of error."""
    return dmm.ranges("current")[-1].model_copy(update=BENT)


def draw(item, seed: int, temperature_c: float = 23.0):
    """Draw one channel of a world."""
    return draw_channel(item, seed, "unit", ErrorLaw.UNIFORM, temperature_c)


def test_curvature_is_nothing_at_zero_and_full_scale(item) -> None:
    """Gain and offset alone hold at the ends, and the drawn curvature is what bends the middle."""
    channel = draw(item, 4)
    ends = np.array([-3.0, 0.0, 3.0])
    assert_allclose(channel.steady(ends), ends * (1 + channel.gain) + channel.offset)
    half = np.array([1.5])
    straight = half * (1 + channel.gain) + channel.offset
    assert_allclose(channel.steady(half) - straight, channel.curvature, rtol=1e-9)
    assert channel.curvature != 0.0


def test_errors_fill_their_limits_independently(item) -> None:
    """Over worlds curvature and temperature coefficient are uniform within ± their limits."""
    drawn = []
    for seed in range(400):
        made = draw(item, seed, 33.0)
        limit_a = item.curvature_percent / 100 * item.full_scale
        drawn.append(
            (made.gain / 1e-3, made.offset / 6e-4, made.curvature / limit_a, made.warmth / 2e-3)
        )
    columns = np.array(drawn)
    assert np.all(np.abs(columns) <= 1 + 1e-9)
    assert_allclose(columns.std(axis=0), 1 / np.sqrt(3), rtol=0.1)
    assert np.all(np.abs(np.corrcoef(columns.T) - np.eye(4)) < 0.2)


def test_temperature_scales_the_reading(item) -> None:
    """Nothing at 23 °C; ten kelvin away the drawn coefficient acts on all of the reading."""
    cold, warm, hot = (draw(item, 4, temperature) for temperature in (23.0, 28.0, 33.0))
    at = np.array([2.0])
    assert cold.warmth == 0.0
    assert_allclose(hot.warmth, 2 * warm.warmth)
    assert_allclose(hot.steady(at), cold.steady(at) * (1 + hot.warmth))


def test_the_stated_limit_holds_all_that_is_drawn_at_23(item) -> None:
    """Gain, offset and curvature at their worst are within gain limit and offset limit."""
    at = np.linspace(0, 3, 31)
    for seed in range(50):
        channel = draw_channel(item, seed, "unit", ErrorLaw.LIMIT)
        limit = channel.accuracy.gain_limit * at + channel.accuracy.offset_limit
        assert np.all(np.abs(channel.steady(at) - at) <= limit)


def test_an_unsigned_range_hides_what_is_below_zero(item) -> None:
    """Its readings of nothing are 0 where the offset is negative."""
    bare = item.model_copy(update={"unsigned": True, "noise": 0.0})
    nothing = np.zeros(3)
    shown = [float(draw(bare, seed).read(nothing, 0)[0][0]) for seed in range(40)]
    offsets = [draw(bare, seed).offset for seed in range(40)]
    assert min(shown) == 0.0
    assert all(value == 0.0 for value, offset in zip(shown, offsets, strict=True) if offset < -1e-6)
    assert any(value > 0.0 for value in shown)


@pytest.mark.parametrize("distribution", [Distribution.NORMAL, Distribution.RECTANGULAR])
def test_a_reference_errs_as_its_certificate_says(item, distribution) -> None:
    """The truth is reference * (1 + gain) + offset, with the stated standard uncertainties."""
    common = CommonError("current", 2e-4, 5e-5, "K-1", distribution)
    at = np.array([0.0, 1.0])
    gains, offsets = [], []
    for seed in range(600):
        channel = draw_certified_channel(item, seed, "reference", common)
        shown = channel.steady(at)
        gain = 1 / (shown[1] - shown[0]) - 1
        gains.append(gain)
        offsets.append(-shown[0] * (1 + gain))
        assert channel.curvature == channel.warmth == 0.0
    assert_allclose([np.std(gains), np.std(offsets)], [2e-4, 5e-5], rtol=0.1)
    if distribution is Distribution.RECTANGULAR:
        assert np.max(np.abs(gains)) <= np.sqrt(3) * 2e-4 * (1 + 1e-9)


def test_a_certificate_is_common_to_ranges_and_references(dmm) -> None:
    """All that rests on one certificate errs alike in one world; another one does not."""
    small, large = dmm.ranges("current")
    common = CommonError("current", 2e-4, 5e-5, "K-1")
    one, other = (
        draw_certified_channel(item, 9, serial, common)
        for item, serial in ((small, "a"), (large, "b"))
    )
    assert (one.gain, one.offset) == (other.gain, other.offset)
    another = CommonError("current", 2e-4, 5e-5, "K-2")
    assert draw_certified_channel(small, 9, "a", another).gain != one.gain


def test_a_range_too_small_says_what_the_board_needs() -> None:
    """With its unit, and that of every range there is."""
    with pytest.raises(ConfigError, match=r"no power range for 12\.6 W: the board draws") as told:
        choose_range(load_catalog().instrument("st-lpm01a"), "power", None, 12.6)
    assert "0.165 W" in told.value.hint
