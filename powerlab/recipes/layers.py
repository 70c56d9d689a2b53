"""A network as a list of layers, and the shapes that follow from it.

One description serves every file format: the weights, the TFLite file, the OpenVINO IR
and the counts are all derived from it, so they cannot disagree. Shapes are (height,
width, channels) or (features,); the batch is left out. A layer reads the layer before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

Activation = Literal["linear", "relu", "relu6"]
Padding = Literal["valid", "same"]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Conv:
    """A square convolution with biases."""

    name: str
    filters: int
    kernel: int
    stride: int = 1
    padding: Padding = "valid"
    activation: Activation = "linear"


@dataclass(frozen=True, slots=True)
class DepthwiseConv:
    """A square convolution of each channel with its own single filter, with biases."""

    name: str
    kernel: int
    stride: int = 1
    padding: Padding = "same"
    activation: Activation = "linear"


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The maximum of each square window; windows that do not fit are left out."""

    name: str
    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """The mean of each channel over the whole picture."""

    name: str


@dataclass(frozen=True, slots=True)
class Dense:
    """A fully connected layer with biases; a picture is read in (h, w, c) order."""

    name: str
    units: int
    activation: Activation = "linear"


@dataclass(frozen=True, slots=True)
class Add:
    """A residual: the layer before plus the output of the earlier layer ``other``."""

    name: str
    other: str


@dataclass(frozen=True, slots=True)
class Softmax:
    """Probabilities from logits."""

    name: str


Layer = Conv | DepthwiseConv | MaxPool | GlobalAveragePool | Dense | Add | Softmax


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network that can be built from a seed alone.

    ``version`` counts changes that alter the built files; it is part of the cache key.
    """

    id: str
    version: int
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A layer together with the shapes it reads and writes."""

    layer: Layer
    reads: Shape
    writes: Shape

    @property
    def kernel_shape(self) -> Shape | None:
        """The weights' shape as TFLite lays them out; ``None`` where there are none.

        Conv: (filters, height, width, channels); depthwise: (1, height, width, channels);
        dense: (units, features). Biases have the length of the last axis of ``writes``.
        """
        match self.layer:
            case Conv(filters=filters, kernel=kernel):
                return (filters, kernel, kernel, self.reads[-1])
            case DepthwiseConv(kernel=kernel):
                return (1, kernel, kernel, self.reads[-1])
            case Dense(units=units):
                return (units, prod(self.reads))
            case _:
                return None

    @property
    def fan_in(self) -> int:
        """The number of products that are summed into one output value."""
        match self.layer:
            case Conv(kernel=kernel):
                return kernel * kernel * self.reads[-1]
            case DepthwiseConv(kernel=kernel):
                return kernel * kernel
            case Dense():
                return prod(self.reads)
            case _:
                return 0


def trace(recipe: Recipe) -> tuple[Step, ...]:
    """Get the recipe's layers with their shapes, in order.

    Raises ``ValueError`` on a description that cannot be built: a window larger than its
    picture, an unknown or repeated name, a residual of unequal shapes.
    """
    steps: list[Step] = []
    outputs: dict[str, Shape] = {}
    shape: Shape = recipe.input_shape
    for layer in recipe.layers:
        if layer.name in outputs:
            raise ValueError(f"{recipe.id}: two layers are named {layer.name!r}")
        if isinstance(layer, Add) and outputs.get(layer.other) != shape:
            raise ValueError(
                f"{recipe.id}: {layer.name} adds {layer.other!r} of shape "
                f"{outputs.get(layer.other)} to {shape}"
            )
        written = _written(layer, shape)
        if min(written) < 1:
            raise ValueError(f"{recipe.id}: {layer.name} does not fit a picture of {shape}")
        steps.append(Step(layer, shape, written))
        outputs[layer.name] = shape = written
    return tuple(steps)


def parameters(recipe: Recipe) -> int:
    """Count the weights and biases."""
    kernels = [(step.kernel_shape, step.writes[-1]) for step in trace(recipe)]
    return sum(prod(kernel) + biases for kernel, biases in kernels if kernel is not None)


def macs(recipe: Recipe) -> int:
    """Count the multiply-accumulates of one inference at batch 1.

    Convolutions and dense layers only: additions of biases, pools, residuals and
    activations are left out, as the literature does.
    """
    return sum(prod(step.writes) * step.fan_in for step in trace(recipe))


def _written(layer: Layer, shape: Shape) -> Shape:
    match layer:
        case Conv(filters=filters, kernel=kernel, stride=stride, padding=padding):
            return (*_windows(shape, kernel, stride, padding), filters)
        case DepthwiseConv(kernel=kernel, stride=stride, padding=padding):
            return (*_windows(shape, kernel, stride, padding), shape[-1])
        case MaxPool(size=size, stride=stride):
            return (*_windows(shape, size, stride, "valid"), shape[-1])
        case GlobalAveragePool():
            return (shape[-1],)
        case Dense(units=units):
            return (units,)
        case Add() | Softmax():
            return shape


def _windows(shape: Shape, kernel: int, stride: int, padding: Padding) -> tuple[int, int]:
    height, width, _ = shape
    if padding == "same":
        return -(-height // stride), -(-width // stride)
    return (height - kernel) // stride + 1, (width - kernel) // stride + 1
