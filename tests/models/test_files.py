"""Whole files: the shipped workloads, the published counts, damaged files."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powerlab.analysis.roofline import (
    intensity,
    least_traffic,
    total_macs,
    total_parameters,
    traffic,
    unknown_layers,
)
from powerlab.errors import ConfigError
from powerlab.models import layers_of, read_model
from powerlab.models.files import READ
from powerlab.recipes.layers import Recipe, macs, parameters
from powerlab.recipes.networks import MOBILENET_V2, SEED_CNN
from powerlab.recipes.onnx_file import onnx_bytes
from powerlab.recipes.quantised import quantise
from powerlab.recipes.weights import draw_weights
from tests.models.onnx_made import model, node

ONNX = {recipe.id: onnx_bytes(recipe, draw_weights(recipe, 1), "") for recipe in (SEED_CNN,)}


def _seed_cnn(kind):
    """Get the seed CNN's layers as a file of a kind says them."""
    if kind == "onnx":
        return layers_of(READ[".onnx"](ONNX["seed-cnn"]))
    pytest.importorskip("ai_edge_litert")
    from powerlab.recipes.tflite_file import tflite_bytes, tflite_int8_bytes  # noqa: PLC0415

    weights = draw_weights(SEED_CNN, 1)
    if kind == "tflite":
        return layers_of(READ[".tflite"](tflite_bytes(SEED_CNN, weights, "")))
    quantised = quantise(SEED_CNN, weights, np.full((1, 88, 88, 1), 0.5, np.float32))
    return layers_of(READ[".tflite"](tflite_int8_bytes(SEED_CNN, quantised, "")))


@pytest.mark.parametrize("kind", ["onnx", "tflite", "int8"])
def test_the_seed_cnn_has_its_published_size(kind):
    """1,039,744 parameters and 49,371,200 multiply-accumulates, counted from each file."""
    layers = _seed_cnn(kind)
    assert total_parameters(layers) == 1_039_744
    assert total_macs(layers) == 49_371_200
    assert not unknown_layers(layers)


def test_the_macs_of_each_layer_are_the_published_ones(shared):
    """Layer by layer, as the reference lists them for 88 pixels."""
    reference = json.loads(shared("references/seed_cnn_1039744.json").read_text(encoding="utf-8"))
    expected = reference["candidates"][0]["per_layer_macs"]
    layers = _seed_cnn("tflite")
    assert {layer.name: layer.macs for layer in layers if layer.macs} == expected


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_traffic_at_88_pixels(shared, kind):
    """Bytes per image at three batches, activations in place and with a pass of their own."""
    reference = json.loads(shared("references/seed_cnn_1039744.json").read_text(encoding="utf-8"))
    expected = reference["candidates"][0]["bytes_per_image_fp32"]
    layers = _seed_cnn(kind)
    for batch, told in expected["weight_layers_and_pools_only"].items():
        assert round(traffic(layers, int(batch)).total_bytes) == told
    if kind == "onnx":  # TFLite has its activations inside the layers
        # The reference leaves out the activation of fc1.
        counted = [layer for layer in layers if layer.name != "fc1"]
        for batch, told in expected["all_layers"].items():
            assert round(traffic(counted, int(batch), fused=False).total_bytes) == told


def test_traffic_at_64_pixels(shared):
    """The other candidate: 64 pixels, the second pool at stride 2 with windows that overhang."""
    reference = json.loads(shared("references/seed_cnn_1039744.json").read_text(encoding="utf-8"))
    expected = reference["candidates"][1]
    zeros = {
        "w1": (16, 1, 7, 7),
        "w2": (48, 16, 6, 6),
        "w3": (96, 48, 5, 5),
        "f1": (128, 6144),
        "f2": (848, 128),
    }
    constants = [(name, np.zeros(shape, np.float32)) for name, shape in zeros.items()]
    constants += [(f"b{name}", np.zeros(shape[0], np.float32)) for name, shape in zeros.items()]
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    pool2 = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    nodes = [
        node("Conv", ["x", "w1", "bw1"], ["c1"]),
        node("Relu", ["c1"], ["r1"]),
        node("MaxPool", ["r1"], ["p1"], **pool),
        node("Conv", ["p1", "w2", "bw2"], ["c2"]),
        node("Relu", ["c2"], ["r2"]),
        node("MaxPool", ["r2"], ["p2"], **pool2),
        node("Conv", ["p2", "w3", "bw3"], ["c3"]),
        node("Relu", ["c3"], ["r3"]),
        node("Flatten", ["r3"], ["flat"]),
        node("Gemm", ["flat", "f1", "bf1"], ["d1"], transB=1),
        node("Gemm", ["d1", "f2", "bf2"], ["d2"], transB=1),
        node("Softmax", ["d2"], ["y"]),
    ]
    content = model(nodes, inputs=[("x", (1, 1, 64, 64))], constants=constants)
    layers = layers_of(READ[".onnx"](content))
    assert (total_parameters(layers), total_macs(layers)) == (1_039_744, expected["macs"])
    for key, fused in (("weight_layers_and_pools_only", True), ("all_layers", False)):
        for batch, told in expected["bytes_per_image_fp32"][key].items():
            assert round(traffic(layers, int(batch), fused=fused).total_bytes) == told


def test_intensity_rises_with_the_batch():
    """6.8 multiply-accumulates a byte at batch 1 and 15.7 at 256, with activations counted."""
    layers = [layer for layer in _seed_cnn("onnx") if layer.name != "fc1"]
    told = [intensity(49_371_200, traffic(layers, batch, fused=False)) / 2 for batch in (1, 256)]
    assert told == pytest.approx([6.8, 15.7], abs=0.05)


def test_the_least_traffic_is_weights_and_ends():
    """Caches can hold what lies between layers, but not the weights, the input and the output."""
    layers = _seed_cnn("onnx")
    least = least_traffic(layers, 4 * (88 * 88 + 848), batch=4)
    assert (least.weight_bytes, least.value_bytes) == (1_039_744, 34_368)
    assert least.total_bytes < traffic(layers, 4).total_bytes


def test_mobilenet_is_counted_as_its_recipe():
    """A file with groups, residuals and a mean, against the counts of its description."""
    layers = layers_of(READ[".onnx"](onnx_bytes(MOBILENET_V2, draw_weights(MOBILENET_V2, 1), "")))
    assert total_parameters(layers) == parameters(MOBILENET_V2) == 3_487_816
    assert total_macs(layers) == macs(MOBILENET_V2) == 300_774_272
    assert not unknown_layers(layers)


def test_shapes_agree_with_openvino():
    """Every value that OpenVINO knows by our name has the shape that is told here."""
    openvino = pytest.importorskip("openvino")
    tiny = Recipe("tiny", 1, (64, 48, 3), MOBILENET_V2.layers)
    content = onnx_bytes(tiny, draw_weights(tiny, 1), "")
    read = openvino.Core().read_model(content)
    read.reshape([1, 64, 48, 3])
    graph = READ[".onnx"](content)
    known = {
        name: tuple(port.shape)
        for operation in read.get_ops()
        for port in operation.outputs()
        for name in port.get_names()
    }
    shared_names = set(known) & set(graph.tensors)
    assert len(shared_names) > 60
    assert {name: graph.tensors[name].shape for name in shared_names} == {
        name: known[name] for name in shared_names
    }


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 4000), flips=st.lists(st.tuples(st.integers(0, 3999), st.integers(1, 255)))
)
@pytest.mark.parametrize("ending", [".onnx", ".tflite"])
def test_damaged_files_are_refused_or_read(tmp_path_factory, ending, cut, flips):
    """A file cut short or with changed bytes ends in a ConfigError, or is still a graph."""
    if ending == ".onnx":
        content = bytearray(model([node("Relu", ["x"], ["y"])], inputs=[("x", (1, 4))]))
    else:
        pytest.importorskip("ai_edge_litert")
        content = bytearray(_tiny_tflite())
    for at, change in flips:
        content[at % len(content)] ^= change
    path = tmp_path_factory.mktemp("damaged") / f"model{ending}"
    path.write_bytes(bytes(content[: cut % (len(content) + 1)]))
    with suppress(ConfigError):
        layers_of(read_model(path))


def _tiny_tflite():
    from powerlab.recipes.layers import Dense, Softmax  # noqa: PLC0415
    from powerlab.recipes.tflite_file import tflite_bytes  # noqa: PLC0415

    tiny = Recipe("tiny", 1, (2, 2, 1), (Dense("d", 3), Softmax("p")))
    return tflite_bytes(tiny, draw_weights(tiny, 1), "")


def test_other_files_are_named(tmp_path):
    """An ending that cannot be counted, a file that is not there, one of another kind."""
    for name, content, said in (
        ("model.pt", b"", "no model file that can be counted"),
        ("model.onnx", b"", "no graph"),
        ("model.tflite", b"\0" * 64, "does not begin"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=said):
            read_model(tmp_path / name)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_model(tmp_path / "absent.onnx")


def test_a_compiled_op_is_told_as_unknown():
    """An Edge TPU model is one op of its own name: nothing of it can be counted."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    import flatbuffers  # noqa: PLC0415

    read = schema.ModelT.InitFromPackedBuf(bytearray(_tiny_tflite()), 0)
    read.operatorCodes[0].builtinCode = read.operatorCodes[0].deprecatedBuiltinCode = 32
    read.operatorCodes[0].customCode = "edgetpu-custom-op"
    builder = flatbuffers.Builder(4096)
    builder.Finish(read.Pack(builder), b"TFL3")
    layers = layers_of(READ[".tflite"](bytes(builder.Output())))
    assert "edgetpu-custom-op" in {layer.kind for layer in unknown_layers(layers)}
