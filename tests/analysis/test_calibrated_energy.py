"""The energy of an inference with a calibrated meter: the same truth, a smaller interval."""

from dataclasses import replace

import numpy as np
import pytest

from powerlab.analysis.align import align
from powerlab.analysis.calibration.drift import drift_from_limits
from powerlab.analysis.calibration.selection import choose_correction
from powerlab.analysis.conclude import conclude
from powerlab.analysis.estimate import estimate
from powerlab.catalog.layers import load_catalog
from powerlab.emulation.calibration_virtual import virtual_calibration_readings
from powerlab.emulation.virtual import virtual_measurement
from powerlab.records import Request
from powerlab.records.calibration import CalibrationPoint, Direction, Settling
from powerlab.records.correction import ChannelCalibration, CommonError, Use

COMMON = {
    "current": CommonError("current", 2e-4, 2e-4, "K-1"),
    "voltage": CommonError("voltage", 3e-5, 1e-4, "K-1"),
}
LEVELS = {"current": (0.1, 0.5, 1.5, 2.5, 3.5, 4.5), "voltage": (4.0, 4.8, 5.2, 6.0, 9.0, 13.0)}
SOURCE = {"current": "rigol-dl3021", "voltage": "rigol-dp832"}
REQUEST = Request("edgeboard", "virtual", "um25c", "virtual", "virtual", 1, 1, "quick")


@pytest.fixture(scope="module")
def catalog():
    """Get the built-in catalogue."""
    return load_catalog()


def calibration(catalog, setup, channel, seed):
    """Calibrate one channel of the meter in the world of a seed."""
    models = ("rdtech-um25c", "keithley-dmm6500", SOURCE[channel])
    limit = setup.accuracy[setup.channels.index(channel)]
    taken = virtual_calibration_readings(
        *map(catalog.instrument, models),
        LEVELS[channel],
        seed=seed,
        certificate=COMMON[channel],
        full_scale=limit.full_scale,
        reference_full_scale=100.0 if channel == "voltage" else None,
    )
    points = [
        CalibrationPoint(
            quantity=channel,
            full_scale=limit.full_scale,
            direction=Direction.UP,
            nominal=item.nominal,
            reference=float(item.reference.mean()),
            u_reference=float(item.reference.std(ddof=1) / np.sqrt(item.reference.size)),
            reading=float(item.meter.mean()),
            u_reading=float(np.hypot(item.meter.std(ddof=1) / np.sqrt(item.meter.size), 1e-4)),
            readings=item.meter.size,
            settling=Settling.SETTLED,
            at_utc_ns=item.at_ns,
            temperature_c=23.0,
        )
        for item in taken
    ]
    correction = choose_correction(points, COMMON[channel], certificate="K-2")
    use = Use(limit, drift_from_limits({365.0: limit}), 0.0, 23.0)
    return ChannelCalibration(channel, correction, use, "2026-01-01", "2027-01-01", ())


def worlds(catalog, seed):
    """Get a measurement in the world of a seed as it is, calibrated, and its truth."""
    device, meter = catalog.device("edgeboard"), catalog.instrument("rdtech-um25c")
    capture, truth = virtual_measurement(device, meter, catalog.protocol("quick"), seed)
    known = tuple(
        calibration(catalog, capture.trace.setup, channel, seed)
        for channel in capture.trace.setup.channels
    )
    return capture, replace(capture, calibrations=known), truth


def energy(capture):
    """Get the energy of these runs, which holds no scatter of the board."""
    return estimate(capture, align(capture)).quantities["energy_of_these_runs"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_intervals_hold_the_truth_and_the_calibrated_one_is_smaller(catalog, seed):
    """A measurement before and one after calibration are both right."""
    plain, corrected, truth = worlds(catalog, seed)
    before, after = energy(plain), energy(corrected)
    for quantity in (before, after):
        assert abs(quantity.value - truth.energy_of_these_runs_j) < 1.5 * quantity.expanded
    assert after.expanded < before.expanded / 2.5


def test_the_calibration_stands_in_the_budget_in_place_of_the_limits(catalog):
    """Its lines carry its own identities, so that other measurements share them."""
    _, corrected, _ = worlds(catalog, 1)
    lines = {line.name: line for line in energy(corrected).budget}
    assert not any(name.startswith("meter ") for name in lines)
    assert lines["current reference gain"].input == "K-1/current/gain"
    assert lines["current calibration"].source == "calibration K-2"


def test_the_result_says_which_calibration_it_rests_on(catalog):
    """By channel, with its dates; what a correction is no estimate of any more is not told."""
    plain, corrected, _ = worlds(catalog, 1)
    result, _ = conclude(corrected, run="r", request=REQUEST, price=None)
    assert {(item.channel, item.certificate) for item in result.meter.calibrations} == {
        ("current", "K-2"),
        ("voltage", "K-2"),
    }
    assert "accuracy-estimated" not in [finding.code for finding in result.findings]
    before, _ = conclude(plain, run="r", request=REQUEST, price=None)
    assert before.meter.calibrations == ()


def test_readings_beyond_the_calibrated_span_are_told(catalog):
    """An idle current below the lowest level that was compared."""
    _, corrected, _ = worlds(catalog, 1)
    (amperes, volts) = sorted(corrected.calibrations, key=lambda item: item.channel)
    (span,) = amperes.correction.spans
    narrow = replace(amperes.correction, spans=(replace(span, low=0.5),))
    changed = replace(corrected, calibrations=(replace(amperes, correction=narrow), volts))
    result, _ = conclude(changed, run="r", request=REQUEST, price=None)
    told = [item for item in result.findings if item.code == "calibration-extrapolated"]
    assert [item.message.partition(" reads")[0] for item in told] == ["idle, current"]
