"""The shapes of an ONNX graph's values, operation by operation; unknown stays unknown.

Rules after the operator documentation of the ONNX project. What exporters compute about
shapes within the graph (Shape, Gather, Concat and so on) is computed here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil, floor, prod
from typing import Any

import numpy as np

from powerlab.models.graph import ModelGraph, Operation, Shape, Tensor, kept
from powerlab.models.kinds import BROADCAST, REDUCE, SAME
from powerlab.models.onnx_arithmetic import folded

Known = list[Tensor | None]


def with_shapes(graph: ModelGraph) -> ModelGraph:
    """Get the graph with the shape of every value that can be told, at batch 1."""
    tensors = dict(graph.tensors)
    for operation in graph.operations:
        reads: Known = [tensors.get(name) for name in operation.reads]
        values = folded(operation, reads)
        shapes = _written(operation, reads) if values is None else [values.shape]
        fixed = values is not None or _is_fixed(operation, reads)
        for index, name in enumerate(operation.writes):
            if name and not tensors.get(name, _NOTHING).constant:
                shape = shapes[index] if index < len(shapes) else None
                value = _value(name, shape, _like(operation, reads), tensors.get(name))
                kept_values = None if values is None else kept(values)
                tensors[name] = replace(value, constant=fixed, values=kept_values)
    return replace(graph, tensors=tensors)


def _is_fixed(operation: Operation, reads: Known) -> bool:
    """Tell whether an operation reads constants alone, so that a runtime carries it out before.

    What is made float again as it is needed stays as it is stored.
    """
    named = [tensor for name, tensor in zip(operation.reads, reads, strict=True) if name]
    known = operation.kind in _RULES and operation.kind != "DequantizeLinear"
    return known and bool(named) and all(one is not None and one.constant for one in named)


_NOTHING = Tensor("", None, 32, floating=True)


_TYPE_OF = {
    "QuantizeLinear": 2,
    "DequantizeLinear": 1,
    "QLinearConv": 7,
    "QLinearMatMul": 7,
    "QGemm": 8,
}
"""The input whose type the output has, where it is not the first."""

_TYPES = {"ConvInteger": (32, False), "MatMulInteger": (32, False), "Shape": (64, False)}
_CASTS = {1: (32, True), 6: (32, False), 7: (64, False), 10: (16, True), 11: (64, True)}
"""TensorProto.DataType: bits, and whether they are a floating number."""


def _like(operation: Operation, reads: Known) -> Tensor:
    """Get a tensor of the type that an operation writes."""
    told = _TYPES.get(operation.kind) or _CASTS.get(operation.attributes.get("to", 0))
    if told is not None:
        return replace(_NOTHING, bits=told[0], floating=told[1])
    index = _TYPE_OF.get(operation.kind)
    if index is None:
        return next((one for one in reads if one is not None), _NOTHING)
    zero_point = reads[index] if index < len(reads) else None
    return zero_point or replace(_NOTHING, bits=8, floating=False)


def _value(name: str, shape: Shape | None, like: Tensor, stated: Tensor | None) -> Tensor:
    """Get a written value: its type as stated, else as that of ``like``."""
    source = stated or like
    if shape is None and stated is not None:
        shape = stated.shape
    return Tensor(name, shape, source.bits, source.floating)


def _written(operation: Operation, reads: Known) -> list[Shape | None]:
    """Get the shapes of an operation's outputs, none where nothing is known of its kind."""
    rule = _RULES.get(operation.kind)
    if rule is None or not reads:
        return []
    try:
        told = rule(operation.attributes, reads, len(operation.writes))
    except (_NotKnown, ValueError, IndexError, TypeError, ZeroDivisionError):
        return []
    return list(told) if isinstance(told, list) else [told] * len(operation.writes)


class _NotKnown(Exception):
    """A shape or a constant that a rule needs is not known."""


def _shape(reads: Known, index: int = 0) -> Shape:
    tensor = reads[index] if index < len(reads) else None
    if tensor is None or tensor.shape is None:
        raise _NotKnown
    return tensor.shape


def _numbers(attributes: Mapping[str, Any], key: str, reads: Known, index: int) -> Any:
    """Get numbers that stand in an attribute, or in a constant input since a later opset."""
    if key in attributes:
        return attributes[key]
    tensor = reads[index] if index < len(reads) else None
    if tensor is None:
        return None
    if tensor.values is None:
        raise _NotKnown
    return tensor.values.ravel().tolist()


def _same(_attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    return _shape(reads)


def _broadcast(_attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    return tuple(np.broadcast_shapes(*(_shape(reads, index) for index in range(len(reads)))))


def _windows(attributes: Mapping[str, Any], space: Shape, kernel: Shape) -> Shape:
    """Get how many windows fit, along each axis of the picture."""
    rank = len(space)
    strides = attributes.get("strides") or [1] * rank
    dilations = attributes.get("dilations") or [1] * rank
    pads = attributes.get("pads") or [0] * (2 * rank)
    rounded = ceil if attributes.get("ceil_mode") else floor
    same = str(attributes.get("auto_pad", "")).startswith("SAME")
    lengths = []
    for axis, (length, size) in enumerate(zip(space, kernel, strict=True)):
        if same:
            lengths.append(-(-length // strides[axis]))
            continue
        before, after = pads[axis], pads[axis + rank]
        reach = dilations[axis] * (size - 1) + 1
        count = rounded((length + before + after - reach) / strides[axis]) + 1
        # A window that would begin in the padding at the end does not count.
        if rounded is ceil and (count - 1) * strides[axis] >= length + before:
            count -= 1
        lengths.append(count)
    return tuple(lengths)


def _conv(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    picture, kernel = _shape(reads), _shape(reads, 1)
    return (picture[0], kernel[0], *_windows(attributes, picture[2:], kernel[2:]))


def _quantised_conv(attributes: Mapping[str, Any], reads: Known, count: int) -> Shape:
    return _conv(attributes, [reads[0], reads[3]], count)


def _conv_transpose(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    picture, kernel = _shape(reads), _shape(reads, 1)
    rank = len(picture) - 2
    strides = attributes.get("strides") or [1] * rank
    dilations = attributes.get("dilations") or [1] * rank
    pads = attributes.get("pads") or [0] * (2 * rank)
    extra = attributes.get("output_padding") or [0] * rank
    lengths = attributes.get("output_shape") or [
        strides[axis] * (picture[axis + 2] - 1)
        + extra[axis]
        + dilations[axis] * (kernel[axis + 2] - 1)
        + 1
        - pads[axis]
        - pads[axis + rank]
        for axis in range(rank)
    ]
    return (picture[0], kernel[1] * attributes.get("group", 1), *lengths[-rank:])


def _pool(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    picture = _shape(reads)
    return (*picture[:2], *_windows(attributes, picture[2:], tuple(attributes["kernel_shape"])))


def _global_pool(_attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    picture = _shape(reads)
    return (*picture[:2], *(1 for _ in picture[2:]))


def _gemm(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    left, right = _shape(reads), _shape(reads, 1)
    rows = left[1] if attributes.get("transA") else left[0]
    return (rows, right[0] if attributes.get("transB") else right[1])


def _matmul(_attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    left, right = _shape(reads), _shape(reads, 1)
    if min(len(left), len(right)) < 2:
        raise _NotKnown
    return (*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])


def _quantised_matmul(attributes: Mapping[str, Any], reads: Known, count: int) -> Shape:
    return _matmul(attributes, [reads[0], reads[3]], count)


def _quantised_gemm(attributes: Mapping[str, Any], reads: Known, count: int) -> Shape:
    return _gemm(attributes, [reads[0], reads[3]], count)


def _quantised_sum(_attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    return tuple(np.broadcast_shapes(_shape(reads), _shape(reads, 3)))


def _concat(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    shapes = [_shape(reads, index) for index in range(len(reads))]
    axis = attributes["axis"] % len(shapes[0])
    joined = list(shapes[0])
    joined[axis] = sum(shape[axis] for shape in shapes)
    return tuple(joined)


def _split(attributes: Mapping[str, Any], reads: Known, count: int) -> list[Shape | None]:
    whole = _shape(reads)
    axis = attributes.get("axis", 0) % len(whole)
    parts = _numbers(attributes, "split", reads, 1)
    if parts is None:
        size = -(-whole[axis] // count)
        parts = [size] * (count - 1) + [whole[axis] - size * (count - 1)]
    return [(*whole[:axis], part, *whole[axis + 1 :]) for part in parts]


def _reshape(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole, wanted = _shape(reads), _numbers(attributes, "shape", reads, 1)
    keep_zero = attributes.get("allowzero", 0)
    lengths = [
        whole[axis] if length == 0 and not keep_zero else int(length)
        for axis, length in enumerate(wanted)
    ]
    if -1 in lengths:
        rest = prod(length for length in lengths if length != -1)
        lengths[lengths.index(-1)] = prod(whole) // rest
    if prod(lengths) != prod(whole):
        raise _NotKnown
    return tuple(lengths)


def _flatten(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole = _shape(reads)
    axis = attributes.get("axis", 1)
    axis += len(whole) if axis < 0 else 0
    return (prod(whole[:axis]), prod(whole[axis:]))


def _transpose(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole = _shape(reads)
    return tuple(whole[axis] for axis in attributes.get("perm") or reversed(range(len(whole))))


def _squeeze(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole, axes = _shape(reads), _numbers(attributes, "axes", reads, 1)
    if axes is None:
        return tuple(length for length in whole if length != 1)
    gone = {int(axis) % len(whole) for axis in axes}
    return tuple(length for axis, length in enumerate(whole) if axis not in gone)


def _unsqueeze(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole, axes = list(_shape(reads)), _numbers(attributes, "axes", reads, 1)
    rank = len(whole) + len(axes)
    for axis in sorted(int(axis) % rank for axis in axes):
        whole.insert(axis, 1)
    return tuple(whole)


def _resize(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    """Resize has scales in its third input and sizes in its fourth; Upsample in the second."""
    whole = _shape(reads)
    sizes = reads[3] if len(reads) > 3 else None
    if sizes is not None and sizes.shape != (0,):
        return tuple(int(length) for length in _numbers({}, "", reads, 3))
    scales = _numbers(attributes, "scales", reads, 2 if len(reads) > 2 else 1)
    return tuple(floor(length * scale) for length, scale in zip(whole, scales, strict=True))


def _pad(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole = _shape(reads)
    pads = _numbers(attributes, "pads", reads, 1)
    if len(pads) != 2 * len(whole):
        raise _NotKnown
    return tuple(
        length + int(pads[axis]) + int(pads[axis + len(whole)]) for axis, length in enumerate(whole)
    )


def _reduce(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole, axes = _shape(reads), _numbers(attributes, "axes", reads, 1)
    gone = {int(axis) % len(whole) for axis in (range(len(whole)) if axes is None else axes)}
    if attributes.get("keepdims", 1):
        return tuple(1 if axis in gone else length for axis, length in enumerate(whole))
    return tuple(length for axis, length in enumerate(whole) if axis not in gone)


def _slice(attributes: Mapping[str, Any], reads: Known, _count: int) -> Shape:
    whole = list(_shape(reads))
    starts, ends = _numbers(attributes, "starts", reads, 1), _numbers(attributes, "ends", reads, 2)
    axes = _numbers(attributes, "axes", reads, 3) or range(len(starts))
    steps = _numbers({}, "", reads, 4) or [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        length = whole[axis]
        whole[axis] = len(range(*slice(int(start), int(end), int(step)).indices(length)))
    return tuple(whole)


Rule = Callable[[Mapping[str, Any], Known, int], Shape | list[Shape | None]]

_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(SAME, _same),
    **dict.fromkeys(BROADCAST, _broadcast),
    **dict.fromkeys(REDUCE, _reduce),
    "AveragePool": _pool,
    "Concat": _concat,
    "Conv": _conv,
    "ConvInteger": _conv,
    "ConvTranspose": _conv_transpose,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "LpPool": _pool,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "MaxPool": _pool,
    "Pad": _pad,
    "QGemm": _quantised_gemm,
    "QLinearAdd": _quantised_sum,
    "QLinearConv": _quantised_conv,
    "QLinearMatMul": _quantised_matmul,
    "QLinearMul": _quantised_sum,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
