"""The Edge TPU adapter: what is an Edge TPU's result and what is not."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from powerlab.agent.adapters import edgetpu
from powerlab.agent.faults import AgentError

OPTIONS = {"threads": 1, "batch": 1, "seed": 0}
COMPILED = b"TFL3" + b"\0" * 40 + b"edgetpu-custom-op" + b"\0" * 9


class Interpreter:
    """Stands in for TFLite's: lists the ops that its class says."""

    ops = ("edgetpu-custom-op",)

    def __init__(self, model_path: str, experimental_delegates: list[object]) -> None:
        assert experimental_delegates == ["the delegate"]
        self.invoked = 0

    def allocate_tensors(self) -> None:
        """Do nothing."""

    def invoke(self) -> None:
        """Count."""
        self.invoked += 1

    def get_input_details(self) -> list[dict[str, Any]]:
        """Get one int8 input."""
        return [{"index": 0, "shape": np.array([1, 4]), "dtype": np.int8}]

    get_output_details = get_input_details

    def set_tensor(self, _index: int, content: Any) -> None:
        """Keep the input."""
        self.content = content

    def get_tensor(self, _index: int) -> Any:
        """Get the input back."""
        return self.content

    def _get_ops_details(self) -> list[dict[str, Any]]:
        return [{"op_name": name} for name in self.ops]


def _install(
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None = None,
    ops: tuple[str, ...] = ("edgetpu-custom-op",),
) -> None:
    def load_delegate(library: str) -> object:
        assert library == "libedgetpu.so.1"
        if error is not None:
            raise error
        return "the delegate"

    module: Any = types.ModuleType("tflite_runtime")
    module.__version__ = "2.14.0"
    interpreter: Any = types.ModuleType("tflite_runtime.interpreter")
    interpreter.Interpreter = type("Interpreter", (Interpreter,), {"ops": ops})
    interpreter.load_delegate = load_delegate
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", module)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", interpreter)


def _load(tmp_path: Path, content: bytes = COMPILED, **changes: Any) -> Any:
    path = tmp_path / "model_edgetpu.tflite"
    path.write_bytes(content)
    return edgetpu.load(str(path), {**OPTIONS, **changes})


def test_a_compiled_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiled model runs by the delegate, and the facts say so."""
    _install(monkeypatch)
    state = _load(tmp_path)
    edgetpu.invoke(state)
    assert state.interpreter.invoked == 2
    assert state.facts["device"] == "Edge TPU by libedgetpu.so.1"
    assert "ops_on_cpu" not in state.facts


def test_ops_left_to_the_cpu_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the compiler left to the CPU is a fact of the result."""
    _install(monkeypatch, ops=("EdgeTpuDelegateForCustomOp", "SOFTMAX"))
    assert _load(tmp_path).facts["ops_on_cpu"] == "SOFTMAX"


@pytest.mark.parametrize("content", [b"TFL3" + b"\0" * 2_000_000, b"edgetpu-custom"])
def test_a_model_that_was_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """It would run on the CPU with the delegate loaded: that is no Edge TPU result."""
    _install(monkeypatch)
    with pytest.raises(AgentError, match="no Edge TPU result") as caught:
        _load(tmp_path, content)
    assert caught.value.code == "model-not-compiled"
    assert "edgetpu_compiler" in caught.value.hint


def test_the_op_between_two_pieces_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiled op is found wherever it lies."""
    _install(monkeypatch)
    content = b"\0" * ((1 << 20) - 5) + b"edgetpu-custom-op"
    assert _load(tmp_path, content).facts["device"].startswith("Edge TPU")


def test_a_delegate_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fell back to the CPU altogether is refused as well."""
    _install(monkeypatch, ops=("CONV_2D", "SOFTMAX"))
    with pytest.raises(AgentError, match="fell back to the CPU"):
        _load(tmp_path)


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (OSError("libedgetpu.so.1: cannot open shared object file"), "runtime-missing", "install"),
        (ValueError("Failed to load delegate from libedgetpu.so.1"), "device-missing", "plugdev"),
    ],
)
def test_library_and_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str, hint: str
) -> None:
    """Without the library, and without the device, the cure is named."""
    _install(monkeypatch, error)
    with pytest.raises(AgentError, match=r"libedgetpu\.so\.1") as caught:
        _load(tmp_path)
    assert caught.value.code == code
    assert hint in caught.value.hint
    assert "unrelated" not in caught.value.hint


def test_the_other_pycoral(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The public index's package of that name is recognised, not imported, and called unrelated."""
    _install(monkeypatch, OSError("cannot open shared object file"))
    package = tmp_path / "site" / "pycoral"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(package.parent))
    with pytest.raises(AgentError) as caught:
        _load(tmp_path)
    assert "pycoral is an unrelated one" in caught.value.hint
    (package / "utils").mkdir()
    assert edgetpu.unrelated_pycoral() == ""


def test_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiled model has one batch size."""
    _install(monkeypatch)
    with pytest.raises(AgentError, match="one batch size"):
        _load(tmp_path, batch=2)


def test_without_a_tflite_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either package that drives the delegate, both are named."""
    for name in ("ai_edge_litert", "tflite_runtime"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"{name}.interpreter", None)
    with pytest.raises(AgentError) as caught:
        _load(tmp_path)
    assert caught.value.code in ("runtime-missing", "runtime-broken")
