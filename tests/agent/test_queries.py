"""Queries at random instants, and passes from image to class."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from powerlab.agent import prepare, queries
from powerlab.agent.edges import BUSY, CAPACITY, IDLE, EdgeFile, read_edges
from powerlab.agent.faults import AgentError


class Work:
    """An adapter that counts its passes and takes some time for each."""

    NAME = "tflite"

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.calls = 0

    def load(self, path: str, options: dict[str, Any]) -> Any:
        """Get a state."""
        return SimpleNamespace(path=path, options=options, facts={})

    def invoke(self, _state: object) -> None:
        """Count one."""
        self.calls += 1
        if self.takes_s:
            time.sleep(self.takes_s)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[EdgeFile]:
    """Get an edge file that is removed afterwards."""
    made = EdgeFile(str(tmp_path / "edges.bin"))
    yield made
    made.finish(0)


def _run(work: Work, file: EdgeFile, asked: dict[str, Any], **changes: Any) -> dict[str, Any]:
    options = {"tag": 3, "passes": 40, "deadline_s": 9.0, "guard_s": 0.0} | changes
    reply: dict[str, Any] = queries.dressed(work, asked).run(None, file, **options)
    return reply


def test_queries_come_at_instants_and_are_answered_in_turn(file: EdgeFile) -> None:
    """None is begun before it came or before the one before it is done; edges tell the rest."""
    work = Work()
    reply = _run(work, file, {"rate_per_s": 2000.0, "seed": 1})
    due, begun, done = (
        np.array(reply[key]) for key in ("due_board_ns", "begun_board_ns", "done_board_ns")
    )
    assert work.calls == reply["passes"] == len(due) == len(begun) == len(done) == 40
    assert due[0] == reply["start_board_ns"]
    assert np.all(np.diff(due) >= 0)
    assert np.all(begun >= due)
    assert np.all(begun[1:] >= done[:-1])
    told = read_edges(Path(file.path).read_bytes())
    assert [level for _, level, _ in told] == [BUSY, IDLE] * (len(told) // 2)
    assert {tag for _, _, tag in told} == {3}
    assert len(told) > 20


def test_queries_that_pile_up_wait_for_their_turn(file: EdgeFile) -> None:
    """A board that is slower than they come has no rest, and their latency grows."""
    reply = _run(Work(1e-3), file, {"rate_per_s": 1e5, "seed": 1})
    waited = np.array(reply["begun_board_ns"]) - np.array(reply["due_board_ns"])
    assert waited[-1] > 30e6
    assert len(read_edges(Path(file.path).read_bytes())) < 10


def test_the_seed_fixes_the_instants_and_the_tag_tells_runs_apart(file: EdgeFile) -> None:
    """The same run again has the same queries, another one has others."""

    def gaps(seed: int, tag: int) -> list[int]:
        reply = _run(Work(), file, {"rate_per_s": 1e5, "seed": seed}, tag=tag)
        return np.diff(reply["due_board_ns"]).tolist()

    first = gaps(1, 3)
    assert gaps(1, 3) == first
    assert gaps(1, 4) != first
    assert gaps(2, 3) != first


def test_the_process_is_poisson() -> None:
    """Gaps are exponential: their mean and their scatter are one over the rate."""
    at = np.array(queries._instants(20000, 50.0, random.Random(5)))
    gaps = np.diff(at) / 1e9
    assert gaps.mean() == pytest.approx(0.02, rel=0.03)
    assert gaps.std() == pytest.approx(0.02, rel=0.03)


def test_a_full_edge_file_costs_edges_and_no_query(file: EdgeFile) -> None:
    """Where not all fit, none between queries is told: the board counts as busy throughout."""
    while file.room() > 50:
        file.publish(IDLE, 0, CAPACITY)
    before = len(read_edges(Path(file.path).read_bytes()))
    assert _run(Work(), file, {"rate_per_s": 2000.0})["passes"] == 40
    assert len(read_edges(Path(file.path).read_bytes())) == before + 2


def test_a_deadline_ends_a_run(file: EdgeFile) -> None:
    """With the query under way."""
    reply = _run(Work(1e-3), file, {"rate_per_s": 1e5}, deadline_s=0.005)
    assert 1 <= reply["passes"] < 40
    assert len(reply["due_board_ns"]) == reply["passes"]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_refused(file: EdgeFile, rate: float) -> None:
    """By the agent as well as by the profile."""
    with pytest.raises(AgentError, match="rate"):
        _run(Work(), file, {"rate_per_s": rate})


def test_nothing_asked_leaves_the_adapter_as_it_is() -> None:
    """And a program of its own windows takes nothing."""
    work = Work()
    assert queries.dressed(work, None) is work
    with pytest.raises(AgentError, match="makes its inferences itself"):
        queries.dressed(SimpleNamespace(run=None), {"rate_per_s": 1.0})


class Interpreter:
    """A TFLite interpreter of one input, which keeps what is put into it."""

    def __init__(self, shape: tuple[int, ...], kind: Any) -> None:
        self.shape, self.kind = shape, kind
        self.content: Any = None

    def get_input_details(self) -> list[dict[str, Any]]:
        """Tell of the input."""
        return [{"shape": np.array(self.shape), "dtype": self.kind, "index": 7}]

    def get_output_details(self) -> list[dict[str, Any]]:
        """Tell of the output."""
        return [{"index": 9}]

    def set_tensor(self, index: int, content: Any) -> None:
        """Keep an input."""
        assert (index, content.dtype, content.shape) == (7, np.dtype(self.kind), self.shape)
        self.content = content

    def get_tensor(self, index: int) -> Any:
        """Get an output whose class is 2."""
        assert index == 9
        return np.array([[0, 1, 5, 2]])


def _end_to_end(shape: tuple[int, ...], kind: Any) -> tuple[Any, Any]:
    work = Work()
    adapter = queries.dressed(work, {"timed": "end-to-end"})
    work.load = lambda path, options: SimpleNamespace(  # type: ignore[method-assign]
        interpreter=Interpreter(shape, kind), facts={}
    )
    return adapter, adapter.load("model", {"seed": 4})


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [(np.float32, 0.0, 1.0), (np.uint8, 0, 255), (np.int8, -128, 127)],
)
def test_a_pass_goes_from_an_image_to_its_class(kind: Any, low: float, high: float) -> None:
    """Averaged, scaled to the input's type, copied in, inferred and read."""
    adapter, state = _end_to_end((2, 8, 6, 3), kind)
    content = state.interpreter.content
    assert low <= content.min() < content.max() <= high
    assert abs(float(content.mean()) - (low + high) / 2) < (high - low) / 10
    assert "16" in state.facts["timed"]
    assert state.prepared.read() == 2
    adapter.invoke(state)


def test_planes_are_told_from_channels() -> None:
    """An input of 3 x 8 x 6 takes the same image, its planes first."""
    _, state = _end_to_end((1, 3, 8, 6), np.float32)
    assert state.prepared.words.startswith("end-to-end: an 8-bit image of 12 x 16")


@pytest.mark.parametrize("shape", [(1, 10), (1, 5, 5, 7)])
def test_an_input_that_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    """It says what to do instead."""
    with pytest.raises(AgentError, match="is no image"):
        _end_to_end(shape, np.float32)


def test_a_runtime_without_a_way_to_its_input_is_refused() -> None:
    """By name, with those that have one."""
    with pytest.raises(AgentError, match="the runtime ncnn has no way to its input"):
        prepare.prepared(SimpleNamespace(NAME="ncnn"), None, 0)
