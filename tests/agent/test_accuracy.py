"""What a loaded model tells of pictures, and the accuracy that a profile states."""

from __future__ import annotations

import tomllib
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from powerlab.agent import accuracy as agent
from powerlab.agent.adapters import find_adapter
from powerlab.agent.faults import AgentError
from powerlab.analysis.accuracy import accuracy, stated_accuracy_findings, wilson
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.errors import ConfigError
from powerlab.recipes import build_workload, main_file
from powerlab.recipes.gabor import gabor_set
from powerlab.recipes.pictures import InputForm, as_input
from powerlab.recipes.recognition import input_form, ranks_told

ROOT = Path(__file__).resolve().parents[2]


def _profile(workload: str) -> WorkloadProfile:
    text = (ROOT / "workloads" / f"{workload}.toml").read_text(encoding="utf-8")
    return WorkloadProfile.model_validate(tomllib.loads(text))


def _loaded(runtime: str, workload: str, folder: Path, batch: int) -> tuple[Any, Any, Path]:
    profile = _profile(workload)
    files = build_workload(profile, profile.formats[runtime], folder)
    main = files[main_file(files)]
    adapter = find_adapter(runtime)
    return adapter, adapter.load(str(main), {"threads": 1, "batch": batch, "seed": 0}), main


@pytest.mark.parametrize("batch", [1, 7])
def test_the_trained_model_recognises_what_its_profile_says(tmp_path: Path, batch: int) -> None:
    """Fresh pictures of the same kind give a share whose interval holds the stated one."""
    pytest.importorskip("ai_edge_litert")
    profile = _profile("seed-cnn-trained-int8")
    adapter, state, main = _loaded("tflite", profile.id, tmp_path, batch)

    def ask(content: bytes) -> dict[str, Any]:
        return agent.classify(adapter, state, content, 5)

    form = input_form(ask, main, profile)
    assert form == InputForm((batch, 88, 88, 1), "int8", (pytest.approx(1 / 255), -128))
    pictures, labels = gabor_set(77, 400)
    inputs = as_input(pictures, form, profile.preprocessing)
    counted = accuracy(ranks_told(ask, inputs, labels, form))
    (stated,) = profile.accuracy
    assert not stated_accuracy_findings(counted.top1, wilson(stated.top1, stated.count))
    assert not stated_accuracy_findings(counted.top5, wilson(stated.top5, stated.count))
    assert counted.top1.count == 400


def test_an_untrained_model_recognises_nothing(tmp_path: Path) -> None:
    """Random weights on 848 classes, by another runtime, in floats."""
    pytest.importorskip("openvino")
    profile = _profile("seed-cnn")
    adapter, state, main = _loaded("openvino", profile.id, tmp_path, 4)

    def ask(content: bytes) -> dict[str, Any]:
        return agent.classify(adapter, state, content, 5)

    form = input_form(ask, main, profile)
    pictures, labels = gabor_set(78, 50)
    inputs = as_input(pictures, form, profile.preprocessing)
    assert accuracy(ranks_told(ask, inputs, labels, form)).top1.value < 0.1


class _Adapter:
    NAME = "keras"

    @staticmethod
    def invoke(_state: Any) -> None:
        """Count nothing: this model answers when it is asked."""


def _echo(shape: tuple[int, ...]) -> Any:
    model = types.SimpleNamespace(predict_on_batch=lambda content: content.reshape(shape[0], -1))
    return types.SimpleNamespace(model=model, content=np.zeros(shape, np.float32))


def test_the_likeliest_classes_in_their_order() -> None:
    """Largest first, of equal ones the lower, as many as are asked for and there are."""
    content = np.array([[[[0.1], [0.9]], [[0.9], [0.3]]]], np.float32)
    told = agent.classify(_Adapter, _echo((1, 2, 2, 1)), content.tobytes() * 2, 3)
    assert told == {"shape": [1, 2, 2, 1], "dtype": "float32", "best": [[1, 2, 3], [1, 2, 3]]}
    assert agent.classify(_Adapter, _echo((1, 2, 2, 1)), b"", 9)["best"] == []


@pytest.mark.parametrize(("content", "top"), [(b"123", 5), (b"\0" * 16, 0), (b"\0" * 16, 101)])
def test_a_bad_request(content: bytes, top: int) -> None:
    """Parts of pictures, and no or too many classes, are refused."""
    with pytest.raises(AgentError) as caught:
        agent.classify(_Adapter, _echo((1, 2, 2, 1)), content, top)
    assert caught.value.code == "bad-request"


def test_a_runtime_without_a_way_in() -> None:
    """A program on the board is not asked about pictures."""
    with pytest.raises(AgentError, match="no way to its input") as caught:
        agent.classify(types.SimpleNamespace(NAME="command"), None, b"", 5)
    assert caught.value.code == "no-port"
    assert "tflite" in caught.value.hint


def test_a_model_that_takes_something_else() -> None:
    """An input that is no picture of the workload is told before any picture is sent."""
    with pytest.raises(ConfigError, match="takes 1x4"):
        input_form(lambda _: {"shape": [1, 4], "dtype": "float32"}, None, _profile("seed-cnn"))


def test_large_sets_are_asked_for_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """No question holds more than its share, and the filling of the last batch is dropped."""
    monkeypatch.setattr("powerlab.recipes.recognition.MOST_BYTES", 64)
    asked: list[int] = []

    def ask(content: bytes) -> dict[str, Any]:
        batch = np.frombuffer(content, np.float32).reshape(-1, 4)
        asked.append(len(content))
        return {"best": np.argsort(-batch, axis=1).tolist()}

    inputs = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 2, 1, 3]].reshape(7, 2, 2, 1)
    form = InputForm((2, 2, 2, 1), "float32")
    told = ranks_told(ask, inputs, np.array([0, 1, 2, 3, 2, 1, 0]), form)
    assert told[:6].tolist() == [0] * 6
    assert told[6] > 0
    assert asked == [64, 64]
