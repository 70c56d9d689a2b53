"""The agent on this computer: real inference, honest errors, and nothing left behind."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from powerlab.agent import edges
from powerlab.catalog.bench_profile import Bench
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.devices import line as line_module
from powerlab.devices.link import BoardLink
from powerlab.devices.open import open_board
from powerlab.errors import ConfigError, TargetError
from powerlab.recipes import build_workload
from tests.devices.conftest import BoardPlace

MakeBench = Callable[..., Bench]
MakeModel = Callable[[bytes], dict[str, Path]]

SEED_CNN = Path(__file__).resolve().parents[2] / "workloads" / "seed-cnn.toml"


@pytest.fixture(scope="session")
def seed_cnn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Path]]:
    """Get the seed CNN's files in a format; skips where the packages to build it lack."""
    profile = WorkloadProfile.model_validate(tomllib.loads(SEED_CNN.read_text("utf-8")))
    cache = tmp_path_factory.mktemp("models")

    def build(format_: str) -> dict[str, Path]:
        pytest.importorskip("openvino" if format_ == "openvino-ir" else "ai_edge_litert")
        return build_workload(profile, format_, cache)

    return build


@pytest.mark.parametrize(
    "way",
    [
        ("tflite", "model.tflite", "tflite"),
        ("tflite", "model.tflite", "openvino"),
        ("openvino-ir", "model.xml", "openvino"),
    ],
)
def test_real_inference(
    board: BoardLink,
    place: BoardPlace,
    seed_cnn: Callable[[str], dict[str, Path]],
    way: tuple[str, str, str],
) -> None:
    """A model is sent, built, warmed up and run; every stamp lies where it should."""
    format_, main, runtime = way
    facts = board.load(seed_cnn(format_), main, runtime=runtime, batch=2, seed=1)
    assert facts.runtime == runtime
    assert facts.runtime_version
    assert facts.numpy_version == np.__version__
    assert facts.environment["input"] == "2x88x88x1 float32"
    warm = board.warm_up(0.02)
    first, second = (board.run(index, 5, 30.0, 0.0)[1] for index in (0, 1))
    assert (first.kind, first.index, first.passes) == ("run", 0, 5)
    assert warm.stop_board_ns < first.start_board_ns < first.stop_board_ns < second.start_board_ns
    assert first.stop_board_ns == first.done_board_ns[-1]
    assert np.all(np.diff(first.done_board_ns) > 0)
    (file,) = place.edge_files()
    expected = [(warm, -1), (first, 0), (second, 1)]
    assert edges.read_edges(file.read_bytes()) == [
        edge
        for phase, tag in expected
        for edge in ((phase.start_board_ns, 1, tag), (phase.stop_board_ns, 0, tag))
    ]


def test_all_runtimes_agree(board: BoardLink, seed_cnn: Callable[[str], dict[str, Path]]) -> None:
    """The same weights and input give the same answer by either runtime."""
    files, ir = seed_cnn("tflite"), seed_cnn("openvino-ir")
    answers = {
        board.load(which, main, runtime=runtime, seed=3).environment["output_argmax"]
        for which, main, runtime in (
            (files, "model.tflite", "tflite"),
            (files, "model.tflite", "openvino"),
            (ir, "model.xml", "openvino"),
        )
    }
    assert len(answers) == 1


def test_openvino_sends_nobody_anything(
    board: BoardLink, place: BoardPlace, seed_cnn: Callable[[str], dict[str, Path]]
) -> None:
    """OpenVINO's telemetry stays off: the board's home holds the model cache alone."""
    files = seed_cnn("openvino-ir")
    shutil.rmtree(place.home / "intel", ignore_errors=True)  # of building, in this process
    board.load(files, "model.xml", runtime="openvino")
    assert [path.name for path in place.home.iterdir()] == [".cache"]


def test_clock_exchanges(board: BoardLink) -> None:
    """On one clock each exchange's four stamps are in order, and the round trip is short."""
    got = board.exchange_clocks(50, spacing_s=0.0)
    assert len(got.t1_ns) == 50
    assert np.all(got.t1_ns <= got.t2_board_ns)
    assert np.all(got.t2_board_ns <= got.t3_board_ns)
    assert np.all(got.t3_board_ns <= got.t4_ns)
    assert np.all(np.diff(got.t1_ns) > 0)


def test_hello(board: BoardLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board tells who it is; without the emulator's word it is no emulated one."""
    facts = board.hello()
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["protocol"] == 1
    assert facts["emulated"] is False
    assert facts["environment"]["kernel"] == os.uname().release
    assert len(facts["environment"]["pinned_to"].split(",")) == 1


def test_emulated_board_says_so(
    place: BoardPlace, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the emulator sets in the board's environment reaches the facts."""
    monkeypatch.setenv("POWERLAB_EMULATED", "1")
    with open_board(make_bench()) as link:
        assert link.hello()["emulated"] is True


def test_model_is_sent_once(place: BoardPlace, make_bench: MakeBench, model: MakeModel) -> None:
    """A second agent finds the first one's model in the cache."""
    files, inodes = model(b"weights"), set()
    for _ in range(2):
        with open_board(make_bench()) as link:
            link.load(files, "model.tflite", runtime="steady")
        (cached,) = (place.home / ".cache/powerlab/models").glob("*/model.tflite")
        assert cached.read_bytes() == b"weights"
        inodes.add(cached.stat().st_ino)
    assert len(inodes) == 1


def test_library_that_prints(board: BoardLink, model: MakeModel) -> None:
    """What a runtime writes to stdout goes to stderr and disturbs nothing."""
    board.load(model(b"weights"), "model.tflite", runtime="steady", batch=4)
    assert board.run(0, 3, 30.0, 0.0)[1].passes == 3
    with pytest.raises(TargetError) as caught:
        board.load(model(b"weights"), "model.tflite", runtime="unheard-of")
    assert "loading 7 bytes for batch 4" in str(caught.value.context["stderr"])
    assert caught.value.context["noise"] == ""


def test_guards_around_a_run(board: BoardLink, model: MakeModel) -> None:
    """A run comes with the idle before and after it, which begin and end where it does."""
    board.load(model(b"weights"), "model.tflite", runtime="steady")
    before, run, after = board.run(3, 5, 30.0, 0.02)
    assert [(phase.kind, phase.index, phase.passes) for phase in (before, run, after)] == [
        ("guard", 7, 0),
        ("run", 3, 5),
        ("guard", 8, 0),
    ]
    assert before.stop_board_ns == run.start_board_ns
    assert after.start_board_ns == run.stop_board_ns
    assert before.stop_board_ns - before.start_board_ns >= 19_900_000
    assert after.stop_board_ns - after.start_board_ns >= 19_900_000
    assert before.done_board_ns.size == after.done_board_ns.size == 0


def test_processor_time_and_pauses(board: BoardLink, model: MakeModel) -> None:
    """A run tells the processor time it had; one with pauses when each pass began."""
    board.load(model(b"weights"), "model.tflite", runtime="steady")
    assert 0 <= board.warm_up(0.01).cpu_s < 5
    _, plain, _ = board.run(0, 4, 30.0, 0.0)
    assert 0 <= plain.cpu_s < 5
    assert plain.begun_board_ns.size == 0
    _, run, _ = board.run(1, 4, 30.0, 0.0, dither_s=0.002, dither_every=2)
    assert run.begun_board_ns[[0, 1, 3]].tolist() == [
        run.start_board_ns,
        run.done_board_ns[0],
        run.done_board_ns[2],
    ]
    assert run.begun_board_ns[2] > run.done_board_ns[1]
    assert np.isnan(board.idle(0.001, 0).cpu_s)


def test_several_models_stay_loaded(
    board: BoardLink, place: BoardPlace, model: MakeModel, tmp_path: Path
) -> None:
    """Each slot runs its own model, under tags of its own; one that fails leaves the others."""
    board.load(model(b"weights"), "model.tflite", runtime="steady")
    other = tmp_path / "other"
    other.write_bytes(b"v")
    board.load({"other": other}, "other", runtime="crash", slot=1)
    with pytest.raises(TargetError, match="no kernel"):
        board.run(0, 5, 30.0, 0.0, slot=1)
    assert board.warm_up(0.005, slot=0).passes >= 1
    board.draw(0, [1, 0], 0.002, slot=0)
    assert board.run(7, 5, 30.0, 0.0, slot=0)[1].passes == 5
    with pytest.raises(TargetError, match="no model is loaded"):
        board.warm_up(0.0, slot=2)
    (file,) = place.edge_files()
    tags = [tag for _, _, tag in edges.read_edges(file.read_bytes())]
    assert tags == [edges.run_tag(1, 0)] * 2 + [-1] * 2 + [-2] * 2 + [7] * 2


def test_telemetry(board: BoardLink) -> None:
    """The board tells its state on its own clock, with NaN for what it cannot read."""
    first, second = board.telemetry(), board.telemetry()
    assert first.at_board_ns < second.at_board_ns
    assert first.load >= 0
    assert first.memory_free_bytes > 0
    assert np.isnan(first.temperature_c) or -50 < first.temperature_c < 150
    assert np.isnan(first.frequency_hz) or first.frequency_hz > 1e7


def test_a_trigger_line_that_is_not_there(board: BoardLink) -> None:
    """A board without that line says so, and goes on without one."""
    with pytest.raises(TargetError):
        board.open_line("gpiochip4095:0")
    assert board.hello()["ok"] is True


def test_run_cut_by_its_deadline(board: BoardLink, model: MakeModel) -> None:
    """A run that takes too long ends early and tells how many passes it had."""
    board.load(model(b"weights"), "model.tflite", runtime="steady")
    _, phase, _ = board.run(0, 100_000, 0.02, 0.0)
    assert 1 <= phase.passes == len(phase.done_board_ns) <= 20


@pytest.mark.parametrize(
    "case",
    [
        (b"", "tflite", "model-refused", "refuses the model"),
        (b"no model at all" * 9, "tflite", "model-refused", "ValueError"),
        (b"no model at all" * 9, "openvino", "model-refused", "OpenVINO"),
        (b"weights", "unheard-of", "runtime-unknown", "'unheard-of'"),
    ],
)
def test_models_and_runtimes_that_do_not_work(
    board: BoardLink, model: MakeModel, case: tuple[bytes, str, str, str]
) -> None:
    """A bad model or an unknown runtime is one clear line, and the agent lives on."""
    content, runtime, code, words = case
    with pytest.raises(TargetError) as caught:
        board.load(model(content), "model.tflite", runtime=runtime)
    assert caught.value.context["code"] == code
    assert words in caught.value.message
    assert caught.value.hint
    with pytest.raises(TargetError, match="no model is loaded"):
        board.warm_up(0.0)
    assert board.hello()["ok"] is True


def test_model_that_is_not_here(board: BoardLink, tmp_path: Path) -> None:
    """A missing model file is found before anything is sent."""
    with pytest.raises(ConfigError, match="does not exist"):
        board.load({"model.tflite": tmp_path / "absent"}, "model.tflite", runtime="tflite")


def test_wrong_batch(board: BoardLink, seed_cnn: Callable[[str], dict[str, Path]]) -> None:
    """A batch that the model cannot take is refused in the runtime's own words."""
    with pytest.raises(TargetError, match="refuses the model"):
        board.load(seed_cnn("tflite"), "model.tflite", runtime="tflite", batch=-1)


def test_answers_of_given_up_requests_are_dropped(board: BoardLink, model: MakeModel) -> None:
    """A late answer is never taken for the one that is waited for."""
    line: line_module.AgentLine = board._line
    line.send({"do": "hello"}, limit_s=5.0, doing="asking")
    assert board.exchange_clocks(3).t1_ns.shape == (3,)
    assert "hostname" in board.hello()


def test_oldest_python(
    place: BoardPlace, make_bench: MakeBench, model: MakeModel, python36: str
) -> None:
    """The whole agent works under Python 3.6, and says which runtime such a board lacks."""
    with open_board(make_bench(python=python36)) as link:
        assert link.hello()["python"].startswith("3.6.")
        link.load(model(b"weights"), "model.tflite", runtime="steady")
        assert link.warm_up(0.01).passes >= 1
        assert link.run(0, 5, 30.0, 0.0, dither_s=0.001)[1].passes == 5
        assert link.idle(0.001, 0).passes == 0
        assert link.telemetry().at_board_ns > 0
        assert len(link.exchange_clocks(5).t1_ns) == 5
        with pytest.raises(TargetError, match=r"Python 3\.6\.\d+") as caught:
            link.load(model(b"weights"), "model.tflite", runtime="tflite")
        assert caught.value.context["code"] == "runtime-missing"
    assert place.leftovers() == []


@pytest.fixture
def python36() -> str:
    """Get a Python 3.6, or skip where there is none."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for path in (home / ".pyenv/versions").glob("3.6*/bin/python"):
        return str(path)
    pytest.skip("no Python 3.6 is installed here")
