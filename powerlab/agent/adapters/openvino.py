"""OpenVINO on the CPU: models in its IR (.xml), TFLite or ONNX form, float32 enforced.

On CPUs with AMX its default inference precision is bfloat16, which is another model's
result and another model's energy: the hint is set and read back.
"""

import importlib
import sys
from typing import Any, Dict

from powerlab.agent.adapters.inputs import (
    import_numpy,
    last_line,
    package_version,
    random_input,
    summary,
)
from powerlab.agent.faults import AgentError, python_version, reason

NAME = "openvino"
DEVICE = "CPU"


class State:
    """A compiled model's request, its input in place, and what is known of it."""

    def __init__(self, request: Any, facts: Dict[str, str]) -> None:
        self.request = request
        self.facts = facts


def load(path: str, options: Dict[str, Any]) -> State:
    """Read, reshape, compile and invoke the model once.

    Raises AgentError: "runtime-missing" where the package is not there, "runtime-broken"
    where it cannot start, "model-refused" where it rejects the model.
    """
    numpy = import_numpy(NAME)
    openvino = _import_openvino()
    try:
        compiled = _compile(openvino, path, options)
        request = compiled.create_infer_request()
        for offset, port in enumerate(compiled.inputs):
            dtype = port.get_element_type().to_dtype()
            content = random_input(numpy, port.shape, dtype, options["seed"] + offset)
            request.set_tensor(port, openvino.Tensor(content))
        _invoke(request)
    except Exception as error:
        raise AgentError(
            "model-refused",
            f"OpenVINO on the board refuses the model: {last_line(error)}",
            "check that the .xml and .bin belong together and that the input suits the batch size",
            reason(error),
        ) from error
    return State(request, _facts(numpy, compiled, request))


def invoke(state: State) -> None:
    """Run one inference and wait for the device."""
    _invoke(state.request)


def _invoke(request: Any) -> None:
    # infer() would also copy every output, which is no part of the inference.
    request.start_async()
    request.wait()


def _import_openvino() -> Any:
    # Its telemetry package reports each import to Google Analytics from a thread and leaves
    # files in the home directory: traffic and work in a measurement, and nobody's consent.
    # Where that package is absent, OpenVINO uses a stub of its own.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        openvino = importlib.import_module("openvino")
        return (
            openvino if hasattr(openvino, "Core") else importlib.import_module("openvino.runtime")
        )
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "openvino":
            raise _broken(error) from error
        raise AgentError(
            "runtime-missing",
            f"the board's Python {python_version()} has no package openvino",
            "on the board: python3 -m pip install openvino (version 2026 has wheels for Python "
            "3.10 and newer), or choose --runtime tflite",
        ) from error
    except Exception as error:
        raise _broken(error) from error


def _broken(error: Exception) -> AgentError:
    return AgentError(
        "runtime-broken",
        f"openvino is installed on the board and cannot be imported: {last_line(error)}",
        "reinstall it in the board's Python, or choose --runtime tflite",
        reason(error),
    )


def _compile(openvino: Any, path: str, options: Dict[str, Any]) -> Any:
    core = openvino.Core()
    model = core.read_model(path)
    shapes = {}
    for port in model.inputs:
        shape = port.partial_shape
        shape[0] = options["batch"]
        shapes[port.any_name] = shape
    model.reshape(shapes)
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": str(options["threads"]),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
    }
    return core.compile_model(model, DEVICE, hints)


def _facts(numpy: Any, compiled: Any, request: Any) -> Dict[str, str]:
    port = compiled.inputs[0]
    precision = compiled.get_property("INFERENCE_PRECISION_HINT")
    return {
        "runtime_module": "openvino",
        "runtime_version": package_version("openvino", "openvino"),
        "numpy_version": numpy.__version__,
        "input": summary(port.shape, numpy.dtype(port.get_element_type().to_dtype())),
        "output_argmax": str(int(request.get_output_tensor(0).data[0].argmax())),
        "precision": getattr(precision, "get_type_name", lambda: str(precision))(),
        "device": DEVICE,
    }
