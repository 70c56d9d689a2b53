"""TensorFlow Lite: ai-edge-litert or tflite-runtime, whichever really runs the model.

An import proves nothing: with numpy 2, tflite-runtime 2.14 imports and then fails when an
interpreter is built. So each is tried by building an interpreter and invoking the model.
"""

import importlib
from typing import Any, Dict, List, Optional, Tuple

from powerlab.agent.adapters.inputs import import_numpy, package_version, random_input, summary
from powerlab.agent.faults import AgentError, python_version, reason

NAME = "tflite"

PACKAGES = (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime"))

# Wheels on the Python package index, read 2026-11.
WHEELS = (
    "tflite-runtime has wheels for Python 3.9 to 3.11, ai-edge-litert for 3.10 to 3.13 "
    "(up to 2.1.0 also for 3.9)"
)


class State:
    """A built interpreter and what is known of it."""

    def __init__(self, interpreter: Any, facts: Dict[str, str]) -> None:
        self.interpreter = interpreter
        self.facts = facts


def load(path: str, options: Dict[str, Any]) -> State:
    """Build the interpreter by the first module that runs the model once.

    Raises AgentError: "runtime-missing" where neither package is there, "runtime-broken"
    where one is but cannot work, "model-refused" where it works and rejects the model.
    """
    numpy = import_numpy(NAME)
    attempts: List[Tuple[str, Exception]] = []
    for module, package in PACKAGES:
        try:
            interpreter = _build(importlib.import_module(f"{module}.interpreter"), path, options)
            fill_and_invoke(numpy, interpreter, options["seed"])
        except Exception as error:
            attempts.append((package, error))
            continue
        return State(interpreter, _facts(numpy, module, interpreter, attempts))
    raise _why(attempts)


def invoke(state: State) -> None:
    """Run one inference; the CPU is done when the call returns."""
    state.interpreter.invoke()


def _build(module: Any, path: str, options: Dict[str, Any]) -> Any:
    interpreter = module.Interpreter(model_path=path, num_threads=options["threads"])
    if options["batch"] != 1:
        for tensor in interpreter.get_input_details():
            shape = [options["batch"]] + [int(size) for size in tensor["shape"][1:]]
            interpreter.resize_tensor_input(tensor["index"], shape, strict=False)
    interpreter.allocate_tensors()
    return interpreter


def fill_and_invoke(numpy: Any, interpreter: Any, seed: int) -> None:
    """Fill every input of an interpreter from the seed, and invoke it once."""
    for offset, tensor in enumerate(interpreter.get_input_details()):
        content = random_input(numpy, tensor["shape"], tensor["dtype"], seed + offset)
        interpreter.set_tensor(tensor["index"], content)
    interpreter.invoke()


def _facts(
    numpy: Any, module: str, interpreter: Any, attempts: List[Tuple[str, Exception]]
) -> Dict[str, str]:
    (first_input, *_), (first_output, *_) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    facts = {
        "runtime_module": module,
        "runtime_version": package_version(module, dict(PACKAGES)[module]),
        "numpy_version": numpy.__version__,
        "input": summary(first_input["shape"], first_input["dtype"]),
        "output_argmax": str(int(interpreter.get_tensor(first_output["index"])[0].argmax())),
    }
    passed_over = [
        f"{package}: {reason(error)}"
        for package, error in attempts
        if not is_absent(package, error)
    ]
    if passed_over:
        facts["passed_over"] = "; ".join(passed_over)
    return facts


def is_absent(package: str, error: Exception) -> bool:
    """Tell whether an import failed because the package itself is not there."""
    name = package.replace("-", "_")
    return isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == name


def _why(attempts: List[Tuple[str, Exception]]) -> AgentError:
    present = [(package, error) for package, error in attempts if not is_absent(package, error)]
    if not present:
        return _missing()
    detail = "\n".join(f"{package}: {reason(error)}" for package, error in attempts)
    refused = _first(present, (ValueError, RuntimeError))
    if refused:
        return AgentError(
            "model-refused",
            f"{refused[0]} on the board refuses the model: {reason(refused[1])}",
            "check that the file is a .tflite model and that its input suits the batch size",
            detail,
        )
    package, error = present[0]
    return AgentError(
        "runtime-broken",
        f"{package} is installed on the board and cannot work: {reason(error)}",
        "tflite-runtime 2.14 needs numpy below 2 (pip install 'numpy<2'); "
        "otherwise reinstall the package in the board's Python",
        detail,
    )


def _first(
    attempts: List[Tuple[str, Exception]], kinds: Tuple[type, ...]
) -> Optional[Tuple[str, Exception]]:
    return next((one for one in attempts if isinstance(one[1], kinds)), None)


def _missing() -> AgentError:
    version = python_version()
    minor = tuple(int(part) for part in version.split(".")[:2])
    if minor < (3, 9) or minor > (3, 13):
        hint = (
            f"no wheel fits Python {version}: {WHEELS}; install such a Python on the board "
            "and name it in the bench (python = …), or choose another --runtime"
        )
    else:
        package = "tflite-runtime 'numpy<2'" if minor < (3, 10) else "ai-edge-litert"
        hint = f"on the board: python3 -m pip install {package} ({WHEELS})"
    return AgentError(
        "runtime-missing",
        "the board's Python "
        f"{version} has neither ai-edge-litert nor tflite-runtime, which run TFLite models",
        hint,
    )
