"""One module per inference runtime: ``load`` and ``invoke`` are the whole interface.

``load(path, options)`` builds the model, fills its input and invokes it once; it returns a
state whose ``facts`` name the module, its version and numpy's. ``invoke(state)`` runs one
inference and returns when the device is done. ``options`` has ``threads``, ``batch`` and
``seed``. A state that holds more than memory has a ``close``. An adapter whose program makes
windows of its own, as the marked command does, has ``warm_up`` and ``run`` as well.

A board may bring an adapter of its own: a module ``powerlab_adapter_<runtime>`` on the
board's Python path.
"""

import importlib
import re
from typing import Any

from powerlab.agent.faults import AgentError, reason
from powerlab.agent.tools import NAMES as TOOLS

BUILT_IN = (
    "caffe",
    "command",
    "edgetpu",
    "keras",
    "mxnet",
    "ncnn",
    "onnxruntime",
    "openvino",
    "paddle_lite",
    "paddlepaddle",
    "pytorch",
    "rknn",
    "tensorflow",
    "tensorrt",
    "tflite",
)

_RUNTIME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*\Z")


def find_adapter(runtime: str) -> Any:
    """Get the adapter module of a runtime id.

    Raises AgentError "runtime-unknown" where there is none, "adapter-broken" where the
    board's own one cannot be imported.
    """
    name = runtime.replace("-", "_")
    if runtime in TOOLS:
        return importlib.import_module(f"{__name__}.tools").Tool(runtime)
    if name in BUILT_IN:
        return importlib.import_module(f"{__name__}.{name}")
    module = f"powerlab_adapter_{name}"
    if not _RUNTIME.match(runtime):
        raise _unknown(runtime, "powerlab_adapter_NAME")
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            raise _unknown(runtime, module) from error
        raise _broken(module, error) from error
    except Exception as error:
        raise _broken(module, error) from error


def _unknown(runtime: str, module: str) -> AgentError:
    return AgentError(
        "runtime-unknown",
        f"the agent has no adapter for the runtime {runtime!r}",
        f"it has {', '.join(BUILT_IN)}; another one is a module {module}.py "
        "on the board's Python path",
    )


def _broken(module: str, error: Exception) -> AgentError:
    return AgentError(
        "adapter-broken",
        f"the board's own adapter {module} cannot be imported: {reason(error)}",
        f"run `python3 -c 'import {module}'` on the board",
    )
