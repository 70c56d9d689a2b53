"""Decisions, guard bands and the risks of being wrong."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from powerlab.analysis.conformity import (
    GuardBand,
    Limits,
    Verdict,
    capability,
    decide,
    global_risk,
    guard_band,
    guard_band_for,
    probability_of_conformity,
)


def test_reference_cases(shared):
    """Global and specific risks match the published figures and their recomputed digits."""
    for case in json.loads(shared("references/risk_guardband.json").read_text())["cases"]:
        limits = Limits(*case["limits"])
        if case.get("specific_risk"):
            outside = 1 - probability_of_conformity(case["mean"], case["sd"], limits)
            assert outside == pytest.approx(case["P_out"], abs=6e-6)
            if "P_out_recomputed" in case:
                assert outside == pytest.approx(case["P_out_recomputed"], rel=1e-9)
            assert capability(case["mean"], case["sd"], limits) == pytest.approx(case["cpk"])
            continue
        acceptance = Limits(*case["acceptance"]) if "acceptance" in case else None
        risk = global_risk(0.0, case["process_sd"], case["test_sd"], limits, acceptance)
        assert risk.false_accept == pytest.approx(case["PFA"], abs=6e-4)
        assert risk.false_reject == pytest.approx(case["PFR"], abs=6e-4)
        assert risk.false_accept == pytest.approx(case["PFA_recomputed"], rel=1e-9)
        if "PFR_recomputed" in case:
            assert risk.false_reject == pytest.approx(case["PFR_recomputed"], rel=1e-6)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (8.0, Verdict.PASS),
        (9.0, Verdict.PASS),
        (9.5, Verdict.CONDITIONAL_PASS),
        (10.0, Verdict.CONDITIONAL_PASS),
        (10.5, Verdict.CONDITIONAL_FAIL),
        (11.5, Verdict.FAIL),
    ],
)
def test_four_answers_around_an_upper_limit(value, verdict):
    """Latency against 10 with U = 1: the four zones of ILAC-G8."""
    assert decide(value, Limits(upper=10.0), 1.0) is verdict
    assert decide(-value, Limits(lower=-10.0), 1.0) is verdict


def test_simple_acceptance_has_two_answers():
    """Without a guard band a value on the limit passes, one beyond fails."""
    assert decide(10.0, Limits(upper=10.0), 0.0) is Verdict.PASS
    assert decide(10.1, Limits(upper=10.0), 0.0) is Verdict.FAIL


def test_a_band_wider_than_the_tolerance_passes_nothing():
    """With U above the tolerance's half-width even its middle is only a conditional pass."""
    assert decide(0.0, Limits(-1, 1), 2.0) is Verdict.CONDITIONAL_PASS


@given(st.floats(-5, 15), st.floats(0.01, 3))
def test_a_pass_by_expanded_uncertainty_is_wrong_in_few_cases(value, u):
    """Whatever passes with w = 1.96 u conforms with 97.5 % at one limit (ILAC-G8 4.2.2)."""
    limits = Limits(upper=10.0)
    if decide(value, limits, guard_band_for(u, 0.975)) is Verdict.PASS:
        assert probability_of_conformity(value, u, limits) >= 0.975 - 1e-9
    if decide(value, limits, 0.0) is Verdict.PASS:
        assert probability_of_conformity(value, u, limits) >= 0.5 - 1e-9


def test_guard_bands_by_rule():
    """Acceptance limits of each rule, as fractions of the tolerance, at a ratio of 4."""
    width = {rule: guard_band(1.0, 0.25, rule) for rule in GuardBand}
    assert width == pytest.approx(
        {
            GuardBand.NONE: 0.0,
            GuardBand.EXPANDED: 0.25,
            GuardBand.RSS: 1 - math.sqrt(1 - 1 / 16),
            GuardBand.DOBBERT: 0.25 * (1.04 - math.exp(0.38 * math.log(4) - 0.54)),
            GuardBand.RP10: 0.0,
        }
    )
    assert guard_band(1.0, 0.5, GuardBand.RP10) == pytest.approx(0.25)
    assert guard_band(1.0, 2.0, GuardBand.RSS) == 1.0
    assert guard_band(1.0, 0.0, GuardBand.EXPANDED) == 0.0


def test_dobbert_holds_two_percent():
    """Managed guard bands keep the false acceptance at 2 % or below for any process."""
    for ratio in (1.5, 2.0, 4.0, 8.0):
        u = 1 / ratio / 1.959964
        width = guard_band(1.0, 1 / ratio, GuardBand.DOBBERT)
        worst = max(
            global_risk(0.0, sd, u, Limits(-1, 1), Limits(-1, 1).shrunk(width)).false_accept
            for sd in np.geomspace(0.2, 3, 12)
        )
        assert worst < 0.0205


@given(mean=st.floats(-1, 1), sd=st.floats(0.2, 3), u=st.floats(0.05, 1), band=st.floats(0, 0.5))
def test_wider_guard_bands_trade_one_risk_for_the_other(mean, sd, u, band):
    """A narrower acceptance lowers the false accepts and raises the false rejects."""
    limits = Limits(-1, 1)
    plain = global_risk(mean, sd, u, limits)
    guarded = global_risk(mean, sd, u, limits, limits.shrunk(band))
    assert guarded.false_accept <= plain.false_accept + 1e-12
    assert guarded.false_reject >= plain.false_reject - 1e-12


def test_risks_agree_with_simulation():
    """Both risks of a one-sided limit with a process off centre match drawn pairs."""
    rng = np.random.default_rng(4)
    true = rng.normal(0.4, 0.5, 400_000)
    read = true + rng.normal(0, 0.2, 400_000)
    risk = global_risk(0.4, 0.5, 0.2, Limits(upper=1.0), Limits(upper=0.9))
    assert risk.false_accept == pytest.approx(np.mean((true > 1) & (read <= 0.9)), abs=1e-3)
    assert risk.false_reject == pytest.approx(np.mean((true <= 1) & (read > 0.9)), abs=2e-3)


def test_probability_in_the_far_tail_and_for_few_runs():
    """Far beyond a limit no digits are lost; t has heavier tails; u = 0 decides outright."""
    limits = Limits(0.0, 1.0)
    assert probability_of_conformity(11.0, 1.0, limits) == pytest.approx(7.62e-24, rel=1e-2)
    assert probability_of_conformity(-10.0, 1.0, limits) == pytest.approx(7.62e-24, rel=1e-2)
    heavy = probability_of_conformity(0.9, 0.05, Limits(upper=1.0), dof=4)
    assert heavy < probability_of_conformity(0.9, 0.05, Limits(upper=1.0))
    assert probability_of_conformity(1.0, 0.0, limits) == 1.0
    assert probability_of_conformity(1.1, 0.0, limits) == 0.0
