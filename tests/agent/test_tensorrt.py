"""The TensorRT adapter on a stand-in of the documented interfaces, and CUDA's library."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from powerlab.agent import cuda
from powerlab.agent.adapters import engines, inputs, tensorrt
from powerlab.agent.faults import AgentError
from tests.agent import vendor

VERSIONS = {
    "7.1.3": (vendor.NumberedEngine, vendor.NumberedContext, "bindings, execute_async_v2"),
    "10.3.0": (vendor.NamedEngine, vendor.NamedContext, "named tensors, execute_async_v3"),
}


@pytest.fixture
def cudart(monkeypatch: pytest.MonkeyPatch) -> vendor.Cudart:
    """Get the device."""
    made = vendor.Cudart()
    monkeypatch.setattr(cuda, "_open", lambda: made)
    return made


@pytest.fixture(params=VERSIONS)
def installed(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cudart: vendor.Cudart
) -> tuple[str, Any, Any]:
    """Get a version that is installed, its engine and its context."""
    make_engine, make_context, _ = VERSIONS[request.param]
    context = make_context(cudart)
    engine = make_engine(context)
    monkeypatch.setitem(sys.modules, "tensorrt", vendor.tensorrt(engine, request.param))
    return request.param, engine, context


def _load(tmp_path: Path, content: bytes = b"engine", batch: int = 1) -> Any:
    path = tmp_path / "model.engine"
    path.write_bytes(content)
    return tensorrt.load(str(path), {"threads": 1, "batch": batch, "seed": 3})


def test_both_interfaces(tmp_path: Path, installed: Any, cudart: vendor.Cudart) -> None:
    """Every version infers on the seed's input, waits for the device, and frees its memory."""
    version, _, _ = installed
    state = _load(tmp_path, batch=2)
    drawn = inputs.random_input(np, (2, 4), np.float32, 3)
    assert state.facts["output_argmax"] == str(int((-drawn[0]).argmax()))
    assert state.facts["input"] == "2x4 float32"
    assert state.facts["runtime_version"] == version
    assert state.facts["interface"] == VERSIONS[version][2]
    waited = cudart.synchronised
    tensorrt.invoke(state)
    assert cudart.queued == []
    assert cudart.synchronised == waited + 1
    state.close()
    assert cudart.blocks == {}


def test_an_engine_is_built_once(
    tmp_path: Path, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept for each model and batch; one that does not suit any more is built anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    built: list[int] = []

    def build(*arguments: Any) -> bytes:
        built.append(arguments[-1])
        return b"engine"

    monkeypatch.setattr(tensorrt, "_build", build)
    path = tmp_path / "model.onnx"

    def load(content: bytes, batch: int) -> None:
        path.write_bytes(content)
        tensorrt.load(str(path), {"threads": 1, "batch": batch, "seed": 3}).close()

    for content, batch in ((b"a", 1), (b"a", 1), (b"a", 2), (b"b", 2), (b"a", 2)):
        load(content, batch)
    assert built == [1, 2, 2]
    kept = list((tmp_path / "cache" / "powerlab" / "engines").iterdir())
    assert len(kept) == 3
    for one in kept:
        one.write_bytes(b"of another board")
    load(b"a", 1)
    assert built == [1, 2, 2, 1]
    for number in range(9):
        load(b"%d" % number, 1)
    assert len(list(kept[0].parent.iterdir())) == engines.MOST_KEPT


def test_a_disk_that_keeps_no_engine(
    tmp_path: Path, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is built each time, and measured all the same."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tensorrt, "_build", lambda *_: b"engine")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a")
    state = tensorrt.load(str(path), {"threads": 1, "batch": 1, "seed": 3})
    assert state.facts["input"] == "1x4 float32"


def test_an_engine_of_another_board(tmp_path: Path, installed: Any, cudart: vendor.Cudart) -> None:
    """TensorRT's own words tell why it gave none."""
    with pytest.raises(AgentError, match="not compatible with this version") as caught:
        _load(tmp_path, b"other")
    assert caught.value.code == "model-refused"
    assert "verbose" not in caught.value.detail


def test_no_room_on_the_device(tmp_path: Path, installed: Any, cudart: vendor.Cudart) -> None:
    """Memory that cannot be had is told with CUDA's words, and the rest is given back."""
    cudart.room = 20
    with pytest.raises(AgentError, match=r"cudaMalloc of 16 bytes.*out of memory") as caught:
        _load(tmp_path)
    assert caught.value.code == "device-failed"
    assert cudart.blocks == {}


def test_a_batch_that_the_engine_has_not(tmp_path: Path, installed: Any) -> None:
    """A batch outside the engine's profile is refused."""
    with pytest.raises(AgentError, match="cannot be") as caught:
        _load(tmp_path, batch=9)
    assert caught.value.code == "model-refused"


def test_a_pass_that_fails(tmp_path: Path, installed: Any, cudart: vendor.Cudart) -> None:
    """False from the runtime and an error of the device are no inferences."""
    _, _, context = installed
    state = _load(tmp_path)
    cudart.failing = 719
    with pytest.raises(AgentError, match="error 719"):
        tensorrt.invoke(state)
    cudart.failing, context.works = 0, False
    with pytest.raises(AgentError, match="does not run"):
        tensorrt.invoke(state)


def test_no_context(tmp_path: Path, installed: Any) -> None:
    """An engine without a context is refused, not crashed upon."""
    _, engine, _ = installed
    engine._context = None
    with pytest.raises(AgentError, match="cannot be loaded"):
        _load(tmp_path)


def test_an_implicit_batch(tmp_path: Path, installed: Any) -> None:
    """The retired kind of engine is named as such."""
    version, engine, _ = installed
    if version != "7.1.3":
        pytest.skip("newer versions have no such engines")
    engine.has_implicit_batch_dimension = True
    with pytest.raises(AgentError, match="implicit batch"):
        _load(tmp_path)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without TensorRT is told that JetPack has it for the system's one."""
    for name in tensorrt.MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AgentError, match="no package tensorrt") as caught:
        _load(tmp_path)
    assert "JetPack" in caught.value.hint


def test_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board without CUDA's library is told its name and where it would be."""
    monkeypatch.setattr(cuda, "LIBRARIES", ("libno-such-cudart.so",))
    monkeypatch.setattr(cuda.ctypes.util, "find_library", lambda _name: None)
    with pytest.raises(AgentError, match=r"libcudart\.so") as caught:
        cuda.Cuda()
    assert caught.value.code == "runtime-missing"
