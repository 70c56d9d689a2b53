"""Write a network as ncnn's pair of files: a text of layers and a file of weights, float32.

Layout after the ncnn project's wiki ("param and model file structure", "operation param
weight table"). The input is named "data" and is (c, h, w), the output "output". A layer's
output that several layers read has to be split by a layer of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from powerlab.recipes.layers import (
    Activation,
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

INPUT, OUTPUT = "data", "output"

_MAGIC = "7767517"
_SAME_UPPER = -233
_FLOAT32_TAG = b"\0\0\0\0"
_ACTIVATIONS: Mapping[Activation, str] = {
    "linear": "",
    "relu": "9=1",
    "relu6": "9=3 -23310=2,0.0,6.0",
}


def ncnn_files(recipe: Recipe, weights: Mapping[str, Weights]) -> tuple[str, bytes]:
    """Get the content of the .param and of the .bin file; the same on every computer."""
    steps = trace(recipe)
    graph = _Graph()
    height, width, channels = recipe.input_shape
    graph.layer("Input", "input", [], [INPUT], f"0={width} 1={height} 2={channels}")
    reads = Counter(step.layer.other for step in steps if isinstance(step.layer, Add))
    source = INPUT
    for step in steps:
        name = step.layer.name
        end = OUTPUT if step is steps[-1] else name
        _append(graph, step, source, end, weights.get(name))
        source = end
        if reads[name]:
            branches = [f"{name}/{number}" for number in range(reads[name] + 1)]
            graph.layer("Split", f"{name}/split", [name], branches)
            graph.branches[name], source = branches[:-1], branches[-1]
    head = [_MAGIC, f"{len(graph.lines)} {graph.blobs}"]
    return "\n".join([*head, *graph.lines, ""]), b"".join(graph.weights)


@dataclass
class _Graph:
    lines: list[str] = field(default_factory=list)
    weights: list[bytes] = field(default_factory=list)
    branches: dict[str, list[str]] = field(default_factory=dict)
    blobs: int = 0

    def layer(
        self, kind: str, name: str, reads: list[str], writes: list[str], options: str = ""
    ) -> None:
        """Append a layer's line."""
        words = [kind, name, str(len(reads)), str(len(writes)), *reads, *writes, options]
        self.lines.append(" ".join(word for word in words if word))
        self.blobs += len(writes)


def _append(graph: _Graph, step: Step, source: str, end: str, weights: Weights | None) -> None:
    """Append one layer that reads blob ``source`` and writes blob ``end``."""
    layer = step.layer
    match layer:
        case Conv() | DepthwiseConv() | Dense():
            if weights is None:
                raise ValueError(f"{layer.name} has no weights")
            _weighted(graph, step, source, end, weights)
        case MaxPool(name=name, size=size, stride=stride):
            graph.layer("Pooling", name, [source], [end], f"0=0 1={size} 2={stride} 5=1")
        case GlobalAveragePool(name=name):
            graph.layer("Pooling", name, [source], [end], "0=1 4=1")
        case Add(name=name, other=other):
            graph.layer("BinaryOp", name, [graph.branches[other].pop(), source], [end], "0=0")
        case Softmax(name=name):
            graph.layer("Softmax", name, [source], [end], "0=0 1=1")


def _weighted(graph: _Graph, step: Step, source: str, end: str, weights: Weights) -> None:
    layer, kernel, outputs = step.layer, weights.kernel, step.writes[-1]
    match layer:
        case Conv() | DepthwiseConv():
            kind = "Convolution" if isinstance(layer, Conv) else "ConvolutionDepthWise"
            # (n, h, w, c) to (n, c, h, w), or (1, h, w, c) to (c, h, w)
            kernel = kernel.transpose(0, 3, 1, 2)
            options = f"0={outputs} 1={layer.kernel} 3={layer.stride}"
            options += f" 4={_SAME_UPPER if layer.padding == 'same' else 0} 5=1 6={kernel.size}"
            options += f" 7={outputs}" if isinstance(layer, DepthwiseConv) else ""
        case Dense(name=name):
            kind, options = "InnerProduct", f"0={outputs} 1=1 2={kernel.size}"
            if len(step.reads) > 1:
                graph.layer("Flatten", f"{name}/flatten", [source], [f"{name}/flat"])
                source = f"{name}/flat"
                kernel = np.moveaxis(kernel.reshape((outputs, *step.reads)), -1, 1)
        case _:
            raise TypeError(f"{layer.name} has no weights")
    options = f"{options} {_ACTIVATIONS[layer.activation]}".rstrip()
    graph.layer(kind, layer.name, [source], [end], options)
    graph.weights.append(_FLOAT32_TAG + np.ascontiguousarray(kernel, "<f4").tobytes())
    graph.weights.append(np.ascontiguousarray(weights.bias, "<f4").tobytes())
