"""What a network computes, in numpy alone: for ranges of activations, not for speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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
from powerlab.recipes.weights import Array, Weights

_CEILINGS: Mapping[Activation, float] = {"relu": np.inf, "relu6": 6.0}


def forward(
    recipe: Recipe, weights: Mapping[str, Weights], pictures: Array
) -> Iterator[tuple[Step, Array]]:
    """Yield each layer with what it writes, (n, h, w, c) or (n, features), in float32.

    ``pictures`` is (n, h, w, c) as the recipe's input.
    """
    written: dict[str, Array] = {}
    values = np.asarray(pictures, np.float32)
    for step in trace(recipe):
        values = _layer(step, values, weights.get(step.layer.name), written)
        written[step.layer.name] = values
        yield step, values


def _layer(
    step: Step, values: Array, weights: Weights | None, written: Mapping[str, Array]
) -> Array:
    match step.layer:
        case MaxPool(size=size, stride=stride):
            return np.asarray(_windows(values, size, stride).max(axis=(-2, -1)))
        case GlobalAveragePool():
            return np.asarray(values.mean(axis=(1, 2)))
        case Add(other=other):
            return values + written[other]
        case Softmax():
            powers = np.exp(values - values.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
        case Conv(activation=activation) | DepthwiseConv(activation=activation):
            linear = _convolution(step, values, weights)
        case Dense(activation=activation):
            linear = _with_bias(values.reshape(len(values), -1) @ _of(weights).kernel.T, weights)
    if activation == "linear":
        return linear
    return np.clip(linear, 0, np.float32(_CEILINGS[activation]))


def _convolution(step: Step, values: Array, weights: Weights | None) -> Array:
    layer, kernel = step.layer, _of(weights).kernel
    if not isinstance(layer, Conv | DepthwiseConv):
        raise TypeError(f"{layer.name} is no convolution")
    if layer.padding == "same":
        values = np.pad(values, [(0, 0), *_zeros(step, layer), (0, 0)])
    windows = _windows(values, layer.kernel, layer.stride)
    if isinstance(layer, DepthwiseConv):
        return _with_bias(np.einsum("nhwcij,ijc->nhwc", windows, kernel[0]), weights)
    return _with_bias(np.tensordot(windows, kernel, axes=((3, 4, 5), (3, 1, 2))), weights)


def _zeros(step: Step, layer: Conv | DepthwiseConv) -> list[tuple[int, int]]:
    """Get the zeros before and after, of height and width; at odd totals more after."""
    totals = [
        max(0, (wide - 1) * layer.stride + layer.kernel - read)
        for read, wide in zip(step.reads[:2], step.writes[:2], strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def _windows(values: Array, size: int, stride: int) -> Array:
    """Get all windows: (n, h, w, c, size, size)."""
    windows = sliding_window_view(values, (size, size), axis=(1, 2))
    return np.asarray(windows[:, ::stride, ::stride])


def _with_bias(values: Array, weights: Weights | None) -> Array:
    return np.asarray(values + _of(weights).bias, np.float32)


def _of(weights: Weights | None) -> Weights:
    if weights is None:
        raise ValueError("a layer with weights has none")
    return weights
