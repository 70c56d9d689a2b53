"""Instruments that talk in packets: USB bulk transfers, HID reports, and what stands in for them.

A packet keeps its bounds: what one write carries is one request, what one read gets is one
answer. Resource strings:

- ``usb:VID:PID[:SERIAL]``: bulk endpoints of a USB device (``usb_bulk``);
- ``hid:VID:PID[:SERIAL]``: reports of a USB HID device (``hidraw``);
- ``packets:/path``: a Unix socket that keeps packets whole, as emulators have (``packet_socket``);
- ``replay:/path``: a recorded dialogue (``replay``).
"""

from __future__ import annotations

from typing import Protocol

from powerlab.transport.packet_device import usb_address

MOST_DRAINED = 4096
"""Packets after which draining gives up on a device that talks without pause."""


class PacketLink(Protocol):
    """Packets to and from one instrument; what a driver's session stands on.

    ``serial`` is the serial number in the device's descriptor, empty where it has none.
    """

    resource: str
    serial: str

    def write(self, packet: bytes) -> None:
        """Send one packet; ``InstrumentError`` where the device is gone."""

    def read(self, limit_s: float) -> bytes | None:
        """Get the next packet, or None where none came within ``limit_s``.

        ``InstrumentError`` where the device is gone.
        """

    def close(self) -> None:
        """Let the device go; never raises."""


def open_packets(resource: str) -> PacketLink:
    """Open the device of a resource string, and nobody else's meanwhile.

    ``InstrumentError`` where it is not there, is in use or is no packet device; ``SetupError``
    where this user may not open it or a package is missing.
    """
    kind, _, rest = resource.partition(":")
    if kind == "packets":
        from powerlab.transport.packet_socket import PacketSocket  # noqa: PLC0415

        return PacketSocket(resource, rest)
    if kind == "replay":
        from powerlab.transport.replay import Replay  # noqa: PLC0415

        return Replay(resource, rest)
    address = usb_address(resource)
    if kind == "hid":
        from powerlab.transport.hidraw import Hidraw  # noqa: PLC0415

        return Hidraw(resource, address)
    from powerlab.transport.usb_bulk import UsbBulk  # noqa: PLC0415

    return UsbBulk(resource, address)


def answered_by_program(resource: str) -> bool:
    """Tell whether what answers there is a program and no instrument."""
    return resource.startswith(("packets:", "replay:"))


def drain(link: PacketLink, quiet_s: float, most: int = MOST_DRAINED) -> int:
    """Throw away what has arrived until nothing comes for ``quiet_s``; get how many packets."""
    dropped = 0
    while dropped < most and link.read(quiet_s) is not None:
        dropped += 1
    return dropped
