"""Devices made of others: what adds up, what they say themselves, and what cannot be."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from powerlab.catalog.layers import Catalog, builtin_lab, read_catalog

COMPOSITE = """
schema = 1
id = "stick-on-board"
name = "Stick on board"
manufacturer = "several"
summary = "a stick and its host"
verified = "never"
soc = "as host"
accelerator = "Edge TPU"
[composite]
host = "{host}"
parts = {parts}
link_gb_s = 0.06
source = "USB 2.0"
retrieved = "2026-11-21"
[[runtime]]
id = "edgetpu"
"""
PRICE = """
[[price]]
amount = "{amount}"
currency = "{currency}"
date = "{date}"
u_relative = {u}
life_years = {life}
basis = "one unit"
source = "a shop"
retrieved = "2026-11-21"
"""


@pytest.fixture
def read(tmp_path):
    """Get a function that reads a catalogue with more device files in a layer of its own."""

    def with_files(**files: str) -> tuple[Catalog, list[str]]:
        folder = tmp_path / "lab" / "devices"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / f"{name.replace('_', '-')}.toml").write_text(text)
        catalog, problems = read_catalog([builtin_lab(), tmp_path / "lab"])
        return catalog, [f"{problem.key}: {problem.message}" for problem in problems]

    return with_files


def composite(host="raspberry-pi-3b-plus", parts='["coral-usb-accelerator"]'):
    """Get the file of a composite."""
    return COMPOSITE.format(host=host, parts=parts)


def priced(name, **price):
    """Get a shipped device's file with a price."""
    text = (builtin_lab() / "devices" / f"{name}.toml").read_text()
    return text + PRICE.format(**price)


def test_powers_add_and_the_supply_is_the_hosts(read):
    """Idle as a sum; under load half of the host's own rise, known to its half."""
    catalog, problems = read(stick_on_board=composite())
    assert problems == []
    made, host, stick = (
        catalog.device(name)
        for name in ("stick-on-board", "raspberry-pi-3b-plus", "coral-usb-accelerator")
    )
    rise_w = host.power.active_w.value - host.power.idle_w.value
    assert made.power.idle_w.value == pytest.approx(2.6)
    assert made.power.idle_w.u == pytest.approx(math.hypot(0.5, 0.3), rel=1e-5)
    assert made.power.active_w.value == pytest.approx(2.0 + rise_w / 2 + 2.5)
    assert made.power.active_w.u == pytest.approx(
        math.hypot(0.5, rise_w / 2 / math.sqrt(3), 0.5), rel=1e-5
    )
    assert made.power.active_w.estimated
    assert made.power.supply_voltage_v == host.power.supply_voltage_v
    assert made.power.supply_current_a == host.power.supply_current_a
    assert made.peaks.int8_gops == stick.peaks.int8_gops
    assert made.composite.link_gb_s == 0.06
    assert made.composite.runtimes == ("edgetpu",)


def test_several_accelerators_count_together(read):
    """Two sticks have twice the arithmetic; their memories are each their own."""
    parts = '["coral-usb-accelerator", "coral-m2"]'
    catalog, problems = read(stick_on_board=composite(parts=parts))
    assert problems == []
    made = catalog.device("stick-on-board")
    assert made.peaks.int8_gops == 8000.0
    assert made.power.idle_w.value == pytest.approx(3.0)


def test_what_a_file_says_itself_stands(read):
    """A measured power is better than a sum."""
    own = (
        "\n[power.active_w]\nvalue = 7.25\nu = 0.05\nsource = 'measured'\nretrieved = '2026-11-21'"
    )
    catalog, problems = read(stick_on_board=composite() + own)
    assert problems == []
    power = catalog.device("stick-on-board").power
    assert (power.active_w.value, power.active_w.estimated) == (7.25, False)
    assert power.idle_w.value == pytest.approx(2.6)


def test_prices_add_where_all_have_one(read):
    """In one currency, as old as the oldest, for the shortest life."""
    one = {"amount": "60", "currency": "USD", "date": "2025-01-01", "u_relative": 0.1, "life": 3.0}
    two = {"amount": "40", "currency": "USD", "date": "2026-01-01", "u_relative": 0.0, "life": 5.0}
    files = {
        "coral_usb_accelerator": priced("coral-usb-accelerator", u=0.1, **_without_u(one)),
        "stick_on_board": composite(),
    }
    catalog, problems = read(**files)
    assert problems == []
    assert catalog.device("stick-on-board").price == ()
    files["raspberry_pi_3b_plus"] = priced("raspberry-pi-3b-plus", u=0.0, **_without_u(two))
    catalog, problems = read(**files)
    assert problems == []
    (price,) = catalog.device("stick-on-board").price
    assert (str(price.amount), price.currency, price.date) == ("100", "USD", "2025-01-01")
    assert price.u_relative == pytest.approx(0.06)
    assert price.life_years == 3.0
    files["raspberry_pi_3b_plus"] = files["raspberry_pi_3b_plus"].replace("USD", "EUR")
    assert read(**files)[0].device("stick-on-board").price == ()


def _without_u(price):
    return {key: value for key, value in price.items() if key != "u_relative"}


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (composite(host="raspberry-pi-3"), "composite.host: there is no usable device"),
        (composite(parts='["coral-usb-acelerator"]'), "did you mean 'coral-usb-accelerator'?"),
        (composite(parts="[]"), "composite.parts: must be a list"),
        (composite(host="ncs2"), "composite.host: 'ncs2' is made of others itself"),
        (composite().replace("link_gb_s = 0.06", "link_gb_s = 0"), "composite.link_gb_s: must be"),
    ],
)
def test_what_cannot_be_is_told_by_its_key(read, file, told):
    """An unknown part, a part of parts, a link that lets nothing through."""
    _, problems = read(stick_on_board=file)
    assert any(told in problem for problem in problems)


@pytest.mark.parametrize(
    "name", ["coral-usb-jetson-nano", "coral-usb-i7-7700k", "ncs2", "raspberry-pi-5-hailo-8l"]
)
def test_shipped_composites_have_all_that_a_device_has(read, name):
    """They are devices like any other, their parts besides."""
    device = read()[0].device(name)
    assert device.composite is not None
    assert device.power.idle_w.value < device.power.active_w.value
    assert "sum of the parts" in device.power.active_w.source
    assert Path(builtin_lab() / "devices" / f"{device.composite.host}.toml").is_file()
