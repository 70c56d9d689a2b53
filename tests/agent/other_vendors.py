"""Stand-ins of eight runtimes' documented interfaces, each a net that gives its input back.

Whoever runs a net counts in ``RUNS``; whoever waits for the device counts in ``WAITS``.
"""

from __future__ import annotations

import types
from collections import Counter
from typing import Any

import numpy as np

RUNS: Counter[str] = Counter()
WAITS: Counter[str] = Counter()


def _module(name: str, **content: Any) -> Any:
    module: Any = types.ModuleType(name)
    module.__version__ = "9.9"
    for key, value in content.items():
        setattr(module, key, value)
    return module


class _Mat:
    def __init__(self, content: Any) -> None:
        self.content = content

    def clone(self) -> Any:
        return _Mat(self.content.copy())

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.content, dtype)


class _Extractor:
    def input(self, name: str, mat: Any) -> int:
        self.mat = mat
        return 0 if name == "data" else -1

    def extract(self, name: str) -> tuple[int, Any]:
        assert name == "output"
        RUNS["ncnn"] += 1
        return 0, self.mat


class _Net:
    def __init__(self) -> None:
        self.opt = types.SimpleNamespace(use_fp16_packed=True, use_bf16_storage=True)

    def load_param(self, path: str) -> int:
        return 0 if path.endswith(".param") else -1

    def load_model(self, path: str) -> int:
        assert path.endswith("model.bin")
        assert (self.opt.use_fp16_packed, self.opt.use_bf16_storage) == (False, False)
        return 0

    def output_names(self) -> list[str]:
        return ["output"]

    def create_extractor(self) -> Any:
        return _Extractor()


def ncnn() -> dict[str, Any]:
    """Get a module whose nets read a .param file of one input."""
    return {"ncnn": _module("ncnn", Net=_Net, Mat=_Mat)}


class _Handle:
    def __init__(self) -> None:
        self.shape: Any = ()
        self.content: Any = None

    def reshape(self, shape: Any) -> None:
        self.shape = tuple(shape)

    def copy_from_cpu(self, content: Any) -> None:
        assert content.shape == self.shape
        self.content = content

    def copy_to_cpu(self) -> Any:
        return self.content

    from_numpy = copy_from_cpu
    numpy = copy_to_cpu


def paddlepaddle(*, cuda: bool) -> dict[str, Any]:
    """Get ``paddle`` and ``paddle.inference``."""

    class Config:
        def __init__(self, program: str, parameters: str) -> None:
            assert (program[-5:], parameters[-10:]) == (".json", ".pdiparams")
            self.on_gpu = False

        def disable_glog_info(self) -> None:
            """Be quiet."""

        def set_cpu_math_library_num_threads(self, count: int) -> None:
            assert count == 2

        def enable_use_gpu(self, _memory_mb: int, device: int) -> None:
            self.on_gpu = device == 0

    class Predictor:
        def __init__(self, config: Any) -> None:
            assert config.on_gpu == cuda
            self.handle = _Handle()

        def get_input_names(self) -> list[str]:
            return ["x"]

        get_output_names = get_input_names

        def get_input_handle(self, _name: str) -> Any:
            return self.handle

        get_output_handle = get_input_handle

        def run(self) -> None:
            RUNS["paddlepaddle"] += 1

    def synchronise() -> None:
        WAITS["paddlepaddle"] += 1

    inference = _module("paddle.inference", Config=Config, create_predictor=Predictor)
    device = types.SimpleNamespace(
        cuda=types.SimpleNamespace(device_count=lambda: 1, synchronize=synchronise)
    )
    paddle = _module(
        "paddle", inference=inference, device=device, is_compiled_with_cuda=lambda: cuda
    )
    return {"paddle": paddle, "paddle.inference": inference}


class _OldTensor:
    def resize(self, shape: list[int]) -> None:
        self.lengths = shape

    def set_float_data(self, values: list[float]) -> None:
        self.values = values

    def float_data(self) -> list[float]:
        return self.values

    def shape(self) -> list[int]:
        return self.lengths


class _NewTensor(_Handle):
    def from_numpy(self, content: Any) -> None:
        self.content = content


def paddle_lite(*, old: bool) -> dict[str, Any]:
    """Get ``paddlelite.lite``, an ``old`` one with lists of numbers for tensors."""

    class MobileConfig:
        def set_model_from_file(self, path: str) -> None:
            if not path.endswith(".nb"):
                raise RuntimeError("model is not optimised")

        def set_threads(self, count: int) -> None:
            assert count == 2

    class Predictor:
        def __init__(self, _config: Any) -> None:
            self.tensor = _OldTensor() if old else _NewTensor()

        def get_input(self, index: int) -> Any:
            assert index == 0
            return self.tensor

        get_output = get_input

        def run(self) -> None:
            RUNS["paddle_lite"] += 1

    lite = _module("lite", MobileConfig=MobileConfig, create_paddle_predictor=Predictor)
    return {"paddlelite": _module("paddlelite", lite=lite), "paddlelite.lite": lite}


def rknn(*, on_board: bool, npu: bool = True) -> dict[str, Any]:
    """Get ``rknnlite.api`` of a board, else ``rknn.api`` of the toolkit."""

    class Model:
        def load_rknn(self, path: str) -> int:
            return 0 if path.endswith(".rknn") else -1

        def init_runtime(self) -> int:
            return 0 if npu else -3

        def inference(self, inputs: list[Any]) -> list[Any]:
            RUNS["rknn"] += 1
            return inputs

        def release(self) -> None:
            WAITS["rknn released"] += 1

    if on_board:
        api = _module("rknnlite.api", RKNNLite=Model)
        return {"rknnlite": _module("rknnlite", api=api), "rknnlite.api": api}
    api = _module("rknn.api", RKNN=Model)
    return {"rknn": _module("rknn", api=api), "rknn.api": api}


class _Tensor:
    def __init__(self, content: Any) -> None:
        self.content = content

    def numpy(self) -> Any:
        WAITS["tensorflow read"] += 1
        return self.content


def tensorflow(*, gpu: bool, version: str = "2.9.1", lengths: Any = (None, 4)) -> dict[str, Any]:
    """Get a module whose SavedModels give their input back; 2.10 can wait for its devices."""
    spec = types.SimpleNamespace(
        shape=types.SimpleNamespace(as_list=lambda: list(lengths)),
        dtype=types.SimpleNamespace(as_numpy_dtype=np.float32),
    )

    class Signature:
        structured_input_signature = ((), {"x": spec})

        def __call__(self, x: Any) -> Any:
            RUNS["tensorflow"] += 1
            return {"y": x}

    def synchronise() -> None:
        WAITS["tensorflow"] += 1

    def too_late(_count: int) -> None:
        raise RuntimeError("cannot be modified after initialization")

    newer = {} if version < "2.9" else {"sync_devices": synchronise}
    gpus = [types.SimpleNamespace(name="/physical_device:GPU:0")] if gpu else []
    return {
        "tensorflow": _module(
            "tensorflow",
            __version__=version,
            config=types.SimpleNamespace(
                list_physical_devices=lambda _kind: gpus,
                threading=types.SimpleNamespace(
                    set_intra_op_parallelism_threads=too_late,
                    set_inter_op_parallelism_threads=too_late,
                ),
            ),
            test=types.SimpleNamespace(experimental=types.SimpleNamespace(**newer)),
            constant=_Tensor,
            saved_model=types.SimpleNamespace(
                load=lambda _folder: types.SimpleNamespace(
                    signatures={"serving_default": Signature()}
                )
            ),
            keras=keras()["keras"],
        )
    }


def keras(shape: Any = (None, 4)) -> dict[str, Any]:
    """Get a module whose models give their input back."""

    class Model:
        input_shape = shape

        def predict_on_batch(self, content: Any) -> Any:
            RUNS["keras"] += 1
            return content

    def load_model(path: str, *, compile: bool) -> Any:  # noqa: A002 -- Keras's own name
        assert not compile
        if not path.endswith((".keras", ".h5")):
            raise ValueError("File format not supported")
        return Model()

    config = types.SimpleNamespace(backend=lambda: "jax")
    models = types.SimpleNamespace(load_model=load_model)
    return {"keras": _module("keras", models=models, config=config)}


def caffe() -> dict[str, Any]:
    """Get a module whose nets have one blob, in and out."""

    class Blob:
        def __init__(self) -> None:
            self.data = np.zeros((1, 4), np.float32)

        def reshape(self, *shape: int) -> None:
            self.data = np.zeros(shape, np.float32)

    class Net:
        inputs = ("data",)
        outputs = ("data",)

        def __init__(self, text: str, weights: str, phase: int) -> None:
            assert (text[-9:], weights[-11:], phase) == (".prototxt", ".caffemodel", 1)
            self.blobs = {"data": Blob()}

        def reshape(self) -> None:
            """Fit the layers to the blob."""

        def forward(self) -> Any:
            RUNS["caffe"] += 1
            return {"data": self.blobs["data"].data}

    return {"caffe": _module("caffe", Net=Net, TEST=1, set_mode_cpu=lambda: None)}


def mxnet(*, gpu: bool) -> dict[str, Any]:
    """Get a module whose symbols give their input back."""

    class Array:
        def __init__(self, content: Any, ctx: str = "", dtype: Any = None) -> None:
            self.content = np.asarray(content, dtype)
            self.place = ctx

        def asnumpy(self) -> Any:
            return self.content

    class Module:
        def __init__(self, _symbol: Any, data_names: Any, label_names: None, context: str) -> None:
            assert (data_names, context) == (["data"], "gpu" if gpu else "cpu")

        def bind(self, *, for_training: bool, data_shapes: Any) -> None:
            assert not for_training
            self.shapes = data_shapes

        def set_params(self, arguments: Any, auxiliary: Any) -> None:
            assert (list(arguments), list(auxiliary)) == (["w"], ["mean"])

        def forward(self, batch: Any, *, is_train: bool) -> None:
            assert not is_train
            RUNS["mxnet"] += 1
            self.outputs = batch

        def get_outputs(self) -> Any:
            return self.outputs

    def wait() -> None:
        WAITS["mxnet"] += 1

    nd = types.SimpleNamespace(
        load=lambda _path: {"arg:w": Array([1]), "aux:mean": Array([1])}, array=Array, waitall=wait
    )
    return {
        "mxnet": _module(
            "mxnet",
            nd=nd,
            sym=types.SimpleNamespace(load=lambda path: path),
            mod=types.SimpleNamespace(Module=Module),
            io=types.SimpleNamespace(DataBatch=lambda arrays: arrays),
            context=types.SimpleNamespace(num_gpus=lambda: int(gpu)),
            gpu=lambda _number: "gpu",
            cpu=lambda: "cpu",
        )
    }
