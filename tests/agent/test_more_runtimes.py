"""The adapters of eight more runtimes, on stand-ins of their documented interfaces.

What ran on the real packages is in test_real_runtimes.py.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from powerlab.agent.adapters import find_adapter
from powerlab.agent.faults import AgentError
from tests.agent import other_vendors as vendors

OPTIONS = {"threads": 2, "batch": 3, "seed": 0}
ONE = {**OPTIONS, "batch": 1}
SHAPE = [1, 4]

MODELS = {
    "ncnn": "model.param",
    "paddlepaddle": "model.json",
    "paddle-lite": "model.nb",
    "rknn": "model.rknn",
    "tensorflow": "model.zip",
    "keras": "model.keras",
    "caffe": "model.prototxt",
    "mxnet": "model-symbol.json",
}
WAYS = [
    ("ncnn", vendors.ncnn(), {}),
    ("paddlepaddle", vendors.paddlepaddle(cuda=False), {"device": "cpu"}),
    ("paddlepaddle", vendors.paddlepaddle(cuda=True), {"device": "gpu"}),
    ("paddle-lite", vendors.paddle_lite(old=False), {}),
    ("paddle-lite", vendors.paddle_lite(old=True), {}),
    ("rknn", vendors.rknn(on_board=True), {"runtime_module": "rknnlite.api"}),
    ("rknn", vendors.rknn(on_board=False), {"runtime_module": "rknn.api"}),
    ("tensorflow", vendors.tensorflow(gpu=False), {"device": "cpu"}),
    ("tensorflow", vendors.tensorflow(gpu=True), {"device": "/physical_device:GPU:0"}),
    ("tensorflow", vendors.tensorflow(gpu=True, version="2.4.0"), {}),
    ("keras", vendors.keras(), {"backend": "jax"}),
    ("caffe", vendors.caffe(), {"device": "cpu"}),
    ("mxnet", vendors.mxnet(gpu=False), {"device": "cpu"}),
    ("mxnet", vendors.mxnet(gpu=True), {"device": "gpu"}),
]
WAITING = {"paddlepaddle": "gpu", "tensorflow": "/physical_device:GPU:0", "mxnet": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Get a folder with a model of each format, as far as the adapters read them themselves."""
    inputs = {"inputs": [{"name": "data", "shape": SHAPE, "dtype": "float32"}]}
    (tmp_path / "model.inputs.json").write_text(json.dumps(inputs), encoding="utf-8")
    text = "7767517\n1 1\nInput input 0 1 data 0=2 1=2 2=1\n"
    (tmp_path / "model.param").write_text(text, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("saved/saved_model.pb", "")
    return tmp_path


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put stand-ins in the place of whatever packages there are."""
    for name in ("NCNN", "OPENBLAS", "OMP", "MKL"):
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")
    monkeypatch.setenv("MXNET_CPU_WORKER_NTHREADS", "1")
    monkeypatch.setenv("GLOG_minloglevel", "2")
    for package in ("rknnlite", "rknn", "tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, package, None)

    def put(modules: dict[str, Any]) -> None:
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)

    return put


@pytest.mark.parametrize(("runtime", "modules", "told"), WAYS)
def test_load_and_invoke(
    install: Any, folder: Path, runtime: str, modules: Any, told: dict[str, str]
) -> None:
    """Loading runs the model once and invoking once more, each waiting for a device apart."""
    install(modules)
    adapter = find_adapter(runtime)
    options = ONE if runtime == "ncnn" else OPTIONS
    vendors.RUNS.clear()
    vendors.WAITS.clear()
    state = adapter.load(str(folder / MODELS[runtime]), options)
    adapter.invoke(state)
    assert vendors.RUNS == {adapter.NAME: 2}
    assert told.items() <= state.facts.items()
    size = "1x2x2" if runtime == "ncnn" else "3x4"
    assert state.facts["input"] == f"{size} float32"
    assert 0 <= int(state.facts["output_argmax"]) < 4
    if runtime in WAITING and state.facts["device"] == (WAITING[runtime] or state.facts["device"]):
        assert sum(vendors.WAITS.values()) >= 2


@pytest.mark.parametrize("runtime", MODELS)
def test_packages_absent_and_broken(
    monkeypatch: pytest.MonkeyPatch, install: Any, folder: Path, runtime: str, tmp_path: Path
) -> None:
    """A package that is not there is told apart from one that cannot be imported."""
    install({})
    adapter = find_adapter(runtime)
    package = {"paddlepaddle": "paddle", "paddle-lite": "paddlelite", "rknn": "rknnlite"}
    name = package.get(runtime, runtime)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AgentError) as caught:
        adapter.load(str(folder / MODELS[runtime]), ONE)
    assert caught.value.code == "runtime-missing"
    monkeypatch.delitem(sys.modules, name)
    (tmp_path / f"{name}.py").write_text("raise ImportError('libgomp.so.1: no static TLS')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AgentError, match="static TLS") as caught:
        adapter.load(str(folder / MODELS[runtime]), ONE)
    assert caught.value.code == "runtime-broken"


@pytest.mark.parametrize(
    ("runtime", "modules", "model", "code"),
    [
        ("ncnn", vendors.ncnn(), "model.other", "model-refused"),
        ("paddle-lite", vendors.paddle_lite(old=False), "model.other", "model-refused"),
        ("rknn", vendors.rknn(on_board=True), "model.other", "model-refused"),
        ("rknn", vendors.rknn(on_board=True, npu=False), "model.rknn", "device-missing"),
        ("keras", vendors.keras(), "model.other", "model-refused"),
        ("keras", vendors.keras(shape=(None, None, 4)), "model.h5", "model-refused"),
        ("tensorflow", vendors.tensorflow(gpu=False, version="1.13.1"), "", "runtime-broken"),
        ("tensorflow", vendors.tensorflow(gpu=False, lengths=(1, 4)), "", "model-refused"),
        ("tensorflow", vendors.tensorflow(gpu=False, lengths=(None, None)), "", "model-refused"),
    ],
)
def test_what_cannot_be_run(  # noqa: PLR0917 -- parameters of the cases
    install: Any, folder: Path, runtime: str, modules: Any, model: str, code: str
) -> None:
    """A model of another kind, shape or batch, and an NPU that is not there, are told apart."""
    install(modules)
    path = folder / (model or MODELS[runtime])
    with pytest.raises(AgentError) as caught:
        find_adapter(runtime).load(str(path), ONE if runtime == "ncnn" else OPTIONS)
    assert caught.value.code == code


@pytest.mark.parametrize("text", [None, "", "[]", '{"inputs": [{"dtype": "float32"}]}'])
def test_a_model_of_which_nothing_says_what_goes_in(
    install: Any, folder: Path, text: str | None
) -> None:
    """Where the description is absent or says nothing usable, the message shows one."""
    install(vendors.mxnet(gpu=False))
    path = folder / "model.inputs.json"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    with pytest.raises(AgentError, match="what goes into the model") as caught:
        find_adapter("mxnet").load(str(folder / "model-symbol.json"), OPTIONS)
    assert '"dtype": "float32"' in caught.value.hint


def test_ncnn_wants_one_batch_and_a_size(install: Any, folder: Path) -> None:
    """Ncnn has no batches, and a .param file without sizes is told how to get them."""
    install(vendors.ncnn())
    adapter, path = find_adapter("ncnn"), folder / "model.param"
    with pytest.raises(AgentError, match="single batch size"):
        adapter.load(str(path), OPTIONS)
    path.write_text("7767517\n1 1\nInput input 0 1 data\n", encoding="utf-8")
    with pytest.raises(AgentError, match="how large its input data is") as caught:
        adapter.load(str(path), ONE)
    assert "0=width 1=height" in caught.value.hint


def test_an_archive_without_a_graph(install: Any, folder: Path) -> None:
    """A .zip of anything else is no SavedModel."""
    install(vendors.tensorflow(gpu=False))
    with zipfile.ZipFile(folder / "model.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(AgentError, match=r"no saved_model\.pb"):
        find_adapter("tensorflow").load(str(folder / "model.zip"), OPTIONS)
