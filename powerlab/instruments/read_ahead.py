"""A stream's bytes fetched by a thread of their own, so that no slow disk makes the meter overrun.

Meters that send by themselves have room for a fraction of a second. Whoever consumes their
samples may wait longer than that, for a disk or a first import; the port is read meanwhile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from powerlab.errors import SetupError
from powerlab.transport.serial_stream import StreamLink
from powerlab.units import nanoseconds, now_ns

WAIT_S = 0.05
MOST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes that came: the port was empty at ``empty_ns``, they were read by ``arrived_ns``."""

    data: bytes
    empty_ns: int
    arrived_ns: int


class ReadAhead:
    """Reads a link for the length of a ``with`` block."""

    def __init__(self, link: StreamLink) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._parts: list[bytes] = []
        self._bytes = 0
        self._empty_ns = self._arrived_ns = now_ns()
        self._failure: BaseException | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, name="meter port", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()

    def take(self) -> Arrival:
        """Get everything that has come since the last time, with the instants of its last piece.

        Raises what ended the reading, once all that came before it has been taken;
        ``SetupError`` where so much waits that this computer cannot keep up.
        """
        with self._lock:
            data = b"".join(self._parts)
            self._parts.clear()
            waiting, self._bytes = self._bytes, 0
            arrival = Arrival(data, self._empty_ns, self._arrived_ns)
            failure = self._failure
        if failure is not None and not data:
            raise failure
        if waiting > MOST_BYTES:
            raise SetupError(
                f"this computer fell behind the meter by {waiting >> 20} MiB",
                hint="end other programs on it, or record to a faster disk",
            )
        return arrival

    def _read(self) -> None:
        empty_ns = now_ns()
        try:
            while not self._ending.is_set():
                data = self._link.arrived(now_ns() + nanoseconds(WAIT_S))
                at_ns = now_ns()
                if data:
                    with self._lock:
                        self._parts.append(data)
                        self._bytes += len(data)
                        self._empty_ns, self._arrived_ns = empty_ns, at_ns
                empty_ns = at_ns
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            with self._lock:
                self._failure = error
