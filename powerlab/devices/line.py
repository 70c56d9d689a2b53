"""The line to the agent: requests, answers, deadlines, and what to say when it ends.

One request at a time. The thread that asks also reads, so that an answer is stamped by the
thread that waited for it, right after the system call that brought it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from powerlab.agent.bundle import GREETING, payload
from powerlab.agent.protocol import Frame, Message, Unpacker, pack
from powerlab.errors import PowerlabError, TargetError
from powerlab.transport.process import ProcessChannel
from powerlab.units import nanoseconds, now_ns

START_LIMIT_S = 30.0
"""From starting ssh to the agent's first word: name look-up, log-in, Python's start."""


class ExplainEnd(Protocol):
    """How a transport explains that its process ended before or in a conversation."""

    def __call__(self, stderr: str, returncode: int, *, started: bool) -> PowerlabError:
        """Get the error for a process that ended so; ``started``: the agent had answered."""
        ...


@dataclass(slots=True)
class Pending:
    """A request under way: its number, when it was sent, and what it is in words."""

    number: int
    sent_ns: int
    doing: str


class AgentLine:
    """A conversation with one agent over one child process; close it in any case."""

    def __init__(self, host: str, channel: ProcessChannel, explain_end: ExplainEnd) -> None:
        self.host = host
        self._channel = channel
        self._explain_end = explain_end
        self._unpacker = Unpacker()
        self._waiting: list[tuple[Frame, int]] = []
        self._number = 0
        self._started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def noise(self) -> str:
        """Get what arrived on the channel besides the agent's frames: a login banner."""
        return self._unpacker.noise.decode("utf-8", errors="replace")

    def close(self) -> None:
        """End the agent (its stdin ends) and the process that carried it; idempotent."""
        self._channel.close()

    def start(self, limit_s: float = START_LIMIT_S) -> None:
        """Send the agent and wait until it is ready.

        Raises what ``explain_end`` says where it does not come up, TargetError where it
        takes longer than ``limit_s``.
        """
        deadline_ns = now_ns() + nanoseconds(limit_s)
        doing = "starting the agent"
        self._await_greeting(deadline_ns, doing)
        self._write(payload(), deadline_ns, doing)
        # Nothing more is sent before the agent is up: its first stage would swallow it.
        self._await(lambda message: message.get("ready") is True, deadline_ns, doing)
        self._started = True

    def send(self, message: Message, *, blob: bytes = b"", limit_s: float, doing: str) -> Pending:
        """Send a request; ``doing`` completes "… while" in an error message."""
        self._number += 1
        frame = pack(message | {"id": self._number}, blob)
        deadline_ns = now_ns() + nanoseconds(limit_s)
        sent_ns = now_ns()
        self._write(frame, deadline_ns, doing)
        return Pending(self._number, sent_ns, doing)

    def receive(self, pending: Pending, *, limit_s: float) -> tuple[Message, int]:
        """Get the answer to a request and when it arrived (host nanoseconds).

        Raises TargetError where the agent reports an error, ends, or says nothing within
        ``limit_s``. Answers to earlier requests, given up since, are dropped.
        """
        deadline_ns = now_ns() + nanoseconds(limit_s)
        (message, _), received_ns = self._await(
            lambda candidate: candidate.get("id") == pending.number, deadline_ns, pending.doing
        )
        if message.get("ok") is False:
            raise self._refusal(message)
        return message, received_ns

    def ask(self, message: Message, *, blob: bytes = b"", limit_s: float, doing: str) -> Message:
        """Send a request and get its answer, both within ``limit_s``."""
        pending = self.send(message, blob=blob, limit_s=limit_s, doing=doing)
        return self.receive(pending, limit_s=limit_s)[0]

    def _write(self, data: bytes, deadline_ns: int, doing: str) -> None:
        try:
            self._channel.write(data, deadline_ns)
        except TimeoutError as error:
            raise self._silence(doing) from error
        except OSError as error:
            raise self._end(doing) from error

    def _await(
        self, wanted: Callable[[Message], bool], deadline_ns: int, doing: str
    ) -> tuple[Frame, int]:
        while True:
            while self._waiting:
                frame, received_ns = self._waiting.pop(0)
                if wanted(frame[0]):
                    return frame, received_ns
            data, received_ns = self._read(deadline_ns, doing)
            self._waiting += [(frame, received_ns) for frame in self._unpacker.feed(data)]

    def _await_greeting(self, deadline_ns: int, doing: str) -> None:
        """Skip what a login prints, until the first stage asks for the agent.

        A shell that never starts Python must not be fed with 60 kB of source.
        """
        seen = b""
        while GREETING not in seen:
            seen += self._read(deadline_ns, doing)[0]
        before, _, after = seen.partition(GREETING)
        self._unpacker.feed(before + after)

    def _read(self, deadline_ns: int, doing: str) -> tuple[bytes, int]:
        try:
            data = self._channel.read(deadline_ns)
        except TimeoutError as error:
            raise self._silence(doing) from error
        received_ns = now_ns()
        if not data:
            raise self._end(doing)
        return data, received_ns

    def _refusal(self, message: Message) -> TargetError:
        return TargetError(
            f"{self.host}: {message.get('message')}",
            hint=str(message.get("hint")),
            context=self._context(code=message.get("error"), detail=message.get("detail")),
        )

    def _silence(self, doing: str) -> TargetError:
        error = TargetError(
            f"{self.host} did not answer in time while {doing}",
            hint="check that the board is still on and reachable, and whether it is overloaded",
            context=self._context(),
        )
        self._channel.close(grace_s=1.0)
        return error

    def _end(self, doing: str) -> PowerlabError:
        returncode = self._channel.close()
        explained = self._explain_end(self._channel.stderr_tail, returncode, started=self._started)
        explained.context.update(self._context(doing=doing, returncode=returncode))
        return explained

    def _context(self, **more: Any) -> dict[str, object]:
        return {"host": self.host, "stderr": self._channel.stderr_tail, "noise": self.noise, **more}
