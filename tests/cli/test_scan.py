"""What is plugged in, matched with the catalogue; the rules that let it be used."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from powerlab.catalog.bench_profile import LabFile
from powerlab.catalog.layers import load_catalog
from powerlab.cli import _scan
from powerlab.cli._udev import RULES_FILE, udev_rules
from powerlab.errors import ConfigError, InstrumentError
from powerlab.instruments import contract
from powerlab.transport.usb_obstacles import Places
from tests.transport.usb_trees import Tree, km003c, ppk2

TC66 = ("28e9:028a", [{"class": "0202", "driver": "cdc_acm", "node": "ttyACM0"}])

PROFILES = {
    "km": ('id = "km"\nextends = "rdtech-um25c"', 'kinds = ["usb"]', "usb:5FC9:0063", "5FC9:0063"),
    "tester": (
        'id = "tester"\nextends = "rdtech-um25c"',
        'kinds = ["serial"]',
        "serial:/dev/ttyACM0",
        "28E9:028A",
    ),
    "twin": (
        'id = "twin"\nextends = "rdtech-um25c"',
        'kinds = ["serial"]',
        "serial:/dev/ttyACM0",
        "28E9:028A",
    ),
    "dmm": (
        'id = "dmm"\nextends = "rdtech-um25c"',
        'kinds = ["visa"]',
        "USB0::1::2::3::INSTR",
        "1AB1:0C94",
    ),
}
BENCH = """schema = 1
[bench.desk]
device = "edgeboard"
host = "h"
[[bench.desk.meter]]
model = "keithley-dmm6500"
resource = "TCPIP0::1.2.3.4::5025::SOCKET"
[[bench.desk.meter]]
model = "tester"
resource = "serial:/dev/ttyACM0"
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Put an empty tree in the place of this computer's, and see that no port is opened."""
    place = tmp_path / "computer"
    place.mkdir()
    tree = Tree(place)
    monkeypatch.setattr(_scan, "PLACES", Places(tree.sys, tree.dev, tree.proc, tree.udev))

    def opened(*_: object) -> None:
        raise AssertionError("a port was opened")

    monkeypatch.setattr(contract, "open_meter", opened)
    return tree


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Get a lab whose profiles have USB ids of their own."""
    place = tmp_path / "lab"
    (place / "instruments").mkdir(parents=True)
    for name, (head, kinds, example, usb_id) in PROFILES.items():
        text = (
            f'schema = 1\n{head}\n[link]\n{kinds}\nexample = "{example}"\nusb_ids = ["{usb_id}"]\n'
        )
        (place / "instruments" / f"{name}.toml").write_text(text)
    return place


@pytest.fixture
def scan(run, lab, tree):
    """Get a function that scans with that lab and gets the document."""
    return lambda *words: run("instruments", "scan", "--lab", lab, "--json", *words).json


def matched(document: dict, model: str) -> dict:
    """Get the match of a model."""
    return next(each for each in document["matches"] if model in each["models"])


def test_nothing_plugged_in_is_said(run, tree, lab):
    """As on a computer that has no USB at all."""
    ran = run("instruments", "scan", "--lab", lab)
    assert ran.code == 0
    assert "no known instrument" in ran.out


def test_a_match_comes_with_its_resource_and_a_section_to_paste(scan, tree, lab):
    """The section is TOML that a bench takes as it stands."""
    km003c(tree)
    found = matched(scan(), "km")
    assert found["resource"] == "usb:5FC9:0063:007965"
    head = 'schema = 1\n[bench.desk]\ndevice = "edgeboard"\nhost = "h"\n'
    bench = LabFile.model_validate(tomllib.loads(head + found["snippet"])).bench["desk"]
    assert bench.meter[0].model == found["models"][0]
    assert bench.meter[0].resource == found["resource"]
    assert bench.meter[0].measures == ("voltage", "current")


def test_a_port_has_the_name_that_does_not_change(scan, tree):
    """By id where udev gave it one, else as the kernel numbers it."""
    tree.device("1-3", *TC66, serial="42")
    assert matched(scan(), "tester")["resource"] == "serial:/dev/ttyACM0"
    tree.by_id("usb-RDTech_TC66C-if00", "ttyACM0")
    named = "serial:/dev/serial/by-id/usb-RDTech_TC66C-if00"
    assert matched(scan(), "tester")["resource"] == named


def test_settings_in_a_resource_are_those_of_the_example(scan, tree):
    """The section says so: a logger's volts are the board's, not the example's."""
    ppk2(tree)
    found = matched(scan(), "nordic-ppk2")
    port, _, settings = found["resource"].partition("?")
    assert port == "serial:/dev/ttyACM3"
    assert ("is an example" in found["snippet"]) == bool(settings)


def test_models_that_share_an_id_are_all_named(scan, tree):
    """Only opening them tells which it is; the section says so."""
    tree.device("1-3", *TC66)
    found = matched(scan(), "tester")
    assert {"tester", "twin"} <= set(found["models"])
    assert "# or " in found["snippet"]


def test_a_usbtmc_instrument_has_a_visa_resource(scan, tree):
    """With the serial number of its descriptor; without one there is no way to it."""
    tree.device("1-6", "1ab1:0c94", [{"class": "fe03", "node": "usbtmc0"}], serial="DM3R1")
    assert matched(scan(), "dmm")["resource"] == "USB0::0x1AB1::0x0C94::DM3R1::INSTR"


def test_what_is_in_the_way_is_told_with_its_cure(run, scan, tree, lab):
    """Text and JSON; the nodes are not there, so they may not be opened."""
    km003c(tree, **{"power/control": "auto"})
    codes = {each["code"] for each in matched(scan(), "km")["obstacles"]}
    assert {"permission", "kernel-driver", "autosuspend"} <= codes
    text = run("instruments", "scan", "--lab", lab).out
    assert "in the way: " in text
    assert "powerlab instruments udev" in text


def test_other_ports_and_configured_resources_are_listed_and_left_alone(scan, tree, lab, run):
    """A converter that many products share, Bluetooth, the resources of benches."""
    (lab / "powerlab.toml").write_text(BENCH)
    tree.device("1-7", "1a86:7523", [{"node": "ttyUSB0"}], product="USB Serial")
    tree.port("rfcomm0")
    document = scan()
    assert document["matches"] == []
    assert [each["usb_id"] for each in document["unknown"]] == ["1A86:7523"]
    assert [each["path"] for each in document["serial_ports"]] == ["/dev/rfcomm0"]
    assert {each["resource"] for each in document["configured"]} >= {
        "TCPIP0::1.2.3.4::5025::SOCKET"
    }
    text = run("instruments", "scan", "--lab", lab).out
    assert "desk: keithley-dmm6500 at TCPIP0::1.2.3.4::5025::SOCKET" in text
    assert "/dev/ttyUSB0  1A86:7523 USB Serial" in text


def test_a_match_that_a_bench_has_already_says_which(scan, tree, lab):
    """By whichever of its names the bench has it."""
    (lab / "powerlab.toml").write_text(BENCH)
    tree.device("1-3", *TC66)
    tree.by_id("usb-x", "ttyACM0")
    assert matched(scan(), "tester")["benches"] == ["desk"]


def test_only_identify_asks_and_only_what_matched(scan, tree, monkeypatch):
    """Each model in its turn; the first that answers is it, and the section has its serial."""
    ppk2(tree)
    tree.device("1-3", *TC66)
    tree.device("1-7", "1a86:7523", [{"node": "ttyUSB0"}])
    asked, closed = [], []

    def answers(profile, bench_meter, _bench=None):
        asked.append((profile.id, bench_meter.resource))
        if profile.id != "twin":
            raise InstrumentError("it is another", hint="correct the model")
        identity = SimpleNamespace(serial="4711", firmware="1.18")
        return SimpleNamespace(identity=identity, close=lambda: closed.append(profile.id))

    monkeypatch.setattr(contract, "open_meter", answers)
    document = scan("--identify")
    ports = {resource.partition("?")[0] for _, resource in asked}
    assert ports <= {"serial:/dev/ttyACM0", "serial:/dev/ttyACM3"}
    found = matched(document, "twin")
    assert found["identity"]["model"] == "twin"
    assert closed == ["twin"]
    assert 'model = "twin"\n' in found["snippet"]
    assert 'serial = "4711"' in found["snippet"]


def test_an_identity_that_does_not_come_is_told(run, tree, lab, monkeypatch):
    """With what the driver says of it; nothing else is lost."""
    tree.device("1-3", *TC66)

    def refuses(*_):
        raise InstrumentError("no meter answers", hint="check its screen")

    monkeypatch.setattr(contract, "open_meter", refuses)
    ran = run("instruments", "scan", "--identify", "--lab", lab)
    assert ran.code == 0
    assert "no identity: no meter answers" in ran.out


def test_the_one_plugged_in_meter_of_a_model_needs_no_resource(tree, lab):
    """None, or two, must be named."""
    catalog = load_catalog(lab)
    with pytest.raises(ConfigError, match="no km is known"):
        _scan.single(_scan.scan(catalog, _scan.PLACES), "km")
    km003c(tree)
    assert _scan.single(_scan.scan(catalog, _scan.PLACES), "km") == "usb:5FC9:0063:007965"
    tree.device("1-9", "5fc9:0063", serial="8")
    with pytest.raises(ConfigError, match="2 instruments"):
        _scan.single(_scan.scan(catalog, _scan.PLACES), "km")


def test_rules_cover_every_id_of_the_catalogue(run, lab):
    """Device and ports of each, once; how to install them stands in the file."""
    catalog = load_catalog(lab)
    ids = {usb_id for each in catalog.instruments.values() for usb_id in each.link.usb_ids}
    ran = run("instruments", "udev", "--lab", lab)
    assert ran.code == 0
    for usb_id in ids:
        vendor, product = usb_id.lower().split(":")
        assert ran.out.count(f'ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}"') == 1
        assert ran.out.count(f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"') == 1
    assert RULES_FILE in ran.out
    assert "udevadm control --reload" in ran.out
    assert "udevadm control --reload" in ran.err


def test_rules_are_of_udevs_form(lab):
    """Each line a comment, or keys with their values, joined by commas; jumps have an end."""
    rules = udev_rules(load_catalog(lab).instruments.values(), group="plugdev")
    key = r'[A-Z]+(\{[\w/]+\})?(==|!=|\+=|=)"[^"]*"'
    for line in filter(None, rules.splitlines()):
        assert line.startswith("#") or re.fullmatch(rf"{key}(, {key})*", line), line
    assert 'GROUP="plugdev"' in rules
    assert 'TAG+="uaccess"' in rules
    assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in rules
    assert 'ATTR{power/control}="on"' in rules
    assert rules.count('GOTO="powerlab_end"') == 2
    assert rules.rstrip().endswith('LABEL="powerlab_end"')
