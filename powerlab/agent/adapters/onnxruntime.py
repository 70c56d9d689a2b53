"""ONNX Runtime: models in ONNX form, on CUDA where its build has it, else on the CPU.

Inputs and outputs are bound to the device before the first pass, so that no pass copies them;
what a session really uses, which may be less than was asked for, is told as a fact.
"""

from typing import Any, Dict, List

from powerlab.agent.adapters.inputs import (
    first_line,
    import_numpy,
    import_runtime,
    package_version,
    random_input,
    summary,
)
from powerlab.agent.faults import AgentError, reason

NAME = "onnxruntime"
HINT = (
    "on the board: python3 -m pip install onnxruntime (on a Jetson, the build of the board's "
    "vendor), or choose another --runtime"
)

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


class State:
    """A session with its inputs and outputs bound, and what is known of it."""

    def __init__(self, session: Any, binding: Any, facts: Dict[str, str]) -> None:
        self.session = session
        self.binding = binding
        self.facts = facts


def load(path: str, options: Dict[str, Any]) -> State:
    """Build the session, bind inputs and outputs, and run it once.

    Raises AgentError: "runtime-missing" where the package is not there, "runtime-broken"
    where it cannot be imported, "model-refused" where it rejects the model.
    """
    numpy = import_numpy(NAME)
    runtime = import_runtime("onnxruntime", "ONNX", HINT)
    try:
        wanted = [one for one in (CUDA, CPU) if one in runtime.get_available_providers()]
        session = runtime.InferenceSession(path, _settings(runtime, options), providers=wanted)
        device = "cuda" if session.get_providers()[0] == CUDA else "cpu"
        binding = session.io_binding()
        for offset, port in enumerate(session.get_inputs()):
            shape = _shape(port, options["batch"])
            content = random_input(numpy, shape, TYPES[port.type], options["seed"] + offset)
            value = runtime.OrtValue.ortvalue_from_numpy(content, device, 0)
            binding.bind_ortvalue_input(port.name, value)
        for port in session.get_outputs():
            binding.bind_output(port.name, device)
        state = State(session, binding, {})
        invoke(state)
    except AgentError:
        raise
    except Exception as error:
        raise AgentError(
            "model-refused",
            f"ONNX Runtime on the board refuses the model: {first_line(error)}",
            "check that the file is an .onnx model of an opset that this version knows, and "
            "that its input suits the batch size",
            reason(error),
        ) from error
    state.facts = _facts(numpy, session, binding, device, options["batch"])
    return state


def invoke(state: State) -> None:
    """Run one inference and wait for the device."""
    state.session.run_with_iobinding(state.binding)
    state.binding.synchronize_outputs()


def _settings(runtime: Any, options: Dict[str, Any]) -> Any:
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = options["threads"]
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3  # errors alone
    return settings


def _shape(port: Any, batch: int) -> List[int]:
    """Get an input's shape at a batch size; raises AgentError where the model has another."""
    first, *others = port.shape
    if not all(isinstance(length, int) for length in others) or port.type not in TYPES:
        raise _refused(f"its input {port.name} is {port.type} {port.shape}")
    if isinstance(first, int) and first != batch:
        raise _refused(f"its input {port.name} has a fixed batch of {first}, not {batch}")
    return [batch] + [int(length) for length in others]


def _refused(why: str) -> AgentError:
    return AgentError(
        "model-refused",
        f"this model cannot be run as asked: {why}",
        "export it with a batch that is free, or the one to be measured, and fixed other sizes",
    )


def _facts(numpy: Any, session: Any, binding: Any, device: str, batch: int) -> Dict[str, str]:
    port = session.get_inputs()[0]
    first = binding.copy_outputs_to_cpu()[0]
    return {
        "runtime_module": "onnxruntime",
        "runtime_version": package_version("onnxruntime", "onnxruntime"),
        "numpy_version": numpy.__version__,
        "input": summary([batch] + list(port.shape[1:]), TYPES[port.type]),
        "output_argmax": str(int(numpy.asarray(first)[0].argmax())),
        "device": device,
        "providers": ", ".join(session.get_providers()),
    }
