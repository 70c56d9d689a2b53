"""The same input gives the same answer in every runtime and in plain numpy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from powerlab.recipes import RECIPES
from powerlab.recipes.forward import forward
from powerlab.recipes.layers import Conv, Dense, MaxPool, trace
from powerlab.recipes.weights import draw_weights

WORKLOADS = pytest.mark.parametrize("workload_id", ["seed-cnn", "mobilenet-v2"])
ROOT = Path(__file__).resolve().parents[2]
BOARD_PYTHON = ROOT / ".venv-target" / "bin" / "python"
TOLERANCE = 1e-4


def _inputs(shape, *, batch=1, count=2):
    return np.random.default_rng(11).random((count, batch, *shape[1:]), dtype=np.float32)


def _tflite(python, module, model, inputs, folder):
    """Get the probabilities (count, batch, outputs) from a runtime in its own process."""
    np.save(folder / "in.npy", inputs)
    script = Path(__file__).with_name("run_tflite.py")
    words = [python, script, module, model, folder / "in.npy", folder / "out.npy"]
    run = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return np.load(folder / "out.npy")


def _openvino(model, inputs):
    """Get the same from OpenVINO, held to float32 arithmetic and one thread."""
    openvino = pytest.importorskip("openvino")
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    core = openvino.Core()
    network = core.read_model(model)
    network.reshape(list(inputs.shape[1:]))
    compiled = core.compile_model(network, "CPU", options)
    return np.stack([compiled(batch)[0].copy() for batch in inputs])


def _assert_same(left, right):
    assert left.shape == right.shape
    assert np.array_equal(left.argmax(axis=-1), right.argmax(axis=-1))
    assert np.abs(left - right).max() < TOLERANCE


@pytest.fixture
def litert(built, tmp_path):
    """Get ai-edge-litert's probabilities for a workload and inputs."""

    def run(workload_id, inputs):
        model = built(workload_id, "tflite")
        return _tflite(sys.executable, "ai_edge_litert.interpreter", model, inputs, tmp_path)

    return run


@WORKLOADS
def test_litert_gives_sane_probabilities(litert, workload, workload_id):
    """They sum to one, differ between inputs, and neither vanish nor saturate."""
    probabilities = litert(workload_id, _inputs(workload(workload_id).input_shape))
    assert probabilities.sum(axis=-1) == pytest.approx(1.0, abs=1e-5)
    assert np.abs(probabilities[0] - probabilities[1]).max() > 1e-3
    assert 1.5 / probabilities.shape[-1] < probabilities.max() < 0.99


@WORKLOADS
def test_the_boards_tflite_agrees(litert, built, workload, workload_id, tmp_path):
    """The older runtime of the board's own Python answers as the newer one does."""
    if not BOARD_PYTHON.exists():
        pytest.skip("no .venv-target with tflite-runtime beside this checkout")
    inputs = _inputs(workload(workload_id).input_shape)
    model = built(workload_id, "tflite")
    old = _tflite(BOARD_PYTHON, "tflite_runtime.interpreter", model, inputs, tmp_path)
    _assert_same(old, litert(workload_id, inputs))


@WORKLOADS
@pytest.mark.parametrize("format", ["openvino-ir", "tflite", "onnx"])
def test_openvino_agrees(litert, built, workload, workload_id, format):  # noqa: A002
    """OpenVINO answers as TFLite does, from its own format, the TFLite and the ONNX file."""
    inputs = _inputs(workload(workload_id).input_shape)
    _assert_same(_openvino(built(workload_id, format), inputs), litert(workload_id, inputs))


@WORKLOADS
def test_a_resized_batch_gives_each_row_its_own_answer(litert, built, workload, workload_id):
    """Three inputs at once are answered as one by one, in TFLite and in OpenVINO."""
    batch = _inputs(workload(workload_id).input_shape, batch=3, count=1)
    single = litert(workload_id, batch.reshape(3, 1, *batch.shape[2:])).reshape(1, 3, -1)
    _assert_same(litert(workload_id, batch), single)
    for kind in ("openvino-ir", "onnx"):
        _assert_same(_openvino(built(workload_id, kind), batch), single)


@WORKLOADS
def test_numpy_agrees(litert, workload, workload_id):
    """What the ranges of whole numbers are taken from computes as TFLite does."""
    inputs, profile = _inputs(workload(workload_id).input_shape), workload(workload_id)
    recipe = RECIPES[profile.recipe]
    *_, (_, told) = forward(recipe, draw_weights(recipe, profile.seed), inputs[:, 0])
    _assert_same(told[:, np.newaxis], litert(workload_id, inputs))


BOTH_TFLITE = {
    "litert": (sys.executable, "ai_edge_litert.interpreter"),
    "board": (BOARD_PYTHON, "tflite_runtime.interpreter"),
}


@WORKLOADS
@pytest.mark.parametrize("package", BOTH_TFLITE)
def test_whole_numbers_answer_nearly_as_floats(built, workload, workload_id, package, tmp_path):
    """The int8 file runs in both TFLite packages and tells the classes apart as floats do."""
    python, module = BOTH_TFLITE[package]
    if not Path(python).exists():
        pytest.skip("no .venv-target with tflite-runtime beside this checkout")
    profile = workload(workload_id)
    inputs = _inputs(profile.input_shape, count=1)
    model = built(f"{workload_id}-int8", "tflite")
    told = _tflite(python, module, model, np.rint(inputs * 255 - 128).astype(np.int8), tmp_path)
    assert told.dtype == np.int8
    recipe = RECIPES[profile.recipe]
    *_, (_, floats) = forward(recipe, draw_weights(recipe, profile.seed), inputs[:, 0])
    assert np.corrcoef(told.ravel(), floats.ravel())[0, 1] > 0.95


def test_the_seed_cnn_is_what_numpy_computes(litert, workload):
    """The files mean what the description says: checked against sums written out here."""
    profile = workload("seed-cnn")
    inputs = _inputs(profile.input_shape)
    expected = [[_seed_cnn(batch[0], profile.seed)] for batch in inputs]
    _assert_same(litert("seed-cnn", inputs), np.asarray(expected))


def _seed_cnn(picture, seed):
    """Get the probabilities (848,) of one picture (88, 88, 1) in float64."""
    weights = draw_weights(RECIPES["seed-cnn"], seed)
    values = picture.astype(np.float64)
    for step in trace(RECIPES["seed-cnn"]):
        layer = step.layer
        if isinstance(layer, Conv):
            windows = sliding_window_view(values, (layer.kernel, layer.kernel), axis=(0, 1))
            values = np.einsum("hwcij,oijc->hwo", windows, weights[layer.name].kernel)
            values += weights[layer.name].bias
        elif isinstance(layer, MaxPool):
            windows = sliding_window_view(values, (layer.size, layer.size), axis=(0, 1))
            values = windows[:: layer.stride, :: layer.stride].max(axis=(-2, -1))
        elif isinstance(layer, Dense):
            values = weights[layer.name].kernel @ values.ravel() + weights[layer.name].bias
        else:
            values = np.exp(values - values.max())
            values /= values.sum()
        if getattr(layer, "activation", None) == "relu":
            values = np.maximum(values, 0.0)
    return values
