"""Text instruments behind VISA resource strings, through PyVISA and pyvisa-py, with deadlines.

Four habits of pyvisa-py 0.8 on raw TCP sockets are guarded here (each was tried): a closed
port opens without complaint; a peer that has closed makes ``read`` burn a core until its
time-out; a read that times out drops the part of the reply it already had; and a reply that
comes after its time-out is taken for the answer to the next query. So the socket is looked
at before pyvisa reads from it, only bytes that have arrived are asked for, and after any
time-out the connection is opened anew and ``*IDN?`` must answer as before.

Binary answers are read by their length, straight from the socket: pyvisa-py ends a read at
every line feed in the data, which takes seconds for a megabyte, and knows one block of each
answer only.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError

from powerlab.errors import InstrumentError, InstrumentProtocolError, Transient
from powerlab.transport.visa_resource import (
    SHOWN_BYTES,
    disconnected,
    endless,
    open_resource,
    unreachable,
)
from powerlab.units import NS_PER_S, nanoseconds, now_ns

REPLY_LIMIT_S = 2.0
REOPEN_LIMIT_S = 10.0
PEEK_BYTES = 4095
"""Below pyvisa-py's own chunk of 4096, so that it never takes more than it was asked for."""

MESSAGE_LIMIT_BYTES = 4_000_000
BLOCK_LIMIT_BYTES = 256_000_000
UNTIL_SILENCE = -1
"""An answer of ``Missing``: whole if it ends with a line feed and nothing follows that."""

SILENCE_S = 0.1


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


Missing = Callable[[bytearray], int]
"""Tells from what has come how many bytes are missing at least, 0 where the answer is whole.

``UNTIL_SILENCE`` where it does not say how long it is; ``InstrumentProtocolError`` where it is
no such answer.
"""


class BlockLink(TextLink, Protocol):
    """A text link that also brings binary answers."""

    def query_framed(self, command: str, missing: Missing, limit_s: float = REPLY_LIMIT_S) -> bytes:
        """Send one command and get its answer as it is, to the byte that ``missing`` says.

        ``ReplyTimeout`` after ``limit_s``, what ``missing`` raises where it is no such answer:
        the link is then already open anew and safe to use.
        """


class ReplyTimeout(InstrumentError, Transient):
    """No answer within the limit; the connection was opened anew and the same meter is there."""


class NeverAskedError(ReplyTimeout):
    """Something came unasked, so the connection was opened anew and the question not yet sent."""


class _StrayError(TimeoutError):
    """There were bytes before a question: whatever came next would be off by them."""


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
        except TimeoutError as late:
            raise self._late(command, limit_s, late) from None

    def query_framed(self, command: str, missing: Missing, limit_s: float = REPLY_LIMIT_S) -> bytes:
        """Send one command and get its answer; ``ReplyTimeout`` after ``limit_s``."""
        try:
            return self._framed(command, missing, limit_s)
        except TimeoutError as late:
            raise self._late(command, limit_s, late) from None
        except InstrumentProtocolError:
            # Where this answer ends, and the next begins, nobody knows.
            self._reopen(command)
            raise

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
        self._visa = open_resource(self.resource, self._line_end, REPLY_LIMIT_S)
        connection = self._socket()
        if connection is not None:
            # pyvisa-py reports a refused connection only at the first write.
            refused = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if refused:
                self._drop()
                raise unreachable(self.resource, os.strerror(refused))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _late(self, command: str, limit_s: float, late: TimeoutError) -> InstrumentError:
        """Open the connection anew and get the error for an answer that did not come in time."""
        if self._closed:
            return disconnected(self.resource, command, b"")
        self._reopen(command)
        if isinstance(late, _StrayError):
            return NeverAskedError(
                f"{self.resource} sent what nobody had asked for before {command}",
                hint="check that no other program talks to the meter",
            )
        return ReplyTimeout(
            f"{self.resource} did not answer {command} within {limit_s:g} s",
            hint="the meter or the network to it is slow: put both on one switch",
        )

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
            raise disconnected(self.resource, command, b"")
        deadline_ns = now_ns() + nanoseconds(limit_s)
        connection = self._socket()
        if connection is None:
            return self._plain_query(command, limit_s)
        if _readable(connection, 0.0) and _peek(connection):
            raise _StrayError
        self._send(command)
        return self._read_line(command, connection, deadline_ns)

    def _framed(self, command: str, missing: Missing, limit_s: float) -> bytes:
        if self._visa is None:
            raise disconnected(self.resource, command, b"")
        deadline_ns = now_ns() + nanoseconds(limit_s)
        connection = self._socket()
        if connection is None:
            return self._plain_frame(command, missing, limit_s)
        if _readable(connection, 0.0) and _peek(connection):
            raise _StrayError
        self._send(command)
        received = bytearray()
        while (wanted := missing(received)) != 0:
            if wanted == UNTIL_SILENCE:
                if received.endswith(b"\n") and not _readable(connection, SILENCE_S):
                    break
                there = _peek(connection) if _readable(connection, 0.0) else b""
                wanted = max(1, len(there))
            if len(received) + wanted > BLOCK_LIMIT_BYTES:
                raise endless(self.resource, command, received)
            self._read_exactly(command, connection, deadline_ns, received, wanted)
        return bytes(received)

    def _read_exactly(
        self,
        command: str,
        connection: socket.socket,
        deadline_ns: int,
        received: bytearray,
        count: int,
    ) -> None:
        """Append ``count`` bytes, whatever they are; ``TimeoutError`` after the deadline."""
        at, end = len(received), len(received) + count
        received.extend(bytes(count))
        with memoryview(received) as room:
            while at < end:
                if not _readable(connection, (deadline_ns - now_ns()) / NS_PER_S):
                    raise TimeoutError
                try:
                    taken = connection.recv_into(room[at:end])
                except OSError:
                    taken = 0
                if not taken:
                    raise disconnected(self.resource, command, bytes(room[:at]))
                at += taken

    def _read_line(self, command: str, connection: socket.socket, deadline_ns: int) -> str:
        received = bytearray()
        while not received.endswith(b"\n"):
            if not _readable(connection, (deadline_ns - now_ns()) / NS_PER_S):
                raise TimeoutError
            arrived = _peek(connection)
            if not arrived:
                raise disconnected(self.resource, command, bytes(received))
            line_end = arrived.find(b"\n")
            count = len(arrived) if line_end < 0 else line_end + 1
            try:
                received += self._visa.read_bytes(count, break_on_termchar=False)
            except Exception as error:
                raise disconnected(self.resource, command, bytes(received)) from error
            if len(received) > MESSAGE_LIMIT_BYTES:
                raise endless(self.resource, command, received)
        return received.decode("latin-1").strip()

    def _plain_query(self, command: str, limit_s: float) -> str:
        """Ask over VXI-11, HiSLIP, USB or GPIB, where the protocol itself frames messages."""
        with self._told_plainly(command, limit_s):
            return str(self._visa.query(command)).strip()

    def _plain_frame(self, command: str, missing: Missing, limit_s: float) -> bytes:
        ending, self._visa.read_termination = self._visa.read_termination, None
        try:
            with self._told_plainly(command, limit_s):
                self._visa.write(command)
                message = bytes(self._visa.read_raw())
        finally:
            self._visa.read_termination = ending
        if missing(bytearray(message)) > 0:
            raise InstrumentProtocolError(
                f"{self.resource} answered {command} with less than it announced",
                hint="measure again; over USB, try another cable and no hub",
                sent=command.encode("latin-1"),
                received=message[:SHOWN_BYTES],
            )
        return message

    @contextlib.contextmanager
    def _told_plainly(self, command: str, limit_s: float) -> Iterator[None]:
        self._visa.timeout = max(1, round(limit_s * 1000))
        try:
            yield
        except VisaIOError as error:
            if error.error_code == StatusCode.error_timeout:
                raise TimeoutError from None
            raise disconnected(self.resource, command, b"") from error
        except OSError as error:
            raise disconnected(self.resource, command, b"") from error

    def _send(self, command: str) -> None:
        if self._visa is None:
            raise disconnected(self.resource, command, b"")
        try:
            self._visa.write(command)
        except Exception as error:
            raise disconnected(self.resource, command, b"") from error

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
