"""Coral's Edge TPU: compiled TFLite models by the delegate libedgetpu.so.1.

The delegate alone is enough: no other package of Google's is needed. A model without the
compiled op would run on the CPU although the delegate is loaded, so it is refused: its result
would not be an Edge TPU's. A delegate that does not suit the TFLite package tends to crash,
which the agent's supervisor tells.
"""

import importlib
import importlib.util
import os
from typing import Any, Dict, List, Tuple

from powerlab.agent.adapters import tflite
from powerlab.agent.adapters.inputs import import_numpy, package_version, summary
from powerlab.agent.faults import AgentError, reason
from powerlab.agent.protocol import read_chunks

NAME = "edgetpu"

LIBRARY = "libedgetpu.so.1"
COMPILED_OP = b"edgetpu-custom-op"
ON_DEVICE = ("edgetpu", "delegate")
"""Parts of the names under which an interpreter lists what the delegate took."""


class State:
    """A built interpreter and what is known of it."""

    def __init__(self, interpreter: Any, facts: Dict[str, str]) -> None:
        self.interpreter = interpreter
        self.facts = facts


def load(path: str, options: Dict[str, Any]) -> State:
    """Build the interpreter with the delegate, fill its input and invoke it once.

    Raises AgentError: "model-not-compiled" where the file has no compiled op or the CPU took
    it all, "runtime-missing" and "runtime-broken" for packages and library, "device-missing"
    where no Edge TPU answers, "model-refused" where it rejects the model.
    """
    numpy = import_numpy(NAME)
    if options["batch"] != 1:
        raise AgentError(
            "model-refused",
            "a model is compiled for the Edge TPU at one batch size, which is 1",
            "leave out --batch",
        )
    if not _is_compiled(path):
        raise _not_compiled("has no op that was compiled for the Edge TPU")
    module, runtime = _import()
    delegate = _delegate(runtime)
    try:
        interpreter = runtime.Interpreter(model_path=path, experimental_delegates=[delegate])
        interpreter.allocate_tensors()
        tflite.fill_and_invoke(numpy, interpreter, options["seed"])
    except Exception as error:
        raise AgentError(
            "model-refused",
            f"the Edge TPU's delegate refuses the model: {reason(error)}",
            "compile it with an edgetpu_compiler no newer than the board's libedgetpu, and use a "
            "libedgetpu built against this version of TFLite",
            reason(error),
        ) from error
    elsewhere = _on_cpu(interpreter)
    facts = _facts(numpy, module, interpreter)
    if elsewhere:
        facts["ops_on_cpu"] = ", ".join(elsewhere)
    return State(interpreter, facts)


def invoke(state: State) -> None:
    """Run one inference; the delegate returns when the device is done."""
    state.interpreter.invoke()


def unrelated_pycoral() -> str:
    """Get a sentence on the package pycoral of the public index, empty without it.

    That one maps coral reefs. Google's, of the same name, has the subpackage utils and is
    on no public index. It is looked at, not imported.
    """
    try:
        found = importlib.util.find_spec("pycoral")
    except (ImportError, ValueError):
        return ""
    places = list(found.submodule_search_locations or ()) if found is not None else []
    if not places or any(os.path.isdir(os.path.join(place, "utils")) for place in places):
        return ""
    return (
        "the board's package pycoral is an unrelated one of the public index, about coral "
        "reefs: it has nothing to do with the Edge TPU; "
    )


def _is_compiled(path: str) -> bool:
    """Tell whether the compiled op is anywhere in the file, also across two pieces of it."""
    before = b""
    for piece in read_chunks(path):
        if COMPILED_OP in before + piece:
            return True
        before = piece[-len(COMPILED_OP) :]
    return False


def _import() -> Any:
    broken: List[Tuple[str, Exception]] = []
    for module, package in tflite.PACKAGES:
        try:
            return module, importlib.import_module(f"{module}.interpreter")
        except Exception as error:  # noqa: PERF203 -- two rounds
            if not tflite.is_absent(package, error):
                broken.append((package, error))
    if broken:
        package, why = broken[0]
        raise AgentError(
            "runtime-broken",
            f"{package} is installed on the board and cannot be imported: {reason(why)}",
            unrelated_pycoral() + "reinstall it; tflite-runtime 2.14 needs numpy below 2",
            reason(why),
        )
    raise AgentError(
        "runtime-missing",
        "the board's Python has neither ai-edge-litert nor tflite-runtime, which drive an Edge TPU",
        unrelated_pycoral() + "install the tflite-runtime that its libedgetpu was built against",
    )


def _delegate(runtime: Any) -> Any:
    try:
        return runtime.load_delegate(LIBRARY)
    except OSError as error:
        raise AgentError(
            "runtime-missing",
            f"the board has no {LIBRARY}, the Edge TPU's library: {reason(error)}",
            unrelated_pycoral() + "install libedgetpu1-std of Coral's own package source",
            reason(error),
        ) from error
    except Exception as error:
        raise AgentError(
            "device-missing",
            f"{LIBRARY} finds no Edge TPU: {reason(error)}",
            unrelated_pycoral() + "plug it in anew (lsusb shows 1a6e:089a or 18d1:9302, lspci an "
            "Edge TPU), and put the user into the group plugdev (USB) or apex (PCIe): "
            "sudo usermod -aG plugdev,apex $USER",
            reason(error),
        ) from error


def _on_cpu(interpreter: Any) -> List[str]:
    """Get the ops that the delegate did not take; raises AgentError where it took none."""
    details = getattr(interpreter, "_get_ops_details", None)
    if details is None:  # a version that does not list them
        return []
    names = [str(one["op_name"]) for one in details()]
    elsewhere = [one for one in names if not any(part in one.lower() for part in ON_DEVICE)]
    if names and len(elsewhere) == len(names):
        raise _not_compiled("fell back to the CPU: the delegate took none of its ops")
    return elsewhere


def _not_compiled(why: str) -> AgentError:
    return AgentError(
        "model-not-compiled",
        f"the model {why}, so this would be no Edge TPU result",
        "compile the int8 model with edgetpu_compiler, or measure it as a CPU's with "
        "--runtime tflite",
    )


def _facts(numpy: Any, module: str, interpreter: Any) -> Dict[str, str]:
    first_input = interpreter.get_input_details()[0]
    first_output = interpreter.get_output_details()[0]
    return {
        "runtime_module": module,
        "runtime_version": package_version(module, dict(tflite.PACKAGES)[module]),
        "numpy_version": numpy.__version__,
        "input": summary(first_input["shape"], first_input["dtype"]),
        "output_argmax": str(int(interpreter.get_tensor(first_output["index"])[0].argmax())),
        "device": f"Edge TPU by {LIBRARY}",
    }
