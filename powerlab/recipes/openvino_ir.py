"""Write a network as an OpenVINO IR: an .xml graph and its .bin weights."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import prod
from pathlib import Path
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


def write_openvino_ir(recipe: Recipe, weights: Mapping[str, Weights], xml: Path) -> None:
    """Write ``xml`` and the ``.bin`` beside it: float32, batch 1.

    Input (1, h, w, c) and output (1, n) are those of the TFLite file, so that one input
    array serves both; within, the graph is channels first, OpenVINO's own layout. The
    .xml names the OpenVINO that wrote it, so its bytes repeat under one version only; the
    .bin repeats everywhere. Raises ``ImportError`` when ``openvino`` is not installed and
    ``OSError`` when the files cannot be written.
    """
    # Its telemetry would report the import over the network; without it, a stub serves.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # noqa: PLC0415  optional, 0.3 s
    from openvino import opset13 as opset  # noqa: PLC0415

    source = opset.parameter([1, *recipe.input_shape], np.float32, name="input")
    order = _constant(opset, "input/order", np.asarray([0, 3, 1, 2], np.int64))
    node = opset.transpose(source, order, name="input/channels_first")
    outputs: dict[str, Any] = {}
    for step in trace(recipe):
        node = _append(opset, step, node, weights.get(step.layer.name), outputs)
        outputs[step.layer.name] = node
    source.output(0).set_names({"input"})
    node.output(0).set_names({recipe.layers[-1].name})
    # Every node carries a name: generated ones count up within the process, and the same
    # network built twice would give two different files.
    result = opset.result(node, name="output")
    model = openvino.Model([result], [source], recipe.id)
    try:
        openvino.save_model(model, str(xml), compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(f"OpenVINO could not write {xml.name}: {error}") from error


def _append(
    opset: Any, step: Step, source: Any, weights: Weights | None, outputs: Mapping[str, Any]
) -> Any:
    """Append one layer that reads node ``source``; get the node it ends in."""
    layer = step.layer
    match layer:
        case Conv() | DepthwiseConv():
            if weights is None:
                raise ValueError(f"{layer.name} has no weights")
            return _convolution(opset, layer, source, weights)
        case Dense():
            if weights is None:
                raise ValueError(f"{layer.name} has no weights")
            return _dense(opset, layer, source, step.reads, weights)
        case MaxPool(name=name, size=size, stride=stride):
            pads, strides, window = [0, 0], [stride, stride], [size, size]
            pooled = opset.max_pool(source, strides, [1, 1], pads, pads, window, name=name)
            return pooled.output(0)
        case GlobalAveragePool(name=name):
            axes = _constant(opset, f"{name}/axes", np.asarray([2, 3], np.int64))
            return opset.reduce_mean(source, axes, keep_dims=False, name=name)
        case Add(name=name, other=other):
            return opset.add(outputs[other], source, name=name)
        case Softmax(name=name):
            return opset.softmax(source, axis=-1, name=name)


def _convolution(opset: Any, layer: Conv | DepthwiseConv, source: Any, weights: Weights) -> Any:
    """Append a convolution, its biases and its activation."""
    strides = [layer.stride, layer.stride]
    zeros, ones = [0, 0], [1, 1]
    if isinstance(layer, DepthwiseConv):
        # (1, h, w, c) to (groups, out per group, in per group, h, w)
        grouped = weights.kernel.transpose(3, 0, 1, 2)[:, :, np.newaxis]
        kernel = _constant(opset, f"{layer.name}/kernel", grouped)
        operation = opset.group_convolution
    else:
        kernel = _constant(opset, f"{layer.name}/kernel", weights.kernel.transpose(0, 3, 1, 2))
        operation = opset.convolution
    node = operation(
        source,
        kernel,
        strides,
        zeros,
        zeros,
        ones,
        auto_pad=_auto_pad(layer.padding),
        name=f"{layer.name}/products",
    )
    bias = weights.bias.reshape(1, -1, 1, 1)
    return _biased(opset, layer.name, node, bias, layer.activation)


def _dense(opset: Any, layer: Dense, source: Any, reads: Shape, weights: Weights) -> Any:
    """Append a dense layer, its biases and its activation."""
    kernel = weights.kernel
    if len(reads) > 1:
        # The picture arrives as (c, h, w) and is flattened so; the columns move with it.
        columns = np.moveaxis(kernel.reshape((layer.units, *reads)), -1, 1)
        kernel = columns.reshape(kernel.shape)
        new_shape = np.asarray([-1, prod(reads)], np.int64)
        target = _constant(opset, f"{layer.name}/shape", new_shape)
        source = opset.reshape(source, target, special_zero=False, name=f"{layer.name}/flat")
    factor = _constant(opset, f"{layer.name}/kernel", kernel)
    node = opset.matmul(
        source, factor, transpose_a=False, transpose_b=True, name=f"{layer.name}/products"
    )
    return _biased(opset, layer.name, node, weights.bias.reshape(1, -1), layer.activation)


def _biased(
    opset: Any, name: str, node: Any, bias: NDArray[np.float32], activation: Activation
) -> Any:
    """Append the biases and the activation; the last node carries the layer's name."""
    constant = _constant(opset, f"{name}/bias", bias)
    if activation == "linear":
        return opset.add(node, constant, name=name)
    added = opset.add(node, constant, name=f"{name}/biased")
    if activation == "relu":
        return opset.relu(added, name=name)
    return opset.clamp(added, 0.0, 6.0, name=name)


def _constant(opset: Any, name: str, value: NDArray[Any]) -> Any:
    """Get a constant node that holds a copy of ``value`` in C order."""
    return opset.constant(np.ascontiguousarray(value), name=name)


def _auto_pad(padding: Padding) -> str:
    """Get OpenVINO's word; at odd totals it pads the end more, as TFLite does."""
    return {"valid": "valid", "same": "same_upper"}[padding]
