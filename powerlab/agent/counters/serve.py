"""The loop that reads a board's counters: samples on a fixed schedule, answers in between.

One thread does both, so that a reply never lacks a sample that was begun before it. Frames are
those of ``powerlab.agent.protocol``. Host to board, each with an ``id``::

    {"do": "hello"}                             the source's facts, below
    {"do": "start", "interval_s": 0.05}         samples from now on, none kept from before
    {"do": "read"}                              the samples since the last reply, as
                                                ``at_board_ns`` and ``values``: [n][parts]
    {"do": "stop"}
    {"do": "bye"}

A value is in watts, or a count of ``unit_j`` joules that begins anew at ``wraps_at`` (0: never),
or null where the sensor told none. The facts: ``quantity`` ("power" or "energy"), ``unit_j``,
``wraps_at`` and ``parts`` (one of each for each value), ``scope`` ("board", "sum" or "rail"),
``not_read`` (other parts there are), ``chips``, ``update_s`` (0 where it is not told),
``stands_for`` (a sentence), ``pushes`` (it tells by itself), ``emulated``; and where they are
told, ``mean_of_s`` (null where nobody knows, then ``mean_limit_s`` is the most it can be),
``device``, ``serial``, ``driver``.
"""

import os
import select
import signal
import traceback
from typing import Any, List, Optional, Tuple

from powerlab.agent import child, facts
from powerlab.agent.clock import now_ns
from powerlab.agent.counters import open_source
from powerlab.agent.faults import AgentError, reason
from powerlab.agent.protocol import PROTOCOL, Message, Unpacker, pack

READ_SIZE = 1 << 16
LOST_S = 60.0
"""While it samples: without a word from the host for so long, the host is gone."""

ORPHAN_S = 900.0
"""The same while it waits to be started: a model may be built meanwhile."""

SHORTEST_INTERVAL_S = 0.0005
NS_PER_S = 1000000000


class Sampler:
    """Serves one host over two file descriptors until told to leave."""

    def __init__(self, receive_fd: int, send_fd: int, words: List[str]) -> None:
        self._receive_fd = receive_fd
        self._send_fd = send_fd
        self._words = words
        self._source: Any = None
        self._interval_ns = 0
        self._due_ns = 0
        self._samples: List[Tuple[int, List[Optional[float]]]] = []
        self._failure: Optional[AgentError] = None
        self._heard_ns = now_ns()

    def serve(self) -> None:
        """Sample and answer; never returns."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _frame: self.leave(128 + got))
        unpacker = Unpacker()
        self._send({"ready": True, "protocol": PROTOCOL, "pid": os.getpid()})
        while True:
            ready = self._wait()
            if self._interval_ns:
                self._sample(ready)
            if self._receive_fd in ready:
                data = os.read(self._receive_fd, READ_SIZE)
                if not data:
                    self.leave(0)
                self._heard_ns = now_ns()
                for message, _ in unpacker.feed(data):
                    self._send(self._answer(message))
            self._leave_if_alone()

    def leave(self, status: int) -> None:
        """End what the source has started, and the process at once."""
        child.kill_all()
        os._exit(status)

    def _wait(self) -> List[int]:
        """Wait for the host, for the source, or until a sample is due."""
        watched = [self._receive_fd]
        wait_ns = NS_PER_S
        if self._interval_ns and hasattr(self._source, "take"):
            watched.append(self._source.fileno())
        elif self._interval_ns:
            wait_ns = min(wait_ns, self._due_ns - now_ns())
        return select.select(watched, [], [], max(0, wait_ns) / NS_PER_S)[0]

    def _sample(self, ready: List[int]) -> None:
        try:
            if hasattr(self._source, "take"):
                if self._source.fileno() in ready:
                    self._samples += self._source.take()
            elif now_ns() >= self._due_ns:
                self._read()
        except Exception as error:
            self._failure = _as_error(error)
            self._interval_ns = 0

    def _read(self) -> None:
        """Take a sample; the next one is due on the grid again, half an interval away at least."""
        begun_ns = now_ns()
        values = self._source.read()
        ended_ns = now_ns()
        # A slow bus takes milliseconds: the middle is when the value was asked for.
        self._samples.append(((begun_ns + ended_ns) // 2, values))
        passed_ns = ended_ns + self._interval_ns // 2 - self._due_ns
        self._due_ns += (passed_ns // self._interval_ns + 1) * self._interval_ns

    def _answer(self, message: Message) -> Message:
        try:
            reply = self._do(message)
            reply["ok"] = True
        except Exception as error:
            reply = _as_error(error).as_reply()
        reply["id"] = message.get("id")
        return reply

    def _do(self, message: Message) -> Message:
        verb = message.get("do")
        if verb == "hello":
            source = self._opened()
            emulated = os.environ.get("POWERLAB_EMULATED") == "1"
            return dict(source.facts, pushes=hasattr(source, "take"), emulated=emulated)
        if verb == "start":
            return self._start(message["interval_s"])
        if verb == "read":
            return self._taken()
        if verb == "stop":
            return self._stop()
        if verb == "bye":
            self._stop()
            return {}
        raise AgentError(
            "bad-request",
            f"the counters do not know how to {verb!r}",
            "use the same version of powerlab on both sides",
        )

    def _opened(self) -> Any:
        if self._source is None:
            self._source = open_source(self._words)
        return self._source

    def _start(self, interval_s: float) -> Message:
        source = self._opened()
        self._samples, self._failure = [], None
        if hasattr(source, "start"):
            source.start(interval_s)
        self._interval_ns = round(max(SHORTEST_INTERVAL_S, interval_s) * NS_PER_S)
        self._due_ns = now_ns()
        return {}

    def _stop(self) -> Message:
        self._interval_ns = 0
        if hasattr(self._source, "stop"):
            self._source.stop()
        return {}

    def _taken(self) -> Message:
        """Get the samples since the last reply; what failed is told once these are out."""
        samples, self._samples = self._samples, []
        if self._failure is not None and not samples:
            raise self._failure
        return {"at_board_ns": [at for at, _ in samples], "values": [row for _, row in samples]}

    def _leave_if_alone(self) -> None:
        limit_s = LOST_S if self._interval_ns else ORPHAN_S
        if now_ns() - self._heard_ns > limit_s * NS_PER_S:
            self.leave(0)

    def _send(self, message: Message) -> None:
        rest = memoryview(pack(message))
        try:
            while rest:
                rest = rest[os.write(self._send_fd, rest) :]
        except OSError:
            self.leave(0)  # nobody listens any more


def serve(receive_fd: int, send_fd: int, words: List[str]) -> None:
    """Serve the counters that ``KIND key=value ...`` names, off the agent's core."""
    with facts.aside(1):
        Sampler(receive_fd, send_fd, words).serve()


def _as_error(error: Exception) -> AgentError:
    if isinstance(error, AgentError):
        return error
    return AgentError(
        "agent-failed",
        f"the counters failed: {reason(error)}",
        "report this with the detail below",
        traceback.format_exc(),
    )
