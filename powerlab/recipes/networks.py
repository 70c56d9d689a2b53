"""The networks that can be built: their layers, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from powerlab.recipes.layers import (
    Add,
    Conv,
    Dense,
    DepthwiseConv,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Recipe,
    Softmax,
)

# The published count of 1,039,744 parameters is met by one input channel and an 8x8x96
# picture before fc1 only; 88x88 is the size that leaves no remainder at either pool:
# 88 -> 82 -> 41 -> 36 -> 12 -> 8.
SEED_CNN = Recipe(
    id="seed-cnn",
    version=1,
    input_shape=(88, 88, 1),
    layers=(
        Conv("conv1", filters=16, kernel=7, activation="relu"),
        MaxPool("pool1", size=2, stride=2),
        Conv("conv2", filters=48, kernel=6, activation="relu"),
        MaxPool("pool2", size=3, stride=3),
        Conv("conv3", filters=96, kernel=5, activation="relu"),
        Dense("fc1", units=128, activation="relu"),
        Dense("fc2", units=848),
        Softmax("probabilities"),
    ),
)

# Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks (2018), table 2:
# expansion t, output channels c, repeats n, stride s of the first repeat; width 1.0.
_BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _bottleneck(
    index: int, before: str, *, inputs: int, outputs: int, expansion: int, stride: int
) -> list[Layer]:
    """Get one inverted residual block; ``before`` names the layer it reads."""
    name = f"block{index}"
    layers: list[Layer] = []
    if expansion > 1:
        layers.append(Conv(f"{name}_expand", inputs * expansion, kernel=1, activation="relu6"))
    layers.append(DepthwiseConv(f"{name}_depthwise", kernel=3, stride=stride, activation="relu6"))
    layers.append(Conv(f"{name}_project", outputs, kernel=1))
    if stride == 1 and inputs == outputs:
        layers.append(Add(f"{name}_add", other=before))
    return layers


def _mobilenet_v2() -> Recipe:
    """Get MobileNetV2 1.0 at 224 pixels, batch normalisation folded into the biases."""
    layers: list[Layer] = [
        Conv("stem", filters=32, kernel=3, stride=2, padding="same", activation="relu6")
    ]
    inputs, index = 32, 0
    for expansion, outputs, repeats, first_stride in _BOTTLENECKS:
        for repeat in range(repeats):
            index += 1
            layers += _bottleneck(
                index,
                layers[-1].name,
                inputs=inputs,
                outputs=outputs,
                expansion=expansion,
                stride=first_stride if repeat == 0 else 1,
            )
            inputs = outputs
    layers += [
        Conv("head", filters=1280, kernel=1, activation="relu6"),
        GlobalAveragePool("pool"),
        Dense("logits", units=1000),
        Softmax("probabilities"),
    ]
    return Recipe(id="mobilenet-v2", version=1, input_shape=(224, 224, 3), layers=tuple(layers))


MOBILENET_V2 = _mobilenet_v2()

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {recipe.id: recipe for recipe in (SEED_CNN, MOBILENET_V2)}
)
