"""Train the seed CNN on generated Gabor patches and write its weights.

Not run by anything: it made ``workloads/seed-cnn-trained-int8.tflite``. It needs torch 2.13,
which is no dependency of powerlab, and half an hour of two cores:

    python benchmarks/train_seed_cnn.py weights.npz
    python benchmarks/quantise_seed_cnn.py weights.npz seed-cnn-trained-int8.tflite

Training starts at half the weights that the workload ``seed-cnn`` has from its seed: with the
whole ones, noise in the pictures drives it to one answer for all of them. Every picture
is drawn for one step and never seen again, so there is nothing to overfit. The weights repeat
on one computer with one version of torch, elsewhere nearly.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from powerlab.recipes.gabor import gabor_set
from powerlab.recipes.layers import Dense, MaxPool, Recipe
from powerlab.recipes.networks import SEED_CNN
from powerlab.recipes.weights import draw_weights

SEED = 4
BATCH = 96
STEPS = 8000
PEAK_RATE = 1e-3
WARM_UP_STEPS = 200
MIDDLE, SPREAD = 0.5, 0.2
"""Of a picture's values; training sees them centred, and the first layer takes that in after."""

VALIDATION_SEED = 10**6
"""Seeds from here on are not used by training steps."""


def _parameters() -> dict[str, Any]:
    """Get what training starts at, each tensor as ``Step.kernel_shape`` lays it out."""
    tensors = {}
    for name, weights in draw_weights(SEED_CNN, SEED).items():
        tensors[f"{name}/kernel"] = torch.tensor(weights.kernel / 2, requires_grad=True)
        tensors[f"{name}/bias"] = torch.zeros(len(weights.bias), requires_grad=True)
    return tensors


def _logits(recipe: Recipe, parameters: dict[str, Any], pictures: Any) -> Any:
    """Get the outputs before the softmax for centred pictures (n, h, w, c)."""
    value = pictures.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    for layer in recipe.layers[:-1]:
        if isinstance(layer, MaxPool):
            value = functional.max_pool2d(value, layer.size, layer.stride)
            continue
        kernel, bias = parameters[f"{layer.name}/kernel"], parameters[f"{layer.name}/bias"]
        if isinstance(layer, Dense):
            flat = value.permute(0, 2, 3, 1).flatten(1) if value.dim() == 4 else value
            value = functional.linear(flat, kernel, bias)
        else:
            factors = kernel.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
            value = functional.conv2d(value, factors, bias)
        if layer.activation == "relu":
            value = functional.relu(value)
    return value


def _batch(seed: int, count: int) -> tuple[Any, Any]:
    pictures, labels = gabor_set(seed, count)
    centred = (torch.from_numpy(pictures).float() / 255 - MIDDLE) / SPREAD
    return centred, torch.from_numpy(labels)


def _rate(step: int) -> float:
    """Get the learning rate: a linear warm-up, then half a cosine down to nothing."""
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    return PEAK_RATE * rise * 0.5 * (1 + np.cos(np.pi * step / STEPS))


def _top1(parameters: dict[str, Any], count: int) -> float:
    pictures, labels = _batch(VALIDATION_SEED, count)
    with torch.no_grad():
        told = _logits(SEED_CNN, parameters, pictures)
    return float((told.argmax(1) == labels).float().mean())


def _uncentred(parameters: dict[str, Any]) -> dict[str, Any]:
    """Get arrays of weights that take pictures of 0 to 1: centring goes into the first layer."""
    arrays = {name: tensor.detach().numpy().copy() for name, tensor in parameters.items()}
    first = SEED_CNN.layers[0].name
    arrays[f"{first}/kernel"] /= SPREAD
    arrays[f"{first}/bias"] -= MIDDLE * arrays[f"{first}/kernel"].sum((1, 2, 3))
    return arrays


def main(target: str) -> None:
    """Train and write ``target``, an .npz of kernels and biases by layer name."""
    parameters = _parameters()
    optimiser = torch.optim.Adam(parameters.values(), lr=PEAK_RATE)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as drawer:
        ahead = drawer.submit(_batch, 0, BATCH)
        for step in range(STEPS):
            pictures, labels = ahead.result()
            ahead = drawer.submit(_batch, step + 1, BATCH)
            optimiser.param_groups[0]["lr"] = _rate(step)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                told = _logits(SEED_CNN, parameters, pictures)
            loss = functional.cross_entropy(told.float(), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step % 250 == 249:
                top1, spent_s = _top1(parameters, 1000), time.monotonic() - began
                print(f"step {step + 1}: loss {loss.item():.3f}, top-1 {top1:.3f}, {spent_s:.0f} s")
                np.savez(target, **_uncentred(parameters))


if __name__ == "__main__":
    main(sys.argv[1])
