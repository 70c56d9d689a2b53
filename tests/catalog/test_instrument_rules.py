"""Rules on how an instrument is reached and what its terminals carry."""

from __future__ import annotations

from datetime import date

import pytest

from powerlab.catalog.layers import load_catalog
from powerlab.catalog.lint import lint

INSTRUMENT = "instruments/acme-meter.toml"
LINK = 'kinds = ["visa"]\nexample = "TCPIP0::meter::5025::SOCKET"'


def link(kinds: str, example: str, *ids: str) -> str:
    """Write the keys of a link."""
    named = ", ".join(f'"{usb_id}"' for usb_id in ids)
    return f'kinds = ["{kinds}"]\nexample = "{example}"\nusb_ids = [{named}]'


def told(lab) -> dict[str, str]:
    """Get the messages of all problems by key."""
    return {each.key: each.message for each in lint([lab.root], date(2026, 6, 1))}


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("visa", "USB0::0x05E6::0x6500::04591126::INSTR"),
        ("serial", "serial:/dev/ttyACM0"),
        ("serial", "/dev/ttyACM0"),
        ("usb", "usb:5FC9:0063"),
        ("hid", "hid:2E3C:5558"),
        ("agent", "agent:hwmon"),
        ("tcp", "otii:localhost/Arc"),
    ],
)
def test_an_example_of_its_kind_is_clean(lab, kind, example) -> None:
    """Each kind has its form."""
    lab.change(INSTRUMENT, LINK, link(kind, example, "5FC9:0063"))
    assert told(lab) == {}


@pytest.mark.parametrize(
    ("made", "key", "message"),
    [
        (("serial", "usb:5FC9:0063"), "link.example", "no resource of kind serial"),
        (("visa", "serial:/dev/x"), "link.example", "no resource of kind visa"),
        (("usb", "hid:5FC9:0063"), "link.example", "no resource of kind usb"),
        (("tcp", "TCPIP0::x::5025::SOCKET"), "link.example", "no resource of kind tcp"),
        (("usb", "usb:1:2", "5FC9:0063", "5FC9:0063"), "link.usb_ids", "named twice"),
        (("serial", "serial:/dev/x", "1A86:7523"), "link.usb_ids", "any product may have"),
        (("usb", "usb:1:2", "5fc9:0063"), "link.usb_ids[1]", ""),
    ],
)
def test_a_link_that_leads_nowhere_is_told(lab, made, key, message) -> None:
    """By its key."""
    lab.change(INSTRUMENT, LINK, link(*made))
    assert message in told(lab)[key]


def terminals(quantity: str, limit: float) -> str:
    """Write a section on one pair of terminals."""
    return (
        f'[[input]]\nterminals = "AMPS"\nquantity = "{quantity}"\nlimit = {limit}\n'
        'fuse = "3 A"\nsource = "a manual"\nretrieved = "2026-01-02"\n'
    )


@pytest.mark.parametrize(
    ("sections", "keys"),
    [
        (terminals("current", 3.0), set()),
        (terminals("current", 3.0) + terminals("voltage", 5.0), set()),
        (terminals("current", 0.5), {"input[1].limit", "input"}),
        (terminals("current", 1.0), {"input"}),
    ],
)
def test_terminals_must_carry_the_ranges_that_use_them(lab, sections, keys) -> None:
    """The largest range too; of a voltage input a limit alone may be known."""
    lab.change(INSTRUMENT, "[[range]]", sections + "[[range]]")
    assert set(told(lab)) == keys


def test_a_range_finds_the_terminals_that_it_uses(lab, tmp_path) -> None:
    """The smallest that carry it."""
    both = terminals("current", 10.0) + terminals("current", 3.0)
    lab.change(INSTRUMENT, "[[range]]", both + "[[range]]")
    profile = load_catalog(lab.root, cwd=tmp_path).instrument("acme-meter")
    assert profile.input_for("current", 1.0).limit == 3.0
    assert profile.input_for("current", 3.0).limit == 3.0
    assert profile.input_for("current", 5.0).limit == 10.0
    assert profile.input_for("voltage", 5.0) is None


def test_an_estimate_of_nothing_is_none(lab) -> None:
    """A limit of reading that is estimated must be above 0."""
    lab.change(INSTRUMENT, "gain_percent = 0.1\n", "gain_percent = 0\nestimated = true\n")
    assert "estimate of 0" in told(lab)["range[1].gain_percent"]
