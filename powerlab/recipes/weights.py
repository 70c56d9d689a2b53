"""Weights drawn from a seed: the same bytes on every computer."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from powerlab.recipes.layers import Add, Recipe, Step, trace

Array = NDArray[np.float32]

# Small beside activations of order one, yet large enough that a bias put in the wrong
# place shows when two runtimes are compared.
_BIAS_LIMIT = np.float32(0.05)


@dataclass(frozen=True, slots=True)
class Weights:
    """One layer's kernel, laid out as ``Step.kernel_shape`` says, and its biases (n,)."""

    kernel: Array
    bias: Array


def draw_weights(recipe: Recipe, seed: int) -> dict[str, Weights]:
    """Draw the weights of every layer that has some, by layer name; read-only float32.

    Kernels are uniform in ±sqrt(3 gain / fan_in) (He et al., Delving Deep into Rectifiers,
    2015: gain 2 keeps the variance through ReLUs), so that activations stay of order one
    and no runtime meets denormal numbers, which some processors handle slowly. Uniform,
    not normal: 24 random bits times a constant involve no library function whose last
    digit could differ between computers.
    """
    generator = np.random.default_rng(seed)
    weights: dict[str, Weights] = {}
    for step, gain in zip(trace(recipe), _gains(recipe), strict=True):
        shape = step.kernel_shape
        if shape is None:
            continue
        limit = np.float32(sqrt(3 * gain / step.fan_in))
        kernel = _uniform(generator, shape, limit)
        bias = _uniform(generator, (step.writes[-1],), _BIAS_LIMIT)
        weights[step.layer.name] = Weights(kernel, bias)
    return weights


def _gains(recipe: Recipe) -> list[float]:
    """Get each layer's gain: 2, but 1 for the layer whose output a residual takes in.

    A residual sums two branches; drawing its new branch with half the variance keeps a
    chain of them from growing step by step.
    """
    steps: tuple[Step, ...] = trace(recipe)
    followers = [step.layer for step in steps[1:]]
    gains = [1.0 if isinstance(after, Add) else 2.0 for after in followers]
    return [*gains, 2.0]


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], limit: np.float32) -> Array:
    """Draw float32 numbers of [-limit, limit)."""
    unit = generator.random(shape, dtype=np.float32)
    values: Array = (unit * np.float32(2.0) - np.float32(1.0)) * limit
    values.setflags(write=False)
    return values
