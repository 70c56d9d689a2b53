"""Made sysfs trees, laid out as the kernel lays them out: devices in place, listed by links."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

NODES = {
    "ttyACM": "tty/{}",
    "ttyUSB": "{0}/tty/{0}",
    "hidraw": "0003:2E3C:5558.0004/hidraw/{}",
    "usbtmc": "usbmisc/{}",
    "hwmon": "hwmon/{}",
}


class Tree:
    """A root below which ``sys``, ``dev``, ``proc`` and ``udev`` lie."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sys, self.dev, self.proc, self.udev = (
            root / name for name in ("sys", "dev", "proc", "udev")
        )
        for place in (self.sys, self.dev, self.proc, self.udev):
            place.mkdir()

    def write(self, path: str, text: str) -> None:
        """Write one file below the root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def device(
        self,
        port: str,
        usb_id: str,
        interfaces: Sequence[Mapping[str, str]] = (),
        **attributes: str,
    ) -> None:
        """Plug a device in; an interface has its ``class``, ``driver`` and ``node``."""
        vendor, product = usb_id.lower().split(":")
        facts = {"idVendor": vendor, "idProduct": product, "bDeviceClass": "00"}
        facts |= {"busnum": "1", "devnum": "5", "power/control": "on"}
        place = f"sys/devices/pci0000:00/usb1/{port}"
        for name, text in {**facts, **attributes}.items():
            self.write(f"{place}/{name}", f"{text}\n")
        self._list(place, port)
        for number, interface in enumerate(interfaces):
            self._interface(f"{place}/{port}:1.{number}", number, interface)

    def _interface(self, place: str, number: int, interface: Mapping[str, str]) -> None:
        code = interface.get("class", "ff00")
        self.write(f"{place}/bInterfaceNumber", f"{number:02x}\n")
        self.write(f"{place}/bInterfaceClass", f"{code[:2]}\n")
        self.write(f"{place}/bInterfaceSubClass", f"{code[2:]}\n")
        if "driver" in interface:
            (self.root / place / "driver").symlink_to(f"/sys/bus/usb/drivers/{interface['driver']}")
        if "node" in interface:
            node = interface["node"]
            form = NODES[node.rstrip("0123456789")]
            (self.root / place / form.format(node)).mkdir(parents=True)
        self._list(place, Path(place).name)

    def _list(self, place: str, name: str) -> None:
        listed = self.sys / "bus" / "usb" / "devices"
        listed.mkdir(parents=True, exist_ok=True)
        (listed / name).symlink_to(os.path.relpath(self.root / place, listed))

    def port(self, name: str, *, driver: str = "", uart: str = "4", number: str = "4:64") -> None:
        """Add a serial port to the class of terminals; with a driver it has a device."""
        place = f"sys/class/tty/{name}"
        self.write(f"{place}/dev", f"{number}\n")
        if driver:
            self.write(f"{place}/type", f"{uart}\n")
            (self.root / place / "device").mkdir()
            (self.root / place / "device" / "driver").symlink_to(f"/drivers/{driver}")

    def by_id(self, name: str, port: str) -> None:
        """Give a port the name that udev gives it."""
        folder = self.dev / "serial" / "by-id"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(f"../../{port}")


def km003c(tree: Tree, **attributes: str) -> None:
    """Plug in a POWER-Z KM003C whose first interface the kernel's sensor driver holds."""
    tree.device(
        "1-2",
        "5FC9:0063",
        [
            {"class": "ff00", "driver": "powerz", "node": "hwmon3"},
            {"class": "0202", "driver": "cdc_acm", "node": "ttyACM1"},
            {"class": "0a00", "driver": "cdc_acm"},
            {"class": "0300", "driver": "usbhid", "node": "hidraw4"},
        ],
        **{"manufacturer": "FUJI", "product": "KM003C", "serial": "007965", **attributes},
    )


def ppk2(tree: Tree, **attributes: str) -> None:
    """Plug in a PPK2 with two ports; that of the lower interface has the higher number."""
    tree.device(
        "1-4.1",
        "1915:C00A",
        [
            {"class": "0202", "driver": "cdc_acm", "node": "ttyACM3"},
            {"class": "0202", "driver": "cdc_acm", "node": "ttyACM2"},
        ],
        **{"manufacturer": "Nordic", "product": "PPK2", "serial": "C0FFEE", **attributes},
    )
