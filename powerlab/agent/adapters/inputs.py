"""What the adapters share: numpy on the board, a reproducible input, versions."""

import importlib
from typing import Any

from powerlab.agent.faults import AgentError, python_version, reason


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
