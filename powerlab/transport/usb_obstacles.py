"""What stands between a plugged-in meter and its driver: told from files, nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from powerlab.transport.usb_tree import UsbDevice

MODEM_MANAGER = "ModemManager"
IGNORED = "E:ID_MM_DEVICE_IGNORE=1"
"""The property by which udev tells ModemManager to leave a device alone (its documentation,
"Modem filter": the rule of explicit blocking)."""

USB_MAJOR = 189
"""Of the nodes below /dev/bus/usb; a bus has 128 minor numbers (kernel, devices.txt)."""

RULES_HINT = "`powerlab instruments udev` prints the rules that mend it, and how to install them"


@dataclass(frozen=True, slots=True)
class Places:
    """Where this computer keeps what is looked at."""

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    udev: Path = Path("/run/udev/data")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing in the way: a code, what it is, and what to do about it."""

    code: str
    message: str
    hint: str


def may_open(path: str) -> bool:
    """Tell whether this user may read and write a node; it is not opened."""
    return os.access(path, os.R_OK | os.W_OK)


def obstacles(
    device: UsbDevice,
    kinds: Sequence[str],
    places: Places,
    permitted: Callable[[str], bool] = may_open,
) -> tuple[Obstacle, ...]:
    """Get what is in the way of a device that is reached in one of ``kinds`` (``link.kinds``).

    ``permitted`` tells whether a node may be opened.
    """
    return (
        *_access(device, kinds, permitted),
        *_modem_manager(device, places),
        *_kernel_driver(device, kinds),
        *_suspend(device),
    )


def nodes_of(device: UsbDevice, kind: str) -> tuple[str, ...]:
    """Get the nodes through which a device is reached in one of the ``link.kinds``."""
    if kind == "serial":
        return device.nodes("tty")
    if kind == "hid":
        return device.nodes("hidraw")
    return (device.node,) if kind in ("usb", "visa") else ()


def _access(
    device: UsbDevice, kinds: Sequence[str], permitted: Callable[[str], bool]
) -> Iterator[Obstacle]:
    for kind in kinds:
        nodes = nodes_of(device, kind)
        if not nodes and kind in ("serial", "hid"):
            made = {"serial": "serial port", "hid": "hidraw node"}[kind]
            yield Obstacle(
                "no-node",
                f"the kernel has made no {made} of it",
                "plug it in again; `dmesg` tells whether its driver is missing",
            )
        for node in nodes:
            if permitted(node):
                continue
            hint = RULES_HINT
            if kind == "serial":
                hint = (
                    "join the group of serial ports and log in again: "
                    f"sudo usermod -aG dialout $USER; or {RULES_HINT}"
                )
            yield Obstacle("permission", f"this user may not open {node}", hint)


def _modem_manager(device: UsbDevice, places: Places) -> Iterator[Obstacle]:
    ports = device.nodes("tty")
    if not ports or not _runs(MODEM_MANAGER, places.proc):
        return
    minor = 128 * (device.bus - 1) + device.address - 1
    told = [places.udev / f"c{USB_MAJOR}:{minor}", *_udev_of_ports(ports, places)]
    if any(IGNORED in _lines(path) for path in told):
        return
    yield Obstacle(
        "modem-manager",
        f"ModemManager runs and may send modem commands to {' and '.join(ports)} for up to half a "
        "minute after it is plugged in",
        RULES_HINT,
    )


def _udev_of_ports(ports: Sequence[str], places: Places) -> Iterator[Path]:
    for port in ports:
        numbers = _lines(places.sys / "class" / "tty" / port.removeprefix("/dev/") / "dev")
        if numbers:
            yield places.udev / f"c{numbers[0]}"


def _kernel_driver(device: UsbDevice, kinds: Sequence[str]) -> Iterator[Obstacle]:
    for interface in device.interfaces:
        if interface.driver == "powerz" and "usb" in kinds:
            yield Obstacle(
                "kernel-driver",
                f"the kernel's powerz sensor driver holds interface {interface.number}",
                "powerlab takes the interface while it measures, and sensor readers lose it; "
                f"to free it now: echo {device.port}:1.{interface.number} | "
                "sudo tee /sys/bus/usb/drivers/powerz/unbind",
            )
        if interface.driver == "usbfs":
            yield Obstacle(
                "in-use",
                f"another program holds interface {interface.number}",
                f"close it; fuser {device.node} tells which program it is",
            )


def _suspend(device: UsbDevice) -> Iterator[Obstacle]:
    if device.power == "auto":
        yield Obstacle(
            "autosuspend",
            "USB autosuspend is on: the kernel may put it to sleep between two readings",
            f"{RULES_HINT}; until it is plugged in again: "
            f"echo on | sudo tee /sys/bus/usb/devices/{device.port}/power/control",
        )


def _runs(name: str, proc: Path) -> bool:
    """Tell whether a program runs; what the kernel keeps of its name has 15 letters."""
    return any(name[:15] in _lines(path) for path in proc.glob("[0-9]*/comm"))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
