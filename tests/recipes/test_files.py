"""What stands in the files, read back with the formats' own readers."""

from __future__ import annotations

import numpy as np
import pytest

from powerlab.recipes import RECIPES
from powerlab.recipes.weights import draw_weights

WORKLOADS = pytest.mark.parametrize("workload_id", ["seed-cnn", "mobilenet-v2"])


def _read(path):
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    content = path.read_bytes()
    return content, schema.Model.GetRootAsModel(content, 0), schema


@WORKLOADS
def test_tflite_header_and_operator_versions(built, workload_id):
    """Identifier TFL3, schema 3, and every operator at version 1 in both code fields."""
    content, model, _ = _read(built(workload_id, "tflite"))
    assert content[4:8] == b"TFL3"
    assert model.Version() == 3
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        assert code.Version() == 1
        assert code.BuiltinCode() == code.DeprecatedBuiltinCode()


@WORKLOADS
def test_tflite_data_is_aligned_and_buffer_zero_is_empty(built, workload_id):
    """The format wants data at multiples of 16 bytes and nothing in the first buffer."""
    content, model, _ = _read(built(workload_id, "tflite"))
    assert model.Buffers(0).DataLength() == 0
    whole = np.frombuffer(content, np.uint8).ctypes.data
    for index in range(1, model.BuffersLength()):
        offset = model.Buffers(index).DataAsNumpy().ctypes.data - whole
        assert offset % 16 == 0


@WORKLOADS
def test_tflite_holds_the_drawn_weights(built, workload, workload_id):
    """Every kernel and bias reads back bit for bit from the tensor that bears its name."""
    _, model, _ = _read(built(workload_id, "tflite"))
    profile = workload(workload_id)
    graph = model.Subgraphs(0)
    tensors = {
        graph.Tensors(i).Name().decode(): graph.Tensors(i) for i in range(graph.TensorsLength())
    }
    for name, weights in draw_weights(RECIPES[profile.recipe], profile.seed).items():
        for suffix, array in (("kernel", weights.kernel), ("bias", weights.bias)):
            tensor = tensors[f"{name}/{suffix}"]
            data = model.Buffers(tensor.Buffer()).DataAsNumpy().view("<f4")
            assert tuple(tensor.ShapeAsNumpy()) == array.shape
            assert np.array_equal(data, array.ravel())


@WORKLOADS
def test_openvino_ir_is_float32_throughout(built, workload, workload_id):
    """No weight is compressed to 16 bits, and the input and output keep their shapes."""
    openvino = pytest.importorskip("openvino")
    profile = workload(workload_id)
    model = openvino.Core().read_model(built(workload_id, "openvino-ir"))
    assert tuple(model.input().shape) == profile.input_shape
    assert tuple(model.output().shape) == (1, profile.outputs)
    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    floats = [node for node in constants if node.get_element_type() == openvino.Type.f32]
    assert {node.get_element_type().to_string() for node in constants} <= {"f32", "i64"}
    assert sum(int(np.prod(tuple(node.shape))) for node in floats) >= profile.parameters
