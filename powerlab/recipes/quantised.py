"""A network in whole numbers of 8 bits, as TFLite defines them.

A stored q stands for ``scale * (q - zero_point)``. Activations have one scale a tensor and
kernels one for each filter, but a dense layer's kernel has a single one; biases are whole
numbers of 32 bits in steps of the input's scale times the kernel's. Rules after TensorFlow's
"LiteRT 8-bit quantization specification".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from powerlab.recipes.forward import forward
from powerlab.recipes.layers import (
    Dense,
    DepthwiseConv,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Recipe,
    Softmax,
)
from powerlab.recipes.weights import Array, Weights

INPUT = "input"

_LEVELS = 255
_LOWEST = -128
_LARGEST_WEIGHT = 127

_LOGITS_REACH = 16.0
"""A class told so much less than the likeliest has e^-16 of its probability: below a step."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Steps and zero of a tensor; several steps belong to the indices of ``axis``."""

    steps: NDArray[np.float32]
    zero_point: int = 0
    axis: int = 0


@dataclass(frozen=True, slots=True)
class WholeWeights:
    """A layer's kernel (int8) and biases (int32) with their scales."""

    kernel: NDArray[np.int8]
    kernel_scale: Scale
    bias: NDArray[np.int32]
    bias_scale: Scale


@dataclass(frozen=True, slots=True)
class Quantised:
    """The scales of the input and of what each layer writes, and the weights, by layer name."""

    scales: Mapping[str, Scale]
    weights: Mapping[str, WholeWeights]


def quantise(recipe: Recipe, weights: Mapping[str, Weights], pictures: Array) -> Quantised:
    """Quantise a network by the ranges that ``pictures`` (n, h, w, c), of 0 to 1, give it.

    Ranges are rounded up to two figures, so that a library that adds in another order does
    not change the bytes.
    """
    scales = {INPUT: _activation_scale(0.0, 1.0)}
    whole: dict[str, WholeWeights] = {}
    logits = {
        one.name
        for one, after in pairwise(recipe.layers)
        if isinstance(after, Softmax) and not isinstance(one, MaxPool | GlobalAveragePool)
    }
    before = INPUT
    for step, values in forward(recipe, weights, pictures):
        layer = step.layer
        if isinstance(layer, MaxPool | GlobalAveragePool):
            scales[layer.name] = scales[before]
        elif isinstance(layer, Softmax):
            scales[layer.name] = Scale(np.array([1 / 256], np.float32), _LOWEST)
        else:
            least = float(values.min())
            if layer.name in logits:
                least = max(least, float(values.max(axis=-1).min()) - _LOGITS_REACH)
            scales[layer.name] = _activation_scale(least, float(values.max()))
        if layer.name in weights:
            whole[layer.name] = _whole(weights[layer.name], _filter_axis(layer), scales[before])
        before = layer.name
    return Quantised(scales, whole)


def _filter_axis(layer: Layer) -> int | None:
    """Get the axis of a kernel that counts filters; None where one scale serves them all."""
    if isinstance(layer, Dense):
        return None
    return 3 if isinstance(layer, DepthwiseConv) else 0


def _activation_scale(least: float, most: float) -> Scale:
    low, high = -_rounded_up(-least), _rounded_up(most)
    step = np.float32((high - low) / _LEVELS)
    return Scale(np.array([step], np.float32), round(_LOWEST - low / float(step)))


def _rounded_up(limit: float) -> float:
    """Get a limit above 0 rounded up to two figures; 0 for any other."""
    if limit <= 0:
        return 0.0
    unit = 10.0 ** (floor(log10(limit)) - 1)
    return ceil(limit / unit) * unit


def _whole(weights: Weights, axis: int | None, source: Scale) -> WholeWeights:
    others = tuple(index for index in range(weights.kernel.ndim) if index != axis)
    largest = np.abs(weights.kernel).max(axis=others if axis is not None else None, keepdims=True)
    steps = np.maximum(largest, np.float32(1e-9)) / np.float32(_LARGEST_WEIGHT)
    kernel = np.rint(weights.kernel / steps).astype(np.int8)
    flat = np.asarray(steps, np.float32).ravel()
    bias_steps = (flat * source.steps).astype(np.float32)
    bias = np.rint(weights.bias / bias_steps.astype(np.float64)).astype(np.int32)
    return WholeWeights(kernel, Scale(flat, 0, axis or 0), bias, Scale(bias_steps, 0, 0))
