"""PyTorch: TorchScript files, on CUDA where the board has it, else on the CPU.

A TorchScript file does not say what goes into it: the extra file ``powerlab.json`` inside
does, as ``{"inputs": [{"shape": [1, 3, 224, 224], "dtype": "float32"}]}``, written by
``torch.jit.save(model, path, _extra_files={"powerlab.json": text})``.
"""

import contextlib
import json
from typing import Any, Dict, List

from powerlab.agent.adapters.inputs import (
    import_numpy,
    import_runtime,
    random_input,
    refused,
    summary,
)
from powerlab.agent.faults import AgentError, reason

NAME = "pytorch"
HINT = (
    "on the board: python3 -m pip install torch (on a Jetson, the build of the board's vendor), "
    "or choose another --runtime"
)

DESCRIPTION = "powerlab.json"


class State:
    """A module on its device with its inputs there, and what is known of it."""

    def __init__(self, torch: Any, module: Any, inputs: List[Any], device: str) -> None:
        self.module = module
        self.inputs = inputs
        self.without_gradients = getattr(torch, "inference_mode", torch.no_grad)
        # A forward on CUDA returns as soon as it is queued.
        self.wait = torch.cuda.synchronize if device == "cuda" else None
        self.facts: Dict[str, str] = {}


def load(path: str, options: Dict[str, Any]) -> State:
    """Load the module, put it and its inputs on the device, and run it once.

    Raises AgentError: "runtime-missing" where the package is not there, "runtime-broken"
    where it cannot be imported, "model-refused" where it rejects the model.
    """
    numpy = import_numpy(NAME)
    torch = import_runtime("torch", "TorchScript", HINT)
    with contextlib.suppress(Exception):  # only some builds and orders of calls allow it
        torch.set_num_interop_threads(1)
    torch.set_num_threads(options["threads"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        extra = {DESCRIPTION: ""}
        module = torch.jit.load(path, map_location=device, _extra_files=extra).eval()
        described = _described(extra[DESCRIPTION])
        contents = [
            random_input(
                numpy, [options["batch"]] + one["shape"][1:], one["dtype"], options["seed"] + offset
            )
            for offset, one in enumerate(described)
        ]
        inputs = [torch.from_numpy(content).to(device) for content in contents]
        state = State(torch, module, inputs, device)
        output = _forward(state)
    except Exception as error:
        hint = (
            "check that the file is TorchScript (torch.jit.trace or torch.jit.script), saved by "
            "a version not newer than the board's, and that its input suits the batch size"
        )
        raise refused("PyTorch", error, hint) from error
    first = output[0] if isinstance(output, (tuple, list)) else output
    state.facts = {
        "runtime_module": "torch",
        "runtime_version": str(torch.__version__),
        "numpy_version": numpy.__version__,
        "input": summary(contents[0].shape, contents[0].dtype),
        "output_argmax": str(int(first[0].argmax())),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
    }
    return state


def invoke(state: State) -> None:
    """Run one inference and wait for the device."""
    _forward(state)


def _forward(state: State) -> Any:
    with state.without_gradients():
        output = state.module(*state.inputs)
    if state.wait is not None:
        state.wait()
    return output


def _described(text: Any) -> List[Dict[str, Any]]:
    """Get what the file says of its inputs; raises AgentError where it says nothing usable."""
    try:
        inputs = json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)["inputs"]
        return [{"shape": list(one["shape"]), "dtype": str(one["dtype"])} for one in inputs]
    except (ValueError, KeyError, TypeError) as error:
        raise AgentError(
            "model-refused",
            f"the TorchScript file does not say what goes into it: it has no usable {DESCRIPTION}",
            'save it with _extra_files={"powerlab.json": \'{"inputs": [{"shape": [1, 3, 224, 224], '
            '"dtype": "float32"}]}\'}',
            reason(error),
        ) from error
