"""USB bulk transfers over a stand-in for pyusb: what is opened, joined, and told of failures."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest

from powerlab.errors import InstrumentError, SetupError
from powerlab.transport import usb_bulk
from powerlab.transport.packets import open_packets

LIMIT_S = 10.0


class UsbError(OSError):
    """pyusb's ``USBError``."""


class UsbTimeoutError(UsbError):
    """pyusb's ``USBTimeoutError``."""


def point(address: int, attributes: int = 2, size: int = 64) -> SimpleNamespace:
    """Build an endpoint's descriptor."""
    return SimpleNamespace(bEndpointAddress=address, bmAttributes=attributes, wMaxPacketSize=size)


class Interface(list):
    """An interface's descriptor: its endpoints."""

    def __init__(self, number: int, *points: SimpleNamespace) -> None:
        super().__init__(points)
        self.bInterfaceNumber = number


class Device:
    """A composite device like the KM003C: bulk on interface 0, serial on 1 and 2, HID on 3."""

    bus, port_numbers = 1, (1, 3)

    def __init__(self, serial: str | None = "S1") -> None:
        self._serial = serial
        self.packets: list[bytes | Exception] = []
        self.calls: list[object] = []
        self.kernel = True
        self.failure: Exception | None = None
        self.more = threading.Event()  # never set: what is planned is looked for again and again
        self.interfaces = [
            Interface(0, point(0x01), point(0x81)),
            Interface(1, point(0x83, 3, 8)),
            Interface(2, point(0x02), point(0x82)),
            Interface(3, point(0x05, 3), point(0x85, 3)),
        ]

    @property
    def serial_number(self) -> str | None:
        """Get the serial number, if it may be read."""
        if self._serial is None:
            raise ValueError("The device has no langid")
        return self._serial

    def get_active_configuration(self) -> list[Interface]:
        """Get the interfaces."""
        return self.interfaces

    def is_kernel_driver_active(self, number: int) -> bool:
        """Tell whether a driver has it."""
        return self.kernel

    def detach_kernel_driver(self, number: int) -> None:
        """Note it."""
        self.calls.append(("detach", number))

    def attach_kernel_driver(self, number: int) -> None:
        """Note it."""
        self.calls.append(("attach", number))

    def write(self, address: int, packet: bytes, limit_ms: int) -> None:
        """Note it, or fail as planned."""
        self.calls.append((address, packet))
        if self.failure is not None:
            raise self.failure

    def read(self, address: int, size: int, limit_ms: int) -> bytes:
        """Give what is planned; wait a little, as long as nothing is."""
        assert limit_ms > 0, "0 waits for ever"
        assert (address, size % 64) == (0x81, 0)
        if not self.packets:
            self.more.wait(0.005)
            raise UsbTimeoutError(errno.ETIMEDOUT, "timeout")
        item = self.packets.pop(0)
        if isinstance(item, Exception):
            raise item
        return item


@pytest.fixture
def bus(monkeypatch) -> Iterator[list[Device]]:
    """Get the devices on a bus that a stand-in for pyusb shows."""
    devices = [Device()]
    core, util, usb = ModuleType("usb.core"), ModuleType("usb.util"), ModuleType("usb")
    core.find = lambda **wanted: iter(devices if wanted["find_all"] else devices[:1])
    core.USBError, core.USBTimeoutError = UsbError, UsbTimeoutError
    util.claim_interface = lambda device, number: device.calls.append(("claim", number))
    util.release_interface = lambda device, number: device.calls.append(("release", number))
    util.dispose_resources = lambda device: device.calls.append("dispose")
    for name, module in (("usb", usb), ("usb.core", core), ("usb.util", util)):
        monkeypatch.setitem(sys.modules, name, module)
    return devices


def test_the_first_bulk_interface_is_taken_and_given_back(bus) -> None:
    """A kernel driver makes room, and has its place again at the end."""
    link = open_packets("usb:5FC9:0063")
    assert link.serial == "S1"
    assert bus[0].calls == [("detach", 0), ("claim", 0)]
    link.write(b"\x02\x01\0\0")
    assert bus[0].calls[-1] == (0x01, b"\x02\x01\0\0")
    link.close()
    link.close()
    assert bus[0].calls[3:6] == [("release", 0), ("attach", 0), "dispose"]
    assert bus[0].calls.count(("attach", 0)) == 1


def test_packets_of_a_transfer_are_joined(bus) -> None:
    """Full packets go on, a short or an empty one ends, and so does silence behind a full one."""
    link = open_packets("usb:5FC9:0063")
    full, timeout = b"f" * 64, UsbTimeoutError(errno.ETIMEDOUT, "timeout")
    bus[0].packets = [full, full * 12 + b"end", full, b"", full, full, timeout, b"next"]
    told = [link.read(LIMIT_S) for _ in range(4)]
    assert told == [full * 13 + b"end", full, full * 2, b"next"]
    assert link.read(0.0) is None
    link.close()


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO, errno.ENOENT])
def test_an_unplugged_device(bus, number: int) -> None:
    """Reading and writing tell it alike, and as often as they are asked."""
    link = open_packets("usb:5FC9:0063")
    bus[0].failure = UsbError(number, "gone")
    bus[0].packets = [b"last", UsbError(number, "gone")]
    assert link.read(LIMIT_S) == b"last"
    for use in (lambda: link.read(LIMIT_S), lambda: link.read(0.0), lambda: link.write(b"x")):
        with pytest.raises(InstrumentError, match="disconnected"):
            use()
    link.close()


def test_another_failure_is_told_as_it_is(bus) -> None:
    """A transfer that overflows is no pulled plug."""
    link = open_packets("usb:5FC9:0063")
    bus[0].packets = [UsbError(errno.EOVERFLOW, "Overflow")]
    with pytest.raises(InstrumentError, match="failed: Overflow"):
        link.read(LIMIT_S)
    link.close()


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (errno.EACCES, (SetupError, "no permission", "instruments udev")),
        (errno.EBUSY, (InstrumentError, "held by powerz", "modprobe -r powerz")),
    ],
)
def test_what_is_in_the_way(bus, monkeypatch, tmp_path, number: int, wanted: tuple) -> None:
    """A missing rule, and the hwmon driver that sysfs names."""
    family, words, cure = wanted
    (tmp_path / "1-1.3:1.0").mkdir()
    (tmp_path / "powerz").mkdir()
    (tmp_path / "1-1.3:1.0" / "driver").symlink_to(tmp_path / "powerz")
    monkeypatch.setattr(usb_bulk, "SYSFS", tmp_path)

    def refuse(_: int) -> None:
        raise UsbError(number, "refused")

    bus[0].detach_kernel_driver = refuse
    with pytest.raises(family, match=words) as caught:
        open_packets("usb:5FC9:0063")
    assert cure in caught.value.hint
    assert bus[0].calls[-1] == "dispose"


def test_two_alike_need_a_serial_number(bus) -> None:
    """Nobody guesses; a number that may not be read is not one."""
    bus.extend([Device("S2"), Device(None)])
    with pytest.raises(InstrumentError, match=r"3 USB devices .*S1, S2, one that tells none"):
        open_packets("usb:5FC9:0063")
    link = open_packets("usb:5FC9:0063:S2")
    assert link.serial == "S2"
    link.close()
    with pytest.raises(InstrumentError, match="no USB device 5FC9:0063:S9 is connected"):
        open_packets("usb:5FC9:0063:S9")


def test_a_device_without_bulk(bus) -> None:
    """HID meters have their own kind of resource."""
    bus[0].interfaces = bus[0].interfaces[3:]
    with pytest.raises(InstrumentError, match="no bulk interface") as caught:
        open_packets("usb:5FC9:0063")
    assert "hid:" in caught.value.hint


def test_without_the_package(monkeypatch) -> None:
    """The message names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "usb", None)
    with pytest.raises(SetupError, match="pyusb") as caught:
        open_packets("usb:5FC9:0063")
    assert "powerlab[usb]" in caught.value.hint


def test_without_the_library(bus, monkeypatch) -> None:
    """The package is there, the C library is not."""

    def find(**_: object) -> None:
        raise ValueError("No backend available")

    monkeypatch.setattr(sys.modules["usb.core"], "find", find)
    with pytest.raises(SetupError, match="libusb"):
        open_packets("usb:5FC9:0063")
