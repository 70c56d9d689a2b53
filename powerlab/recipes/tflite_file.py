"""Write a network as a TFLite file at batch 1, in float32 or in whole numbers of 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    Softmax,
    Step,
    trace,
)
from powerlab.recipes.quantised import Quantised, Scale
from powerlab.recipes.tflite_graph import Graph, pack
from powerlab.recipes.weights import Weights


def tflite_bytes(recipe: Recipe, weights: Mapping[str, Weights], description: str) -> bytes:
    """Get the file's content: one subgraph, input (1, h, w, c), output (1, n), float32.

    Weights stay in the layout of ``Step.kernel_shape``. Every operator is at version 1,
    which the oldest runtime in use reads. Raises ``ImportError`` when ``flatbuffers`` or
    the schema that ``ai_edge_litert`` ships is not installed.
    """
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415  optional, 0.3 s

    return _bytes(Graph(schema), recipe, _Floats(weights), description)


def tflite_int8_bytes(recipe: Recipe, quantised: Quantised, description: str) -> bytes:
    """Get the same of a quantised network: input, output and all between are int8.

    Operators are at the first version that takes int8. Raises as ``tflite_bytes``.
    """
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415  optional, 0.3 s

    return _bytes(Graph(schema, int8=True), recipe, _Wholes(quantised), description)


@dataclass(frozen=True)
class _Floats:
    """What a float32 network puts into tensors."""

    weights: Mapping[str, Weights]

    def scale(self, _name: str) -> None:
        """Floats have none."""

    def constants(self, name: str) -> Sequence[tuple[NDArray[Any], Scale | None]]:
        """Get the kernel and the biases of a layer that has some."""
        own = self.weights.get(name)
        return () if own is None else ((own.kernel, None), (own.bias, None))


@dataclass(frozen=True)
class _Wholes:
    """What a quantised network puts into tensors."""

    quantised: Quantised

    def scale(self, name: str) -> Scale:
        """Get the scale of an activation."""
        return self.quantised.scales[name]

    def constants(self, name: str) -> Sequence[tuple[NDArray[Any], Scale | None]]:
        """Get the kernel and the biases of a layer that has some."""
        own = self.quantised.weights.get(name)
        if own is None:
            return ()
        return (own.kernel, own.kernel_scale), (own.bias, own.bias_scale)


_Values = _Floats | _Wholes


def _bytes(graph: Graph, recipe: Recipe, values: _Values, description: str) -> bytes:
    before = "input"
    source = graph.tensor(before, (1, *recipe.input_shape), scale=values.scale(before))
    graph.inputs.append(source)
    for step in trace(recipe):
        source = _append(graph, step, (before, source), values)
        before = step.layer.name
    return pack(graph, source, recipe.id, description)


def _append(graph: Graph, step: Step, before: tuple[str, int], values: _Values) -> int:
    """Append one layer that reads what ``before`` names; get the tensor it writes."""
    name, source = step.layer.name, before[1]
    inputs = [source]
    if isinstance(step.layer, Dense) and len(step.reads) > 1:
        inputs = [_flatten(graph, step, source, values.scale(before[0]))]
    if isinstance(step.layer, Add):
        inputs = [graph.outputs[step.layer.other], source]
    if isinstance(step.layer, GlobalAveragePool):
        inputs.append(graph.tensor(f"{name}/axes", (2,), np.asarray([1, 2], np.int32)))
    for part, (data, scale) in zip(("kernel", "bias"), values.constants(name), strict=False):
        inputs.append(graph.tensor(f"{name}/{part}", data.shape, data, scale))
    target = graph.tensor(name, (1, *step.writes), scale=values.scale(name))
    kind, options = _operator(graph.schema, step)
    graph.operator(kind, inputs, target, options)
    graph.outputs[name] = target
    return target


def _flatten(graph: Graph, step: Step, source: int, scale: Scale | None) -> int:
    """Append the reshape to (batch, features); -1 leaves the batch free to be resized."""
    features = int(np.prod(step.reads))
    new_shape = np.asarray([-1, features], np.int32)
    shape_tensor = graph.tensor(f"{step.layer.name}/shape", (2,), new_shape)
    target = graph.tensor(f"{step.layer.name}/flat", (1, features), scale=scale)
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
