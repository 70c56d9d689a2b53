"""A program that prints markers: its windows, and every way in which it can go wrong."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from powerlab.agent import edges
from powerlab.catalog.bench_profile import Bench
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.errors import TargetError
from powerlab.records import TargetFacts
from tests.devices.conftest import BoardPlace

PROGRAM = str(Path(__file__).parent / "programs" / "marked.py")


def _load(board: BoardLink, *words: str, limit_s: float = 60.0) -> TargetFacts:
    command = [sys.executable, PROGRAM, *words]
    return board.load({}, "", runtime="command", command=command, command_limit_s=limit_s)


def _edges(place: BoardPlace) -> list[tuple[int, int, int]]:
    (file,) = place.edge_files()
    return edges.read_edges(file.read_bytes())


def _are_gone(processes: Path) -> bool:
    """Tell whether all processes that a file names come to their end."""
    for process in map(int, processes.read_text().split()):
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(process)
            ended, _, _ = select.select([handle], [], [], 10.0)
            os.close(handle)
            if not ended:
                return False
    return True


def test_windows_of_a_program(board: BoardLink, place: BoardPlace) -> None:
    """Markers become edges, passes and evenly spread ends, between guards of full length."""
    facts = _load(board, "good")
    assert facts.runtime_module == "command"
    assert facts.environment["inferences_chosen_by"] == "the host"
    assert not facts.passes_timed
    assert "marked.py " in facts.environment["command_sha256"]
    assert _edges(place) == []
    warm = board.warm_up(0.1)
    before, run, after = board.run(3, 1000, 30.0, 0.05)
    assert warm.passes == len(warm.done_board_ns) > 50
    assert run.passes == len(run.done_board_ns) == 1000
    assert run.done_board_ns[-1] == run.stop_board_ns
    assert np.ptp(np.diff(run.done_board_ns)) <= 1
    assert run.stop_board_ns - run.start_board_ns > 0
    for guard in (before, after):
        assert guard.stop_board_ns - guard.start_board_ns >= 49_900_000
    told = _edges(place)
    assert [level for _, level, _ in told] == [edges.BUSY, edges.IDLE] * (len(told) // 2)
    assert told[-2:] == [
        (run.start_board_ns, edges.BUSY, 3),
        (run.stop_board_ns, edges.IDLE, 3),
    ]
    drawn = board.draw(0, [1, 0, 1], 0.01)
    assert len(drawn.done_board_ns) == 4


def test_words_travel_as_they_are(board: BoardLink, tmp_path: Path) -> None:
    """No shell reads the arguments: spaces, quotes, substitutions and newlines arrive."""
    words = ["a b", "'\"\\", "$(touch injected)", "`id`; rm -rf x &", "line\nbreak", "*", "", "é"]
    listing = tmp_path / "words.py"
    listing.write_text(f"import sys\nsys.exit('same' if sys.argv[1:] == {words!r} else 'other')\n")
    command = [sys.executable, str(listing), *words]
    with pytest.raises(TargetError, match="before it printed `powerlab: ready`: same"):
        board.load({}, "", runtime="command", command=command)
    assert not Path("injected").exists()


def test_a_program_that_decides_for_itself(board: BoardLink) -> None:
    """One that reads nothing and ends after its window is started anew for each."""
    assert _load(board, "alone").environment["inferences_chosen_by"] == "the program"
    for index in (0, 1):
        _, run, _ = board.run(index, 999, 30.0, 0.01)
        assert run.passes == 1000


def test_a_program_that_ends_after_a_window(board: BoardLink) -> None:
    """One that reads its number and then ends is started anew, and makes what is asked."""
    _load(board, "once")
    assert board.run(0, 1000, 30.0, 0.0)[1].passes == 1000
    assert board.run(1, 1100, 30.0, 0.0)[1].passes == 1100


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("segfault", r"ended by signal 11 \(SIGSEGV\).*no kernel for this shape"),
        ("killed", r"ended by signal 9 \(SIGKILL\)"),
        ("status", r"ended with status 3 before it printed `powerlab: end N`"),
        ("other-count", r"began 1000 inferences and ended 7"),
        ("garbage", r"none of the three markers"),
        ("begin-twice", r"printed `powerlab: begin 5` where `powerlab: end N` is due"),
        ("ready-inside", r"printed `powerlab: ready` where `powerlab: end N` is due"),
        ("disk-full", r"No space left on device"),
        ("hang", r"did not print `powerlab: end N` in time"),
    ],
)
def test_a_program_that_fails_in_a_run(
    board: BoardLink, place: BoardPlace, tmp_path: Path, way: str, said: str
) -> None:
    """It is a target error with the program's own words; the board is idle, nothing is left."""
    processes = tmp_path / "programs.pid"
    _load(board, way, str(processes))
    with pytest.raises(TargetError, match=said) as caught:
        board.run(1, 1000, 0.5 if way == "hang" else 30.0, 0.0)
    assert "no kernel for this shape" in str(caught.value.context["detail"])
    assert caught.value.hint
    assert [level for _, level, _ in _edges(place)] == [edges.BUSY, edges.IDLE]
    assert _are_gone(processes)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("no-model", "ended with status 1 before it printed `powerlab: ready`: infer: cannot load"),
        ("never", "did not print `powerlab: ready` in time"),
    ],
)
def test_a_program_that_never_gets_ready(
    board: BoardLink, place: BoardPlace, way: str, said: str
) -> None:
    """It is a target error as soon as that is sure, at the end of its time at the latest."""
    with pytest.raises(TargetError, match=said) as caught:
        _load(board, way, "model.bin", limit_s=60.0 if way == "no-model" else 0.2)
    assert caught.value.context["code"] in ("command-ended", "command-silent")
    assert _edges(place) == []


def test_markers_that_arrive_together(board: BoardLink) -> None:
    """A program that does not flush has nothing timed, and is told to flush."""
    _load(board, "together")
    with pytest.raises(TargetError, match="arrived together") as caught:
        board.run(0, 20, 30.0, 0.0)
    assert "flush" in caught.value.hint


def test_a_program_that_does_not_wait(board: BoardLink) -> None:
    """One that begins before it is asked would make the guard busy: it is refused."""
    _load(board, "hasty")
    with pytest.raises(TargetError, match="before it was asked to begin"):
        board.run(0, 20, 30.0, 0.2)


@pytest.mark.parametrize("way", ["absent", "a folder", "a text"])
def test_a_program_that_cannot_be_started(board: BoardLink, tmp_path: Path, way: str) -> None:
    """A path that leads to no program is told with the system's reason."""
    path = tmp_path / "infer"
    if way == "a folder":
        path.mkdir()
    elif way == "a text":
        path.write_text("no program")
        path.chmod(0o755)
    with pytest.raises(TargetError, match="cannot be started on the board") as caught:
        board.load({}, "", runtime="command", command=[str(path)])
    assert caught.value.context["code"] == "command-not-started"


def test_a_batch_is_refused(board: BoardLink) -> None:
    """The program counts its own inferences, so no batch may multiply them."""
    command = [sys.executable, PROGRAM, "good"]
    with pytest.raises(TargetError, match="counts its inferences itself"):
        board.load({}, "", runtime="command", command=command, batch=4)


def test_the_agent_takes_its_programs_along(
    board: BoardLink, place: BoardPlace, tmp_path: Path
) -> None:
    """Where the agent is killed, its supervisor ends the program and what that started."""
    processes = tmp_path / "programs.pid"
    _load(board, "good", str(processes))
    (file,) = place.edge_files()
    os.kill(int(file.stem.rpartition("-")[2]), signal.SIGKILL)
    with pytest.raises(TargetError, match="SIGKILL"):
        board.run(0, 20, 30.0, 0.0)
    assert _are_gone(processes)


def test_a_closed_link_ends_the_program(board: BoardLink, tmp_path: Path) -> None:
    """Nothing runs on once the host has gone."""
    processes = tmp_path / "programs.pid"
    _load(board, "good", str(processes))
    board.close()
    assert _are_gone(processes)


def test_the_next_model_of_a_slot_ends_the_program(board: BoardLink, tmp_path: Path) -> None:
    """Loading something else into its slot kills the program."""
    processes = tmp_path / "programs.pid"
    _load(board, "good", str(processes))
    _load(board, "good")
    assert _are_gone(processes)


def test_the_example_of_the_documentation(board: BoardLink, tmp_path: Path) -> None:
    """The C++ program of the how-to page compiles and is measured as it stands."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler is installed here")
    page = Path(__file__).parents[2] / "docs" / "how-to" / "marked-command.md"
    source = page.read_text("utf-8").partition("```cpp\n")[2].partition("```")[0]
    (tmp_path / "infer.cpp").write_text(source)
    binary = tmp_path / "infer"
    words = [compiler, "-std=c++11", "-Wall", "-Werror", "-o", str(binary)]
    subprocess.run([*words, str(tmp_path / "infer.cpp")], check=True)
    (tmp_path / "model.bin").write_bytes(b"weights")
    facts = board.load(
        {}, "", runtime="command", command=[str(binary), str(tmp_path / "model.bin")]
    )
    assert facts.environment["inferences_chosen_by"] == "the host"
    assert board.run(0, 5, 60.0, 0.0)[1].passes == 5
    with pytest.raises(TargetError, match="cannot read"):
        board.load({}, "", runtime="command", command=[str(binary), "/no/such/model"])


def test_no_room_for_the_edge_file(place: BoardPlace, make_bench: Callable[..., Bench]) -> None:
    """A board whose temporary directory is full says so instead of crashing."""
    limit = place.home / "python"
    limit.write_text(f'#!/bin/sh\nulimit -f 1\nexec {sys.executable} "$@"\n')
    limit.chmod(0o755)
    with pytest.raises(TargetError, match="cannot hold the edge file") as caught:
        open_board(make_bench(python=str(limit)))
    assert "TMPDIR" in caught.value.hint
    assert place.leftovers() == []
