"""Read an ONNX file's graph, by the field numbers of the ONNX project's onnx.proto."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.models.graph import KEPT_ITEMS, ModelGraph, Operation, Shape, Tensor, kept
from powerlab.models.protobuf import Value, message, one, text, whole_numbers

_TYPES: Mapping[int, tuple[str, int]] = {
    1: ("<f4", 32),
    2: ("u1", 8),
    3: ("i1", 8),
    4: ("<u2", 16),
    5: ("<i2", 16),
    6: ("<i4", 32),
    7: ("<i8", 64),
    9: ("?", 8),
    10: ("<f2", 16),
    11: ("<f8", 64),
    12: ("<u4", 32),
    13: ("<u8", 64),
    16: ("", 16),  # bfloat16
    17: ("", 8),  # 17 to 20: 8-bit floats
    18: ("", 8),
    19: ("", 8),
    20: ("", 8),
    21: ("", 4),
    22: ("", 4),
}
"""TensorProto.DataType: numpy's name where it has one, and bits."""

_FLOATING = {1, 10, 11, 16, 17, 18, 19, 20}
_DOMAINS = ("", "ai.onnx", "com.microsoft")


def read_onnx(content: bytes) -> ModelGraph:
    """Get the graph of an ONNX file, shapes only as far as the file states them.

    The first length of an input that the file leaves free is taken as 1. Raises ValueError
    for bytes that are no ONNX model.
    """
    model = message(memoryview(content))
    graph = message(one(model[7]))
    if not graph[1]:
        raise ValueError("it has no graph with operations")
    tensors: dict[str, Tensor] = {}
    for item in graph[13] + graph[12]:
        told = _told(item)
        tensors[told.name] = told
    constants = [_constant(message(_view(item))) for item in graph[5]]
    tensors |= {constant.name: constant for constant in constants}
    fed = [_told(item, batch=1) for item in graph[11]]
    own = [item for item in fed if item.name not in {constant.name for constant in constants}]
    tensors |= {item.name: item for item in own}
    operations = tuple(_operation(message(_view(item)), tensors) for item in graph[1])
    return ModelGraph(
        format="onnx",
        inputs=tuple(item.name for item in own),
        outputs=tuple(_told(item).name for item in graph[12]),
        operations=operations,
        tensors=tensors,
    )


def _view(value: Value) -> memoryview:
    return one([value])


def _told(item: Value, batch: int | None = None) -> Tensor:
    """Get what a ValueInfoProto tells; ``batch`` stands for a first length that is free."""
    info = message(_view(item))
    kind = message(one(message(one(info[2]))[1]))
    lengths: list[int | None] = []
    for dimension in message(one(kind[2]))[1]:
        stated = whole_numbers(message(_view(dimension))[1])
        lengths.append(stated[0] if stated and stated[0] > 0 else None)
    if lengths and batch is not None:
        lengths[0] = lengths[0] or batch
    shape = None if None in lengths or not kind[2] else tuple(filter(None, lengths))
    code = (whole_numbers(kind[1]) or [1])[0]
    return Tensor(text(info[1]), shape, _bits(code), code in _FLOATING)


def _constant(tensor: dict[int, list[Value]]) -> Tensor:
    code = (whole_numbers(tensor[2]) or [1])[0]
    shape = tuple(whole_numbers(tensor[1]))
    values = _values(tensor, code, shape)
    return Tensor(
        text(tensor[8]), shape, _bits(code), code in _FLOATING, constant=True, values=values
    )


def _values(tensor: dict[int, list[Value]], code: int, shape: Shape) -> NDArray[Any] | None:
    """Get a small constant's values; None of a large one, or one kept in another file."""
    kind, count = _TYPES[code][0], int(np.prod(shape, dtype=np.int64))
    if not kind or count > KEPT_ITEMS or whole_numbers(tensor[14]) == [1]:
        return None
    if tensor[9]:
        flat = np.frombuffer(one(tensor[9]), kind)
    elif tensor[4]:
        flat = np.frombuffer(b"".join(bytes(_view(item)) for item in tensor[4]), "<f4")
    else:
        flat = np.array(whole_numbers(tensor[7] or tensor[5]), np.int64)
    return kept(flat.reshape(shape)) if flat.size == count else None


def _operation(node: dict[int, list[Value]], tensors: dict[str, Tensor]) -> Operation:
    """Get a node; what a node of the kind Constant holds becomes a constant at once."""
    kind, writes = text(node[4]), tuple(text([item]) for item in node[2])
    attributes = dict(_attribute(message(_view(item))) for item in node[5])
    domain = text(node[7])
    if domain not in _DOMAINS:
        kind = f"{domain}.{kind}"
    if kind == "Constant" and isinstance(value := attributes.get("value"), Tensor):
        tensors[writes[0]] = replace(value, name=writes[0])
    return Operation(
        name=text(node[3]) or (writes[0] if writes else kind),
        kind=kind,
        reads=tuple(text([item]) for item in node[1]),
        writes=writes,
        attributes=attributes,
    )


def _attribute(item: dict[int, list[Value]]) -> tuple[str, Any]:
    """Get an attribute's name and value: a number, numbers, text or a constant."""
    name, kind = text(item[1]), (whole_numbers(item[20]) or [0])[0]
    if kind == 1:
        return name, struct.unpack("<f", one(item[2]))[0]
    if kind == 3:
        return name, text(item[4])
    if kind == 4:
        return name, _constant(message(one(item[5])))
    if kind == 6:
        return name, [
            number for part in item[7] for (number,) in struct.iter_unpack("<f", _view(part))
        ]
    if kind == 7:
        return name, whole_numbers(item[8])
    return name, (whole_numbers(item[3]) or [0])[0]


def _bits(code: int) -> int:
    if code not in _TYPES:
        raise ValueError(f"a tensor has the type {code}, which holds no numbers")
    return _TYPES[code][1]
