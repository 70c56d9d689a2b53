"""Counting what a loaded model recognises, by whoever can ask it about prepared pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.analysis.accuracy import TOP, ranks_among
from powerlab.catalog.workload_profile import WorkloadProfile
from powerlab.errors import ConfigError
from powerlab.models.tflite_reader import input_scale
from powerlab.recipes.pictures import InputForm

Ask = Callable[[bytes], Mapping[str, Any]]
"""Answers the bytes of whole batches with "shape", "dtype" and the classes of each picture."""

MOST_BYTES = 4_000_000
"""In one question, unless a single batch has more."""


def input_form(ask: Ask, main: Path | None, profile: WorkloadProfile) -> InputForm:
    """Get what the loaded model takes; ``main`` is its file, which may say what steps mean.

    Raises ``ConfigError`` where that is no picture of the workload.
    """
    told = ask(b"")
    shape, (_, height, width, channels) = tuple(told["shape"]), profile.input_shape
    if shape[1:] != (height, width, channels):
        sizes = "x".join(map(str, shape))
        raise ConfigError(
            f"the model on the board takes {sizes}, and {profile.id} is said to take pictures of "
            f"{height}x{width}x{channels}",
            hint="accuracy is counted of models that take pictures as (batch, h, w, channels)",
        )
    scale = None
    if np.dtype(told["dtype"]).kind != "f" and main is not None and main.suffix == ".tflite":
        scale = input_scale(main.read_bytes())
    return InputForm((shape[0], height, width, channels), str(told["dtype"]), scale)


def ranks_told(
    ask: Ask, inputs: NDArray[Any], labels: NDArray[np.int64], form: InputForm
) -> NDArray[np.int64]:
    """Get the rank of each picture's class, TOP for all that are not among the first.

    ``inputs`` (n, h, w, c) are as the model takes them, ``labels`` (n,) their outputs. The last
    batch is filled up with its last picture, whose answers are dropped.
    """
    batch = form.shape[0]
    spare = -len(inputs) % batch
    whole = np.concatenate([inputs, np.repeat(inputs[-1:], spare, axis=0)])
    at_once = batch * max(1, MOST_BYTES // max(1, batch * inputs[0].nbytes))
    best: list[list[int]] = []
    for start in range(0, len(whole), at_once):
        content = np.ascontiguousarray(whole[start : start + at_once]).tobytes()
        best += ask(content)["best"]
    return ranks_among(np.array(best, np.int64)[: len(inputs), :TOP], labels)
