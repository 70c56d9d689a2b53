"""The adapters' answers where a runtime is unknown, absent, broken, or refuses the model."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from powerlab.agent import adapters, faults
from powerlab.agent.adapters import inputs, openvino, tflite
from powerlab.agent.faults import AgentError

OPTIONS = {"threads": 1, "batch": 1, "seed": 0}


class FakeInterpreter:
    """Stands in for a package's interpreter class; fails with what the module says."""

    error: Exception | None = None

    def __init__(self, model_path: str, num_threads: int) -> None:
        if self.error is not None:
            raise self.error
        self.shape = [1, 4]

    def allocate_tensors(self) -> None:
        """Do nothing."""

    def invoke(self) -> None:
        """Do nothing."""

    def get_input_details(self) -> list[dict[str, Any]]:
        """Get one float input."""
        return [{"index": 0, "shape": np.array(self.shape), "dtype": np.float32}]

    get_output_details = get_input_details

    def set_tensor(self, _index: int, content: Any) -> None:
        """Keep the input."""
        self.content = content

    def get_tensor(self, _index: int) -> Any:
        """Get the input back."""
        return self.content

    def resize_tensor_input(self, _index: int, shape: list[int], *, strict: bool) -> None:
        """Take the new shape."""
        self.shape = shape


def _install(monkeypatch: pytest.MonkeyPatch, package: str, error: Exception | None = None) -> None:
    module: Any = types.ModuleType(package)
    module.__version__ = "9.9"
    interpreter: Any = types.ModuleType(f"{package}.interpreter")
    interpreter.Interpreter = type("Interpreter", (FakeInterpreter,), {"error": error})
    monkeypatch.setitem(sys.modules, package, module)
    monkeypatch.setitem(sys.modules, f"{package}.interpreter", interpreter)


def _remove(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for package in packages:
        for name in [one for one in sys.modules if one.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)


def _load_error(module: Any, path: str = "model.tflite") -> AgentError:
    with pytest.raises(AgentError) as caught:
        module.load(path, OPTIONS)
    return caught.value


@pytest.mark.parametrize("runtime", ["jax", "tf lite", "../x", "", "TFLITE"])
def test_unknown_runtime(runtime: str) -> None:
    """An unknown runtime is answered with the list of known ones."""
    with pytest.raises(AgentError, match="no adapter") as caught:
        adapters.find_adapter(runtime)
    assert caught.value.code == "runtime-unknown"
    assert "tensorrt, tflite" in caught.value.hint


HELPERS = {"__init__", "engines", "inputs", "ports", "tools"}


def test_built_in_adapters_are_their_files() -> None:
    """Every adapter file is listed, has a name, and the two functions."""
    folder = Path(adapters.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - HELPERS
    assert files == set(adapters.BUILT_IN)
    for name in adapters.BUILT_IN:
        adapter = adapters.find_adapter(name)
        assert name == adapter.NAME
        assert callable(adapter.load)
        assert callable(adapter.invoke)


def test_own_adapter_of_the_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board's own adapter is found by its module name, and its own trouble is told."""
    (tmp_path / "powerlab_adapter_my_npu.py").write_text("NAME = 'my-npu'\n")
    (tmp_path / "powerlab_adapter_bad.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert adapters.find_adapter("my-npu").NAME == "my-npu"
    with pytest.raises(AgentError, match="no_such_library") as caught:
        adapters.find_adapter("bad")
    assert caught.value.code == "adapter-broken"


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        ("3.6.9", "no wheel fits Python 3.6.9"),
        ("3.14.0", "no wheel fits Python 3.14.0"),
        ("3.9.2", "pip install tflite-runtime 'numpy<2'"),
        ("3.12.1", "pip install ai-edge-litert"),
    ],
)
def test_tflite_missing(monkeypatch: pytest.MonkeyPatch, version: str, hint: str) -> None:
    """Without either package the answer names both, this Python, and what fits it."""
    _remove(monkeypatch, "ai_edge_litert", "tflite_runtime")
    monkeypatch.setattr(tflite, "python_version", lambda: version)
    error = _load_error(tflite)
    assert error.code == "runtime-missing"
    assert version in error.message
    assert "ai-edge-litert" in error.message
    assert hint in error.hint


def test_tflite_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first package cannot work the second serves, and the facts say why."""
    _install(monkeypatch, "ai_edge_litert", ImportError("GLIBC_2.27 not found"))
    _install(monkeypatch, "tflite_runtime")
    state = tflite.load("model.tflite", {**OPTIONS, "batch": 3})
    tflite.invoke(state)
    assert state.facts["runtime_module"] == "tflite_runtime"
    assert state.facts["runtime_version"] == "9.9"
    assert state.facts["input"] == "3x4 float32"
    assert "GLIBC_2.27" in state.facts["passed_over"]


def test_tflite_broken_by_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure of an old build under numpy 2 is called that, with the cure."""
    _remove(monkeypatch, "ai_edge_litert")
    _install(monkeypatch, "tflite_runtime", SystemError("<built-in method CreateWrapper> returned"))
    error = _load_error(tflite)
    assert error.code == "runtime-broken"
    assert "numpy<2" in error.hint
    assert "SystemError" in error.detail


def test_numpy_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without numpy is told apart from one without the runtime."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    for module in (tflite, openvino):
        error = _load_error(module)
        assert error.code == "runtime-missing"
        assert "numpy" in error.message


def test_openvino_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the answer names it, this Python, and an alternative."""
    _remove(monkeypatch, "openvino")
    error = _load_error(openvino)
    assert error.code == "runtime-missing"
    assert faults.python_version() in error.message
    assert "--runtime tflite" in error.hint


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.int8, np.int32, np.int64])
def test_input_is_reproducible(dtype: type) -> None:
    """The same seed gives the same input, of the right type, and another seed another."""
    first = inputs.random_input(np, (2, 50), dtype, 7)
    assert first.dtype == dtype
    assert np.array_equal(first, inputs.random_input(np, np.array([2, 50]), dtype, 7))
    assert not np.array_equal(first, inputs.random_input(np, (2, 50), dtype, 8))


def test_input_values() -> None:
    """The drawn numbers are those of numpy's frozen generator, so all boards agree."""
    drawn = inputs.random_input(np, (3,), np.float32, 0)
    assert drawn.tolist() == pytest.approx([0.5488135, 0.71518937, 0.60276338])
