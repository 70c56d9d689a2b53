"""Ratios of results: what both share cancels, what is left covers."""

import math

import numpy as np
import pytest

from powerlab.analysis.comparison import compare
from powerlab.analysis.moments import estimates
from powerlab.analysis.uncertainty import component, quantity, reciprocal, rectangular
from powerlab.records import Distribution
from tests.analysis.test_moments import GUM_H2


def energy(value, *lines, unit="J"):
    """Get an energy with its budget."""
    return quantity("energy_per_inference", unit, value, lines)


def gain(u, input_="meter/1/current/1/gain"):
    """Get the line of a meter's specified gain."""
    return component("meter current gain", "B", u, Distribution.RECTANGULAR, input_=input_)


def runs(u, dof=4):
    """Get the line of the scatter of runs."""
    return component("run to run", "A", u, Distribution.T, dof=dof)


def test_the_gain_of_one_meter_cancels():
    """1 % of gain in both energies leaves only the scatter of their runs in the ratio."""
    found = compare(energy(2.0, gain(0.02), runs(0.01)), energy(1.0, gain(0.01), runs(0.002)))
    assert found.interval.value == pytest.approx(2.0)
    assert found.interval.u == pytest.approx(2 * math.hypot(0.005, 0.002))
    assert found.shared == (("meter current gain", "meter/1/current/1/gain"),)
    assert found.dof == pytest.approx(29**2 * 4 / (25**2 + 4**2), rel=1e-9)


def test_another_meter_cancels_nothing():
    """Two meters of one model err each for itself; their rectangles make a triangle."""
    first, second = energy(2.0, gain(0.02, "meter/1")), energy(1.0, gain(0.01, "meter/2"))
    found = compare(first, second)
    assert found.shared == ()
    assert found.interval.u == pytest.approx(0.02 * math.sqrt(2))
    assert found.k == pytest.approx(math.sqrt(6) * (1 - math.sqrt(0.05)), rel=1e-4)


def test_errors_of_opposite_sign_add():
    """What raises one and lowers the other weighs twice in their ratio."""
    found = compare(energy(1.0, gain(0.01)), energy(1.0, gain(-0.01)))
    assert found.interval.u == pytest.approx(0.02)
    assert found.expanded == pytest.approx(0.02 * 0.95 * math.sqrt(3), rel=1e-3)


def test_an_offset_cancels_as_far_as_it_weighs_alike():
    """One offset is 1 % of the smaller energy and half of it of the larger: half remains."""
    offset = component("offset", "B", 0.01, Distribution.RECTANGULAR, input_="meter/1/offset")
    found = compare(energy(2.0, offset), energy(1.0, offset))
    assert found.interval.u == pytest.approx(2 * 0.005)


def test_gum_h2_ratio_of_correlated_means():
    """Voltage over current of GUM H.2: the impedance and its u, the correlation kept."""
    means = estimates(GUM_H2)
    volts, amperes = means.values[:2]
    u_volts, u_amperes = means.u[:2]
    r = means.correlation[0, 1]
    own = math.sqrt(1 - r**2) * u_volts
    found = compare(
        quantity(
            "z", "", volts, [component("a", "A", r * u_volts, input_="a"), component("b", "A", own)]
        ),
        quantity("z", "", amperes, [component("a", "A", u_amperes, input_="a")]),
    )
    assert found.interval.value == pytest.approx(254.260, abs=6e-4)
    assert found.interval.u == pytest.approx(0.236, abs=6e-4)


def test_reciprocals_compare_as_the_inverse():
    """Inferences per joule of A over B are joules of B over A, bounds included."""
    first, second = energy(2.0, gain(0.02), runs(0.002)), energy(1.0, gain(0.01), runs(0.003))
    upright = compare(first, second)
    inverse = compare(*(reciprocal("per_joule", "1/J", each) for each in (second, first)))
    assert inverse.interval.value == pytest.approx(2.0)
    assert inverse.interval.u == pytest.approx(upright.interval.u)
    assert inverse.k == pytest.approx(upright.k, rel=1e-6)
    # The ends differ in second order only.
    assert inverse.interval.low == pytest.approx(upright.interval.low, rel=2e-4)


def test_a_reference_that_may_be_zero_leaves_no_bound():
    """A net energy that its interval lets vanish bounds no ratio, and the ratio is a tie."""
    found = compare(energy(1.0, runs(0.01)), energy(0.01, runs(0.01)))
    assert (found.interval.low, found.interval.high, found.expanded) == (None, None, None)
    assert found.interval.g > 1


def test_figures_without_meaning_are_not_compared():
    """Other units, a reference of 0, and figures that are not finite give nothing."""
    good = energy(1.0, runs(0.01))
    assert compare(good, energy(1.0, runs(0.01), unit="1/CNY")) is None
    assert compare(good, energy(0.0, runs(0.01))) is None
    assert compare(good, energy(math.nan, runs(0.01))) is None
    assert compare(energy(1.0, runs(math.inf)), good) is None


def test_equal_results_tie_and_clear_differences_do_not():
    """The verdict rests on the interval: 2 % apart is a tie at 3 % and a difference at 0.5 %."""
    assert compare(energy(1.02, runs(0.01)), energy(1.0, runs(0.01))).tie
    assert not compare(energy(1.02, runs(0.001)), energy(1.0, runs(0.001))).tie
    exact = compare(energy(1.5, gain(0.015)), energy(1.5, gain(0.015)))
    assert exact.tie
    assert exact.expanded == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("same_meter", [True, False])
def test_coverage_of_ratios(same_meter):
    """Over drawn meters and runs the interval holds the true ratio in 95 %, shared or not."""
    rng = np.random.default_rng(7)
    worlds, count, inside = 400, 5, 0
    true = np.array([2.0, 1.6])
    for _ in range(worlds):
        limit = 0.01 * rng.uniform(-1, 1, 2)
        limit[1] = limit[0] if same_meter else limit[1]
        offset = 0.02 * rng.uniform(-1, 1)
        made = []
        for index in (0, 1):
            values = true[index] * (1 + limit[index] + 0.005 * rng.normal(size=count)) + offset
            mean = float(values.mean())
            made.append(
                energy(
                    mean,
                    gain(rectangular(0.01) * mean, f"meter/{0 if same_meter else index}"),
                    component(
                        "offset", "B", rectangular(0.02), Distribution.RECTANGULAR, input_="offset"
                    ),
                    runs(float(values.std(ddof=1)) / math.sqrt(count)),
                )
            )
        found = compare(*made)
        inside += found.interval.low <= true[0] / true[1] <= found.interval.high
    assert inside / worlds == pytest.approx(0.95, abs=0.025)
