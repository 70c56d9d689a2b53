"""The tables of a TFLite file while they grow, and their packing into bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from powerlab.recipes.layers import Shape
from powerlab.recipes.quantised import Scale

_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
# The schema asks for it (force_align), and kernels that read whole vectors rely on it.
_DATA_ALIGNMENT = 16

_INT8_VERSIONS: Mapping[str, int] = MappingProxyType(
    {
        "CONV_2D": 3,
        "DEPTHWISE_CONV_2D": 3,
        "FULLY_CONNECTED": 4,
        "MAX_POOL_2D": 2,
        "MEAN": 2,
        "ADD": 2,
        "SOFTMAX": 2,
    }
)
"""The first version of each operator that takes int8 (tensorflow/lite op_version.cc)."""


@dataclass
class Graph:
    """The tables of the file; a tensor is known by its index.

    ``schema`` is the module that flatbuffers generated of TFLite's schema. Activations are
    int8 where ``int8`` says so, else float32.
    """

    schema: Any
    int8: bool = False
    tensors: list[Any] = field(default_factory=list)
    buffers: list[NDArray[np.uint8] | None] = field(default_factory=lambda: [None])
    operators: list[Any] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)

    def tensor(
        self, name: str, shape: Shape, data: NDArray[Any] | None = None, scale: Scale | None = None
    ) -> int:
        """Append a tensor; without ``data`` it is an activation and takes buffer 0."""
        tensor = self.schema.TensorT()
        tensor.name = name
        tensor.shape = np.asarray(shape, np.int32)
        kind = data.dtype if data is not None else np.dtype("int8" if self.int8 else "float32")
        tensor.type = getattr(self.schema.TensorType, kind.name.upper())
        if scale is not None:
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale = scale.steps
            tensor.quantization.zeroPoint = np.full(len(scale.steps), scale.zero_point, np.int64)
            tensor.quantization.quantizedDimension = scale.axis
        if data is not None:
            little_endian = data.astype(data.dtype.newbyteorder("<"), order="C", copy=False)
            tensor.buffer = len(self.buffers)
            self.buffers.append(np.frombuffer(little_endian.tobytes(), np.uint8))
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def operator(self, kind: str, inputs: Sequence[int], output: int, options: Any) -> None:
        """Append an operator of a built-in kind, such as ``CONV_2D``."""
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self.codes.setdefault(kind, len(self.codes))
        operator.inputs = np.asarray(inputs, np.int32)
        operator.outputs = np.asarray([output], np.int32)
        union = self.schema.BuiltinOptions
        operator.builtinOptionsType = getattr(union, type(options).__name__.removesuffix("T"))
        operator.builtinOptions = options
        self.operators.append(operator)


def pack(graph: Graph, output: int, name: str, description: str) -> bytes:
    """Turn the tables into the file's bytes, tensor ``output`` being the graph's output."""
    import flatbuffers  # noqa: PLC0415  optional

    schema = graph.schema
    subgraph = schema.SubGraphT()
    subgraph.name = name
    subgraph.tensors = graph.tensors
    subgraph.operators = graph.operators
    subgraph.inputs = np.asarray(graph.inputs, np.int32)
    subgraph.outputs = np.asarray([output], np.int32)
    model = schema.ModelT()
    model.version = _SCHEMA_VERSION
    model.description = description
    model.subgraphs = [subgraph]
    model.operatorCodes = [_code(graph, kind) for kind in graph.codes]
    model.buffers = [_Buffer(schema, data) for data in graph.buffers]
    size = sum(data.size for data in graph.buffers if data is not None)
    builder = flatbuffers.Builder(size + 65536)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def _code(graph: Graph, kind: str) -> Any:
    """Get an operator's code at the lowest version that will do: old runtimes read it, too."""
    code, builtin = graph.schema.OperatorCodeT(), getattr(graph.schema.BuiltinOperator, kind)
    code.builtinCode = builtin
    # Runtimes older than the 32-bit field read this one; all codes used fit in it.
    code.deprecatedBuiltinCode = builtin
    code.version = _INT8_VERSIONS.get(kind, 1) if graph.int8 else 1
    return code


@dataclass(frozen=True)
class _Buffer:
    """A buffer table; the schema's own packer would align its data to 4 bytes only."""

    schema: Any
    data: NDArray[np.uint8] | None

    def Pack(self, builder: Any) -> Any:  # noqa: N802  called by the generated packer
        """Write the data and the table, and get the table's offset."""
        vector = None
        if self.data is not None:
            builder.StartVector(1, self.data.size, _DATA_ALIGNMENT)
            head = builder.head - self.data.size
            builder.head = head
            builder.Bytes[head : head + self.data.size] = self.data.tobytes()
            vector = builder.EndVector()
        self.schema.BufferStart(builder)
        if vector is not None:
            self.schema.BufferAddData(builder, vector)
        return self.schema.BufferEnd(builder)
