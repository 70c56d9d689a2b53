"""Write a network as a TFLite float32 file at batch 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.recipes.layers import (
    Activation,
    Add,
    Conv,
    Dense,
    DepthwiseConv,
    GlobalAveragePool,
    MaxPool,
    Padding,
    Recipe,
    Shape,
    Softmax,
    Step,
    trace,
)
from powerlab.recipes.weights import Weights

_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
# The schema asks for it (force_align), and kernels that read whole vectors rely on it.
_DATA_ALIGNMENT = 16


def tflite_bytes(recipe: Recipe, weights: Mapping[str, Weights], description: str) -> bytes:
    """Get the file's content: one subgraph, input (1, h, w, c), output (1, n), float32.

    Weights stay in the layout of ``Step.kernel_shape``. Every operator is at version 1,
    which the oldest runtime in use reads. Raises ``ImportError`` when ``flatbuffers`` or
    the schema that ``ai_edge_litert`` ships is not installed.
    """
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415  optional, 0.3 s

    graph = _Graph(schema)
    source = graph.tensor("input", (1, *recipe.input_shape))
    graph.inputs.append(source)
    for step in trace(recipe):
        source = _append(graph, step, source, weights.get(step.layer.name))
    return _pack(graph, source, recipe.id, description)


@dataclass
class _Graph:
    """The tables of the file while they grow; a tensor is known by its index."""

    schema: Any
    tensors: list[Any] = field(default_factory=list)
    buffers: list[NDArray[np.uint8] | None] = field(default_factory=lambda: [None])
    operators: list[Any] = field(default_factory=list)
    codes: dict[int, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)

    def tensor(self, name: str, shape: Shape, data: NDArray[Any] | None = None) -> int:
        """Append a tensor; without ``data`` it is an activation and takes buffer 0."""
        tensor = self.schema.TensorT()
        tensor.name = name
        tensor.shape = np.asarray(shape, np.int32)
        tensor.type = self.schema.TensorType.FLOAT32
        if data is not None:
            if data.dtype == np.int32:
                tensor.type = self.schema.TensorType.INT32
            little_endian = data.astype(data.dtype.newbyteorder("<"), order="C", copy=False)
            tensor.buffer = len(self.buffers)
            self.buffers.append(np.frombuffer(little_endian.tobytes(), np.uint8))
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(self, kind: str, inputs: Sequence[int], output: int, options: Any) -> None:
        """Append an operator of a built-in kind, such as ``CONV_2D``."""
        code = getattr(self.schema.BuiltinOperator, kind)
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self.codes.setdefault(code, len(self.codes))
        operator.inputs = np.asarray(inputs, np.int32)
        operator.outputs = np.asarray([output], np.int32)
        union = self.schema.BuiltinOptions
        operator.builtinOptionsType = getattr(union, type(options).__name__.removesuffix("T"))
        operator.builtinOptions = options
        self.operators.append(operator)


def _append(graph: _Graph, step: Step, source: int, weights: Weights | None) -> int:
    """Append one layer that reads tensor ``source``; get the tensor it writes."""
    name = step.layer.name
    inputs = [source]
    if isinstance(step.layer, Dense) and len(step.reads) > 1:
        inputs = [_flatten(graph, step, source)]
    if isinstance(step.layer, Add):
        inputs = [graph.outputs[step.layer.other], source]
    if isinstance(step.layer, GlobalAveragePool):
        inputs.append(graph.tensor(f"{name}/axes", (2,), np.asarray([1, 2], np.int32)))
    if weights is not None:
        inputs.append(graph.tensor(f"{name}/kernel", weights.kernel.shape, weights.kernel))
        inputs.append(graph.tensor(f"{name}/bias", weights.bias.shape, weights.bias))
    target = graph.tensor(name, (1, *step.writes))
    kind, options = _operator(graph.schema, step)
    graph.operator(kind, inputs, target, options)
    graph.outputs[name] = target
    return target


def _flatten(graph: _Graph, step: Step, source: int) -> int:
    """Append the reshape to (batch, features); -1 leaves the batch free to be resized."""
    features = int(np.prod(step.reads))
    new_shape = np.asarray([-1, features], np.int32)
    shape_tensor = graph.tensor(f"{step.layer.name}/shape", (2,), new_shape)
    target = graph.tensor(f"{step.layer.name}/flat", (1, features))
    options = graph.schema.ReshapeOptionsT()
    options.newShape = new_shape
    graph.operator("RESHAPE", [source, shape_tensor], target, options)
    return target


def _operator(schema: Any, step: Step) -> tuple[str, Any]:
    """Get the built-in operator of a layer and its options table."""
    match step.layer:
        case Conv() | DepthwiseConv() | MaxPool():
            return _windowed(schema, step.layer)
        case GlobalAveragePool():
            return "MEAN", schema.ReducerOptionsT()
        case Dense(activation=activation):
            options = schema.FullyConnectedOptionsT()
            options.fusedActivationFunction = _fused(schema, activation)
            return "FULLY_CONNECTED", options
        case Add():
            return "ADD", schema.AddOptionsT()
        case Softmax():
            options = schema.SoftmaxOptionsT()
            options.beta = 1.0
            return "SOFTMAX", options


def _windowed(schema: Any, layer: Conv | DepthwiseConv | MaxPool) -> tuple[str, Any]:
    """Get the operator and options of a layer that slides a window."""
    padding: Padding = "valid"
    if isinstance(layer, MaxPool):
        kind, options = "MAX_POOL_2D", schema.Pool2DOptionsT()
        options.filterWidth = options.filterHeight = layer.size
    else:
        padding = layer.padding
        kind, options = "CONV_2D", schema.Conv2DOptionsT()
        if isinstance(layer, DepthwiseConv):
            kind, options = "DEPTHWISE_CONV_2D", schema.DepthwiseConv2DOptionsT()
            options.depthMultiplier = 1
        options.fusedActivationFunction = _fused(schema, layer.activation)
    options.padding = getattr(schema.Padding, padding.upper())
    options.strideW = options.strideH = layer.stride
    return kind, options


def _fused(schema: Any, activation: Activation) -> int:
    names = {"linear": "NONE", "relu": "RELU", "relu6": "RELU6"}
    code: int = getattr(schema.ActivationFunctionType, names[activation])
    return code


def _pack(graph: _Graph, output: int, name: str, description: str) -> bytes:
    """Turn the tables into the file's bytes."""
    import flatbuffers  # noqa: PLC0415  optional

    schema = graph.schema
    subgraph = schema.SubGraphT()
    subgraph.name = name
    subgraph.tensors = graph.tensors
    subgraph.operators = graph.operators
    subgraph.inputs = np.asarray(graph.inputs, np.int32)
    subgraph.outputs = np.asarray([output], np.int32)
    model = schema.ModelT()
    model.version = _SCHEMA_VERSION
    model.description = description
    model.subgraphs = [subgraph]
    model.operatorCodes = [_code(schema, code) for code in graph.codes]
    model.buffers = [_Buffer(schema, data) for data in graph.buffers]
    size = sum(data.size for data in graph.buffers if data is not None)
    builder = flatbuffers.Builder(size + 65536)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def _code(schema: Any, builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = builtin
    # Runtimes older than the 32-bit field read this one; all codes used fit in it.
    code.deprecatedBuiltinCode = builtin
    code.version = 1
    return code


@dataclass(frozen=True)
class _Buffer:
    """A buffer table; the schema's own packer would align its data to 4 bytes only."""

    schema: Any
    data: NDArray[np.uint8] | None

    def Pack(self, builder: Any) -> Any:  # noqa: N802  called by the generated packer
        """Write the data and the table, and get the table's offset."""
        vector = None
        if self.data is not None:
            builder.StartVector(1, self.data.size, _DATA_ALIGNMENT)
            head = builder.head - self.data.size
            builder.head = head
            builder.Bytes[head : head + self.data.size] = self.data.tobytes()
            vector = builder.EndVector()
        self.schema.BufferStart(builder)
        if vector is not None:
            self.schema.BufferAddData(builder, vector)
        return self.schema.BufferEnd(builder)
