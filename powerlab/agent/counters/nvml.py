"""NVIDIA's graphics processors by libnvidia-ml.so.1, which comes with their driver.

Names, signatures, structures and numbers after NVIDIA's NVML API reference and nvml.h. Three
ways to the power of one device, the first that it knows:

- ``energy``: a counter of mJ since the driver was loaded (Volta and later);
- ``instant``: power now, the field 186;
- ``average``: nvmlDeviceGetPowerUsage, on Ampere and later (GA100 apart) the mean of one second,
  before that power now.
"""

import contextlib
import ctypes
from typing import Any, Callable, Dict, List, Optional

from powerlab.agent.counters.rails import Choice, facts_of
from powerlab.agent.faults import AgentError

OPTIONS = ("selector", "library", "read")

LIBRARY = "libnvidia-ml.so.1"
POWER_INSTANT = 186
AVERAGE_S = 1.0
UNSIGNED_INT = 1
_TEXT = 96


class Value(ctypes.Union):
    """nvmlValue_t."""

    _fields_ = [
        ("dVal", ctypes.c_double),
        ("uiVal", ctypes.c_uint),
        ("ulVal", ctypes.c_ulong),
        ("ullVal", ctypes.c_ulonglong),
        ("sllVal", ctypes.c_longlong),
    ]


class FieldValue(ctypes.Structure):
    """nvmlFieldValue_t."""

    _fields_ = [
        ("fieldId", ctypes.c_uint),
        ("scopeId", ctypes.c_uint),
        ("timestamp", ctypes.c_longlong),
        ("latencyUsec", ctypes.c_longlong),
        ("valueType", ctypes.c_uint),
        ("nvmlReturn", ctypes.c_int),
        ("value", Value),
    ]


STANDS_FOR = {
    "energy": "energy counted by the graphics processor's driver since it was loaded",
    "instant": "power of the graphics card now",
}

AVERAGE_STANDS_FOR = {
    True: "power of the graphics card, the mean of one second",
    False: "power of the graphics card now",
    None: "power of the graphics card, now or the mean of one second: its driver does not tell "
    "which generation it is",
}
"""By whether it is known to be a mean."""

Ways = Dict[str, Callable[[], Optional[int]]]


class Device:
    """One graphics processor, read one way."""

    def __init__(self, library: Any, options: Dict[str, str]) -> None:
        """Find the device and the way; raises AgentError."""
        self._library = library
        self._call("nvmlInit_v2")
        self._handle = ctypes.c_void_p()
        ways: Ways = {
            "energy": self._energy_mj,
            "instant": self._instant_mw,
            "average": self._average_mw,
        }
        try:
            index = self._find(options.get("selector") or "0")
            self._read, way = self._way(_wanted(ways, options.get("read", "")))
            self.facts = self._facts(index, way)
        except BaseException:
            self._shut()
            raise

    def read(self) -> List[Optional[float]]:
        """Get counts of mJ, or watts."""
        told = self._read()
        if told is None or self.facts["quantity"] == "energy":
            return [told]
        return [told / 1000]

    def _shut(self) -> None:
        with contextlib.suppress(Exception):
            self._library.nvmlShutdown()

    def _find(self, selector: str) -> int:
        count = ctypes.c_uint()
        self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        if not selector.isdigit() or int(selector) >= count.value:
            raise AgentError(
                "counter-unknown",
                f"there is no graphics processor {selector}: the driver lists {count.value}",
                "name one by its number, from 0: nvidia-smi -L lists them",
            )
        index = ctypes.c_uint(int(selector))
        self._call("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(self._handle))
        return int(selector)

    def _way(self, ways: Ways) -> Any:
        for name, way in ways.items():
            with contextlib.suppress(AttributeError):  # the driver is older than the call
                if way() is not None:
                    return way, name
        raise AgentError(
            "counter-missing",
            f"this graphics processor does not tell its {' or '.join(ways)}",
            "nvidia-smi -q -d POWER shows what it tells; use another meter",
        )

    def _facts(self, index: int, way: str) -> Dict[str, Any]:
        name = f"GPU {index}"
        means = self._means() if way == "average" else False
        return dict(
            facts_of(Choice((name,), "rail"), [name]),
            quantity="energy" if way == "energy" else "power",
            unit_j=1e-3,
            wraps_at=[0],
            chips=["nvml"],
            update_s=0.0,
            mean_of_s=None if means is None else AVERAGE_S if means else 0.0,
            mean_limit_s=AVERAGE_S,
            stands_for=STANDS_FOR.get(way) or AVERAGE_STANDS_FOR[means],
            device=self._text("nvmlDeviceGetName", self._handle),
            serial=self._text("nvmlDeviceGetUUID", self._handle),
            driver=self._text("nvmlSystemGetDriverVersion"),
        )

    def _means(self) -> Optional[bool]:
        """Tell whether its power usage is a mean; None where it does not tell its generation."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        try:
            code = self._library.nvmlDeviceGetCudaComputeCapability(
                self._handle, ctypes.byref(major), ctypes.byref(minor)
            )
        except AttributeError:
            return None
        # Ampere is 8, and GA100 is its 8.0.
        return (major.value, minor.value) > (8, 0) if code == 0 else None

    def _energy_mj(self) -> Optional[int]:
        told = ctypes.c_ulonglong()
        return self._told(told, "nvmlDeviceGetTotalEnergyConsumption")

    def _average_mw(self) -> Optional[int]:
        told = ctypes.c_uint()
        return self._told(told, "nvmlDeviceGetPowerUsage")

    def _instant_mw(self) -> Optional[int]:
        field = FieldValue(fieldId=POWER_INSTANT)
        code = self._library.nvmlDeviceGetFieldValues(self._handle, 1, ctypes.byref(field))
        good = code == 0 and field.nvmlReturn == 0 and field.valueType == UNSIGNED_INT
        return int(field.value.uiVal) if good else None

    def _told(self, into: Any, function: str) -> Optional[int]:
        code = getattr(self._library, function)(self._handle, ctypes.byref(into))
        return int(into.value) if code == 0 else None

    def _text(self, function: str, *arguments: Any) -> str:
        text = ctypes.create_string_buffer(_TEXT)
        with contextlib.suppress(AttributeError):
            if getattr(self._library, function)(*arguments, text, _TEXT) == 0:
                return text.value.decode("utf-8", "replace")
        return ""

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self._library, function)(*arguments)
        if code:
            self._library.nvmlErrorString.restype = ctypes.c_char_p
            words = (self._library.nvmlErrorString(code) or b"").decode("utf-8", "replace")
            raise AgentError(
                "counter-missing",
                f"{function} failed on the board: error {code}, {words}",
                "check the driver with nvidia-smi on the board",
            )


def open_source(options: Dict[str, str]) -> Device:
    """Open the device that the selector numbers, the first by default; raises AgentError."""
    name = options.get("library") or LIBRARY
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise AgentError(
            "counter-missing",
            f"the board has no {name}: {error}",
            "it comes with NVIDIA's driver; a Jetson has none: use its hwmon or tegrastats",
        ) from error
    return Device(library, options)


def _wanted(ways: Ways, name: str) -> Ways:
    """Get the way of this name alone, or all of them where none is named."""
    if name and name not in ways:
        raise AgentError(
            "counter-unknown",
            f"the power of a graphics processor cannot be read as {name!r}",
            f"read it as {', '.join(ways)}",
        )
    return {name: ways[name]} if name else ways
