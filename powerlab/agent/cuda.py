"""What of CUDA's run-time library is needed to run a TensorRT engine, by ctypes.

Names, signatures and the numbers of cudaMemcpyKind after NVIDIA's CUDA Runtime API reference,
sections Memory Management, Stream Management and Error Handling.
"""

import contextlib
import ctypes
import ctypes.util
from typing import Any, List, Optional

from powerlab.agent.faults import AgentError

LIBRARIES = (
    "libcudart.so",
    "libcudart.so.13",
    "libcudart.so.12",
    "libcudart.so.11.0",
    "libcudart.so.10.2",
    "/usr/local/cuda/lib64/libcudart.so",
)
HOST_TO_DEVICE = 1
DEVICE_TO_HOST = 2


class Cuda:
    """One stream and the device memory that was allocated, until ``close``."""

    def __init__(self, library: Optional[Any] = None) -> None:
        """Open a stream; raises AgentError where there is no library or no device."""
        self._library = library or _open()
        self._library.cudaGetErrorString.restype = ctypes.c_char_p
        self._memory: List[int] = []
        stream = ctypes.c_void_p()
        self._check(self._library.cudaStreamCreate(ctypes.byref(stream)), "cudaStreamCreate")
        self.stream = int(stream.value or 0)

    def allocate(self, size: int) -> int:
        """Get the address of ``size`` bytes on the device."""
        place = ctypes.c_void_p()
        code = self._library.cudaMalloc(ctypes.byref(place), ctypes.c_size_t(size))
        self._check(code, f"cudaMalloc of {size} bytes")
        self._memory.append(int(place.value or 0))
        return self._memory[-1]

    def to_device(self, place: int, array: Any) -> None:
        """Copy a contiguous numpy array to the device."""
        self._copy(place, array.ctypes.data, array.nbytes, HOST_TO_DEVICE)

    def to_host(self, array: Any, place: int) -> None:
        """Fill a contiguous numpy array from the device."""
        self._copy(array.ctypes.data, place, array.nbytes, DEVICE_TO_HOST)

    def synchronise(self) -> None:
        """Wait until everything that was queued on the stream is done."""
        code = self._library.cudaStreamSynchronize(ctypes.c_void_p(self.stream))
        if code:
            self._check(code, "cudaStreamSynchronize")

    def close(self) -> None:
        """Free what was allocated; idempotent."""
        memory, self._memory = self._memory, []
        for place in memory:
            with contextlib.suppress(Exception):
                self._library.cudaFree(ctypes.c_void_p(place))

    def _copy(self, target: int, source: int, size: int, kind: int) -> None:
        code = self._library.cudaMemcpy(
            ctypes.c_void_p(target), ctypes.c_void_p(source), ctypes.c_size_t(size), kind
        )
        self._check(code, f"cudaMemcpy of {size} bytes")

    def _check(self, code: int, what: str) -> None:
        if code:
            text = self._library.cudaGetErrorString(code)
            raise AgentError(
                "device-failed",
                f"{what} failed on the board: error {code}, {(text or b'').decode()}",
                "check the board's driver and its free memory (nvidia-smi, or tegrastats on a "
                "Jetson)",
            )


def _open() -> Any:
    found = ctypes.util.find_library("cudart")
    for name in LIBRARIES + ((found,) if found else ()):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    raise AgentError(
        "runtime-missing",
        "the board has no CUDA run-time library (libcudart.so) where programs find it",
        "install it with the board's CUDA, or name its folder in LD_LIBRARY_PATH, as in "
        "/usr/local/cuda/lib64",
    )
