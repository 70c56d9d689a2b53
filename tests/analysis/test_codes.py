"""Codes that a board draws: their correlations, and which one suits which meter."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.codes import (
    GUARD_CHIPS,
    SHORTEST_CHIP_S,
    TAPS,
    aperiodic_autocorrelation,
    barker13,
    m_sequence,
    periodic_autocorrelation,
    plan_marker,
)

orders = pytest.mark.parametrize("order", sorted(TAPS))


@pytest.fixture
def reference(shared):
    """Get the published and recomputed codes."""
    return json.loads(shared("references/sync_codes.json").read_text())


def decibels(peak, sidelobe):
    """Get a ratio of amplitudes in dB."""
    return 20 * math.log10(peak / sidelobe)


def test_barker_is_the_published_code(reference):
    """The chips and their aperiodic autocorrelation are those of the table."""
    assert barker13().tolist() == reference["barker13"]
    correlation = aperiodic_autocorrelation(barker13())
    assert correlation.tolist() == reference["barker13_acf"]
    level = decibels(13, np.abs(correlation[1:]).max())
    assert level == pytest.approx(reference["barker13_psl_db"], abs=5e-4)


def test_m_sequence_of_127_is_the_reference_one(reference):
    """Taps, first chips, balance, autocorrelation and gain agree with the reference."""
    case = reference["mls127"]
    assert list(TAPS[7]) == case["taps"]
    code = m_sequence(7)
    assert code[:20].tolist() == case["first20"]
    assert int(code.sum()) == case["balance_sum"]
    correlation = periodic_autocorrelation(code)
    assert correlation[0] == case["periodic_acf_peak"]
    assert sorted(set(correlation[1:].tolist())) == case["periodic_acf_offpeak"]
    gain = decibels(math.sqrt(127), 1)
    assert gain == pytest.approx(case["processing_gain_db"], abs=5e-4)


@orders
def test_m_sequences_are_maximal(order):
    """Every order's code visits every register but 0 once: its polynomial is primitive."""
    length = 2**order - 1
    bits = (m_sequence(order) > 0).astype(int)
    cyclic = np.concatenate((bits, bits[: order - 1]))
    registers = {tuple(cyclic[at : at + order]) for at in range(length)}
    assert len(bits) == length
    assert len(registers) == length
    assert (0,) * order not in registers


@orders
def test_m_sequences_correlate_with_themselves_only_unshifted(order):
    """The periodic autocorrelation is the length at 0 and -1 elsewhere; the sum is +1."""
    code = m_sequence(order)
    correlation = periodic_autocorrelation(code)
    assert code.dtype == np.int8
    assert int(code.sum()) == 1
    assert correlation[0] == len(code)
    assert (correlation[1:] == -1).all()


@given(st.integers(3, 8), st.data())
def test_registers_give_rotations(order, data):
    """Another start of the register is the same code, rotated."""
    register = data.draw(st.integers(1, 2**order - 1))
    code, rotated = m_sequence(order), m_sequence(order, register)
    assert any(np.array_equal(np.roll(code, by), rotated) for by in range(len(code)))


@pytest.mark.parametrize(("order", "register"), [(2, None), (13, None), (5, 0), (5, 32)])
def test_impossible_sequences_are_refused(order, register):
    """An unknown order or a register that never leaves 0 is an error."""
    with pytest.raises(ValueError, match="order"):
        m_sequence(order, register)


@given(
    st.floats(1e-6, 3.0),
    st.floats(0.0, 1.0),
    st.floats(0.5, 1000.0),
    st.sampled_from([0.0, 0.003, 0.1, 0.5]),
)
def test_plans_keep_the_rules(interval_s, gate, budget_s, shortest_chip_s):
    """A chip is 2 intervals or more and no multiple of one; the whole fits into the budget."""
    plan = plan_marker(
        interval_s, gate * interval_s, budget_s=budget_s, shortest_chip_s=shortest_chip_s
    )
    shortest_chip_s = max(shortest_chip_s, SHORTEST_CHIP_S)
    if plan is None:
        least = max(2 * interval_s, shortest_chip_s)
        assert (13 + 2 * GUARD_CHIPS) * (least + interval_s) > budget_s
        return
    ratio = plan.chip_s / interval_s
    assert plan.duration_s <= budget_s
    assert plan.chip_s >= shortest_chip_s * (1 - 1e-9)
    assert ratio >= 2
    assert ratio < max(3, shortest_chip_s / interval_s + 1)
    assert 0.3 < ratio % 1 < 0.5
    assert sum(length for _, length in plan.pattern) == pytest.approx(plan.duration_s)
    assert [level for level, _ in plan.pattern] == [n % 2 for n in range(len(plan.pattern))]


def test_longer_budgets_choose_longer_codes():
    """At 1 Hz: nothing, Barker's code, 31, 63 and 127 chips, as the time allows."""
    lengths = [
        plan and len(plan.chips)
        for plan in (
            plan_marker(1.0, 1.0, budget_s=budget) for budget in (45, 60, 100, 170, 400, 9999)
        )
    ]
    assert lengths == [None, 13, 31, 63, 127, 127]


def test_apertures_beyond_the_interval_count():
    """A meter whose averages overlap needs chips of 2 to 3 apertures."""
    plan = plan_marker(0.1, 0.4, budget_s=200)
    assert 0.8 < plan.chip_s < 1.2


@pytest.mark.parametrize("case", range(5))
def test_expected_uncertainty_is_the_published_rule(reference, case):
    """The prediction is Ts * sigma / (dP * sqrt(edges)) for means that fill their interval."""
    entry = reference["edge_formula"]["simulated"][case]
    plan = plan_marker(entry["Ts"], entry["Ts"], budget_s=200)
    assert len(plan.chips) == entry["chips"]
    predicted_us = plan.expected_u_s(entry["dP"], entry["sigma"]) * 1e6
    assert predicted_us == pytest.approx(entry["formula_us"], abs=0.06)


@pytest.mark.parametrize(("interval_s", "budget_s"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_impossible_meters_are_refused(interval_s, budget_s):
    """Times that are not positive are a mistake of the caller."""
    with pytest.raises(ValueError, match="positive"):
        plan_marker(interval_s, 1.0, budget_s=budget_s)
