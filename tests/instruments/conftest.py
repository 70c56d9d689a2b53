"""Fakes for the drivers: scripted links in place of a wire, and the built-in profiles."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from powerlab.catalog.instrument_profile import InstrumentProfile

INSTRUMENTS = Path(__file__).resolve().parents[2] / "instruments"

Exchange = tuple[str, str | Exception | None]


class ScriptedText:
    """A text link that expects exactly these commands, in this order, and answers them.

    An answer of None means that the command asks nothing; an exception is raised.
    """

    resource = "TCPIP0::script::5025::SOCKET"

    def __init__(self, identity: str, exchanges: Iterable[Exchange] = ()) -> None:
        self.identity = identity
        self.closed = False
        self._rest = list(exchanges)

    def expect(self, *exchanges: Exchange) -> None:
        """Add what comes next; nothing may be left of what was expected before."""
        self.finish()
        self._rest = list(exchanges)

    def write(self, command: str) -> None:
        """Take a command without an answer."""
        assert self._next(command) is None, f"{command} asks for an answer"

    def query(self, command: str, limit_s: float = 2.0) -> str:
        """Take a question and give its answer."""
        answer = self._next(command)
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None, f"{command} has no answer"
        return answer

    def close(self) -> None:
        """Note that the link was let go."""
        self.closed = True

    def finish(self) -> None:
        """Check that everything expected was sent."""
        assert not self._rest, f"never sent: {self._rest}"

    def _next(self, command: str) -> str | Exception | None:
        assert self._rest, f"unexpected: {command}"
        expected, answer = self._rest.pop(0)
        assert command == expected
        return answer


class ScriptedBytes:
    """A byte link that answers each request with the next chunk; None is silence."""

    resource = "serial:/dev/script"

    def __init__(self, answers: Iterable[bytes | None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.dropped = bytearray()
        self.late = b""
        self.closed = False
        self._waiting = b""

    def write(self, data: bytes) -> None:
        """Take a request and lay out its answer."""
        self.requests.append(data)
        answer = self.answers.pop(0) if self.answers else None
        self._waiting += self.late + (answer or b"")
        self.late = b""

    def read(self, count: int, deadline_ns: int) -> bytes:
        """Give some of what is there."""
        chunk, self._waiting = self._waiting[:count], self._waiting[count:]
        return chunk

    def drain(self) -> bytes:
        """Drop what is there."""
        dropped, self._waiting = self._waiting, b""
        self.dropped += dropped
        return dropped

    def close(self) -> None:
        """Note that the link was let go."""
        self.closed = True


class CountedStop(threading.Event):
    """A stop that is set at its n-th look, and never waits."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self._looks = looks

    def wait(self, timeout: float | None = None) -> bool:
        """Tell at once whether it is time to stop."""
        self.waits.append(timeout)
        return len(self.waits) >= self._looks


@pytest.fixture(scope="session")
def profile() -> Callable[[str], InstrumentProfile]:
    """Get a built-in instrument profile by its id."""

    def read(identifier: str) -> InstrumentProfile:
        text = (INSTRUMENTS / f"{identifier}.toml").read_text(encoding="utf-8")
        return InstrumentProfile.model_validate(tomllib.loads(text))

    return read


@pytest.fixture
def scripted_text() -> type[ScriptedText]:
    """Get the scripted text link."""
    return ScriptedText


@pytest.fixture
def scripted_bytes() -> type[ScriptedBytes]:
    """Get the scripted byte link."""
    return ScriptedBytes


@pytest.fixture
def stop_after() -> type[CountedStop]:
    """Get a stop event that is set after a number of looks."""
    return CountedStop
