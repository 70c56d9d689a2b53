"""The ONNX Runtime and PyTorch adapters, on stand-ins of their documented interfaces."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from powerlab.agent.adapters import onnxruntime, pytorch
from powerlab.agent.faults import AgentError

OPTIONS = {"threads": 2, "batch": 3, "seed": 0}


class Port:
    """An input or output of a session."""

    def __init__(self, name: str, shape: list[Any], kind: str = "tensor(float)") -> None:
        self.name, self.shape, self.type = name, shape, kind


class Binding:
    """Remembers what was bound where, and whether the device was waited for."""

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, str] = {}
        self.waited = 0

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        """Take an input."""
        self.inputs[name] = value

    def bind_output(self, name: str, device: str) -> None:
        """Take an output's device."""
        self.outputs[name] = device

    def synchronize_outputs(self) -> None:
        """Wait."""
        self.waited += 1

    def copy_outputs_to_cpu(self) -> list[Any]:
        """Get the input back."""
        return [self.inputs["x"][0]]


def _onnxruntime(shape: list[Any], offered: list[str], used: list[str]) -> Any:
    class InferenceSession:
        def __init__(self, path: str, settings: Any, providers: list[str]) -> None:
            assert settings.intra_op_num_threads == 2
            if path.endswith("bad"):
                raise RuntimeError("INVALID_PROTOBUF\nsecond line")
            self.asked, self.runs, self.made = providers, 0, Binding()

        def get_providers(self) -> list[str]:
            return used

        def get_inputs(self) -> list[Port]:
            return [Port("x", shape)]

        def get_outputs(self) -> list[Port]:
            return [Port("y", shape)]

        def io_binding(self) -> Binding:
            return self.made

        def run_with_iobinding(self, binding: Binding) -> None:
            assert binding is self.made
            self.runs += 1

    module: Any = types.ModuleType("onnxruntime")
    module.__version__ = "1.31.1"
    module.get_available_providers = lambda: offered
    module.SessionOptions = types.SimpleNamespace
    module.InferenceSession = InferenceSession
    module.OrtValue = types.SimpleNamespace(
        ortvalue_from_numpy=lambda array, device, _number: (array, device)
    )
    return module


def _install_onnxruntime(
    monkeypatch: pytest.MonkeyPatch, shape: list[Any], *, cuda: bool, used_cuda: bool
) -> None:
    cpu, both = [onnxruntime.CPU], [onnxruntime.CUDA, onnxruntime.CPU]
    module = _onnxruntime(shape, both if cuda else cpu, both if used_cuda else cpu)
    monkeypatch.setitem(sys.modules, "onnxruntime", module)


@pytest.mark.parametrize(
    ("cuda", "used_cuda", "device"),
    [(False, False, "cpu"), (True, True, "cuda"), (True, False, "cpu")],
)
def test_a_session(
    monkeypatch: pytest.MonkeyPatch, *, cuda: bool, used_cuda: bool, device: str
) -> None:
    """Inputs and outputs lie on the device really used, and each pass waits for it."""
    _install_onnxruntime(monkeypatch, ["n", 4], cuda=cuda, used_cuda=used_cuda)
    state = onnxruntime.load("model.onnx", OPTIONS)
    onnxruntime.invoke(state)
    assert state.session.runs == state.binding.waited == 2
    content, place = state.binding.inputs["x"]
    assert content.shape == (3, 4)
    assert place == state.binding.outputs["y"] == state.facts["device"] == device
    assert state.facts["input"] == "3x4 float32"
    assert state.facts["output_argmax"] == str(int(content[0].argmax()))


@pytest.mark.parametrize(
    ("shape", "path", "said"),
    [
        ([1, 4], "model.onnx", "fixed batch of 1, not 3"),
        (["n", "width"], "model.onnx", "cannot be run as asked"),
        (["n", 4], "bad", "INVALID_PROTOBUF$"),
    ],
)
def test_a_model_that_onnxruntime_cannot_run(
    monkeypatch: pytest.MonkeyPatch, shape: list[Any], path: str, said: str
) -> None:
    """A model that cannot be run as asked is refused in one line."""
    _install_onnxruntime(monkeypatch, shape, cuda=False, used_cuda=False)
    with pytest.raises(AgentError, match=said) as caught:
        onnxruntime.load(path, OPTIONS)
    assert caught.value.code == "model-refused"


class FakeTorch:
    """A module ``torch`` whose tensors are numpy arrays with a place."""

    def __init__(self, *, cuda: bool, described: str) -> None:
        self.waited, self.gradients = 0, True
        self.described = described
        self.__version__ = "1.10.0"
        self.jit = types.SimpleNamespace(load=self._load)
        self.cuda = types.SimpleNamespace(
            is_available=lambda: cuda, synchronize=self._wait, get_device_name=lambda: "NVIDIA X"
        )

    def set_num_threads(self, count: int) -> None:
        """Take the threads."""
        assert count == 2

    def set_num_interop_threads(self, _count: int) -> None:
        """Refuse, as a build may that has started its threads."""
        raise RuntimeError("cannot set number of interop threads after parallel work has started")

    def from_numpy(self, content: Any) -> Any:
        """Get a tensor."""
        return types.SimpleNamespace(to=lambda _device: content)

    def no_grad(self) -> Any:
        """Get what keeps gradients off."""
        return self

    def __enter__(self) -> None:
        """Keep them off."""
        self.gradients = False

    def __exit__(self, *_args: object) -> None:
        """Let them on."""
        self.gradients = True

    def _wait(self) -> None:
        self.waited += 1

    def _load(self, path: str, map_location: str, _extra_files: dict[str, Any]) -> Any:
        if path.endswith("bad"):
            raise RuntimeError("PytorchStreamReader failed")
        _extra_files["powerlab.json"] = self.described.encode()

        def forward(content: Any) -> Any:
            assert not self.gradients
            return (content,)

        return types.SimpleNamespace(eval=lambda: forward)


DESCRIBED = json.dumps({"inputs": [{"shape": [1, 4], "dtype": "float32"}]})


@pytest.mark.parametrize("cuda", [False, True])
def test_a_torchscript_file(monkeypatch: pytest.MonkeyPatch, *, cuda: bool) -> None:
    """Each pass waits for CUDA where it is there, and runs without gradients."""
    torch = FakeTorch(cuda=cuda, described=DESCRIBED)
    monkeypatch.setitem(sys.modules, "torch", torch)
    state = pytorch.load("model.pt", OPTIONS)
    pytorch.invoke(state)
    assert torch.waited == (2 if cuda else 0)
    assert state.facts["device"] == ("NVIDIA X" if cuda else "cpu")
    assert state.facts["input"] == "3x4 float32"


@pytest.mark.parametrize(
    ("path", "described", "said"),
    [
        ("model.pt", "", "does not say what goes into it"),
        ("model.pt", '{"inputs": 3}', "does not say what goes into it"),
        ("bad", DESCRIBED, "PytorchStreamReader failed"),
    ],
)
def test_a_file_that_torch_cannot_run(
    monkeypatch: pytest.MonkeyPatch, path: str, described: str, said: str
) -> None:
    """A file that does not say its inputs, or is no TorchScript, is refused in one line."""
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(cuda=False, described=described))
    with pytest.raises(AgentError, match=said) as caught:
        pytorch.load(path, OPTIONS)
    assert caught.value.code == "model-refused"


@pytest.mark.parametrize(("adapter", "package"), [(onnxruntime, "onnxruntime"), (pytorch, "torch")])
def test_packages_absent_and_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, adapter: Any, package: str
) -> None:
    """A package that is not there is told apart from one that cannot be imported."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AgentError) as caught:
        adapter.load("model", OPTIONS)
    assert caught.value.code == "runtime-missing"
    assert package in caught.value.message
    monkeypatch.delitem(sys.modules, package)
    (tmp_path / f"{package}.py").write_text("raise ImportError('libgomp.so.1: no static TLS')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AgentError, match="static TLS") as caught:
        adapter.load("model", OPTIONS)
    assert caught.value.code == "runtime-broken"


def test_the_same_input_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both fill their input from the seed in the same way, so answers can be compared."""
    _install_onnxruntime(monkeypatch, ["n", 4], cuda=False, used_cuda=False)
    monkeypatch.setitem(sys.modules, "torch", FakeTorch(cuda=False, described=DESCRIBED))
    first = onnxruntime.load("model.onnx", OPTIONS).binding.inputs["x"][0]
    assert np.array_equal(first, pytorch.load("model.pt", OPTIONS).inputs[0])
