"""Shapes and work of single operations, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from powerlab.models.files import READ
from powerlab.models.graph import ModelGraph, Operation, Tensor
from powerlab.models.layers import layers_of
from tests.models.onnx_made import model, node

I64 = np.int64


def _graph(kind, shape, attributes=None, constants=(), outputs=("y",)):
    """Get a graph of one operation on an input x and constants named a, b and so on."""
    names = "abcdefg"[: len(constants)]
    told = node(kind, ["x", *names], outputs, **(attributes or {}))
    named = [(name, value) for name, value in zip(names, constants, strict=True)]
    return READ[".onnx"](model([told], inputs=[("x", shape)], constants=named))


def _weights(*shape):
    return np.zeros(shape, np.float32)


CASES = [
    ("Conv", (1, 3, 10, 12), {"kernel_shape": [3, 3]}, [_weights(8, 3, 3, 3)], (1, 8, 8, 10)),
    ("Conv", (1, 3, 10, 12), {"pads": [1, 1, 1, 1]}, [_weights(8, 3, 3, 3)], (1, 8, 10, 12)),
    ("Conv", (1, 4, 9, 9), {"group": 4, "strides": [2, 2]}, [_weights(4, 1, 3, 3)], (1, 4, 4, 4)),
    ("Conv", (1, 3, 9, 9), {"dilations": [2, 2]}, [_weights(5, 3, 3, 3)], (1, 5, 5, 5)),
    (
        "Conv",
        (1, 3, 9, 9),
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        [_weights(5, 3, 3, 3)],
        (1, 5, 5, 5),
    ),
    ("Conv", (1, 3, 20), {}, [_weights(5, 3, 4)], (1, 5, 17)),
    ("ConvTranspose", (1, 6, 5, 5), {"strides": [2, 2]}, [_weights(6, 4, 2, 2)], (1, 4, 10, 10)),
    (
        "ConvTranspose",
        (1, 6, 5, 5),
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        [_weights(6, 4, 3, 3)],
        (1, 4, 10, 10),
    ),
    ("MaxPool", (1, 48, 24, 24), {"kernel_shape": [2, 2], "strides": [2, 2]}, [], (1, 48, 12, 12)),
    (
        "MaxPool",
        (1, 1, 24, 24),
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        [],
        (1, 1, 12, 12),
    ),
    ("AveragePool", (1, 2, 7, 7), {"kernel_shape": [7, 7]}, [], (1, 2, 1, 1)),
    ("GlobalAveragePool", (1, 9, 7, 7), {}, [], (1, 9, 1, 1)),
    ("Gemm", (1, 6), {"transB": 1}, [_weights(4, 6), _weights(4)], (1, 4)),
    ("Gemm", (1, 6), {}, [_weights(6, 4)], (1, 4)),
    ("MatMul", (1, 5, 6), {}, [_weights(6, 4)], (1, 5, 4)),
    ("Relu", (1, 2, 3), {}, [], (1, 2, 3)),
    ("BatchNormalization", (1, 3, 4, 4), {}, [_weights(3)] * 4, (1, 3, 4, 4)),
    ("Softmax", (1, 10), {"axis": -1}, [], (1, 10)),
    ("Add", (1, 3, 4), {}, [_weights(3, 1)], (1, 3, 4)),
    ("Concat", (1, 3, 4), {"axis": 1}, [_weights(1, 2, 4)], (1, 5, 4)),
    ("Concat", (1, 3, 4), {"axis": -1}, [_weights(1, 3, 1)], (1, 3, 5)),
    ("Flatten", (1, 3, 4, 5), {"axis": 1}, [], (1, 60)),
    ("Reshape", (1, 3, 4, 5), {}, [np.array([0, -1], I64)], (1, 60)),
    ("Reshape", (1, 60), {}, [np.array([1, 4, 15], I64)], (1, 4, 15)),
    ("Transpose", (1, 3, 4, 5), {"perm": [0, 2, 3, 1]}, [], (1, 4, 5, 3)),
    ("Transpose", (1, 3, 4), {}, [], (4, 3, 1)),
    ("Squeeze", (1, 3, 1, 1), {}, [np.array([2, -1], I64)], (1, 3)),
    ("Squeeze", (1, 3, 1, 1), {"axes": [2, 3]}, [], (1, 3)),
    ("Unsqueeze", (1, 3), {}, [np.array([0, -1], I64)], (1, 1, 3, 1)),
    ("ReduceMean", (1, 3, 4, 5), {"axes": [2, 3], "keepdims": 0}, [], (1, 3)),
    ("ReduceMean", (1, 3, 4, 5), {}, [np.array([-1], I64)], (1, 3, 4, 1)),
    ("Pad", (1, 3, 4, 5), {}, [np.array([0, 0, 1, 2, 0, 0, 1, 0], I64)], (1, 3, 6, 7)),
    ("Pad", (1, 3, 4), {"pads": [0, 0, 1, 0, 0, 1]}, [], (1, 3, 6)),
    (
        "Resize",
        (1, 3, 4, 5),
        {"mode": "nearest"},
        [np.zeros(0, np.float32), np.array([1, 1, 2, 2], np.float32)],
        (1, 3, 8, 10),
    ),
    (
        "Resize",
        (1, 3, 4, 5),
        {},
        [np.zeros(0, np.float32), np.zeros(0, np.float32), np.array([1, 3, 7, 9], I64)],
        (1, 3, 7, 9),
    ),
    ("Upsample", (1, 3, 4, 5), {}, [np.array([1, 1, 2, 2], np.float32)], (1, 3, 8, 10)),
    (
        "Slice",
        (1, 10, 4),
        {},
        [np.array([2], I64), np.array([9], I64), np.array([1], I64)],
        (1, 7, 4),
    ),
    ("Split", (1, 6, 4), {"axis": 1}, [np.array([2, 4], I64)], (1, 2, 4)),
]


@pytest.mark.parametrize(("kind", "shape", "attributes", "constants", "expected"), CASES)
def test_the_shape_that_an_operation_writes(kind, shape, attributes, constants, expected):
    """Each kind, with attributes and constants as exporters write them."""
    graph = _graph(kind, shape, attributes, constants)
    assert graph.tensors["y"].shape == expected


@pytest.mark.parametrize(
    ("kind", "shape", "attributes", "constants", "macs", "parameters"),
    [
        ("Conv", (1, 3, 10, 10), {}, [_weights(8, 3, 3, 3), _weights(8)], 8 * 64 * 27, 224),
        ("Conv", (1, 4, 9, 9), {"group": 4}, [_weights(4, 1, 3, 3)], 4 * 49 * 9, 36),
        ("ConvTranspose", (1, 6, 5, 5), {"strides": [2, 2]}, [_weights(6, 4, 2, 2)], 2400, 96),
        ("Gemm", (1, 6), {"transB": 1}, [_weights(4, 6), _weights(4)], 24, 28),
        ("MatMul", (1, 5, 6), {}, [_weights(6, 4)], 120, 24),
        ("BatchNormalization", (1, 3, 4, 4), {}, [_weights(3)] * 4, 0, 12),
        ("Reshape", (1, 6), {}, [np.array([2, 3], I64)], 0, 0),
        ("Clip", (1, 6), {}, [np.float32(0), np.float32(6)], 0, 0),
        ("Add", (1, 6), {}, [_weights(6)], 0, 6),
    ],
)
def test_work_and_parameters(kind, shape, attributes, constants, macs, parameters):  # noqa: PLR0917
    """Multiply-accumulates of what multiplies, and constants that are weights."""
    (layer,) = layers_of(_graph(kind, shape, attributes, constants))
    assert (layer.macs, layer.parameters) == (macs, parameters)
    assert layer.weight_bytes == 4 * parameters


def test_an_unknown_operation_is_said_and_never_guessed():
    """Neither its work nor what follows from it is known; the rest is counted."""
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("MyOwn", ["a"], ["b"]),
        node("Conv", ["b", "w"], ["y"]),
    ]
    content = model(nodes, inputs=[("x", (1, 3, 8, 8))], constants=[("w", _weights(2, 3, 3, 3))])
    first, own, conv = layers_of(READ[".onnx"](content))
    assert (first.macs, first.output_bytes) == (0, 4 * 192)
    assert (own.macs, own.output_bytes) == (None, None)
    assert (conv.macs, conv.input_bytes, conv.parameters) == (None, None, 54)


def test_shapes_that_the_graph_computes_itself():
    """The chain of an exporter: shape, one of its lengths, joined with -1, then a reshape."""
    nodes = [
        node("Shape", ["x"], ["whole"]),
        node("Gather", ["whole", "zero"], ["batch"], axis=0),
        node("Unsqueeze", ["batch", "axes"], ["batch1"]),
        node("Constant", [], ["rest"], value=np.array([-1], I64)),
        node("Concat", ["batch1", "rest"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["y"]),
    ]
    constants = [("zero", np.array(0, I64)), ("axes", np.array([0], I64))]
    graph = READ[".onnx"](model(nodes, inputs=[("x", (None, 3, 4, 5))], constants=constants))
    assert graph.tensors["y"].shape == (1, 60)
    assert {layer.movement for layer in layers_of(graph)} <= {"view", "moves"}


def test_what_can_be_applied_in_place_and_what_moves_nothing():
    """An activation after a convolution that nobody else reads; a transposition of ones."""
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Relu", ["b"], ["c"]),
        node("Add", ["b", "c"], ["d"]),
        node("Transpose", ["d"], ["e"], perm=[0, 2, 3, 1]),
        node("Transpose", ["e"], ["y"], perm=[0, 2, 1, 3]),
    ]
    content = model(nodes, inputs=[("x", (1, 1, 8, 8))], constants=[("w", _weights(1, 1, 3, 3))])
    layers = layers_of(READ[".onnx"](content))
    assert [layer.movement for layer in layers] == [
        "moves",
        "in-place",
        "moves",
        "moves",
        "view",
        "moves",
    ]


def test_quantised_convolutions_count_their_bytes_as_stored():
    """Between QuantizeLinear and DequantizeLinear everything has one byte an item."""
    scale, zero = np.float32(0.1), np.int8(0)
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
        node("DequantizeLinear", ["w", "ws", "z8"], ["wf"], axis=0),
        node("Conv", ["xf", "wf"], ["a"]),
        node("QuantizeLinear", ["a", "s", "z"], ["aq"]),
        node("DequantizeLinear", ["aq", "s", "z"], ["y"]),
    ]
    constants = [
        ("s", scale),
        ("z", zero),
        ("w", np.zeros((8, 3, 3, 3), np.int8)),
        ("ws", np.ones(8, np.float32)),
        ("z8", np.zeros(8, np.int8)),
    ]
    graph = READ[".onnx"](model(nodes, inputs=[("x", (1, 3, 10, 10))], constants=constants))
    conv = layers_of(graph)[3]
    assert (conv.parameters, conv.weight_bytes) == (216, 216)
    assert (conv.input_bytes, conv.output_bytes) == (300, 512)
    assert conv.macs == 8 * 64 * 27
    others = [layer for layer in layers_of(graph) if layer is not conv and layer.kind != "Conv"]
    assert {(layer.parameters, layer.movement) for layer in others} == {(0, "view")}


def test_what_gives_constants_alone_is_no_layer():
    """A transposed weight counts where it is used; a chain that makes paddings is followed."""
    nodes = [
        node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        node("ConstantOfShape", ["two"], ["zeros"], value=np.array([0], I64)),
        node("Concat", ["right", "zeros"], ["flat"], axis=0),
        node("Reshape", ["flat", "pairs"], ["rows"]),
        node("Slice", ["rows", "last", "before", "axis", "back"], ["turned"]),
        node("Transpose", ["turned"], ["columns"], perm=[1, 0]),
        node("Reshape", ["columns", "all"], ["listed"]),
        node("Cast", ["listed"], ["pads"], to=7),
        node("Pad", ["x", "pads"], ["padded"]),
        node("MatMul", ["padded", "wt"], ["y"]),
    ]
    constants = [
        ("w", _weights(4, 9)),
        ("two", np.array([2], I64)),
        ("right", np.array([1, 2], I64)),
        ("pairs", np.array([-1, 2], I64)),
        ("last", np.array([-1], I64)),
        ("before", np.array([-(2**63) + 1], I64)),
        ("axis", np.array([0], I64)),
        ("back", np.array([-1], I64)),
        ("all", np.array([-1], I64)),
    ]
    graph = READ[".onnx"](model(nodes, inputs=[("x", (1, 6))], constants=constants))
    pad, product = layers_of(graph)
    assert (pad.kind, graph.tensors["padded"].shape) == ("Pad", (1, 9))
    assert (product.macs, product.parameters, product.weight_bytes) == (36, 36, 144)
    assert graph.tensors["y"].shape == (1, 4)


@pytest.mark.parametrize(
    ("left", "right", "out", "macs"),
    [
        ((1, 4, 40, 16), (1, 4, 16, 64), (1, 4, 40, 64), 163_840),
        ((1, 4, 16, 40), (1, 4, 16, 64), (1, 4, 40, 64), 163_840),
        ((1, 4, 16, 40), (1, 4, 64, 16), (1, 4, 40, 64), 163_840),
        ((16, 16), (16, 5), (16, 5), 16 * 16 * 5),
        ((8, 16), (16, 5), (4, 5), None),
        ((16,), (16, 5), (5,), None),
    ],
)
def test_a_product_whose_matrices_may_be_exchanged(left, right, out, macs):
    """TFLite's adj_x and adj_y are options; which length is summed over follows from the shapes."""
    shapes = {"x": left, "w": right, "y": out}
    tensors = {name: Tensor(name, shape, 32, floating=True) for name, shape in shapes.items()}
    product = Operation("product", "BATCH_MATMUL", ("x", "w"), ("y",))
    (layer,) = layers_of(ModelGraph("tflite", ("x", "w"), ("y",), (product,), tensors))
    assert layer.macs == macs
