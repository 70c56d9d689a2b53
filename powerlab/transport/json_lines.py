"""Programs that answer JSON requests over TCP, one object a line: bytes, deadlines, whose answer.

Lines are split as bytes: a character may come in two pieces. What is no answer to the request
that waits (progress, information, the answer to one given up) is passed over.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Mapping
from typing import Any

from powerlab.errors import InstrumentError, InstrumentProtocolError
from powerlab.units import NS_PER_S, nanoseconds, now_ns

CONNECT_LIMIT_S = 5.0
REPLY_LIMIT_S = 12.0
LONGEST_LINE = 1 << 26


class LineSplitter:
    """Bytes in, whole lines out; what has no end yet stays inside."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came, in pieces of any length; get the lines without their ends."""
        searched = len(self._rest)
        self._rest += data
        if self._rest.find(b"\n", searched) < 0:
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [line.strip() for line in lines if line.strip()]

    def __len__(self) -> int:
        return len(self._rest)


class JsonLines:
    """One connection; ``passed_over`` keeps the newest objects that answered nothing."""

    def __init__(self, host: str, port: int, name: str) -> None:
        self.resource = f"{host}:{port}"
        self._name = name
        self._splitter = LineSplitter()
        self._waiting: list[Mapping[str, Any]] = []
        self._count = 0
        self.passed_over: list[Mapping[str, Any]] = []
        try:
            self._socket = socket.create_connection((host, port), CONNECT_LIMIT_S)
        except OSError as error:
            raise InstrumentError(
                f"{name} does not answer at {self.resource}",
                hint=f"start {name} on that computer and check host and port",
                context={"reason": str(error)},
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self, deadline_ns: int) -> Mapping[str, Any] | None:
        """Get the next object, None where none has come by the deadline."""
        while not self._waiting:
            left_s = max(0.0, (deadline_ns - now_ns()) / NS_PER_S)
            if not select.select([self._socket], [], [], left_s)[0]:
                return None
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                raise self._gone(str(error)) from error
            if not data:
                raise self._gone("it closed the connection")
            self._waiting += [self._parsed(line) for line in self._splitter.feed(data)]
            if len(self._splitter) > LONGEST_LINE:
                raise self._broken("has no end", b"")
        return self._waiting.pop(0)

    def request(
        self, command: str, data: Mapping[str, Any] | None = None, limit_s: float = REPLY_LIMIT_S
    ) -> Mapping[str, Any]:
        """Send a request and get the data of its answer.

        ``InstrumentError`` where it is refused, with its code in ``context``, or not answered.
        """
        self._count += 1
        number = str(self._count)
        told = {"type": "request", "cmd": command, "trans_id": number, "data": dict(data or {})}
        try:
            self._socket.sendall(json.dumps(told).encode() + b"\r\n")
        except OSError as error:
            raise self._gone(str(error)) from error
        deadline_ns = now_ns() + nanoseconds(limit_s)
        while (answer := self.receive(deadline_ns)) is not None:
            if answer.get("trans_id") == number and answer.get("type") in ("response", "error"):
                return self._data(command, answer)
            self.passed_over = [*self.passed_over[-9:], answer]
        raise InstrumentError(
            f"{self._name} did not answer {command} in {limit_s:g} s",
            hint="see whether it waits for a person, or restart it",
        )

    def close(self) -> None:
        """Close the connection; never raises."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _data(self, command: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        if answer["type"] == "response":
            data: Mapping[str, Any] = answer.get("data") or {}
            return data
        code = answer.get("errorcode", "")
        said = (answer.get("data") or {}).get("message", "")
        raise InstrumentError(
            f"{self._name} refused {command}: {code or 'no reason given'} {said}".strip(),
            hint="see whether its licence, its project and its device allow that",
            context={"errorcode": code, "message": said},
        )

    def _parsed(self, line: bytes) -> Mapping[str, Any]:
        try:
            parsed = json.loads(line)
        except ValueError:
            raise self._broken("is no JSON", line) from None
        if not isinstance(parsed, dict):
            raise self._broken("is no object", line)
        return parsed

    def _broken(self, why: str, line: bytes) -> InstrumentProtocolError:
        return InstrumentProtocolError(
            f"a line from {self.resource} {why}: that is no {self._name}",
            hint="check host and port",
            received=line[:200],
        )

    def _gone(self, reason: str) -> InstrumentError:
        return InstrumentError(
            f"{self._name} at {self.resource} was disconnected",
            hint=f"see whether {self._name} still runs and the device is still plugged in",
            context={"reason": reason},
        )
