"""What the board tells of its own state between the timed windows; never inside one.

A handful of small kernel files, some milliseconds in all. What cannot be read is None, and
never an error. Throttling is told where it holds now, or struck since the reading before.
"""

import glob
import os
from typing import Dict, Iterator, List, Optional

from powerlab.agent.clock import now_ns
from powerlab.agent.facts import read_field, read_text

PI_REASONS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
"""Bits 0 to 3 of the firmware's get_throttled: now. 16 bits higher: has occurred."""

PI_OCCURRED = 16

LIMITERS = ("processor", "cpufreq", "devfreq", "cpuidle", "thermal-idle", "powerclamp", "throttle")
"""Parts of the types of those cooling devices that slow something down; a fan does not."""

MILLIDEGREES_FROM = 200
"""The kernel's unit is 0.001 °C; some vendors' kernels tell whole degrees instead."""


class Telemetry:
    """Reads the state below ``root``; remembers the counters of the reading before."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._throttle_count: Optional[float] = None
        self._pi_bits: Optional[int] = None

    def read(self) -> Dict[str, object]:
        """Get the answer to "telemetry": instant, SI figures or None, reasons of throttling."""
        memory_kb = _number(self._field("proc/meminfo", "MemAvailable").partition(" ")[0])
        return {
            "at_board_ns": now_ns(),
            "temperature_c": self._temperature_c(),
            "frequency_hz": self._frequency_hz(),
            "load": _number(self._text("proc/loadavg").partition(" ")[0]),
            "memory_free_bytes": None if memory_kb is None else 1024 * memory_kb,
            "governor": self._text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
            "throttled": self._firmware() + self._counters() + self._cooling(),
        }

    def _temperature_c(self) -> Optional[float]:
        """Get the temperature of the hottest zone."""
        read = list(self._numbers("sys/class/thermal/thermal_zone*/temp"))
        degrees = [one if abs(one) < MILLIDEGREES_FROM else one / 1000 for one in read]
        return max(degrees) if degrees else None

    def _frequency_hz(self) -> Optional[float]:
        """Get the mean clock of the processors online; the others have no such file."""
        read = list(self._numbers("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
        return 1000 * sum(read) / len(read) if read else None

    def _firmware(self) -> List[str]:
        """Get the reasons that a Raspberry Pi's firmware states, in its own words."""
        text = self._text("sys/devices/platform/soc/soc:firmware/get_throttled")
        try:
            bits = int(text, 16)
        except ValueError:
            return []
        risen = 0 if self._pi_bits is None else bits & ~self._pi_bits
        self._pi_bits = bits
        told = bits | risen >> PI_OCCURRED
        return [reason for place, reason in enumerate(PI_REASONS) if told >> place & 1]

    def _counters(self) -> List[str]:
        """Get whether an x86 processor has throttled for heat since the reading before."""
        pattern = "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"
        count, before = sum(self._numbers(pattern)), self._throttle_count
        self._throttle_count = count
        return ["core throttle count"] if before is not None and count > before else []

    def _cooling(self) -> List[str]:
        """Get the cooling devices that slow a processor down now."""
        return [
            kind
            for place in self._places("sys/class/thermal/cooling_device*")
            for kind in [read_text(os.path.join(place, "type"))]
            if any(part in kind.lower() for part in LIMITERS)
            and (_number(read_text(os.path.join(place, "cur_state"))) or 0) > 0
        ]

    def _text(self, path: str) -> str:
        return read_text(os.path.join(self._root, path))

    def _field(self, path: str, key: str) -> str:
        return read_field(os.path.join(self._root, path), key)

    def _places(self, pattern: str) -> List[str]:
        return sorted(glob.glob(os.path.join(glob.escape(self._root), pattern)))

    def _numbers(self, pattern: str) -> Iterator[float]:
        for path in self._places(pattern):
            number = _number(read_text(path))
            if number is not None:
                yield number


def _number(text: str) -> Optional[float]:
    try:
        return float(text)
    except ValueError:
        return None
