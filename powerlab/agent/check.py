"""What a board tells of itself for a check before it is measured: only looked at, never changed.

Facts below a root, so that a made-up tree can be judged as a board is. What they mean, and what
to do about them, the host says (``powerlab.devices.check``).
"""

import glob
import grp
import os
import pwd
import shutil
import stat
import tempfile
from typing import Any, Callable, Dict, List, Tuple

from powerlab.agent import models
from powerlab.agent.adapters.edgetpu import unrelated_pycoral
from powerlab.agent.counters import hwmon, open_source, rapl
from powerlab.agent.facts import read_field, read_text
from powerlab.agent.faults import AgentError, reason
from powerlab.agent.telemetry import PI_OCCURRED, PI_REASONS, Telemetry

CLOCK = "sys/devices/system/clocksource/clocksource0"
FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
GOVERNORS = "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"

# Where a level of heat begins at which the kernel slows a processor down, or switches off.
TRIPS = ("passive", "hot", "critical")


def inspect(root: str = "/") -> Dict[str, Any]:
    """Get all facts of a check, each a plain value; empty where the board does not tell."""
    telemetry = Telemetry(root).read()
    return {
        "user": _user(),
        "clock_source": read_text(os.path.join(root, CLOCK, "current_clocksource")),
        "clock_sources": read_text(os.path.join(root, CLOCK, "available_clocksource")).split(),
        "governors": _governors(root),
        "temperature_c": telemetry["temperature_c"],
        "trip_c": _lowest_trip_c(root),
        "throttled": telemetry["throttled"],
        "throttled_before": _throttled_before(root),
        "memory_bytes": _memory_bytes(root, "MemTotal"),
        "memory_free_bytes": telemetry["memory_free_bytes"],
        "places": [_place("temporary files", tempfile.gettempdir())]
        + [_place("models", models.cache_root())],
        "counters": [_counter("hwmon", hwmon.find, root), _counter("rapl", rapl.find, root)],
        "gpio": _devices(root, "dev/gpiochip*"),
        "serial": _devices(root, "dev/ttyUSB*") + _devices(root, "dev/ttyACM*"),
        "unrelated_pycoral": bool(unrelated_pycoral()),
    }


def _governors(root: str) -> Dict[str, int]:
    """Get how many processors have each frequency governor."""
    found: Dict[str, int] = {}
    for path in glob.glob(os.path.join(glob.escape(root), GOVERNORS)):
        name = read_text(path)
        if name:
            found[name] = found.get(name, 0) + 1
    return found


def _lowest_trip_c(root: str) -> float:
    """Get the lowest temperature [°C] at which the kernel acts; 0 where none is told."""
    pattern = os.path.join(glob.escape(root), "sys/class/thermal/thermal_zone*/trip_point_*_type")
    told = []
    for path in glob.glob(pattern):
        text = read_text(path[: -len("_type")] + "_temp")
        if read_text(path) in TRIPS and text.isdigit() and int(text) > 0:
            told.append(int(text) / 1000)
    return min(told) if told else 0.0


def _throttled_before(root: str) -> List[str]:
    """Get why a Raspberry Pi was held back at any time since it started."""
    try:
        bits = int(read_text(os.path.join(root, FIRMWARE)), 16)
    except ValueError:
        return []
    return [name for place, name in enumerate(PI_REASONS) if bits >> PI_OCCURRED + place & 1]


def _memory_bytes(root: str, key: str) -> int:
    text = read_field(os.path.join(root, "proc/meminfo"), key).partition(" ")[0]
    return 1024 * int(text) if text.isdigit() else 0


def _place(what: str, path: str) -> Dict[str, Any]:
    """Get the room in a folder, or in the nearest one above it that is there."""
    there = path
    while not os.path.isdir(there) and os.path.dirname(there) != there:
        there = os.path.dirname(there)
    return {
        "what": what,
        "path": path,
        "free_bytes": shutil.disk_usage(there).free,
        "writable": os.access(there, os.W_OK),
    }


def _counter(kind: str, find: Callable[[str], List[Any]], root: str) -> Dict[str, Any]:
    """Get what a kind of counters would read; no parts and no error where there are none."""
    told: Dict[str, Any] = {"kind": kind, "parts": [], "error": "", "hint": ""}
    try:
        if find(root):
            source = open_source([kind, f"root={root}"])
            source.read()
            told["parts"] = source.facts["parts"]
    except AgentError as error:
        told.update(error=error.message, hint=error.hint)
    except Exception as error:
        told["error"] = reason(error)
    return told


def _devices(root: str, pattern: str) -> List[Dict[str, Any]]:
    """Get the device files of a pattern: may this login open them, and which group may."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(root), pattern))):
        allowed = os.access(path, os.R_OK | os.W_OK)
        found.append({"path": path, "open": allowed, "group": _group(path)})
    return found


def _group(path: str) -> str:
    """Get the group whose members may read and write a file, empty for root's alone."""
    try:
        owner = os.stat(path)
        shared = owner.st_mode & stat.S_IRGRP and owner.st_mode & stat.S_IWGRP
        return grp.getgrgid(owner.st_gid).gr_name if shared and owner.st_gid else ""
    except (OSError, KeyError):
        return ""


def _user() -> Tuple[str, bool]:
    """Get the login's name, and whether it is root's."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return name, os.getuid() == 0
