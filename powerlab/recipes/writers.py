"""Which formats a recipe can be written in, and their writing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from powerlab.recipes.layers import Recipe
from powerlab.recipes.ncnn_files import ncnn_files
from powerlab.recipes.onnx_file import onnx_bytes
from powerlab.recipes.openvino_ir import write_openvino_ir
from powerlab.recipes.quantised import quantise
from powerlab.recipes.tflite_file import tflite_bytes, tflite_int8_bytes
from powerlab.recipes.weights import draw_weights

BUILT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"float32": ("tflite", "openvino-ir", "onnx", "ncnn"), "int8": ("tflite",)}
)
"""By precision of the weights."""

_CALIBRATION_SEED = 8
_CALIBRATION_PICTURES = 4


def write_model(
    recipe: Recipe,
    seed: int,
    precision: str,
    format: str,  # noqa: A002
    folder: Path,
) -> None:
    """Write a recipe's files, named "model" and their endings, into a folder.

    Raises ``ImportError`` where the package that a format needs is missing, ``OSError`` where
    the folder cannot be written.
    """
    weights, told = draw_weights(recipe, seed), f"{recipe.id} seed {seed}"
    match precision, format:
        case "int8", "tflite":
            generator = np.random.default_rng(_CALIBRATION_SEED)
            shape = (_CALIBRATION_PICTURES, *recipe.input_shape)
            quantised = quantise(recipe, weights, generator.random(shape, dtype=np.float32))
            content = tflite_int8_bytes(recipe, quantised, f"{told} int8")
            (folder / "model.tflite").write_bytes(content)
        case "float32", "tflite":
            (folder / "model.tflite").write_bytes(tflite_bytes(recipe, weights, told))
        case "float32", "onnx":
            (folder / "model.onnx").write_bytes(onnx_bytes(recipe, weights, told))
        case "float32", "ncnn":
            text, content = ncnn_files(recipe, weights)
            (folder / "model.param").write_text(text, encoding="ascii")
            (folder / "model.bin").write_bytes(content)
        case "float32", "openvino-ir":
            write_openvino_ir(recipe, weights, folder / "model.xml")
        case _:
            raise ValueError(f"no {format} is written of a recipe in {precision}")
