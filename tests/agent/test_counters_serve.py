"""The sampling loop by itself: its schedule, what fails in it, and a host that is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from powerlab.agent.counters import serve
from powerlab.agent.faults import AgentError

MS = 1_000_000


class Clock:
    """A clock that is set by hand; each look at it takes no time."""

    def __init__(self) -> None:
        self.at_ns = 1_000 * MS

    def __call__(self) -> int:
        """Get the time."""
        return self.at_ns


class Source:
    """Counts its reads; the one that is told fails."""

    facts: dict[str, Any] = {"quantity": "power", "parts": ["A"]}  # noqa: RUF012

    def __init__(self) -> None:
        self.reads = 0
        self.fails_at = 0

    def read(self) -> list[float]:
        """Get the number of this read."""
        self.reads += 1
        if self.reads == self.fails_at:
            raise AgentError("counter-gone", "it is not there", "look at it")
        return [float(self.reads)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock of the test's own in the place of the board's."""
    made = Clock()
    monkeypatch.setattr(serve, "now_ns", made)
    return made


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[serve.Sampler]:
    """Get a sampler on a source of the test's own, started with 50 ms."""
    del clock
    source = Source()
    monkeypatch.setattr(serve, "open_source", lambda _words: source)
    receive, send = os.pipe()
    made = serve.Sampler(receive, send, ["test"])
    made.source = source  # type: ignore[attr-defined]
    assert made._answer({"id": 1, "do": "start", "interval_s": 0.05})["ok"]
    yield made
    os.close(receive)
    os.close(send)


def after(sampler: serve.Sampler, clock: Clock, *waits_ms: float) -> list[float]:
    """Let time pass in steps, and sample where it is due; get when that was, in ms."""
    begun_ns = clock.at_ns
    for wait_ms in waits_ms:
        clock.at_ns += round(wait_ms * MS)
        sampler._sample([])
    told = sampler._answer({"id": 2, "do": "read"})
    return [(at - begun_ns) / MS for at in told["at_board_ns"]]


def test_samples_keep_to_a_grid(sampler: serve.Sampler, clock: Clock) -> None:
    """A little late, and back on time; very late, and no burst makes up for it."""
    assert after(sampler, clock, 0, 10, 45, 45, 50) == [0, 55, 100, 150]
    assert after(sampler, clock, 180, 20, 10, 40) == [180, 250]


def test_a_failure_is_told_after_the_samples_before_it(
    sampler: serve.Sampler, clock: Clock
) -> None:
    """They are kept; then sampling has ended, and each question gets the error."""
    sampler.source.fails_at = 3  # type: ignore[attr-defined]
    assert len(after(sampler, clock, 0, 50, 50)) == 2
    for number in range(2):
        told = sampler._answer({"id": number, "do": "read"})
        assert (told["ok"], told["error"], told["id"]) == (False, "counter-gone", number)
    assert sampler._answer({"id": 1, "do": "start", "interval_s": 0.05})["ok"]
    assert len(after(sampler, clock, 0)) == 1


def test_a_host_that_is_gone_ends_it(sampler: serve.Sampler, clock: Clock, monkeypatch) -> None:
    """A minute without a word while it samples; longer while it waits for a model."""
    left: list[int] = []
    monkeypatch.setattr(sampler, "leave", left.append)
    clock.at_ns += round((serve.LOST_S - 1) * 1000) * MS
    sampler._leave_if_alone()
    assert not left
    clock.at_ns += 2000 * MS
    sampler._answer({"id": 1, "do": "stop"})
    sampler._leave_if_alone()
    assert not left
    sampler._answer({"id": 1, "do": "start", "interval_s": 0.05})
    sampler._leave_if_alone()
    assert left == [0]


def test_an_answer_is_a_frame_without_surprises(sampler: serve.Sampler) -> None:
    """What it says of itself can be written as JSON; whatever fails is an error with a hint."""
    told = sampler._answer({"id": 7, "do": "hello"})
    assert json.loads(json.dumps(told))["parts"] == ["A"]
    broken = sampler._answer({"id": 8, "do": "start", "interval_s": "soon"})
    assert (broken["ok"], broken["error"], broken["id"]) == (False, "agent-failed", 8)
    assert broken["hint"]
