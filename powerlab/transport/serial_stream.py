"""Serial ports of instruments that talk without being asked: every byte, as soon as it is there.

A stream is read until nothing is left, so the end of a read says two things: what had come by
then, and that nothing else had. Both are needed to place samples in time.
"""

from __future__ import annotations

import os
import select
from typing import Protocol

from powerlab.transport.serial import ByteLink, SerialLink, wait_until
from powerlab.units import NS_PER_S, now_ns

READ_BYTES = 1 << 16
MOST_BYTES = 1 << 22
"""A read ends here even where the instrument never pauses."""

DRAIN_LIMIT_S = 10.0


class StreamLink(ByteLink, Protocol):
    """A byte link that hands over whatever has come."""

    def arrived(self, deadline_ns: int) -> bytes:
        """Wait for the first byte until the deadline; get all that is there then."""


class SerialStream(SerialLink):
    """A ``StreamLink`` over one serial port that nobody else may open meanwhile."""

    def arrived(self, deadline_ns: int) -> bytes:
        """Wait for the first byte until the deadline; get all that is there then.

        ``InstrumentError`` where the port is gone.
        """
        got = bytearray()
        try:
            descriptor = self._port.fileno()
            wait_s = max(0.0, (deadline_ns - now_ns()) / NS_PER_S)
            while select.select([descriptor], [], [], wait_s)[0] and len(got) < MOST_BYTES:
                chunk = os.read(descriptor, READ_BYTES)
                if not chunk:
                    raise OSError("end of file")  # noqa: TRY301 - one way out for all of them
                got += chunk
                wait_s = 0.0
        except Exception as error:
            if got:
                return bytes(got)  # what came counts; the next read tells that the port is gone
            raise self._gone(error) from error
        return bytes(got)


def open_stream(resource: str, baud: int) -> SerialStream:
    """Open a serial port for streaming; raises what ``open_serial`` raises."""
    return SerialStream(resource, baud)


def silence(link: StreamLink, quiet_s: float, limit_s: float = DRAIN_LIMIT_S) -> int | None:
    """Throw away what comes until nothing has come for ``quiet_s``.

    Gets how many bytes that were, None where it did not fall silent within ``limit_s``.
    """
    dropped, end_ns = 0, wait_until(limit_s)
    while now_ns() < end_ns:
        chunk = link.arrived(wait_until(quiet_s))
        if not chunk:
            return dropped
        dropped += len(chunk)
    return None
