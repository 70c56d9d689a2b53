"""Weights depend on the recipe and the seed, on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from powerlab.recipes import RECIPES, parameters
from powerlab.recipes.layers import trace
from powerlab.recipes.weights import draw_weights


def _digest(recipe_id: str, seed: int) -> str:
    digest = hashlib.sha256()
    for weights in draw_weights(RECIPES[recipe_id], seed).values():
        digest.update(weights.kernel.astype("<f4").tobytes())
        digest.update(weights.bias.astype("<f4").tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("recipe_id", "seed", "start"),
    [("seed-cnn", 4, "3763f6f6d38584ea"), ("mobilenet-v2", 2, "759c9c6167717d09")],
)
def test_weights_are_those_of_every_other_computer(recipe_id, seed, start):
    """A change here, also by a new numpy, needs a new recipe version."""
    assert _digest(recipe_id, seed)[:16] == start


def test_another_seed_draws_other_weights():
    """The seed reaches the weights."""
    assert _digest("seed-cnn", 1) != _digest("seed-cnn", 2)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.id)
def test_weights_have_the_counted_size_and_the_stated_spread(recipe):
    """Every kernel is read-only and as wide as its fan-in asks; all parameters are there."""
    weights = draw_weights(recipe, seed=3)
    assert sum(w.kernel.size + w.bias.size for w in weights.values()) == parameters(recipe)
    for step in trace(recipe):
        if step.fan_in:
            kernel = weights[step.layer.name].kernel
            assert not kernel.flags.writeable
            assert kernel.dtype == np.float32
            spread = kernel.std() * np.sqrt(step.fan_in)
            assert 0.85 < spread < 1.6
