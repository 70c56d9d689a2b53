"""Labelled pictures: a folder of them, a random sample, and what a model takes.

The layout is that of ImageNetV2: a folder for each class, named by the class's number, with
the pictures of the class in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.catalog.workload_profile import Preprocessing, WorkloadProfile
from powerlab.errors import ConfigError, SetupError

ENDINGS = (".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".bmp")


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture file and the number of its class."""

    path: Path
    label: int


@dataclass(frozen=True, slots=True)
class InputForm:
    """What a model takes: (batch, h, w, c), a numpy type, and for whole numbers step and zero."""

    shape: tuple[int, int, int, int]
    dtype: str
    scale: tuple[float, int] | None = None


def read_labelled(folder: Path) -> tuple[LabelledPicture, ...]:
    """Get all pictures of a folder, ordered by class and name.

    Raises ``ConfigError`` where it is no folder, holds something else than numbered folders, or
    no picture.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder of pictures {folder}",
            hint="give a folder that has one folder of pictures for each class, named 0, 1, 2 …",
        )
    classes = sorted(place for place in folder.iterdir() if place.is_dir())
    wrong = [place.name for place in classes if not place.name.isdecimal()]
    if wrong:
        raise ConfigError(
            f"{folder}: {wrong[0]!r} is no class's number",
            hint="name the folders by the numbers of the classes, as ImageNetV2 does",
        )
    found = tuple(
        LabelledPicture(path, int(place.name))
        for place in sorted(classes, key=lambda place: int(place.name))
        for path in sorted(place.iterdir())
        if path.suffix.lower() in ENDINGS
    )
    if not found:
        raise ConfigError(
            f"{folder} holds no pictures",
            hint=f"put files that end in {', '.join(ENDINGS)} into its numbered folders",
        )
    return found


def sample(
    pictures: Sequence[LabelledPicture], count: int, seed: int
) -> tuple[LabelledPicture, ...]:
    """Get a random sample of ``count`` pictures, the same for every option of a study.

    A smaller count with the same seed gives the beginning of a larger one. Raises
    ``ConfigError`` where there are not that many.
    """
    if not 0 < count <= len(pictures):
        raise ConfigError(
            f"{count} pictures are wanted, and there are {len(pictures)}",
            hint=f"ask for 1 to {len(pictures)} of them",
        )
    order = np.random.default_rng(seed).permutation(len(pictures))
    return tuple(pictures[index] for index in order[:count])


def labels_of(
    pictures: Sequence[LabelledPicture], profile: WorkloadProfile, first_class: int
) -> NDArray[np.int64]:
    """Get which output stands for the class of each picture (n,).

    ``first_class`` is the class of the first output: 0, or -1 where that one is a background.
    Raises ``ConfigError`` for a class that the model does not tell.
    """
    labels = np.array([picture.label for picture in pictures], np.int64) - first_class
    beyond = labels[(labels < 0) | (labels >= profile.outputs)]
    if len(beyond):
        raise ConfigError(
            f"a picture is of class {beyond[0] + first_class}, and {profile.id} tells "
            f"{profile.outputs} classes from {first_class} on",
            hint="take pictures of the classes that the model was trained for",
        )
    return labels


def prepared(
    pictures: Sequence[LabelledPicture], form: InputForm, how: Preprocessing
) -> NDArray[Any]:
    """Get pictures as a model's input takes them: (n, h, w, c) in its type.

    Raises ``SetupError`` where pillow is missing, ``ConfigError`` for a file that is no picture.
    """
    values = np.stack([_opened(picture.path, form, how) for picture in pictures])
    return as_input(values, form, how)


def as_input(values: NDArray[np.uint8], form: InputForm, how: Preprocessing) -> NDArray[Any]:
    """Get pictures (n, h, w, c) of 0 to 255 as a model's input takes them."""
    mean, std = np.array(how.mean, np.float32), np.array(how.std, np.float32)
    scaled = (values.astype(np.float32) / np.float32(255) - mean) / std
    kind = np.dtype(form.dtype)
    if kind.kind == "f":
        return np.asarray(scaled.astype(kind))
    if form.scale is None:
        raise ConfigError(
            f"the model takes {form.dtype} and does not say what its steps mean",
            hint="give a .tflite file, which says so, or a model that takes float32",
        )
    step, zero = form.scale
    limits = np.iinfo(kind)
    whole = np.clip(np.rint(scaled / np.float32(step)) + zero, limits.min, limits.max)
    return np.asarray(whole.astype(kind))


def _opened(path: Path, form: InputForm, how: Preprocessing) -> NDArray[np.uint8]:
    """Get a picture scaled and cut to the input's size: (h, w, c)."""
    try:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415  slow, seldom needed
    except ImportError as error:
        raise SetupError(
            f"reading pictures needs pillow, which cannot be imported: {error}",
            hint="Run: pip install pillow",
        ) from error
    _, height, width, channels = form.shape
    try:
        with Image.open(path) as opened:
            picture = opened.convert("L" if channels == 1 else "RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError(
            f"{path} cannot be read as a picture: {error}",
            hint="remove it from the folder, or put it right",
        ) from error
    bilinear = Image.Resampling.BILINEAR
    if how.shorter_side_px is None:
        scaled = picture.resize((width, height), bilinear)
    else:
        factor = how.shorter_side_px / min(picture.size)
        size = tuple(max(1, round(length * factor)) for length in picture.size)
        scaled = picture.resize((size[0], size[1]), bilinear)
        left, top = (scaled.width - width) // 2, (scaled.height - height) // 2
        scaled = scaled.crop((left, top, left + width, top + height))
    return np.asarray(scaled, np.uint8).reshape(height, width, channels)
