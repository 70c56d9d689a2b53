"""Write a network as an ONNX file: float32, opset 17, any batch, no package needed.

The layout is that of onnx.proto of the ONNX project (IR version 10), a protobuf: each field is
a number, a wire type and a value. Input (batch, h, w, c) and output (batch, n) are those of
the TFLite file, so that one input array serves both; within, the graph is channels first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from powerlab.recipes.layers import (
    Add,
    Conv,
    Dense,
    DepthwiseConv,
    GlobalAveragePool,
    MaxPool,
    Recipe,
    Softmax,
    Step,
    trace,
)
from powerlab.recipes.weights import Weights

IR_VERSION = 10
OPSET = 17
BATCH = "batch"

_FLOAT = 1  # TensorProto.DataType
_TYPE_INT, _TYPE_INTS = 2, 7  # AttributeProto.AttributeType

Attribute = int | Sequence[int]


def onnx_bytes(recipe: Recipe, weights: Mapping[str, Weights], description: str) -> bytes:
    """Get the file's content; the same bytes on every computer."""
    graph = _Graph()
    source = graph.node("Transpose", ["input"], "input/channels_first", perm=(0, 3, 1, 2))
    for step in trace(recipe):
        source = _append(graph, step, source, weights.get(step.layer.name))
    output = _value("output", trace(recipe)[-1].writes)
    graph.node("Identity", [source], "output")
    body = b"".join(_field(1, node) for node in graph.nodes)
    body += _field(2, recipe.id)
    body += b"".join(_field(5, tensor) for tensor in graph.tensors)
    body += _field(11, _value("input", recipe.input_shape)) + _field(12, output)
    return b"".join(
        (
            _field(1, IR_VERSION),
            _field(2, "powerlab"),
            _field(6, description),
            _field(7, body),
            _field(8, _field(1, "") + _field(2, OPSET)),
        )
    )


@dataclass
class _Graph:
    """The nodes and constants of the file while they grow, each already in its wire form."""

    nodes: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Attribute) -> str:
        """Append a node with one output; get that output's name."""
        content = b"".join(_field(1, name) for name in inputs)
        content += _field(2, output) + _field(3, output) + _field(4, kind)
        content += b"".join(_field(5, _attribute(*item)) for item in attributes.items())
        self.nodes.append(content)
        return output

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        """Append a constant that nodes can read by its name."""
        data = np.ascontiguousarray(value, dtype="<f4")
        content = b"".join(_field(1, length) for length in data.shape)
        self.tensors.append(
            content + _field(2, _FLOAT) + _field(8, name) + _field(9, data.tobytes())
        )
        return name


def _append(graph: _Graph, step: Step, source: str, weights: Weights | None) -> str:
    """Append one layer that reads value ``source``; get the value it ends in, named after it."""
    layer = step.layer
    match layer:
        case Conv() | DepthwiseConv() | Dense():
            if weights is None:
                raise ValueError(f"{layer.name} has no weights")
            linear = layer.name if layer.activation == "linear" else f"{layer.name}/linear"
            write = _dense if isinstance(layer, Dense) else _convolution
            ended = write(graph, step, source, weights, linear)
            return ended if layer.activation == "linear" else _activation(graph, layer, ended)
        case MaxPool(name=name, size=size, stride=stride):
            shape, strides = (size, size), (stride, stride)
            return graph.node("MaxPool", [source], name, kernel_shape=shape, strides=strides)
        case GlobalAveragePool(name=name):
            pooled = graph.node("GlobalAveragePool", [source], f"{name}/mean")
            return graph.node("Flatten", [pooled], name, axis=1)
        case Add(name=name, other=other):
            return graph.node("Add", [other, source], name)
        case Softmax(name=name):
            return graph.node("Softmax", [source], name, axis=-1)


def _convolution(graph: _Graph, step: Step, source: str, weights: Weights, target: str) -> str:
    layer, kernel = step.layer, weights.kernel
    if not isinstance(layer, Conv | DepthwiseConv):
        raise TypeError(f"{layer.name} is no convolution")
    grouped = isinstance(layer, DepthwiseConv)
    # (1, h, w, c) to (c, 1, h, w), or (n, h, w, c) to (n, c, h, w)
    kernel = kernel.transpose(3, 0, 1, 2) if grouped else kernel.transpose(0, 3, 1, 2)
    constants = [
        graph.constant(f"{layer.name}/kernel", kernel),
        graph.constant(f"{layer.name}/bias", weights.bias),
    ]
    begin, end = _paddings(step, layer)
    return graph.node(
        "Conv",
        [source, *constants],
        target,
        kernel_shape=(layer.kernel, layer.kernel),
        strides=(layer.stride, layer.stride),
        pads=(*begin, *end),
        group=step.reads[-1] if grouped else 1,
    )


def _dense(graph: _Graph, step: Step, source: str, weights: Weights, target: str) -> str:
    name, kernel = step.layer.name, weights.kernel
    if len(step.reads) > 1:
        # The picture arrives as (c, h, w) and is flattened so; the columns move with it.
        columns = np.moveaxis(kernel.reshape((len(kernel), *step.reads)), -1, 1)
        kernel = columns.reshape(kernel.shape)
        source = graph.node("Flatten", [source], f"{name}/flat", axis=1)
    constants = [
        graph.constant(f"{name}/kernel", kernel),
        graph.constant(f"{name}/bias", weights.bias),
    ]
    return graph.node("Gemm", [source, *constants], target, transB=1)


def _activation(graph: _Graph, layer: Conv | DepthwiseConv | Dense, source: str) -> str:
    if layer.activation == "relu":
        return graph.node("Relu", [source], layer.name)
    limits = [
        graph.constant(f"{layer.name}/least", np.array(0, np.float32)),
        graph.constant(f"{layer.name}/most", np.array(6, np.float32)),
    ]
    return graph.node("Clip", [source, *limits], layer.name)


def _paddings(step: Step, layer: Conv | DepthwiseConv) -> tuple[tuple[int, int], tuple[int, int]]:
    """Get the zeros before and after, of height and width; at odd totals more after."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    totals = [
        max(0, (wide - 1) * layer.stride + layer.kernel - read)
        for read, wide in zip(step.reads[:2], step.writes[:2], strict=True)
    ]
    before = (totals[0] // 2, totals[1] // 2)
    return before, (totals[0] - before[0], totals[1] - before[1])


# --- protobuf ------------------------------------------------------------------------


def _value(name: str, shape: Iterable[int]) -> bytes:
    """Get a ValueInfoProto: a float32 tensor whose first length is free."""
    dimensions = _field(1, _field(2, BATCH))
    dimensions += b"".join(_field(1, _field(1, length)) for length in shape)
    tensor = _field(1, _FLOAT) + _field(2, dimensions)
    return _field(1, name) + _field(2, _field(1, tensor))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, _TYPE_INT)
    return _field(1, name) + b"".join(_field(8, one) for one in value) + _field(20, _TYPE_INTS)


def _field(number: int, value: int | str | bytes) -> bytes:
    """Get a field: whole numbers as varints, text and messages with their length before."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Get a whole number in groups of 7 bits, lowest first; a negative one as 64 bits."""
    rest, groups = value & 0xFFFF_FFFF_FFFF_FFFF, bytearray()
    while rest > 0x7F:
        groups.append(rest & 0x7F | 0x80)
        rest >>= 7
    groups.append(rest)
    return bytes(groups)
