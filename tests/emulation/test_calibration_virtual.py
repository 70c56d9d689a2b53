"""Calibrations in virtual time: what both read, the same units again, and the truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from powerlab.catalog.layers import Catalog, load_catalog
from powerlab.emulation.calibration_virtual import virtual_calibration_readings
from powerlab.emulation.polling import SERIAL
from powerlab.emulation.ranges import draw_channel
from powerlab.emulation.wiring import ErrorLaw
from powerlab.errors import ConfigError
from powerlab.records.correction import CommonError

LEVELS = (0.0, 0.3, 1.5, 2.7, 1.5, 0.3, 0.0)
AMPERES = CommonError("current", 2e-4, 2e-5, "K-1")
VOLTS = CommonError("voltage", 1e-5, 2e-5, "K-1")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """Get the built-in catalogue."""
    return load_catalog()


def amperes(catalog: Catalog, levels=LEVELS, *, seed=3, **changes):
    """Read a UM25C and a DMM6500 at currents that a DL3021 draws."""
    models = map(catalog.instrument, ("rdtech-um25c", "keithley-dmm6500", "rigol-dl3021"))
    return virtual_calibration_readings(
        *models, levels, **{"seed": seed, "certificate": AMPERES, **changes}
    )


def test_meter_and_reference_read_the_same_current(catalog) -> None:
    """Ten readings of the one, what fits into the same time of the other, both within limits."""
    for point in amperes(catalog):
        assert point.meter.shape == (10,)
        assert 200 < point.reference.size < 260
        assert abs(point.true_meter - point.nominal) <= 0.001 * point.nominal + 0.0085
        assert_allclose(point.true_meter, point.true_reference, rtol=2e-5, atol=1e-9)
        assert abs(point.meter.mean() - point.true_meter) <= 0.01 * point.nominal + 0.0028
        error = point.reference.mean() - point.true_reference
        assert abs(error) <= 5 * np.hypot(2e-4 * point.nominal, 2e-5)
        assert not point.meter.flags.writeable
    assert np.all(np.diff([point.at_ns for point in amperes(catalog)]) > 0)


def test_nothing_flows_at_zero(catalog) -> None:
    """The input is off: true is 0, the meter shows its offset as far as it has no sign."""
    first, last = amperes(catalog)[0], amperes(catalog)[-1]
    assert first.true_meter == last.true_meter == 0.0
    assert np.all(last.meter >= 0.0)


def test_a_later_call_reads_the_same_units_afresh(catalog) -> None:
    """Gain and offset stay, noise does not; the same call again is the same to the last digit."""
    before, again = (amperes(catalog, (1.5,))[0] for _ in range(2))
    after = amperes(catalog, (1.5,), start_s=5000.0)[0]
    assert np.array_equal(before.meter, again.meter)
    assert not np.array_equal(before.meter, after.meter)
    errors = [point.meter.mean() - point.true_meter for point in (before, after)]
    assert_allclose(*errors, atol=4e-4)


def test_the_meter_is_the_one_of_the_measurements(catalog) -> None:
    """Its errors are those that the serial number has in this world, and another one's differ."""
    model = catalog.instrument("rdtech-um25c")
    channel = draw_channel(model.ranges("current")[-1], 3, SERIAL, ErrorLaw.UNIFORM)
    point = amperes(catalog, (2.0,), readings=200)[0]
    expected = float(channel.steady(np.array([point.true_meter]))[0])
    assert_allclose(point.meter.mean(), expected, atol=1e-4)
    other = amperes(catalog, (2.0,), readings=200, serial="EMULATED-2")[0]
    assert abs(other.meter.mean() - point.meter.mean()) > 1e-3


def test_temperature_and_laws_reach_the_meter_alone(catalog) -> None:
    """A reference's certificate covers its own temperature; the load changes with it."""
    cool, warm = (amperes(catalog, (2.0,), temperature_c=t)[0] for t in (23.0, 33.0))
    shift = (warm.meter.mean() - warm.true_meter) - (cool.meter.mean() - cool.true_meter)
    assert 1e-5 < abs(shift) < 2.0 * 1.1e-3
    assert_allclose(
        warm.reference.mean() - warm.true_reference,
        cool.reference.mean() - cool.true_reference,
        atol=5e-6,
    )
    worst = amperes(catalog, (2.0,), law=ErrorLaw.LIMIT)[0]
    assert abs(worst.meter.mean() / worst.true_meter - 1) == pytest.approx(0.01, abs=2e-3)


def test_volts_come_from_a_supply(catalog) -> None:
    """5 V to 20 V without a current; each reference range by full scale."""
    models = map(catalog.instrument, ("rdtech-um25c", "keithley-dmm6500", "rigol-dp832"))
    points = virtual_calibration_readings(
        *models, (5.0, 12.0, 20.0), seed=4, certificate=VOLTS, reference_full_scale=100.0
    )
    for point in points:
        assert point.true_meter == pytest.approx(point.nominal, rel=5e-3)
        assert abs(point.meter.mean() - point.true_meter) <= 0.005 * point.nominal + 0.013
        error = point.reference.mean() - point.true_reference
        assert abs(error) <= 5 * np.hypot(1e-5 * point.nominal, 2e-5)


def test_a_wait_that_is_too_short_sees_the_load_settle(catalog) -> None:
    """The readings drift towards the level: what watching for settling is there to notice."""
    rushed = amperes(catalog, (0.3, 2.7), wait_s=0.0, readings=3)[1]
    assert rushed.reference[0] < 0.95 * rushed.reference[-1]


def test_what_no_range_serves(catalog) -> None:
    """A level beyond every range, and a load in place of a supply."""
    with pytest.raises(ConfigError, match="no current range"):
        amperes(catalog, (6.0,))
    with pytest.raises(ConfigError, match="does not say what the supply delivers"):
        amperes(catalog, (5.0,), certificate=VOLTS)
