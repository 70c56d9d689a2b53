"""The instruments of a bench are known models at resources of their kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.layers import load_catalog
from powerlab.cli._bench_named import check_meters
from powerlab.errors import ConfigError, UnknownId

CATALOG = load_catalog(cwd=Path("/"))
GOOD = {"model": "rdtech-tc66c", "resource": "serial:/dev/ttyACM0"}


def bench(*meters, **more) -> Bench:
    """Get a bench with these meters."""
    return Bench(device="edgeboard", host="h", meter=meters, **more)


@pytest.mark.parametrize("model", CATALOG.instruments)
def test_the_example_of_every_profile_is_taken(model):
    """And a word without a colon by none."""
    link = CATALOG.instrument(model).link
    assert link.takes(link.example)
    assert not link.takes("foo")
    assert not link.takes("")


@pytest.mark.parametrize(
    ("model", "resource", "taken"),
    [
        ("rdtech-tc66c", "/dev/ttyACM0", True),
        ("nordic-ppk2", "serial:/dev/serial/by-id/x?mode=ampere&volts=3.3", True),
        ("rdtech-tc66c", "serial:", False),
        ("rdtech-tc66c", "hid:0483:003B", False),
        ("rdtech-tc66c", "TCPIP0::1.2.3.4::5025::SOCKET", False),
        ("fnirsi-c1", "packets:/run/meter", True),
        ("fnirsi-c1", "replay:/tmp/recorded", True),
        ("fnirsi-c1", "usb:0483:003B", False),
        ("fnirsi-c1", "hid:", False),
        ("power-z-km003c", "usb:5FC9:0063", True),
        ("keithley-dmm6500", "USB0::0x05E6::0x6500::1::INSTR", True),
        ("keithley-dmm6500", "192.168.1.50:5025", False),
        ("qoitech-otii-arc", "otii:127.0.0.1:1905", True),
        ("qoitech-otii-arc", "foo:127.0.0.1", False),
        ("linux-rapl", "agent:rapl:package-0", True),
        ("linux-rapl", "packets:/run/meter", False),
    ],
)
def test_a_resource_has_the_form_of_its_link(model, resource, taken):
    """What stands in for a device that talks in packets is one too."""
    assert CATALOG.instrument(model).link.takes(resource) is taken


def test_a_model_that_nobody_knows_has_the_nearest_named():
    """A slip of the finger."""
    with pytest.raises(UnknownId) as caught:
        check_meters(bench({"model": "fnirsi-c2", "resource": "hid:0483:003B"}), CATALOG)
    assert "fnirsi-c1" in caught.value.hint


def test_every_instrument_of_a_bench_is_looked_at():
    """The second meter, and what the bench is calibrated with."""
    check_meters(bench(GOOD), CATALOG)
    odd = {"model": "rigol-dl3021", "resource": "foo"}
    for wrong in (
        bench(GOOD, {**GOOD, "resource": "foo"}),
        bench(GOOD, calibration={"reference": [{**GOOD, "resource": "foo"}]}),
        bench(GOOD, calibration={"load": odd}),
        bench(GOOD, calibration={"supply": {**odd, "model": "rigol-dp832"}}),
    ):
        with pytest.raises(ConfigError, match="'foo' is no resource") as caught:
            check_meters(wrong, CATALOG)
        assert "write it like" in caught.value.hint
