"""Sums over many samples and many windows, against exact sums and the general integral."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.dense import (
    BLOCK,
    EvenSamples,
    product_sum,
    window_energies,
    window_sums,
)
from powerlab.analysis.integrate import PowerTrace, integrate

SECOND = 1_000_000_000
KINDS = [np.float32, np.float64]


def volts_and_amperes(count, kind, seed=0):
    """Get readings of a rail and of a load with a ripple."""
    rng = np.random.default_rng(seed)
    volts = (12 + rng.normal(0, 0.05, count)).astype(kind)
    amperes = (0.7 + rng.normal(0, 0.2, count)).astype(kind)
    return volts, amperes


def exact(volts, amperes):
    """Get the exactly rounded sum of the products."""
    products = volts.astype(np.float64) * amperes.astype(np.float64)
    return math.fsum(products.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_sum_of_products_loses_no_digits(kind):
    """Readings in float32 are multiplied and summed in float64."""
    volts, amperes = volts_and_amperes(3 * BLOCK + 17, kind)
    assert product_sum(volts, amperes) == pytest.approx(exact(volts, amperes), rel=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("windows", "longest"), [(5, 3 * BLOCK), (1000, 300)])
def test_windows_of_samples_are_summed_wherever_they_lie(kind, windows, longest):
    """Overlapping, nested, empty, in any order, few or many in a block of samples."""
    volts, amperes = volts_and_amperes(2 * BLOCK + 5, kind)
    rng = np.random.default_rng(1)
    first = rng.integers(0, len(volts) + 1, windows)
    last = np.minimum(first + rng.integers(0, longest, windows), len(volts))
    last[2] = first[2]
    sums = window_sums(first, last, volts, amperes)
    expected = [exact(volts[a:b], amperes[a:b]) for a, b in zip(first, last, strict=True)]
    assert sums == pytest.approx(expected, rel=1e-12)


def test_no_windows_have_no_sums():
    """Nothing asked, nothing answered."""
    none = np.array([], dtype=np.int64)
    assert len(window_sums(none, none, np.ones(5))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_ramp_over_an_odd_spacing_has_its_closed_form(kind):
    """Sample k is k watts: the integral of the steps is known at any instant."""
    count, span = 200_000, 1_400_000_003
    ramp = np.arange(count).astype(kind)
    samples = EvenSamples(10**15, 10**15 + span, (ramp,))
    rng = np.random.default_rng(2)
    start, stop = np.sort(rng.integers(0, span + 1, (2, 5000)), axis=0)

    def area(at):
        """Get the integral up to an instant, in intervals, times the span squared."""
        whole, part = divmod(at * count, span)
        return (whole * (whole - 1) // 2) * span + whole * part

    energies = window_energies(samples, start + 10**15, stop + 10**15)
    expected = [
        (area(int(b)) - area(int(a))) / span * (span / count / SECOND)
        for a, b in zip(start, stop, strict=True)
    ]
    assert energies == pytest.approx(expected, rel=1e-12)


def test_edges_stay_exact_where_the_product_of_time_and_samples_exceeds_64_bits():
    """After a day at a few kilohertz a window of a microsecond is still its length."""
    count, span = 1_000_000, 86_400 * SECOND + 1
    samples = EvenSamples(0, span, (np.full(count, 3.0),))
    start = np.linspace(0, span - 1000, 999).astype(np.int64)
    assert window_energies(samples, start, start + 1000) == pytest.approx(
        np.full(999, 3e-6), rel=1e-12
    )
    whole = window_energies(samples, np.array([0]), np.array([span]))
    assert whole == pytest.approx([3 * span / SECOND], rel=1e-12)


@given(
    st.lists(st.floats(-5, 50), min_size=1, max_size=40),
    st.integers(1, 10**8),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=10),
)
def test_even_samples_integrate_as_any_others_do(power, interval, windows):
    """The fast way and the general way give the same energies."""
    edges = np.arange(len(power) + 1, dtype=np.int64) * interval
    trace = PowerTrace(edges[:-1].copy(), edges[1:].copy(), np.array(power))
    ends = np.sort(np.rint(np.array(windows) * edges[-1]).astype(np.int64), axis=1)
    samples = EvenSamples(0, int(edges[-1]), (trace.power_w,))
    general = [integrate(trace, int(a), int(b)).energy_j for a, b in ends]
    scale = np.abs(trace.power_w).max() * float(edges[-1]) / SECOND
    assert window_energies(samples, ends[:, 0], ends[:, 1]) == pytest.approx(
        general, rel=1e-12, abs=1e-12 * scale
    )


def test_a_window_beyond_the_samples_is_refused():
    """No energy is made up."""
    samples = EvenSamples(0, 100, (np.ones(10),))
    for start, stop in ((-1, 50), (50, 101), (60, 50)):
        with pytest.raises(ValueError, match="beyond"):
            window_energies(samples, np.array([start]), np.array([stop]))
