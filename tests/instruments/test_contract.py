"""Opening a bench's meter: the driver is found, the serial number is checked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments import contract
from powerlab.instruments.contract import accuracy_of, burden_of, open_meter, range_or_error
from powerlab.records import MeterIdentity

RESOURCE = "TCPIP0::192.0.2.1::5025::SOCKET"


class Silent:
    """A meter that only has an identity."""

    def __init__(self, serial: str) -> None:
        self.identity = MeterIdentity("DMM6500", "KEITHLEY", "DMM6500", serial, "1", RESOURCE)
        self.closed = False

    def close(self) -> None:
        """Note that it was let go."""
        self.closed = True


def install(monkeypatch: pytest.MonkeyPatch, meter: Silent) -> None:
    """Make every driver name resolve to a driver that returns this meter."""
    entry = SimpleNamespace(load=lambda: lambda _profile, _bench: meter)
    monkeypatch.setattr(contract, "entry_points", lambda **_: [entry])


@pytest.mark.parametrize("told", ["04592448", ""])
def test_the_right_serial_number_opens(monkeypatch, profile, told: str) -> None:
    """A meter that tells the bench's number, or none at all, is accepted."""
    meter = Silent(told)
    install(monkeypatch, meter)
    bench = BenchMeter(model="keithley-dmm6500", resource=RESOURCE, serial="04592448")
    assert open_meter(profile("keithley-dmm6500"), bench) is meter
    assert not meter.closed


def test_another_serial_number_is_refused(monkeypatch, profile) -> None:
    """A calibration belongs to one unit, so another one is closed again and named."""
    meter = Silent("99999999")
    install(monkeypatch, meter)
    bench = BenchMeter(model="keithley-dmm6500", resource=RESOURCE, serial="04592448")
    with pytest.raises(InstrumentError, match=r"99999999.*04592448") as caught:
        open_meter(profile("keithley-dmm6500"), bench)
    assert caught.value.exit_code == 4
    assert meter.closed


def test_a_driver_that_is_not_installed_is_a_configuration_error(profile) -> None:
    """A profile that names no driver says which there are."""
    odd = profile("keithley-dmm6500").model_copy(update={"driver": "no_such_driver"})
    with pytest.raises(ConfigError, match="no_such_driver") as caught:
        open_meter(odd, BenchMeter(model="keithley-dmm6500", resource=RESOURCE))
    assert "keithley_dmm6500" in caught.value.hint


@pytest.mark.parametrize("identifier", ["keithley-dmm6500", "rdtech-um25c"])
def test_every_built_in_profile_names_its_sources(profile, identifier: str) -> None:
    """Each figure has a source, and an estimate says in words that it is one."""
    built_in = profile(identifier)
    for item in (built_in.sampling, *built_in.range):
        assert item.retrieved
        assert ("stimate" in item.source) or not item.estimated


def test_limits_come_from_the_range(profile) -> None:
    """1 A on the UM25C: 1 % of reading, 2.5 mA and half a step, 50 ± 50 milliohm."""
    chosen = range_or_error(profile("rdtech-um25c"), "current", 1.0)
    accuracy = accuracy_of(chosen)
    assert (accuracy.gain_limit, accuracy.offset_limit) == pytest.approx((0.01, 0.0025 + 0.00005))
    assert burden_of(chosen) == pytest.approx((0.05, 0.05))
