"""A model file's graph: tensors, and operations in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant or a value that an operation writes.

    ``shape`` is at batch 1, None where it is not known; ``bits`` is the size of an item.
    ``values`` are kept of small constants only, for the arithmetic of shapes.
    """

    name: str
    shape: Shape | None
    bits: int
    floating: bool
    constant: bool = False
    values: NDArray[Any] | None = None

    @property
    def items(self) -> int | None:
        """Get the number of items, None where the shape is not known."""
        return None if self.shape is None else prod(self.shape)

    @property
    def size_bytes(self) -> int | None:
        """Get the bytes of all items, None where the shape is not known."""
        return None if self.items is None else -(-self.items * self.bits // 8)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, its ``kind`` in the words of its format; an absent input is ""."""

    name: str
    kind: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """What a file says. ``format`` is "onnx" or "tflite"."""

    format: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]
    tensors: Mapping[str, Tensor]


KEPT_ITEMS = 1024
"""Constants up to this many items keep their values."""


def kept(values: NDArray[Any]) -> NDArray[Any] | None:
    """Get a constant's values where they are few enough to be kept."""
    return np.array(values) if values.size <= KEPT_ITEMS else None
