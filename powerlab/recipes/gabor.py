"""A labelled set of pictures from a seed: noisy Gabor patches, 848 classes.

A Gabor patch is a plane wave under a Gaussian window. Its class is its orientation (53 steps
of 180°/53) and its spatial frequency (16 steps, geometric): ``class = 16 orientation +
frequency``, which gives the 848 outputs of the seed CNN a meaning that needs no download.
What is drawn beside the class is what a classifier has to bear: phase, place, width, contrast
and noise of every pixel.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

ORIENTATIONS = 53
FREQUENCIES = 16
CLASSES = ORIENTATIONS * FREQUENCIES
SIDE = 88

LOWEST_PER_PIXEL = 0.05
HIGHEST_PER_PIXEL = 0.25
"""Spatial frequencies in cycles per pixel."""

_WIDTH_PIXELS = (16.0, 24.0)
_SHIFT_PIXELS = 6.0
_CONTRAST = (0.3, 1.0)
_NOISE = 0.3

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]


def gabor_set(seed: int, count: int) -> tuple[Pictures, Labels]:
    """Draw ``count`` pictures (count, 88, 88, 1), grey from 0 to 255, and their classes.

    Classes are uniform and independent, so every beginning of the set is a random sample of
    it. The same seed and count give the same classes everywhere, and the same pictures but
    for single grey levels where a library rounds another way.
    """
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, count)
    return gabor_pictures(generator, labels), labels


def gabor_pictures(generator: np.random.Generator, labels: Labels) -> Pictures:
    """Draw one picture of each of the ``labels``: (n, 88, 88, 1), grey from 0 to 255."""
    count = len(labels)
    angle = (labels // FREQUENCIES) * (pi / ORIENTATIONS)
    step = (labels % FREQUENCIES) / (FREQUENCIES - 1)
    per_pixel = LOWEST_PER_PIXEL * (HIGHEST_PER_PIXEL / LOWEST_PER_PIXEL) ** step
    shift = generator.uniform(-_SHIFT_PIXELS, _SHIFT_PIXELS, (2, count))
    width = generator.uniform(*_WIDTH_PIXELS, count)
    contrast = generator.uniform(*_CONTRAST, count)
    phase = generator.uniform(0, 2 * pi, count)
    axis = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    x = axis[np.newaxis, :] - _column(shift[0])
    y = axis[np.newaxis, :] - _column(shift[1])
    # Both the window and the wave are products of a part in x and a part in y.
    window = [np.exp(-np.square(part / _column(width)) / 2) for part in (y, x)]
    along_y = _column(2 * pi * per_pixel * np.sin(angle)) * y + _column(phase)
    along_x = _column(2 * pi * per_pixel * np.cos(angle)) * x
    cosine = [np.cos(along_y) * window[0], np.cos(along_x) * window[1]]
    sine = [np.sin(along_y) * window[0], np.sin(along_x) * window[1]]
    wave = cosine[0][:, :, None] * cosine[1][:, None] - sine[0][:, :, None] * sine[1][:, None]
    noise = generator.standard_normal((count, SIDE, SIDE), dtype=np.float32)
    grey = 0.5 + _column(contrast / 2)[:, :, None] * wave + np.float32(_NOISE) * noise
    levels = np.clip(grey, 0, 1) * np.float32(255) + np.float32(0.5)
    return np.asarray(levels.astype(np.uint8)[..., np.newaxis])


def _column(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)[:, np.newaxis]
