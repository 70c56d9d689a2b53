"""USB bulk transfers through pyusb (the extra ``usb``), on the device's first bulk interface.

The module is imported where it is used. A thread reads ahead, for a meter that sends by itself
keeps nothing for a host that is busy with the samples before. A kernel driver on the interface is
detached while the link is open and given its place back after it: Linux's hwmon driver
``powerz`` takes interface 0 of POWER-Z meters.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import queue
import threading
from pathlib import Path
from typing import Any

from powerlab.errors import InstrumentError, PowerlabError, SetupError
from powerlab.transport.packet_device import UsbAddress, unplugged

WRITE_LIMIT_MS = 1000
READ_LIMIT_MS = 100
"""After so long without a packet the reading thread looks whether it shall end."""

FOLLOW_MS = 5
"""How long the rest of a transfer may take whose last packet was a full one."""

MOST_PACKETS = 64
"""Of a transfer, in one go."""

SYSFS = Path("/sys/bus/usb/devices")

_GONE = {errno.ENODEV, errno.EIO, errno.ENOENT, errno.ESHUTDOWN, errno.EPROTO, errno.ECONNRESET}
_BULK, _IN = 2, 0x80


class UsbBulk:
    """A ``PacketLink`` over a bulk interface; a packet is a transfer.

    A transfer ends with a packet below the endpoint's size, or where nothing follows a full one:
    not every device sends the empty packet that should end a transfer of full ones.
    """

    def __init__(self, resource: str, address: UsbAddress) -> None:
        self.resource = resource
        self._core, self._util = _pyusb()
        self._interface, self._detached = 0, False
        self._arrived: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read_ahead, name="usb", daemon=True)
        self._device, self.serial = self._find(address)
        try:
            self._interface, self._out, self._in, self._size = self._endpoints()
            self._claim()
            self._reader.start()
        except BaseException:
            self.close()
            raise

    def write(self, packet: bytes) -> None:
        """Send one transfer; ``InstrumentError`` where the device is gone."""
        try:
            self._device.write(self._out, packet, WRITE_LIMIT_MS)
        except self._core.USBError as error:
            raise self._failed(error) from error

    def read(self, limit_s: float) -> bytes | None:
        """Get the next transfer, or None where none came in time."""
        try:
            arrived = self._arrived.get(timeout=max(0.0, limit_s))
        except queue.Empty:
            return None
        if isinstance(arrived, OSError):
            self._arrived.put(arrived)  # whoever reads again is told again
            raise self._failed(arrived) from arrived
        return arrived

    def close(self) -> None:
        """Release the interface, give a kernel driver its place back; never raises."""
        self._closing.set()
        if self._reader.is_alive():
            self._reader.join(2 * READ_LIMIT_MS / 1000 + 1)
        with contextlib.suppress(Exception):  # it may be unplugged
            self._util.release_interface(self._device, self._interface)
        if self._detached:
            with contextlib.suppress(Exception):
                self._device.attach_kernel_driver(self._interface)
        self._detached = False
        with contextlib.suppress(Exception):
            self._util.dispose_resources(self._device)

    def _read_ahead(self) -> None:
        """Queue every transfer until the link is closed, or the error that ends it."""
        while not self._closing.is_set():
            try:
                transfer = self._transfer()
            except OSError as error:
                self._arrived.put(error)
                return
            if transfer:
                self._arrived.put(transfer)

    def _transfer(self) -> bytes:
        """Get the next transfer, nothing where none began in time."""
        packet = self._packet(self._size, READ_LIMIT_MS)
        transfer = packet
        while packet and len(packet) % self._size == 0:
            packet = self._packet(MOST_PACKETS * self._size, FOLLOW_MS)
            transfer += packet
        return transfer

    def _packet(self, most: int, limit_ms: int) -> bytes:
        """Get up to so many bytes of a transfer, as many as had come where the time ran out."""
        try:
            return bytes(self._device.read(self._in, most, limit_ms))
        except self._core.USBTimeoutError:
            return b""

    def _find(self, address: UsbAddress) -> tuple[Any, str]:
        """Get the one device of an address, and the serial number in its descriptor."""
        try:
            same = list(
                self._core.find(find_all=True, idVendor=address.vendor, idProduct=address.product)
            )
        except ValueError as error:  # NoBackendError is one
            raise SetupError(
                "pyusb finds no libusb on this computer",
                hint="install libusb 1.0, on Debian and Ubuntu: sudo apt install libusb-1.0-0",
            ) from error
        told = [(device, _serial(device)) for device in same]
        found = [item for item in told if address.serial in ("", item[1])]
        if len(found) == 1:
            return found[0]
        serials = ", ".join(serial or "one that tells none" for _, serial in told)
        if found:
            raise InstrumentError(
                f"{len(found)} USB devices are {address} (serial numbers: {serials})",
                hint=f"name one as {self.resource}:SERIAL, or unplug the others",
            )
        raise InstrumentError(
            f"no USB device {address} is connected" + (f" (there is {serials})" if told else ""),
            hint="connect the meter's USB data port to this computer; `lsusb` lists what is there",
        )

    def _endpoints(self) -> tuple[int, int, int, int]:
        """Get the first interface with bulk both ways: number, OUT and IN, packet size of IN."""
        try:
            for interface in self._device.get_active_configuration():
                bulk = [point for point in interface if point.bmAttributes & 3 == _BULK]
                ways = {bool(point.bEndpointAddress & _IN): point for point in reversed(bulk)}
                if len(ways) == 2:
                    size = int(ways[True].wMaxPacketSize)
                    addresses = (ways[False].bEndpointAddress, ways[True].bEndpointAddress)
                    return int(interface.bInterfaceNumber), *addresses, size
        except self._core.USBError as error:
            raise self._refused(error) from error
        raise InstrumentError(
            f"the USB device {self.resource} has no bulk interface",
            hint="correct the resource: meters with HID reports are named hid:VID:PID",
        )

    def _claim(self) -> None:
        try:
            if self._device.is_kernel_driver_active(self._interface):
                self._device.detach_kernel_driver(self._interface)
                self._detached = True
            self._util.claim_interface(self._device, self._interface)
        except self._core.USBError as error:
            raise self._refused(error) from error

    def _driver_name(self) -> str:
        """Get the kernel driver bound to the interface as sysfs tells it, empty without."""
        ports = ".".join(str(port) for port in self._device.port_numbers or ())
        found = sorted(SYSFS.glob(f"{self._device.bus}-{ports}:*.{self._interface}/driver"))
        return found[0].resolve().name if found else ""

    def _refused(self, error: OSError) -> PowerlabError:
        """Tell why the device cannot be opened, each reason with its cure."""
        if error.errno in (errno.EACCES, errno.EPERM):
            return SetupError(
                f"no permission to use the USB device {self.resource}",
                hint="install the udev rules that `powerlab instruments udev` prints, then plug "
                "the meter in again",
            )
        if error.errno == errno.EBUSY:
            holder = self._driver_name() or "another program"
            cure = (
                "free the meter: sudo modprobe -r powerz"
                if holder == "powerz"
                else "close what uses it: the vendor's application, a browser, another measurement"
            )
            return InstrumentError(f"the meter on {self.resource} is held by {holder}", hint=cure)
        return self._failed(error)

    def _failed(self, error: OSError) -> InstrumentError:
        if error.errno in _GONE:
            return unplugged(self.resource, error)
        return InstrumentError(
            f"a USB transfer of {self.resource} failed: {error.strerror or error}",
            hint="unplug the meter, plug it in again without a hub, and measure again",
        )


def _pyusb() -> tuple[Any, Any]:
    try:
        return importlib.import_module("usb.core"), importlib.import_module("usb.util")
    except ImportError as error:
        raise SetupError(
            "meters on USB bulk transfers need the package pyusb, which is not installed",
            hint="pip install 'powerlab[usb]'; it also needs libusb 1.0 (Debian: libusb-1.0-0)",
        ) from error


def _serial(device: Any) -> str:
    """Get the serial number of a descriptor; empty where there is none or it may not be read."""
    try:
        return str(device.serial_number or "")
    except (OSError, ValueError):  # pyusb: no permission, or no language
        return ""
