"""The timed windows: counts, stamps, edges, and the state they leave."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from powerlab.agent import windows
from powerlab.agent.clock import CLOCK_ID, _from_float, now_ns
from powerlab.agent.edges import BUSY, IDLE, MARKER_TAG, WARM_UP_TAG, EdgeFile, read_edges
from powerlab.agent.faults import AgentError


class Work:
    """Counts invocations; sees whether the collector is off; fails when told."""

    def __init__(self, fail_at: int = -1) -> None:
        self.calls = 0
        self.collector_on = False
        self.fail_at = fail_at

    def invoke(self, _state: object) -> None:
        """Count one."""
        self.collector_on |= gc.isenabled()
        if self.calls == self.fail_at:
            raise RuntimeError("bad tensor")
        self.calls += 1


@pytest.fixture
def file(tmp_path: Path) -> Iterator[EdgeFile]:
    """Get an edge file that is removed afterwards."""
    made = EdgeFile(str(tmp_path / "edges.bin"))
    yield made
    made.finish(0)


def _edges(file: EdgeFile) -> list[tuple[int, int, int]]:
    return read_edges(Path(file.path).read_bytes())


def _run(work: Work, file: EdgeFile, **changes: Any) -> dict[str, Any]:
    options = {"tag": 0, "passes": 5, "deadline_s": 9.0, "guard_s": 0.0} | changes
    if "dither_s" in options:
        return windows.run_dithered(work.invoke, None, file, **({"dither_every": 1} | options))
    return windows.run(work.invoke, None, file, **options)


def test_run(file: EdgeFile) -> None:
    """A run invokes as often as asked, between two edges that are its start and stop."""
    work = Work()
    reply = _run(work, file, tag=4, passes=7)
    done = reply["done_board_ns"]
    assert work.calls == reply["passes"] == len(done) == 7
    assert sorted(done) == done
    assert reply["start_board_ns"] <= done[0]
    assert reply["stop_board_ns"] == done[-1]
    assert _edges(file) == [
        (reply["start_board_ns"], BUSY, 4),
        (reply["stop_board_ns"], IDLE, 4),
    ]
    assert not work.collector_on
    assert gc.isenabled()


def test_pauses(file: EdgeFile) -> None:
    """Every second pass but the last ends with an idle edge; the next begins with a busy one."""
    work = Work()
    reply = _run(work, file, tag=3, passes=6, dither_s=1e-4, dither_every=2)
    begun, done = reply["begun_board_ns"], reply["done_board_ns"]
    assert work.calls == reply["passes"] == len(begun) == len(done) == 6
    assert [begun[0], begun[1], begun[3], begun[5]] == [
        reply["start_board_ns"],
        done[0],
        done[2],
        done[4],
    ]
    assert _edges(file) == [
        (begun[0], BUSY, 3),
        (done[1], IDLE, 3),
        (begun[2], BUSY, 3),
        (done[3], IDLE, 3),
        (begun[4], BUSY, 3),
        (done[5], IDLE, 3),
    ]
    assert reply["stop_board_ns"] == done[-1]
    assert not work.collector_on


def test_pauses_are_uniform_up_to_their_limit(
    file: EdgeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is slept between the edges fills 0 to the limit, a different time each time."""
    slept: list[float] = []
    monkeypatch.setattr("powerlab.agent.windows.time.sleep", slept.append)
    _run(Work(), file, passes=400, dither_s=0.5)
    guard, *pauses, after = slept
    assert (guard, after) == (0.0, 0.0)
    assert len(set(pauses)) == len(pauses) == 399
    assert 0 <= min(pauses) < 0.05
    assert 0.45 < max(pauses) <= 0.5
    assert 0.2 < sum(pauses) / 399 < 0.3


def test_pauses_end_with_the_deadline(file: EdgeFile) -> None:
    """A paused run that is cut tells the begin of the passes that it made, and ends idle."""
    reply = _run(Work(), file, passes=1000, deadline_s=-1.0, dither_s=1e-4)
    assert len(reply["begun_board_ns"]) == reply["passes"] == 1
    assert [level for _, level, _ in _edges(file)] == [BUSY, IDLE]


@pytest.mark.parametrize("changes", [{"dither_every": 0}, {"dither_s": -1.0}])
def test_impossible_pauses(file: EdgeFile, changes: dict[str, Any]) -> None:
    """Pauses that cannot be are refused before anything runs."""
    with pytest.raises(AgentError, match="no pauses of up to"):
        _run(Work(), file, **{"dither_s": 0.1, "dither_every": 1, **changes})
    assert _edges(file) == []


def test_pauses_need_room_for_their_edges(file: EdgeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose pauses the edge file cannot hold does not begin."""
    monkeypatch.setattr(file, "room", lambda: 100)
    with pytest.raises(AgentError, match="more edges"):
        _run(Work(), file, passes=50, dither_s=1e-6)
    assert _run(Work(), file, passes=49, dither_s=1e-6)["passes"] == 49


def test_processor_time(file: EdgeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process had between the edges is told, the guards left out."""
    spent = iter([10.0, 12.5, 20.0, 21.0])
    monkeypatch.setattr("powerlab.agent.windows.time.process_time", lambda: next(spent))
    assert _run(Work(), file)["cpu_s"] == 2.5
    assert windows.warm_up(Work().invoke, None, file, 0.0)["cpu_s"] == 1.0


def test_guards_adjoin_the_run(file: EdgeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both guards are slept with the collector off, and the reply is made after them."""
    happened: list[str] = []
    make_reply, sleep = windows._reply, time.sleep

    def slept(seconds: float) -> None:
        happened.append(f"sleep {seconds}, collector {gc.isenabled()}")
        happened.append(f"{len(_edges(file))} edges")
        sleep(seconds)

    def replied(*parts: Any) -> dict[str, Any]:
        happened.append("reply")
        return make_reply(*parts)

    monkeypatch.setattr(windows, "_reply", replied)
    monkeypatch.setattr("powerlab.agent.windows.time.sleep", slept)
    reply = _run(Work(), file, passes=3, guard_s=0.01)
    slept_off = "sleep 0.01, collector False"
    assert happened == [slept_off, "0 edges", slept_off, "2 edges", "reply"]
    assert reply["start_board_ns"] - reply["guard_start_board_ns"] >= 9_900_000
    assert reply["guard_stop_board_ns"] - reply["stop_board_ns"] >= 9_900_000
    assert gc.isenabled()


def test_run_ends_at_its_deadline(file: EdgeFile) -> None:
    """A run that would take too long ends with the pass during which its time ran out."""
    reply = _run(Work(), file, passes=1000, deadline_s=-1.0)
    assert reply["passes"] == len(reply["done_board_ns"]) == 1


def test_warm_up(file: EdgeFile) -> None:
    """A warm-up lasts as long as asked, one pass at least, and is tagged as one."""
    assert windows.warm_up(Work().invoke, None, file, 0.0)["passes"] == 1
    reply = windows.warm_up(Work().invoke, None, file, 0.01)
    assert reply["stop_board_ns"] - reply["start_board_ns"] >= 10_000_000
    assert reply["done_board_ns"][-2] - reply["start_board_ns"] < 10_000_000
    assert {tag for _, _, tag in _edges(file)} == {WARM_UP_TAG}


def test_failure_in_a_window(file: EdgeFile) -> None:
    """A runtime that fails leaves the board idle, the collector on, and its own words."""
    with pytest.raises(AgentError, match="RuntimeError: bad tensor") as caught:
        _run(Work(fail_at=2), file, tag=1)
    assert caught.value.code == "inference-failed"
    assert [level for _, level, _ in _edges(file)] == [BUSY, IDLE]
    assert gc.isenabled()


@pytest.mark.parametrize("passes", [0, -3, windows.MAX_PASSES + 1])
def test_impossible_counts(file: EdgeFile, passes: int) -> None:
    """A count that cannot be timed is refused before anything runs."""
    with pytest.raises(AgentError, match="cannot be timed"):
        _run(Work(), file, passes=passes)
    assert _edges(file) == []


def test_full_edge_file(file: EdgeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that could not publish its edges does not begin."""
    monkeypatch.setattr(file, "room", lambda: 2)
    with pytest.raises(AgentError, match="more edges"):
        _run(Work(), file, passes=1)


def test_idle() -> None:
    """Idling takes as long as asked and counts no passes."""
    reply = windows.idle(0.01)
    assert reply["stop_board_ns"] - reply["start_board_ns"] >= 9_900_000
    assert reply["passes"] == 0
    assert reply["done_board_ns"] == []


def test_clock_without_the_exact_call() -> None:
    """Python 3.6's clock reads the same instants as the newer call, to a microsecond."""
    assert CLOCK_ID == 4
    before, between, after = now_ns(), _from_float(), now_ns()
    assert before - 1000 <= between <= after + 1000


def test_a_marker_draws_its_chips(file: EdgeFile) -> None:
    """Load follows the chips on their schedule, and every edge is published and replied."""
    reply = windows.draw(Work().invoke, None, file, [1, 1, 0, 1, 0, 0], 0.004)
    drawn = reply["done_board_ns"]
    assert [(level, tag) for _, level, tag in _edges(file)] == [
        (BUSY, MARKER_TAG),
        (IDLE, MARKER_TAG),
    ] * 2
    assert [t_ns for t_ns, _, _ in _edges(file)] == drawn
    planned = [0.0, 0.008, 0.012, 0.016]
    late = [
        at - reply["start_board_ns"] - 1e9 * plan for at, plan in zip(drawn, planned, strict=True)
    ]
    assert min(late) >= 0
    assert reply["stop_board_ns"] - reply["start_board_ns"] >= 24_000_000
    assert reply["passes"] == 0


def test_a_marker_that_fails_ends_idle(file: EdgeFile) -> None:
    """A runtime that fails in a marker leaves the last edge at idle."""
    with pytest.raises(AgentError) as caught:
        windows.draw(Work(fail_at=2).invoke, None, file, [1, 0, 1], 0.002)
    assert caught.value.code == "inference-failed"
    assert _edges(file)[-1][1] == IDLE
    assert gc.isenabled()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA error: Out of memory (2)"),
        RuntimeError("std::bad_alloc"),
        ValueError("tensorflow: Failed to allocate memory for 256x88x88"),
    ],
)
def test_want_of_memory_is_told_from_other_failures(file: EdgeFile, error: Exception) -> None:
    """By its class or by the runtime's words; the board is idle afterwards."""

    def invoke(_state: object) -> None:
        raise error

    with pytest.raises(AgentError) as caught:
        windows.run(invoke, None, file, tag=0, passes=3, deadline_s=9.0, guard_s=0.0)
    assert caught.value.code == "out-of-memory"
    assert [level for _, level, _ in _edges(file)] == [BUSY, IDLE]
    assert gc.isenabled()
