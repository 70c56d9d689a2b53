"""Small ONNX files made for the tests: a node, its constants, its input."""

from __future__ import annotations

import numpy as np

from powerlab.recipes.onnx_file import _attribute, _field, _varint

TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10}


def tensor(name, value):
    """Get a TensorProto of any type, its values as raw bytes."""
    value = np.asarray(value)
    content = b"".join(_field(1, length) for length in value.shape)
    content += _field(2, TYPES[value.dtype.name]) + _field(8, name)
    return content + _field(9, value.astype(value.dtype.newbyteorder("<")).tobytes())


def attribute(name, value):
    """Get an AttributeProto: a number, numbers, text or a float."""
    if isinstance(value, float):
        number = np.array(value, "<f4").tobytes()
        return _field(1, name) + _varint(2 << 3 | 5) + number + _field(20, 1)
    if isinstance(value, str):
        return _field(1, name) + _field(4, value) + _field(20, 3)
    if isinstance(value, np.ndarray):
        return _field(1, name) + _field(5, tensor("", value)) + _field(20, 4)
    return _attribute(name, value)


def node(kind, reads, writes, **attributes):
    """Get a NodeProto."""
    content = b"".join(_field(1, name) for name in reads)
    content += b"".join(_field(2, name) for name in writes)
    content += _field(4, kind)
    return content + b"".join(_field(5, attribute(*item)) for item in attributes.items())


def port(name, shape, kind=1):
    """Get a ValueInfoProto; a length of None is free."""
    dims = b""
    for length in shape:
        dims += _field(1, _field(2, "n") if length is None else _field(1, length))
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, dims)))


def model(nodes, *, inputs, constants=(), output="y"):
    """Get a file's content; ``constants`` are (name, array)."""
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, "made")
    graph += b"".join(_field(5, tensor(*one)) for one in constants)
    graph += b"".join(_field(11, port(*one)) for one in inputs)
    graph += _field(12, _field(1, output) + _field(2, _field(1, _field(1, 1))))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 17))
