"""How a device that talks in packets is named, and how its going away is told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from powerlab.errors import InstrumentError

_USB = re.compile(
    r"(?P<kind>usb|hid):(?P<vendor>[0-9A-Fa-f]{4}):(?P<product>[0-9A-Fa-f]{4})(:(?P<serial>.+))?"
)


@dataclass(frozen=True, slots=True)
class UsbAddress:
    """Vendor, product and, where several are plugged in, serial number of a USB device."""

    vendor: int
    product: int
    serial: str = ""

    def __str__(self) -> str:
        return f"{self.vendor:04X}:{self.product:04X}" + (f":{self.serial}" if self.serial else "")


def usb_address(resource: str) -> UsbAddress:
    """Read ``usb:VID:PID[:SERIAL]`` or ``hid:…``; ``InstrumentError`` where it is neither."""
    match = _USB.fullmatch(resource)
    if match is None:
        raise InstrumentError(
            f"'{resource}' names no USB device",
            hint="write it like usb:5FC9:0063 or hid:2E3C:5558, with :SERIAL behind it where "
            "several are plugged in; `lsusb` lists the numbers",
        )
    return UsbAddress(int(match["vendor"], 16), int(match["product"], 16), match["serial"] or "")


def unplugged(resource: str, reason: object) -> InstrumentError:
    """Make the error for a device that went away."""
    return InstrumentError(
        f"the instrument on {resource} was disconnected",
        hint="check its plug and its cable, connect it without a hub, then measure again",
        context={"reason": str(reason)},
    )
