"""Shapes and counts that follow from a description."""

from __future__ import annotations

import pytest

from powerlab.recipes import RECIPES, macs, parameters
from powerlab.recipes.layers import Add, Conv, Dense, DepthwiseConv, MaxPool, Recipe, trace

SEED_CNN = RECIPES["seed-cnn"]
MOBILENET_V2 = RECIPES["mobilenet-v2"]


@pytest.mark.parametrize(
    ("recipe", "parameter_count", "mac_count"),
    [(SEED_CNN, 1_039_744, 49_371_200), (MOBILENET_V2, 3_487_816, 300_774_272)],
    ids=lambda value: getattr(value, "id", None),
)
def test_counts_are_the_published_ones(recipe, parameter_count, mac_count):
    """Both networks have the size that their publications state."""
    assert parameters(recipe) == parameter_count
    assert macs(recipe) == mac_count


def test_seed_cnn_shrinks_without_remainder():
    """The picture goes 88, 82, 41, 36, 12, 8, which makes 6,144 inputs of fc1."""
    steps = trace(SEED_CNN)
    sides = [step.writes[0] for step in steps if len(step.writes) == 3]
    assert sides == [82, 41, 36, 12, 8]
    assert steps[5].fan_in == 6_144
    assert steps[-1].writes == (848,)


def test_mobilenet_has_seventeen_blocks_of_which_ten_are_residual():
    """The block table of the paper is unrolled in full."""
    names = [layer.name for layer in MOBILENET_V2.layers]
    assert sum(name.endswith("_depthwise") for name in names) == 17
    assert sum(name.endswith("_add") for name in names) == 10
    assert trace(MOBILENET_V2)[-4].writes == (7, 7, 1280)


def test_same_padding_rounds_up_and_valid_drops_the_rest():
    """A picture of 7 at stride 2 becomes 4 with padding and 3 without."""
    layers = (DepthwiseConv("a", kernel=3, stride=2), MaxPool("b", size=2, stride=2))
    steps = trace(Recipe("x", 1, (7, 7, 2), layers))
    assert [step.writes for step in steps] == [(4, 4, 2), (2, 2, 2)]
    valid = trace(Recipe("x", 1, (7, 7, 2), (Conv("a", 5, kernel=3, stride=2),)))
    assert valid[0].writes == (3, 3, 5)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((Conv("a", 1, kernel=1), Conv("a", 1, kernel=1)), "two layers are named 'a'"),
        ((Conv("a", 1, kernel=1), Add("b", other="z")), "adds 'z'"),
        ((Conv("a", 2, kernel=1), Conv("b", 3, kernel=1), Add("c", other="a")), "to \\(4, 4, 3\\)"),
        ((Conv("a", 1, kernel=5),), "does not fit"),
        ((Dense("a", units=0),), "does not fit"),
    ],
)
def test_a_description_that_cannot_be_built_is_refused(layers, words):
    """The first layer that cannot be built is named."""
    with pytest.raises(ValueError, match=words):
        trace(Recipe("x", 1, (4, 4, 1), layers))
