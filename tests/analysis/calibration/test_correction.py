"""A correction at work: what may err in it, one independent input at a time."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from powerlab.analysis.calibration.correction import (
    calibration_budget,
    corrected,
    corrected_values,
    past_calibration,
)
from powerlab.analysis.calibration.inputs import calibration_inputs
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.uncertainty import standard_uncertainty
from powerlab.records import Distribution
from powerlab.records.correction import CorrectionModel, Drift, Use
from powerlab.store.serial import from_plain, to_plain
from tests.analysis.calibration.worlds import COMMON, FULL_SCALE, LIMIT, World, point_at

NEW = Use(LIMIT, Drift(0.0, 0.0, "new"), 0.0, 23.0)
READINGS = np.linspace(0.1, 2.6, 7)


def a_correction(seed=1, **facts):
    """Get the correction of one meter with gain and offset."""
    world = World(np.random.default_rng(seed), **{"gain": 1.004, "offset": -3e-3, **facts})
    return choose_correction(world.points(), COMMON, certificate="C-1")


def line_of(correction, use, name):
    """Get the error of one input over the readings."""
    (found,) = (item for item in calibration_inputs(correction, use) if item.name == name)
    return found.error(READINGS)


def test_corrected_readings_are_true_values():
    """A meter 0.4 % high with an offset of 3 mA reads right to its noise."""
    world = World(np.random.default_rng(1), gain=1.004, offset=-3e-3, noise=1e-6)
    correction = choose_correction(world.points(), COMMON, certificate="C-1")
    value = corrected_values(correction, 1.004 * READINGS - 3e-3, NEW)
    assert value == pytest.approx(READINGS, abs=5e-5)


def test_inputs_are_independent_parts_of_the_uncertainty():
    """Principal components, choice of form and reference add up to u, and to GUM's band."""
    correction = a_correction()
    parts = [item.error(READINGS) for item in calibration_inputs(correction, NEW)]
    whole = corrected(correction, READINGS, NEW)
    assert whole.u == pytest.approx(np.sqrt(np.sum(np.square(parts), axis=0)))
    fit = correction.wider
    assert fit.form.model is CorrectionModel.QUADRATIC
    t = (READINGS - fit.form.centre) / fit.form.half_width
    columns = np.stack((np.ones_like(t), t, 2 * t**2 - 1), axis=1)
    band = np.einsum("ij,jk,ik->i", columns, fit.covariance, columns)
    fitted = sum(part**2 for part in parts[:3])
    assert fitted == pytest.approx(band)
    budget = calibration_budget(correction, READINGS[3], NEW)
    assert standard_uncertainty(budget) == pytest.approx(whole.u[3])
    assert len({line.input for line in budget}) == len(budget)


def test_noise_of_a_reading_comes_on_top():
    """The u of a reading passes through the slope of the correction."""
    correction = a_correction()
    quiet, noisy = (corrected(correction, READINGS, NEW, u) for u in (0.0, 1e-3))
    assert noisy.u**2 - quiet.u**2 == pytest.approx((1e-3 / 1.004) ** 2, rel=1e-3)


def test_the_common_error_is_the_reference_s_own():
    """Gain and offset of the reference move all readings alike, with its distribution."""
    correction = a_correction()
    correction = replace(correction, common=replace(COMMON, distribution=Distribution.RECTANGULAR))
    value = corrected_values(correction, READINGS, NEW)
    assert line_of(correction, NEW, "current reference gain") == pytest.approx(2e-4 * value)
    assert line_of(correction, NEW, "current reference offset") == pytest.approx(5e-5)
    shared = [
        item for item in calibration_inputs(correction, NEW) if item.input.startswith("REF-1")
    ]
    assert {item.distribution for item in shared} == {Distribution.RECTANGULAR}


def test_two_meters_of_one_reference_share_its_error_alone():
    """Inputs of two calibrations against one certificate are the same for the reference only."""
    first, second = (replace(a_correction(seed), certificate=f"C-{seed}") for seed in (1, 2))
    names = [{item.input for item in calibration_inputs(each, NEW)} for each in (first, second)]
    assert names[0] & names[1] == {"REF-1/current/gain", "REF-1/current/offset"}


def test_uncertainty_grows_with_time():
    """Drift is a rectangle of rate times time, of gain and of offset."""
    correction = a_correction()
    later = replace(NEW, drift=Drift(1e-3, 2e-4, "sheet"), years=2.0)
    value = corrected_values(correction, READINGS, later)
    expected = 2e-3 / math.sqrt(3) * value
    assert line_of(correction, later, "current drift gain") == pytest.approx(expected)
    offset = line_of(correction, later, "current drift offset")
    assert offset == pytest.approx(4e-4 / math.sqrt(3))
    assert (corrected(correction, READINGS, later).u > corrected(correction, READINGS, NEW).u).all()


def test_uncertainty_grows_away_from_the_calibration_s_temperature():
    """A coefficient counts by the distance; one that is unknown, as 5 K."""
    correction = a_correction()
    for now_c, away_k in ((23.0, 0.0), (27.0, 4.0), (20.0, 3.0), (math.nan, 5.0)):
        use = replace(NEW, temperature_c=now_c, gain_per_k=1e-4, offset_per_k=1e-5)
        names = [item.name for item in calibration_inputs(correction, use)]
        if not away_k:
            assert "current temperature gain" not in names
            continue
        value = corrected_values(correction, READINGS, use)
        found = line_of(correction, use, "current temperature gain")
        assert found == pytest.approx(1e-4 * away_k / math.sqrt(3) * value)
        found = line_of(correction, use, "current temperature offset")
        assert found == pytest.approx(1e-5 * away_k / math.sqrt(3))


def test_a_temperature_term_is_applied_and_holds_between_its_temperatures():
    """With alpha fitted the value follows the temperature; only outside its span u grows."""
    world = World(np.random.default_rng(4), warmth=2e-4, noise=1e-5)
    points = world.points(warm=lambda step: 18.0 if step < 6 else 28.0)
    correction = choose_correction(points, COMMON, certificate="C-1")
    assert correction.chosen.form.temperature
    use = replace(NEW, temperature_c=27.0, gain_per_k=1e-4)
    value = corrected_values(correction, READINGS * (1 + 2e-4 * 4), use)
    assert value == pytest.approx(READINGS, rel=1e-4)
    names = [item.name for item in calibration_inputs(correction, use)]
    assert "current temperature gain" not in names
    hotter = replace(use, temperature_c=30.0)
    found = line_of(correction, hotter, "current temperature gain")
    expected = 2e-4 / math.sqrt(3) * corrected_values(correction, READINGS, hotter)
    assert found == pytest.approx(expected)


def test_beyond_the_span_the_specified_limit_takes_over():
    """Nothing is added inside, all of the limit half a span beyond, in between a part of it."""
    correction = a_correction()
    (span,) = correction.spans
    width = span.high - span.low
    (item,) = (i for i in calibration_inputs(correction, NEW) if i.name == "current extrapolation")
    at = np.array([span.high - 1e-9, span.high + width / 4, span.high + width, span.low - width])
    whole = (LIMIT.gain_limit * np.abs(at) + LIMIT.offset_limit) / math.sqrt(3)
    assert item.error(at) == pytest.approx(np.array([0, 0.5, 1, 1]) * whole)


def test_a_curvature_that_no_point_could_show_is_uncertain():
    """Between two levels the specified offset may be a bend; with five levels the fit tells."""
    world = World(np.random.default_rng(1), gain=1.004, offset=-3e-3)
    correction = choose_correction(world.points((0.1, 0.9)), COMMON, certificate="C-1")
    (span,) = correction.spans
    (item,) = (i for i in calibration_inputs(correction, NEW) if i.name == "current linearity")
    middle, beyond = (span.low + span.high) / 2, span.high + 0.1
    found = item.error(np.array([span.low, middle, span.high, beyond]))
    part = (span.high - span.low) / FULL_SCALE
    largest = LIMIT.offset_limit / math.sqrt(3) * part**2
    assert found == pytest.approx([0, largest, 0, 0])
    names = [item.name for item in calibration_inputs(a_correction(), NEW)]
    assert "current linearity" not in names


def test_a_range_that_was_not_calibrated_is_refused():
    """Another range of the meter has no correction."""
    other = replace(NEW, limit=replace(LIMIT, full_scale=10 * FULL_SCALE))
    with pytest.raises(KeyError, match="30 is not calibrated"):
        corrected(a_correction(), READINGS, other)


def test_each_range_has_its_own_correction():
    """A per-range form corrects a reading by the range it was read on."""
    points = [
        point_at(level * scale, gain * level * scale, 1e-5, 1e-5, full_scale=scale)
        for scale, gain in ((1.0, 1.01), (10.0, 0.98))
        for level in (0.0, 0.2, 0.5, 0.9)
    ]
    correction = choose_correction(points, COMMON, certificate="C-1")
    for scale, gain in ((1.0, 1.01), (10.0, 0.98)):
        use = replace(NEW, limit=replace(LIMIT, full_scale=scale))
        value = corrected_values(correction, np.array([0.5]), use)
        assert value == pytest.approx(gain * 0.5, rel=1e-4)


def test_a_stored_correction_works_as_the_fitted_one():
    """Written to JSON and read back, values and uncertainties are the same to the last bit."""
    correction = a_correction()
    again = from_plain(type(correction), json.loads(json.dumps(to_plain(correction))))
    first, second = (corrected(each, READINGS, NEW) for each in (correction, again))
    assert first.value.tolist() == second.value.tolist()
    assert first.u.tolist() == second.u.tolist()


def test_history_keeps_the_corrections_without_the_reference_s_error():
    """What is kept for drift is true value less reading, with the u of the fit alone."""
    correction = a_correction()
    past = past_calibration(correction, FULL_SCALE, "2026-01-01")
    value = corrected(
        replace(correction, common=replace(COMMON, u_gain=0, u_offset=0)), past.readings, NEW
    )
    assert past.corrections == pytest.approx(value.value - past.readings)
    assert past.u == pytest.approx(value.u)
    assert (past.readings[0], past.readings[-1]) == (
        correction.spans[0].low,
        correction.spans[0].high,
    )
