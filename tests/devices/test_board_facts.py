"""What a board's facts mean, and what is advised."""

from __future__ import annotations

from typing import Any

import pytest

from powerlab.devices.board_facts import LEAST_FREE_BYTES, judge_facts
from powerlab.devices.checked import Checked, State

GOOD: dict[str, Any] = {
    "user": ["pi", False],
    "clock_source": "arch_sys_counter",
    "clock_sources": ["arch_sys_counter"],
    "governors": {"performance": 4},
    "temperature_c": 45.0,
    "trip_c": 80.0,
    "throttled": [],
    "throttled_before": [],
    "memory_bytes": 4e9,
    "memory_free_bytes": 3e9,
    "places": [
        {"what": "temporary files", "path": "/tmp", "free_bytes": 10**9, "writable": True},
        {"what": "models", "path": "/home/pi/.cache", "free_bytes": 10**9, "writable": True},
    ],
    "counters": [{"kind": "hwmon", "parts": ["VDD_IN"], "error": "", "hint": ""}],
    "gpio": [{"path": "/dev/gpiochip0", "open": True, "group": "gpio"}],
    "serial": [],
    "unrelated_pycoral": False,
}


def judged(**changes: Any) -> list[Checked]:
    """Judge a good board with some facts changed; get what is not good."""
    found = list(judge_facts({**GOOD, **changes}))
    assert all(bool(item.advice) == (item.state is not State.OK) for item in found)
    return [item for item in found if item.state is not State.OK]


def test_a_good_board_needs_nothing() -> None:
    """Nothing is advised, and a board that tells little is no bad one."""
    assert judged() == []
    little = {"governors": {}, "temperature_c": None, "memory_free_bytes": None, "clock_source": ""}
    assert judged(**little, counters=[], gpio=[]) == []


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"governors": {"ondemand": 4}}, "governor", "echo performance | sudo tee /sys"),
        ({"governors": {"performance": 2, "powersave": 2}}, "governor", "performance"),
        ({"temperature_c": 74.0}, "temperature", "cool"),
        ({"temperature_c": 76.0, "trip_c": 0.0}, "temperature", "cool"),
        ({"throttled": ["under-voltage"]}, "throttling", "stronger supply"),
        ({"throttled_before": ["throttled"]}, "throttling", "better cooling"),
        ({"clock_source": "hpet", "clock_sources": ["hpet"]}, "clock source", "dmesg"),
        ({"memory_free_bytes": 5e7}, "memory", "top"),
        ({"unrelated_pycoral": True}, "pycoral", "pip uninstall pycoral"),
    ],
)
def test_what_is_amiss_is_advised(changes: dict, name: str, words: str) -> None:
    """One thing at a time, each with what mends it; none of these stops a measurement."""
    (item,) = judged(**changes)
    assert (item.name, item.state) == (name, State.ADVICE)
    assert words in item.advice


@pytest.mark.parametrize(
    ("place", "change", "state"),
    [
        (0, {"free_bytes": LEAST_FREE_BYTES - 1}, State.BLOCKING),
        (0, {"writable": False}, State.BLOCKING),
        (1, {"writable": False}, State.ADVICE),
    ],
)
def test_no_room_stops_a_measurement(place: int, change: dict, state: State) -> None:
    """The agent's file needs a place; models may be sent anew."""
    places = [dict(item) for item in GOOD["places"]]
    places[place].update(change)
    (item,) = judged(places=places)
    assert item.state is state


def test_a_counter_that_may_not_be_read_has_the_sensor_s_own_hint() -> None:
    """The command comes from where the counter is read."""
    counter = {"kind": "rapl", "parts": [], "error": "may not be read", "hint": "sudo chmod"}
    (item,) = judged(counters=[counter])
    assert (item.name, item.found, item.advice) == (
        "counters rapl",
        "may not be read",
        "sudo chmod",
    )


@pytest.mark.parametrize(
    ("group", "words"),
    [("gpio", "sudo usermod -aG gpio pi"), ("", "sudo chown pi /dev/gpiochip0")],
)
def test_a_device_that_may_not_be_opened(group: str, words: str) -> None:
    """Its group where it has one, else its owner."""
    device = {"path": "/dev/gpiochip0", "open": False, "group": group}
    (item,) = judged(gpio=[device])
    assert words in item.advice
    assert "only for a trigger line" in item.advice
