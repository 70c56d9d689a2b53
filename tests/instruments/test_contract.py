"""Opening an instrument: the driver is found, its kind and serial number are checked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from powerlab.catalog.bench_profile import BenchMeter
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments import contract
from powerlab.instruments.contract import (
    MeterRequest,
    accuracy_of,
    burden_of,
    check_channels,
    open_load,
    open_meter,
    open_supply,
    range_or_error,
)
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


@pytest.mark.parametrize(
    ("opens", "identifier"), [(open_load, "rigol-dl3021"), (open_supply, "rigol-dp832")]
)
def test_loads_and_supplies_belong_to_one_unit_too(
    monkeypatch, profile, opens, identifier: str
) -> None:
    """The right number opens, another one is refused in words for what it is."""
    instrument = Silent("99999999")
    install(monkeypatch, instrument)
    right = BenchMeter(model=identifier, resource=RESOURCE, serial="99999999")
    assert opens(profile(identifier), right) is instrument
    kind = profile(identifier).kind
    with pytest.raises(InstrumentError, match=f"the {kind} at .* has serial number 99999999"):
        opens(profile(identifier), right.model_copy(update={"serial": "04592448"}))
    assert instrument.closed


@pytest.mark.parametrize(
    ("opens", "identifier", "kind"),
    [
        (open_meter, "rigol-dl3021", "load, not a meter"),
        (open_load, "keithley-dmm6500", "meter, not a load"),
        (open_supply, "rigol-dl3021", "load, not a supply"),
    ],
)
def test_an_instrument_of_another_kind_is_a_configuration_error(
    profile, opens, identifier: str, kind: str
) -> None:
    """A load cannot measure a board, and a meter cannot draw a current."""
    with pytest.raises(ConfigError, match=kind):
        opens(profile(identifier), BenchMeter(model=identifier, resource=RESOURCE))


def test_a_channel_that_is_not_streamed_is_named() -> None:
    """Only what is asked for and lacking is told; asking for nothing asks for the profile's."""
    check_channels(MeterRequest(1.0), ("voltage",), "A meter")
    check_channels(MeterRequest(1.0, channels=("voltage",)), ("voltage", "current"), "A meter")
    with pytest.raises(ConfigError, match="A meter does not stream power"):
        check_channels(MeterRequest(1.0, channels=("voltage", "power")), ("voltage",), "A meter")


IDS = ["keithley-dmm6500", "rdtech-tc66c", "rdtech-um25c", "rigol-dl3021", "rigol-dp832"]


@pytest.mark.parametrize("identifier", IDS)
def test_every_built_in_profile_names_its_sources(profile, identifier: str) -> None:
    """Each figure has a source, and an estimate says in words that it is one."""
    built_in = profile(identifier)
    ratings = (item for item in (built_in.load, built_in.supply) if item is not None)
    for item in (built_in.sampling, *built_in.range, *ratings):
        assert item.retrieved
        assert ("stimate" in item.source) or not item.estimated


def test_limits_come_from_the_range(profile) -> None:
    """1 A on the UM25C: 1 % of reading, 2.5 mA and half a step, 50 ± 50 milliohm."""
    chosen = range_or_error(profile("rdtech-um25c"), "current", 1.0)
    accuracy = accuracy_of(chosen)
    assert (accuracy.gain_limit, accuracy.offset_limit) == pytest.approx((0.01, 0.0025 + 0.00005))
    assert burden_of(chosen) == pytest.approx((0.05, 0.05))
