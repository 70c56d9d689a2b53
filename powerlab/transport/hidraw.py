"""HID reports through Linux's ``/dev/hidraw*``, found in sysfs: no package needed.

A composite device (mass storage, serial, HID) shows one hidraw node for its HID interface, so it
is found by what it is and not by an interface number. Kernel documentation: ``hid/hidraw.rst``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
from dataclasses import dataclass
from pathlib import Path

from powerlab.errors import InstrumentError, PowerlabError, SetupError
from powerlab.transport.packet_device import UsbAddress, unplugged

SYSFS = Path("/sys/class/hidraw")
DEVICES = Path("/dev")
LARGEST = 4096
_NO_NUMBER = b"\0"  # reports without a number are written behind this byte
_USB_BUS = 3


@dataclass(frozen=True, slots=True)
class HidNode:
    """One hidraw node and the USB device behind it."""

    name: str
    vendor: int
    product: int
    serial: str


class Hidraw:
    """A ``PacketLink`` over the HID interface of one USB device; a packet is a report."""

    def __init__(
        self, resource: str, address: UsbAddress, sysfs: Path = SYSFS, devices: Path = DEVICES
    ) -> None:
        self.resource = resource
        node = _chosen(hid_nodes(sysfs), address, resource)
        self.serial = node.serial
        path = devices / node.name
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            # The kernel gives reports to everybody who opens it: two would spoil the dialogue.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise _refused(path, error) from error

    def write(self, packet: bytes) -> None:
        """Send one report; ``InstrumentError`` where the device is gone."""
        try:
            os.write(self._descriptor, _NO_NUMBER + packet)
        except OSError as error:
            raise unplugged(self.resource, error) from error

    def read(self, limit_s: float) -> bytes | None:
        """Get the next report, or None where none came in time."""
        try:
            if not select.select([self._descriptor], [], [], max(0.0, limit_s))[0]:
                return None
            report = os.read(self._descriptor, LARGEST)
        except BlockingIOError:
            return None
        except (OSError, ValueError) as error:
            raise unplugged(self.resource, error) from error
        if not report:
            raise unplugged(self.resource, "end of file")
        return report

    def close(self) -> None:
        """Close the node; never raises."""
        with contextlib.suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)
        self._descriptor = -1


def hid_nodes(sysfs: Path = SYSFS) -> tuple[HidNode, ...]:
    """Get the hidraw nodes that are USB devices, by name; none where the kernel has no hidraw."""
    try:
        names = sorted(item.name for item in sysfs.iterdir())
    except OSError:
        return ()
    nodes = (_node(sysfs / name / "device" / "uevent", name) for name in names)
    return tuple(node for node in nodes if node is not None)


def _node(uevent: Path, name: str) -> HidNode | None:
    """Read ``HID_ID=0003:00002E3C:00005558`` and ``HID_UNIQ=…``; None for what is no USB."""
    try:
        lines = uevent.read_text(encoding="utf-8", errors="replace").splitlines()
        told = dict(line.split("=", 1) for line in lines if "=" in line)
        bus, vendor, product = (int(part, 16) for part in told["HID_ID"].split(":"))
    except (OSError, KeyError, ValueError):
        return None
    return HidNode(name, vendor, product, told.get("HID_UNIQ", "")) if bus == _USB_BUS else None


def _chosen(nodes: tuple[HidNode, ...], address: UsbAddress, resource: str) -> HidNode:
    wanted = (address.vendor, address.product)
    same = [node for node in nodes if (node.vendor, node.product) == wanted]
    found = [node for node in same if address.serial in ("", node.serial)]
    if len(found) == 1:
        return found[0]
    serials = ", ".join(node.serial or "one without" for node in same)
    if found:
        raise InstrumentError(
            f"{len(found)} HID devices are {address} (serial numbers: {serials})",
            hint=f"name one as {resource}:SERIAL, or unplug the others",
        )
    raise InstrumentError(
        f"no HID device {address} is connected" + (f" (there is {serials})" if same else ""),
        hint="connect the meter's USB data port to this computer; `lsusb` lists what is there",
    )


def _refused(path: Path, error: OSError) -> PowerlabError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return SetupError(
            f"no permission to open {path}",
            hint="install the udev rules that `powerlab instruments udev` prints, then plug the "
            "meter in again",
        )
    if error.errno in (errno.EAGAIN, errno.EBUSY):
        return InstrumentError(
            f"{path} is in use by another program",
            hint=f"close it; fuser {path} tells which program it is",
        )
    return InstrumentError(
        f"cannot open {path}: {error.strerror}",
        hint="unplug the meter, plug it in again, and measure again",
    )
