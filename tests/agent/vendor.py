"""Stand-ins for what vendors document: TensorRT with both its interfaces, and libcudart.

The device's memory is this process's, and what is queued on the stream happens when it is
synchronised: whoever does not wait reads zeros.
"""

from __future__ import annotations

import ctypes
import types
from collections.abc import Callable
from typing import Any

import numpy as np


class Function:
    """A C function as ctypes shows one: callable, with a result type that can be set."""

    def __init__(self, body: Callable[..., Any]) -> None:
        self.body = body
        self.restype: Any = ctypes.c_int

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self.body(*arguments)


class Cudart:
    """CUDA's run-time library on the host's memory; ``room`` bytes can be allocated."""

    def __init__(self, room: int = 1 << 20) -> None:
        self.room = room
        self.blocks: dict[int, Any] = {}
        self.queued: list[Callable[[], None]] = []
        self.synchronised = 0
        self.failing = 0
        for name in ("Malloc", "Free", "Memcpy", "StreamCreate", "StreamSynchronize"):
            setattr(self, f"cuda{name}", Function(getattr(self, f"_{name.lower()}")))
        self.cudaGetErrorString = Function(lambda code: b"out of memory" if code == 2 else b"bad")

    def _malloc(self, place: Any, size: Any) -> int:
        self.room -= size.value
        if self.room < 0:
            return 2
        block = ctypes.create_string_buffer(size.value)
        place._obj.value = ctypes.addressof(block)
        self.blocks[place._obj.value] = block
        return 0

    def _free(self, place: Any) -> int:
        del self.blocks[place.value]
        return 0

    def _memcpy(self, target: Any, source: Any, size: Any, kind: int) -> int:
        assert (source if kind == 2 else target).value in self.blocks
        ctypes.memmove(target, source, size.value)
        return 0

    def _streamcreate(self, stream: Any) -> int:
        stream._obj.value = 77
        return 0

    def _streamsynchronize(self, stream: Any) -> int:
        assert stream.value == 77
        self.synchronised += 1
        while self.queued:
            self.queued.pop(0)()
        return self.failing


class Context:
    """An execution context that turns ``(batch, 4)`` floats into their negatives."""

    def __init__(self, cudart: Cudart) -> None:
        self._cudart = cudart
        self._shape = (-1, 4)
        self.works = True
        self.addresses: dict[str, int] = {}

    def _set_shape(self, shape: Any) -> bool:
        self._shape = tuple(shape)
        return 1 <= shape[0] <= 8

    def _execute(self, source: int, target: int, stream: int) -> bool:
        assert stream == 77
        size = 4 * int(np.prod(self._shape))

        def forward() -> None:
            values = np.frombuffer(ctypes.string_at(source, size), np.float32)
            ctypes.memmove(target, (-values).tobytes(), size)

        self._cudart.queued.append(forward)
        return self.works


class NamedContext(Context):
    """The interface of TensorRT 8.5 and newer."""

    def set_input_shape(self, name: str, shape: Any) -> bool:
        """Take the input's shape."""
        assert name == "x"
        return self._set_shape(shape)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """Get a tensor's shape."""
        assert name in ("x", "y")
        return self._shape

    def set_tensor_address(self, name: str, place: int) -> bool:
        """Take a tensor's place."""
        self.addresses[name] = place
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Queue one inference."""
        return self._execute(self.addresses["x"], self.addresses["y"], stream_handle)


class NumberedContext(Context):
    """The interface of TensorRT 7 and 8."""

    def set_binding_shape(self, binding: int, shape: Any) -> bool:
        """Take the input's shape."""
        assert binding == 0
        return self._set_shape(shape)

    def get_binding_shape(self, binding: int) -> tuple[int, ...]:
        """Get a binding's shape."""
        assert binding in (0, 1)
        return self._shape

    def execute_async_v2(self, bindings: list[int], stream_handle: int) -> bool:
        """Queue one inference."""
        return self._execute(bindings[0], bindings[1], stream_handle)


class NamedEngine:
    """An engine with one input "x" and one output "y"."""

    num_io_tensors = 2

    def __init__(self, context: Any) -> None:
        self._context = context

    def create_execution_context(self) -> Any:
        """Get the context, None where the device has no room for it."""
        return self._context

    def get_tensor_name(self, index: int) -> str:
        """Get a tensor's name."""
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> str:
        """Get whether a tensor goes in or out."""
        return {"x": "in", "y": "out"}[name]

    def get_tensor_shape(self, _name: str) -> tuple[int, int]:
        """Get a tensor's shape, its batch free."""
        return (-1, 4)

    def get_tensor_dtype(self, _name: str) -> str:
        """Get a tensor's type."""
        return "FLOAT"


class NumberedEngine:
    """The same engine of an older version."""

    num_bindings = 2
    has_implicit_batch_dimension = False

    def __init__(self, context: Any) -> None:
        self._context = context

    def create_execution_context(self) -> Any:
        """Get the context."""
        return self._context

    def binding_is_input(self, index: int) -> bool:
        """Get whether a binding goes in."""
        return index == 0

    def get_binding_name(self, index: int) -> str:
        """Get a binding's name."""
        return "xy"[index]

    def get_binding_shape(self, _index: int) -> tuple[int, int]:
        """Get a binding's shape, its batch free."""
        return (-1, 4)

    def get_binding_dtype(self, _index: int) -> str:
        """Get a binding's type."""
        return "FLOAT"


def tensorrt(engine: Any, version: str) -> Any:
    """Get a module whose runtime gives this engine for the bytes "engine", else None and a log."""

    class ILogger:
        Severity = types.SimpleNamespace(WARNING=2)

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, content: bytes) -> Any:
            if content == b"engine":
                return engine
            self._logger.log(4, "verbose")
            self._logger.log(1, "The engine plan file is not compatible with this version")
            return None

    module: Any = types.ModuleType("tensorrt")
    module.__version__ = version
    module.ILogger = ILogger
    module.Runtime = Runtime
    module.TensorIOMode = types.SimpleNamespace(INPUT="in", OUTPUT="out")
    module.nptype = {"FLOAT": np.float32}.get
    return module
