"""Model files that can be read, and reading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from powerlab.errors import ConfigError
from powerlab.models.graph import ModelGraph
from powerlab.models.onnx_reader import read_onnx
from powerlab.models.onnx_shapes import with_shapes
from powerlab.models.tflite_reader import read_tflite

READ: Mapping[str, Callable[[bytes], ModelGraph]] = MappingProxyType(
    {".onnx": lambda content: with_shapes(read_onnx(content)), ".tflite": read_tflite}
)
"""By how a file's name ends."""


def read_model(path: Path) -> ModelGraph:
    """Get the graph of an ONNX or TFLite file, with every shape that can be told.

    Raises ``ConfigError`` for a file of another kind, or one that cannot be read as its kind.
    """
    reader = READ.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"{path.name} is no model file that can be counted",
            hint=f"give a file that ends in {' or '.join(READ)}",
        )
    try:
        return reader(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"the model file {path} cannot be read: {error.strerror or error}",
            hint="correct the path or its permissions",
        ) from error
    except (ValueError, IndexError, RecursionError) as error:
        raise ConfigError(
            f"{path.name} cannot be read as a model file ({path.suffix[1:]}): {error}",
            hint="check that the file is whole and that its name ends as its content is",
        ) from error
