"""What a board tells of its state, from made-up trees of kernel files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from powerlab.agent.clock import now_ns
from powerlab.agent.telemetry import Telemetry

CPU = "sys/devices/system/cpu"
THERMAL = "sys/class/thermal"
FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
COUNT = f"{CPU}/cpu1/thermal_throttle/core_throttle_count"


def _write(root: Path, files: dict[str, str]) -> Telemetry:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Telemetry(str(root))


def test_a_board_that_tells_everything(tmp_path: Path) -> None:
    """The hottest zone, the mean clock of the processors online, load, memory, governor."""
    board = _write(
        tmp_path,
        {
            f"{THERMAL}/thermal_zone0/temp": "48312\n",
            f"{THERMAL}/thermal_zone1/temp": "51750\n",
            f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
            f"{CPU}/cpu1/cpufreq/scaling_cur_freq": "1800000\n",
            f"{CPU}/cpu2/online": "0\n",
            f"{CPU}/cpufreq/policy0/scaling_cur_freq": "600000\n",
            f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
            "proc/loadavg": "1.25 0.60 0.30 2/141 4711\n",
            "proc/meminfo": "MemTotal:  3882504 kB\nMemAvailable:    2048000 kB\n",
        },
    )
    before = now_ns()
    told = board.read()
    assert before <= told.pop("at_board_ns") <= now_ns()
    assert told == {
        "temperature_c": 51.75,
        "frequency_hz": 1.65e9,
        "load": 1.25,
        "memory_free_bytes": 2048000 * 1024,
        "governor": "performance",
        "throttled": [],
    }


def test_a_board_that_tells_nothing(tmp_path: Path) -> None:
    """What is not there is null in the reply, and no error."""
    told = json.loads(json.dumps(Telemetry(str(tmp_path)).read()))
    del told["at_board_ns"]
    assert told.pop("throttled") == []
    assert set(told.values()) == {None}


def test_files_that_hold_no_numbers(tmp_path: Path) -> None:
    """A sensor that fails and a clock that is not known are left out."""
    told = _write(
        tmp_path,
        {
            f"{THERMAL}/thermal_zone0/temp": "",
            f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "<unknown>\n",
            FIRMWARE: "not supported\n",
            "proc/loadavg": "\n",
        },
    ).read()
    assert told["temperature_c"] is told["frequency_hz"] is told["load"] is None
    assert told["throttled"] == []


def test_whole_degrees(tmp_path: Path) -> None:
    """A vendor's kernel that tells degrees instead of their thousandths is understood."""
    assert _write(tmp_path, {f"{THERMAL}/thermal_zone0/temp": "63\n"}).read()["temperature_c"] == 63


@pytest.mark.parametrize(
    ("bits", "reasons"),
    [
        ("0", []),
        ("1", ["under-voltage"]),
        ("50005", ["under-voltage", "throttled"]),
        ("a0000", []),
        ("8000a", ["frequency capped", "soft temperature limit"]),
    ],
)
def test_a_raspberry_pi_says_why_it_throttles(
    tmp_path: Path, bits: str, reasons: list[str]
) -> None:
    """What holds now counts, what has occurred at some time since the start does not."""
    assert _write(tmp_path, {FIRMWARE: f"{bits}\n"}).read()["throttled"] == reasons


def test_throttling_between_two_readings_is_told(tmp_path: Path) -> None:
    """A Raspberry Pi's memory or an x86 counter that rises tells of the time in between."""
    board = _write(tmp_path, {FIRMWARE: "10000\n", COUNT: "7\n"})
    assert board.read()["throttled"] == []
    assert board.read()["throttled"] == []
    _write(tmp_path, {FIRMWARE: "50000\n", COUNT: "9\n"})
    assert board.read()["throttled"] == ["throttled", "core throttle count"]
    assert board.read()["throttled"] == []


@pytest.mark.parametrize(
    ("kind", "state", "told"),
    [
        ("cpufreq-cpu0", "2", ["cpufreq-cpu0"]),
        ("thermal-devfreq-0", "1", ["thermal-devfreq-0"]),
        ("Processor", "3", ["Processor"]),
        ("Processor", "0", []),
        ("intel_powerclamp", "-1", []),
        ("pwm-fan", "3", []),
        ("TCC Offset", "10", []),
    ],
)
def test_cooling_devices(tmp_path: Path, kind: str, state: str, told: list[str]) -> None:
    """One that slows a processor down is throttling; a fan that turns is not."""
    place = f"{THERMAL}/cooling_device0"
    board = _write(tmp_path, {f"{place}/type": f"{kind}\n", f"{place}/cur_state": f"{state}\n"})
    assert board.read()["throttled"] == told
