"""What the adapters share: packages on the board, a reproducible input, versions, refusals."""

import importlib
import json
import os
from typing import Any, Dict, List

from powerlab.agent.faults import AgentError, python_version, reason

DESCRIPTION = "model.inputs.json"


def import_numpy(runtime: str) -> Any:
    """Get the board's numpy; raises AgentError "runtime-missing" where there is none."""
    try:
        return importlib.import_module("numpy")
    except Exception as error:
        raise AgentError(
            "runtime-missing",
            f"the board's Python {python_version()} has no working numpy, "
            f"which the {runtime} runtime needs",
            "on the board: python3 -m pip install numpy, or name the Python that has it "
            "in the bench (python = …)",
            reason(error),
        ) from error


def import_runtime(module: str, shown: str, hint: str) -> Any:
    """Import a runtime's module; ``shown`` is its name for people, ``hint`` how to get it.

    Raises AgentError "runtime-missing" where the package is not there, "runtime-broken" where
    it is and cannot be imported.
    """
    package = module.split(".", 1)[0]
    try:
        return importlib.import_module(module)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == package:
            raise AgentError(
                "runtime-missing",
                f"the board's Python {python_version()} has no package {package}, which runs "
                f"{shown} models",
                hint,
            ) from error
        raise AgentError(
            "runtime-broken",
            f"{package} is installed on the board and cannot be imported: {last_line(error)}",
            "reinstall it in the board's Python; old builds need an older numpy",
            reason(error),
        ) from error


def first_line(error: Exception) -> str:
    """Get the first line of what an error says, its type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def last_line(error: Exception) -> str:
    """Get the last line of what an error says, its type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def refused(shown: str, error: Exception, hint: str) -> AgentError:
    """Get the error for a model that a runtime does not take, or the AgentError that it is."""
    if isinstance(error, AgentError):
        return error
    return AgentError(
        "model-refused",
        f"{shown} on the board refuses the model: {last_line(error)}",
        hint,
        reason(error),
    )


def random_input(numpy: Any, shape: Any, dtype: Any, seed: int) -> Any:
    """Get the same input on every machine: uniform in [0, 1), or over an integer's range.

    numpy's legacy generator is frozen, so every version of numpy draws the same numbers.
    """
    generator = numpy.random.RandomState(seed % 2**32)
    size = tuple(int(length) for length in shape)
    kind = numpy.dtype(dtype)
    if kind.kind in "iu":
        limits = numpy.iinfo(kind)
        low, high = max(int(limits.min), -(2**31)), min(int(limits.max), 2**31 - 1)
        return generator.randint(low, high, size=size, dtype=numpy.int64).astype(kind)
    return generator.random_sample(size).astype(kind)


def random_inputs(numpy: Any, described: List[Dict[str, Any]], seed: int) -> List[Any]:
    """Get an array for each input of ``described_inputs``, no two of the same numbers."""
    return [
        random_input(numpy, one["shape"], one["dtype"], seed + offset)
        for offset, one in enumerate(described)
    ]


def run_facts(
    numpy: Any, module: str, version: str, content: Any, output: Any, *, device: str = ""
) -> Dict[str, str]:
    """Get what is told of a loaded model, of its first input and the first output it gave."""
    told = {
        "runtime_module": module,
        "runtime_version": version,
        "numpy_version": numpy.__version__,
        "input": summary(content.shape, content.dtype),
        "output_argmax": str(int(output[0].argmax())),
    }
    return dict(told, device=device) if device else told


def package_version(module: str, distribution: str) -> str:
    """Get the version of an imported package, empty where it tells none."""
    version = getattr(importlib.import_module(module), "__version__", "")
    if version:
        return str(version)
    try:
        metadata = importlib.import_module("importlib.metadata")  # Python 3.8 and newer
        return str(metadata.version(distribution))
    except Exception:
        return ""


def summary(shape: Any, dtype: Any) -> str:
    """Get a tensor's shape and type in words, such as "1x88x88x1 float32"."""
    kind = getattr(dtype, "__name__", str(dtype))
    return "x".join(str(int(length)) for length in shape) + f" {kind}"


def described_inputs(path: str, batch: int) -> List[Dict[str, Any]]:
    """Get what the file DESCRIPTION beside a model says of its inputs, at a batch size.

    Some formats do not say what goes into them; this file does, as
    ``{"inputs": [{"shape": [1, 3, 224, 224], "dtype": "float32"}]}`` with a "name" where the
    runtime wants one. Raises AgentError "model-refused" where it says nothing usable.
    """
    try:
        with open(os.path.join(os.path.dirname(path), DESCRIPTION), encoding="utf-8") as stream:
            inputs = json.load(stream)["inputs"]
        return [
            {
                "name": str(one.get("name", "data")),
                "shape": [batch] + [int(length) for length in one["shape"]][1:],
                "dtype": str(one["dtype"]),
            }
            for one in inputs
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgentError(
            "model-refused",
            "nothing usable says what goes into the model: its format does not, and no "
            f"{DESCRIPTION} beside it does",
            'add a file that ends in .inputs.json to the workload\'s files: {"inputs": [{"shape": '
            '[1, 3, 224, 224], "dtype": "float32"}]}',
            reason(error),
        ) from error


def only_batch_one(batch: int, why: str) -> None:
    """Raise AgentError "model-refused" for any batch but 1."""
    if batch != 1:
        raise AgentError("model-refused", f"{why}, which is 1", "leave out --batch")
