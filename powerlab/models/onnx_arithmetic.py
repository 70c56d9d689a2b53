"""What an ONNX graph computes about shapes: operations on a few whole numbers, carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.models.graph import KEPT_ITEMS, Operation, Tensor

Known = Sequence[NDArray[Any]]


def folded(operation: Operation, reads: Sequence[Tensor | None]) -> NDArray[Any] | None:
    """Get what an operation gives where all it needs is known and small, else None."""
    kind, attributes = operation.kind, operation.attributes
    if kind == "Constant":
        return _constant(attributes)
    if kind == "Shape":
        source = reads[0]
        return None if source is None or source.shape is None else np.array(source.shape, np.int64)
    values = [one.values for one in reads if one is not None]
    if not values or any(one is None for one in values):
        return None
    known = [one for one in values if one is not None]
    rule = _RULES.get(kind)
    try:
        told = rule(attributes, known) if rule is not None else None
    except (ValueError, IndexError, TypeError, KeyError):
        return None
    return told if told is not None and told.size <= KEPT_ITEMS else None


def _constant(attributes: Any) -> NDArray[Any] | None:
    for key in ("value_int", "value_float"):
        if key in attributes:
            return np.array(attributes[key])
    for key in ("value_ints", "value_floats"):
        if key in attributes:
            return np.array(attributes[key])
    value = attributes.get("value")
    return value.values if isinstance(value, Tensor) else None


def _axes(attributes: Any, known: Known) -> tuple[int, ...] | None:
    if "axes" in attributes:
        return tuple(attributes["axes"])
    return tuple(known[1].ravel().tolist()) if len(known) > 1 else None


def _divide(_attributes: Any, known: Known) -> NDArray[Any]:
    told = np.divide(known[0], known[1])
    return np.trunc(told).astype(known[0].dtype) if known[0].dtype.kind == "i" else told


def _cast(attributes: Any, known: Known) -> NDArray[Any]:
    kinds = {1: np.float32, 6: np.int32, 7: np.int64}  # TensorProto.DataType
    return known[0].astype(kinds.get(attributes["to"], np.float64))


def _slice(attributes: Any, known: Known) -> NDArray[Any]:
    """Slice has its bounds in inputs since opset 10, in attributes before."""
    if "starts" in attributes:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes") or range(len(starts)), [1] * len(starts)
    else:
        starts, ends = known[1].tolist(), known[2].tolist()
        axes = known[3].tolist() if len(known) > 3 else range(len(starts))
        steps = known[4].tolist() if len(known) > 4 else [1] * len(starts)
    parts = [slice(None)] * known[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        parts[axis] = slice(start, None if step < 0 and end < -known[0].shape[axis] else end, step)
    return known[0][tuple(parts)]


def _filled(attributes: Any, known: Known) -> NDArray[Any]:
    value = attributes.get("value")
    stated = value.values if isinstance(value, Tensor) else None
    content = np.float32(0) if stated is None else stated.ravel()[0]
    return np.full([int(length) for length in known[0]], content)


def _concat(attributes: Any, known: Known) -> NDArray[Any]:
    return np.concatenate([np.atleast_1d(one) for one in known], axis=attributes["axis"])


_RULES: Mapping[str, Callable[[Any, Known], NDArray[Any] | None]] = {
    "Add": lambda _, known: np.add(known[0], known[1]),
    "Sub": lambda _, known: np.subtract(known[0], known[1]),
    "Mul": lambda _, known: np.multiply(known[0], known[1]),
    "Div": _divide,
    "Gather": lambda told, known: np.take(known[0], known[1], axis=told.get("axis", 0)),
    "Concat": _concat,
    "Unsqueeze": lambda told, known: np.expand_dims(known[0], _axes(told, known) or ()),
    "Squeeze": lambda told, known: np.squeeze(known[0], _axes(told, known)),
    "Cast": _cast,
    "Floor": lambda _, known: np.asarray(np.floor(known[0])),
    "Ceil": lambda _, known: np.asarray(np.ceil(known[0])),
    "Slice": _slice,
    "Reshape": lambda _, known: known[0].reshape(known[1].tolist()),
    "Transpose": lambda told, known: known[0].transpose(told.get("perm")),
    "ConstantOfShape": _filled,
    "Identity": lambda _, known: known[0],
}
