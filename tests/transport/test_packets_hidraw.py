"""HID devices found in a made tree, and reports over a pipe that stands in for the node."""

from __future__ import annotations

import errno
import os

import pytest

from powerlab.errors import InstrumentError, SetupError
from powerlab.transport import hidraw
from powerlab.transport.hidraw import Hidraw, hid_nodes
from powerlab.transport.packet_device import usb_address

UEVENT = (
    "DRIVER=hid-generic\nHID_ID={bus}:{vendor:08X}:{product:08X}\nHID_NAME=x\nHID_UNIQ={serial}\n"
)


@pytest.fixture
def tree(tmp_path):
    """Get a maker of nodes: a class entry in sysfs and a pipe in the place of the device."""
    sysfs, devices = tmp_path / "hidraw", tmp_path / "dev"
    devices.mkdir()

    def add(name: str, vendor: int, product: int, serial: str = "", bus: str = "0003") -> None:
        place = sysfs / name / "device"
        place.mkdir(parents=True)
        text = UEVENT.format(bus=bus, vendor=vendor, product=product, serial=serial)
        (place / "uevent").write_text(text)
        os.mkfifo(devices / name)

    return add, sysfs, devices


def opened(tree, resource: str) -> Hidraw:
    """Open a resource in a made tree."""
    _, sysfs, devices = tree
    return Hidraw(resource, usb_address(resource), sysfs, devices)


def test_the_hid_interface_is_found_by_its_ids(tree) -> None:
    """Among keyboards, Bluetooth devices and entries that tell nothing."""
    add, sysfs, _ = tree
    add("hidraw0", 0x046D, 0xC31C)
    add("hidraw1", 0x2E3C, 0x5558, bus="0005")
    add("hidraw2", 0x2E3C, 0x5558, "0001A0000000")
    (sysfs / "hidraw3").mkdir()
    assert [node.name for node in hid_nodes(sysfs)] == ["hidraw0", "hidraw2"]
    link = opened(tree, "hid:2E3C:5558")
    assert link.serial == "0001A0000000"
    link.close()
    assert hid_nodes(sysfs / "none") == ()


def test_reports_go_behind_a_zero_byte(tree) -> None:
    """A report without a number is written behind a 0; what is read is the report."""
    add, _, _ = tree
    add("hidraw0", 0x0483, 0x003A)
    link = opened(tree, "hid:0483:003A")
    assert link.read(0.0) is None
    link.write(b"\xaa\x81" + bytes(62))
    assert link.read(1.0) == b"\0\xaa\x81" + bytes(62)  # the pipe gives back what was written
    link.close()
    link.close()
    with pytest.raises(InstrumentError, match="disconnected"):
        link.write(b"\xaa")
    with pytest.raises(InstrumentError, match="disconnected"):
        link.read(0.0)


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO])
def test_an_unplugged_device(tree, monkeypatch, number: int) -> None:
    """The kernel's errors are one and the same thing."""
    add, _, _ = tree
    add("hidraw0", 0x0483, 0x003A)
    link = opened(tree, "hid:0483:003A")
    link.write(b"x")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(hidraw.os, "read", fail)
    with pytest.raises(InstrumentError, match="disconnected"):
        link.read(1.0)
    link.close()


def test_two_alike_need_a_serial_number(tree) -> None:
    """Nobody guesses which of two is meant."""
    add, _, _ = tree
    add("hidraw0", 0x0483, 0x003A, "one")
    add("hidraw1", 0x0483, 0x003A, "two")
    with pytest.raises(InstrumentError, match="2 HID devices are 0483:003A"):
        opened(tree, "hid:0483:003A")
    link = opened(tree, "hid:0483:003A:two")
    assert link.serial == "two"
    with pytest.raises(InstrumentError, match="in use by another program"):
        opened(tree, "hid:0483:003A:two")
    link.close()
    with pytest.raises(InstrumentError, match=r"no HID device .*there is one, two"):
        opened(tree, "hid:0483:003A:three")


def test_nothing_connected(tree) -> None:
    """The hint says how to look."""
    with pytest.raises(InstrumentError, match="no HID device 0483:003A is connected") as caught:
        opened(tree, "hid:0483:003A")
    assert "lsusb" in caught.value.hint


@pytest.mark.parametrize(
    ("number", "family", "words"),
    [
        (errno.EACCES, SetupError, "no permission"),
        (errno.EPERM, SetupError, "no permission"),
        (errno.ENOENT, InstrumentError, "cannot open"),
    ],
)
def test_a_node_that_does_not_open(
    tree, monkeypatch, number: int, family: type, words: str
) -> None:
    """A missing rule is a matter of this computer, the rest of the device."""
    add, _, _ = tree
    add("hidraw0", 0x0483, 0x003A)

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(hidraw.os, "open", fail)
    with pytest.raises(family, match=words):
        opened(tree, "hid:0483:003A")
