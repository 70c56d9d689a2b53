"""The makers' benchmark programs on a board: stand-ins that print as they do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from powerlab.agent import edges
from powerlab.devices.link import BoardLink
from powerlab.errors import TargetError
from powerlab.records import TargetFacts
from tests.devices.conftest import BoardPlace

PROGRAM = str(Path(__file__).parent / "programs" / "tool.py")
NCNN = "7767517\n2 2\nInput  data  0 1 data 0=88 1=64 2=1\n"

TOOLS = {
    "trtexec": ("trtexec", "model.onnx"),
    "benchmark-app": ("benchmark_app", "model.xml"),
    "benchmark-model": ("benchmark_model", "model.tflite"),
    "benchncnn": ("benchncnn", "model.param"),
    "paddle-lite-benchmark": ("benchmark_bin", "model.nb"),
}
WITHOUT_A_BEGIN = ("benchncnn", "paddle-lite-benchmark")


def _load(board: BoardLink, folder: Path, runtime: str, way: str = "good") -> TargetFacts:
    program, main = TOOLS[runtime]
    path = folder / main
    path.write_text(NCNN)
    more = ["--input_shape=1,1,88,88"] if program == "benchmark_bin" else []
    command = [sys.executable, PROGRAM, program, way, *more]
    return board.load({main: path}, main, runtime=runtime, command=command)


@pytest.mark.parametrize("runtime", sorted(TOOLS))
def test_a_window_lies_between_two_lines(
    board: BoardLink, place: BoardPlace, tmp_path: Path, runtime: str
) -> None:
    """Passes, guards and edges are those of any run; what is not known of the edges is told."""
    facts = _load(board, tmp_path, runtime)
    assert facts.runtime_module
    assert not facts.passes_timed
    assert "passes/s" in facts.environment["tool_stated_at_load"]
    warm = board.warm_up(0.01)
    before, run, after = board.run(2, 60, 30.0, 0.05)
    warm_ups = 8 if runtime == "benchncnn" else 0
    assert (run.passes, len(run.done_board_ns)) == (60 + warm_ups, 60 + warm_ups)
    assert warm.passes >= 10
    length_s = (run.stop_board_ns - run.start_board_ns) / 1e9
    assert float(facts.environment["edges_within_s"]) >= 0.001
    assert run.edges_within_s >= 0.001
    assert before.edges_within_s == after.edges_within_s == 0.0
    assert length_s > 0.03
    for guard in (before, after):
        assert guard.stop_board_ns - guard.start_board_ns >= 49_900_000
    if runtime not in WITHOUT_A_BEGIN:
        assert length_s < 1.0
        assert run.edges_within_s < 0.2
    (file,) = place.edge_files()
    edge = [level for _, level, tag in edges.read_edges(file.read_bytes()) if tag == 2]
    assert edge == [edges.BUSY, edges.IDLE]


WAYS = {
    "segfault": ("signal 11", "command-ended"),
    "killed": ("signal 9", "out-of-memory"),
    "memory": ("OutOfMemory", "out-of-memory"),
    "silent": ("never printed 'Trace averages of'", "tool-output"),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_program_that_fails_in_a_run(
    board: BoardLink, place: BoardPlace, tmp_path: Path, way: str
) -> None:
    """It is a target error with its own words, and the board is idle."""
    said, code = WAYS[way]
    _load(board, tmp_path, "trtexec", way)
    with pytest.raises(TargetError, match=said) as caught:
        board.run(1, 40, 30.0, 0.0)
    assert caught.value.context["code"] == code
    (file,) = place.edge_files()
    levels = [level for _, level, _ in edges.read_edges(file.read_bytes())]
    assert levels == [edges.BUSY, edges.IDLE]


def test_a_model_that_the_program_refuses(board: BoardLink, tmp_path: Path) -> None:
    """Its own complaint is the message."""
    with pytest.raises(TargetError, match="dynamic input is missing dimensions"):
        _load(board, tmp_path, "trtexec", "shape")


def test_a_file_without_its_shape(board: BoardLink, tmp_path: Path) -> None:
    """NCNN's is told the input's size, which the file must hold."""
    path = tmp_path / "model.param"
    path.write_text("7767517\n1 1\nInput data 0 1 data\n")
    with pytest.raises(TargetError, match="holds width, height and channels"):
        board.load({"model.param": path}, "model.param", runtime="benchncnn")


def test_a_program_that_is_not_there(board: BoardLink, tmp_path: Path) -> None:
    """The board's own Python says so."""
    path = tmp_path / "model.tflite"
    path.write_text("")
    with pytest.raises(TargetError, match="benchmark_model"):
        board.load({"model.tflite": path}, "model.tflite", runtime="benchmark-model")
    with pytest.raises(TargetError, match="not given a batch"):
        board.load({"model.tflite": path}, "model.tflite", runtime="benchmark-model", batch=2)


def test_what_it_built_is_removed(board: BoardLink, place: BoardPlace, tmp_path: Path) -> None:
    """An engine is made once, and goes with its slot."""
    _load(board, tmp_path, "trtexec")
    folders = [path for path in place.temporary.iterdir() if path.is_dir()]
    assert [path.name for path in folders[0].iterdir()] == ["model.engine"]
    _load(board, tmp_path, "benchmark-app")
    assert not folders[0].exists()
