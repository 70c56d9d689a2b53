"""Text instruments behind VISA resource strings, through PyVISA and pyvisa-py, with deadlines.

Four habits of pyvisa-py 0.8 on raw TCP sockets are guarded here (each was tried): a closed
port opens without complaint; a peer that has closed makes ``read`` burn a core until its
time-out; a read that times out drops the part of the reply it already had; and a reply that
comes after its time-out is taken for the answer to the next query. So the socket is looked
at before pyvisa reads from it, only bytes that have arrived are asked for, and after any
time-out the connection is opened anew and ``*IDN?`` must answer as before.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import Any, Protocol

import pyvisa
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError
from pyvisa.rname import InvalidResourceName, ResourceName

from powerlab.errors import InstrumentError, InstrumentProtocolError, Transient
from powerlab.units import NS_PER_S, nanoseconds, now_ns

OPEN_LIMIT_S = 3.0
REPLY_LIMIT_S = 2.0
REOPEN_LIMIT_S = 10.0
PEEK_BYTES = 4095
"""Below pyvisa-py's own chunk of 4096, so that it never takes more than it was asked for."""

MESSAGE_LIMIT_BYTES = 4_000_000
EXAMPLE = "TCPIP0::192.168.1.50::5025::SOCKET"


class TextLink(Protocol):
    """Lines of text to and from one instrument; what a driver's session stands on."""

    resource: str
    identity: str

    def write(self, command: str) -> None:
        """Send one command that has no answer."""

    def query(self, command: str, limit_s: float = REPLY_LIMIT_S) -> str:
        """Send one command and get its answer without the line end.

        ``ReplyTimeout`` after ``limit_s``: the link is then already open anew and safe to use.
        """

    def close(self) -> None:
        """Close the connection; never raises."""


class ReplyTimeout(InstrumentError, Transient):
    """No answer within the limit; the connection was opened anew and the same meter is there."""


class VisaLink:
    """A ``TextLink`` over one VISA resource; ``identity`` is its answer to ``*IDN?``.

    ``line_end`` ends each command.
    """

    def __init__(self, resource: str, line_end: str = "\n") -> None:
        self.resource = resource
        self._line_end = line_end
        self.identity = ""
        self._visa: Any = None
        self._closed = False
        self._open()
        try:
            self.identity = self._exchange("*IDN?", REPLY_LIMIT_S)
        except TimeoutError:
            self.close()
            raise InstrumentError(
                f"{resource} accepts connections, but does not answer *IDN?",
                hint="check that a SCPI instrument listens on this port, that its remote "
                "language is SCPI, and that no other program holds it",
            ) from None
        except InstrumentError:
            self.close()
            raise

    def write(self, command: str) -> None:
        """Send one command that has no answer."""
        self._send(command)

    def query(self, command: str, limit_s: float = REPLY_LIMIT_S) -> str:
        """Send one command and get its answer; ``ReplyTimeout`` after ``limit_s``."""
        try:
            return self._exchange(command, limit_s)
        except TimeoutError:
            if self._closed:
                raise _disconnected(self.resource, command, b"") from None
            self._reopen(command)
            raise ReplyTimeout(
                f"{self.resource} did not answer {command} within {limit_s:g} s",
                hint="the meter or the network to it is slow: put both on one switch",
            ) from None

    def close(self) -> None:
        """Close the connection; never raises."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        visa, self._visa = self._visa, None
        if visa is not None:
            with contextlib.suppress(Exception):  # it may be broken already
                visa.close()

    def _open(self) -> None:
        self._visa = _open_resource(self.resource, self._line_end)
        connection = self._socket()
        if connection is not None:
            # pyvisa-py reports a refused connection only at the first write.
            refused = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if refused:
                self._drop()
                raise _unreachable(self.resource, os.strerror(refused))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _reopen(self, command: str) -> None:
        """Open the connection anew and believe it only if the same instrument answers."""
        deadline_ns = now_ns() + nanoseconds(REOPEN_LIMIT_S)
        while True:
            self._drop()
            try:
                self._open()
                found = self._exchange("*IDN?", REPLY_LIMIT_S)
            except TimeoutError:
                if now_ns() < deadline_ns:
                    continue
                raise InstrumentError(
                    f"{self.resource} stopped answering (last asked: {command})",
                    hint="check the meter and its network cable, then measure again",
                ) from None
            if found == self.identity:
                return
            raise InstrumentProtocolError(
                f"{self.resource} answers as another instrument than before",
                hint=f"it was {self.identity!r} and is {found!r}; check the network's addresses",
                sent=b"*IDN?",
                received=found.encode("latin-1"),
            )

    def _exchange(self, command: str, limit_s: float) -> str:
        if self._visa is None:
            raise _disconnected(self.resource, command, b"")
        deadline_ns = now_ns() + nanoseconds(limit_s)
        connection = self._socket()
        if connection is None:
            return self._plain_query(command, limit_s)
        if _readable(connection, 0.0) and _peek(connection):
            # An answer nobody waits for: whatever came next would be off by one.
            raise TimeoutError
        self._send(command)
        return self._read_line(command, connection, deadline_ns)

    def _read_line(self, command: str, connection: socket.socket, deadline_ns: int) -> str:
        received = bytearray()
        while not received.endswith(b"\n"):
            if not _readable(connection, (deadline_ns - now_ns()) / NS_PER_S):
                raise TimeoutError
            arrived = _peek(connection)
            if not arrived:
                raise _disconnected(self.resource, command, bytes(received))
            line_end = arrived.find(b"\n")
            count = len(arrived) if line_end < 0 else line_end + 1
            try:
                received += self._visa.read_bytes(count, break_on_termchar=False)
            except Exception as error:
                raise _disconnected(self.resource, command, bytes(received)) from error
            if len(received) > MESSAGE_LIMIT_BYTES:
                raise InstrumentProtocolError(
                    f"{self.resource} sends without end in answer to {command}",
                    hint="check that the port is the instrument's SCPI port",
                    sent=command.encode("latin-1"),
                    received=bytes(received[:200]),
                )
        return received.decode("latin-1").strip()

    def _plain_query(self, command: str, limit_s: float) -> str:
        """Ask over VXI-11, HiSLIP, USB or GPIB, where the protocol itself frames messages."""
        self._visa.timeout = max(1, round(limit_s * 1000))
        try:
            return str(self._visa.query(command)).strip()
        except VisaIOError as error:
            if error.error_code == StatusCode.error_timeout:
                raise TimeoutError from None
            raise _disconnected(self.resource, command, b"") from error
        except OSError as error:
            raise _disconnected(self.resource, command, b"") from error

    def _send(self, command: str) -> None:
        if self._visa is None:
            raise _disconnected(self.resource, command, b"")
        try:
            self._visa.write(command)
        except Exception as error:
            raise _disconnected(self.resource, command, b"") from error

    def _socket(self) -> socket.socket | None:
        """Get the raw socket under a SOCKET resource, None for every other kind."""
        sessions = getattr(getattr(self._visa, "visalib", None), "sessions", {})
        interface = getattr(sessions.get(getattr(self._visa, "session", None)), "interface", None)
        return interface if isinstance(interface, socket.socket) else None


def open_visa(resource: str, line_end: str = "\n") -> VisaLink:
    """Open a VISA resource, each command to which ends with ``line_end``, and read its identity.

    ``InstrumentError`` with the fix where the string cannot be parsed, the host or port does
    not answer, or what answers is mute.
    """
    return VisaLink(resource, line_end)


def _open_resource(resource: str, line_end: str) -> Any:
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
            timeout=round(REPLY_LIMIT_S * 1000),
        )
    except ValueError as error:
        # pyvisa-py names the missing package for USB and GPIB resources.
        reason = str(error).splitlines()[0] if str(error) else "unknown kind of resource"
        raise _bad_resource(resource, reason) from error
    except Exception as error:
        # pyvisa-py raises bare Exceptions where a TCP connection cannot be made.
        raise _unreachable(resource, str(error).removeprefix("could not connect: ")) from error


def _look_up(resource: str, host: str) -> None:
    """Refuse a host that has no address; pyvisa-py would leave its socket open."""
    try:
        socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise _unreachable(resource, f"{host}: {error.strerror or error}") from error
    except UnicodeError:
        raise _bad_resource(resource, f"'{host}' is no host name") from None


def _readable(connection: socket.socket, wait_s: float) -> bool:
    """Wait for bytes or for the end of the connection, which ``_peek`` tells apart."""
    try:
        ready, _, _ = select.select([connection], [], [], max(0.0, wait_s))
    except (OSError, ValueError):  # closed by another thread
        return True
    return bool(ready)


def _peek(connection: socket.socket) -> bytes:
    """Get what has arrived without taking it; empty where the peer has closed."""
    try:
        return connection.recv(PEEK_BYTES, socket.MSG_PEEK)
    except OSError:
        return b""


def _bad_resource(resource: str, reason: str = "") -> InstrumentError:
    detail = f": {reason}" if reason else ""
    return InstrumentError(
        f"'{resource}' is no VISA resource that can be opened{detail}",
        hint=f"write it like {EXAMPLE} (TCPIP0::HOST::PORT::SOCKET)",
    )


def _unreachable(resource: str, reason: str) -> InstrumentError:
    return InstrumentError(
        f"cannot connect to {resource}: {reason}",
        hint="check that the meter is on, its address and port (Keithley and Keysight listen "
        "on 5025), and that this computer is on the same network",
    )


def _disconnected(resource: str, command: str, received: bytes) -> InstrumentError:
    cut = f" in the middle of a reply ({len(received)} bytes had come)" if received else ""
    return InstrumentError(
        f"{resource} closed the connection{cut}; last asked: {command}",
        hint="check the meter's power and network cable, and that no other program took it over",
        context={"sent": command, "received": received.hex(" ")},
    )
