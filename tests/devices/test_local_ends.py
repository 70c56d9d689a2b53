"""How an agent on this computer ends: crashes, hangs, signals, and starts that fail."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from powerlab.agent import edges
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.link import BoardLink
from powerlab.devices.local import local_python
from powerlab.devices.open import open_board
from powerlab.errors import ConfigError, TargetError
from tests.devices.conftest import BoardPlace

MakeBench = Callable[..., Bench]
MakeModel = Callable[[bytes], dict[str, Path]]


def test_failing_pass(board: BoardLink, place: BoardPlace, model: MakeModel) -> None:
    """A pass that fails ends its window, idle, and says what the runtime said."""
    board.load(model(b"x"), "model.tflite", runtime="crash")
    with pytest.raises(TargetError, match="no kernel for this shape"):
        board.run(0, 5, 30.0, 0.0)
    (file,) = place.edge_files()
    assert [level for _, level, _ in edges.read_edges(file.read_bytes())] == [1, 0]


@pytest.mark.parametrize(
    "case",
    [(b"s", "signal 11 (SIGSEGV)", "the runtime crashed"), (b"k", "signal 9 (SIGKILL)", "memory")],
)
def test_crash_of_the_runtime(
    board: BoardLink, place: BoardPlace, model: MakeModel, case: tuple[bytes, str, str]
) -> None:
    """A crash is told by its signal, with the runtime's last words; no file stays."""
    way, said, hint = case
    board.load(model(way), "model.tflite", runtime="crash")
    with pytest.raises(TargetError) as caught:
        board.run(0, 5, 30.0, 0.0)
    assert f"the agent on this computer ended with {said}" in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.context["doing"] == "in run 1"
    if way == b"s":
        assert "Fatal Python error: Segmentation fault" in caught.value.message
        assert "powerlab-agent/powerlab.agent.windows" in str(caught.value.context["stderr"])
    assert place.leftovers() == []


def test_crash_without_a_home(
    place: BoardPlace, make_bench: MakeBench, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in for the model cache of a board without a home goes with the agent."""
    monkeypatch.setenv("HOME", "/dev/null")
    with open_board(make_bench()) as link:
        link.load(model(b"k"), "model.tflite", runtime="crash")
        (folder,) = place.temporary.glob("powerlab-models-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(TargetError, match="signal 9"):
            link.run(0, 5, 30.0, 0.0)
    assert place.leftovers() == []


def test_runtime_that_hangs(
    place: BoardPlace, make_bench: MakeBench, model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A native call that never returns, with Python's lock held, is waited for and ended."""
    monkeypatch.setattr("powerlab.devices.link.SLOWEST_PASS_S", 0.1)
    with open_board(make_bench()) as link:
        link.load(model(b"h"), "model.tflite", runtime="crash")
        with pytest.raises(TargetError, match="did not answer in time while in run 1"):
            link.run(0, 5, 0.1, 0.0)
        assert place.leftovers() == []


def test_agent_stopped_on_the_board(board: BoardLink, place: BoardPlace, model: MakeModel) -> None:
    """SIGTERM in mid-run: an idle edge, no file, and a clear line on the host."""
    board.load(model(b"weights"), "model.tflite", runtime="steady")
    (file,) = place.edge_files()
    agent = int(file.stem.removeprefix(edges.PREFIX))
    with file.open("rb") as reader:
        stopper = threading.Thread(target=_once_busy, args=(file, agent, signal.SIGTERM))
        stopper.start()
        with pytest.raises(TargetError, match="ended with signal 15"):
            board.run(0, 100_000, 60.0, 0.0)
        stopper.join()
        assert [level for _, level, _ in edges.read_edges(reader.read())] == [1, 0]
    assert place.leftovers() == []


def _once_busy(file: Path, pid: int, number: signal.Signals) -> None:
    while not edges.read_edges(file.read_bytes()):
        pass
    os.kill(pid, number)


def test_host_leaves_in_mid_run(place: BoardPlace, make_bench: MakeBench, model: MakeModel) -> None:
    """Closing from elsewhere, as an interrupt does, ends the agent in the middle of a run."""
    with open_board(make_bench()) as link:
        link.load(model(b"weights"), "model.tflite", runtime="steady")
        (file,) = place.edge_files()
        with file.open("rb") as reader:
            link._line.send(
                {"do": "run", "index": 0, "passes": 100_000, "deadline_s": 60.0, "guard_s": 0.0},
                limit_s=5.0,
                doing="running",
            )
            while not edges.read_edges(file.read_bytes()):
                pass
            link.close()
            assert [level for _, level, _ in edges.read_edges(reader.read())] == [1, 0]
    assert place.leftovers() == []


def test_agent_is_gone_between_requests(board: BoardLink, place: BoardPlace) -> None:
    """An agent killed while nobody waits for it is found out by the next request."""
    (file,) = place.edge_files()
    os.kill(int(file.stem.removeprefix(edges.PREFIX)), signal.SIGKILL)
    with pytest.raises(TargetError, match="signal 9"):
        board.hello()


def test_silent_start(place: BoardPlace, make_bench: MakeBench) -> None:
    """A Python that never starts the agent costs no more than the time limit."""
    with pytest.raises(TargetError, match="did not answer in time while starting the agent"):
        open_board(make_bench(python="sh -c 'exec sleep 600'"), start_limit_s=0.2)


def test_python_that_is_no_python(place: BoardPlace, make_bench: MakeBench) -> None:
    """A program that ends at once is told by its status and last words."""
    with pytest.raises(TargetError, match="ended with status 1"):
        open_board(make_bench(python="false"))
    with pytest.raises(ConfigError, match="does not exist"):
        open_board(make_bench(python="/no/such/python"))


@pytest.mark.parametrize("python", ["", "python3"])
def test_usual_python_is_this_one(
    place: BoardPlace, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    """The default "python3" is powerlab's own, whatever the path holds; a path is obeyed."""
    another = place.home / "python3"
    another.write_text("#!/bin/sh\nexit 1\n")
    another.chmod(0o755)
    monkeypatch.setenv("PATH", str(place.home))
    assert local_python(python) == [sys.executable]
    assert local_python(str(another)) == [str(another)]


@pytest.mark.parametrize("doing", ["idling", "exchanging clocks", "telling about the board"])
def test_frozen_board(
    place: BoardPlace, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch, doing: str
) -> None:
    """A board that stands still is found out by the short limit, with no pass to wait for."""
    monkeypatch.setattr("powerlab.devices.link.ANSWER_LIMIT_S", 0.2)
    with open_board(make_bench()) as link:
        (file,) = place.edge_files()
        os.kill(int(file.stem.removeprefix(edges.PREFIX)), signal.SIGSTOP)
        ask: dict[str, Callable[[], object]] = {
            "idling": lambda: link.idle(0.0, 0),
            "exchanging clocks": link.exchange_clocks,
            "telling about the board": link.hello,
        }
        with pytest.raises(TargetError, match=f"did not answer in time while {doing}"):
            ask[doing]()
    assert place.leftovers() == []
