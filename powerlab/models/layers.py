"""What each operation of a graph takes: parameters, multiply-accumulates, bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod

from powerlab.analysis.roofline import Layer, Movement
from powerlab.models.graph import ModelGraph, Operation, Shape, Tensor
from powerlab.models.kinds import ACTIVATIONS, SETTINGS, TRANSPOSES, VIEWS, WITHOUT_MACS

Count = Callable[[list[Shape], list[Shape]], int]


def _filtered(reads: list[Shape], writes: list[Shape], kernel: int = 1) -> int:
    """ONNX: a kernel (n, c, h, w), a value of the output being a sum over (c, h, w)."""
    return prod(writes[0]) * prod(reads[kernel][1:])


def _spread(reads: list[Shape], _writes: list[Shape]) -> int:
    """ONNX: a kernel (c, n, h, w) through which each value of the input goes into many."""
    return prod(reads[0]) * prod(reads[1][1:])


def _product(reads: list[Shape], writes: list[Shape]) -> int:
    return prod(writes[0]) * reads[0][-1]


def _gemm(reads: list[Shape], writes: list[Shape]) -> int:
    return prod(writes[0]) * (prod(reads[0]) // writes[0][0])


def _tflite_depthwise(reads: list[Shape], writes: list[Shape]) -> int:
    return prod(writes[0]) * prod(reads[1][1:3])


def _tflite_dense(reads: list[Shape], writes: list[Shape]) -> int:
    return prod(writes[0]) * reads[1][-1]


def _tflite_batch_product(reads: list[Shape], writes: list[Shape]) -> int:
    """TFLite: an option (adj_x) may exchange rows and columns of the first matrix.

    The output has as many rows as it, so its other length is the one that is summed over.
    """
    lengths = list(reads[0][-2:])
    lengths.remove(writes[0][-2])
    return prod(writes[0]) * lengths[0]


def _tflite_spread(reads: list[Shape], _writes: list[Shape]) -> int:
    kernel = reads[1]
    return prod(reads[2]) * kernel[0] * kernel[1] * kernel[2]


_MACS: Mapping[str, Count] = {
    "Conv": _filtered,
    "ConvInteger": _filtered,
    "QLinearConv": lambda reads, writes: _filtered(reads, writes, 3),
    "ConvTranspose": _spread,
    "Gemm": _gemm,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QGemm": _gemm,
    "QLinearMatMul": _product,
    "CONV_2D": _filtered,
    "DEPTHWISE_CONV_2D": _tflite_depthwise,
    "FULLY_CONNECTED": _tflite_dense,
    "TRANSPOSE_CONV": _tflite_spread,
    "BATCH_MATMUL": _tflite_batch_product,
}

_SCALES = {
    "QGemm": (1, 2, 4, 5, 7, 8),
    "QLinearAdd": (1, 2, 4, 5, 6, 7),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QLinearMul": (1, 2, 4, 5, 6, 7),
}
"""Inputs that are scales and zero points."""


def layers_of(graph: ModelGraph) -> tuple[Layer, ...]:
    """Get the layers of a graph whose shapes are told; a constant counts where first read.

    What gives constants alone, such as the arithmetic of shapes, is done once and no layer.
    """
    context = _Context(graph)
    return tuple(
        context.layer(operation)
        for operation in graph.operations
        if not all(graph.tensors[name].constant for name in operation.writes if name)
    )


def ends_bytes(graph: ModelGraph) -> tuple[int, int]:
    """Get the bytes of a model's inputs and of its outputs at batch 1, as far as known."""
    into, out_of = (
        sum(graph.tensors[name].size_bytes or 0 for name in names)
        for names in (graph.inputs, graph.outputs)
    )
    return into, out_of


class _Context:
    """The graph with who writes and who reads each value, and the constants counted so far."""

    def __init__(self, graph: ModelGraph) -> None:
        self.graph = graph
        operations = graph.operations
        self._writer = {name: one for one in operations for name in one.writes}
        self._readers = Counter(name for one in operations for name in one.reads)
        self._only_reader = {name: one for one in operations for name in one.reads}
        self._counted: set[str] = set()

    def layer(self, operation: Operation) -> Layer:
        """Get what one operation takes."""
        weights = self._weights(operation)
        return Layer(
            name=operation.name.partition("#")[0],
            kind=operation.kind,
            parameters=sum(tensor.items or 0 for tensor in weights),
            macs=self._macs(operation),
            weight_bytes=sum(tensor.size_bytes or 0 for tensor in weights),
            input_bytes=self._bytes(self._values(operation)),
            output_bytes=self._bytes([name for name in operation.writes if name]),
            movement=self._movement(operation),
        )

    def _weights(self, operation: Operation) -> list[Tensor]:
        """Get the constants that an operation reads as weights and nobody read before."""
        if operation.kind in SETTINGS:
            return []
        passed = _SCALES.get(operation.kind, ())
        found = []
        for index, name in enumerate(operation.reads):
            tensor = self._source(name)
            if tensor is None or not tensor.constant or index in passed:
                continue
            if tensor.name not in self._counted and tensor.shape != ():
                self._counted.add(tensor.name)
                found.append(tensor)
        return found

    def _source(self, name: str) -> Tensor | None:
        """Get what an operation really reads: a constant before it was made float again."""
        writer = self._writer.get(name)
        if writer is not None and writer.kind in ("DequantizeLinear", "DEQUANTIZE"):
            stored = self.graph.tensors.get(writer.reads[0])
            if stored is not None and stored.constant:
                return stored
        return self.graph.tensors.get(name)

    def _values(self, operation: Operation) -> list[str]:
        """Get the names of the values read that are no constants."""
        tensors = [(name, self._source(name)) for name in operation.reads if name]
        return [name for name, tensor in tensors if tensor is None or not tensor.constant]

    def _bytes(self, names: list[str]) -> int | None:
        sizes = [self._stored_bytes(name) for name in names]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def _stored_bytes(self, name: str) -> int | None:
        """Get the bytes of a value as it lies in memory, quantised where all readers want that."""
        tensor = self.graph.tensors.get(name)
        writer, reader = self._writer.get(name), self._only_reader.get(name)
        if writer is not None and writer.kind == "DequantizeLinear":
            tensor = self.graph.tensors.get(writer.reads[0])
        elif reader is not None and reader.kind == "QuantizeLinear" and self._readers[name] == 1:
            tensor = self.graph.tensors.get(reader.writes[0])
        return None if tensor is None else tensor.size_bytes

    def _macs(self, operation: Operation) -> int | None:
        if operation.kind in WITHOUT_MACS:
            return 0
        count = _MACS.get(operation.kind)
        reads = [self._shape(name) for name in operation.reads]
        writes = [self._shape(name) for name in operation.writes]
        if count is None or not writes or writes[0] is None:
            return None
        needed = [shape if shape is not None else () for shape in reads]
        try:
            return count(needed, [shape or () for shape in writes])
        except (IndexError, ValueError, ZeroDivisionError):
            return None

    def _shape(self, name: str) -> Shape | None:
        tensor = self.graph.tensors.get(name)
        return None if tensor is None else tensor.shape

    def _movement(self, operation: Operation) -> Movement:
        if operation.kind in VIEWS or (
            operation.kind in TRANSPOSES and self._keeps_order(operation)
        ):
            return "view"
        values = self._values(operation)
        if operation.kind in ACTIVATIONS and len(values) == 1 and self._readers[values[0]] == 1:
            writer = self._writer.get(values[0])
            if writer is not None and (writer.kind in _MACS or writer.kind in ACTIVATIONS):
                return "in-place"
        return "moves"

    def _keeps_order(self, operation: Operation) -> bool:
        """Tell whether a transposition only moves lengths of 1, so that nothing changes place."""
        shape = self._shape(operation.reads[0])
        if shape is None:
            return False
        order = operation.attributes.get("perm")
        if order is None and len(operation.reads) > 1:
            values = self.graph.tensors[operation.reads[1]].values
            order = None if values is None else values.tolist()
        kept = [axis for axis in order or () if shape[axis] != 1]
        return bool(order) and kept == sorted(kept)
