"""A relay to a port on loopback with the delays of a poor network: the two ways differ."""

from __future__ import annotations

import contextlib
import queue
import random
import socket
import threading
import time
from dataclasses import dataclass
from typing import Self

CHUNK = 1 << 16


@dataclass(frozen=True)
class Way:
    """How long one direction takes: a base, an exponential tail, and now and then a stall."""

    base_s: float
    tail_s: float
    stall_s: float
    stalls: float

    def delay_s(self, draw: random.Random) -> float:
        """Draw the delay of one piece of the stream."""
        stalled = draw.random() < self.stalls
        return self.base_s + draw.expovariate(1 / self.tail_s) + self.stall_s * stalled


class SlowLine:
    """Listens on a port of its own and passes one connection on, each piece late, all in order.

    A context manager; ``port`` is where to connect.
    """

    def __init__(self, target: int, there: Way, back: Way, seed: int) -> None:
        self._target = target
        self._ways = (there, back)
        self._seed = seed
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", self._target))
        self._ends += [near, far]
        for number, (way, source, sink) in enumerate(
            zip(self._ways, (near, far), (far, near), strict=True)
        ):
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pieces: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            draw = random.Random(2 * self._seed + number)
            self._threads += [
                threading.Thread(target=self._take, args=(source, pieces, way, draw)),
                threading.Thread(target=self._give, args=(sink, pieces)),
            ]
        for thread in self._threads[1:]:
            thread.start()

    @staticmethod
    def _take(
        source: socket.socket,
        pieces: queue.SimpleQueue[tuple[float, bytes]],
        way: Way,
        draw: random.Random,
    ) -> None:
        due = 0.0
        data = b"-"
        while data:
            try:
                data = source.recv(CHUNK)
            except OSError:
                data = b""
            due = max(due, time.monotonic() + way.delay_s(draw))
            pieces.put((due, data))

    @staticmethod
    def _give(sink: socket.socket, pieces: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            due, data = pieces.get()
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                if data:
                    sink.sendall(data)
                else:
                    sink.shutdown(socket.SHUT_WR)
