"""Opening VISA resources through pyvisa-py, and the errors that a link to one tells."""

from __future__ import annotations

import socket
from typing import Any

import pyvisa
from pyvisa.rname import InvalidResourceName, ResourceName

from powerlab.errors import InstrumentError, InstrumentProtocolError

OPEN_LIMIT_S = 3.0
SHOWN_BYTES = 200
EXAMPLE = "TCPIP0::192.168.1.50::5025::SOCKET"


def open_resource(resource: str, line_end: str, reply_limit_s: float) -> Any:
    """Open one; ``InstrumentError`` with the fix where it is none, or cannot be reached."""
    try:
        parsed = ResourceName.from_string(resource)
    except InvalidResourceName:
        raise _bad_resource(resource) from None
    if parsed.interface_type == "TCPIP" and parsed.resource_class == "SOCKET":
        port = getattr(parsed, "port", "")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise _bad_resource(resource, f"'{port}' is no port number")
        _look_up(resource, getattr(parsed, "host_address", ""))
    try:
        return pyvisa.ResourceManager("@py").open_resource(
            resource,
            open_timeout=round(OPEN_LIMIT_S * 1000),
            read_termination="\n",
            write_termination=line_end,
            encoding="latin-1",
            timeout=round(reply_limit_s * 1000),
        )
    except ValueError as error:
        # pyvisa-py names the missing package for USB and GPIB resources.
        reason = str(error).splitlines()[0] if str(error) else "unknown kind of resource"
        raise _bad_resource(resource, reason) from error
    except Exception as error:
        # pyvisa-py raises bare Exceptions where a TCP connection cannot be made.
        raise unreachable(resource, str(error).removeprefix("could not connect: ")) from error


def _look_up(resource: str, host: str) -> None:
    """Refuse a host that has no address; pyvisa-py would leave its socket open."""
    try:
        socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise unreachable(resource, f"{host}: {error.strerror or error}") from error
    except UnicodeError:
        raise _bad_resource(resource, f"'{host}' is no host name") from None


def _bad_resource(resource: str, reason: str = "") -> InstrumentError:
    detail = f": {reason}" if reason else ""
    return InstrumentError(
        f"'{resource}' is no VISA resource that can be opened{detail}",
        hint=f"write it like {EXAMPLE} (TCPIP0::HOST::PORT::SOCKET)",
    )


def unreachable(resource: str, reason: str) -> InstrumentError:
    """Make the error for an address at which nothing answers."""
    return InstrumentError(
        f"cannot connect to {resource}: {reason}",
        hint="check that the meter is on, its address and port (Keithley and Keysight listen "
        "on 5025), and that this computer is on the same network",
    )


def endless(resource: str, command: str, received: bytearray) -> InstrumentProtocolError:
    """Make the error for an answer that is longer than any."""
    return InstrumentProtocolError(
        f"{resource} sends without end in answer to {command}",
        hint="check that the port is the instrument's SCPI port",
        sent=command.encode("latin-1"),
        received=bytes(received[:SHOWN_BYTES]),
    )


def disconnected(resource: str, command: str, received: bytes) -> InstrumentError:
    """Make the error for a connection that ended, perhaps in the middle of an answer."""
    cut = f" in the middle of a reply ({len(received)} bytes had come)" if received else ""
    return InstrumentError(
        f"{resource} closed the connection{cut}; last asked: {command}",
        hint="check the meter's power and network cable, and that no other program took it over",
        context={"sent": command, "received": received[:SHOWN_BYTES].hex(" ")},
    )
