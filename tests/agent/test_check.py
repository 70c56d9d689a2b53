"""What a board tells for a check, from made-up trees of kernel files."""

from __future__ import annotations

import json
from pathlib import Path

from powerlab.agent.check import inspect
from tests.agent.test_counters_hwmon import tree

CPU = "sys/devices/system/cpu"
THERMAL = "sys/class/thermal/thermal_zone0"
CLOCK = "sys/devices/system/clocksource/clocksource0"


def test_a_board_that_tells_everything(tmp_path: Path) -> None:
    """Governors counted, the lowest limit of heat, what a firmware remembers, what is there."""
    content: dict[str, object] = {
        f"{CLOCK}/current_clocksource": "arch_sys_counter",
        f"{CLOCK}/available_clocksource": "arch_sys_counter other",
        f"{THERMAL}/temp": 48312,
        f"{THERMAL}/trip_point_0_type": "active",
        f"{THERMAL}/trip_point_0_temp": 50000,
        f"{THERMAL}/trip_point_1_type": "passive",
        f"{THERMAL}/trip_point_1_temp": 80000,
        f"{THERMAL}/trip_point_2_type": "critical",
        f"{THERMAL}/trip_point_2_temp": 110000,
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50000",
        "proc/meminfo": "MemTotal:  3882504 kB\nMemAvailable:    2048000 kB",
        "sys/class/hwmon/hwmon0/name": "ina226",
        "sys/class/hwmon/hwmon0/power1_input": 6025000,
        "sys/class/powercap/intel-rapl:0/name": "package-0",
        "sys/class/powercap/intel-rapl:0/energy_uj": "nothing",
        "dev/gpiochip0": "",
        "dev/ttyACM0": "",
    }
    for number, governor in enumerate(("performance", "performance", "ondemand")):
        content[f"{CPU}/cpu{number}/cpufreq/scaling_governor"] = governor
    root = tree(tmp_path, content)
    told = json.loads(json.dumps(inspect(root)))
    assert told["governors"] == {"performance": 2, "ondemand": 1}
    assert (told["temperature_c"], told["trip_c"]) == (48.312, 80.0)
    assert told["throttled_before"] == ["under-voltage", "throttled"]
    assert told["throttled"] == []
    assert (told["memory_bytes"], told["memory_free_bytes"]) == (3882504 * 1024, 2048000 * 1024)
    assert (told["clock_source"], len(told["clock_sources"])) == ("arch_sys_counter", 2)
    assert [counter["parts"] for counter in told["counters"]] == [["ina226"], ["package-0"]]
    assert [device["open"] for device in (*told["gpio"], *told["serial"])] == [True, True]
    assert all(place["free_bytes"] > 0 and place["writable"] for place in told["places"])


def test_a_board_that_tells_nothing(tmp_path: Path) -> None:
    """What is not there is empty, and no error."""
    told = inspect(str(tmp_path))
    assert told["governors"] == {}
    assert (told["temperature_c"], told["trip_c"], told["clock_source"]) == (None, 0.0, "")
    assert (told["throttled"], told["throttled_before"]) == ([], [])
    assert all(not counter["parts"] and not counter["error"] for counter in told["counters"])


def test_sensors_that_must_be_chosen_say_so(tmp_path: Path) -> None:
    """An error of the counters is told with its hint."""
    content = {}
    for number in range(2):
        content[f"sys/class/hwmon/hwmon{number}/name"] = "ina226"
        content[f"sys/class/hwmon/hwmon{number}/power1_input"] = 1
    hwmon, _ = inspect(tree(tmp_path, content))["counters"]
    assert "none of them known" in hwmon["error"]
    assert "ina226@hwmon0" in hwmon["hint"]
