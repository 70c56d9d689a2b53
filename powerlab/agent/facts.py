"""What the board says of itself: names, versions, and what disturbs a measurement."""

import contextlib
import os
import platform
from typing import Dict, Iterator, Optional

from powerlab.agent import faults

# What the login may use, taken before anything is pinned; empty where there is no such call.
_GRANTED = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def describe() -> Dict[str, object]:
    """Get the board's identity and the state of its operating system, all text but one flag."""
    return {
        "hostname": platform.node(),
        "machine": platform.machine(),
        "system": _system(),
        "python": faults.python_version(),
        "cpu": _cpu(),
        "emulated": os.environ.get("POWERLAB_EMULATED") == "1",
        "environment": _environment(),
    }


def pin_to_cores(count: int) -> None:
    """Keep the calling thread, and those it starts, on the last ``count`` cores granted."""
    if _GRANTED:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, _GRANTED[-max(1, count) :])


@contextlib.contextmanager
def aside(count: int) -> Iterator[None]:
    """Keep the calling thread off the last ``count`` cores granted, where there are others.

    A program that works on those is then not held up by whoever waits for its word.
    """
    before = os.sched_getaffinity(0) if _GRANTED[: -max(1, count)] else set()
    if before:
        os.sched_setaffinity(0, _GRANTED[: -max(1, count)])
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)


def _environment() -> Dict[str, str]:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    core = cores[-1] if cores else 0
    frequency = f"/sys/devices/system/cpu/cpu{core}/cpufreq"
    found = {
        "board": read_text("/proc/device-tree/model"),
        "kernel": platform.release(),
        "libc": "-".join(platform.libc_ver()).strip("-"),
        "cores": str(os.cpu_count()),
        "pinned_to": ",".join(str(one) for one in cores),
        "governor": read_text(f"{frequency}/scaling_governor"),
        "frequency_khz": read_text(f"{frequency}/scaling_cur_freq"),
        "temperature_mc": read_text("/sys/class/thermal/thermal_zone0/temp"),
        "memory_kb": read_field("/proc/meminfo", "MemTotal"),
        "load_average": _load_average(),
    }
    return {key: value for key, value in found.items() if value}


def _system() -> str:
    name = read_field("/etc/os-release", "PRETTY_NAME", separator="=")
    return name.strip('"') or f"{platform.system()} {platform.release()}"


def _cpu() -> str:
    for key in ("model name", "Hardware", "Model", "cpu model"):
        value = read_field("/proc/cpuinfo", key)
        if value:
            return value
    return read_text("/proc/device-tree/model") or platform.processor() or platform.machine()


def _load_average() -> str:
    try:
        return " ".join(f"{value:.2f}" for value in os.getloadavg())
    except OSError:
        return ""


def read_text(path: str) -> str:
    """Get what a small text file holds, stripped; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(4096).strip("\0 \n")
    except OSError:
        return ""


def read_field(path: str, key: str, separator: str = ":") -> str:
    """Get the first "key: value" of a text file, empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                value = _value_of(line, key, separator)
                if value is not None:
                    return value
    except OSError:
        pass
    return ""


def _value_of(line: str, key: str, separator: str) -> Optional[str]:
    name, found, value = line.partition(separator)
    return value.strip() if found and name.strip() == key else None
