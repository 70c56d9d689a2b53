"""Series resistances from currents and drops, and the tare."""

import math

import numpy as np
import pytest

from powerlab.analysis.calibration.setup_terms import (
    CABLE_LOOP,
    series_resistance,
    tare,
    zero_of,
)
from powerlab.records import Figure


def loop(current, drop, u_current=1e-4, u_drop=1e-3, u_gain=0.0):
    """Get a cable's loop resistance."""
    current, drop = np.array(current), np.array(drop)
    return series_resistance(
        CABLE_LOOP,
        (current, np.full_like(current, u_current)),
        (drop, np.full_like(drop, u_drop)),
        u_gain=u_gain,
        source="two currents",
    )


def test_two_currents_give_the_loop_resistance():
    """0.17 ohm shows as 0.34 V between 0.5 and 2.5 A, whatever the meters' offsets."""
    found = loop([0.5, 2.5], [0.085 + 0.01, 0.425 + 0.01])
    assert found.value == pytest.approx(0.17)
    expected = math.hypot(1e-3, 0.17 * 1e-4) * math.sqrt(2) / 2
    assert found.u == pytest.approx(expected, rel=1e-6)
    assert (found.unit, found.dof) == ("ohm", None)


def test_the_meters_common_gain_comes_on_top():
    """A gain error of volts over amperes scales the resistance and is not averaged away."""
    found = loop([0.5, 1.5, 2.5], [0.085, 0.255, 0.425], u_gain=0.01)
    assert found.u == pytest.approx(math.hypot(1.7e-3, 1e-3 / math.sqrt(2)), rel=1e-3)


def test_contacts_that_wander_widen_the_uncertainty():
    """Drops that do not lie on a line to within their u: the scatter counts, with its dof."""
    found = loop([0.5, 1.0, 1.5, 2.0, 2.5], [0.085, 0.20, 0.225, 0.37, 0.425])
    assert found.u > 5 * loop([0.5, 2.5], [0.085, 0.425]).u
    assert found.dof == 3


def test_coverage_of_the_loop_resistance():
    """Over many set-ups two currents cover the true resistance 95 times in 100."""
    inside = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        true, current = rng.uniform(0.02, 0.5), np.array([0.5, 2.5])
        found = loop(
            current + 1e-4 * rng.normal(size=2), true * current + 1e-3 * rng.normal(size=2)
        )
        inside += abs(found.value - true) < 1.96 * found.u
    assert 930 <= inside <= 970


def test_one_current_gives_no_resistance():
    """A single current cannot tell a resistance from an offset."""
    with pytest.raises(ValueError, match="two different x"):
        loop([1.0, 1.0], [0.1, 0.1])


def test_the_tare_carries_its_change():
    """Zeros of 1 and 3 mA: 2 mA in between, half the change as a rectangle."""
    found = tare("current", "A", Figure(1e-3, 1e-4), Figure(3e-3, 1e-4))
    assert found.value == pytest.approx(2e-3)
    assert found.u == pytest.approx(math.hypot(1e-4 / math.sqrt(2), 1e-3 / math.sqrt(3)))
    still = tare("current", "A", Figure(1e-3, 1e-4), Figure(1e-3, 1e-4))
    assert still.u == pytest.approx(1e-4 / math.sqrt(2))


def test_a_zero_is_known_to_its_scatter_and_resolution():
    """Readings that are all alike are still uncertain by half a step."""
    alike = zero_of(np.full(10, 2e-4), 1e-4)
    assert (alike.value, alike.u) == pytest.approx((2e-4, 1e-4 / math.sqrt(12)))
    noisy = zero_of(np.array([0.0, 2e-3]), 1e-6)
    assert noisy.u == pytest.approx(1e-3, rel=1e-5)
