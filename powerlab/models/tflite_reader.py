"""Read a TFLite file's graph, by the field numbers of TensorFlow's schema.fbs, version 3.

The file states every shape, at batch 1 where it leaves the batch free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from powerlab.models.flatbuffer import Table
from powerlab.models.graph import KEPT_ITEMS, ModelGraph, Operation, Tensor, kept

IDENTIFIER = b"TFL3"

_NUMBERS: Mapping[int, tuple[str, int]] = {
    0: ("<f4", 32),
    1: ("<f2", 16),
    2: ("<i4", 32),
    3: ("u1", 8),
    4: ("<i8", 64),
    6: ("?", 8),
    7: ("<i2", 16),
    9: ("i1", 8),
    10: ("<f8", 64),
    12: ("<u8", 64),
    15: ("<u4", 32),
    16: ("<u2", 16),
    17: ("", 4),
    18: ("", 16),
    19: ("", 2),
    20: ("", 4),
}
"""TensorType: numpy's name where it has one, and bits."""

_FLOATING = {0, 1, 10, 18}

_CUSTOM = 32
KINDS: Mapping[int, str] = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    5: "DEPTH_TO_SPACE",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    11: "L2_NORMALIZATION",
    12: "L2_POOL_2D",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    20: "RELU_N1_TO_1",
    21: "RELU6",
    22: "RESHAPE",
    23: "RESIZE_BILINEAR",
    25: "SOFTMAX",
    26: "SPACE_TO_DEPTH",
    28: "TANH",
    34: "PAD",
    37: "BATCH_TO_SPACE_ND",
    38: "SPACE_TO_BATCH_ND",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    45: "STRIDED_SLICE",
    47: "EXP",
    49: "SPLIT",
    50: "LOG_SOFTMAX",
    53: "CAST",
    54: "PRELU",
    55: "MAXIMUM",
    56: "ARG_MAX",
    57: "MINIMUM",
    60: "PADV2",
    65: "SLICE",
    67: "TRANSPOSE_CONV",
    70: "EXPAND_DIMS",
    74: "SUM",
    77: "SHAPE",
    78: "POW",
    82: "REDUCE_MAX",
    83: "PACK",
    97: "RESIZE_NEAREST_NEIGHBOR",
    98: "LEAKY_RELU",
    100: "MIRROR_PAD",
    102: "SPLIT_V",
    111: "ELU",
    114: "QUANTIZE",
    117: "HARD_SWISH",
    126: "BATCH_MATMUL",
    150: "GELU",
}
"""BuiltinOperator, those whose work is known here; another is called "BUILTIN_n"."""


def read_tflite(content: bytes) -> ModelGraph:
    """Get the first subgraph of a TFLite file. Raises ValueError for bytes that are none."""
    if content[4:8] != IDENTIFIER:
        raise ValueError("it does not begin as a TFLite file does")
    model = Table.root(content)
    subgraphs, buffers = model.tables(2), model.tables(4)
    if not subgraphs:
        raise ValueError("it has no graph")
    tensors = [
        _tensor(table, buffers, number) for number, table in enumerate(subgraphs[0].tables(0))
    ]
    names = [tensor.name for tensor in tensors]
    kinds = [_kind(code) for code in model.tables(1)]
    operations = []
    for number, table in enumerate(subgraphs[0].tables(3)):
        reads, writes = (_named(names, table.array(field, "<i4")) for field in (1, 2))
        index = table.number(0, "I")
        if index >= len(kinds):
            raise ValueError("an operation has no code")
        name = writes[0] if writes else f"operation {number}"
        operations.append(Operation(name, kinds[index], reads, writes))
    return ModelGraph(
        format="tflite",
        inputs=_named(names, subgraphs[0].array(1, "<i4")),
        outputs=_named(names, subgraphs[0].array(2, "<i4")),
        operations=tuple(operations),
        tensors={tensor.name: tensor for tensor in tensors},
    )


def input_scale(content: bytes) -> tuple[float, int] | None:
    """Get the step and the zero of a quantised model's first input, None of any other."""
    if content[4:8] != IDENTIFIER:
        raise ValueError("it does not begin as a TFLite file does")
    graph = Table.root(content).tables(2)[0]
    tensor = graph.tables(0)[int(graph.array(1, "<i4")[0])]
    told = tensor.table(4)
    steps = told.array(2, "<f4") if told is not None else np.zeros(0)
    if told is None or not len(steps):
        return None
    zeros = told.array(3, "<i8")
    return float(steps[0]), int(zeros[0]) if len(zeros) else 0


def _tensor(table: Table, buffers: list[Table], number: int) -> Tensor:
    """Get a tensor; its name is made its own where the file names several alike, or none."""
    code = table.number(1, "b")
    if code not in _NUMBERS:
        raise ValueError(f"a tensor has the type {code}, which holds no numbers")
    numpy_name, bits = _NUMBERS[code]
    shape = tuple(int(length) for length in table.array(0, "<i4"))
    tensor = Tensor(f"{table.text(3)}#{number}", shape, bits, code in _FLOATING)
    buffer = table.number(2, "I")
    if buffer >= len(buffers):
        raise ValueError("a tensor has no buffer")
    data = buffers[buffer].array(0, "u1")
    far = buffers[buffer].number(1, "Q")  # data of large files lies behind the tables
    if not len(data) and far <= 1:
        return tensor
    return replace(tensor, constant=True, values=_values(data, numpy_name, shape))


def _values(
    data: NDArray[np.uint8], kind: str, shape: tuple[int, ...]
) -> NDArray[np.generic] | None:
    count = int(np.prod(shape, dtype=np.int64))
    if not kind or count > KEPT_ITEMS or len(data) != count * np.dtype(kind).itemsize:
        return None
    return kept(data.view(kind).reshape(shape))


def _kind(code: Table) -> str:
    """Get an operator's name; small codes stand in the older field as well, or only there."""
    builtin = max(code.number(0, "b"), code.number(3, "i"))
    if builtin == _CUSTOM:
        return code.text(1) or "CUSTOM"
    return KINDS.get(builtin, f"BUILTIN_{builtin}")


def _named(names: list[str], indices: NDArray[np.int32]) -> tuple[str, ...]:
    if any(index >= len(names) for index in indices):
        raise ValueError("an operation reads or writes a tensor that is not there")
    return tuple(names[index] if index >= 0 else "" for index in indices)
