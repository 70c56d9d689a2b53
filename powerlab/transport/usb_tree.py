"""What is plugged into this computer, read from sysfs: nothing is opened, nothing is written.

Layout: the kernel's Documentation/ABI/stable/sysfs-bus-usb and testing/sysfs-bus-usb. A device
is a directory such as ``1-2`` below ``bus/usb/devices``, its interfaces are ``1-2:1.0`` and so
on, and the nodes that drivers made of them lie below the interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys")

_NODES = {
    "tty": ("tty/tty*", "*/tty/tty*", "ttyUSB*", "ttyACM*"),
    "hidraw": ("hidraw/hidraw*", "*/hidraw/hidraw*"),
    "usbtmc": ("usbmisc/usbtmc*", "usb/usbtmc*"),
    "hwmon": ("hwmon/hwmon*",),
}
"""Where, below an interface, drivers put the nodes of each kind."""

_NO_UART = "0"
"""What ``type`` of a built-in port says where the board has no such chip (PORT_UNKNOWN)."""


@dataclass(frozen=True, slots=True)
class UsbInterface:
    """One interface of a USB device.

    ``number`` is its bInterfaceNumber, ``code`` class and subclass as in "FE03", ``driver``
    the kernel driver bound to it or "", ``nodes`` are (kind, name) as in ("tty", "ttyACM0").
    """

    number: int
    code: str
    driver: str
    nodes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """One USB device as its descriptors say; "" and 0 where they do not.

    ``port`` is the kernel's name of where it is plugged in ("1-2"); ``bus`` and ``address``
    name its node below /dev/bus/usb; ``power`` is "on", or "auto" where it may be suspended.
    """

    port: str
    vendor_id: str
    product_id: str
    manufacturer: str
    product: str
    serial: str
    bus: int
    address: int
    power: str
    interfaces: tuple[UsbInterface, ...]

    @property
    def usb_id(self) -> str:
        """Get vendor and product as profiles write them, as in "5FC9:0063"."""
        return f"{self.vendor_id}:{self.product_id}"

    @property
    def node(self) -> str:
        """Get the path of the device's own node."""
        return f"/dev/bus/usb/{self.bus:03d}/{self.address:03d}"

    def nodes(self, kind: str) -> tuple[str, ...]:
        """Get the paths of the nodes of a kind, those of the lowest interface first."""
        return tuple(
            f"/dev/{name}"
            for interface in self.interfaces
            for of, name in interface.nodes
            if of == kind
        )


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port that is no USB device: ``kind`` is "bluetooth" or "built-in"."""

    path: str
    kind: str
    driver: str


def usb_devices(root: Path = SYS) -> tuple[UsbDevice, ...]:
    """Get all USB devices but hubs, by port. A device that vanishes meanwhile is left out."""
    places = root / "bus" / "usb" / "devices"
    found = (_device(place, places) for place in _entries(places) if ":" not in place.name)
    return tuple(device for device in found if device is not None)


def other_serial_ports(root: Path = SYS) -> tuple[SerialPort, ...]:
    """Get the serial ports that no USB device brings: bound Bluetooth links, built-in ones."""
    usb = {node for device in usb_devices(root) for node in device.nodes("tty")}
    ports = (_port(place) for place in _entries(root / "class" / "tty"))
    return tuple(port for port in ports if port is not None and port.path not in usb)


def _device(place: Path, places: Path) -> UsbDevice | None:
    vendor, product = _read(place / "idVendor").upper(), _read(place / "idProduct").upper()
    if len(vendor) != 4 or len(product) != 4 or _read(place / "bDeviceClass") == "09":
        return None
    beside = [item for item in _entries(places) if item.name.startswith(f"{place.name}:")]
    below = [item for item in _entries(place) if item.name.startswith(f"{place.name}:")]
    interfaces = {item.name: item for item in (*below, *beside)}.values()
    return UsbDevice(
        port=place.name,
        vendor_id=vendor,
        product_id=product,
        manufacturer=_read(place / "manufacturer"),
        product=_read(place / "product"),
        serial=_read(place / "serial"),
        bus=_number(place / "busnum", 10),
        address=_number(place / "devnum", 10),
        power=_read(place / "power" / "control"),
        interfaces=tuple(sorted(map(_interface, interfaces), key=lambda each: each.number)),
    )


def _interface(place: Path) -> UsbInterface:
    code = _read(place / "bInterfaceClass") + _read(place / "bInterfaceSubClass")
    return UsbInterface(
        number=_number(place / "bInterfaceNumber", 16),
        code=code.upper(),
        driver=_driver(place),
        nodes=tuple(dict.fromkeys(_nodes(place))),
    )


def _nodes(place: Path) -> Iterator[tuple[str, str]]:
    for kind, patterns in _NODES.items():
        for pattern in patterns:
            try:
                names = sorted(item.name for item in place.glob(pattern))
            except OSError:  # unplugged while we look
                continue
            yield from ((kind, name) for name in names if name != kind)


def _port(place: Path) -> SerialPort | None:
    bluetooth = place.name.startswith("rfcomm")
    if not bluetooth and not (place / "device").exists():
        return None  # a console or a pseudo-terminal
    if not bluetooth and _read(place / "type") == _NO_UART:
        return None
    kind = "bluetooth" if bluetooth else "built-in"
    return SerialPort(f"/dev/{place.name}", kind, _driver(place / "device"))


def _driver(place: Path) -> str:
    try:
        return (place / "driver").readlink().name
    except OSError:
        return ""


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path, base: int) -> int:
    try:
        return int(_read(path), base)
    except ValueError:
        return 0
