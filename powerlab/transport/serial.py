"""Byte instruments behind serial ports, through pyserial: exclusive, with deadlines.

Resource strings are ``serial:/dev/rfcomm0`` or the plain path. Every way in which a port can
fail to open has its own message, because each has its own cure.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Any, Protocol

import serial

from powerlab.errors import InstrumentError, PowerlabError, SetupError
from powerlab.units import NS_PER_S, nanoseconds, now_ns

PREFIX = "serial:"
WRITE_LIMIT_S = 2.0


class ByteLink(Protocol):
    """Bytes to and from one instrument; what a driver's session stands on."""

    resource: str

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, count: int, deadline_ns: int) -> bytes:
        """Get up to ``count`` bytes: what had come by the deadline, perhaps none."""

    def drain(self) -> bytes:
        """Throw away, and return, whatever has arrived unasked."""

    def close(self) -> None:
        """Close the port; never raises."""


class SerialLink:
    """A ``ByteLink`` over one serial port that nobody else may open meanwhile."""

    def __init__(self, resource: str, baud: int) -> None:
        self.resource = resource
        self._port: Any = _open_port(port_path(resource), baud)

    def write(self, data: bytes) -> None:
        """Send bytes; ``InstrumentError`` where the port is gone."""
        try:
            self._port.write(data)
        except Exception as error:
            raise self._gone(error) from error

    def read(self, count: int, deadline_ns: int) -> bytes:
        """Get up to ``count`` bytes: what had come by the deadline, perhaps none."""
        try:
            self._port.timeout = max(0.0, (deadline_ns - now_ns()) / NS_PER_S)
            return bytes(self._port.read(count))
        except Exception as error:
            raise self._gone(error) from error

    def drain(self) -> bytes:
        """Throw away, and return, whatever has arrived unasked."""
        dropped = bytearray()
        # The bound ends the loop on a device that talks without pause.
        while len(dropped) < 65536 and (chunk := self.read(4096, now_ns())):
            dropped += chunk
        return bytes(dropped)

    def close(self) -> None:
        """Close the port; never raises."""
        with contextlib.suppress(Exception):  # it may be broken already
            self._port.close()

    def _gone(self, error: Exception) -> InstrumentError:
        # pyserial raises SerialException, OSError, termios.error or TypeError (a port closed
        # by another thread) for one and the same thing: the device went away.
        return InstrumentError(
            f"the instrument on {self.resource} was disconnected",
            hint="check its plug, its battery or its Bluetooth link, then measure again",
            context={"reason": str(error)},
        )


def open_serial(resource: str, baud: int) -> SerialLink:
    """Open a serial port exclusively, 8 data bits, no parity, 1 stop bit.

    ``InstrumentError`` where it does not exist, is in use or is no serial port;
    ``SetupError`` where this user may not open it.
    """
    return SerialLink(resource, baud)


def port_path(resource: str) -> str:
    """Get the device's path from ``serial:/dev/…`` or ``/dev/…``."""
    path = resource.removeprefix(PREFIX)
    if not path.startswith("/"):
        raise InstrumentError(
            f"'{resource}' names no serial port",
            hint="write it like serial:/dev/rfcomm0 or serial:/dev/serial/by-id/NAME",
        )
    return path


def wait_until(wait_s: float) -> int:
    """Get the instant ``wait_s`` from now, as deadlines are given."""
    return now_ns() + nanoseconds(wait_s)


def _open_port(path: str, baud: int) -> Any:
    try:
        # Opening a pipe or a plain file for writing would do harm or hang.
        if not stat.S_ISCHR(os.stat(path).st_mode):  # noqa: PTH116 - os errors are mapped below
            raise explain(path, errno.ENOTTY, "not a character device")
        return serial.Serial(path, baud, timeout=0, write_timeout=WRITE_LIMIT_S, exclusive=True)
    except OSError as error:  # SerialException is one
        raise explain(path, error.errno or 0, str(error)) from error
    except ValueError as error:
        raise explain(path, errno.EINVAL, str(error)) from error


def explain(path: str, number: int, reason: str) -> PowerlabError:
    """Turn an error number from opening a port into one message and its cure."""
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        bind = " and bind it: rfcomm bind 0 ADDRESS" if "rfcomm" in path else ""
        return InstrumentError(
            f"there is no serial port {path}{_present(path)}",
            hint=f"connect the instrument{bind}; docs/how-to/meters.md has the steps",
        )
    if number in (errno.EACCES, errno.EPERM):
        return SetupError(
            f"no permission to open {path}",
            hint="join the group that owns serial ports and log in again: "
            "sudo usermod -aG dialout $USER",
        )
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return InstrumentError(
            f"{path} is in use by another program",
            hint=f"close it; fuser {path} tells which program it is",
        )
    if number in (errno.EHOSTDOWN, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ECONNREFUSED):
        return InstrumentError(
            f"the Bluetooth instrument behind {path} does not answer: {reason}",
            hint="check that it has power, is within a few metres and is paired",
        )
    if number == errno.ENOTTY or "Could not configure port" in reason:
        return InstrumentError(
            f"{path} is not a serial port",
            hint="give the port's device file, as in serial:/dev/ttyUSB0",
        )
    return InstrumentError(
        f"cannot open {path}: {reason}",
        hint="unplug the instrument, plug it in again, and check the path",
    )


def _present(path: str) -> str:
    """Get the ports of the same kind that do exist, as a clause for the message."""
    stem = Path(path).name.rstrip("0123456789")
    try:
        near = sorted(str(item) for item in Path(path).parent.glob(f"{stem}*"))
    except (OSError, ValueError):
        near = []
    return f" (there is {', '.join(near[:4])})" if stem and near else ""
